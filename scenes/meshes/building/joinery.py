"""Doors and windows: the geometry that fills the holes of walls.

AI2-THOR's names tell the kind: a Doorframe is a frame alone; a Doorway has a leaf (two if Double), which
swings into `room1` by its openness; a window is Fixed, Hung (halves one above the other), a Slider (side by
side) or a Bay.
"""

import hashlib

import numpy as np

from scenes.house.asset_table import Asset
from scenes.house.elements import Door, Window
from scenes.house.schema import House
from scenes.meshes.building.assembly import Assembly
from scenes.meshes.building.walls import INNER_M, OUTER_M, Side, frame
from scenes.meshes.looks import finish, glass
from scenes.meshes.mesh_builder import Finish, MeshBuilder

LINING_M = 0.035  # thickness of the board that lines a door's hole
CASING_M = (0.07, 0.014)  # width and thickness of the moulding around it
WINDOW_CASING_M = (0.06, 0.012)
LEAF_M = 0.04
STOP_M = 0.012
SILL_M = 0.006  # height of the threshold
_PAINTS = ((0.90, 0.89, 0.86), (0.86, 0.84, 0.79), (0.50, 0.33, 0.20), (0.36, 0.23, 0.15), (0.66, 0.50, 0.33))


def build_openings(house: House, sides: dict[str, Side], out: Assembly) -> None:
    """One instance a door, one a window; those in walls that do not stand are left out."""
    for opening in (*house.doors, *house.windows):
        side = sides.get(opening.wall0) or sides.get(opening.wall1)
        if side is None:
            continue
        behind = sides.get(opening.wall1)
        depth = (behind.depth if behind is not None and behind is not side else INNER_M, side.depth)
        hole = opening.hole_on(side.wall)
        builder = MeshBuilder()
        label = "Window"
        if isinstance(opening, Door):
            label = "Doorframe" if opening.asset_id.startswith("Doorframe") else "Doorway"
            swings = -1.0 if side.wall.id == opening.wall0 else 1.0
            _door(builder, opening.asset_id, opening.openness or 0.0, hole, depth, swings)
        elif isinstance(opening, Window):
            _window(builder, opening.asset_id, hole, depth)
        moved = MeshBuilder()
        moved.take(builder, frame(side))
        out.build(opening.id, label, moved)


def opening_shape(builder: MeshBuilder, asset: Asset) -> None:
    """A door, closed, or a window by itself: what its asset looks like without a wall around it."""
    w, h, _ = asset.size
    if asset.type == "Window":
        rim = WINDOW_CASING_M[0]
        _window(builder, asset.id, (-w / 2 + rim, rim, w / 2 - rim, h - rim), (0.05, 0.05))
    else:
        rim = CASING_M[0]
        _door(builder, asset.id, 0.0, (-w / 2 + rim, 0.0, w / 2 - rim, h - rim), (0.05, 0.05), 1.0)


def _draw(asset_id: str, count: int) -> int:
    return hashlib.sha256(asset_id.encode()).digest()[0] % count


def _paint(asset_id: str) -> Finish:
    color = _PAINTS[_draw(asset_id.replace("Doorframe", "Doorway"), len(_PAINTS))]
    return finish("plain", color) if color[2] > 0.5 else finish("wood", color, 0.5)


def _door(
    builder: MeshBuilder,
    asset_id: str,
    openness: float,
    hole: tuple[float, float, float, float],
    depth: tuple[float, float],
    swings: float,
) -> None:
    s0, y0, s1, y1 = hole
    back, front = -depth[0], depth[1]
    look = _paint(asset_id)
    width, thick = CASING_M
    for a, b in ((s0, s0 + LINING_M), (s1 - LINING_M, s1)):
        builder.box((a, y0, back), (b, y1, front), look)
    builder.box((s0 + LINING_M, y1 - LINING_M, back), (s1 - LINING_M, y1, front), look)
    for inner, outer in ((front, front + thick), (back, back - thick)):
        for a, b in ((s0 - width, s0 + LINING_M * 0.6), (s1 - LINING_M * 0.6, s1 + width)):
            builder.box((a, y0, inner), (b, y1, outer), look)
        builder.box((s0 - width, y1 - LINING_M * 0.6, inner), (s1 + width, y1 + width, outer), look)
    sill = finish("wood", (0.36, 0.25, 0.17), 0.5)  # where the floors of two rooms meet
    builder.box((s0, y0 - 0.002, back), (s1, y0 + SILL_M, front), sill)
    if asset_id.startswith("Doorframe"):
        return
    angle = 90.0 * openness
    a, b, top = s0 + LINING_M, s1 - LINING_M, y1 - LINING_M
    # The leaf hangs on the edge of the face that it swings towards, and is drawn lying at depth 0 below
    # that face.
    plane = front if swings > 0 else back
    shut = plane - swings * LEAF_M  # where a closed leaf meets the stops, which hide the slits around it
    for low, high in (
        ((a, y0), (a + STOP_M, top)),
        ((b - STOP_M, y0), (b, top)),
        ((a, top - STOP_M), (b, top)),
    ):
        builder.box((*low, shut), (*high, shut - swings * STOP_M), look)
    spans = [(a, (a + b) / 2, 1.0), ((a + b) / 2, b, -1.0)] if "Double" in asset_id else [(a, b, 1.0)]
    for start, stop, hand in spans:
        piece = MeshBuilder()
        _leaf(piece, stop - start - 0.006, top - y0 - 0.014, look, _draw(asset_id + "leaf", 3))
        matrix = np.eye(4)
        matrix[0, 0], matrix[2, 2] = hand, swings
        matrix[:3, 3] = (start + 0.003 if hand > 0 else stop - 0.003), y0 + SILL_M + 0.004, plane
        piece.turn(-angle)
        builder.take(piece, matrix)


def _leaf(builder: MeshBuilder, width: float, height: float, look: Finish, style: int) -> None:
    """A leaf from its hinge at the origin along +x, its swinging face at z = 0, its body behind."""
    builder.box((0, 0, -LEAF_M), (width, height, 0), look)
    panels = {0: (), 1: ((0.08, 0.46), (0.54, 0.93)), 2: ((0.06, 0.32), (0.38, 0.64), (0.70, 0.94))}[style]
    rim = min(0.11, width * 0.18)
    for z0, z1 in ((0, 0.008), (-LEAF_M, -LEAF_M - 0.008)):
        for low, high in panels:  # raised frames around each panel
            a, b, c, d = rim, width - rim, height * low, height * high
            bar = 0.022
            for box in ((a, c, b, c + bar), (a, d - bar, b, d), (a, c, a + bar, d), (b - bar, c, b, d)):
                builder.box((box[0], box[1], z0), (box[2], box[3], z1), look)
    steel = finish("metal", (0.72, 0.70, 0.66))
    x, y = width - 0.065, min(1.0, height * 0.5)
    for z, out in ((0, 0.05), (-LEAF_M, -LEAF_M - 0.05)):
        builder.rod((x, y, z), (x, y, out), 0.009, steel)
        builder.rod((x + 0.01, y, out), (x - 0.11, y, out), 0.009, steel)
        builder.box((x - 0.02, y - 0.06, z), (x + 0.02, y + 0.06, z + np.sign(out + 1e-9) * 0.004), steel)


def _window(
    builder: MeshBuilder, asset_id: str, hole: tuple[float, float, float, float], depth: tuple[float, float]
) -> None:
    s0, y0, s1, y1 = hole
    back, front = -depth[0], depth[1]
    white = finish("plain", (0.91, 0.91, 0.89))
    rim = 0.045
    deep = min(0.07, (front - back) * 0.8)
    z0 = back + 0.02 if depth[0] >= OUTER_M else back
    z1 = z0 + deep
    columns, rows = 1, 1
    if "Hung" in asset_id:
        rows = 2
    elif "Slider" in asset_id:
        columns = 2
    elif "Bay" in asset_id or s1 - s0 > 2.0:
        columns = 3
    for a, b in ((s0, s0 + rim), (s1 - rim, s1)):
        builder.box((a, y0, z0), (b, y1, z1), white)
    for a, b in ((y0, y0 + rim), (y1 - rim, y1)):
        builder.box((s0, a, z0), (s1, b, z1), white)
    for i in range(1, columns):
        s = s0 + (s1 - s0) * i / columns
        builder.box((s - rim / 2, y0, z0 + 0.01), (s + rim / 2, y1, z1 - 0.005), white)
    for i in range(1, rows):
        y = y0 + (y1 - y0) * i / rows
        builder.box((s0, y - rim / 2, z0 + 0.01), (s1, y + rim / 2, z1 - 0.005), white)
    z = (z0 + z1) / 2
    builder.sheet([(s0, y0, z), (s1, y0, z), (s1, y1, z), (s0, y1, z)], glass())
    builder.box((s0 - 0.05, y0 - 0.03, z1), (s1 + 0.05, y0, front + 0.04), white)  # the sill inside
    width, thick = WINDOW_CASING_M
    for a, b in ((s0 - width, s0), (s1, s1 + width)):
        builder.box((a, y0, front), (b, y1, front + thick), white)
    builder.box((s0 - width, y1, front), (s1 + width, y1 + width, front + thick), white)
