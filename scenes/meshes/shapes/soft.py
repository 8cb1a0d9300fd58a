"""Shapes of what one sits and sleeps on, and of cloth. Boxes as in `shapes`."""

import numpy as np

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FABRICS, FinishSampler, dark, steel
from scenes.meshes.shapes.furniture_parts import legs


def chair(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A dining chair: four legs, seat at its right height, slatted or upholstered back."""
    look = draw.wood()
    seat = min(0.46, 0.53 * h)
    t = min(0.04, 0.09 * w)
    soft = draw.one_of(0, 1)
    legs(b, w * 0.94, d * 0.9, 0, seat - 0.03, look, t)
    b.box((-w / 2, seat - 0.045, -d / 2 + 0.01), (w / 2, seat - 0.02 * soft, d / 2), look)
    if soft:
        b.cushion(
            (-w / 2 + 0.015, seat - 0.03, -d / 2 + 0.05),
            (w / 2 - 0.015, seat + 0.01, d / 2 - 0.01),
            0.02,
            draw.cloth(),
        )
    for s in (-1, 1):
        x = s * (w / 2 - t / 2)
        b.rod((x, seat - 0.05, -d / 2 + 0.045), (x, h, -d / 2 + 0.012), t * 0.45, look, sides=10)
    if soft:
        b.cushion(
            (-w / 2 + t, seat + 0.12, -d / 2 + 0.005),
            (w / 2 - t, h - 0.02, -d / 2 + 0.045),
            0.018,
            draw.cloth(),
        )
    else:
        for k in range(4):
            y = seat + (h - seat) * (0.3 + 0.2 * k)
            b.box((-w / 2 + t, y, -d / 2 + 0.012), (w / 2 - t, y + 0.035, -d / 2 + 0.03), look)


def stool(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A round seat on splayed legs with a ring."""
    look = draw.wood() if draw.one_of(0, 1) else steel()
    r = w / 2
    b.turned(
        [(0.001, 0), (r * 0.96, 0), (r, 0.012), (r, 0.03), (r * 0.9, 0.045), (0.001, 0.045)],
        (0, h - 0.045, 0),
        draw.wood(),
        28,
        (1, d / w),
    )
    legs(b, w, d, 0, h - 0.04, look, 0.035, 0.0, splay=min(w, d) * 0.12)
    b.turned(
        [(r * 0.78, 0), (r * 0.82, 0.008), (r * 0.78, 0.016), (r * 0.74, 0.008), (r * 0.78, 0)],
        (0, h * 0.35, 0),
        look,
        24,
        (1, d / w),
    )


def sofa(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Arms, back, seat cushions side by side, feet."""
    cloth = draw.cloth()
    seat = min(0.42, 0.5 * h)
    arm = min(0.2, 0.16 * w)
    back = min(0.24, 0.28 * d)
    foot = 0.06
    legs(b, w, d, 0, foot, draw.wood(), 0.05, 0.03)
    b.cushion((-w / 2 + 0.01, foot, -d / 2 + 0.02), (w / 2 - 0.01, seat - 0.12, d / 2 - 0.02), 0.03, cloth)
    for s in (-1, 1):
        b.cushion(
            (s * w / 2, foot, -d / 2 + 0.02),
            (s * (w / 2 - arm), min(h * 0.74, seat + 0.2), d / 2),
            0.06,
            cloth,
        )
    b.cushion((-w / 2 + arm * 0.5, foot, -d / 2), (w / 2 - arm * 0.5, h, -d / 2 + back), 0.07, cloth)
    inner = w - 2 * arm
    count = max(1, round(inner / 0.7))
    for i in range(count):
        a, c = -inner / 2 + inner * i / count + 0.004, -inner / 2 + inner * (i + 1) / count - 0.004
        b.cushion((a, seat - 0.15, -d / 2 + back * 0.7), (c, seat, d / 2 + -0.01), 0.04, cloth)
        b.cushion((a, seat - 0.02, -d / 2 + back * 0.6), (c, h - 0.04, -d / 2 + back + 0.1), 0.06, cloth)


def ottoman(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An upholstered block on short feet."""
    legs(b, w, d, 0, 0.06, draw.wood(), 0.045, 0.02)
    cloth = draw.cloth()
    b.cushion((-w / 2, 0.05, -d / 2), (w / 2, h * 0.72, d / 2), 0.03, cloth)
    b.cushion((-w / 2, h * 0.68, -d / 2), (w / 2, h, d / 2), 0.05, cloth)


def dog_bed(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A soft ring around a cushion."""
    r, t = w / 2, h / 2
    ring = [
        (r - t + t * c, t + t * s)
        for c, s in (
            (-1, 0),
            (-0.7, -0.7),
            (0, -1),
            (0.7, -0.7),
            (1, 0),
            (0.7, 0.7),
            (0, 1),
            (-0.7, 0.7),
            (-1, 0),
        )
    ]
    b.turned(ring, (0, 0, 0), draw.cloth(), 32, (1, d / w))
    inner = r - t
    b.turned(
        [(0.001, 0.005), (inner, 0.005), (inner, h * 0.45), (inner * 0.7, h * 0.55), (0.001, h * 0.55)],
        (0, 0, 0),
        draw.cloth(),
        32,
        (1, d / w),
    )


def soft_block(kind: str = "fabric", round_: float = 0.45):
    """A recipe for a block with soft edges: sponge, soap."""

    def build(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
        look = finish(
            kind,
            draw.pick(
                (
                    (0.90, 0.88, 0.83),
                    (0.45, 0.55, 0.65),
                    (0.72, 0.42, 0.36),
                    (0.80, 0.70, 0.48),
                    (0.55, 0.62, 0.52),
                )
            ),
            0.2,
        )
        b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2), min(w, h, d) * round_, look, steps=4)

    return build


def pillow(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Thick in its middle, thin at its seam, its sides drawn in between the corners."""
    kind = ("fabric", "fabric", "stripes", "leather")[draw.one_of(0, 1, 2, 3)]
    look = finish(kind, draw.pick(FABRICS), 0.25)
    n = 15
    u, v = np.meshgrid(
        np.sin(np.linspace(-np.pi / 2, np.pi / 2, n)), np.sin(np.linspace(-np.pi / 2, np.pi / 2, n))
    )
    swell = ((1 - u**2) * (1 - v**2)) ** 0.4
    x, z = u * (1 - 0.07 * (1 - v**2)) * w / 2, v * (1 - 0.07 * (1 - u**2)) * d / 2
    i = np.arange(n * n).reshape(n, n)
    quads = np.stack([i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]], -1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    for side in (1, -1):
        points = np.stack([x, h / 2 + side * swell * h / 2, z], -1).reshape(-1, 3)
        b.part(points, faces if side > 0 else faces[:, ::-1], look)


def folded(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A cloth folded some times: layers with their folds to the left, not quite one above another."""
    look = finish(("fabric", "stripes", "checker")[draw.one_of(0, 1, 2)], draw.pick(FABRICS), 0.12)
    layers = 4 if h > 0.03 else 2
    for k in range(layers):
        dx, dz = draw.uniform(0, 0.03) * w, draw.uniform(-0.015, 0.015) * d
        low = (-w / 2 + dx / 2, h * k / layers, -d / 2 * 0.97 + dz)
        b.cushion(low, (w / 2 - dx, h * (k + 1.02) / layers, d / 2 * 0.97 + dz), h / layers / 2, look)


def towel(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Hung over a bar: a long layer before a short one, a fold above, bands near the hems."""
    color = draw.pick(((0.90, 0.89, 0.86), (0.35, 0.48, 0.60), (0.72, 0.50, 0.42), (0.45, 0.55, 0.45)))
    look, band = (
        finish("fabric", color, 0.15),
        finish("plain", (0.8 * color[0], 0.8 * color[1], 0.8 * color[2])),
    )
    t = d * 0.3
    b.cushion((-w / 2, 0, d / 2 - t), (w / 2, h, d / 2), t * 0.4, look)
    b.cushion((-w / 2, h * 0.18, -d / 2), (w / 2, h, -d / 2 + t), t * 0.4, look)
    b.cushion((-w / 2, h - d * 0.5, -d / 2), (w / 2, h, d / 2), d * 0.2, look)
    for y in (0.09, 0.12):
        b.box((-w * 0.497, h * y, d / 2 - t * 0.5), (w * 0.497, h * (y + 0.015), d / 2 + 4e-4), band)


def curtain(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Hanging folds below a rail."""
    look = finish(
        "stripes" if draw.one_of(0, 1) else "fabric",
        draw.pick(((0.55, 0.68, 0.75), (0.85, 0.82, 0.76), (0.50, 0.55, 0.42))),
        0.4,
    )
    n = 60
    x = np.linspace(-w / 2, w / 2, n)
    z = d * 0.4 * np.sin(np.linspace(0, 11 * np.pi, n))
    points = np.concatenate(
        [np.column_stack([x, np.full(n, y), z * k]) for y, k in ((0, 1.0), (h * 0.5, 0.9), (h * 0.97, 0.7))]
    )
    i = np.arange(n - 1)
    quads = np.concatenate(
        [np.stack([i + r * n, i + 1 + r * n, i + 1 + (r + 1) * n, i + (r + 1) * n], -1) for r in (0, 1)]
    )
    b.part(points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), look)
    b.rod((-w / 2, h - 0.015, 0), (w / 2, h - 0.015, 0), 0.012, steel())


def teddy(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A sitting bear."""
    fur = finish("carpet", draw.pick(((0.55, 0.37, 0.22), (0.72, 0.58, 0.40))), 0.2)
    b.ball((0, h * 0.33, -d * 0.1), (w * 0.3, h * 0.32, d * 0.36), fur)
    b.ball((0, h * 0.76, -d * 0.05), (w * 0.25, h * 0.22, d * 0.3), fur)
    b.ball((0, h * 0.71, d * 0.22), (w * 0.1, h * 0.07, d * 0.14), finish("plain", (0.86, 0.76, 0.62)))
    for s in (-1, 1):
        b.ball((s * w * 0.2, h * 0.94, -d * 0.08), (w * 0.09, h * 0.07, d * 0.08), fur)
        b.ball((s * w * 0.33, h * 0.44, d * 0.06), (w * 0.15, h * 0.19, d * 0.2), fur)
        b.ball((s * w * 0.24, h * 0.1, d * 0.2), (w * 0.15, h * 0.11, d * 0.3), fur)
        b.ball((s * w * 0.09, h * 0.8, d * 0.2), (w * 0.025, w * 0.025, w * 0.025), dark(), 8)


def bag(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A tied rubbish bag."""
    look = finish("leather", (0.10, 0.10, 0.11), 0.4)
    r = w / 2
    b.turned(
        [
            (0.001, 0),
            (r * 0.7, 0),
            (r, h * 0.22),
            (r * 0.92, h * 0.5),
            (r * 0.45, h * 0.78),
            (r * 0.12, h * 0.86),
            (r * 0.3, h),
            (0.001, h * 0.95),
        ],
        (0, 0, 0),
        look,
        18,
        (1, d / w),
    )
