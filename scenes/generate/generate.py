"""Generates a house from a seed and a family.

    house = generate_house(7, "apartment")

The stages, a module each: room specification, boundary, floor plan, doors and windows and materials in
`scenes/generate/layout`; lights and time of day in `daylight.py`; furniture, furniture groups, small objects,
wall objects and states in `scenes/generate/furnish`. `structure.py` writes rooms and walls. Each stage draws
from its own random stream, so a change in one does not change the draws of another. The same seed and family
give the same bytes.
"""

from scenes.generate.daylight import draw_lights
from scenes.generate.family import Family, load_family
from scenes.generate.furnish.clutter import draw_untidiness, scatter
from scenes.generate.furnish.furnish import Furnisher
from scenes.generate.furnish.room_space import Piece, RoomShell, RoomSpace
from scenes.generate.furnish.rules import draw_counts
from scenes.generate.furnish.states import draw_states
from scenes.generate.furnish.wall_objects import hang
from scenes.generate.layout.floorplan import draw_plan_rooms
from scenes.generate.layout.materials import draw_finishes
from scenes.generate.layout.openings import draw_openings
from scenes.generate.layout.room_spec import draw_areas, draw_room_spec
from scenes.generate.layout.structure import build_rooms, build_walls, room_layers
from scenes.house.elements import HouseObject, ProceduralParameters, Vec3
from scenes.house.schema import House
from scenes.house.upgrade import SCHEMA
from scenes.seeding import rng

ATTEMPTS = 6  # at furnishing a room
GENERATOR = 3  # raised whenever the same seed gives another house


def generate_house(seed: int, family: str = "procthor") -> House:
    """House number `seed` of a family. Raises ValueError for a family that there is not."""
    drawn = load_family(family)
    spec = draw_room_spec(drawn, rng(seed, family, "rooms"))
    areas = draw_areas(drawn, spec.rooms, rng(seed, family, "areas"))
    rooms = draw_plan_rooms(drawn, spec.rooms, areas, rng(seed, family, "floorplan"))
    ceiling = round(2.5 + 4.5 * float(rng(seed, family, "ceiling").beta(1.25, 5.5)), 4)
    openings = draw_openings(drawn, rooms, ceiling, rng(seed, family, "openings"))
    finishes = draw_finishes(drawn, rooms, rng(seed, family, "materials"))
    layers = room_layers(rooms)
    sky, lights = draw_lights(drawn, rooms, ceiling, layers, rng(seed, family, "lights"))

    untidy = draw_untidiness(rng(seed, family, "untidiness"))
    objects: list[HouseObject] = []
    spaces = []
    for room in rooms:
        counts = draw_counts(room.type, drawn, rng(seed, family, "counts", room.number))
        furnisher = _furnish(seed, drawn, RoomShell(room, openings, ceiling), counts)
        space = furnisher.space
        scatter(space, drawn, untidy, rng(seed, family, "clutter", room.number))
        on_walls = hang(space, drawn, counts, rng(seed, family, "walls", room.number))
        draw_states(furnisher.pieces + on_walls, rng(seed, family, "states", room.number))
        objects += _objects(furnisher.pieces + on_walls, room.number, layers[room.number])
        spaces.append(space)

    return House(
        rooms=build_rooms(rooms, finishes, layers),
        walls=build_walls(rooms, finishes, layers, ceiling, openings.open_sides),
        doors=tuple(openings.doors),
        windows=tuple(openings.windows),
        objects=tuple(objects),
        procedural_parameters=ProceduralParameters(
            ceiling_material=finishes.ceiling,
            floor_collider_thickness=1.0,
            lights=lights,
            receptacle_height=0.7,
            reflections=(),
            skybox_id=sky,
        ),
        metadata={
            "agent": _agent(spaces),
            "roomSpecId": spec.name,
            "schema": SCHEMA,
            "testspace": {"seed": seed, "family": family, "generator": GENERATOR},
        },
    )


def _furnish(seed: int, family: Family, shell: RoomShell, counts: dict[str, int]) -> Furnisher:
    """The first of some attempts in which all that the room cannot do without finds a place, or the best."""
    best = None
    for attempt in range(ATTEMPTS):
        stream = rng(seed, family.name, "furniture", shell.room.number, attempt)
        furnisher = Furnisher(RoomSpace(shell), family, stream)
        furnisher.furnish(counts)
        if best is None or furnisher.lacks(counts) < best.lacks(counts):
            best = furnisher
        if best.lacks(counts) == 0:
            break
    assert best is not None
    return best


def _objects(pieces: list[Piece], room: int, layer: str) -> list[HouseObject]:
    """Numbered as ProcTHOR does: "room|piece", "room|piece|member" in a group, "small|room|child"."""
    small = 0
    objects = []
    for i, leader in enumerate(pieces):
        members = [leader, *leader.group]
        for j, piece in enumerate(members):
            children = []
            for child in piece.children:
                children.append(_object(child, f"small|{room}|{small}", layer, ()))
                small += 1
            name = f"{room}|{i}|{j}" if len(members) > 1 else f"{room}|{i}"
            objects.append(_object(piece, name, layer, tuple(children)))
    return objects


def _object(piece: Piece, name: str, layer: str, children: tuple[HouseObject, ...]) -> HouseObject:
    position = Vec3(x=piece.x, y=round(piece.bottom + piece.asset.size[1] / 2, 5), z=piece.z)
    more = {"children": children} if children else {}
    return HouseObject(
        id=name,
        asset_id=piece.asset.id,
        position=position,
        rotation=Vec3(x=0.0, y=piece.yaw % 360.0, z=0.0),
        kinematic=piece.kinematic,
        layer=layer,
        **more,
        **piece.state,
    )


def _agent(spaces: list[RoomSpace]) -> dict:
    """Where AI2-THOR's agent starts: on free floor, in the largest room that has some."""
    space = max(spaces, key=lambda space: space.area)
    x, z = space.standing_place()
    return {
        "horizon": 30,
        "position": {"x": x, "y": 0.95, "z": z},
        "rotation": {"x": 0, "y": 0, "z": 0},
        "standing": True,
    }
