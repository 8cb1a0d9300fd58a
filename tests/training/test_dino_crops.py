"""Crops and block masks of `dino`: against Pillow, colorsys and SciPy, and as they are drawn."""

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter1d, label

from tests.training.tiny_world import draw_frames
from training.pretrain.dino.block_masks import draw_blocks, draw_counts
from training.pretrain.dino.crops import (
    MultiCropConfig,
    blur,
    draw_crops,
    make_crops,
    recolour,
    resample,
    turn_hue,
)

SIDE = 48
RGB = draw_frames(6, SIDE, np.random.default_rng(3))["rgb"]


@pytest.mark.parametrize("side", [24, 48, 64])
def test_resampling_is_that_of_pillow(side: int):
    drawn = draw_crops(6, SIDE, MultiCropConfig(), np.random.default_rng(0))["local"]
    ours = resample(torch.from_numpy(RGB), drawn["box"], drawn["mirrored"], side)
    assert drawn["mirrored"].any()
    assert not drawn["mirrored"].all()
    for i, crop in enumerate(ours):
        view, frame = divmod(i, 6)
        top, left, height, width = drawn["box"][view, frame].tolist()
        part = Image.fromarray(RGB[frame, top : top + height, left : left + width])
        theirs = np.asarray(part.resize((side, side), Image.Resampling.BICUBIC)).astype(float)
        if drawn["mirrored"][view, frame]:
            theirs = theirs[:, ::-1]
        # Pillow rounds to whole levels after each of its two passes.
        assert np.abs(crop.numpy() - theirs).max() < 1.6


def test_the_whole_frame_comes_out_as_it_is():
    config = MultiCropConfig(local_crops=0, global_area=(1.0, 1.0), colour=0.0)
    drawn = draw_crops(6, SIDE, config, np.random.default_rng(0))["global"]
    drawn["box"][:] = torch.tensor([0, 0, SIDE, SIDE])
    drawn["mirrored"][:] = False
    crops = make_crops(torch.from_numpy(RGB), drawn, SIDE)
    assert torch.equal(crops, torch.from_numpy(RGB).repeat(2, 1, 1, 1))


def test_boxes_have_the_areas_and_ratios_asked_for():
    config = MultiCropConfig(local_crops=20)
    drawn = draw_crops(400, 224, config, np.random.default_rng(0))
    for kind, (low, high) in {"global": config.global_area, "local": config.local_area}.items():
        top, left, height, width = drawn[kind]["box"].flatten(0, 1).numpy().T
        assert min(top.min(), left.min()) == 0
        assert (top + height).max() == (left + width).max() == 224
        area, ratio = height * width / 224**2, width / height
        # A box that does not fit is drawn again, and large ones fit less often.
        assert area.min() == pytest.approx(low, abs=0.01)
        assert area.max() == pytest.approx(high, abs=0.03)
        assert ratio.min() == pytest.approx(3 / 4, abs=0.03)
        assert ratio.max() == pytest.approx(4 / 3, abs=0.03)
    area = np.prod(drawn["local"]["box"][..., 2:].numpy(), axis=-1) / 224**2
    assert area.mean() == pytest.approx(np.mean(config.local_area), abs=0.005)


def test_changes_come_as_often_as_they_should():
    drawn = draw_crops(4000, 32, MultiCropConfig(), np.random.default_rng(0))
    whole, part = drawn["global"], drawn["local"]
    for kind in (whole, part):
        assert (kind["mirrored"].float().mean(1) - 0.5).abs().max() < 0.03
        assert ((kind["brightness"] != 1).float().mean(1) - 0.8).abs().max() < 0.03
        assert (kind["grey"].float().mean(1) - 0.2).abs().max() < 0.03
        assert ((kind["brightness"] != 1) == (kind["hue"] != 0)).float().mean() > 0.99  # all four or none
    torch.testing.assert_close(
        (whole["sigma"] > 0).float().mean(1), torch.tensor([1.0, 0.1]), atol=0.03, rtol=0
    )
    torch.testing.assert_close(
        whole["solarised"].float().mean(1), torch.tensor([0.0, 0.2]), atol=0.03, rtol=0
    )
    assert ((part["sigma"] > 0).float().mean(1) - 0.5).abs().max() < 0.04
    assert not part["solarised"].any()
    assert whole["sigma"].max() * 224 == pytest.approx(2.0, abs=0.01)
    assert part["sigma"].max() * 96 == pytest.approx(2.0, abs=0.01)
    plain = draw_crops(50, 32, MultiCropConfig(colour=0.0), np.random.default_rng(0))["global"]
    assert not any(plain[k].any() for k in ("grey", "solarised", "sigma"))
    assert (plain["contrast"] == 1).all()


def test_hue_turns_as_in_colorsys():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
    x[0, 0, 0], x[0, 0, 1], x[0, 0, 2] = 0, 255, [10, 10, 200]
    turns = np.array([-0.1, 0.37], dtype=np.float32)
    ours = turn_hue(torch.from_numpy(x), torch.from_numpy(turns)[:, None, None, None]).numpy()
    for i in range(2):
        for pixel, result in zip(x[i].reshape(-1, 3), ours[i].reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255).tolist())
            expected = colorsys.hsv_to_rgb((hue + float(turns[i])) % 1.0, saturation, value)
            np.testing.assert_allclose(result, np.array(expected) * 255, atol=2e-3)


def test_colours_that_do_not_change_and_that_go():
    x = torch.from_numpy(RGB).float()
    one, no = torch.ones(6, 1, 1, 1), torch.zeros(6, 1, 1, 1)
    torch.testing.assert_close(recolour(x, one, one, one, no, no.bool()), x, atol=1e-3, rtol=0)
    grey = recolour(x, one, one, one, no, one.bool())
    torch.testing.assert_close(grey, grey.mean(-1, keepdim=True).expand_as(grey))
    torch.testing.assert_close(grey, recolour(x, one, one, no, no, no.bool()), atol=1e-3, rtol=0)
    flat = recolour(x, one, no, one, no, no.bool())  # no contrast: the mean of the luma everywhere
    assert flat.std((1, 2, 3)).max() < 1e-3
    torch.testing.assert_close(recolour(x, one / 2, one, one, no, no.bool()), x / 2, atol=1e-3, rtol=0)


def test_blur_is_a_gaussian():
    x = torch.from_numpy(RGB).float()
    sigma = torch.tensor([0.0, 0.5, 1.0, 2.0, 0.1, 3.0])
    ours = blur(x, sigma)
    assert torch.equal(ours[0], x[0])
    for i, s in enumerate(sigma.tolist()):
        if s > 0.3:  # below, SciPy's kernel is of one tap
            theirs = gaussian_filter1d(
                gaussian_filter1d(RGB[i].astype(float), s, 0, truncate=8), s, 1, truncate=8
            )
            inside = np.s_[12:-12, 12:-12]
            np.testing.assert_allclose(ours[i].numpy()[inside], theirs[inside], atol=0.05)
    constant = torch.full((1, 16, 16, 3), 77.0)
    torch.testing.assert_close(blur(constant, torch.tensor([2.0])), constant)


def test_hidden_counts_go_evenly_from_the_least_to_the_most():
    counts = draw_counts(2000, 14, 0.5, (0.1, 0.5), np.random.default_rng(0))
    hidden = counts[counts > 0]
    assert len(hidden) == 1000
    assert hidden.min() == pytest.approx(0.1 * 196, abs=1)
    assert hidden.max() == pytest.approx(0.5 * 196, abs=1)
    assert hidden.mean() == pytest.approx(0.3 * 196, abs=1)
    assert (counts[:1000] > 0).mean() == pytest.approx(0.5, abs=0.05)
    few = draw_counts(2, 2, 0.1, (0.1, 0.2), np.random.default_rng(0))
    assert sorted(few) == [0, 1]  # one patch of one image at least


@pytest.mark.parametrize("grid", [3, 8, 14])
def test_blocks_hide_as_many_as_drawn_and_hang_together(grid: int):
    rng = np.random.default_rng(1)
    hidden = draw_blocks(200, grid, 0.5, (0.1, 0.5), rng)
    counts = draw_counts(200, grid, 0.5, (0.1, 0.5), np.random.default_rng(1))
    assert np.array_equal(hidden.sum(1), counts)
    masks = hidden.reshape(-1, grid, grid)[counts > 0]
    pieces = np.mean([label(m)[1] for m in masks])
    shuffled = rng.permuted(masks.reshape(-1, grid**2), axis=1).reshape(masks.shape)
    scattered = np.mean([label(m)[1] for m in shuffled])
    assert pieces <= scattered
    if grid == 14:
        assert pieces < 0.35 * scattered
    # Every patch is hidden at times, those at the border less often, as few rectangles reach them.
    share = masks.mean(0)
    assert share.min() > 0
    assert share.max() < 0.6
