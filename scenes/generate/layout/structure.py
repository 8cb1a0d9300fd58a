"""From a floor plan to ProcTHOR's rooms and walls: a wall a side, two back to back, outer ones doubled."""

from scenes.generate.layout.floorplan import PlanRoom, Side
from scenes.generate.layout.materials import EXTERIOR, Finishes
from scenes.house.elements import Room, Vec3, Wall

LAYERS = 4  # AI2-THOR has Procedural0 to Procedural3: a lamp lights the objects of its room's layer only


def room_id(number: int) -> str:
    """ProcTHOR's id of a room."""
    return f"room|{number}"


def wall_id(side: Side, exterior: bool = False) -> str:
    """ProcTHOR's id of a wall: its room, or "exterior", and its ends, the lesser first."""
    (x0, z0), (x1, z1) = sorted((side.p0, side.p1))
    return f"wall|{'exterior' if exterior else side.room}|{x0:.2f}|{z0:.2f}|{x1:.2f}|{z1:.2f}"


def room_layers(rooms: list[PlanRoom]) -> dict[int, str]:
    """A layer for each room, neighbours in different ones while four are enough."""
    layers: dict[int, int] = {}
    for room in rooms:
        taken = {layers[side.other] for side in room.sides if side.other in layers}
        free = [i for i in range(LAYERS) if i not in taken]
        layers[room.number] = free[0] if free else room.number % LAYERS
    return {number: f"Procedural{i}" for number, i in layers.items()}


def build_rooms(rooms: list[PlanRoom], finishes: Finishes, layers: dict[int, str]) -> tuple[Room, ...]:
    """The rooms of the house."""
    return tuple(
        Room(
            id=room_id(room.number),
            room_type=room.type,
            floor_polygon=tuple(Vec3(x=s.p0[0], y=0.0, z=s.p0[1]) for s in room.sides),
            floor_material=finishes.floors[room.number],
            ceilings=(),
            children=(),
            layer=layers[room.number],
        )
        for room in rooms
    )


def build_walls(
    rooms: list[PlanRoom], finishes: Finishes, layers: dict[int, str], height: float, open_sides: set[str]
) -> tuple[Wall, ...]:
    """The walls, `height` [m] high; those whose id is in `open_sides` are empty. Outer walls come last."""
    inner, outer = [], []
    for room in rooms:
        for side in room.sides:
            # two vertices below, two above, p0 before p1: the order in which ProcTHOR writes them
            low = [(p, 0.0) for p in (side.p0, side.p1)]
            high = [(p, height) for p in (side.p0, side.p1)]
            wall = Wall(
                id=wall_id(side),
                polygon=tuple(Vec3(x=p[0], y=y, z=p[1]) for p, y in low + high),
                room_id=room_id(room.number),
                material=finishes.walls[room.number],
                layer=layers[room.number],
            )
            if wall.id in open_sides:
                wall = Wall(**{**_set(wall), "empty": True})
            inner.append(wall)
            if side.other is None:
                backwards = [(p, y) for p, y in high[::-1] + low[::-1]]
                outer.append(
                    Wall(
                        id=wall_id(side, exterior=True),
                        polygon=tuple(Vec3(x=p[0], y=y, z=p[1]) for p, y in backwards),
                        room_id=room_id(room.number),
                        material=EXTERIOR,
                        layer=layers[room.number],
                    )
                )
    return tuple(inner + outer)


def _set(wall: Wall) -> dict:
    return {name: getattr(wall, name) for name in wall.model_fields_set}
