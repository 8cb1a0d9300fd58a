"""Shapes of crockery, bottles, pans, cutlery and food. Boxes as in `shapes`."""

import numpy as np

from scenes.looks import finish, glass
from scenes.palette import Draw, dark, steel, white
from scenes.solids import Bench, Finish
from scenes.textures import Rgb

Profile = list[tuple[float, float]]


def turned(b: Bench, w: float, h: float, d: float, profile: Profile, look: Finish, sides: int = 28) -> None:
    """A profile given in shares of radius and height."""
    b.turned([(max(r * w / 2, 5e-4), y * h) for r, y in profile], (0, 0, 0), look, sides, (1, d / w))


def bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Glass or plastic, with a label and a cap."""
    look = (
        draw.bright()
        if draw.one_of(0, 1)
        else finish("plain", draw.pick(((0.16, 0.30, 0.18), (0.35, 0.22, 0.12), (0.80, 0.85, 0.86))))
    )
    turned(
        b,
        w,
        h,
        d,
        [(0, 0), (0.95, 0), (1, 0.02), (1, 0.55), (0.85, 0.66), (0.35, 0.78), (0.32, 0.92), (0, 0.92)],
        look,
    )
    turned(b, w, h, d, [(1.01, 0.16), (1.01, 0.46)], finish("plain", (0.93, 0.91, 0.84)))
    turned(b, w, h, d, [(0.36, 0.9), (0.36, 1), (0, 1)], draw.bright(), 16)


def wine_bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Long neck, foil, label."""
    turned(
        b,
        w,
        h,
        d,
        [(0, 0), (0.97, 0), (1, 0.01), (1, 0.6), (0.8, 0.7), (0.36, 0.78), (0.34, 1), (0, 1)],
        finish("plain", (0.10, 0.16, 0.10)),
    )
    turned(b, w, h, d, [(1.01, 0.2), (1.01, 0.5)], finish("plain", (0.92, 0.89, 0.80)))
    turned(b, w, h, d, [(0.37, 0.84), (0.37, 1.0), (0, 1.001)], finish("plain", (0.45, 0.10, 0.14)), 16)


def pump_bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A soap bottle with its pump."""
    turned(
        b,
        w,
        h,
        d,
        [(0, 0), (0.96, 0), (1, 0.03), (1, 0.58), (0.6, 0.68), (0.3, 0.72), (0, 0.72)],
        draw.bright(),
    )
    turned(b, w, h, d, [(0.3, 0.7), (0.3, 0.8), (0.12, 0.8), (0.12, 0.95), (0, 0.95)], white(), 14)
    b.box((-w * 0.14, h * 0.94, -d * 0.12), (w * 0.14, h, d * 0.5), white())


def spray(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A spray bottle with its trigger."""
    turned(b, w, h, d, [(0, 0), (0.98, 0), (1, 0.5), (0.6, 0.66), (0.3, 0.74), (0, 0.74)], draw.bright())
    b.cushion((-w * 0.2, h * 0.84, -d * 0.3), (w * 0.2, h, d * 0.5), 0.008, white())
    b.rod((0, h * 0.72, 0), (0, h * 0.86, 0), w * 0.16, white())
    b.rod((0, h * 0.86, d * 0.25), (0, h * 0.68, d * 0.36), 0.006, dark(), sides=8)


def cup(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A tumbler."""
    look = draw.bright() if draw.one_of(0, 1) else glass((0.85, 0.92, 0.93), 0.45)
    turned(b, w, h, d, [(0, 0), (0.72, 0), (1, 1), (0.93, 1), (0.66, 0.06), (0, 0.06)], look)


def mug(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """With a handle to the side."""
    look = draw.bright()
    body = w * 0.76
    x = -w / 2 + body / 2
    r = body / 2
    b.turned(
        [
            (0.001, 0),
            (r * 0.95, 0),
            (r, 0.1 * h),
            (r, h),
            (r * 0.92, h),
            (r * 0.9, h * 0.08),
            (0.001, h * 0.08),
        ],
        (x, 0, 0),
        look,
        28,
        (1, d / body),
    )
    b.tube(
        [
            (x + r * 0.95, h * 0.8, 0),
            (w / 2 - 0.006, h * 0.72, 0),
            (w / 2 - 0.006, h * 0.36, 0),
            (x + r * 0.95, h * 0.22, 0),
        ],
        0.006,
        look,
    )


def bowl(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An open bowl on a small foot."""
    look = draw.bright()
    turned(
        b,
        w,
        h,
        d,
        [
            (0, 0),
            (0.42, 0),
            (0.44, 0.06),
            (0.8, 0.42),
            (1, 1),
            (0.95, 1),
            (0.74, 0.45),
            (0.36, 0.14),
            (0, 0.12),
        ],
        look,
        36,
    )


def plate(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A dinner plate with a rim."""
    look = white() if draw.one_of(0, 1) else draw.bright()
    turned(b, w, h, d, [(0, 0), (0.6, 0), (1, 0.85), (1, 1), (0.62, 0.35), (0, 0.25)], look, 40)


def pan(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A frying pan, its handle towards +z."""
    r = w / 2
    z = -d / 2 + r
    look = dark() if draw.one_of(0, 1) else steel()
    b.turned(
        [(0.001, 0), (r * 0.8, 0), (r, h * 0.55), (r * 0.96, h * 0.55), (r * 0.78, 0.008), (0.001, 0.008)],
        (0, 0, z),
        look,
        36,
    )
    b.rod((0, h * 0.45, z + r * 0.95), (0, h * 0.92, d / 2), 0.011, dark(), tip=0.014)


def pot(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A saucepan with a lid; long boxes have a long handle, others two ears."""
    look = steel() if draw.one_of(0, 0, 1) else draw.bright()
    long = d / w > 1.35
    r = w / 2 if long else min(w, d) * 0.42
    z = -d / 2 + r if long else 0.0
    b.turned(
        [
            (0.001, 0),
            (r * 0.95, 0),
            (r, 0.03 * h),
            (r, h * 0.72),
            (r * 1.03, h * 0.74),
            (r * 0.9, h * 0.83),
            (0.001, h * 0.88),
        ],
        (0, 0, z),
        look,
        36,
    )
    b.turned([(r * 0.1, 0), (r * 0.16, h * 0.08), (0.001, h * 0.12)], (0, h * 0.88, z), dark(), 14)
    if long:
        b.rod((0, h * 0.62, z + r), (0, h * 0.7, d / 2), 0.01, dark(), tip=0.013)
    else:
        for s in (-1, 1):
            b.tube(
                [
                    (s * r, h * 0.6, -r * 0.25),
                    (s * w / 2 * 0.98, h * 0.6, -r * 0.2),
                    (s * w / 2 * 0.98, h * 0.6, r * 0.2),
                    (s * r, h * 0.6, r * 0.25),
                ],
                0.007,
                dark(),
            )


def kettle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A stove kettle with bow and spout."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    r = min(w, d) * 0.46
    b.turned(
        [(0.001, 0), (r, 0), (r, h * 0.15), (r * 0.75, h * 0.5), (r * 0.3, h * 0.6), (0.001, h * 0.64)],
        (0, 0, -0.02),
        look,
        30,
    )
    b.rod((0, h * 0.3, r * 0.7), (0, h * 0.58, d / 2), 0.02, look, tip=0.012)
    b.tube(
        [
            (0, h * 0.5, -r * 0.6),
            (0, h * 0.93, -r * 0.5),
            (0, h, 0),
            (0, h * 0.9, r * 0.4),
            (0, h * 0.5, r * 0.45),
        ],
        0.009,
        dark(),
    )


def shaker(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Salt or pepper: glass body, steel cap."""
    turned(b, w, h, d, [(0, 0), (1, 0), (0.7, 0.75), (0, 0.75)], white() if draw.one_of(0, 1) else dark(), 16)
    turned(b, w, h, d, [(0.75, 0.74), (0.75, 0.9), (0.4, 1), (0, 1)], steel(), 16)


def fruit(*colors: Rgb, stem: bool = True):
    """A recipe for round food of one of these colours, a little dented where the stem sits."""

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        look = finish("skin", draw.pick(colors), 0.12)
        top = 0.94 if stem else 1.0
        a = np.linspace(0, np.pi, 15)
        profile = [(max(float(np.sin(t)) ** 0.9, 0.0), (1 - float(np.cos(t))) / 2 * top) for t in a]
        if stem:
            profile[-1] = (0.0, top * 0.93)
        turned(b, w, h, d, profile, look)
        if stem:
            b.rod((0, h * 0.86, 0), (w * 0.04, h, 0), w * 0.025, finish("plain", (0.35, 0.26, 0.14)), sides=6)

    return build


def lying(*colors: Rgb, bumps: float = 0.0):
    """A recipe for an oblong thing that lies along z: potato, loaf, lettuce."""

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        look = finish("leaf" if bumps > 0.1 else "skin", draw.pick(colors), 0.15)
        rows, around = 15, 24
        t, a = np.linspace(0.02, np.pi - 0.02, rows), np.linspace(0, 2 * np.pi, around, endpoint=False)
        dent = 1 + bumps * draw.rng.normal(0, 1, (rows, around))
        r = np.sin(t)[:, None] ** 0.7 * dent
        points = np.stack(
            [
                r * np.cos(a) * w / 2,
                h / 2 + r * np.sin(a) * h / 2,
                np.broadcast_to(-np.cos(t)[:, None] * d / 2, r.shape),
            ],
            -1,
        )
        i, j = np.meshgrid(np.arange(rows - 1), np.arange(around), indexing="ij")
        p, q = i * around + j, i * around + (j + 1) % around
        quads = np.stack([p, q, q + around, p + around], -1).reshape(-1, 4)
        b.part(points.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), look)

    return build


def cutlery(kind: str):
    """A recipe for a tool that lies along z, its business end towards -z."""

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        metal, mid = steel(), h / 2
        grip = dark() if kind in ("knife", "spatula", "ladle") else metal
        r = max(min(w, h) * 0.3, 0.0025)
        b.rod((0, mid, d / 2), (0, mid, 0), r * 1.2, grip, tip=r)
        b.rod((0, mid, 0), (0, mid, -d * 0.2), r, metal, tip=r * 0.8, sides=8)
        if kind == "fork":
            b.box((-w / 2, mid - 0.001, -d * 0.33), (w / 2, mid + 0.001, -d * 0.2), metal)
            for k in range(4):
                x = -w / 2 + w * (k + 0.5) / 4
                b.rod((x, mid, -d * 0.33), (x, h * 0.75, -d / 2), w * 0.07, metal, tip=w * 0.03, sides=6)
        elif kind == "spoon":
            b.ball((0, mid, -d * 0.36), (w / 2, h / 2, d * 0.15), metal, 20)
        elif kind == "ladle":
            z = -d / 2 + w / 2
            b.turned(
                [(0.001, 0), (w * 0.35, h * 0.1), (w / 2, h * 0.6), (w * 0.46, h * 0.6), (0.001, h * 0.15)],
                (0, 0, z),
                metal,
                24,
            )
        elif kind == "spatula":
            b.box((-w / 2, mid - 0.002, -d / 2), (w / 2, mid + 0.002, -d * 0.2), metal)
        else:
            thin = max(w * 0.18, 0.0008)
            b.box((-thin, h * 0.1, -d / 2), (thin, h, 0), metal)

    return build


def foil(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A long carton of foil."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h, d / 2), draw.bright())
    b.box((-w * 0.48, h * 0.3, d / 2), (w * 0.48, h * 0.7, d / 2 + 3e-4), steel())
