"""Shapes of books, tools, toys and other things. Boxes as in `shapes`."""

import numpy as np

from scenes.looks import finish
from scenes.palette import Draw, dark, steel, white
from scenes.pictures import painting
from scenes.shapes_kitchen import turned
from scenes.solids import Bench
from scenes.textures import Rgb

Profile = list[tuple[float, float]]


def book(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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


def paper(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A folded newspaper."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), h * 0.45, finish("plain", (0.82, 0.81, 0.77)))
    for k in range(7):
        z = -d * 0.34 + d * 0.1 * k
        b.box(
            (-w * 0.42, h, z),
            (w * (0.42 if k else 0.1), h + 3e-4, z + d * (0.045 if k else 0.07)),
            finish("plain", (0.35, 0.35, 0.36)),
        )


def card(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A flat card with a stripe."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.9, d / 2), draw.bright())
    b.box((-w / 2, h * 0.9, -d * 0.3), (w / 2, h, -d * 0.1), dark())


def disc(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        r = min(w, h) / 2
        b.rod((0, r, d / 2), (0, r, -d * 0.42), r, finish("plain", draw.pick((look,), 0.12)), sides=8)
        b.rod((0, r, -d * 0.42), (0, r, -d / 2), r, finish("plain", tip), tip=r * 0.15, sides=8)

    return build


def bat(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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


def racket(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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


def dumbbell(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Two weights on a bar along z."""
    r = h / 2
    b.rod((0, r, -d / 2), (0, r, d / 2), r * 0.3, steel())
    for s in (-1, 1):
        b.rod((0, r, s * d * 0.24), (0, r, s * d * 0.46), r, dark(), sides=20)


def ball(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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


def cardboard(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An open carton with its flaps up."""
    look = finish("skin", draw.pick(((0.72, 0.55, 0.36), (0.66, 0.49, 0.31))), 0.5)
    t, body = 0.006, h * 0.82
    b.box((-w / 2, 0, -d / 2), (w / 2, t, d / 2), look)
    for s in (-1, 1):
        b.box((s * w / 2, 0, -d / 2), (s * (w / 2 - t), body, d / 2), look)
        b.box((-w / 2, 0, s * d / 2), (w / 2, body, s * (d / 2 - t)), look)
        x = s * w / 2
        b.sheet(
            [(x, body, d / 2), (x, body, -d / 2), (x * 0.8, h, -d / 2), (x * 0.8, h, d / 2)],
            look,
            whole=False,
        )
        z = s * d / 2
        b.sheet(
            [(-w / 2, body, z), (w / 2, body, z), (w / 2, h * 0.96, z * 0.85), (-w / 2, h * 0.96, z * 0.85)],
            look,
            whole=False,
        )


def boots(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A pair, toes to the front."""
    look = finish("leather", draw.pick(((0.32, 0.20, 0.13), (0.12, 0.12, 0.13), (0.55, 0.42, 0.22))), 0.3)
    for s in (-1, 1):
        x = s * w * 0.26
        b.cushion((x - w * 0.2, 0.015, -d / 2), (x + w * 0.2, h * 0.3, d / 2), h * 0.1, look)
        b.turned(
            [(w * 0.18, h * 0.15), (w * 0.19, h), (w * 0.16, h), (w * 0.15, h * 0.3)],
            (x, 0, -d * 0.24),
            look,
            20,
            (1, min(d / w, 1.2)),
        )
        b.cushion((x - w * 0.21, 0, -d / 2), (x + w * 0.21, 0.02, d / 2), 0.008, dark())


def keys(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A ring with two keys."""
    r = d * 0.35
    a = np.linspace(0, 2 * np.pi, 17)
    b.tube(
        [(-w / 2 + r + r * float(np.cos(t)), h / 2, r * float(np.sin(t))) for t in a],
        h * 0.25,
        steel(),
        sides=6,
    )
    for k, z in ((0, -d * 0.25), (1, d * 0.2)):
        b.box(
            (-w * 0.05, h * 0.3, z),
            (w / 2 - k * w * 0.08, h * 0.6, z + d * 0.1),
            finish("metal", (0.78, 0.66, 0.36), 0.2),
        )
        b.box(
            (w * 0.3, h * 0.3, z), (w * 0.38, h * 0.6, z + d * 0.2), finish("metal", (0.78, 0.66, 0.36), 0.2)
        )


def watch(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A strap in a loop and a dial."""
    a = np.linspace(0, 2 * np.pi, 25)
    b.tube(
        [(w * 0.46 * float(np.cos(t)), h * 0.45 + h * 0.4 * float(np.sin(t)), 0) for t in a],
        min(d, h) * 0.12,
        finish("leather", (0.25, 0.16, 0.10), 0.1),
        sides=8,
    )
    b.turned(
        [(0.001, 0), (d * 0.5, 0), (d * 0.5, h * 0.14), (0.001, h * 0.14)], (0, h * 0.84, 0), steel(), 24
    )


def block(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """What no recipe knows: a box with rounded edges in one of the bright colours."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, h, d) * 0.15, draw.bright())
