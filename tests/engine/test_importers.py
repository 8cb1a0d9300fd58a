"""Captures as other tools write them: read as what they were, refused with one line where they are broken."""

import json
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import CAPTURE_FORMATS, find_format
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
    return list(CAPTURE_FORMATS[find_format(source)].open(source).frames())


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


def _cut_npy(png, kept=200):
    """The image of depth as a NumPy file of which so many bytes are left."""
    depth = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)
    png.unlink()
    path = png.with_suffix(".npy")
    np.save(path, depth)
    path.write_bytes(path.read_bytes()[:kept])


BROKEN = {
    "a video that was cut off": (captures.write_video, _shorter, "copy it again"),
    "odometry one line short": (
        captures.write_stray,
        lambda p: _edit(p / "odometry.csv", lambda t: t[: t.rstrip().rindex("\n") + 1]),
        r"odometry\.csv has 5 poses, rgb\.mp4 6 frames",
    ),
    "depth of the app's older versions, cut off": (
        captures.write_stray,
        lambda p: _cut_npy(p / "depth" / "000000.png"),
        r"000000\.npy is no NumPy file.*copy the scan",
    ),
    "an empty file of depth": (
        captures.write_stray,
        lambda p: _cut_npy(p / "depth" / "000000.png", 0),
        r"000000\.npy is no NumPy file.*copy the scan",
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


def _tag(path, orientation):
    """Stores the same pixels with EXIF that turns them."""
    image = Image.open(path)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


def _turn_video(path, clockwise):
    """Replaces the identity in the header of the video's track, ISO 14496-12's `tkhd`, by a rotation."""
    turns = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
    identity, matrix = (
        struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        for a, b, c, d in ((1, 0, 0, 1), turns[clockwise])
    )
    data = path.read_bytes()
    at = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:at] + matrix + data[at + len(identity) :])


def _points(frame):
    """Where each pixel's depth lies in the world [m], and its colour."""
    height, width = frame.depth.shape
    fx, fy, cx, cy = frame.intrinsics
    rows, columns = np.mgrid[:height, :width] + 0.5
    scale = frame.rgb.shape[0] / height
    metres = frame.depth / 1000
    x, y = (columns * scale - cx) / fx * metres, (rows * scale - cy) / fy * metres
    camera = np.stack([x, y, metres, np.ones_like(metres)], -1)
    return camera @ frame.pose.T


@pytest.mark.parametrize(("orientation", "clockwise"), [(6, 90), (3, 180), (8, 270)])
@pytest.mark.parametrize("write", [captures.write_nerfstudio, captures.write_stray])
def test_a_camera_held_sideways_gives_upright_frames_of_the_same_points(
    write, orientation, clockwise, tmp_path
):
    """Image, depth, intrinsics and pose turn together, so that every pixel stays where it is in the world."""
    (before, *_) = _read(write(tmp_path / "level", walk()))
    source = write(tmp_path / "sideways", walk())
    if write is captures.write_nerfstudio:
        _tag(source / "images" / "frame_00000.png", orientation)
    else:
        _turn_video(source / "rgb.mp4", clockwise)
    (after, *_) = _read(source)
    back = clockwise // 90
    np.testing.assert_array_equal(np.rot90(after.rgb, back), before.rgb)
    np.testing.assert_array_equal(np.rot90(after.depth, back), before.depth)
    np.testing.assert_allclose(np.rot90(_points(after), back), _points(before), atol=1e-5)


def test_a_mirrored_image_is_refused(tmp_path):
    source = captures.write_nerfstudio(tmp_path / "walk", walk())
    _tag(source / "images" / "frame_00000.png", 2)
    with pytest.raises(ValueError, match=r"frame_00000\.png has EXIF orientation 2.*remove the tag"):
        _read(source)
