"""Shapes of books, tools, toys and other things. Boxes as in `shapes`."""

import numpy as np
import shapely
import shapely.affinity

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white
from scenes.meshes.pictures import newspaper, painting
from scenes.meshes.shapes.kitchen import turned
from scenes.meshes.textures import Rgb

Profile = list[tuple[float, float]]


def book(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Covers around a block of pages; the spine to the left."""
    cover = finish(
        "fabric",
        draw.pick(
            (
                (0.55, 0.16, 0.15),
                (0.14, 0.28, 0.45),
                (0.20, 0.36, 0.26),
                (0.16, 0.16, 0.18),
                (0.82, 0.76, 0.62),
            )
        ),
        0.2,
    )
    t = min(0.004, h * 0.2)
    b.box((-w / 2, 0, -d / 2), (w / 2, t, d / 2), cover)
    b.box((-w / 2, h - t, -d / 2), (w / 2, h, d / 2), cover)
    b.box((-w / 2, 0, -d / 2), (-w / 2 + t, h, d / 2), cover)
    b.box(
        (-w / 2 + t, t, -d / 2 + 0.004),
        (w / 2 - 0.004, h - t, d / 2 - 0.004),
        finish("plain", (0.93, 0.90, 0.82)),
    )
    picture = painting(int(draw.rng.integers(6)), w / d)
    b.sheet(
        [
            (-w * 0.3, h + 1e-4, d * 0.36),
            (w * 0.32, h + 1e-4, d * 0.36),
            (w * 0.32, h + 1e-4, -d * 0.3),
            (-w * 0.3, h + 1e-4, -d * 0.3),
        ],
        picture,
    )


def paper(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A newspaper, folded: sheets one above another, the first page on top."""
    grey = finish("plain", (0.80, 0.79, 0.75))
    for k in range(3):
        dx = draw.uniform(0, 0.015) * w
        b.cushion((-w / 2 + dx, h * k / 3, -d / 2), (w / 2 - dx, h * (k + 1) / 3, d / 2), h / 6, grey)
    x, z, y = w * 0.48, d * 0.47, h + 2e-4
    page = newspaper(int(draw.rng.integers(8)), w / d)
    b.sheet([(-x, y, z), (x, y, z), (x, y, -z), (-x, y, -z)], page)


def card(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A flat card with a stripe."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.9, d / 2), draw.bright())
    b.box((-w / 2, h * 0.9, -d * 0.3), (w / 2, h, -d * 0.1), dark())


def disc(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A compact disc."""
    turned(
        b,
        w,
        h,
        d,
        [(0.13, 0), (1, 0), (1, 1), (0.13, 1), (0.13, 0)],
        finish("metal", (0.80, 0.82, 0.86), 0.1),
        40,
    )


def stick(look: Rgb, tip: Rgb):
    """A recipe for a pen or pencil along z."""

    def build(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
        r = min(w, h) / 2
        b.rod((0, r, d / 2), (0, r, -d * 0.42), r, finish("plain", draw.pick((look,), 0.12)), sides=8)
        b.rod((0, r, -d * 0.42), (0, r, -d / 2), r, finish("plain", tip), tip=r * 0.15, sides=8)

    return build


def bat(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A baseball bat, standing."""
    turned(
        b,
        w,
        h,
        d,
        [(0, 0), (0.85, 0.01), (1, 0.1), (0.95, 0.35), (0.45, 0.65), (0.38, 0.95), (0.6, 0.98), (0, 1)],
        draw.wood(),
        20,
    )


def racket(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A tennis racket lying along z."""
    a = np.linspace(0, 2 * np.pi, 25)
    z0, rz = -d * 0.22, d * 0.27
    b.tube(
        [(float(np.cos(t)) * w * 0.47, h / 2, z0 + float(np.sin(t)) * rz) for t in a],
        h * 0.28,
        draw.bright(),
        sides=8,
    )
    for k in np.linspace(-0.8, 0.8, 11):
        x, z = k * w * 0.47, k * rz
        half_z, half_x = rz * np.sqrt(1 - k * k), w * 0.47 * np.sqrt(1 - k * k)
        b.rod((x, h / 2, z0 - half_z), (x, h / 2, z0 + half_z), 0.001, white(), sides=4)
        b.rod((-half_x, h / 2, z0 + z), (half_x, h / 2, z0 + z), 0.001, white(), sides=4)
    b.rod((0, h / 2, z0 + rz), (0, h / 2, d / 2), h * 0.4, dark())


def dumbbell(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Two weights on a bar along z."""
    r = h / 2
    b.rod((0, r, -d / 2), (0, r, d / 2), r * 0.3, steel())
    for s in (-1, 1):
        b.rod((0, r, s * d * 0.24), (0, r, s * d * 0.46), r, dark(), sides=20)


def ball(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A basketball."""
    b.ball((0, h / 2, 0), (w / 2, h / 2, d / 2), finish("leather", (0.80, 0.40, 0.15), 0.2), 32)
    a = np.linspace(0, 2 * np.pi, 49)
    for axis in (0, 1):
        path = [
            (
                w * 0.499 * float(np.cos(t)) * (axis == 0),
                h / 2 + h * 0.499 * float(np.sin(t)),
                d * 0.499 * float(np.cos(t)) * (axis == 1),
            )
            for t in a
        ]
        b.tube(path, 0.0025, dark(), sides=5)


def cardboard(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An open carton, its flaps folded outwards, with a band of tape."""
    look = finish("skin", draw.pick(((0.72, 0.55, 0.36), (0.66, 0.49, 0.31))), 0.5)
    t, body = 0.006, h * 0.86
    x, z = w * 0.42, d * 0.42
    b.box((-x, 0, -z), (x, t, z), look)
    for s in (-1, 1):
        b.box((s * x, 0, -z), (s * (x - t), body, z), look)
        b.box((-x, 0, s * z), (x, body, s * (z - t)), look)
        b.box(
            (-0.025, body * 0.55, s * (z + 4e-4)), (0.025, body, s * z), finish("plain", (0.82, 0.74, 0.60))
        )
        edge = s * w / 2
        b.sheet(
            [(s * x, body, z), (s * x, body, -z), (edge, h, -z * 0.97), (edge, h, z * 0.97)],
            look,
            whole=False,
        )
        edge = s * d / 2
        low = h * 0.93
        b.sheet(
            [(-x, body, s * z), (x, body, s * z), (x * 0.97, low, edge), (-x * 0.97, low, edge)],
            look,
            whole=False,
        )


def boots(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A pair, toes to the front."""
    look = finish("leather", draw.pick(((0.32, 0.20, 0.13), (0.12, 0.12, 0.13), (0.55, 0.42, 0.22))), 0.3)
    half = w * 0.2
    for s in (-1, 1):
        x = s * w * 0.26
        # From the toe back to the heel: share of the depth, of half the width, of the height.
        foot = (
            (0.5, 0.35, 0.09),
            (0.44, 0.75, 0.13),
            (0.3, 0.97, 0.16),
            (0.05, 0.95, 0.2),
            (-0.2, 0.85, 0.3),
            (-0.5, 0.7, 0.3),
        )
        t = np.linspace(0, np.pi, 9)
        rings = [
            [
                (
                    x + half * wide * float(np.cos(a)),
                    0.02 + (h * high - 0.02) * float(np.sin(a)) ** 0.6,
                    z * d,
                )
                for a in t
            ]
            for z, wide, high in foot[::-1]
        ]
        b.loft(np.array(rings), look)
        b.turned(
            [
                (half * 0.78, h * 0.14),
                (half * 0.72, h * 0.4),
                (half * 0.95, h),
                (half * 0.85, h),
                (half * 0.6, h * 0.35),
            ],
            (x, 0, -d * 0.24),
            look,
            24,
            (1, d * 0.25 / half),
        )
        outline = shapely.Polygon(
            [(x + half * wide * side, z * d) for side in (1, -1) for z, wide, _ in foot[::-side]]
        )
        b.slab(outline.buffer(0.004), 0.0, 0.025, dark())
        b.box((x - half * 0.7, 0, -d / 2), (x + half * 0.7, 0.04, -d * 0.25), dark())


def keys(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Two keys on a ring, lying spread out."""
    brass = finish("metal", (0.78, 0.66, 0.36), 0.2)
    r = min(d * 0.32, w * 0.17)
    a = np.linspace(0, 2 * np.pi, 25)
    x = -w / 2 + r
    b.tube([(x + r * float(np.cos(t)), h / 2, r * float(np.sin(t))) for t in a], h * 0.2, steel(), sides=6)
    head, long = d * 0.17, w * 0.5
    for k, turn in enumerate((-17.0, 15.0)):
        start = x + r + head * 0.6
        key = shapely.union_all(
            [
                shapely.Point(start, 0).buffer(head),
                shapely.box(start, -head * 0.22, start + long * 0.95, head * 0.22),
                *(
                    shapely.box(start + long * at, -head * 0.6, start + long * (at + 0.05), 0)
                    for at in (0.66, 0.76, 0.89)
                ),
            ]
        ).difference(shapely.Point(start - head * 0.6, 0).buffer(head * 0.25))
        key = shapely.affinity.rotate(key, turn, origin=(x, 0))
        assert isinstance(key, shapely.Polygon)
        b.slab(key, h * (0.12 + 0.42 * k), h * (0.42 + 0.42 * k), brass if k else steel())


def watch(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A flat strap in a loop, lying on its side of the wrist, its dial upwards."""
    strap = finish("leather", draw.pick(((0.25, 0.16, 0.10), (0.12, 0.12, 0.13), (0.45, 0.28, 0.15))), 0.1)
    rings = []
    for t in np.linspace(0, 2 * np.pi, 33)[:-1]:
        c, s, wide = float(np.cos(t)), float(np.sin(t)), d * (0.3 + 0.08 * float(np.sin(t)))
        rings.append(
            [
                (k * w / 2 * c, h * 0.44 + k * h * 0.44 * s, z)
                for k, z in ((1, wide), (1, -wide), (0.93, -wide), (0.93, wide))
            ]
        )
    b.loft(np.array(rings), strap, closed=True)
    r, y = d * 0.5, h * 0.84
    b.turned(
        [(0.001, 0), (r, 0), (r, h * 0.11), (r * 0.88, h * 0.15), (0.001, h * 0.14)], (0, y, 0), steel(), 28
    )
    b.turned([(r * 0.84, h * 0.152), (0.001, h * 0.152)], (0, y, 0), draw.bright(), 28)
    for x, z in ((0.0, -0.6), (0.35, 0.25)):
        b.rod((0, y + h * 0.155, 0), (x * r, y + h * 0.155, z * r), h * 0.012, dark(), sides=5)
    b.rod((r * 0.95, y + h * 0.07, 0), (r * 1.12, y + h * 0.07, 0), h * 0.035, steel(), sides=10)


def block(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """What no recipe knows: a box with rounded edges in one of the bright colours."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, h, d) * 0.15, draw.bright())
