"""Shapes of lamps, screens, kitchen and bathroom fixtures, bins and plants. Boxes as in `shapes_furniture`."""

import numpy as np

from scenes.looks import finish, glass, glow
from scenes.palette import Draw, dark, steel, white
from scenes.pictures import painting, screen
from scenes.shapes_furniture import drawers, legs
from scenes.solids import Bench, Finish

SHADES = ((0.96, 0.90, 0.78), (0.94, 0.93, 0.90), (0.90, 0.80, 0.62), (0.80, 0.55, 0.42))


def lamp(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A standing lamp: foot, stem, lit shade. A floor lamp and a desk lamp differ in proportions only."""
    metal = steel() if draw.one_of(0, 1) else dark()
    tall = h > 1.0
    shade_h = min(0.34 * h, 0.34) if tall else 0.42 * h
    r = w / 2
    squash = (1.0, d / w)
    foot = r * 0.62
    if tall and draw.one_of(0, 1, 2) == 0:
        for k in range(3):
            a = k * 2 * np.pi / 3 + 0.5
            b.rod((foot * np.cos(a) * 1.2, 0, foot * np.sin(a) * 1.2 * squash[1]), (0, h - shade_h, 0), 0.014, draw.wood())
    else:
        b.turned([(0.001, 0), (foot, 0), (foot, 0.018), (foot * 0.3, 0.03), (0.001, 0.03)], (0, 0, 0), metal, 28, squash)
        if tall:
            b.rod((0, 0.02, 0), (0, h - shade_h * 0.5, 0), 0.011, metal)
        else:
            body = draw.bright() if draw.one_of(0, 1) else white()
            top = h - shade_h
            b.turned([(foot * 0.5, 0.02), (foot * 0.85, top * 0.35), (foot * 0.5, top * 0.8), (foot * 0.2, top)], (0, 0, 0), body, 24, squash)
            b.rod((0, top - 0.01, 0), (0, h - shade_h * 0.5, 0), 0.008, metal, sides=8)
    narrow = draw.uniform(0.5, 0.95)
    light = glow(draw.pick(SHADES), 0.9)
    rim, wall = r, 0.004
    b.turned([(rim, h - shade_h), (rim * narrow, h), (rim * narrow - wall, h), (rim - wall, h - shade_h), (rim, h - shade_h)], (0, 0, 0), light, 36, squash)
    b.ball((0, h - shade_h * 0.55, 0), (0.035, 0.05, 0.035), glow((1.0, 0.93, 0.8), 3.0), 12)


def television(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A flat screen; a deep one has a stand."""
    stand = d > 0.09
    y0 = 0.09 * h if stand else 0.0
    deep = min(0.05, d)
    front = deep / 2 if stand else d / 2
    b.box((-w / 2, y0, front - deep), (w / 2, h, front - 0.004), dark())
    rim = 0.015
    for low, high in (((-w / 2, y0), (w / 2, y0 + rim * 1.6)), ((-w / 2, h - rim), (w / 2, h)), ((-w / 2, y0), (-w / 2 + rim, h)), ((w / 2 - rim, y0), (w / 2, h))):
        b.box((*low, front - 0.006), (*high, front), dark())
    z = front - 0.003
    b.sheet([(-w / 2 + rim, y0 + rim, z), (w / 2 - rim, y0 + rim, z), (w / 2 - rim, h - rim, z), (-w / 2 + rim, h - rim, z)], screen(draw.one_of(0, 1, 2)))
    if stand:
        b.box((-0.03, 0.01, -0.02), (0.03, y0 + 0.02, 0.02), dark())
        b.box((-w * 0.22, 0, -d / 2), (w * 0.22, 0.012, d / 2), dark())


def laptop(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Open, or a closed slab where its box is flat."""
    case = finish("metal", (0.72, 0.73, 0.75), 0.3) if draw.one_of(0, 1) else dark()
    thin = min(0.018, h)
    base = d if h < 0.05 else min(d, 0.72 * w)
    z1 = d / 2
    b.box((-w / 2, 0, z1 - base), (w / 2, thin, z1), case)
    if h < 0.05:
        return
    b.box((-w * 0.45, thin, z1 - base * 0.92), (w * 0.45, thin + 0.002, z1 - base * 0.42), finish("checker", (0.16, 0.16, 0.17), 0.14))
    b.box((-w * 0.14, thin, z1 - base * 0.34), (w * 0.14, thin + 0.001, z1 - base * 0.06), steel())
    y0, back, foot = thin, -d / 2, z1 - base
    b.sheet([(-w / 2, y0, foot), (w / 2, y0, foot), (w / 2, h, back), (-w / 2, h, back)], case, whole=False)
    lean = np.array([0, h - y0, back - foot])
    out = np.array([0, foot - back + 1e-3, h - y0]) / np.hypot(h - y0, foot - back + 1e-3) * 0.004
    corner = [np.array([sx * w * 0.47, y0, foot]) + lean * t + out for sx, t in ((-1, 0.06), (1, 0.06), (1, 0.95), (-1, 0.95))]
    b.sheet(corner, screen(3))


def desktop(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A monitor with its keyboard."""
    part = Bench()
    television(part, w, h, d * 0.7, draw)
    part.shift((0, 0, -d * 0.15))
    b.join(part)
    b.box((-w * 0.3, 0, d * 0.26), (w * 0.3, 0.015, d / 2), dark())


def fridge(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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


def washer(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A front loader with its porthole."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2 - 0.03), 0.012, white())
    b.box((-w / 2 + 0.01, h * 0.86, d / 2 - 0.032), (w / 2 - 0.01, h - 0.012, d / 2 - 0.018), finish("plain", (0.80, 0.81, 0.82)))
    b.box((w * 0.05, h * 0.89, d / 2 - 0.02), (w * 0.22, h * 0.95, d / 2 - 0.014), screen(0))
    b.rod((w * 0.36, h * 0.925, d / 2 - 0.02), (w * 0.36, h * 0.925, d / 2), 0.03, steel())
    y, r = h * 0.46, w * 0.29
    part = Bench()
    part.turned([(r, 0), (r, 0.022), (r * 0.82, 0.028), (r * 0.78, 0.01)], (0, 0, 0), steel(), 36)
    part.turned([(0.001, 0.012), (r * 0.8, 0.012)], (0, 0, 0), finish("plain", (0.10, 0.12, 0.14)), 36)
    part.turn(90, "x")
    part.shift((0, y, d / 2 - 0.03))
    b.join(part)


def microwave(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A box with a dark window and a panel."""
    look = (steel(), white(), dark())[draw.one_of(0, 1, 2)]
    b.cushion((-w / 2, 0.012, -d / 2), (w / 2, h, d / 2 - 0.02), 0.01, look)
    legs(b, w, d, 0, 0.015, dark(), 0.03, 0.02)
    b.box((-w * 0.46, h * 0.14, d / 2 - 0.02), (w * 0.22, h * 0.9, d / 2 - 0.008), finish("plain", (0.07, 0.07, 0.08)))
    b.box((w * 0.27, h * 0.1, d / 2 - 0.02), (w * 0.46, h * 0.92, d / 2 - 0.012), dark())
    b.box((w * 0.29, h * 0.74, d / 2 - 0.013), (w * 0.44, h * 0.86, d / 2 - 0.009), glow((0.3, 0.9, 0.6), 0.15))
    b.rod((w * 0.2, h * 0.2, d / 2 - 0.004), (w * 0.2, h * 0.84, d / 2 - 0.004), 0.008, steel(), sides=8)


def toaster(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Rounded, with two slots along its length."""
    look = steel() if draw.one_of(0, 1) else draw.bright()
    b.cushion((-w / 2, 0.015, -d / 2), (w / 2, h, d / 2 - 0.02), min(w, d) * 0.16, look)
    b.box((-w * 0.45, 0, -d * 0.47), (w * 0.45, 0.03, d * 0.43), dark())
    for s in (-1, 1):
        b.box((s * w * 0.17 - 0.012, h - 0.003, -d * 0.36), (s * w * 0.17 + 0.012, h, d * 0.32), dark())
    b.box((-0.015, h * 0.62, d / 2 - 0.03), (0.015, h * 0.7, d / 2), dark())


def coffee_machine(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Tank and head over a jug."""
    look = (dark(), steel(), draw.bright())[draw.one_of(0, 1, 2)]
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h * 0.1, d / 2), 0.015, look)
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, -d * 0.1), 0.02, look)
    b.cushion((-w / 2, h * 0.7, -d / 2), (w / 2, h, d * 0.42), 0.02, look)
    r = min(w, d) * 0.32
    b.turned([(0.001, 0), (r, 0), (r * 1.08, h * 0.2), (r * 0.8, h * 0.42), (r * 0.7, h * 0.44)], (0, h * 0.105, d * 0.18), finish("plain", (0.16, 0.10, 0.07)), 24)
    b.box((-w * 0.2, h * 0.78, d * 0.42), (w * 0.2, h * 0.9, d * 0.43), screen(0))


def toilet(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
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
    b.turned([(r * 0.55, 0), (r * 0.5, seat * 0.4), (r * 0.8, seat * 0.75), (r, seat - 0.03), (r, seat), (r * 0.8, seat), (r * 0.5, seat * 0.7), (0.001, seat * 0.6)], (0, 0, z), glaze, 32, stretch)
    b.turned([(r * 1.02, seat), (r * 1.04, seat + 0.015), (r, seat + 0.03), (0.001, seat + 0.035)], (0, 0, z), glaze, 32, stretch)
    b.box((-w * 0.25, 0, -d / 2 + 0.04), (w * 0.25, seat, z), glaze)


def sink(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A basin with its tap on a cabinet, or on a pedestal."""
    tap = min(0.16, h * 0.17)
    top = h - tap
    glaze = white()
    r = min(w, d) * 0.36
    z = 0.03 * d
    if draw.one_of(0, 1):
        look = draw.body()
        drawers(b, (-w / 2 + 0.02, 0.08, -d / 2), (w / 2 - 0.02, top - 0.06, d / 2 - 0.04), look, look, 2, 1, doors=True)
        b.box((-w / 2 + 0.04, 0, -d / 2), (w / 2 - 0.04, 0.08, d / 2 - 0.09), dark())
    else:
        b.turned([(0.15, 0), (0.09, 0.05), (0.08, top * 0.6), (0.12, top - 0.08)], (0, 0, -d * 0.12), glaze, 24)
    rim = [(r, 0.0), (r * 0.92, -0.03), (r * 0.6, -0.11), (0.02, -0.13)]
    b.turned(list(reversed(rim)), (0, top + 0.002, z), finish("plain", (0.86, 0.87, 0.88)), 36, (1.1, 0.85))
    ring_low, ring = -0.06, 0.012
    b.turned([(r, ring_low), (r * 1.12, ring_low), (r * 1.12, ring), (r, ring)], (0, top, z), glaze, 36, (1.1, 0.85))
    # The slab around the bowl: four boxes leave the middle open.
    ax, az = r * 1.1, r * 0.85
    for low, high in (((-w / 2, -d / 2), (w / 2, z - az)), ((-w / 2, z + az), (w / 2, d / 2)), ((-w / 2, z - az), (-ax, z + az)), ((ax, z - az), (w / 2, z + az))):
        b.box((low[0], top - 0.06, low[1]), (high[0], top, high[1]), glaze)
    faucet_at(b, (0, top, max(z - az - 0.03, -d / 2 + 0.03)), tap, steel())


def faucet_at(b: Bench, foot: tuple[float, float, float], tall: float, metal: Finish) -> None:
    """A tap with a spout towards +z."""
    x, y, z = foot
    reach = tall * 0.9
    b.tube([(x, y, z), (x, y + tall * 0.9, z), (x, y + tall * 0.95, z + reach * 0.5), (x, y + tall * 0.6, z + reach)], 0.012, metal)
    b.rod((x, y, z), (x, y + 0.02, z), 0.025, metal)
    b.rod((x, y + tall * 0.88, z), (x + 0.05, y + tall, z), 0.007, metal, sides=8)


def faucet(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A tap by itself."""
    metal = steel()
    part = Bench()
    r = min(0.014, w * 0.25)
    part.tube([(0, 0, 0), (0, h * 0.85, 0), (0, h, d * 0.3), (0, h * 0.95, d * 0.7), (0, h * 0.65, d * 0.85)], r, metal)
    part.rod((0, 0, 0), (0, 0.02, 0), w * 0.42, metal)
    for s in (-1, 1):
        part.rod((0, h * 0.2, 0), (s * w * 0.5, h * 0.26, 0), r * 0.7, metal, sides=8)
    b.join(part)


def plant(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A pot and bent leaves, each from the middle outwards."""
    squash = (1.0, d / w)
    pot_h, r = min(0.32 * h, 0.35), min(w, d) * draw.uniform(0.2, 0.3)
    clay = finish("plain", draw.pick(((0.62, 0.36, 0.25), (0.88, 0.87, 0.84), (0.28, 0.29, 0.31), (0.40, 0.50, 0.52))))
    b.turned([(0.001, 0), (r * 0.7, 0), (r, pot_h), (r * 0.9, pot_h), (r * 0.85, pot_h * 0.9), (0.001, pot_h * 0.88)], (0, 0, 0), clay, 24)
    b.turned([(0.001, 0.02), (r * 0.86, 0)], (0, pot_h * 0.89, 0), finish("plain", (0.20, 0.14, 0.10)), 20)
    green = finish("leaf", draw.pick(((0.22, 0.42, 0.18), (0.30, 0.50, 0.22), (0.16, 0.35, 0.20), (0.42, 0.52, 0.24)), 0.02), 0.3)
    count, wide = int(draw.uniform(26, 44)), draw.uniform(0.12, 0.3)
    for k in range(count):
        a = k * 2.39996 + draw.uniform(-0.3, 0.3)
        rise = draw.uniform(0.15, 1.0)
        start = pot_h + (h - pot_h) * (0.5 * rise * draw.uniform(0, 1))
        tip_y = start + (h - start) * rise
        reach = (0.5 + 0.5 * (1 - rise) ** 0.5) * w / 2
        _leaf(b, a, start, tip_y, reach, wide * (h - pot_h) * 0.35, squash, green)


def _leaf(b: Bench, a: float, y0: float, y1: float, reach: float, wide: float, squash: tuple[float, float], look: Finish) -> None:
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


def bin_(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An open bin, a little wider at its top, with a liner showing."""
    look = (steel(), dark(), draw.bright(), white())[draw.one_of(0, 1, 2, 3)]
    r, t = w / 2, 0.006
    b.turned([(0.001, 0), (r * 0.8, 0), (r * 0.97, h * 0.97), (r, h * 0.98), (r, h), (r - 2 * t, h), (r * 0.78, 0.02), (0.001, 0.02)], (0, 0, 0), look, 30, (1, d / w))


def hamper(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A woven basket with a lid."""
    weave = finish("fabric", (0.76, 0.64, 0.46), 0.12)
    b.cushion((-w * 0.48, 0, -d * 0.48), (w * 0.48, h * 0.93, d * 0.48), 0.04, weave)
    b.cushion((-w / 2, h * 0.91, -d / 2), (w / 2, h, d / 2), 0.025, weave)


def bag(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A tied rubbish bag."""
    look = finish("leather", (0.10, 0.10, 0.11), 0.4)
    r = w / 2
    b.turned([(0.001, 0), (r * 0.7, 0), (r, h * 0.22), (r * 0.92, h * 0.5), (r * 0.45, h * 0.78), (r * 0.12, h * 0.86), (r * 0.3, h), (0.001, h * 0.95)], (0, 0, 0), look, 18, (1, d / w))


def picture(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A framed painting."""
    look = draw.wood() if draw.one_of(0, 1) else (dark() if draw.one_of(0, 1) else white())
    rim = min(0.05, 0.09 * min(w, h))
    for low, high in (((-w / 2, 0), (w / 2, rim)), ((-w / 2, h - rim), (w / 2, h)), ((-w / 2, rim), (-w / 2 + rim, h - rim)), ((w / 2 - rim, rim), (w / 2, h - rim))):
        b.box((*low, -d / 2), (*high, d / 2), look)
    a, c = rim, h - rim
    z = d * 0.2
    if draw.one_of(0, 1):  # a mount of card around the picture
        card = min(0.06, 0.12 * min(w, h))
        b.box((-w / 2 + rim, rim, -d / 2), (w / 2 - rim, h - rim, z - 0.002), finish("plain", (0.94, 0.93, 0.90)))
        rim, a, c = rim + card, a + card, c - card
    else:
        b.box((-w / 2 + rim, rim, -d / 2), (w / 2 - rim, h - rim, z - 0.002), dark())
    b.sheet([(-w / 2 + rim, a, z), (w / 2 - rim, a, z), (w / 2 - rim, c, z), (-w / 2 + rim, c, z)], painting(int(draw.rng.integers(2**31)), w / h))


def shower(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A shower head on its riser."""
    metal = steel()
    r = min(w, d) * 0.35
    b.tube([(0, 0, -d / 2 + 0.02), (0, h * 0.93, -d / 2 + 0.02), (0, h - 0.02, 0), (0, h * 0.95, d * 0.2)], 0.011, metal)
    b.turned([(0.001, 0), (r, 0), (r, 0.012), (r * 0.25, 0.04), (0.001, 0.04)], (0, h * 0.94, d / 2 - r), metal, 24)
    for s in (-1, 1):
        b.ball((s * w * 0.4, h * 0.45, -d / 2 + 0.04), (w * 0.1, w * 0.1, 0.03), metal, 12)


def curtain(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """Hanging folds below a rail."""
    look = finish("stripes" if draw.one_of(0, 1) else "fabric", draw.pick(((0.55, 0.68, 0.75), (0.85, 0.82, 0.76), (0.50, 0.55, 0.42))), 0.4)
    n = 60
    x = np.linspace(-w / 2, w / 2, n)
    z = d * 0.4 * np.sin(np.linspace(0, 11 * np.pi, n))
    points = np.concatenate([np.column_stack([x, np.full(n, y), z * k]) for y, k in ((0, 1.0), (h * 0.5, 0.9), (h * 0.97, 0.7))])
    i = np.arange(n - 1)
    quads = np.concatenate([np.stack([i + r * n, i + 1 + r * n, i + 1 + (r + 1) * n, i + (r + 1) * n], -1) for r in (0, 1)])
    b.part(points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), look)
    b.rod((-w / 2, h - 0.015, 0), (w / 2, h - 0.015, 0), 0.012, steel())


def blinds(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """A stack of slats."""
    count = max(4, round(h / 0.03))
    for k in range(count):
        y = h * (k + 0.3) / count
        b.box((-w / 2, y, -d / 2), (w / 2, y + 0.3 * h / count, d / 2), white())
    b.box((-w / 2, h * 0.93, -d / 2), (w / 2, h, d / 2), white())


def vacuum(b: Bench, w: float, h: float, d: float, draw: Draw) -> None:
    """An upright cleaner."""
    b.cushion((-w / 2, 0, -d * 0.1), (w / 2, h * 0.12, d / 2), 0.03, dark())
    b.cushion((-w * 0.28, h * 0.08, -d * 0.3), (w * 0.28, h * 0.62, d * 0.12), 0.05, draw.bright())
    b.turned([(0.001, 0), (w * 0.18, 0), (w * 0.18, h * 0.22), (0.001, h * 0.24)], (0, h * 0.2, d * 0.12), glass((0.8, 0.85, 0.9), 0.5), 20)
    b.tube([(0, h * 0.6, -d * 0.2), (0, h * 0.95, -d * 0.42), (0, h, -d * 0.3)], 0.018, dark())
