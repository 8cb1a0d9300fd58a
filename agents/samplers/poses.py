"""The sampler `poses`: views from a file, in its order.

There are three forms, told apart by the file's extension. Poses are camera to world, OpenCV axes, in the
right-handed, y-up world of `scenes/meshes/geometry.py`, metres.

    .npy    float [n, 4, 4]
    .json   {"poses": [[[…4], …4], …], "fov_deg": 70}      fov_deg may be left out, or be a list of n
    .txt    TUM's trajectories: a line "time tx ty tz qx qy qz qw" for each pose; # begins a comment
"""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from agents.raycast.free_space import FreeSpace
from agents.samplers.sampling import Views
from scenes.config import Config

LEAST = 0.02
"""Smallest clearance of a pose from a file [m]; less than other samplers keep."""
_FORMS = (".npy", ".json", ".txt")


class PosesOptions(Config):
    """Options of the sampler `poses`."""

    poses: Path | None = None
    """poses: a file (`agents/samplers/poses.py` says in what form), or a folder with a file for each space,
    named by the space's id."""


def poses(space: FreeSpace, count: int, rng: np.random.Generator, options: PosesOptions) -> Views:
    """Return the first `count` views of the file for this space; the generator is not used.

    Raises ValueError where there is no file, where it holds fewer views, and for poses outside the rooms or
    inside an object.
    """
    path = pose_file(options, space.space)
    views = read_views(path)
    if len(views.poses) < count:
        raise ValueError(
            f"{path} holds {len(views.poses)} poses, {count} are asked for: ask for fewer frames"
        )
    kept = views.poses[:count]
    places = kept[:, :3, 3]
    bad = np.flatnonzero((space.clearance(places, 0.1) < LEAST) | ~space.contains(places))
    if len(bad):
        some = ", ".join(str(i) for i in bad[:8]) + (" ..." if len(bad) > 8 else "")
        raise ValueError(
            f"{path}: {len(bad)} poses are in no room of {space.space} or inside something: {some}"
        )
    return Views(kept, None if views.fov_deg is None else views.fov_deg[:count])


def pose_file(options: PosesOptions, space: str) -> Path:
    """Return the file with the poses of a space. Raises ValueError where none is named or none exists."""
    if options.poses is None:
        raise ValueError("the sampler `poses` needs a file of them: sampling.poses")
    path = options.poses
    if path.is_dir():
        path = next(
            (p for ending in _FORMS if (p := path / f"{space}{ending}").is_file()), path / f"{space}.npy"
        )
    if not path.is_file():
        raise ValueError(f"there are no poses at {path}: name a file, or a folder of files called by space")
    return path


def read_views(path: Path) -> Views:
    """Read the views of a file in one of the three forms. Raises ValueError for anything else."""
    try:
        if path.suffix == ".npy":
            poses, fov = np.load(path, allow_pickle=False), None
        elif path.suffix == ".json":
            values = json.loads(path.read_text(encoding="utf-8"))
            poses, fov = np.array(values["poses"], np.float64), values.get("fov_deg")
        elif path.suffix == ".txt":
            poses, fov = _of_tum(np.loadtxt(path, ndmin=2)), None
        else:
            raise ValueError(f"poses come as {', '.join(_FORMS)}")
        poses = np.asarray(poses, np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (4, 4):
            raise ValueError(f"poses have shape [n, 4, 4], these {list(poses.shape)}")
        turn = poses[:, :3, :3]
        if (
            not np.allclose(turn @ turn.swapaxes(1, 2), np.eye(3), atol=1e-4)
            or (np.linalg.det(turn) < 0).any()
        ):
            raise ValueError("a pose's upper left 3 × 3 must be a rotation")
        angles = None if fov is None else np.broadcast_to(np.array(fov, np.float64), len(poses)).copy()
        if angles is not None and not ((angles > 0) & (angles < 180)).all():
            raise ValueError("fields of view lie between 0 and 180 degrees")
    except (ValueError, KeyError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: {what}") from error
    return Views(poses, angles)


def _of_tum(rows: Float[np.ndarray, "n columns"]) -> Float[np.ndarray, "n 4 4"]:
    if rows.shape[1] != 8:
        raise ValueError(f"a line has 8 numbers (time tx ty tz qx qy qz qw), these {rows.shape[1]}")
    x, y, z, w = (rows[:, 4:] / np.linalg.norm(rows[:, 4:], axis=1, keepdims=True)).T
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)], axis=1)
    poses[:, 1, :3] = np.stack([2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)], axis=1)
    poses[:, 2, :3] = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=1)
    poses[:, :3, 3] = rows[:, 1:4]
    return poses
