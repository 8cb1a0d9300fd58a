"""Shapes of small things: crockery, bottles, food, tools, paper, cloth. Boxes as in `shapes_furniture`.

Most are turned profiles; `h` is the height of the box, so a thing that lies is built lying.
"""

import numpy as np

from scenes.looks import finish, glass, glow
from scenes.palette import Draw, dark, steel, white
from scenes.pictures import painting, screen
from scenes.solids import Bench, Finish
from scenes.textures import Rgb

Profile = list[tuple[float, float]]


def turned(b: Bench, w: float, h: float, d: float, profile: Profile, look: Finish, sides: int = 28) -> None:
    """A profile given in shares of radius and height."""
    b.turned([(max(r * w / 2, 5e-4), y * h) for r, y in profile], (0, 0, 0), look, sides, (1, d / w))


def bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Glass or plastic, with a label and a cap."""
    look = draw.bright() if draw.one_of(0, 1) else finish("plain", draw.pick(((0.16, 0.30, 0.18), (0.35, 0.22, 0.12), (0.80, 0.85, 0.86))))
    turned(b, w, h, d, [(0, 0), (0.95, 0), (1, 0.02), (1, 0.55), (0.85, 0.66), (0.35, 0.78), (0.32, 0.92), (0, 0.92)], look)
    turned(b, w, h, d, [(1.01, 0.16), (1.01, 0.46)], finish("plain", (0.93, 0.91, 0.84)))
    turned(b, w, h, d, [(0.36, 0.9), (0.36, 1), (0, 1)], draw.bright(), 16)


def wine_bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Long neck, foil, label."""
    turned(b, w, h, d, [(0, 0), (0.97, 0), (1, 0.01), (1, 0.6), (0.8, 0.7), (0.36, 0.78), (0.34, 1), (0, 1)], finish("plain", (0.10, 0.16, 0.10)))
    turned(b, w, h, d, [(1.01, 0.2), (1.01, 0.5)], finish("plain", (0.92, 0.89, 0.80)))
    turned(b, w, h, d, [(0.37, 0.84), (0.37, 1.0), (0, 1.001)], finish("plain", (0.45, 0.10, 0.14)), 16)


def pump_bottle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A soap bottle with its pump."""
    turned(b, w, h, d, [(0, 0), (0.96, 0), (1, 0.03), (1, 0.58), (0.6, 0.68), (0.3, 0.72), (0, 0.72)], draw.bright())
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
    b.turned([(0.001, 0), (r * 0.95, 0), (r, 0.1 * h), (r, h), (r * 0.92, h), (r * 0.9, h * 0.08), (0.001, h * 0.08)], (x, 0, 0), look, 28, (1, d / body))
    b.tube([(x + r * 0.95, h * 0.8, 0), (w / 2 - 0.006, h * 0.72, 0), (w / 2 - 0.006, h * 0.36, 0), (x + r * 0.95, h * 0.22, 0)], 0.006, look)


def bowl(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An open bowl on a small foot."""
    look = draw.bright()
    turned(b, w, h, d, [(0, 0), (0.42, 0), (0.44, 0.06), (0.8, 0.42), (1, 1), (0.95, 1), (0.74, 0.45), (0.36, 0.14), (0, 0.12)], look, 36)


def plate(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A dinner plate with a rim."""
    look = white() if draw.one_of(0, 1) else draw.bright()
    turned(b, w, h, d, [(0, 0), (0.6, 0), (1, 0.85), (1, 1), (0.62, 0.35), (0, 0.25)], look, 40)


def pan(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A frying pan, its handle towards +z."""
    r = w / 2
    z = -d / 2 + r
    look = dark() if draw.one_of(0, 1) else steel()
    b.turned([(0.001, 0), (r * 0.8, 0), (r, h * 0.55), (r * 0.96, h * 0.55), (r * 0.78, 0.008), (0.001, 0.008)], (0, 0, z), look, 36)
    b.rod((0, h * 0.45, z + r * 0.95), (0, h * 0.92, d / 2), 0.011, dark(), tip=0.014)


def pot(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A saucepan with a lid; long boxes have a long handle, others two ears."""
    look = steel() if draw.one_of(0, 0, 1) else draw.bright()
    long = d / w > 1.35
    r = w / 2 if long else min(w, d) * 0.42
    z = -d / 2 + r if long else 0.0
    b.turned([(0.001, 0), (r * 0.95, 0), (r, 0.03 * h), (r, h * 0.72), (r * 1.03, h * 0.74), (r * 0.9, h * 0.83), (0.001, h * 0.88)], (0, 0, z), look, 36)
    b.turned([(r * 0.1, 0), (r * 0.16, h * 0.08), (0.001, h * 0.12)], (0, h * 0.88, z), dark(), 14)
    if long:
        b.rod((0, h * 0.62, z + r), (0, h * 0.7, d / 2), 0.01, dark(), tip=0.013)
    else:
        for s in (-1, 1):
            b.tube([(s * r, h * 0.6, -r * 0.25), (s * w / 2 * 0.98, h * 0.6, -r * 0.2), (s * w / 2 * 0.98, h * 0.6, r * 0.2), (s * r, h * 0.6, r * 0.25)], 0.007, dark())


def kettle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A stove kettle with bow and spout."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    r = min(w, d) * 0.46
    b.turned([(0.001, 0), (r, 0), (r, h * 0.15), (r * 0.75, h * 0.5), (r * 0.3, h * 0.6), (0.001, h * 0.64)], (0, 0, -0.02), look, 30)
    b.rod((0, h * 0.3, r * 0.7), (0, h * 0.58, d / 2), 0.02, look, tip=0.012)
    b.tube([(0, h * 0.5, -r * 0.6), (0, h * 0.93, -r * 0.5), (0, h, 0), (0, h * 0.9, r * 0.4), (0, h * 0.5, r * 0.45)], 0.009, dark())


def vase(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """One of three outlines."""
    outlines: list[Profile] = [
        [(0, 0), (0.5, 0), (1, 0.4), (0.75, 0.7), (0.4, 0.85), (0.55, 1), (0.48, 1), (0.3, 0.84), (0, 0.3)],
        [(0, 0), (0.6, 0), (0.7, 0.3), (1, 1), (0.93, 1), (0.6, 0.3), (0, 0.1)],
        [(0, 0), (0.8, 0), (1, 0.25), (1, 0.55), (0.35, 0.75), (0.3, 0.95), (0.42, 1), (0.25, 0.94), (0, 0.5)],
    ]
    turned(b, w, h, d, outlines[draw.one_of(0, 1, 2)], draw.bright(), 36)


def shaker(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Salt or pepper: glass body, steel cap."""
    turned(b, w, h, d, [(0, 0), (1, 0), (0.7, 0.75), (0, 0.75)], white() if draw.one_of(0, 1) else dark(), 16)
    turned(b, w, h, d, [(0.75, 0.74), (0.75, 0.9), (0.4, 1), (0, 1)], steel(), 16)


def candle(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Wax and a wick."""
    turned(b, w, h, d, [(0, 0), (1, 0), (1, 0.88), (0.85, 0.9), (0, 0.86)], finish("plain", draw.pick(((0.94, 0.91, 0.82), (0.70, 0.20, 0.18), (0.85, 0.75, 0.55)))), 24)
    b.rod((0, h * 0.86, 0), (0, h, 0), min(0.003, w * 0.06), dark(), sides=6)


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
        points = np.stack([r * np.cos(a) * w / 2, h / 2 + r * np.sin(a) * h / 2, np.broadcast_to(-np.cos(t)[:, None] * d / 2, r.shape)], -1)
        i, j = np.meshgrid(np.arange(rows - 1), np.arange(around), indexing="ij")
        p, q = i * around + j, i * around + (j + 1) % around
        quads = np.stack([p, q, q + around, p + around], -1).reshape(-1, 4)
        b.part(points.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), look)

    return build


def book(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Covers around a block of pages; the spine to the left."""
    cover = finish("fabric", draw.pick(((0.55, 0.16, 0.15), (0.14, 0.28, 0.45), (0.20, 0.36, 0.26), (0.16, 0.16, 0.18), (0.82, 0.76, 0.62))), 0.2)
    t = min(0.004, h * 0.2)
    b.box((-w / 2, 0, -d / 2), (w / 2, t, d / 2), cover)
    b.box((-w / 2, h - t, -d / 2), (w / 2, h, d / 2), cover)
    b.box((-w / 2, 0, -d / 2), (-w / 2 + t, h, d / 2), cover)
    b.box((-w / 2 + t, t, -d / 2 + 0.004), (w / 2 - 0.004, h - t, d / 2 - 0.004), finish("plain", (0.93, 0.90, 0.82)))
    picture = painting(int(draw.rng.integers(6)), w / d)
    b.sheet([(-w * 0.3, h + 1e-4, d * 0.36), (w * 0.32, h + 1e-4, d * 0.36), (w * 0.32, h + 1e-4, -d * 0.3), (-w * 0.3, h + 1e-4, -d * 0.3)], picture)


def paper(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A folded newspaper."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), h * 0.45, finish("plain", (0.82, 0.81, 0.77)))
    for k in range(7):
        z = -d * 0.34 + d * 0.1 * k
        b.box((-w * 0.42, h, z), (w * (0.42 if k else 0.1), h + 3e-4, z + d * (0.045 if k else 0.07)), finish("plain", (0.35, 0.35, 0.36)))


def phone(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A slab with a screen on its top."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, d) * 0.08, dark())
    y = h + 2e-4
    b.sheet([(-w * 0.44, y, d * 0.42), (w * 0.44, y, d * 0.42), (w * 0.44, y, -d * 0.42), (-w * 0.44, y, -d * 0.42)], screen(draw.one_of(0, 3)))


def remote(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A slab with rows of buttons."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h * 0.85, d / 2), h * 0.4, dark())
    for i in range(3):
        for j in range(6):
            x, z = (i - 1) * w * 0.26, d * (-0.36 + 0.13 * j)
            look = finish("plain", (0.75, 0.2, 0.18)) if i == j == 0 else finish("plain", (0.55, 0.55, 0.57))
            b.box((x - w * 0.08, h * 0.8, z - d * 0.03), (x + w * 0.08, h, z + d * 0.03), look)


def card(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A flat card with a stripe."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.9, d / 2), draw.bright())
    b.box((-w / 2, h * 0.9, -d * 0.3), (w / 2, h, -d * 0.1), dark())


def disc(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A compact disc."""
    turned(b, w, h, d, [(0.13, 0), (1, 0), (1, 1), (0.13, 1), (0.13, 0)], finish("metal", (0.80, 0.82, 0.86), 0.1), 40)


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
            b.turned([(0.001, 0), (w * 0.35, h * 0.1), (w / 2, h * 0.6), (w * 0.46, h * 0.6), (0.001, h * 0.15)], (0, 0, z), metal, 24)
        elif kind == "spatula":
            b.box((-w / 2, mid - 0.002, -d / 2), (w / 2, mid + 0.002, -d * 0.2), metal)
        else:
            thin = max(w * 0.18, 0.0008)
            b.box((-thin, h * 0.1, -d / 2), (thin, h, 0), metal)

    return build


def stick(look: Rgb, tip: Rgb):
    """A recipe for a pen or pencil along z."""

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        r = min(w, h) / 2
        b.rod((0, r, d / 2), (0, r, -d * 0.42), r, finish("plain", draw.pick((look,), 0.12)), sides=8)
        b.rod((0, r, -d * 0.42), (0, r, -d / 2), r, finish("plain", tip), tip=r * 0.15, sides=8)

    return build


def bat(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A baseball bat, standing."""
    turned(b, w, h, d, [(0, 0), (0.85, 0.01), (1, 0.1), (0.95, 0.35), (0.45, 0.65), (0.38, 0.95), (0.6, 0.98), (0, 1)], draw.wood(), 20)


def racket(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A tennis racket lying along z."""
    a = np.linspace(0, 2 * np.pi, 25)
    z0, rz = -d * 0.22, d * 0.27
    b.tube([(float(np.cos(t)) * w * 0.47, h / 2, z0 + float(np.sin(t)) * rz) for t in a], h * 0.28, draw.bright(), sides=8)
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


def cardboard(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An open carton with its flaps up."""
    look = finish("skin", draw.pick(((0.72, 0.55, 0.36), (0.66, 0.49, 0.31))), 0.5)
    t, body = 0.006, h * 0.82
    b.box((-w / 2, 0, -d / 2), (w / 2, t, d / 2), look)
    for s in (-1, 1):
        b.box((s * w / 2, 0, -d / 2), (s * (w / 2 - t), body, d / 2), look)
        b.box((-w / 2, 0, s * d / 2), (w / 2, body, s * (d / 2 - t)), look)
        x = s * w / 2
        b.sheet([(x, body, d / 2), (x, body, -d / 2), (x * 0.8, h, -d / 2), (x * 0.8, h, d / 2)], look, whole=False)
        z = s * d / 2
        b.sheet([(-w / 2, body, z), (w / 2, body, z), (w / 2, h * 0.96, z * 0.85), (-w / 2, h * 0.96, z * 0.85)], look, whole=False)


def soft_block(kind: str = "fabric", round_: float = 0.45):
    """A recipe for a cushion-like thing: pillow, sponge, soap, folded cloth."""

    def build(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
        look = finish(kind, draw.pick(((0.90, 0.88, 0.83), (0.45, 0.55, 0.65), (0.72, 0.42, 0.36), (0.80, 0.70, 0.48), (0.55, 0.62, 0.52))), 0.2)
        b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, h, d) * round_, look, steps=4)

    return build


def towel(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Hung over a bar: two layers and a fold."""
    look = finish("carpet", draw.pick(((0.90, 0.89, 0.86), (0.35, 0.48, 0.60), (0.72, 0.50, 0.42))), 0.15)
    t = d * 0.3
    b.cushion((-w / 2, 0, d / 2 - t), (w / 2, h, d / 2), t * 0.4, look)
    b.cushion((-w / 2, h * 0.18, -d / 2), (w / 2, h, -d / 2 + t), t * 0.4, look)
    b.cushion((-w / 2, h - d * 0.5, -d / 2), (w / 2, h, d / 2), d * 0.2, look)


def rail(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A bar on two brackets: towel rail, paper hanger."""
    y, r = h * 0.5, min(0.009, h * 0.3)
    for s in (-1, 1):
        x = s * (w / 2 - 0.012)
        b.box((x - 0.012, 0, -d / 2), (x + 0.012, h, -d / 2 + 0.01), steel())
        b.rod((x, y, -d / 2), (x, y, d / 2 - r), r, steel())
    b.rod((-w / 2 + 0.01, y, d / 2 - r), (w / 2 - 0.01, y, d / 2 - r), r, steel())


def ring(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A towel ring on its knob."""
    r = min(w, h) * 0.45
    b.rod((0, h * 0.9, -d / 2), (0, h * 0.9, d / 2), 0.02, steel())
    a = np.linspace(0, 2 * np.pi, 25)
    b.tube([(r * float(np.sin(t)), r + r * float(np.cos(t)) * 0.95, 0) for t in a], 0.006, steel(), sides=8)


def roll(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A standing paper roll with its core."""
    turned(b, w, h, d, [(0.3, 0), (0.98, 0), (1, 0.01), (1, 0.99), (0.98, 1), (0.3, 1), (0.28, 0.5), (0.3, 0)], finish("plain", (0.94, 0.94, 0.92)))


def foil(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A long carton of foil."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h, d / 2), draw.bright())
    b.box((-w * 0.48, h * 0.3, d / 2), (w * 0.48, h * 0.7, d / 2 + 3e-4), steel())


def clock(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A digital alarm clock."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2 - 0.003), min(h, d) * 0.2, draw.bright())
    b.box((-w * 0.42, h * 0.2, d / 2 - 0.006), (w * 0.42, h * 0.8, d / 2 - 0.001), dark())
    for k in (-0.3, -0.12, 0.12, 0.3):
        b.box((w * (k - 0.05), h * 0.32, d / 2 - 0.001), (w * (k + 0.05), h * 0.68, d / 2), glow((0.95, 0.25, 0.2), 0.4))


def switch(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A wall plate with a rocker."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, 0), 0.004, white())
    b.cushion((-w * 0.22, h * 0.28, -d * 0.2), (w * 0.22, h * 0.72, d / 2), 0.003, finish("plain", (0.86, 0.86, 0.84)))


def plunger(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A rubber cup on a stick."""
    turned(b, w, h, d, [(1, 0), (0.95, 0.08), (0.5, 0.2), (0.2, 0.24), (0.12, 0.26), (0, 0.26)], finish("plain", (0.62, 0.16, 0.13)))
    b.rod((0, h * 0.22, 0), (0, h, 0), w * 0.08, draw.wood())


def brush(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A toilet brush in its holder."""
    turned(b, w, h, d, [(0, 0), (1, 0), (0.85, 0.35), (0.3, 0.38), (0, 0.36)], white())
    b.rod((0, h * 0.3, 0), (0, h, 0), w * 0.07, steel())


def boots(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A pair, toes to the front."""
    look = finish("leather", draw.pick(((0.32, 0.20, 0.13), (0.12, 0.12, 0.13), (0.55, 0.42, 0.22))), 0.3)
    for s in (-1, 1):
        x = s * w * 0.26
        b.cushion((x - w * 0.2, 0.015, -d / 2), (x + w * 0.2, h * 0.3, d / 2), h * 0.1, look)
        b.turned([(w * 0.18, h * 0.15), (w * 0.19, h), (w * 0.16, h), (w * 0.15, h * 0.3)], (x, 0, -d * 0.24), look, 20, (1, min(d / w, 1.2)))
        b.cushion((x - w * 0.21, 0, -d / 2), (x + w * 0.21, 0.02, d / 2), 0.008, dark())


def teddy(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A sitting bear."""
    fur = finish("carpet", draw.pick(((0.55, 0.37, 0.22), (0.72, 0.58, 0.40))), 0.2)
    b.ball((0, h * 0.33, -d * 0.1), (w * 0.3, h * 0.32, d * 0.36), fur)
    b.ball((0, h * 0.76, -d * 0.05), (w * 0.25, h * 0.22, d * 0.3), fur)
    b.ball((0, h * 0.71, d * 0.22), (w * 0.1, h * 0.07, d * 0.14), finish("plain", (0.86, 0.76, 0.62)))
    for s in (-1, 1):
        b.ball((s * w * 0.2, h * 0.94, -d * 0.08), (w * 0.09, h * 0.07, d * 0.08), fur)
        b.ball((s * w * 0.38, h * 0.45, d * 0.08), (w * 0.12, h * 0.18, d * 0.16), fur)
        b.ball((s * w * 0.26, h * 0.1, d * 0.3), (w * 0.13, h * 0.1, d * 0.22), fur)
        b.ball((s * w * 0.09, h * 0.8, d * 0.2), (w * 0.025, w * 0.025, w * 0.025), dark(), 8)


def statue(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A plinth and a turned, twisted figure."""
    look = finish(("marble", "concrete", "metal")[draw.one_of(0, 1, 2)], draw.pick(((0.86, 0.84, 0.80), (0.35, 0.34, 0.33), (0.60, 0.46, 0.26))), 0.4)
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.08, d / 2), look)
    turned(b, w * 0.8, h, d * 0.8, [(0.7, 0.08), (0.85, 0.2), (0.5, 0.36), (0.8, 0.55), (0.6, 0.68), (0.25, 0.74), (0.4, 0.85), (0.3, 0.96), (0, 1)], look, 24)


def sticks_in_vase(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A tall vase with dry branches."""
    r = min(w, d) * 0.3
    b.turned([(0.001, 0), (r * 0.7, 0), (r, h * 0.25), (r * 0.5, h * 0.42), (r * 0.6, h * 0.45), (r * 0.45, h * 0.44)], (0, 0, 0), draw.bright(), 28)
    for _ in range(9):
        a, lean = draw.uniform(0, 6.28), draw.uniform(0.2, 1.0)
        b.rod((0, h * 0.4, 0), (np.cos(a) * lean * w / 2, h * draw.uniform(0.75, 1.0), np.sin(a) * lean * d / 2), 0.006, finish("plain", (0.50, 0.38, 0.25)), tip=0.002, sides=6)


def keys(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A ring with two keys."""
    r = d * 0.35
    a = np.linspace(0, 2 * np.pi, 17)
    b.tube([(-w / 2 + r + r * float(np.cos(t)), h / 2, r * float(np.sin(t))) for t in a], h * 0.25, steel(), sides=6)
    for k, z in ((0, -d * 0.25), (1, d * 0.2)):
        b.box((-w * 0.05, h * 0.3, z), (w / 2 - k * w * 0.08, h * 0.6, z + d * 0.1), finish("metal", (0.78, 0.66, 0.36), 0.2))
        b.box((w * 0.3, h * 0.3, z), (w * 0.38, h * 0.6, z + d * 0.2), finish("metal", (0.78, 0.66, 0.36), 0.2))


def watch(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A strap in a loop and a dial."""
    a = np.linspace(0, 2 * np.pi, 25)
    b.tube([(w * 0.46 * float(np.cos(t)), h * 0.45 + h * 0.4 * float(np.sin(t)), 0) for t in a], min(d, h) * 0.12, finish("leather", (0.25, 0.16, 0.10), 0.1), sides=8)
    b.turned([(0.001, 0), (d * 0.5, 0), (d * 0.5, h * 0.14), (0.001, h * 0.14)], (0, h * 0.84, 0), steel(), 24)


def watering_can(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Can, spout to the front, bow to the back."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    r = min(w / 2, d * 0.3)
    z = -d * 0.12
    b.turned([(0.001, 0), (r, 0), (r, h * 0.7), (r * 0.6, h * 0.76), (r * 0.5, h * 0.74)], (0, 0, z), look, 28)
    b.rod((0, h * 0.18, z + r * 0.9), (0, h * 0.92, d / 2 - 0.02), 0.014, look, tip=0.01)
    b.tube([(0, h * 0.75, z + r * 0.3), (0, h, z), (0, h * 0.8, -d / 2), (0, h * 0.35, z - r)], 0.008, look)


def tissue(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A box with a tissue out of its slot."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.72, d / 2), draw.bright())
    b.turned([(w * 0.14, 0), (w * 0.05, h * 0.1), (w * 0.12, h * 0.28)], (0, h * 0.72, 0), white(), 7, (1, 0.4))


def tray_decor(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A dish with three balls."""
    turned(b, w, h * 0.4, d, [(0, 0), (0.5, 0), (1, 1), (0.95, 1), (0.45, 0.25), (0, 0.25)], draw.bright(), 32)
    r = min(w, d) * 0.17
    for k in range(3):
        a = k * 2.1
        b.ball((np.cos(a) * r * 1.2, h * 0.15 + r, np.sin(a) * r * 1.2), (r, min(r, h * 0.42), r), draw.bright(), 16)


def footstool(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A step stool of boards: two treads between two sides."""
    look = draw.wood()
    for s in (-1, 1):
        b.box((s * w / 2, 0, -d / 2), (s * (w / 2 - 0.02), h - 0.02, d * 0.1), look)
        b.box((s * w / 2, 0, 0), (s * (w / 2 - 0.02), h * 0.48, d / 2), look)
    b.box((-w / 2, h - 0.022, -d / 2), (w / 2, h, d * 0.12), look)
    b.box((-w / 2, h * 0.48 - 0.022, d * 0.02), (w / 2, h * 0.48, d / 2), look)


def ball(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A basketball."""
    b.ball((0, h / 2, 0), (w / 2, h / 2, d / 2), finish("leather", (0.80, 0.40, 0.15), 0.2), 32)
    a = np.linspace(0, 2 * np.pi, 49)
    for axis in (0, 1):
        path = [(w * 0.499 * float(np.cos(t)) * (axis == 0), h / 2 + h * 0.499 * float(np.sin(t)), d * 0.499 * float(np.cos(t)) * (axis == 1)) for t in a]
        b.tube(path, 0.0025, dark(), sides=5)


def block(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """What no recipe knows: a box with rounded edges in one of the bright colours."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, h, d) * 0.15, draw.bright())
