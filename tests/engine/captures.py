"""Small captures of a made-up walk, each written as another tool or device writes it.

What the files must hold is in the formats' own documentation; nothing here comes from the importers."""

import json
import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import lzfse
import numpy as np
import pyarrow
import pycolmap
from scipy.spatial.transform import Rotation

HEIGHT, WIDTH, COUNT = 48, 64, 6
FX, FY, CX, CY = 50.0, 52.0, 33.0, 25.0
ADE20K = Path(__file__).parents[1] / "golden" / "ade20k"
"""Files of the data set's own makers."""


@dataclass(frozen=True)
class Walk:
    """The truth behind a capture: frames in a y-up world, camera to world, OpenCV axes."""

    rgb: np.ndarray  # uint8 [n, h, w, 3]
    depth: np.ndarray  # uint16 [n, h, w], mm, with some pixels not measured
    poses: np.ndarray  # float64 [n, 4, 4]


def walk() -> Walk:
    """Textured frames that all differ, poses on an arc."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (COUNT, 6, 8, 3), dtype=np.uint8)
    rgb = np.stack([cv2.resize(c, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST) for c in coarse])
    depth = rng.integers(500, 4000, (COUNT, HEIGHT, WIDTH)).astype(np.uint16)
    depth[:, :5, :7] = 0
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    for i in range(COUNT):
        turn = Rotation.from_euler("yx", [15 * i, 180 + 2 * i], degrees=True)
        poses[i, :3, :3] = turn.as_matrix()
        poses[i, :3, 3] = 0.2 * i, 1.5, -0.1 * i
    return Walk(rgb, depth, poses)


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def write_images(folder: Path, made: Walk) -> Path:
    """A folder of PNGs."""
    for i, rgb in enumerate(made.rgb):
        _save(folder / f"img_{i:04d}.png", rgb)
    return folder


def write_video(path: Path, made: Walk) -> Path:
    """An MP4, one frame a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1.0, (WIDTH, HEIGHT))
    assert video.isOpened()
    for rgb in made.rgb:
        video.write(np.ascontiguousarray(rgb[..., ::-1]))
    video.release()
    return path


def _z_up(poses: np.ndarray) -> np.ndarray:
    """The same poses in a world with z up: x stays, y up becomes z up."""
    turn = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return turn @ poses


def write_tum(folder: Path, made: Walk) -> Path:
    """The benchmark's layout; depth is recorded 5 ms after colours, poses at three times the rate."""
    lists: dict[str, list[str]] = {"rgb": ["# color images"], "depth": ["# depth maps"]}
    for i in range(COUNT):
        for name, image, late in (("rgb", made.rgb[i], 0.0), ("depth", made.depth[i] * 5, 0.005)):
            time = f"{1305031102 + i * 0.1 + late:.6f}"
            _save(folder / name / f"{time}.png", image)
            lists[name].append(f"{time} {name}/{time}.png")
    poses = ["# timestamp tx ty tz qx qy qz qw"]
    for i, pose in enumerate(_z_up(made.poses)):
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        for off in (-0.033, 0.001, 0.034):
            place = pose[:3, 3] + (off != 0.001)
            numbers = " ".join(f"{v:.6f}" for v in (*place, *quaternion))
            poses.append(f"{1305031102 + i * 0.1 + off:.6f} {numbers}")
    for name, lines in (*lists.items(), ("groundtruth", poses)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def write_nerfstudio(folder: Path, made: Walk) -> Path:
    """transforms.json as `ns-process-data` writes it, with depth."""
    frames = []
    for i, pose in enumerate(_z_up(made.poses)):
        _save(folder / "images" / f"frame_{i:05d}.png", made.rgb[i])
        _save(folder / "depth" / f"{i}.png", made.depth[i])
        opengl = pose @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append(
            {
                "file_path": f"images/frame_{i:05d}.png",
                "depth_file_path": f"depth/{i}.png",
                "transform_matrix": opengl.tolist(),
            }
        )
    lens = {"fl_x": FX, "fl_y": FY, "cx": CX, "cy": CY, "w": WIDTH, "h": HEIGHT, "k1": 0.0, "k2": 0.0}
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "OPENCV", **lens, "frames": frames}))
    return folder


def write_stray(folder: Path, made: Walk) -> Path:
    """Stray Scanner's export: depth at half the size, its left half of the lowest confidence."""
    write_video(folder / "rgb.mp4", made)
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    for i, pose in enumerate(made.poses):
        quaternion = Rotation.from_matrix(pose[:3, :3]).as_quat()
        numbers = ", ".join(f"{v:.8f}" for v in (*pose[:3, 3], *quaternion))
        rows.append(f"{100 + i / 60:.6f}, {i:06d}, {numbers}")
        _save(folder / "depth" / f"{i:06d}.png", made.depth[i, ::2, ::2])
        trust = np.full((HEIGHT // 2, WIDTH // 2), 2, np.uint8)
        trust[:, : WIDTH // 4] = 0
        _save(folder / "confidence" / f"{i:06d}.png", trust)
    (folder / "odometry.csv").write_text("\n".join(rows) + "\n")
    np.savetxt(folder / "camera_matrix.csv", [[FX, 0, CX], [0, FY, CY], [0, 0, 1]], delimiter=",")
    return folder


def write_record3d(path: Path, made: Walk) -> Path:
    """An .r3d file, colours as PNG, depth at half the size, its left half of the lowest confidence."""
    path = path.with_suffix(".r3d")
    path.parent.mkdir(parents=True, exist_ok=True)
    opengl = made.poses @ np.diag([1.0, -1.0, -1.0, 1.0])
    quaternions = Rotation.from_matrix(opengl[:, :3, :3]).as_quat()
    metadata = {
        "w": WIDTH,
        "h": HEIGHT,
        "dw": WIDTH // 2,
        "dh": HEIGHT // 2,
        "fps": 60,
        "K": [FX, 0, 0, 0, FY, 0, CX, CY, 1],
        "poses": np.concatenate([quaternions, opengl[:, :3, 3]], 1).tolist(),
    }
    trust = np.full((HEIGHT // 2, WIDTH // 2), 2, np.uint8)
    trust[:, : WIDTH // 4] = 0
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata", json.dumps(metadata))
        for i in range(COUNT):
            depth = made.depth[i, ::2, ::2].astype(np.float32) / 1000
            depth[depth == 0] = np.nan
            archive.writestr(f"rgbd/{i}.png", cv2.imencode(".png", made.rgb[i][..., ::-1])[1].tobytes())
            archive.writestr(f"rgbd/{i}.depth", lzfse.compress(depth.tobytes()))
            archive.writestr(f"rgbd/{i}.conf", lzfse.compress(trust.tobytes()))
    return path


def write_arkitscenes(folder: Path, made: Walk) -> Path:
    """A video's folder as the data set is downloaded; poses are of other times, a millisecond away."""
    name = folder.name
    lines = []
    for i, pose in enumerate(_z_up(made.poses)):
        time = f"{name}_{6710.5 + i * 0.1:.3f}"
        _save(folder / "lowres_wide" / f"{time}.png", made.rgb[i])
        _save(folder / "lowres_depth" / f"{time}.png", made.depth[i])
        lens = folder / "lowres_wide_intrinsics" / f"{time}.pincam"
        lens.parent.mkdir(exist_ok=True)
        lens.write_text(f"{WIDTH} {HEIGHT} {FX} {FY} {CX} {CY}")
        world_to_camera = np.linalg.inv(pose)
        turn = Rotation.from_matrix(world_to_camera[:3, :3]).as_rotvec()
        numbers = " ".join(f"{v:.9f}" for v in (*turn, *world_to_camera[:3, 3]))
        lines.append(f"{6710.501 + i * 0.1:.5f} {numbers}")
    (folder / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return folder


def write_colmap(folder: Path, made: Walk, text: bool = False) -> Path:
    """A project as COLMAP's own library writes it, in a world that is turned against gravity by nothing."""
    model = pycolmap.Reconstruction()
    lens = [FX, FY, CX, CY]
    camera = pycolmap.Camera(model="PINHOLE", width=WIDTH, height=HEIGHT, params=lens, camera_id=1)
    model.add_camera_with_trivial_rig(camera)
    for i, pose in enumerate(made.poses):
        _save(folder / "images" / f"frame_{i:05d}.png", made.rgb[i])
        image = pycolmap.Image(name=f"frame_{i:05d}.png", camera_id=1, image_id=i + 1)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.linalg.inv(pose)[:3]))
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    (model.write_text if text else model.write_binary)(sparse)
    return folder


def write_manifest(folder: Path, made: Walk) -> Path:
    """One's own manifest.json, in OpenGL's axes with z up, depth in tenths of a millimetre."""
    frames = []
    for i, pose in enumerate(_z_up(made.poses)):
        _save(folder / "rgb" / f"{i}.png", made.rgb[i])
        _save(folder / "depth" / f"{i}.png", made.depth[i] * 10)
        opengl = pose @ np.diag([1.0, -1.0, -1.0, 1.0])
        frames.append({"rgb": f"rgb/{i}.png", "depth": f"depth/{i}.png", "pose": opengl.tolist()})
    head = {"testspace_capture": 1, "camera_axes": "opengl", "up": "z", "depth_unit_mm": 0.1}
    values = {**head, "intrinsics": [FX, FY, CX, CY], "frames": frames}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def write_replica_renderings(folder: Path, made: Walk) -> Path:
    """NICE-SLAM's renderings: poses in Replica's world, depth in 6,553.5 steps a metre; colours as PNG, which
    loses nothing."""
    lines = []
    for i, pose in enumerate(_z_up(made.poses)):
        _save(folder / "results" / f"frame{i:06d}.png", made.rgb[i])
        _save(folder / "results" / f"depth{i:06d}.png", np.rint(made.depth[i] * 6.5535).astype(np.uint16))
        lines.append(" ".join(f"{v:.18e}" for v in pose.ravel()))
    (folder / "traj.txt").write_text("\n".join(lines) + "\n")
    camera = {"w": WIDTH, "h": HEIGHT, "fx": FX, "fy": FY, "cx": CX - 0.5, "cy": CY - 0.5, "scale": 6553.5}
    (folder.parent / "cam_params.json").write_text(json.dumps({"camera": camera}))
    return folder


def write_scannetpp_iphone(
    folder: Path, made: Walk, packed: str = "lz4", unpacked: bool = False, aligned: str = "aligned_pose"
) -> Path:
    """ScanNet++'s SCENE/iphone: depth.bin by another implementation of LZ4, or by Deflate as older releases;
    `unpacked`: images as the data set's toolkit writes them."""
    folder.mkdir(parents=True)
    depth = made.depth.repeat(4, axis=1).repeat(4, axis=2)
    metres = (depth / np.float32(1000)).astype("<f4")
    if unpacked:
        for i in range(COUNT):
            _save(folder / "rgb" / f"frame_{i:06d}.png", made.rgb[i])
            _save(folder / "depth" / f"frame_{i:06d}.png", depth[i])
    else:
        write_video(folder / "rgb.mp4", made)
        if packed == "lz4":
            blocks = [bytes(pyarrow.Codec("lz4_raw").compress(d.tobytes())) for d in depth.astype("<u2")]
        elif packed == "deflate":
            blocks = [_deflated(d.tobytes()) for d in metres]
        data = b"".join(struct.pack("<I", len(b)) + b for b in blocks) if packed != "whole" else None
        (folder / "depth.bin").write_bytes(_deflated(metres.tobytes()) if data is None else data)
    frames = {}
    for i, pose in enumerate(_z_up(made.poses)):
        lens = [[FX, 0, CX], [0, FY, CY], [0, 0, 1]]
        frames[f"frame_{i:06d}"] = {"timestamp": i / 60, "intrinsic": lens, aligned: pose.tolist(), "imu": {}}
    (folder / "pose_intrinsic_imu.json").write_text(json.dumps(frames))
    return folder


def _deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def write_scannetpp_dslr(folder: Path, made: Walk, bent: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)) -> Path:
    """ScanNet++'s SCENE/dslr: cameras of a COLMAP model in the mesh's world, z up, made nerfstudio's as its
    older versions did: OpenGL's axes, x and y exchanged, z turned down. Every third frame is of the test."""
    lists: dict[str, list[dict]] = {"frames": [], "test_frames": []}
    for i, pose in enumerate(_z_up(made.poses)):
        _save(folder / "resized_images" / f"DSC{i:05d}.JPG", made.rgb[i])
        matrix = pose.copy()
        matrix[:3, 1:3] *= -1
        matrix = matrix[[1, 0, 2, 3]]
        matrix[2] *= -1
        one = {"file_path": f"DSC{i:05d}.JPG", "mask_path": f"DSC{i:05d}.png", "is_bad": False}
        lists["test_frames" if i % 3 == 2 else "frames"].append(one | {"transform_matrix": matrix.tolist()})
    lens = {"fl_x": FX, "fl_y": FY, "cx": CX, "cy": CY, "w": WIDTH, "h": HEIGHT}
    lens |= dict(zip(("k1", "k2", "k3", "k4"), bent, strict=True))
    (folder / "nerfstudio").mkdir()
    values = {"camera_model": "OPENCV_FISHEYE", **lens, **lists}
    (folder / "nerfstudio" / "transforms.json").write_text(json.dumps(values))
    return folder


def write_ade20k(folder: Path, made: Walk) -> Path:
    """The Scene Parsing Benchmark's layout; the left of image i is of class i + 1, the rest of none."""
    for i, rgb in enumerate(made.rgb):
        name = f"ADE_train_{i + 1:08d}"
        _save(folder / "images" / "training" / f"{name}.jpg", rgb)
        numbers = np.zeros((HEIGHT, WIDTH), np.uint8)
        numbers[:, : WIDTH // 2] = i + 1
        _save(folder / "annotations" / "training" / f"{name}.png", numbers)
    shutil.copy(ADE20K / "objectInfo150.txt", folder)
    return folder
