"""Shapes of fixtures and of what hangs beside them. Boxes as in `shapes`."""

import numpy as np

from scenes.house.asset_table import Asset
from scenes.house.boards import boards_seen_on
from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import STEEL, FinishSampler, dark, steel, white
from scenes.meshes.shapes.furniture_parts import drawers
from scenes.meshes.shapes.kitchen import turned


def toilet(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Cistern at the back, bowl, lid."""
    glaze = white()
    cistern = min(0.22, d * 0.28)
    seat = 0.42 * h
    b.cushion((-w / 2, seat, -d / 2), (w / 2, h - 0.03, -d / 2 + cistern), 0.03, glaze)
    b.cushion((-w / 2 - 0.004, h - 0.035, -d / 2), (w / 2 + 0.004, h, -d / 2 + cistern + 0.008), 0.012, glaze)
    b.rod((0, h - 0.06, -d / 2 + cistern), (0, h - 0.06, -d / 2 + cistern + 0.02), 0.018, steel())
    bowl = d - cistern
    z = d / 2 - bowl / 2
    r = w * 0.42
    stretch = (1.0, bowl / 2 / r)
    b.turned(
        [
            (r * 0.55, 0),
            (r * 0.5, seat * 0.4),
            (r * 0.8, seat * 0.75),
            (r, seat - 0.03),
            (r, seat),
            (r * 0.8, seat),
            (r * 0.5, seat * 0.7),
            (0.001, seat * 0.6),
        ],
        (0, 0, z),
        glaze,
        32,
        stretch,
    )
    b.turned(
        [(r * 1.02, seat), (r * 1.04, seat + 0.015), (r, seat + 0.03), (0.001, seat + 0.035)],
        (0, 0, z),
        glaze,
        32,
        stretch,
    )
    b.box((-w * 0.25, 0, -d / 2 + 0.04), (w * 0.25, seat, z), glaze)


def has_basin(asset: Asset) -> bool:
    """Whether it is known at what height things rest in a sink."""
    return asset.type == "Sink" and bool(boards_seen_on(asset))


def sink(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A basin with its tap on a cabinet, or on a pedestal."""
    tap = min(0.16, h * 0.17)
    basin(b, w, h, d, draw, tap, min(0.13, 0.8 * (h - tap)))


def seen_sink(b: MeshBuilder, asset: Asset, draw: FinishSampler) -> None:
    """The sink of an asset that `has_basin`: its rim is its top, and a tap is another object on it."""
    w, h, d = asset.size
    low = min(board.height for board in boards_seen_on(asset) if board.kind == "basin")
    basin(b, w, h, d, draw, 0.0, h - low)


def basin(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler, tap: float, sunk: float) -> None:
    """A bowl `sunk` [m] below its rim, which a tap of height `tap` [m] stands on, if that is above 0."""
    top = h - tap
    glaze = white()
    r = min(w, d) * 0.36
    z = 0.03 * d
    style = draw.one_of(0, 1)
    if h < 0.6:  # a basin alone, let into a counter
        b.turned([(r * 0.3, 0), (r * 0.9, top)], (0, 0, z), glaze, 24)
    elif style:
        look = draw.body()
        drawers(
            b,
            (-w / 2 + 0.02, 0.08, -d / 2),
            (w / 2 - 0.02, top - 0.06, d / 2 - 0.04),
            look,
            look,
            2,
            1,
            doors=True,
        )
        b.box((-w / 2 + 0.04, 0, -d / 2), (w / 2 - 0.04, 0.08, d / 2 - 0.09), dark())
    else:
        b.turned(
            [(0.15, 0), (0.09, 0.05), (0.08, top * 0.6), (0.12, top - 0.08)], (0, 0, -d * 0.12), glaze, 24
        )
    rim = [(r, 0.0), (r * 0.92, -0.23 * sunk), (r * 0.8, -0.85 * sunk), (r * 0.7, -sunk), (0.02, -sunk)]
    b.turned(list(reversed(rim)), (0, top + 0.002, z), finish("plain", (0.86, 0.87, 0.88)), 36, (1.1, 0.85))
    ring_low, ring = -0.4 * sunk, 0.012
    b.turned(
        [(r, ring_low), (r * 1.12, ring_low), (r * 1.12, ring), (r, ring)],
        (0, top, z),
        glaze,
        36,
        (1.1, 0.85),
    )
    # The slab around the bowl: four boxes leave the middle open.
    ax, az = r * 1.1, r * 0.85
    for low, high in (
        ((-w / 2, -d / 2), (w / 2, z - az)),
        ((-w / 2, z + az), (w / 2, d / 2)),
        ((-w / 2, z - az), (-ax, z + az)),
        ((ax, z - az), (w / 2, z + az)),
    ):
        b.box((low[0], top - 0.4 * sunk, low[1]), (high[0], top, high[1]), glaze)
    if tap > 0:
        faucet_at(b, (0, top, max(z - az - 0.03, -d / 2 + 0.03)), tap, steel())


def faucet_at(b: MeshBuilder, foot: tuple[float, float, float], tall: float, metal: Finish) -> None:
    """A tap with a spout towards +z."""
    x, y, z = foot
    reach = tall * 0.9
    b.tube(
        [
            (x, y, z),
            (x, y + tall * 0.9, z),
            (x, y + tall * 0.95, z + reach * 0.5),
            (x, y + tall * 0.6, z + reach),
        ],
        0.012,
        metal,
    )
    b.rod((x, y, z), (x, y + 0.02, z), 0.025, metal)
    b.rod((x, y + tall * 0.88, z), (x + 0.05, y + tall, z), 0.007, metal, sides=8)


def faucet(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A tap by itself: a bowed spout; a wide one has two handles on a deck plate, a narrow one a lever."""
    metal = steel()
    r = min(0.014, w * 0.2, d * 0.08)
    back, tip = -d / 2 + 2.2 * r, d / 2 - 1.2 * r
    bow = min((tip - back) / 2, 0.45 * h)
    t = np.linspace(0, np.pi, 11)
    line = [
        (0.0, h - r - bow + bow * float(np.sin(a)), (back + tip) / 2 - (tip - back) / 2 * float(np.cos(a)))
        for a in t
    ]
    b.tube([(0, 0, back), *line, (0, h - r - 1.35 * bow, tip)], r, metal, sides=14)
    b.rod((0, h - r - 1.4 * bow, tip), (0, h - r - 1.2 * bow, tip), 1.2 * r, metal, sides=14)
    b.rod((0, 0, back), (0, min(0.05, 0.2 * h), back), 1.9 * r, metal, tip=1.5 * r, sides=16)
    if w > 0.2:
        b.cushion((-w / 2, 0, back - 2 * r), (w / 2, 0.012, back + 2 * r), 0.005, metal)
        for s in (-1, 1):
            x, y = s * (w / 2 - 3 * r), min(0.06, 0.3 * h)
            b.rod((x, 0, back), (x, y, back), 1.3 * r, metal, tip=r)
            b.rod((x - 2.6 * r, y, back), (x + 2.6 * r, y, back), 0.5 * r, metal, sides=8)
            b.rod((x, y, back - 2 * r), (x, y, back + 2.6 * r), 0.5 * r, metal, sides=8)
    else:
        y = 0.3 * h
        b.rod((0, y, back), (w / 2 - r, y + 0.01, back), 1.2 * r, metal, tip=0.9 * r)
        b.rod((w / 2 - r, y, back), (w / 2 - 0.8 * r, y + 0.16 * h, back), 0.5 * r, metal, sides=8)


def shower(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A shower head on its riser."""
    metal = steel()
    r = min(w, d) * 0.35
    b.tube(
        [(0, 0, -d / 2 + 0.02), (0, h * 0.93, -d / 2 + 0.02), (0, h - 0.02, 0), (0, h * 0.95, d * 0.2)],
        0.011,
        metal,
    )
    b.turned(
        [(0.001, 0), (r, 0), (r, 0.012), (r * 0.25, 0.04), (0.001, 0.04)], (0, h * 0.94, d / 2 - r), metal, 24
    )
    for s in (-1, 1):
        b.ball((s * w * 0.4, h * 0.45, -d / 2 + 0.04), (w * 0.1, w * 0.1, 0.03), metal, 12)


def blinds(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A stack of slats."""
    count = max(4, round(h / 0.03))
    for k in range(count):
        y = h * (k + 0.3) / count
        b.box((-w / 2, y, -d / 2), (w / 2, y + 0.3 * h / count, d / 2), white())
    b.box((-w / 2, h * 0.93, -d / 2), (w / 2, h, d / 2), white())


def rail(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A bar on two brackets: towel rail, paper hanger."""
    y, r = h * 0.5, min(0.009, h * 0.3)
    for s in (-1, 1):
        x = s * (w / 2 - 0.012)
        b.box((x - 0.012, 0, -d / 2), (x + 0.012, h, -d / 2 + 0.01), steel())
        b.rod((x, y, -d / 2), (x, y, d / 2 - r), r, steel())
    b.rod((-w / 2 + 0.01, y, d / 2 - r), (w / 2 - 0.01, y, d / 2 - r), r, steel())


def ring(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A towel ring that hangs from its knob."""
    look, r = finish("plain", STEEL), 0.006
    b.rod((0, h * 0.86, -d / 2), (0, h * 0.86, -d / 2 + 0.008), 0.026, look, sides=24)
    b.rod((0, h * 0.86, -d / 2), (0, h * 0.86, d / 2), 0.011, look)
    a = np.linspace(0, 2 * np.pi, 37)
    high = h * 0.43
    b.tube(
        [((w / 2 - r) * float(np.sin(t)), high - (high - r) * float(np.cos(t)), d * 0.3) for t in a],
        r,
        look,
        sides=8,
    )


def roll(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A standing paper roll with its core."""
    turned(
        b,
        w,
        h,
        d,
        [(0.3, 0), (0.98, 0), (1, 0.01), (1, 0.99), (0.98, 1), (0.3, 1), (0.28, 0.5), (0.3, 0)],
        finish("plain", (0.94, 0.94, 0.92)),
    )


def plunger(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A rubber cup on a stick."""
    turned(
        b,
        w,
        h,
        d,
        [(1, 0), (0.95, 0.08), (0.5, 0.2), (0.2, 0.24), (0.12, 0.26), (0, 0.26)],
        finish("plain", (0.62, 0.16, 0.13)),
    )
    b.rod((0, h * 0.22, 0), (0, h, 0), w * 0.08, draw.wood())


def brush(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A toilet brush in its holder."""
    turned(b, w, h, d, [(0, 0), (1, 0), (0.85, 0.35), (0.3, 0.38), (0, 0.36)], white())
    b.rod((0, h * 0.3, 0), (0, h, 0), w * 0.07, steel())


def bin_(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An open bin, a little wider at its top, with a liner showing."""
    look = (steel(), dark(), draw.bright(), white())[draw.one_of(0, 1, 2, 3)]
    r, t = w / 2, 0.006
    b.turned(
        [
            (0.001, 0),
            (r * 0.8, 0),
            (r * 0.97, h * 0.97),
            (r, h * 0.98),
            (r, h),
            (r - 2 * t, h),
            (r * 0.78, 0.02),
            (0.001, 0.02),
        ],
        (0, 0, 0),
        look,
        30,
        (1, d / w),
    )


def hamper(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A woven basket with a lid."""
    weave = finish("fabric", (0.76, 0.64, 0.46), 0.12)
    b.cushion((-w * 0.48, 0, -d * 0.48), (w * 0.48, h * 0.93, d * 0.48), 0.04, weave)
    b.cushion((-w / 2, h * 0.91, -d / 2), (w / 2, h, d / 2), 0.025, weave)
