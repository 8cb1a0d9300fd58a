"""Captures as other tools write them: read as what they were, refused with one line where they are broken."""

import json

import cv2
import numpy as np
import pytest

from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import FORMATS, find_format
from engine.store.access import PretrainFrames

from . import captures
from .capture_kit import CaptureKit
from .captures import CX, CY, FX, FY, WIDTH, walk


class TestImages(CaptureKit):
    format = "images"

    def write(self, folder, made):
        return captures.write_images(folder, made)


class TestVideo(CaptureKit):
    format = "video"
    lossy = 8.0

    def write(self, folder, made):
        return captures.write_video(folder / "clip.mp4", made)


class TestNerfstudio(CaptureKit):
    format = "nerfstudio"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_nerfstudio(folder, made)


class TestTum(CaptureKit):
    format = "tum-rgbd"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_tum(folder.with_name("rgbd_dataset_freiburg1_walk"), made)

    def intrinsics(self):
        return 517.3, 516.5, 319.1, 255.8  # of the benchmark's first camera, half a pixel on


class TestStrayScanner(CaptureKit):
    format = "stray-scanner"
    modalities = ("rgb", "depth", "pose", "intrinsics")
    lossy = 8.0

    def write(self, folder, made):
        return captures.write_stray(folder, made)

    def depth(self, made):
        depth = made.depth[:, ::2, ::2].copy()
        depth[:, :, : WIDTH // 4] = 0  # of the lowest confidence: not measured
        return depth


def _read(source):
    return list(FORMATS[find_format(source)].open(source).frames())


def test_a_distorted_image_is_straightened(tmp_path):
    """Points on a grid, distorted by the model itself, come back to where a pinhole camera sees them."""
    source = captures.write_nerfstudio(tmp_path / "walk", walk())
    file = source / "transforms.json"
    k1, k2 = -0.25, 0.05
    values = json.loads(file.read_text()) | {"k1": k1, "k2": k2}
    file.write_text(json.dumps(values))
    columns, rows = np.meshgrid([12, 33, 52], [10, 25, 40])
    x, y = (columns + 0.5 - CX) / FX, (rows + 0.5 - CY) / FY
    r2 = x**2 + y**2
    bent = 1 + k1 * r2 + k2 * r2**2
    down, right = np.mgrid[: captures.HEIGHT, :WIDTH] + 0.5
    image = np.zeros((captures.HEIGHT, WIDTH, 3))
    for u, v in zip((x * bent * FX + CX).ravel(), (y * bent * FY + CY).ravel(), strict=True):
        image += 250 * np.exp(-((right - u) ** 2 + (down - v) ** 2) / 2 / 1.2**2)[..., None]
    cv2.imwrite(str(source / values["frames"][0]["file_path"]), image)
    straight = _read(source)[0].rgb[..., 0].astype(float)
    for column, row in zip(columns.ravel(), rows.ravel(), strict=True):
        spot = straight[row - 4 : row + 5, column - 4 : column + 5]
        at = np.stack(np.mgrid[-4:5, -4:5]).reshape(2, -1) @ spot.ravel() / spot.sum()
        assert np.abs(at).max() < 0.1


def test_blurred_and_repeated_frames_are_dropped_by_a_rule_that_is_printed(tmp_path, capsys):
    made = walk()
    images = [made.rgb[0], made.rgb[0], cv2.GaussianBlur(made.rgb[1], (0, 0), 9), made.rgb[2]]
    for i, image in enumerate(images):
        captures._save(tmp_path / "walk" / f"{i}.png", image)
    import_capture(ImportConfig(source=tmp_path / "walk", store=tmp_path / "store", size=(48, 64)))
    printed = capsys.readouterr().out
    assert "1 frames dropped as blurred" in printed
    assert ", 1 as repeated" in printed
    frames = PretrainFrames(tmp_path / "store")
    np.testing.assert_array_equal(frames.read([0, 1], ["rgb"])["rgb"], made.rgb[[0, 2]])


def _edit(path, change):
    path.write_text(change(path.read_text()))


def _shorter(path):
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3])


BROKEN = {
    "a video that was cut off": (captures.write_video, _shorter, "copy it again"),
    "odometry one line short": (
        captures.write_stray,
        lambda p: _edit(p / "odometry.csv", lambda t: t[: t.rstrip().rindex("\n") + 1]),
        r"odometry\.csv has 5 poses, rgb\.mp4 6 frames",
    ),
    "a pose that is no number": (
        captures.write_stray,
        lambda p: _edit(p / "odometry.csv", lambda t: t.replace(" 1.50000000", " nan", 1)),
        r"odometry\.csv, line 2: position \[0\.0, nan",
    ),
    "depth in metres as floats": (
        captures.write_nerfstudio,
        lambda p: cv2.imwrite(str(p / "depth" / "0.png"), np.ones((48, 64), np.uint8)),
        r"0\.png is uint8 \[48, 64\]; depth is an image of one 16-bit channel",
    ),
    "a pose that scales": (
        captures.write_nerfstudio,
        lambda p: _edit(
            p / "transforms.json", lambda t: t.replace('"transform_matrix": [[', '"transform_matrix": [[9')
        ),
        r"transforms\.json, frame 0: the pose is no rotation",
    ),
    "a path out of the folder": (
        captures.write_nerfstudio,
        lambda p: _edit(
            p / "transforms.json", lambda t: t.replace("images/frame_00001", "../../frame_00001")
        ),
        "lies outside it",
    ),
    "a fisheye camera": (
        captures.write_nerfstudio,
        lambda p: _edit(p / "transforms.json", lambda t: t.replace("OPENCV", "OPENCV_FISHEYE")),
        "undistort",
    ),
    "a list that was cut off": (
        captures.write_tum,
        lambda p: _edit(p / "groundtruth.txt", lambda t: t[: t.rstrip().rindex(" ")]),
        r"groundtruth\.txt, line 19",
    ),
    "lists of two recordings": (
        captures.write_tum,
        lambda p: _edit(p / "depth.txt", lambda t: t.replace("\n13", "\n14")),
        "within 0.02 s",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_capture_is_refused_by_a_line_that_names_file_and_fix(name, tmp_path):
    write, spoil, message = BROKEN[name]
    source = write(tmp_path / ("walk.mp4" if write is captures.write_video else "walk"), walk())
    spoil(source)
    with pytest.raises(ValueError, match=message):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", size=24))


def test_what_is_no_capture_is_said_with_the_formats_there_are(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="stray-scanner"):
        find_format(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="no file or folder"):
        find_format(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no format 'kinect'"):
        find_format(tmp_path, "kinect")
