"""Shapes of tables, desks and cases: what is built of boards. Boxes as in `shapes`."""

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FinishSampler, dark, steel, white
from scenes.meshes.shapes.furniture_parts import drawers, legs, shelves


def table(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A table: slab or round top, on four legs, a frame or a pedestal."""
    look = draw.wood()
    top = max(0.02, min(0.045, 0.06 * h))
    square = 0.85 < w / d < 1.18
    style = draw.one_of(0, 1, 2, 3) if square else draw.one_of(0, 1, 4)
    thick = min(0.07, 0.09 * min(w, d) + 0.012)
    if style == 3:
        r = w / 2
        b.turned([(0.001, 0), (r, 0), (r, top), (0.001, top)], (0, h - top, 0), look, 40, (1, d / w))
        b.turned([(r * 0.5, 0), (r * 0.5, 0.02), (0.06, 0.07), (0.05, h - top)], (0, 0, 0), look, 24)
        return
    b.box((-w / 2, h - top, -d / 2), (w / 2, h, d / 2), look)
    if style == 0:
        legs(b, w, d, 0, h - top, look, thick, 0.01)
        apron = min(0.09, 0.16 * h)
        inner = thick + 0.012
        for s in (-1, 1):
            b.box(
                (-w / 2 + inner, h - top - apron, s * (d / 2 - 0.03) - 0.01),
                (w / 2 - inner, h - top, s * (d / 2 - 0.03) + 0.01),
                look,
            )
            b.box(
                (s * (w / 2 - 0.03) - 0.01, h - top - apron, -d / 2 + inner),
                (s * (w / 2 - 0.03) + 0.01, h - top, d / 2 - inner),
                look,
            )
    elif style == 1:
        legs(b, w, d, 0, h - top, look, thick, 0.02, splay=0.04 * h + 0.01)
    elif style == 2:
        legs(b, w, d, 0, h - top, look, thick * 0.8, 0.01)
        b.box((-w / 2 + 0.03, h * 0.22, -d / 2 + 0.03), (w / 2 - 0.03, h * 0.22 + 0.02, d / 2 - 0.03), look)
    else:
        iron, bar = dark(), 0.03
        for s in (-1, 1):
            x = s * (w / 2 - 0.08)
            b.box((x - bar / 2, 0, -d / 2 + 0.03), (x + bar / 2, bar, d / 2 - 0.03), iron)
            b.box((x - bar / 2, h - top - bar, -d / 2 + 0.03), (x + bar / 2, h - top, d / 2 - 0.03), iron)
            for z in (-d / 2 + 0.03, d / 2 - 0.03 - bar):
                b.box((x - bar / 2, bar, z), (x + bar / 2, h - top - bar, z + bar), iron)


def desk(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A desk with a drawer pedestal; a tall one has shelves above its back."""
    look, fronts = draw.body(), draw.body()
    top_y = 0.75 if h > 1.1 else h
    top = 0.03
    b.box((-w / 2, top_y - top, -d / 2), (w / 2, top_y, d / 2), look)
    ped = min(0.42, 0.4 * w)
    drawers(b, (w / 2 - ped, 0.04, -d / 2 + 0.02), (w / 2, top_y - top, d / 2 - 0.02), look, fronts, 1, 3)
    b.box((-w / 2, 0, -d / 2 + 0.02), (-w / 2 + 0.03, top_y - top, d / 2 - 0.02), look)
    b.box((-w / 2 + 0.03, top_y * 0.35, -d / 2 + 0.03), (w / 2 - ped, top_y - top, -d / 2 + 0.05), look)
    if h > 1.1:
        deep = min(0.28, d * 0.45)
        shelves(b, (-w / 2, top_y, -d / 2), (w / 2, h, -d / 2 + deep), look, 2, 2)


def counter(
    b: MeshBuilder,
    w: float,
    h: float,
    d: float,
    draw: FinishSampler,
    parts: list[tuple[float, float, float, float]],
) -> None:
    """Kitchen counter: base cabinets with doors along each part (x0, z0, x1, z1), one worktop over all."""
    look = draw.body()
    stone = finish(
        ("granite", "marble", "wood")[draw.one_of(0, 1, 2)],
        draw.pick(((0.30, 0.30, 0.31), (0.85, 0.84, 0.81), (0.62, 0.55, 0.47))),
        0.8,
    )
    kick, top = 0.09, 0.04
    for x0, z0, x1, z1 in parts:
        along_x = (x1 - x0) >= (z1 - z0) or z0 <= -d / 2 + 1e-6
        piece = MeshBuilder()
        length, deep = ((x1 - x0), (z1 - z0)) if along_x else ((z1 - z0), (x1 - x0))
        columns = max(1, round(length / 0.5))
        piece.box((-length / 2 + 0.01, 0, -deep / 2), (length / 2 - 0.01, kick, deep / 2 - 0.08), dark())
        drawers(
            piece,
            (-length / 2, kick, -deep / 2),
            (length / 2, h - top - 0.16, deep / 2 - 0.03),
            look,
            look,
            columns,
            1,
            doors=True,
        )
        drawers(
            piece,
            (-length / 2, h - top - 0.16, -deep / 2),
            (length / 2, h - top, deep / 2 - 0.03),
            look,
            look,
            columns,
            1,
        )
        if not along_x:  # an arm: its doors look inwards
            piece.turn(-90.0 if x0 > 0 else 90.0)
        piece.shift(((x0 + x1) / 2, 0, (z0 + z1) / 2))
        b.join(piece)
        b.box((x0, h - top, z0), (x1, h, z1), stone)


def dresser(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Chest of drawers, on a plinth or feet; a tall one has doors below."""
    look = draw.body()
    fronts = look if draw.one_of(0, 1) else draw.body()
    foot = min(0.10, 0.1 * h)
    front = d / 2 - 0.025
    if draw.one_of(0, 1):
        legs(b, w, front + d / 2, 0, foot, look, 0.04, 0.01)
    else:
        b.box((-w / 2 + 0.02, 0, -d / 2), (w / 2 - 0.02, foot, front - 0.03), look)
    columns = max(1, round(w / 0.55))
    if h > 1.3:
        drawers(b, (-w / 2, foot, -d / 2), (w / 2, h * 0.38, front), look, fronts, columns, 2)
        drawers(
            b,
            (-w / 2, h * 0.38, -d / 2),
            (w / 2, h - 0.025, front),
            look,
            fronts,
            max(2, columns),
            1,
            doors=True,
        )
    else:
        drawers(
            b,
            (-w / 2, foot, -d / 2),
            (w / 2, h - 0.025, front),
            look,
            fronts,
            columns,
            max(2, round((h - foot) / 0.22)),
        )
    b.box((-w / 2, h - 0.025, -d / 2), (w / 2, h, d / 2), look)


def shelving(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """An open bookcase with some books."""
    look = draw.body()
    columns, rows = max(1, round(w / 0.75)), max(2, round(h / 0.38))
    shelves(b, (-w / 2, 0, -d / 2), (w / 2, h, d / 2), look, columns, rows)
    for i in range(columns):
        for j in range(rows):
            if draw.rng.random() < 0.6:
                x = -w / 2 + w * i / columns + 0.035
                stop = x + (w / columns - 0.07) * draw.uniform(0.3, 0.95)
                y, room = h * j / rows + 0.022, h / rows - 0.05
                while x + 0.02 < stop:
                    t, tall, deep = (
                        draw.uniform(0.018, 0.045),
                        room * draw.uniform(0.6, 0.95),
                        d * draw.uniform(0.5, 0.75),
                    )
                    b.box((x, y, -d / 2 + 0.02), (x + t, y + tall, -d / 2 + 0.02 + deep), draw.bright())
                    x += t + 0.001


def tv_stand(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A low builder: doors left and right, an open bay between."""
    look, fronts = draw.body(), draw.body()
    foot = min(0.09, h * 0.2)
    legs(b, w, d, 0, foot, dark(), 0.035, 0.04)
    third = w / 3.2
    drawers(
        b, (-w / 2, foot, -d / 2), (-w / 2 + third, h - 0.025, d / 2 - 0.025), look, fronts, 1, 1, doors=True
    )
    drawers(
        b, (w / 2 - third, foot, -d / 2), (w / 2, h - 0.025, d / 2 - 0.025), look, fronts, 1, 1, doors=True
    )
    shelves(b, (-w / 2 + third, foot, -d / 2), (w / 2 - third, h - 0.025, d / 2 - 0.03), look, 1, 2)
    b.box((-w / 2, h - 0.025, -d / 2), (w / 2, h, d / 2), look)


def cart(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A serving trolley: three trays between four tubes, on wheels."""
    metal, board = steel(), draw.wood()
    wheel = 0.05
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * (w / 2 - 0.03), sz * (d / 2 - 0.03)
            b.rod((x, wheel, z), (x, h, z), 0.012, metal)
            b.rod((x - 0.012, wheel * 0.5, z), (x + 0.012, wheel * 0.5, z), wheel * 0.5, dark())
    for k in range(3):
        y = h * (0.12 + 0.3 * k)
        b.box((-w / 2 + 0.02, y, -d / 2 + 0.02), (w / 2 - 0.02, y + 0.02, d / 2 - 0.02), board)
    for s in (-1, 1):
        b.rod(
            (s * (w / 2 - 0.03), h - 0.012, -d / 2 + 0.03),
            (s * (w / 2 - 0.03), h - 0.012, d / 2 - 0.03),
            0.012,
            metal,
        )


def footstool(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A step stool of boards: two treads between two sides."""
    look = draw.wood()
    for s in (-1, 1):
        b.box((s * w / 2, 0, -d / 2), (s * (w / 2 - 0.02), h - 0.02, d * 0.1), look)
        b.box((s * w / 2, 0, 0), (s * (w / 2 - 0.02), h * 0.48, d / 2), look)
    b.box((-w / 2, h - 0.022, -d / 2), (w / 2, h, d * 0.12), look)
    b.box((-w / 2, h * 0.48 - 0.022, d * 0.02), (w / 2, h * 0.48, d / 2), look)


def safe(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """A steel box with a door, a dial and a handle."""
    b.cushion((-w / 2, 0, -d / 2), (w / 2, h, d / 2 - 0.03), 0.012, finish("plain", (0.28, 0.30, 0.32)))
    b.box(
        (-w / 2 + 0.04, 0.04, d / 2 - 0.032),
        (w / 2 - 0.04, h - 0.04, d / 2 - 0.02),
        finish("plain", (0.35, 0.37, 0.39)),
    )
    b.rod((0, h * 0.6, d / 2 - 0.02), (0, h * 0.6, d / 2), 0.05, steel(), sides=24)
    b.rod((-0.08, h * 0.35, d / 2 - 0.008), (0.08, h * 0.35, d / 2 - 0.008), 0.008, white())
