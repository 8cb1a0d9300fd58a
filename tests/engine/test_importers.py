"""Captures as other tools write them: read as what they were, refused with one line where they are broken."""

import dataclasses
import json
import shutil
import struct
import zipfile

import cv2
import lzfse
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

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


class TestRecord3D(CaptureKit):
    format = "record3d"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_record3d(folder, made)

    def depth(self, made):
        depth = made.depth[:, ::2, ::2].copy()
        depth[:, :, : WIDTH // 4] = 0  # of the lowest confidence: not measured
        return depth


class TestArkitScenes(CaptureKit):
    format = "arkitscenes"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_arkitscenes(folder.with_name("41069021"), made)


class TestColmap(CaptureKit):
    format = "colmap"
    modalities = ("rgb", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_colmap(folder, made)

    def poses(self, made):
        up = -made.poses[:, :3, 1].mean(0)  # which structure from motion does not know, and is guessed
        turn = np.eye(4)
        turn[:3, :3] = Rotation.align_vectors([0.0, 1.0, 0.0], up)[0].as_matrix()
        return turn @ made.poses


class TestColmapText(TestColmap):
    def write(self, folder, made):
        return captures.write_colmap(folder, made, text=True)


class TestManifest(CaptureKit):
    format = "manifest"
    modalities = ("rgb", "depth", "pose", "intrinsics")

    def write(self, folder, made):
        return captures.write_manifest(folder, made)


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


def _members(path, changed):
    """Members of an archive made anew from what they were, b"" where there was none."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (held | {n: f(held.get(n, b"")) for n, f in changed.items()}).items():
            archive.writestr(name, data)


def _without_last(data, key):
    values = json.loads(data)
    return json.dumps(values | {key: values[key][:-1]}).encode()


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
    "a camera that sees all around": (
        captures.write_nerfstudio,
        lambda p: _edit(p / "transforms.json", lambda t: t.replace("OPENCV", "EQUIRECTANGULAR")),
        "undistort",
    ),
    "a fisheye camera of no numbers": (
        captures.write_nerfstudio,
        lambda p: _edit(
            p / "transforms.json",
            lambda t: t.replace("OPENCV", "OPENCV_FISHEYE").replace('"k2": 0.0', '"k2": "wide"'),
        ),
        r"transforms\.json, frame 0: could not convert .*: mend k1 to k4",
    ),
    "a list that was cut off": (
        captures.write_tum,
        lambda p: _edit(p / "groundtruth.txt", lambda t: t[: t.rstrip().rindex(" ")]),
        r"groundtruth\.txt, line 19",
    ),
    "an archive that was cut off": (captures.write_record3d, _shorter, r"walk\.r3d is no archive.*again"),
    "an archive one pose short": (
        captures.write_record3d,
        lambda p: _members(p, {"metadata": lambda b: _without_last(b, "poses")}),
        r"walk\.r3d has 6 images and 5 poses",
    ),
    "a pose that is not finite in an archive": (
        captures.write_record3d,
        lambda p: _members(p, {"metadata": lambda b: b.replace(b"1.5", b"NaN", 1)}),
        r"walk\.r3d, pose 0: position",
    ),
    "an archive whose members climb out of it": (
        captures.write_record3d,
        lambda p: _members(p, {"../../.bashrc": lambda _: b"echo"}),
        r"walk\.r3d: '\.\./\.\./\.bashrc' would leave the archive",
    ),
    "an archive that unpacks to more than there is room": (
        captures.write_record3d,
        lambda p: _members(p, {"rgbd/0.depth": lambda _: bytes(80 * 2**20)}),
        r"walk\.r3d: 'rgbd/0\.depth' unpacks to 80 MiB",
    ),
    "depth that unpacks to another size": (
        captures.write_record3d,
        lambda p: _members(p, {"rgbd/2.depth": lambda _: lzfse.compress(bytes(4 * 2**20))}),
        r"walk\.r3d: rgbd/2\.depth does not unpack to \[24, 32\]",
    ),
    "depth that is longer than its size": (
        captures.write_record3d,
        lambda p: _members(p, {"rgbd/2.depth": lambda _: bytes(2**16)}),
        r"walk\.r3d: rgbd/2\.depth is longer than depth of \(24, 32\) is",
    ),
    "intrinsics that are no numbers": (
        captures.write_record3d,
        lambda p: _members(p, {"metadata": lambda b: b.replace(b'"K": [50.0', b'"K": ["wide"', 1)}),
        r"walk\.r3d, K is not 9 numbers",
    ),
    "a trajectory that was cut off": (
        captures.write_arkitscenes,
        lambda p: _edit(p / "lowres_wide.traj", lambda t: t[: t.rstrip().rindex(" ")]),
        r"lowres_wide\.traj, line 6: .* is not seven numbers",
    ),
    "a frame without intrinsics": (
        captures.write_arkitscenes,
        lambda p: next((p / "lowres_wide_intrinsics").iterdir()).unlink(),
        r"lowres_wide_intrinsics has no file of time",
    ),
    "cameras that were cut off": (
        captures.write_colmap,
        lambda p: _shorter(p / "sparse" / "0" / "cameras.bin"),
        r"cameras\.bin has \d+ bytes where its 1 cameras take 64: it was cut off",
    ),
    "images of a model that were cut off": (
        captures.write_colmap,
        lambda p: _shorter(p / "sparse" / "0" / "images.bin"),
        r"no COLMAP model that can be read",
    ),
    "a model without its images": (
        captures.write_colmap,
        lambda p: shutil.rmtree(p / "images"),
        "copy the images too",
    ),
    "a manifest with a key that is none": (
        captures.write_manifest,
        lambda p: _edit(p / "manifest.json", lambda t: t.replace('"up"', '"upp"')),
        r"manifest\.json: upp: Extra inputs",
    ),
    "a manifest with depth of some frames": (
        captures.write_manifest,
        lambda p: _edit(p / "manifest.json", lambda t: t.replace('"depth": "depth/3.png", ', "")),
        r"manifest\.json: .*5 of 6 frames have depth: give it to all or to none",
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


@pytest.mark.parametrize("write", [captures.write_record3d, captures.write_arkitscenes])
def test_a_phone_held_sideways_gives_upright_frames_of_the_same_points(write, tmp_path):
    """The pose alone says how the phone was held: the image is turned until the world's up is up."""
    made = walk()
    (level, *_) = _read(write(tmp_path / "walk", made))
    rolled = made.poses @ np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    (turned, *_) = _read(write(tmp_path / "rolled", dataclasses.replace(made, poses=rolled)))
    assert level.rgb.shape == made.rgb.shape[1:]
    assert turned.rgb.shape == (WIDTH, captures.HEIGHT, 3)
    np.testing.assert_allclose(turned.pose[:3, :3], level.pose[:3, :3], atol=1e-5)
    np.testing.assert_array_equal(np.rot90(made.rgb[0], 3), turned.rgb)
