"""Shapes of plants, pictures and decoration. Boxes as in `shapes`."""

import numpy as np

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white
from scenes.meshes.pictures import painting
from scenes.meshes.shapes.kitchen import turned

Profile = list[tuple[float, float]]


def plant(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A pot and bent leaves, each from the middle outwards."""
    squash = (1.0, d / w)
    pot_h, r = min(0.32 * h, 0.35), min(w, d) * draw.uniform(0.2, 0.3)
    clay = finish(
        "plain", draw.pick(((0.62, 0.36, 0.25), (0.88, 0.87, 0.84), (0.28, 0.29, 0.31), (0.40, 0.50, 0.52)))
    )
    b.turned(
        [
            (0.001, 0),
            (r * 0.7, 0),
            (r, pot_h),
            (r * 0.9, pot_h),
            (r * 0.85, pot_h * 0.9),
            (0.001, pot_h * 0.88),
        ],
        (0, 0, 0),
        clay,
        24,
    )
    b.turned([(0.001, 0.02), (r * 0.86, 0)], (0, pot_h * 0.89, 0), finish("plain", (0.20, 0.14, 0.10)), 20)
    green = finish(
        "leaf",
        draw.pick(((0.22, 0.42, 0.18), (0.30, 0.50, 0.22), (0.16, 0.35, 0.20), (0.42, 0.52, 0.24)), 0.02),
        0.3,
    )
    count, wide = int(draw.uniform(26, 44)), draw.uniform(0.12, 0.3)
    for k in range(count):
        a = k * 2.39996 + draw.uniform(-0.3, 0.3)
        rise = draw.uniform(0.15, 1.0)
        start = pot_h + (h - pot_h) * (0.5 * rise * draw.uniform(0, 1))
        tip_y = start + (h - start) * rise
        reach = (0.5 + 0.5 * (1 - rise) ** 0.5) * w / 2
        _leaf(b, a, start, tip_y, reach, wide * (h - pot_h) * 0.35, squash, green)


def _leaf(
    b: MeshBuilder,
    a: float,
    y0: float,
    y1: float,
    reach: float,
    wide: float,
    squash: tuple[float, float],
    look: Finish,
) -> None:
    t = np.linspace(0, 1, 6)
    out = np.array([np.cos(a), np.sin(a) * squash[1]])
    side = np.array([-np.sin(a), np.cos(a)])
    along = reach * t
    y = y0 + (y1 - y0) * (1.6 * t - 0.6 * t**2.5)
    half = wide * np.sin(np.pi * np.clip(t * 0.94 + 0.06, 0, 1)) ** 0.7
    points = []
    for s in (-1, 0, 1):  # the middle rib lies lower than the rims: a leaf is a gutter
        xz = along[:, None] * out + s * half[:, None] * side
        points.append(np.column_stack([xz[:, 0], y + abs(s) * half * 0.25, xz[:, 1]]))
    grid = np.stack(points, 1).reshape(-1, 3)
    faces = []
    for i in range(5):
        for j in range(2):
            p = 3 * i + j
            faces += [(p, p + 1, p + 4), (p, p + 4, p + 3)]
    b.part(grid, np.array(faces), look)


def picture(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A framed painting."""
    look = draw.wood() if draw.one_of(0, 1) else (dark() if draw.one_of(0, 1) else white())
    rim = min(0.05, 0.09 * min(w, h))
    for low, high in (
        ((-w / 2, 0), (w / 2, rim)),
        ((-w / 2, h - rim), (w / 2, h)),
        ((-w / 2, rim), (-w / 2 + rim, h - rim)),
        ((w / 2 - rim, rim), (w / 2, h - rim)),
    ):
        b.box((*low, -d / 2), (*high, d / 2), look)
    a, c = rim, h - rim
    z = d * 0.2
    if draw.one_of(0, 1):  # a mount of card around the picture
        card = min(0.06, 0.12 * min(w, h))
        b.box(
            (-w / 2 + rim, rim, -d / 2),
            (w / 2 - rim, h - rim, z - 0.002),
            finish("plain", (0.94, 0.93, 0.90)),
        )
        rim, a, c = rim + card, a + card, c - card
    else:
        b.box((-w / 2 + rim, rim, -d / 2), (w / 2 - rim, h - rim, z - 0.002), dark())
    b.sheet(
        [(-w / 2 + rim, a, z), (w / 2 - rim, a, z), (w / 2 - rim, c, z), (-w / 2 + rim, c, z)],
        painting(int(draw.rng.integers(2**31)), w / h),
    )


def vase(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """One of three outlines."""
    outlines: list[Profile] = [
        [(0, 0), (0.5, 0), (1, 0.4), (0.75, 0.7), (0.4, 0.85), (0.55, 1), (0.48, 1), (0.3, 0.84), (0, 0.3)],
        [(0, 0), (0.6, 0), (0.7, 0.3), (1, 1), (0.93, 1), (0.6, 0.3), (0, 0.1)],
        [
            (0, 0),
            (0.8, 0),
            (1, 0.25),
            (1, 0.55),
            (0.35, 0.75),
            (0.3, 0.95),
            (0.42, 1),
            (0.25, 0.94),
            (0, 0.5),
        ],
    ]
    turned(b, w, h, d, outlines[draw.one_of(0, 1, 2)], draw.bright(), 36)


def candle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Wax and a wick."""
    turned(
        b,
        w,
        h,
        d,
        [(0, 0), (1, 0), (1, 0.88), (0.85, 0.9), (0, 0.86)],
        finish("plain", draw.pick(((0.94, 0.91, 0.82), (0.70, 0.20, 0.18), (0.85, 0.75, 0.55)))),
        24,
    )
    b.rod((0, h * 0.86, 0), (0, h, 0), min(0.003, w * 0.06), dark(), sides=6)


def statue(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An animal where the box is wide, a ring or a bust where it is neither, a standing figure where tall."""
    look = finish(
        ("marble", "concrete", "metal", "wood")[draw.one_of(0, 1, 2, 3)],
        draw.pick(((0.86, 0.84, 0.80), (0.35, 0.34, 0.33), (0.60, 0.46, 0.26), (0.42, 0.30, 0.20))),
        0.4,
    )
    part = MeshBuilder()
    if h < 1.2 * max(w, d):
        _animal(part, look, draw)
        if d > w:
            part.turn(-90)
    elif h > 2.6 * w:
        _figure(part, look, draw)
    elif draw.one_of(0, 1):
        _bust(part, look)
    else:
        a = np.linspace(0, 2 * np.pi, 33)
        part.box((-0.4, 0, -0.3), (0.4, 0.14, 0.3), dark())
        part.tube(
            [(0.34 * float(np.sin(t)), 0.56 - 0.42 * float(np.cos(t)), 0) for t in a], 0.1, look, sides=14
        )
    part.fit((w, h, d))
    part.shift((0, h / 2, 0))
    b.join(part)


def _animal(b: MeshBuilder, look: Finish, draw: FinishSampler) -> None:
    """On four legs, its head to the right: a horse, or with short legs a dog."""
    leg = draw.uniform(0.35, 0.55)
    b.ball((0, leg + 0.14, 0), (0.42, 0.17, 0.15), look)
    for x in (-0.28, 0.28):
        for z in (-0.09, 0.09):
            b.rod((x, leg + 0.1, z), (x * 1.05, 0, z), 0.065, look, tip=0.04)
    b.rod((0.3, leg + 0.16, 0), (0.5, leg + 0.45, 0), 0.11, look, tip=0.075)
    b.ball((0.58, leg + 0.47, 0), (0.17, 0.09, 0.08), look, 16)
    for z in (-0.05, 0.05):
        b.rod((0.5, leg + 0.52, z), (0.47, leg + 0.63, z), 0.025, look, tip=0.004, sides=8)
    b.tube([(-0.38, leg + 0.2, 0), (-0.52, leg + 0.14, 0), (-0.55, leg - 0.1, 0)], 0.03, look)


def _figure(b: MeshBuilder, look: Finish, draw: FinishSampler) -> None:
    """A person in a long robe, hands folded, on a plinth."""
    b.box((-0.17, 0, -0.17), (0.17, 0.08, 0.17), dark() if draw.one_of(0, 1) else look)
    robe = [
        (0.15, 0.08),
        (0.13, 0.2),
        (0.1, 0.42),
        (0.085, 0.54),
        (0.115, 0.68),
        (0.12, 0.76),
        (0.05, 0.815),
        (0.001, 0.82),
    ]
    b.turned(robe, (0, 0, 0), look, 24, (1, 0.8))
    b.rod((0, 0.8, 0), (0, 0.86, 0), 0.035, look)
    b.ball((0, 0.92, 0.005), (0.058, 0.08, 0.066), look, 18)
    for s in (-1, 1):
        b.tube([(s * 0.11, 0.76, 0), (s * 0.135, 0.6, 0.03), (s * 0.02, 0.57, 0.11)], 0.034, look)


def _bust(b: MeshBuilder, look: Finish) -> None:
    """Head and shoulders on a turned foot."""
    b.turned([(0.16, 0), (0.16, 0.05), (0.09, 0.09), (0.08, 0.2), (0.13, 0.26)], (0, 0, 0), look, 28)
    b.ball((0, 0.36, 0), (0.3, 0.15, 0.17), look)
    b.rod((0, 0.42, 0), (0, 0.62, 0.02), 0.09, look, tip=0.075)
    b.ball((0, 0.78, 0.03), (0.14, 0.2, 0.17), look)
    b.rod((0, 0.8, 0.18), (0, 0.73, 0.225), 0.02, look, tip=0.032, sides=8)
    b.ball((0, 0.85, -0.02), (0.15, 0.14, 0.16), look)


def sticks_in_vase(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A tall vase with dry branches."""
    r = min(w, d) * 0.3
    b.turned(
        [
            (0.001, 0),
            (r * 0.7, 0),
            (r, h * 0.25),
            (r * 0.5, h * 0.42),
            (r * 0.6, h * 0.45),
            (r * 0.45, h * 0.44),
        ],
        (0, 0, 0),
        draw.bright(),
        28,
    )
    for _ in range(9):
        a, lean = draw.uniform(0, 6.28), draw.uniform(0.2, 1.0)
        b.rod(
            (0, h * 0.4, 0),
            (np.cos(a) * lean * w / 2, h * draw.uniform(0.75, 1.0), np.sin(a) * lean * d / 2),
            0.006,
            finish("plain", (0.50, 0.38, 0.25)),
            tip=0.002,
            sides=6,
        )


def tray_decor(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A dish with three balls."""
    turned(
        b, w, h * 0.4, d, [(0, 0), (0.5, 0), (1, 1), (0.95, 1), (0.45, 0.25), (0, 0.25)], draw.bright(), 32
    )
    r = min(w, d) * 0.17
    for k in range(3):
        a = k * 2.1
        b.ball(
            (np.cos(a) * r * 1.2, h * 0.15 + r, np.sin(a) * r * 1.2),
            (r, min(r, h * 0.42), r),
            draw.bright(),
            16,
        )


def tissue(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A box with a tissue out of its slot."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h * 0.72, d / 2), draw.bright())
    b.turned(
        [(w * 0.14, 0), (w * 0.05, h * 0.1), (w * 0.12, h * 0.28)], (0, h * 0.72, 0), white(), 7, (1, 0.4)
    )


def watering_can(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Can, spout to the front, bow to the back."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    r = min(w / 2, d * 0.3)
    z = -d * 0.12
    b.turned(
        [(0.001, 0), (r, 0), (r, h * 0.7), (r * 0.6, h * 0.76), (r * 0.5, h * 0.74)], (0, 0, z), look, 28
    )
    b.rod((0, h * 0.18, z + r * 0.9), (0, h * 0.92, d / 2 - 0.02), 0.014, look, tip=0.01)
    b.tube([(0, h * 0.75, z + r * 0.3), (0, h, z), (0, h * 0.8, -d / 2), (0, h * 0.35, z - r)], 0.008, look)
