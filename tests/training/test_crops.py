"""Crops: boxes that fit and repeat, what they do to each modality, tokens of them, and the choice of one."""

import numpy as np
import pytest

from engine.store.access import PretrainFrames
from engine.store.store import Store
from tests.training.conftest import MODALITIES, World
from tests.training.tiny_world import draw_frames, make_store
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.token_crops import TokenCropConfig, choose_crops, crop, draw_boxes
from training.tokenizers.tokenize_store import tokenize

CROPS = TokenCropConfig(count=3, seed=5)


def test_boxes_fit_in_the_ranges_asked_for_and_repeat():
    boxes = draw_boxes(TokenCropConfig(count=200), "part-0", 20, 48, 64).astype(int)
    assert boxes.shape == (20, 201, 5)
    assert (boxes[:, 0] == [0, 0, 48, 64, 0]).all()
    top, left, tall, wide, mirrored = boxes[:, 1:].reshape(-1, 5).T
    assert top.min() == left.min() == 0
    assert (top + tall).max() == 48
    assert (left + wide).max() == 64
    share = tall * wide / (48 * 64)
    assert 0.77 < share.min() < 0.82  # rounding to pixels
    assert 0.95 < share.max() <= 1
    ratio = wide / tall
    assert 0.98 < ratio.min() < 1.1  # at least 0.8 of the area in this frame leaves no taller box
    assert 1.3 < ratio.max() < 1.4
    assert 0.45 < mirrored.mean() < 0.55
    np.testing.assert_array_equal(boxes, draw_boxes(TokenCropConfig(count=200), "part-0", 20, 48, 64))
    assert (boxes != draw_boxes(TokenCropConfig(count=200), "part-1", 20, 48, 64)).any()
    assert (boxes != draw_boxes(TokenCropConfig(count=200, seed=1), "part-0", 20, 48, 64)).any()
    with pytest.raises(ValueError, match=r"crops\.scale"):
        draw_boxes(TokenCropConfig(count=1, scale=(0.5, 2.0)), "part-0", 1, 48, 64)


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_whole_frame_is_the_frame_and_its_mirror_the_mirror(modality: str):
    images = draw_frames(4, 32, np.random.default_rng(0))[modality]
    whole = np.tile(np.array([0, 0, 32, 32, 0], dtype=np.int16), (4, 1))
    np.testing.assert_array_equal(crop(images, whole, modality), images)
    mirrored = crop(images, whole + np.array([0, 0, 0, 0, 1], dtype=np.int16), modality)
    expected = images[:, :, ::-1].copy()
    if modality == "normals":
        seen = expected.any(-1)
        expected[..., 0] = np.where(seen, 255 - expected[..., 0], 0)
    np.testing.assert_array_equal(mirrored, expected)


def test_half_a_frame_is_stretched_by_two():
    depth = np.arange(64, dtype=np.uint16).reshape(1, 8, 8)
    box = np.array([[2, 4, 4, 4, 0]], dtype=np.int16)
    np.testing.assert_array_equal(
        crop(depth, box, "depth")[0], depth[0, 2:6, 4:8].repeat(2, axis=0).repeat(2, axis=1)
    )
    rgb = np.repeat(depth.astype(np.uint8)[..., None], 3, axis=3)
    stretched = crop(rgb, box, "rgb")[0, :, :, 0].astype(float)
    # A plane stays a plane, but for the border, where there is nothing beyond the crop to mix with.
    np.testing.assert_allclose(stretched[3, 1:7], 8 * 3.25 + 4.25 + 0.5 * np.arange(6), rtol=0, atol=0.5)
    assert stretched.min() == depth[0, 2, 4]
    assert stretched.max() == depth[0, 5, 7]


def test_tokens_of_crops_stand_beside_the_boxes(world: World, tmp_path):
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    # Each as if at the same time as the others: none knows what was put there after it began.
    opened = {m: Store.open(store.path) for m in MODALITIES}
    made = {
        m: tokenize(s, m, world.tokenizers[m], threads=1, crops=CROPS, batch=7) for m, s in opened.items()
    }
    names = {m: token_array(world.tokenizers[m], CROPS) for m in MODALITIES}
    assert {m: made[m]["array"] for m in MODALITIES} == names
    frames = PretrainFrames(Store.open(store.path))
    held = frames.read([3, 9], ["normals", CROPS.array, names["normals"]])
    boxes, tokens = held[CROPS.array], held[names["normals"]]
    assert tokens.shape == (2, 4, 8, 8)
    assert tokens.dtype == np.uint16
    model = load_tokenizer(world.tokenizers["normals"])
    for i in range(4):
        cropped = crop(held["normals"], boxes[:, i], "normals")
        np.testing.assert_array_equal(tokens[:, i], model.encode(cropped).numpy())
    again = tokenize(Store.open(store.path), "normals", world.tokenizers["normals"], threads=1, crops=CROPS)
    assert again["samples_per_second"] == 0
    assert not store.verify()


def test_one_crop_is_taken_of_all_modalities_of_a_frame():
    rng = np.random.default_rng(1)
    images = draw_frames(6, 32, rng)
    boxes = draw_boxes(CROPS, "part", 6, 32, 32)
    tokens = np.arange(6 * 4)[:, None, None, None].reshape(6, 4, 1, 1) * np.ones((1, 1, 8, 8), dtype=int)
    batch = {"rgb": images["rgb"], "boxes": boxes, "tok": tokens, "tok2": tokens + 100, "id": np.arange(6)}
    chosen = np.array([0, 3, 1, 2, 0, 3])
    out = choose_crops(batch, chosen, "boxes", ["rgb"], ["tok", "tok2"])
    assert set(out) == {"rgb", "tok", "tok2", "id"}
    np.testing.assert_array_equal(out["tok"][:, 0, 0], 4 * np.arange(6) + chosen)
    np.testing.assert_array_equal(out["tok2"], out["tok"] + 100)
    np.testing.assert_array_equal(out["rgb"], crop(images["rgb"], boxes[np.arange(6), chosen], "rgb"))
