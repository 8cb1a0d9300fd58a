"""A small store of synthetic rooms, coloured boxes before a wall: what training is tested on."""

from pathlib import Path

import numpy as np

from engine.store.store import FrameRange, LabelRow, ModalitySpec, Role, Space, Store

LABELS: list[LabelRow] = [
    {"id": 0, "name": "nothing", "group": "void"},
    {"id": 1, "name": "Wall", "group": "wall"},
    {"id": 2, "name": "Floor", "group": "floor"},
    {"id": 3, "name": "Bed", "group": "bed"},
    {"id": 4, "name": "Chair", "group": "seat"},
    {"id": 5, "name": "ArmChair", "group": "seat"},
]
COLORS = np.array([[0, 0, 0], [200, 190, 170], [110, 80, 50], [60, 90, 200], [200, 60, 60], [190, 80, 40]])


def draw_frames(count: int, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Frames of all modalities, [count, size, size, ...]: a wall over a floor, and boxes of three kinds."""
    semantic = np.empty((count, size, size), dtype=np.uint8)
    instance = np.empty((count, size, size), dtype=np.uint16)
    depth = np.empty((count, size, size), dtype=np.uint16)
    normals = np.empty((count, size, size, 3), dtype=np.uint8)
    rows = np.arange(size)[:, None]
    for i in range(count):
        horizon = int(rng.integers(size // 3, 2 * size // 3))
        below = np.broadcast_to(rows >= horizon, (size, size))
        semantic[i] = instance[i] = np.where(below, 2, 1)
        distance = np.where(below, 4000 * (size - horizon) / np.maximum(rows + size - 2 * horizon, 1), 4000)
        normals[i] = np.where(below[..., None], (128, 255, 128), (128, 128, 255))
        for box in range(2):
            y, x = rng.integers(0, size // 2, 2)
            h, w = rng.integers(size // 6, size // 2, 2)
            semantic[i, y : y + h, x : x + w] = rng.integers(3, 6)
            instance[i, y : y + h, x : x + w] = 3 + box
            distance[y : y + h, x : x + w] = rng.integers(1000, 3000)
            normals[i, y : y + h, x : x + w] = (255, 128, 128)
        hole = rng.random() < 0.3  # a pane that looks out into nothing
        semantic[i, :4, :4] = 0 if hole else semantic[i, :4, :4]
        instance[i, :4, :4] = 0 if hole else instance[i, :4, :4]
        depth[i] = distance
        depth[i, :4, :4] = 0 if hole else depth[i, :4, :4]
        normals[i, :4, :4] = 0 if hole else normals[i, :4, :4]
    shade = rng.uniform(0.7, 1.1, (count, 1, 1, 1))
    rgb = np.clip(COLORS[semantic] * shade + rng.normal(0, 4, (count, size, size, 3)), 0, 255).astype(
        np.uint8
    )
    change = (np.diff(semantic, axis=1, prepend=semantic[:, :1]) != 0) | (
        np.diff(semantic, axis=2, prepend=semantic[:, :, :1]) != 0
    )
    pose = np.tile(np.eye(4), (count, 1, 1))
    pose[:, :3, 3] = rng.uniform(0, 5, (count, 3))
    return {
        "rgb": rgb,
        "depth": depth,
        "normals": normals,
        "edges": (change * 255).astype(np.uint8),
        "semantic": semantic,
        "instance": instance,
        "pose": pose,
    }


def make_store(
    path: Path,
    size: int = 32,
    pretrain: int = 96,
    transfer: int = 64,
    held_out: int = 32,
    names: tuple[str, str, str] = ("home", "o0", "o1"),
) -> Store:
    """A test space (pretrain and eval) and two transfer spaces, by these names."""
    square = (size, size)
    specs = [
        ModalitySpec("rgb", "uint8", (*square, 3), "sRGB", "sensory"),
        ModalitySpec("depth", "uint16", square, "mm", "sensory"),
        ModalitySpec("normals", "uint8", (*square, 3), "1", "sensory"),
        ModalitySpec("edges", "uint8", square, "1", "sensory"),
        ModalitySpec("semantic", "uint8", square, "label", "label"),
        ModalitySpec("instance", "uint16", square, "id", "label"),
        ModalitySpec("pose", "float64", (4, 4), "m", "camera"),
    ]
    store = Store.create(path, specs, LABELS, frames_per_part=max(pretrain, transfer, held_out))
    home, *others = (Space(n, "synthetic", n * 8, 0, "dense", "boxes", "drawn by a test") for n in names)
    rng = np.random.default_rng(7)
    plan: list[tuple[Role, list[Space], int]] = [
        ("pretrain", [home], pretrain),
        ("transfer", others, transfer),
        ("eval", [home], held_out),
    ]
    for role, spaces, count in plan:
        arrays = draw_frames(count, size, rng)
        if role == "pretrain":
            del arrays["semantic"], arrays["instance"]
        each = count // len(spaces)
        runs = [FrameRange(s.id, role, f"{role}-0", i * each, each) for i, s in enumerate(spaces)]
        store.write_part(f"{role}-0", arrays, runs, spaces, "0" * 8, [{"seed": 7}])
    return store
