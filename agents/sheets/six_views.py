"""Six views of two houses on one sheet, to inspect after a change of the renderer or of the houses.

    python -m agents.sheets.six_views --out views.jpg  # houses 3 and 6 of family apartment
    python -m agents.sheets.six_views --houses a.json b.json --out views.jpg

A view stands in a corner of one of a house's three largest rooms, at eye height, and looks across it.
docs/pictures/six-views.jpg is such a sheet.
"""

from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float64
from PIL import Image
from pydantic import Field

from agents.cameras import Cameras, look_pose
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import FINE, RaycastSimulator
from scenes.config import Config
from scenes.generate.generate import generate_house
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.seeding import rng

EYES = 1.45
"""Height above the floor [m]."""
DOWN = np.radians(-10.0)
"""Pitch [radians]."""
SEEDS = (3, 6)
VIEWS = 3
"""Views of each house."""


class SixViewsConfig(Config):
    """Draw six views of two houses on one sheet."""

    out: Path
    """The picture to write, .jpg or .png."""
    houses: tuple[Path, ...] = ()
    """House files; by default two of family `apartment` are made."""
    size: int = Field(512, ge=32)
    """Height and width of a view [pixels]."""
    fov_deg: float = Field(80.0, gt=0, lt=180)
    """Horizontal field of view [degrees]."""
    device: str = "cpu"
    """Warp device."""


def six_views(config: SixViewsConfig) -> None:
    """Write the sheet: a row for each house."""
    houses = [House.load(path) for path in config.houses] or [generate_house(s, "apartment") for s in SEEDS]
    sheet = Image.new("RGB", (VIEWS * config.size, len(houses) * config.size), "white")
    for row, house in enumerate(houses):
        simulator = RaycastSimulator(config.device, FINE)
        simulator.load(compile_house(house))
        cameras = Cameras.same(views(simulator.free_space()), config.fov_deg, config.size, config.size)
        for column, view in enumerate(simulator.render(cameras, ["rgb"])["rgb"]):
            sheet.paste(Image.fromarray(view), (column * config.size, row * config.size))
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(config.out, quality=88)


def views(space: FreeSpace) -> Float64[np.ndarray, "views 4 4"]:
    """Return VIEWS poses, each across a large room from its free place farthest from the middle."""
    rooms = np.argsort(-space.volumes, kind="stable")
    poses = []
    for k in range(VIEWS):
        region = space.floor[rooms[k % len(rooms)]]
        low, high = region.polygon.min(0), region.polygon.max(0)
        x, z = rng(k, "six views").uniform(low, high, (600, 2)).T
        places = np.stack([x, np.full_like(x, region.floor_y + EYES), z], axis=1)
        places = places[space.rooms(places) == rooms[k % len(rooms)]]
        places = places[space.clearance(places, 0.41) >= 0.4]
        places = places[space.contains(places)]
        middle = (low + high) / 2
        away = places[:, [0, 2]] - middle
        sight = space.sight(places, np.stack([-away[:, 0], 0 * away[:, 0], -away[:, 1]], axis=1), 20.0)
        best = int(np.argmax(np.linalg.norm(away, axis=1) + 0.3 * sight))
        yaw = np.arctan2(away[best, 0], away[best, 1])  # look_pose looks along -z at yaw 0
        poses.append(look_pose(places[best : best + 1], np.array([yaw]), np.array([DOWN]), np.zeros(1))[0])
    return np.stack(poses)


if __name__ == "__main__":
    six_views(tyro.cli(SixViewsConfig, description="Six views of two houses, as one picture."))
