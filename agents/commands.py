"""`tst houses show` and `tst bench render`: commands on one space that need a renderer."""

import json
from pathlib import Path

import tyro
from PIL import Image
from pydantic import Field

from agents.bench.render import bench_render
from agents.cameras import Cameras
from agents.raycast.simulator import FINE, RaycastSimulator
from agents.sheets.houses import exterior_views, interior_views
from scenes.formats.space_format import SpaceOptions
from scenes.formats.spaces import load_space
from scenes.plan import draw_plan

EYE_M = 1.5  # above the floor, in the views of a house


class ShowHouseConfig(SpaceOptions):
    house: tyro.conf.Positional[Path]
    """A house (a JSON file, or one of many as houses.jsonl.gz#12), a Replica folder, a scan (.glb, .gltf,
    .obj, .ply)."""
    out: Path
    """The PNG to write."""
    views: int = Field(default=4, ge=0)
    """Views from within, each of another room while there are any."""
    size: int = Field(default=384, ge=32)
    """Height and width of a view [pixels]."""
    fov_deg: float = 90.0
    """Field of view [degrees]."""


class BenchRenderConfig(SpaceOptions):
    house: tyro.conf.Positional[Path]
    """A house (a JSON file, or one of many as houses.jsonl.gz#12), a Replica folder, a scan (.glb, .gltf,
    .obj, .ply)."""
    size: int = 224
    """Height and width of a frame [pixels]."""
    frames: int = 64
    """Frames to render."""
    device: str = "cpu"
    """Warp device: cpu, cuda:0, ..."""
    peers: bool = False
    """Other renderers on the same poses too, where installed: embreex, open3d, pyrender, moderngl."""


def show_house(config: ShowHouseConfig) -> None:
    """Plan from above on the left, views from within on its right, as one PNG. A scan has no plan; an
    object, or any scan without a floor to stand on, is seen from outside.

    Raises ValueError where there is nothing to show.
    """
    space = load_space(config.house, config)
    plan = None if space.house is None else draw_plan(space.house, 2 * config.size)
    if plan is None and not config.views:
        raise ValueError(f"{config.house} is a scan, which has no plan to draw: ask for --views 1 or more")
    across, down = (0, 0) if plan is None else plan.size
    columns = -(-config.views // 2)
    sheet = Image.new("RGB", (across + columns * config.size, max(down, 2 * config.size)), "white")
    if plan is not None:
        sheet.paste(plan, (0, 0))
    if config.views:
        simulator = RaycastSimulator(config=FINE)
        simulator.load(space)
        if space.floor:
            _, poses = interior_views(simulator, config.views, EYE_M, config.fov_deg)
        else:
            poses = exterior_views(space, config.views, config.fov_deg)
        cameras = Cameras.same(poses, config.fov_deg, config.size, config.size)
        for i, view in enumerate(simulator.render(cameras, ["rgb"])["rgb"]):
            at = (across + (i // 2) * config.size, (i % 2) * config.size)
            sheet.paste(Image.fromarray(view), at)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(config.out)
    print(config.out)
    for note in space.notes:
        print(f"  {note}")


def bench(config: BenchRenderConfig) -> None:
    """Print the renderer's figures on one house or scan as JSON."""
    figures = bench_render(
        load_space(config.house, config), config.size, config.frames, config.device, config.peers
    )
    print(json.dumps(figures, indent=1))
