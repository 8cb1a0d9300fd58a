"""Shapes of food. Boxes as in `shapes`."""

import numpy as np

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FinishSampler
from scenes.meshes.shapes.kitchen import turned
from scenes.meshes.textures import Rgb

CRUST: tuple[Rgb, ...] = ((0.68, 0.44, 0.22), (0.60, 0.36, 0.17), (0.74, 0.52, 0.28))


def fruit(*colors: Rgb, leaves: bool = False):
    """A recipe for round food of one of these colours, dented where the stem sits; with a star of leaves."""

    def build(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
        look = finish("skin", draw.pick(colors), 0.25)
        a = np.linspace(0, np.pi, 17)
        # A dent above and, less, below: the radius as an apple's, wider above its middle.
        profile = [
            (float(np.sin(t)) ** 0.85 * (1 - 0.06 * float(np.cos(t))), 0.47 - 0.47 * float(np.cos(t)))
            for t in a
        ]
        profile[0], profile[-1] = (0.0, 0.03), (0.0, 0.86)
        turned(b, w, h, d, profile, look, 30)
        stem = finish("plain", (0.35, 0.26, 0.14))
        b.rod((0, h * 0.84, 0), (w * 0.04, h, 0), w * 0.022, stem, sides=6)
        if leaves:
            green = finish("plain", (0.25, 0.42, 0.16))
            for k in range(5):
                c, s = np.cos(k * 1.2566), np.sin(k * 1.2566)
                tip = (c * w * 0.22, h * 0.9, s * w * 0.22)
                b.rod((0, h * 0.88, 0), tip, w * 0.035, green, tip=w * 0.006, sides=6)

    return build


def egg(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Blunt below, pointed above."""
    look = finish("plain", draw.pick(((0.94, 0.89, 0.80), (0.86, 0.70, 0.54), (0.95, 0.94, 0.91))))
    a = np.linspace(0, np.pi, 19)
    turned(
        b,
        w,
        h,
        d,
        [(float(np.sin(t)) * (1 + 0.13 * float(np.cos(t))), 0.5 - 0.5 * float(np.cos(t))) for t in a],
        look,
    )


def lying(*colors: Rgb, bumps: float = 0.0):
    """A recipe for a lumpy thing that lies along z: potato, lettuce."""

    def build(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
        look = finish("leaf" if bumps > 0.1 else "skin", draw.pick(colors), 0.15)
        rows, around = 15, 24
        t, a = np.linspace(0.02, np.pi - 0.02, rows), np.linspace(0, 2 * np.pi, around, endpoint=False)
        dent = 1 + bumps * draw.rng.normal(0, 1, (rows, around))
        r = np.sin(t)[:, None] ** 0.7 * dent
        z = np.broadcast_to(-np.cos(t)[:, None] * d / 2, r.shape)
        b.loft(np.stack([r * np.cos(a) * w / 2, h / 2 + r * np.sin(a) * h / 2, z], -1), look)

    return build


def bread(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A round loaf where the box is square; else one along z, flat below, with cuts across its top."""
    crust, crumb = finish("skin", draw.pick(CRUST), 0.3), finish("skin", (0.86, 0.70, 0.46), 0.2)
    if 0.8 < w / d < 1.25:
        turned(
            b,
            w,
            h,
            d,
            [(0, 0), (0.86, 0), (1, 0.2), (0.9, 0.6), (0.62, 0.88), (0.3, 0.98), (0, 1)],
            crust,
            32,
        )
        for rx, rz in ((0.025, 0.43), (0.43, 0.025)):  # a cross, cut into the crust
            b.ball((0, h * 0.5, 0), (w * rx, h * 0.51, d * rz), crumb, 24)
        return
    # Half a cross-section, from the foot's middle to the top's: shares of half the width and of the height.
    side = np.array(
        [(0.0, 0.0), (0.8, 0.0), (0.92, 0.08), (0.96, 0.45), (1.0, 0.62), (0.93, 0.82), (0.6, 0.96), (0, 1)]
    )
    outline = np.concatenate([side, side[-2:0:-1] * (-1, 1)])
    rings = []
    for t in np.linspace(-1, 1, 15):
        full = max(1 - abs(t) ** 5, 0.0) ** 0.5 * 0.9 + 0.1
        rings.append([(x * full * w / 2, y * h * (0.35 + 0.65 * full), t * d / 2) for x, y in outline])
    b.loft(np.array(rings), crust)
    for k in range(5):
        z = d * (k - 2) * 0.16
        b.ball((0, h * 0.97, z), (w * 0.3, h * 0.05, d * 0.03), crumb, 12)
