"""Shapes of computers, clocks and what one switches with. Boxes as in `shapes`."""

import numpy as np

from scenes.meshes.looks import finish, glow
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white
from scenes.meshes.pictures import screen
from scenes.meshes.shapes.machines import flat_screen


def laptop(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Open, or a closed slab where its box is flat."""
    case = finish("metal", (0.72, 0.73, 0.75), 0.3) if draw.one_of(0, 1) else dark()
    thin = min(0.018, h)
    base = d if h < 0.05 else min(d, 0.72 * w)
    z1 = d / 2
    b.box((-w / 2, 0, z1 - base), (w / 2, thin, z1), case)
    if h < 0.05:
        return
    keyboard(
        b, -w * 0.45, z1 - base * 0.92, w * 0.45, z1 - base * 0.42, thin, finish("plain", (0.2, 0.2, 0.21))
    )
    b.box((-w * 0.14, thin, z1 - base * 0.34), (w * 0.14, thin + 0.001, z1 - base * 0.06), steel())
    y0, back, foot = thin, -d / 2, z1 - base
    b.sheet([(-w / 2, y0, foot), (w / 2, y0, foot), (w / 2, h, back), (-w / 2, h, back)], case, whole=False)
    lean = np.array([0, h - y0, back - foot])
    out = np.array([0, foot - back + 1e-3, h - y0]) / np.hypot(h - y0, foot - back + 1e-3) * 0.004
    corner = [
        np.array([sx * w * 0.47, y0, foot]) + lean * t + out
        for sx, t in ((-1, 0.06), (1, 0.06), (1, 0.95), (-1, 0.95))
    ]
    b.sheet(corner, screen(3))


def desktop(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A monitor with its keyboard."""
    part = MeshBuilder()
    flat_screen(part, w, h, d * 0.7, screen(draw.one_of(0, 1, 2)))
    part.shift((0, 0, -d * 0.15))
    b.join(part)
    b.box((-w * 0.3, 0, d * 0.2), (w * 0.3, 0.012, d / 2), dark())
    keyboard(b, -w * 0.29, d * 0.22, w * 0.29, d * 0.48, 0.012, finish("plain", (0.32, 0.32, 0.34)))


def clock(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A wide one is digital, a tall one has hands, feet and two bells."""
    look = draw.bright()
    if w > 1.25 * h:
        b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2 - 0.004), min(h, d) * 0.2, look)
        b.box((-w * 0.4, h * 0.22, d / 2 - 0.02), (w * 0.4, h * 0.78, d / 2 - 0.002), dark())
        lit = glow((0.95, 0.25, 0.2), 0.4)
        for k, digit in enumerate((1, 0, draw.one_of(1, 2, 4), draw.one_of(0, 5, 8))):
            _digit(
                b,
                digit,
                (-0.26 + 0.15 * k + 0.06 * (k > 1)) * w,
                h * 0.34,
                w * 0.09,
                h * 0.32,
                d / 2 - 0.002,
                lit,
            )
        for y in (0.44, 0.56):
            b.box((-w * 0.012, h * y - 0.003, d / 2 - 0.002), (w * 0.012, h * y + 0.003, d / 2), lit)
        return
    r, y = min(w / 2, 0.42 * h), 0.48 * h
    drum = MeshBuilder()
    drum.turned(
        [(0.001, 0), (r, 0), (r, d), (r * 0.9, d), (r * 0.88, d * 0.93), (0.001, d * 0.93)],
        (0, 0, 0),
        look,
        40,
    )
    drum.turned([(0.001, d * 0.935), (r * 0.87, d * 0.935)], (0, 0, 0), white(), 40)
    for k in range(12):
        s, c = np.sin(k * np.pi / 6), np.cos(k * np.pi / 6)
        drum.rod(
            (0.72 * r * s, d * 0.94, 0.72 * r * c),
            (0.82 * r * s, d * 0.94, 0.82 * r * c),
            0.015 * r,
            dark(),
            sides=6,
        )
    for angle, long in ((draw.uniform(0, 6.28), 0.45), (draw.uniform(0, 6.28), 0.68)):
        drum.rod(
            (0, d * 0.95, 0),
            (long * r * np.sin(angle), d * 0.95, long * r * np.cos(angle)),
            0.025 * r,
            dark(),
            sides=6,
        )
    drum.turn(90, "x")
    drum.shift((0, y, -d / 2))
    b.join(drum)
    for s in (-1, 1):
        b.rod((s * r * 0.55, y - r * 0.7, 0), (s * r * 0.75, 0, 0), r * 0.08, steel(), sides=8)
        b.rod((s * r * 0.3, y + r * 0.9, 0), (s * r * 0.45, h - r * 0.1, 0), r * 0.06, steel(), sides=6)
        b.ball((s * r * 0.45, h - r * 0.16, 0), (r * 0.3, r * 0.16, min(r * 0.3, d / 2)), steel(), 16)
    b.rod((-r * 0.2, h - r * 0.1, 0), (r * 0.2, h - r * 0.1, 0), r * 0.04, steel(), sides=6)


def _digit(
    b: MeshBuilder, digit: int, x: float, y: float, w: float, h: float, z: float, look: Finish
) -> None:
    """A digit of seven bars in the box x..x+w, y..y+h, lying on z."""
    t, m = w * 0.2, y + h / 2
    bars = {
        "top": (x, y + h - t, x + w, y + h),
        "mid": (x, m - t / 2, x + w, m + t / 2),
        "low": (x, y, x + w, y + t),
        "ul": (x, m, x + t, y + h),
        "ur": (x + w - t, m, x + w, y + h),
        "ll": (x, y, x + t, m),
        "lr": (x + w - t, y, x + w, m),
    }
    shown = {
        0: "top low ul ur ll lr",
        1: "ur lr",
        2: "top ur mid ll low",
        4: "ul mid ur lr",
        5: "top ul mid lr low",
    }
    for name in shown.get(digit, " ".join(bars)).split():
        x0, y0, x1, y1 = bars[name]
        b.box((x0, y0, z), (x1, y1, z + 0.002), look)


def keyboard(b: MeshBuilder, x0: float, z0: float, x1: float, z1: float, y: float, look: Finish) -> None:
    """Rows of keys on the level y, with a space bar towards +z."""
    rows, columns = 5, 13
    dx, dz = (x1 - x0) / columns, (z1 - z0) / rows
    for j in range(rows):
        keys = range(columns) if j < rows - 1 else (0, 1, 2, 10, 11, 12)
        for i in keys:
            at = x0 + i * dx, z0 + j * dz
            b.box(
                (at[0] + dx * 0.08, y, at[1] + dz * 0.08),
                (at[0] + dx * 0.92, y + 0.002, at[1] + dz * 0.92),
                look,
            )
    b.box((x0 + 3.1 * dx, y, z1 - 0.92 * dz), (x0 + 9.9 * dx, y + 0.002, z1 - 0.08 * dz), look)


def phone(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A slab with a screen on its top."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, d) * 0.08, dark())
    y = h + 2e-4
    b.sheet(
        [
            (-w * 0.44, y, d * 0.42),
            (w * 0.44, y, d * 0.42),
            (w * 0.44, y, -d * 0.42),
            (-w * 0.44, y, -d * 0.42),
        ],
        screen(draw.one_of(0, 3)),
    )


def remote(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A slab with rows of buttons."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h * 0.85, d / 2), h * 0.4, dark())
    for i in range(3):
        for j in range(6):
            x, z = (i - 1) * w * 0.26, d * (-0.36 + 0.13 * j)
            look = finish("plain", (0.75, 0.2, 0.18)) if i == j == 0 else finish("plain", (0.55, 0.55, 0.57))
            b.box((x - w * 0.08, h * 0.8, z - d * 0.03), (x + w * 0.08, h, z + d * 0.03), look)


def switch(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A wall plate with a rocker."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, 0), 0.004, white())
    b.cushion(
        (-w * 0.22, h * 0.28, -d * 0.2),
        (w * 0.22, h * 0.72, d / 2),
        0.003,
        finish("plain", (0.86, 0.86, 0.84)),
    )
