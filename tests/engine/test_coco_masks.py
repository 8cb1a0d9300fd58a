"""Masks of COCO files: run lengths as the format has them, polygons as another implementation fills them."""

import numpy as np
import pytest

from engine.coco_masks import decode_mask, encode_mask


def test_masks_are_run_lengths_as_coco_has_them():
    """The compressed text is what pycocotools 2.0.11 gives for this mask."""
    mask = np.zeros((7, 9), dtype=bool)
    mask[2:5, 3:8] = mask[0, 0] = mask[6, 8] = True
    mask[3, 4] = False
    runs = {"size": [7, 9], "counts": "01f02^ONM03200004N"}
    np.testing.assert_array_equal(decode_mask(runs, 7, 9), mask)
    assert encode_mask(mask)["counts"][:4] == [0, 1, 22, 3]
    rng = np.random.default_rng(1)
    for _ in range(50):
        mask = rng.random(rng.integers(1, 30, 2)) < rng.random()
        np.testing.assert_array_equal(decode_mask(encode_mask(mask), *mask.shape), mask)


def test_a_pixel_is_in_a_polygon_with_its_centre():
    square = decode_mask([[2, 1, 6, 1, 6, 4, 2, 4]], 6, 8)
    assert np.argwhere(square).min(0).tolist() == [1, 2]
    assert np.argwhere(square).max(0).tolist() == [3, 5]
    assert square.sum() == 12
    assert not decode_mask([[2.6, 1.6, 3.4, 1.6, 3.4, 2.4, 2.6, 2.4]], 6, 8).any()
    both = decode_mask([[0, 0, 2, 0, 2, 2, 0, 2], [-5, 4, 20, 4, 20, 30, -5, 30]], 6, 8)
    assert both.sum() == 4 + 2 * 8
    assert not decode_mask([[9, 9, 12, 9, 12, 12]], 6, 8).any()


def test_polygons_are_filled_as_by_another_implementation():
    other = pytest.importorskip("faster_coco_eval.core.mask")
    rng = np.random.default_rng(4)
    for _ in range(30):
        angles = np.sort(rng.random(rng.integers(3, 12))) * 2 * np.pi
        radius = rng.uniform(10, 60, len(angles))
        corners = rng.uniform(20, 80, 2) + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        polygon = corners.ravel().tolist()
        ours = decode_mask([polygon], 90, 110)
        theirs = other.decode(other.merge(other.frPyObjects([polygon], 90, 110))).astype(bool)
        rim = int(np.ceil(np.linalg.norm(corners - np.roll(corners, 1, 0), axis=1).sum()))
        assert (ours != theirs).sum() <= 0.2 * rim
        packed = other.encode(np.asfortranarray(ours, np.uint8))
        text = {"size": list(packed["size"]), "counts": packed["counts"].decode()}
        np.testing.assert_array_equal(decode_mask(text, 90, 110), ours)


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[0, 0, 2, 2]], "has 2 corners"),
        ([[0, 0, 2, 2, 3]], "no list of x and y"),
        ([[0, 0, 2, float("nan"), 3, 3]], "of finite numbers"),
        ([["a", 0, 2, 2, 3, 3]], "no list of x and y"),
        ({"size": [4, 4], "counts": [3]}, "fill 3 pixels, its image has 16"),
        ({"size": [4, 4], "counts": [-3, 19]}, "fill 16 pixels"),
        ({"size": [2, 8], "counts": [16]}, r"of \[2, 8\] pixels, its image of \[4, 4\]"),
        ({"counts": [16]}, "neither polygons nor run lengths"),
        (7, "neither polygons nor run lengths"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        decode_mask(segmentation, 4, 4)
