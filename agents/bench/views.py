"""What the frames of samplers show: `tst bench views HOUSES`.

For each sampler, field of view and size of frames, over the same houses: how much of what is seen are
objects and not walls, floor or ceiling. An instance counts in a frame where it has a four-hundredth of the
pixels (10 of 64 × 64). Of each row `sheet-SAMPLER-FOV-SIZE.png` shows the first frames.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import UInt8, UInt16
from PIL import Image
from pydantic import Field

from agents.cameras import Cameras
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.registry import SamplerName, sample_views
from scenes.config import Config
from scenes.house.files.references import each_house
from scenes.house.labels import label_table
from scenes.house.schema import House
from scenes.meshes.compile import compile_house

STRUCTURE = ("void", "wall", "floor", "ceiling", "door", "window")
"""Groups of labels that are no objects."""
LEAST_SHARE = 1 / 400
"""Share of the pixels from which an instance counts in a frame."""
SHEET = 32
"""Frames on a sheet."""


class BenchViewsConfig(Config):
    """Measure what the frames of samplers show."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """House files, folders, JSON lines or parts of them (docs/house-format.md)."""
    samplers: tuple[SamplerName, ...] = ("dense", "points", "walk")
    """Samplers."""
    fovs_deg: tuple[float, ...] = (60.0, 90.0)
    """Horizontal fields of view [degrees]; `points` draws its own."""
    sizes: tuple[int, ...] = (64, 128)
    """Heights and widths [pixels]."""
    frames: int = Field(100, ge=1)
    """Frames of each house."""
    seed: int = 0
    """Of the poses."""
    out: Path | None = None
    """Folder of the sheets; none: no sheets."""


@dataclass(frozen=True)
class Shown:
    """What frames of one row show, means over all frames."""

    object_frames: float
    """Share of the frames with an instance of an object."""
    object_pixels: float
    """Share of the pixels that are of objects."""
    instances: float
    """Instances of objects in a frame."""
    groups: float
    """Groups of labels in a frame, structure included, that have LEAST_SHARE of the pixels."""


def bench_views(config: BenchViewsConfig) -> None:
    """Print the table, and write a sheet for each row. Raises ValueError for a file that is no house."""
    houses = [str(house) for house in each_house(config.houses)]
    rows: dict[tuple[str, str, int], list[Shown]] = {}
    for name in houses:
        simulator = RaycastSimulator()
        simulator.load(compile_house(House.load(name)))
        for sampler in config.samplers:
            views = sample_views(
                sampler, simulator.free_space(), config.frames, np.random.default_rng(config.seed)
            )
            for fov in config.fovs_deg if views.fov_deg is None else (0.0,):
                for size in config.sizes:
                    own = np.full(config.frames, fov) if views.fov_deg is None else views.fov_deg
                    cameras = Cameras.each(views.poses, own, size, size)
                    drawn = simulator.render(cameras, ("rgb", "semantic", "instance"))
                    key = (sampler, f"{fov:g}" if fov else "own", size)
                    rows.setdefault(key, []).append(shown(drawn["semantic"], drawn["instance"]))
                    if config.out is not None and name == houses[0]:
                        _sheet(drawn["rgb"][:SHEET], config.out / f"sheet-{'-'.join(map(str, key))}.png")
    print(f"{len(houses)} houses, {config.frames} frames of each\n")
    print("| sampler | fov [°] | size [px] | frames with objects | pixels of objects | instances | groups |")
    print("|---|---|---|---|---|---|---|")
    for (sampler, fov, size), found in rows.items():
        mean = np.mean([[s.object_frames, s.object_pixels, s.instances, s.groups] for s in found], axis=0)
        print(
            f"| {sampler} | {fov} | {size} | {mean[0]:.0%} | {mean[1]:.0%} | {mean[2]:.1f} | {mean[3]:.1f} |"
        )


def shown(semantic: UInt8[np.ndarray, "n h w"], instance: UInt16[np.ndarray, "n h w"]) -> Shown:
    """What frames show, from their maps of labels and of instances."""
    objects = np.zeros(256, dtype=bool)
    group = np.zeros(256, dtype=np.int64)
    names = sorted({row.group for row in label_table()})
    for row in label_table():
        objects[row.id] = row.group not in STRUCTURE
        group[row.id] = names.index(row.group)
    least = LEAST_SHARE * semantic[0].size
    of_objects = objects[semantic]
    instances = [_large(values[mask], least) for values, mask in zip(instance, of_objects, strict=True)]
    groups = [_large(values.ravel(), least) for values in group[semantic]]
    return Shown(
        float(np.mean(np.array(instances) > 0)),
        float(of_objects.mean()),
        float(np.mean(instances)),
        float(np.mean(groups)),
    )


def _large(values: np.ndarray, least: float) -> int:
    """The number of distinct values that have `least` pixels."""
    return int((np.unique(values, return_counts=True)[1] >= least).sum())


def _sheet(images: UInt8[np.ndarray, "n h w 3"], path: Path) -> None:
    columns = 8
    side = images[0].shape[0]
    sheet = Image.new("RGB", (columns * side, -(-len(images) // columns) * side), "white")
    for i, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (i % columns * side, i // columns * side))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
