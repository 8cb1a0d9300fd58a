"""`tst houses show` and `tst bench render`: what needs a house and eyes."""

import json
from pathlib import Path

import tyro
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from agents.bench import bench_render
from agents.cameras import Cameras
from agents.house_sheet import looks
from agents.raycast import FINE, RaycastSimulator
from scenes.compile import compile_house
from scenes.house import House
from scenes.plan import draw_plan

EYE_M = 1.5  # above the floor, in the views of a house


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ShowHouseConfig(_Command):
    house: tyro.conf.Positional[Path]
    """A house: a JSON file, or one of many as houses.jsonl.gz#12."""
    out: Path
    """The PNG to write."""
    views: int = Field(4, ge=0)
    """Views from within, each of another room while there are any."""
    size: int = Field(384, ge=32)
    """Height and width of a view [pixels]."""
    fov_deg: float = 90.0
    """Field of view [degrees]."""


class BenchRenderConfig(_Command):
    house: tyro.conf.Positional[Path]
    """A house: a JSON file, or one of many as houses.jsonl.gz#12."""
    size: int = 224
    """Height and width of a frame [pixels]."""
    frames: int = 64
    """Frames to render."""
    device: str = "cpu"
    """Warp device: cpu, cuda:0, ..."""
    peers: bool = False
    """Other renderers on the same poses too, where installed: embreex, open3d, pyrender, moderngl."""


def show_house(config: ShowHouseConfig) -> None:
    """Plan from above on the left, views from within on its right, as one PNG."""
    house = House.load(config.house)
    plan = draw_plan(house, 2 * config.size)
    columns = -(-config.views // 2)
    sheet = Image.new("RGB", (plan.width + columns * config.size, max(plan.height, 2 * config.size)), "white")
    sheet.paste(plan, (0, 0))
    if config.views:
        simulator = RaycastSimulator(config=FINE)
        simulator.load(compile_house(house))
        _, poses = looks(simulator, config.views, EYE_M, config.fov_deg)
        cameras = Cameras.same(poses, config.fov_deg, config.size, config.size)
        for i, view in enumerate(simulator.render(cameras, ["rgb"])["rgb"]):
            at = (plan.width + (i // 2) * config.size, (i % 2) * config.size)
            sheet.paste(Image.fromarray(view), at)
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(config.out)
    print(config.out)


def bench(config: BenchRenderConfig) -> None:
    """Print the renderer's figures on one house as JSON."""
    geometry = compile_house(House.load(config.house))
    figures = bench_render(geometry, config.size, config.frames, config.device, config.peers)
    print(json.dumps(figures, indent=1))
