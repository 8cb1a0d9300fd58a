"""Shapes of lamps, screens and machines. Boxes as in `shapes`."""

import numpy as np

from scenes.meshes.looks import finish, glass, glow, switched_off
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white
from scenes.meshes.pictures import screen
from scenes.meshes.shapes.furniture_parts import legs

WALL_SCREEN_M = 0.18  # AI2-THOR's screens for walls are at most this deep
SHADES = ((0.96, 0.90, 0.78), (0.94, 0.93, 0.90), (0.90, 0.80, 0.62), (0.80, 0.55, 0.42))


def lamp(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A standing lamp: foot, stem, shade, bulb. A floor lamp and a desk lamp differ in proportions only."""
    metal = steel() if draw.one_of(0, 1) else dark()
    tall = h > 1.0
    shade_h = min(0.34 * h, 0.34) if tall else 0.42 * h
    r = w / 2
    squash = (1.0, d / w)
    foot = r * 0.62
    if tall and draw.one_of(0, 1, 2) == 0:
        for k in range(3):
            a = k * 2 * np.pi / 3 + 0.5
            b.rod(
                (foot * np.cos(a) * 1.2, 0, foot * np.sin(a) * 1.2 * squash[1]),
                (0, h - shade_h, 0),
                0.014,
                draw.wood(),
            )
    else:
        b.turned(
            [(0.001, 0), (foot, 0), (foot, 0.018), (foot * 0.3, 0.03), (0.001, 0.03)],
            (0, 0, 0),
            metal,
            28,
            squash,
        )
        if tall:
            b.rod((0, 0.02, 0), (0, h - shade_h * 0.5, 0), 0.011, metal)
        else:
            body = draw.bright() if draw.one_of(0, 1) else white()
            top = h - shade_h
            b.turned(
                [(foot * 0.5, 0.02), (foot * 0.85, top * 0.35), (foot * 0.5, top * 0.8), (foot * 0.2, top)],
                (0, 0, 0),
                body,
                24,
                squash,
            )
            b.rod((0, top - 0.01, 0), (0, h - shade_h * 0.5, 0), 0.008, metal, sides=8)
    narrow = draw.uniform(0.5, 0.95)
    light = switched_off(draw.pick(SHADES))
    rim, wall = r, 0.004
    b.turned(
        [
            (rim, h - shade_h),
            (rim * narrow, h),
            (rim * narrow - wall, h),
            (rim - wall, h - shade_h),
            (rim, h - shade_h),
        ],
        (0, 0, 0),
        light,
        36,
        squash,
    )
    b.ball((0, h - shade_h * 0.55, 0), (0.035, 0.05, 0.035), switched_off((0.94, 0.92, 0.88)), 12)


def television(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A flat screen, dark: what it shows is another's business (`scenes/meshes/switches.py`)."""
    flat_screen(b, w, h, d, screen(0))


def flat_screen(b: MeshBuilder, w: float, h: float, d: float, face: Finish) -> None:
    """A deep one has a stand, others hang on a wall."""
    stand = d > WALL_SCREEN_M
    y0 = 0.09 * h if stand else 0.0
    deep = min(0.05, d)
    front = deep / 2 if stand else d / 2
    b.box((-w / 2, y0, front - deep), (w / 2, h, front - 0.004), dark())
    rim = 0.015
    for low, high in (
        ((-w / 2, y0), (w / 2, y0 + rim * 1.6)),
        ((-w / 2, h - rim), (w / 2, h)),
        ((-w / 2, y0), (-w / 2 + rim, h)),
        ((w / 2 - rim, y0), (w / 2, h)),
    ):
        b.box((*low, front - 0.006), (*high, front), dark())
    z = front - 0.003
    b.sheet(
        [
            (-w / 2 + rim, y0 + rim, z),
            (w / 2 - rim, y0 + rim, z),
            (w / 2 - rim, h - rim, z),
            (-w / 2 + rim, h - rim, z),
        ],
        face,
    )
    if stand:
        b.box((-0.03, 0.01, -0.02), (0.03, y0 + 0.02, 0.02), dark())
        b.box((-w * 0.22, 0, -d / 2), (w * 0.22, 0.012, d / 2), dark())


def fridge(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Two doors, one above the other or side by side, with long handles."""
    look = (steel(), white(), finish("plain", (0.20, 0.21, 0.22)))[draw.one_of(0, 0, 1, 2)]
    face = d / 2 - 0.045
    b.box((-w / 2, 0.03, -d / 2), (w / 2, h, face - 0.06), finish("plain", (0.45, 0.46, 0.47)))
    b.box((-w / 2 + 0.03, 0, -d / 2 + 0.05), (w / 2 - 0.03, 0.04, face - 0.08), dark())
    gap = 0.005
    if w > 0.85:
        doors = [(-w / 2, 0.04, 0.0, h), (0.0, 0.04, w / 2, h)]
    else:
        split = h * (0.36 if draw.one_of(0, 1) else 0.68)
        doors = [(-w / 2, 0.04, w / 2, split), (-w / 2, split, w / 2, h)]
    for k, (x0, y0, x1, y1) in enumerate(doors):
        b.cushion((x0 + gap, y0 + gap, face - 0.06), (x1 - gap, y1 - gap, face), 0.012, look)
        x = (x1 - 0.06 if k == 0 else x0 + 0.06) if w > 0.85 else x1 - 0.06
        a, c = (y0 + (y1 - y0) * 0.25, y0 + (y1 - y0) * 0.75)
        b.tube([(x, a, face), (x, a, face + 0.04), (x, c, face + 0.04), (x, c, face)], 0.01, steel())


def washer(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A front loader with its porthole."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2 - 0.03), 0.012, white())
    b.box(
        (-w / 2 + 0.01, h * 0.86, d / 2 - 0.032),
        (w / 2 - 0.01, h - 0.012, d / 2 - 0.018),
        finish("plain", (0.80, 0.81, 0.82)),
    )
    b.box((w * 0.05, h * 0.89, d / 2 - 0.02), (w * 0.22, h * 0.95, d / 2 - 0.014), screen(0))
    b.rod((w * 0.36, h * 0.925, d / 2 - 0.02), (w * 0.36, h * 0.925, d / 2), 0.03, steel())
    y, r = h * 0.46, w * 0.29
    part = MeshBuilder()
    part.turned([(r, 0), (r, 0.022), (r * 0.82, 0.028), (r * 0.78, 0.01)], (0, 0, 0), steel(), 36)
    part.turned([(0.001, 0.012), (r * 0.8, 0.012)], (0, 0, 0), finish("plain", (0.10, 0.12, 0.14)), 36)
    part.turn(90, "x")
    part.shift((0, y, d / 2 - 0.03))
    b.join(part)


def microwave(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A box with a dark window and a panel."""
    look = (steel(), white(), dark())[draw.one_of(0, 1, 2)]
    b.cushion((-w / 2, 0.012, -d / 2), (w / 2, h, d / 2 - 0.02), 0.01, look)
    legs(b, w, d, 0, 0.015, dark(), 0.03, 0.02)
    b.box(
        (-w * 0.46, h * 0.14, d / 2 - 0.02),
        (w * 0.22, h * 0.9, d / 2 - 0.008),
        finish("plain", (0.07, 0.07, 0.08)),
    )
    b.box((w * 0.27, h * 0.1, d / 2 - 0.02), (w * 0.46, h * 0.92, d / 2 - 0.012), dark())
    b.box(
        (w * 0.29, h * 0.74, d / 2 - 0.013), (w * 0.44, h * 0.86, d / 2 - 0.009), glow((0.3, 0.9, 0.6), 0.15)
    )
    b.rod((w * 0.2, h * 0.2, d / 2 - 0.004), (w * 0.2, h * 0.84, d / 2 - 0.004), 0.008, steel(), sides=8)


def toaster(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Rounded, with two slots along its length."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    b.cushion((-w / 2, 0.015, -d / 2), (w / 2, h, d / 2 - 0.02), min(w, d) * 0.16, look)
    b.box((-w * 0.45, 0, -d * 0.47), (w * 0.45, 0.03, d * 0.43), dark())
    for s in (-1, 1):
        b.box((s * w * 0.17 - 0.012, h - 0.003, -d * 0.36), (s * w * 0.17 + 0.012, h, d * 0.32), dark())
    b.box((-0.015, h * 0.62, d / 2 - 0.03), (0.015, h * 0.7, d / 2), dark())


def coffee_machine(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Tank and head over a jug."""
    look = (dark(), steel(), draw.bright())[draw.one_of(0, 1, 2)]
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h * 0.1, d / 2), 0.015, look)
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, -d * 0.1), 0.02, look)
    b.cushion((-w / 2, h * 0.7, -d / 2), (w / 2, h, d * 0.42), 0.02, look)
    r = min(w, d) * 0.32
    b.turned(
        [(0.001, 0), (r, 0), (r * 1.08, h * 0.2), (r * 0.8, h * 0.42), (r * 0.7, h * 0.44)],
        (0, h * 0.105, d * 0.18),
        finish("plain", (0.16, 0.10, 0.07)),
        24,
    )
    b.box((-w * 0.2, h * 0.78, d * 0.42), (w * 0.2, h * 0.9, d * 0.43), screen(0))


def vacuum(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An upright cleaner."""
    b.cushion((-w / 2, 0, -d * 0.1), (w / 2, h * 0.12, d / 2), 0.03, dark())
    b.cushion((-w * 0.28, h * 0.08, -d * 0.3), (w * 0.28, h * 0.62, d * 0.12), 0.05, draw.bright())
    b.turned(
        [(0.001, 0), (w * 0.18, 0), (w * 0.18, h * 0.22), (0.001, h * 0.24)],
        (0, h * 0.2, d * 0.12),
        glass((0.8, 0.85, 0.9), 0.5),
        20,
    )
    b.tube([(0, h * 0.6, -d * 0.2), (0, h * 0.95, -d * 0.42), (0, h, -d * 0.3)], 0.018, dark())
