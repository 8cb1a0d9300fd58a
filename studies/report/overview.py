"""One picture of a run: the test house, one view in six modalities, and every model's prediction of it.

    python -m studies.report.overview runs/demo --out docs/pictures/overview.png

The view is one of the evaluation frames whose predictions the run keeps. Its modalities are rendered again at
the same pose, larger than the frame that the models see, which is the first of the row of predictions.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Float64, UInt8
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from agents.cameras import Cameras
from agents.raycast.simulator import FINE, RaycastSimulator
from engine.store.pictures import picture
from engine.store.schema import ModalitySpec
from engine.store.store import Store
from scenes.config import Config
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.plan import draw_plan
from studies.report.figures.figures import class_colors, read_npz
from studies.run.rows import read_rows

MODALITIES = ("rgb", "depth", "normals", "edges", "semantic", "instance")
_GAP, _CAPTION = 8, 22  # pixels


class OverviewConfig(Config):
    """Which run to show, and where to put the picture."""

    run: tyro.conf.Positional[Path]
    """Folder of a run whose stages are still there."""
    out: Path
    """The picture to write, .png or .jpg."""
    evaluated: str = "test"
    """The set of houses whose predictions are shown."""
    frame: int = Field(0, ge=0)
    """Which of the frames whose predictions are kept."""
    tile: int = Field(224, ge=64)
    """Height and width of a view [pixels]."""


def overview(config: OverviewConfig) -> None:
    """Write the picture: plan and modalities above, predictions of every arm below.

    Raises ValueError where the run has no predictions of `evaluated`, or fewer frames of them.
    """
    rows = {
        row["arm"]: row for row in reversed(read_rows(config.run)) if config.evaluated in row["evaluations"]
    }
    kept = {
        arm: read_npz(config.run / row["evaluations"][config.evaluated] / "predictions.npz")
        for arm, row in sorted(rows.items(), key=lambda item: (item[0] != "scratch", item[0]))
    }
    shown = next(iter(kept.values()), None)
    if shown is None or config.frame >= len(shown["rgb"]):
        raise ValueError(f"{config.run} keeps no predictions of frame {config.frame} of {config.evaluated!r}")
    frame = shown["rgb"][config.frame]
    store, house, pose, focal = _origin(config.run, next(iter(rows.values())), frame)
    specs = {spec.name: spec for spec in store.modalities}
    views = render(house, pose, focal / frame.shape[1], config.tile, specs)
    below = {f"input, {frame.shape[0]} px": frame, "truth": class_colors(shown["truth"][config.frame])}
    below |= {f"prediction, {arm}": class_colors(a["prediction"][config.frame]) for arm, a in kept.items()}
    classes = next(iter(rows.values()))["metrics"][f"{config.evaluated}/classes"]
    told = np.unique([arrays["prediction"][config.frame] for arrays in kept.values()])
    seen = np.union1d(told, shown["truth"][config.frame])
    legend = {classes[i - 1]: tuple(class_colors(np.array(i)).tolist()) for i in seen.tolist() if i > 0}
    plan = draw_plan(house, 2 * config.tile + _GAP + _CAPTION)
    sheet = compose(plan, views, below, legend, config.tile)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(config.out)


def _origin(
    run: Path, row: dict[str, Any], frame: UInt8[np.ndarray, "h w 3"]
) -> tuple[Store, House, Float64[np.ndarray, "4 4"], float]:
    """The evaluation store that a frame is of, its house, its pose, and its focal length [pixels]."""
    for stage in row["stages"].values():
        folder = run / stage["folder"] / "store"
        if stage["kind"] != "store" or not folder.is_dir():
            continue
        store = Store.open(folder)
        for part in (r for r in store.runs if r.role == "eval"):
            found = store.read(part.part, part.start, part.count, ["rgb", "pose", "intrinsics"])
            same = np.flatnonzero((found["rgb"] == frame).all(axis=(1, 2, 3)))
            if len(same) > 0:
                (file,) = (run / "stages").glob(f"houses-*/houses/{part.space}.json")
                return store, House.load(file), found["pose"][same[0]], float(found["intrinsics"][same[0], 0])
    raise ValueError(f"{run}: the store that the predicted frames are of is gone; run the study again")


def render(
    house: House, pose: Float64[np.ndarray, "4 4"], focal: float, size: int, specs: dict[str, ModalitySpec]
) -> dict[str, UInt8[np.ndarray, "size size 3"]]:
    """Every modality of one view as an RGB image; `focal` is the focal length over the image's width."""
    simulator = RaycastSimulator(config=FINE)
    simulator.load(compile_house(house))
    cameras = Cameras.same(pose[None], float(np.degrees(2 * np.arctan(0.5 / focal))), size, size)
    seen = simulator.render(cameras, MODALITIES)
    return {name: picture(specs[name], seen[name][0]) for name in MODALITIES}


def compose(
    plan: Image.Image,
    above: dict[str, UInt8[np.ndarray, "_ _ 3"]],
    below: dict[str, UInt8[np.ndarray, "_ _ 3"]],
    legend: dict[str, tuple[int, ...]],
    tile: int,
) -> Image.Image:
    """Plan on the left, six views beside it in two rows; below a row of tiles and the colours of classes."""
    step, row = tile + _GAP, tile + _CAPTION + _GAP
    plan.thumbnail((3 * tile, 2 * row - _GAP - _CAPTION))
    left = plan.width + 2 * _GAP
    width = max(left + 3 * step, len(below) * step) + _GAP
    sheet = Image.new("RGB", (width, 3 * row + 2 * _GAP + _CAPTION), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)

    def put(image: Image.Image, x: int, y: int, title: str) -> None:
        draw.text((x, y), title, fill="black", font=font)
        sheet.paste(image, (x, y + _CAPTION))

    put(plan, _GAP, _GAP + (2 * row - plan.height - _CAPTION - _GAP) // 2, "test house")
    for i, (name, view) in enumerate(above.items()):
        put(Image.fromarray(view), left + (i % 3) * step, _GAP + (i // 3) * row, name)
    for i, (name, view) in enumerate(below.items()):
        near = Image.fromarray(view).resize((tile, tile), Image.Resampling.NEAREST)
        put(near, _GAP + i * step, _GAP + 2 * row, name)
    x, y = _GAP, 3 * row + _GAP
    for name, color in legend.items():
        draw.rectangle((x, y + 2, x + 12, y + 14), fill=color)
        draw.text((x + 18, y), name, fill="black", font=font)
        x += 34 + int(font.getlength(name))
    return sheet


if __name__ == "__main__":
    overview(tyro.cli(OverviewConfig, description="One picture of a run."))
