"""A labelled floor plan of a house, seen from above: x to the right, z up the page.

draw_plan(house).save("plan.png")
"""

import math

import shapely
from PIL import Image, ImageDraw, ImageFont

from scenes.house.asset_table import asset_table
from scenes.house.boxes import solid_parts
from scenes.house.elements import HouseObject, Wall
from scenes.house.schema import House, walls_by_id

ROOM_COLORS = {
    "Kitchen": (250, 232, 208),
    "LivingRoom": (222, 238, 220),
    "Bedroom": (220, 230, 246),
    "Bathroom": (216, 238, 242),
}
FURNITURE, SMALL, WALL_THING, INK = (214, 196, 172), (196, 92, 72), (120, 90, 160), (50, 50, 50)
ROOM_INK = (120, 60, 60)
WINDOW, DOOR = (70, 150, 220), (150, 100, 50)
MARGIN_M = 0.5
Hole = tuple[float, float, float, float]  # as `Opening.hole_on` gives it


def plan_extent(house: House) -> tuple[float, float, float, float]:
    """What a plan shows: least x and z, greatest x and z, in the house's coordinates [m]."""
    points = [p for room in house.rooms for p in room.polygon]
    (x0, z0), (x1, z1) = map(min, zip(*points, strict=True)), map(max, zip(*points, strict=True))
    return x0 - MARGIN_M, z0 - MARGIN_M, x1 + MARGIN_M, z1 + MARGIN_M


class _Sheet:
    """Draws in metres."""

    def __init__(self, house: House, size_px: int) -> None:
        self.x0, z0, x1, self.z1 = plan_extent(house)
        self.scale = size_px / max(x1 - self.x0, self.z1 - z0)
        size = (max(1, round((x1 - self.x0) * self.scale)), max(1, round((self.z1 - z0) * self.scale)))
        self.image = Image.new("RGB", size, "white")
        self.draw = ImageDraw.Draw(self.image)

    def at(self, x: float, z: float) -> tuple[float, float]:
        """Pixel of a point."""
        return (x - self.x0) * self.scale, (self.z1 - z) * self.scale

    def polygon(self, points: list[tuple[float, float]], fill, outline=INK) -> None:
        """Fill and outline."""
        self.draw.polygon([self.at(*p) for p in points], fill=fill, outline=outline)

    def line(self, a: tuple[float, float], b: tuple[float, float], color, width_m: float) -> None:
        """A stroke."""
        self.draw.line([self.at(*a), self.at(*b)], fill=color, width=max(1, round(width_m * self.scale)))

    def text(self, x: float, z: float, words: str, size_m: float, color=INK) -> None:
        """Words centred on a point; left out where they would be too small to read."""
        pixels = size_m * self.scale
        if pixels >= 6:
            font = ImageFont.load_default(size=pixels)
            at = self.at(x, z)
            halo = {"stroke_width": max(1, round(pixels / 8)), "stroke_fill": (255, 255, 255)}
            self.draw.text(at, words, fill=color, font=font, anchor="mm", align="center", **halo)


def draw_plan(house: House, size_px: int = 800) -> Image.Image:
    """The plan; its longer side has `size_px` pixels. The arrow on a piece of furniture is its front."""
    sheet = _Sheet(house, size_px)
    for room in house.rooms:
        sheet.polygon(room.polygon, ROOM_COLORS.get(room.room_type, (235, 235, 235)), outline=None)
    flat = sorted(house.all_objects(), key=lambda pair: pair[1] is not None)
    for item, parent in flat:
        _draw_object(sheet, item, parent)
    for wall in house.walls:
        if not wall.empty:
            sheet.line(*wall.ends, INK, 0.06)
    walls = walls_by_id(house)
    for window in house.windows:
        _draw_hole(sheet, walls[window.wall0], window.hole, WINDOW, 0.1)
    for door in house.doors:
        wall = walls[door.wall1]
        _draw_hole(sheet, walls[door.wall0], door.hole, "white", 0.1)
        if door.openness == 0:
            _draw_hole(sheet, wall, door.hole_on(wall), DOOR, 0.06)
        elif door.openable is not None:
            _draw_leaves(sheet, wall, door.hole_on(wall), "Double" in door.asset_id)
    for item in house.objects:
        _name_object(sheet, item)
    for room in house.rooms:
        x, z = _label_place(room.polygon)
        sheet.text(x, z, room.room_type, 0.36, ROOM_INK)
    return sheet.image


def _draw_object(sheet: _Sheet, item: HouseObject, parent: HouseObject | None) -> None:
    asset = asset_table().get(item.asset_id)
    if asset is None:
        return
    x, z, yaw = item.position.x, item.position.z, math.radians(item.rotation.y)
    c, s = math.cos(yaw), math.sin(yaw)

    def world(lx: float, lz: float) -> tuple[float, float]:
        return x + c * lx + s * lz, z - s * lx + c * lz

    hangs = parent is None and item.position.y - asset.size[1] / 2 > 0.05
    fill = SMALL if parent is not None else WALL_THING if hangs else FURNITURE
    for part in solid_parts(asset):
        corners = [(part.x0, part.z0), (part.x0, part.z1), (part.x1, part.z1), (part.x1, part.z0)]
        sheet.polygon([world(*corner) for corner in corners], fill)
    if parent is not None or hangs:
        return
    half = asset.size[2] / 2
    sheet.line(world(0, half), world(0, half - min(0.15, half)), INK, 0.03)


def _name_object(sheet: _Sheet, item: HouseObject) -> None:
    """What stands on the floor by its type, as large as it can be read without hiding its neighbours."""
    asset = asset_table().get(item.asset_id)
    if asset is not None and item.position.y - asset.size[1] / 2 < 0.05:
        size = max(0.13, min(0.2, 1.8 * max(asset.size[0], asset.size[2]) / len(asset.type)))
        sheet.text(item.position.x, item.position.z, asset.type, size)


def _draw_hole(sheet: _Sheet, wall: Wall, hole: Hole, color, width_m: float) -> None:
    sheet.line(_along(wall, hole[0]), _along(wall, hole[2]), color, width_m)


def _draw_leaves(sheet: _Sheet, wall: Wall, hole: Hole, double: bool) -> None:
    """Open leaves and the arcs they swept, on the side of `wall`'s room."""
    (x0, z0), (x1, z1) = wall.ends
    nx, nz = (z1 - z0) / wall.length, -(x1 - x0) / wall.length
    start, _, end, _ = hole
    hinges = [(start, (start + end) / 2), (end, (start + end) / 2)] if double else [(start, end)]
    for hinge, tip in hinges:
        leaf, origin = abs(tip - hinge), _along(wall, hinge)
        sheet.line(origin, (origin[0] + nx * leaf, origin[1] + nz * leaf), DOOR, 0.04)
        along = _along(wall, tip)
        ux, uz = (along[0] - origin[0]) / leaf, (along[1] - origin[1]) / leaf
        arc = []
        for i in range(13):
            a = math.radians(90 * i / 12)
            dx, dz = math.cos(a) * ux + math.sin(a) * nx, math.cos(a) * uz + math.sin(a) * nz
            arc.append(sheet.at(origin[0] + leaf * dx, origin[1] + leaf * dz))
        sheet.draw.line(arc, fill=DOOR, width=1)


def _along(wall: Wall, t: float) -> tuple[float, float]:
    (x0, z0), (x1, z1) = wall.ends
    return x0 + (x1 - x0) * t / wall.length, z0 + (z1 - z0) * t / wall.length


def _label_place(polygon: list[tuple[float, float]]) -> tuple[float, float]:
    """A point well inside a polygon."""
    point = shapely.Polygon(polygon).representative_point()
    return point.x, point.y
