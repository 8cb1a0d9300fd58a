"""Parts that several pieces of furniture have: legs, bodies with drawers or doors, open shelves."""

from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import steel


def legs(
    b: MeshBuilder,
    w: float,
    d: float,
    y0: float,
    y1: float,
    look: Finish,
    thick: float,
    inset: float = 0.0,
    splay: float = 0.0,
) -> None:
    """Four legs under a rectangle w by d; square where `splay` is 0, else round and leaning outwards."""
    x, z = w / 2 - inset - thick / 2, d / 2 - inset - thick / 2
    for sx in (-1, 1):
        for sz in (-1, 1):
            if splay:
                top = (sx * (x - splay), y1, sz * (z - splay))
                b.rod((sx * x, y0, sz * z), top, thick * 0.35, look, tip=thick * 0.55)
            else:
                b.box(
                    (sx * x - thick / 2, y0, sz * z - thick / 2),
                    (sx * x + thick / 2, y1, sz * z + thick / 2),
                    look,
                )


def drawers(
    b: MeshBuilder,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    look: Finish,
    fronts: Finish,
    columns: int,
    rows: int,
    doors: bool = False,
) -> None:
    """A closed body with a grid of drawer fronts, or doors, each with its handle."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    lip = 0.018
    b.box((x0, y0, z0), (x1, y1, z1 - lip), look)
    gap = 0.006
    metal = steel()
    for i in range(columns):
        for j in range(rows):
            a, c = x0 + (x1 - x0) * i / columns + gap, x0 + (x1 - x0) * (i + 1) / columns - gap
            e, f = y0 + (y1 - y0) * j / rows + gap, y0 + (y1 - y0) * (j + 1) / rows - gap
            b.box((a, e, z1 - lip), (c, f, z1), fronts)
            if doors:
                x = c - 0.04 if i % 2 == 0 and columns > 1 else a + 0.04
                span = min(0.12, (f - e) * 0.3)
                b.rod(
                    (x, (e + f) / 2 - span / 2, z1 + 0.018),
                    (x, (e + f) / 2 + span / 2, z1 + 0.018),
                    0.005,
                    metal,
                    sides=8,
                )
            else:
                span = min(0.14, (c - a) * 0.4)
                y = (e + f) / 2
                b.rod(
                    ((a + c) / 2 - span / 2, y, z1 + 0.018),
                    ((a + c) / 2 + span / 2, y, z1 + 0.018),
                    0.005,
                    metal,
                    sides=8,
                )


def shelves(
    b: MeshBuilder,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    look: Finish,
    columns: int,
    rows: int,
) -> None:
    """An open case: sides, boards and a back."""
    (x0, y0, z0), (x1, y1, z1) = low, high
    t = min(0.022, (x1 - x0) * 0.08)
    b.box((x0, y0, z0), (x1, y1, z0 + 0.008), look)
    for i in range(columns + 1):
        x = x0 + (x1 - x0 - t) * i / columns
        b.box((x, y0, z0), (x + t, y1, z1), look)
    for j in range(rows + 1):
        y = y0 + (y1 - y0 - t) * j / rows
        b.box((x0, y, z0), (x1, y + t, z1), look)
