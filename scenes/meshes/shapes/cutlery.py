"""Shapes of cutlery and kitchen tools: each lies along z, its business end towards -z."""

import numpy as np

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import STEEL, FinishSampler, dark

# Along a fork's or spoon's handle, from end to neck: shares of the length, the width and the height.
HANDLE = ((0.5, 0.34, 0.5), (0.47, 0.5, 0.52), (0.3, 0.42, 0.6), (0.1, 0.24, 0.62), (-0.12, 0.17, 0.5))


def ribbon(b: MeshBuilder, line: list[tuple[float, float, float]], thick: float, look: Finish) -> None:
    """A flat bar along z through (z, width, y of its middle) [m]."""
    rings = [
        [
            (-w / 2, y - thick / 2, z),
            (-w / 2, y + thick / 2, z),
            (w / 2, y + thick / 2, z),
            (w / 2, y - thick / 2, z),
        ]
        for z, w, y in line
    ]
    b.loft(np.array(rings), look)


def _handle(b: MeshBuilder, w: float, h: float, d: float, look: Finish) -> None:
    ribbon(b, [(z * d, x * w, y * h) for z, x, y in HANDLE], 0.0022, look)


def fork(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Four bent tines on a flat handle."""
    look = finish("plain", STEEL)
    _handle(b, w, h, d, look)
    ribbon(
        b,
        [(-0.11 * d, 0.17 * w, 0.5 * h), (-0.2 * d, 0.8 * w, 0.3 * h), (-0.29 * d, w, 0.2 * h)],
        0.002,
        look,
    )
    for k in range(4):
        x = w * (k + 0.5) / 4 - w / 2
        tine = [(-0.285, 0.15, 0.2), (-0.4, 0.14, 0.35), (-0.5, 0.06, 0.95)]
        ribbon_at(b, x, [(z * d, width * w, y * h) for z, width, y in tine], 0.002, look)


def spoon(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An oval bowl on a flat handle."""
    look = finish("plain", STEEL)
    _handle(b, w, h, d, look)
    long = 0.19 * d
    bowl = MeshBuilder()
    bowl.turned(
        [
            (0.001, 0),
            (0.5, 0.07),
            (0.85, 0.25),
            (1, 0.48),
            (0.94, 0.5),
            (0.8, 0.3),
            (0.45, 0.13),
            (0.001, 0.07),
        ],
        (0, 0, 0),
        look,
        28,
    )
    matrix = np.diag([w / 2, h, long, 1.0])
    matrix[2, 3] = -d / 2 + long
    b.take(bowl, matrix)


def knife(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A blade that tapers to its point, in a dark grip; it stands on its edge, as its box does."""
    thin = max(w * 0.14, 0.0008)
    b.cushion((-w / 2, h * 0.35, 0.04 * d), (w / 2, h * 0.95, d / 2), w * 0.3, dark())
    b.loft(
        np.array(
            [
                [(-t, low * h, z * d), (-t, high * h, z * d), (t, high * h, z * d), (t, low * h, z * d)]
                for z, low, high, t in (
                    (0.06, 0.05, 0.9, thin),
                    (-0.25, 0.0, 0.95, thin),
                    (-0.42, 0.2, 1.0, thin),
                    (-0.5, 0.85, 0.98, thin / 2),
                )
            ]
        ),
        finish("plain", STEEL),
    )


def ladle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A deep round bowl at the foot of a long grip."""
    r = w / 2
    z = -d / 2 + r
    b.turned(
        [
            (0.001, 0),
            (r * 0.7, h * 0.08),
            (r, h * 0.5),
            (r * 0.94, h * 0.5),
            (r * 0.6, h * 0.14),
            (0.001, h * 0.08),
        ],
        (0, 0, z),
        finish("plain", STEEL),
        26,
    )
    b.rod((0, h * 0.46, z + r * 0.96), (0, h * 0.8, 0.05 * d), 0.0035, finish("plain", STEEL), sides=8)
    b.rod((0, h * 0.8, 0.05 * d), (0, h, d / 2), 0.006, dark(), tip=0.009)


def spatula(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A slotted blade, tilted, on a long grip."""
    low, high = 0.1 * h, 0.35 * h
    z0, z1 = -d / 2, -0.2 * d
    for k in range(4):
        x0, x1 = -w / 2 + w * k / 4 + w * 0.03 * (k > 0), -w / 2 + w * (k + 1) / 4 - w * 0.03 * (k < 3)
        ribbon_at(b, (x0 + x1) / 2, [(z0, x1 - x0, low), (z1, x1 - x0, high)], 0.002, dark())
    for z, y in ((z0 + 0.01, low), (z1 - 0.008, high)):
        ribbon(b, [(z - 0.008, w, y), (z + 0.008, w, y)], 0.0022, dark())
    b.rod((0, high, z1), (0, h * 0.9, 0.05 * d), 0.0035, finish("plain", STEEL), sides=8)
    b.rod((0, h * 0.9, 0.05 * d), (0, h * 0.95, d / 2), 0.006, dark(), tip=0.009)


def ribbon_at(
    b: MeshBuilder, x: float, line: list[tuple[float, float, float]], thick: float, look: Finish
) -> None:
    """A ribbon whose middle runs at `x` [m]."""
    part = MeshBuilder()
    ribbon(part, line, thick, look)
    part.shift((x, 0, 0))
    b.join(part)
