"""Shapes of crockery, bottles, pots and pans. Boxes as in `shapes`."""

from scenes.meshes.looks import finish, glass
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white

Profile = list[tuple[float, float]]


def turned(
    b: MeshBuilder, w: float, h: float, d: float, profile: Profile, look: Finish, sides: int = 28
) -> None:
    """A profile given in shares of radius and height."""
    b.turned([(max(r * w / 2, 5e-4), y * h) for r, y in profile], (0, 0, 0), look, sides, (1, d / w))


def bottle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def wine_bottle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def pump_bottle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def spray(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A spray bottle with its trigger."""
    look = draw.bright()
    turned(b, w, h, d, [(0, 0), (0.98, 0), (1, 0.03), (1, 0.5), (0.6, 0.66), (0.3, 0.74), (0, 0.74)], look)
    turned(b, w, h, d, [(0.34, 0.73), (0.34, 0.82), (0.24, 0.85), (0, 0.85)], white(), 14)
    b.box((-w * 0.17, h * 0.85, -d * 0.17), (w * 0.17, h * 0.97, d * 0.25), white())  # the pump's housing
    b.box((-w * 0.12, h * 0.89, d * 0.25), (w * 0.12, h * 0.96, d * 0.42), white())
    b.box((-w * 0.08, h * 0.9, d * 0.42), (w * 0.08, h * 0.95, d * 0.5), look)  # the nozzle
    b.rod((0, h * 0.89, d * 0.28), (0, h * 0.78, d * 0.34), w * 0.09, look, sides=8)  # the trigger
    b.rod((0, h * 0.78, d * 0.34), (0, h * 0.72, d * 0.3), w * 0.09, look, sides=8)


def cup(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A tumbler."""
    look = draw.bright() if draw.one_of(0, 1) else glass((0.85, 0.92, 0.93), 0.45)
    turned(b, w, h, d, [(0, 0), (0.72, 0), (1, 1), (0.93, 1), (0.66, 0.06), (0, 0.06)], look)


def mug(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def bowl(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def plate(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A dinner plate with a rim."""
    look = white() if draw.one_of(0, 1) else draw.bright()
    turned(b, w, h, d, [(0, 0), (0.6, 0), (1, 0.85), (1, 1), (0.62, 0.35), (0, 0.25)], look, 40)


def pan(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def pot(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def kettle(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
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


def shaker(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Salt or pepper: glass body, steel cap."""
    turned(b, w, h, d, [(0, 0), (1, 0), (0.7, 0.75), (0, 0.75)], white() if draw.one_of(0, 1) else dark(), 16)
    turned(b, w, h, d, [(0.75, 0.74), (0.75, 0.9), (0.4, 1), (0, 1)], steel(), 16)


def foil(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A long carton of foil."""
    b.box((-w / 2, 0, -d / 2), (w / 2, h, d / 2), draw.bright())
    b.box((-w * 0.48, h * 0.3, d / 2), (w * 0.48, h * 0.7, d / 2 + 3e-4), steel())
