"""Recordings of ScanNet++: by phone, however depth is packed, and by a fisheye camera, in one world."""

import json
import zlib

import cv2
import numpy as np
import pytest

from engine.importers.importing import ImportConfig, import_capture
from engine.importers.lens import fisheye
from engine.importers.registry import CAPTURE_FORMATS, find_format
from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import LeakError
from engine.store.held_out import check_held_out

from . import captures
from .capture_kit import CaptureKit
from .captures import COUNT, CX, CY, FX, FY, HEIGHT, WIDTH, walk


class TestIphone(CaptureKit):
    format = "scannetpp-iphone"
    modalities = ("rgb", "depth", "pose", "intrinsics")
    lossy = 8.0
    packed = "lz4"

    def write(self, folder, made):
        return captures.write_scannetpp_iphone(folder / "iphone", made, self.packed)

    def depth(self, made):
        return made.depth.repeat(4, axis=1).repeat(4, axis=2)


class TestIphoneDeflate(TestIphone):
    packed = "deflate"


class TestIphoneWholeFile(TestIphone):
    packed = "whole"


class TestIphoneUnpacked(TestIphone):
    lossy = 0.0

    def write(self, folder, made):
        return captures.write_scannetpp_iphone(folder / "iphone", made, unpacked=True)


def _read(path):
    return list(CAPTURE_FORMATS[find_format(path)].open(path).frames())


def test_images_that_were_unpacked_for_some_frames_alone_keep_their_poses_and_depth(tmp_path):
    """The toolkit unpacks those of COLMAP's model alone: their names say which they are."""
    source = captures.write_scannetpp_iphone(tmp_path / "iphone", walk())
    for i in (1, 4):
        path = source / "rgb" / f"frame_{i:06d}.png"
        path.parent.mkdir(exist_ok=True)
        assert cv2.imwrite(str(path), walk().rgb[i, ..., ::-1])
    frames = _read(source)
    assert len(frames) == 2
    for frame, i in zip(frames, (1, 4), strict=True):
        np.testing.assert_array_equal(frame.rgb, walk().rgb[i])
        np.testing.assert_allclose(frame.pose, walk().poses[i], atol=1e-9)
        assert frame.time_s == i / 60
        np.testing.assert_array_equal(frame.depth[::4, ::4], walk().depth[i])


def _spots(angles, bent):
    """An image of the fisheye model with spots at directions (x, y, 1), and where a pinhole sees them."""
    k1, k2, k3, k4 = bent
    down, right = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    image = np.zeros((HEIGHT, WIDTH))
    for x, y in angles:
        radius = np.hypot(x, y)
        theta = np.arctan(radius)
        length = theta * (1 + k1 * theta**2 + k2 * theta**4 + k3 * theta**6 + k4 * theta**8)
        u, v = FX * x * length / radius + CX, FY * y * length / radius + CY
        image += 250 * np.exp(-((right - u) ** 2 + (down - v) ** 2) / 2 / 1.2**2)
    return np.repeat(image[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)


def test_photographs_of_a_fisheye_are_those_of_a_pinhole(tmp_path):
    """Directions drawn by the model's formula are where the frame's own intrinsics say."""
    bent = (0.08, -0.02, 0.01, -0.003)
    angles = [(-0.35, -0.2), (0.3, -0.25), (0.02, 0.1), (0.35, 0.25), (-0.3, 0.2)]
    made = walk()
    source = captures.write_scannetpp_dslr(tmp_path / "0a5c013435" / "dslr", made, bent)
    spots = _spots(angles, bent)
    for i in range(COUNT):
        path = source / "resized_images" / f"DSC{i:05d}.JPG"
        assert cv2.imwrite(str(path), spots, [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert find_format(source) == "scannetpp-dslr"
    frames = _read(source)
    assert len(frames) == COUNT  # those of the test among them, in their order
    np.testing.assert_allclose(np.stack([f.pose for f in frames]), made.poses, atol=1e-9)
    fx, fy, cx, cy = frames[0].intrinsics
    assert (fx, fy) != (FX, FY)
    straight = frames[0].rgb[..., 0].astype(float)
    for x, y in angles:
        column, row = fx * x + cx, fy * y + cy
        left, top = int(column) - 4, int(row) - 4
        spot = straight[top : top + 9, left : left + 9]
        centre = np.stack(np.mgrid[:9, :9]).reshape(2, -1) @ spot.ravel() / spot.sum() + 0.5
        np.testing.assert_allclose(centre + np.array([top, left]), (row, column), atol=0.15)


def test_a_pinhole_of_a_fisheye_has_no_empty_border():
    camera = fisheye(HEIGHT, WIDTH, (FX, FY, CX, CY), (0.08, -0.02, 0.01, -0.003))
    assert camera.straight(np.full((HEIGHT, WIDTH, 3), 200, np.uint8)).min() == 200
    labels = camera.straight_map(np.full((HEIGHT // 2, WIDTH // 2), 7, np.uint8))
    assert (labels == 7).all()
    assert labels.shape == (HEIGHT, WIDTH)


def test_bad_photographs_are_left_out(tmp_path):
    source = captures.write_scannetpp_dslr(tmp_path / "dslr", walk())
    file = source / "nerfstudio" / "transforms.json"
    values = json.loads(file.read_text())
    values["frames"][1]["is_bad"] = True
    file.write_text(json.dumps(values))
    assert [f.source.name for f in _read(source)] == [f"DSC{i:05d}.JPG" for i in (0, 2, 3, 4, 5)]


def test_phone_and_camera_are_of_one_space_whose_poses_are_compared(tmp_path):
    """The scene's id names and tells the space: a store holds both, and a pose of both is a leak."""
    scene = tmp_path / "0a5c013435"
    captures.write_scannetpp_iphone(scene / "iphone", walk())
    captures.write_scannetpp_dslr(scene / "dslr", walk())
    for name, role in (("iphone", "pretrain"), ("dslr", "eval")):
        import_capture(
            ImportConfig(
                source=scene / name, store=tmp_path / "s", role=role, size=24, min_change=0, min_sharpness=0
            )
        )
    learned, held_out = PretrainFrames(tmp_path / "s"), EvalFrames(tmp_path / "s")
    assert {s.id for s in (*learned.spaces, *held_out.spaces)} == {"0a5c013435"}
    assert len({s.house_digest for s in (*learned.spaces, *held_out.spaces)}) == 1
    with pytest.raises(LeakError, match="held-out pose"):
        check_held_out(learned, held_out)


def _json(change):
    def spoil(folder):
        path = folder / "pose_intrinsic_imu.json"
        values = json.loads(path.read_text())
        path.write_text(json.dumps(change(values)))

    return spoil


def _in_frame(name, value):
    return _json(lambda v: v | {"frame_000002": v["frame_000002"] | {name: value}})


def _bytes(change):
    def spoil(folder):
        path = folder / "depth.bin"
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _first(data):
    """Length of the first frame's block."""
    return int.from_bytes(data[:4], "little")


def _bomb(data):
    """Deflate that unpacks to 200 MB, of 200 kB."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b"".join([*(stream.compress(bytes(2**20)) for _ in range(200)), stream.flush()])


NAN = [[float("nan")] * 4] * 4
BROKEN = {
    "one pose short": (
        _json(lambda v: {k: x for k, x in v.items() if k != "frame_000003"}),
        r"pose_intrinsic_imu\.json has 5 poses, rgb\.mp4 6 frames",
    ),
    "poses that were cut off": (
        lambda p: _shorter(p / "pose_intrinsic_imu.json"),
        r"pose_intrinsic_imu\.json is no JSON of frames .*download it again",
    ),
    "a pose of no number": (
        _in_frame("aligned_pose", NAN),
        r"pose_intrinsic_imu\.json, frame_000002: a pose is 4 x 4 finite numbers",
    ),
    "a pose in millimetres": (
        _in_frame("aligned_pose", (np.eye(4) * 1000).tolist()),
        "frame_000002: the pose is no rotation",
    ),
    "a pose of three rows": (_in_frame("aligned_pose", [[1, 0, 0]]), "aligned_pose is not 4 x 4 numbers"),
    "poses of ARKit's world alone": (
        _json(lambda v: {k: {"pose": x["aligned_pose"]} for k, x in v.items()}),
        "frame_000000 has no aligned_pose",
    ),
    "intrinsics of no camera": (_in_frame("intrinsic", [[0] * 3] * 3), "intrinsic .* is of no camera"),
    "intrinsics that are no numbers": (_in_frame("intrinsic", "wide"), "intrinsic is not 3 x 3 numbers"),
    "depth that was cut off": (_bytes(lambda b: b[:-100]), r"depth\.bin is neither LZ4 nor Deflate"),
    "depth one frame short": (
        _bytes(lambda b: b[4 + _first(b) :]),
        r"depth\.bin has depth of 5 frames, pose_intrinsic_imu\.json 6 poses",
    ),
    "depth that is neither": (
        _bytes(lambda b: b[:4] + bytes([255]) * _first(b) + b[4 + _first(b) :]),
        r"depth\.bin, frame 0 is neither LZ4 nor Deflate",
    ),
    "depth that unpacks to more than there is": (
        _bytes(_bomb),
        r"depth\.bin unpacks to more than the 1179648 bytes of its depth",
    ),
    "depth of another size": (
        _bytes(lambda b: _deflate(bytes(1000))),
        r"depth\.bin unpacks to 1000 than|depth\.bin unpacks to 1000",
    ),
    "a video that was cut off": (lambda p: _shorter(p / "rgb.mp4"), r"rgb\.mp4"),
}


def _deflate(data):
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def _shorter(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recording_is_refused_by_a_line_that_names_file_and_fix(name, tmp_path):
    spoil, message = BROKEN[name]
    source = captures.write_scannetpp_iphone(tmp_path / "iphone", walk())
    spoil(source)
    with pytest.raises(ValueError, match=message):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", size=24))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: {"frames": []}, r"transforms\.json lists no frames"),
        (lambda v: {"w": 3}, r"transforms\.json cannot be read as JSON with frames"),
        (lambda v: v | {"k3": None}, r"transforms\.json, frame 0: .*mend k1 to k4"),
        (lambda v: v | {"fl_x": float("nan")}, r"transforms\.json, frame 0: fisheye intrinsics"),
        (
            lambda v: v | {"test_frames": [v["frames"][0] | {"transform_matrix": NAN}]},
            "a pose is 4 x 4 finite numbers",
        ),
        (lambda v: v | {"frames": [v["frames"][0] | {"file_path": "../../x.JPG"}]}, "lies outside it"),
        (lambda v: v | {"frames": [v["frames"][0] | {"file_path": "DSC9.JPG"}]}, r"DSC9\.JPG is missing"),
    ],
)
def test_broken_photographs_are_refused(change, message, tmp_path):
    source = captures.write_scannetpp_dslr(tmp_path / "dslr", walk())
    file = source / "nerfstudio" / "transforms.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(ValueError, match=message):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", size=24))
