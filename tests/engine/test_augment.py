"""Crops and mirrors show the same place in every modality, and say the truth about it."""

import numpy as np
import pytest

from agents.modalities import MODALITIES
from engine.stream.augment import _has_pixels, crop_and_flip


@pytest.fixture
def batch():
    """Every modality holds the pixel's own row and column, so that a crop tells where it is from."""
    rows, columns = np.mgrid[0:20, 0:24]
    place = np.stack([rows, columns], axis=-1)
    rgb = np.concatenate([place, place[..., :1] * 0 + 9], axis=-1)
    n = 40
    return {
        "id": np.arange(n),
        "rgb": np.tile(rgb.astype(np.uint8), (n, 1, 1, 1)),
        "depth": np.tile((rows * 100 + columns).astype(np.uint16), (n, 1, 1)),
        "normals": np.tile(np.uint8([200, 90, 30]), (n, 20, 24, 1)),
        "intrinsics": np.tile(np.float32([12, 12, 12, 10]), (n, 1)),
    }


def test_all_modalities_are_cut_and_mirrored_alike(batch):
    out = crop_and_flip(batch, 16, np.random.default_rng(0))
    assert out["rgb"].shape == (40, 16, 16, 3)
    assert out["normals"].dtype == np.uint8
    rows, columns = out["rgb"][..., 0].astype(int), out["rgb"][..., 1].astype(int)
    np.testing.assert_array_equal(out["depth"], rows * 100 + columns)
    mirrored = columns[:, 0, 0] > columns[:, 0, -1]
    assert 8 < mirrored.sum() < 32
    assert (
        len({(r, c) for r, c in zip(rows[:, 0, 0].tolist(), columns.min(axis=(1, 2)).tolist(), strict=True)})
        > 15
    )
    # A normal that pointed right points left in the mirror.
    np.testing.assert_array_equal(out["normals"][mirrored][..., 0], 55)
    np.testing.assert_array_equal(out["normals"][~mirrored][..., 0], 200)
    np.testing.assert_array_equal(out["normals"][..., 1:], batch["normals"][:, :16, :16, 1:])
    # The optical axis still hits the pixel that it hit: between columns 11 and 12, between rows 9 and 10.
    for i in range(40):
        cx, cy = out["intrinsics"][i, 2:]
        edge = columns[i, 0].astype(float) + (mirrored[i] * 1.0)
        at = np.interp(cx, np.arange(16), edge) if 0 <= cx <= 15 else None
        assert at is None or at == pytest.approx(12)
        assert cy == 10 - rows[i, 0, 0]


def test_nothing_hit_stays_nothing(batch):
    batch["normals"][:] = 0
    assert not crop_and_flip(batch, 16, np.random.default_rng(0))["normals"].any()


def test_it_is_a_function_of_the_generator(batch):
    one, other = (crop_and_flip(batch, 8, np.random.default_rng(3)) for _ in range(2))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_without_mirrors_poses_stay(batch):
    batch["pose"] = np.tile(np.eye(4), (40, 1, 1))
    out = crop_and_flip(batch, 16, np.random.default_rng(0), flip=False)
    assert (out["rgb"][:, 0, 0, 1] < out["rgb"][:, 0, -1, 1]).all()
    np.testing.assert_array_equal(out["pose"], batch["pose"])
    with pytest.raises(ValueError, match="pose"):
        crop_and_flip(batch, 16, np.random.default_rng(0))


def test_what_cannot_be_cropped_is_refused(batch):
    for size in (0, 21):
        with pytest.raises(ValueError, match="between 1 and 20"):
            crop_and_flip(batch, size, np.random.default_rng(0))
    with pytest.raises(ValueError, match="tok"):
        crop_and_flip(batch | {"tok": np.zeros((40, 8, 8), np.uint16)}, 16, np.random.default_rng(0))


def test_what_has_pixels_is_what_the_table_says():
    for name, modality in MODALITIES.items():
        assert _has_pixels(name, modality.empty(1, 8, 8)) == (modality.kind != "camera"), name
