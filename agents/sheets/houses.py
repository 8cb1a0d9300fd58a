"""`tst houses sheet`: views from inside several houses, on one image.

    tst houses sheet houses/*.json --views 3 --out sheet.png

Views are of the largest rooms of a house, one of each type before a second of any, each from the corner at
eye height that has the most objects in view.
"""

from pathlib import Path

import numpy as np
import shapely
import tyro
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field
from tqdm import tqdm

from agents.cameras import Cameras, look_pose
from agents.raycast.simulator import FINE, RaycastSimulator
from agents.simulator import Simulator
from scenes.config import Config
from scenes.house.files.references import each_house
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import FloorRegion, SceneGeometry

CORNER_M = 0.45  # distance of the camera from the walls of its corner
CLEAR_M = 0.3  # smallest distance of the camera from any surface
PROBE = (24, 32)  # height and width of the images by which viewpoints are compared [pixels]


class HouseSheetConfig(Config):
    """Draw views from within houses on one sheet."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """House files, folders, JSON lines or parts of them (docs/house-format.md)."""
    out: Path
    """The picture to write: .png or .jpg."""
    views: int = Field(default=3, ge=1)
    """Views of each house."""
    columns: int = Field(default=6, ge=1)
    """Views side by side."""
    width: int = Field(default=320, ge=32)
    """Width of a view [pixels]; its height is three quarters of that."""
    fov_deg: float = Field(default=82.0, gt=10, lt=170)
    """Horizontal field of view [degrees]."""
    eye_m: float = Field(default=1.5, gt=0)
    """Height of the eye above the floor [m]."""


def house_sheet(config: HouseSheetConfig) -> None:
    """Write the sheet. Raises ValueError for a file that is no house."""
    tiles: list[tuple[str, np.ndarray]] = []
    height = config.width * 3 // 4
    houses = list(each_house(config.houses))
    with tqdm(houses, desc="looking", unit=" houses") as bar:  # closed before an error is printed
        for name in bar:
            house = House.load(name)
            simulator = RaycastSimulator(config=FINE)
            simulator.load(compile_house(house))
            rooms, poses = interior_views(simulator, config.views, config.eye_m, config.fov_deg)
            cameras = Cameras.same(poses, config.fov_deg, height, config.width)
            for room, view in zip(rooms, simulator.render(cameras, ["rgb"])["rgb"], strict=True):
                tiles.append((f"{house.space_id}: {room.room_type}", view))
    config.out.parent.mkdir(parents=True, exist_ok=True)
    _tiled(tiles, config.columns, config.width, height).save(config.out, quality=90)
    print(f"{config.out}: {len(tiles)} views of {len(houses)} houses")


def interior_views(
    simulator: Simulator, count: int, eye_m: float, fov_deg: float
) -> tuple[list[FloorRegion], Float64[np.ndarray, "count 4 4"]]:
    """Return `count` rooms of the loaded space and a pose in each; no two poses are the same."""
    rooms = rooms_to_view(simulator.free_space().floor, count)
    poses = [
        viewpoint(simulator, room, eye_m, fov_deg, sum(room is other for other in rooms[:i]))
        for i, room in enumerate(rooms)
    ]
    return rooms, np.stack(poses)


def exterior_views(space: SceneGeometry, count: int, fov_deg: float) -> Float64[np.ndarray, "count 4 4"]:
    """Poses [count, 4, 4] about a space, a little above its middle, from where all of it is in view."""
    corners = [
        space.meshes[i.mesh].vertices @ i.transform[:3, :3].T + i.transform[:3, 3] for i in space.instances
    ]
    every = np.concatenate(corners)
    low, high = every.min(0), every.max(0)
    radius = float(np.linalg.norm(high - low)) / 2 / np.sin(np.radians(fov_deg) / 2)
    yaw = np.arange(count) * 2 * np.pi / max(count, 1) + np.pi / 5
    pitch = np.full(count, -np.radians(25.0))
    back = np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)], 1)
    return look_pose((low + high) / 2 + radius * back, yaw, pitch, np.zeros(count))


def rooms_to_view(floor: tuple[FloorRegion, ...], count: int) -> list[FloorRegion]:
    """Return `count` rooms, largest first, every type once before any again; fewer rooms repeat."""
    waiting = sorted(floor, key=lambda r: -shapely.Polygon(r.polygon).area)
    order: list[FloorRegion] = []
    while waiting:
        seen: set[str] = set()
        for room in list(waiting):
            if room.room_type not in seen:
                seen.add(room.room_type)
                order.append(room)
                waiting.remove(room)
    return [order[i % len(order)] for i in range(count)]


def viewpoint(
    simulator: Simulator, room: FloorRegion, eye_m: float, fov_deg: float, rank: int = 0
) -> Float64[np.ndarray, "4 4"]:
    """Return the pose in a room's corners, looking at its middle, that ranks `rank`-th by objects in view."""
    outline = shapely.Polygon(room.polygon)
    inner = outline.buffer(-CORNER_M, join_style="mitre")
    inner = inner if not inner.is_empty else outline.buffer(-CORNER_M / 3, join_style="mitre")
    parts = max(shapely.get_parts(inner), key=lambda p: p.area)
    corners = shapely.get_coordinates(parts.exterior)[:-1]
    sides = (corners + np.roll(corners, 1, axis=0)) / 2
    places = np.concatenate([corners, sides])
    points = np.column_stack([places[:, 0], np.full(len(places), room.floor_y + eye_m), places[:, 1]])
    clear = simulator.free_space().clearance(points, CLEAR_M) >= CLEAR_M * 0.99
    points = points[clear] if clear.any() else points
    middle = outline.representative_point() if not outline.contains(outline.centroid) else outline.centroid
    away = np.array([middle.x, middle.y]) - points[:, [0, 2]]
    yaw = np.arctan2(-away[:, 0], -away[:, 1])
    poses = look_pose(points, yaw, np.full(len(points), -0.16), np.zeros(len(points)))
    seen = simulator.render(Cameras.same(poses, fov_deg, *PROBE), ["instance", "depth"])
    kinds = [len(np.unique(frame)) for frame in seen["instance"]]
    # An object right before the camera hides the room.
    far = [float((frame > 700).mean()) for frame in seen["depth"]]
    order = np.argsort(-np.array(kinds) * np.array(far) ** 2, kind="stable")
    return poses[int(order[rank % len(order)])]


def _tiled(tiles: list[tuple[str, np.ndarray]], columns: int, width: int, height: int) -> Image.Image:
    line = 14
    font = ImageFont.load_default(size=11)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + 4), rows * (height + line + 4)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (name, view) in enumerate(tiles):
        x, y = (k % columns) * (width + 4) + 2, (k // columns) * (height + line + 4)
        draw.text((x + 2, y), name, fill="black", font=font)
        sheet.paste(Image.fromarray(view).resize((width, height), Image.Resampling.BOX), (x, y + line))
    return sheet
