"""Coverage: how many frames of a store saw which place of its space, by measured depth.

Depth of frames taken evenly over the space is turned into points in the world; each cube of space counts the
frames that have a point in it.
"""

import numpy as np
from jaxtyping import Float, Int64, Integer

from engine.store.schema import FrameRange
from engine.store.store import Store
from viewer.answers import Answer, NotThereError, Query, floats_answer
from viewer.frames import runs_of
from viewer.opened import Opened

_ACROSS = 32  # points of a frame's longer side


def coverage(opened: Opened, query: Query) -> Answer:
    """Of a space, and one role or all: three numbers (edge of a cube [m], frames that were read, frames that
    there are), then for each cube its centre x, y, z [m] and the number of frames that saw it. `frames`: how
    many are read at most; `cube` in millimetres. Raises NotThereError for frames without poses or depth."""
    store = opened.store(query.text("store"))
    runs = runs_of(store, query)
    edge = query.number("cube", 20, 1000, 100) / 1000
    total = sum(run.count for run in runs)
    most = min(total, query.number("frames", 1, 2000, 256))
    wanted = np.unique((np.arange(most) + 0.5) * total / most).astype(np.int64)
    seen: list[Int64[np.ndarray, "_ 3"]] = []
    before = 0
    for run in runs:
        frames = wanted[(wanted >= before) & (wanted < before + run.count)] - before + run.start
        before += run.count
        seen += [_cubes(points, edge) for points in _points(store, run, frames)]
    cubes, counts = np.unique(np.concatenate([np.empty((0, 3), np.int64), *seen]), axis=0, return_counts=True)
    table = np.column_stack([(cubes + 0.5) * edge, counts])
    head = np.array([edge, len(wanted), total])
    return floats_answer(np.concatenate([head, table.ravel()]).astype(np.float32))


def _points(store: Store, run: FrameRange, frames: Int64[np.ndarray, " n"]) -> list[Float[np.ndarray, "_ 3"]]:
    """Points in the world [m] of each frame."""
    if not len(frames):
        return []
    needed = ("depth", "pose", "intrinsics")
    manifests = (store.part(run.part), *store.derived(run.part))
    if any(all(m.modality(name) is None for m in manifests) for name in needed):
        raise NotThereError(f"the frames of {run.space} lack depth, poses or intrinsics")
    waits = [store.reader(run.part, name).start(name, frames) for name in needed]
    depth, pose, lens = (wait() for wait in waits)
    return [unproject(*one) for one in zip(depth, pose, lens, strict=True)]


def unproject(
    depth: Integer[np.ndarray, "h w"], pose: Float[np.ndarray, "4 4"], lens: Float[np.ndarray, " 4"]
) -> Float[np.ndarray, "n 3"]:
    """Points in the world [m] of some pixels of a frame; `depth` in millimetres along the axis, 0 where there
    is none; `lens`: fx, fy, cx, cy [pixels]. Pixel (0, 0) has its centre at (0.5, 0.5)."""
    step = max(1, -(-max(depth.shape) // _ACROSS))
    rows, columns = np.mgrid[step // 2 : depth.shape[0] : step, step // 2 : depth.shape[1] : step]
    z = depth[rows, columns].astype(np.float64) / 1000
    x = (columns + 0.5 - lens[2]) / lens[0] * z
    y = (rows + 0.5 - lens[3]) / lens[1] * z
    points = np.stack([x, y, z], axis=-1)[z > 0]
    return points @ pose[:3, :3].T + pose[:3, 3]


def _cubes(points: Float[np.ndarray, "n 3"], edge: float) -> Int64[np.ndarray, "_ 3"]:
    """The cubes that a frame has a point in, each once."""
    return np.unique(np.floor(points / edge).astype(np.int64), axis=0)
