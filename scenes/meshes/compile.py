"""Compiles a house to geometry: `compile_house(House.load(path))`.

Structure is built in world coordinates; objects are meshes of their assets, shared by all houses of a
process. The world is right-handed: its z is minus the house's.
"""

import numpy as np

from scenes.house.resting import settling
from scenes.house.schema import House
from scenes.meshes.building.assembly import Assembly, place
from scenes.meshes.building.joinery import build_openings
from scenes.meshes.building.luminaires import build_fixtures, house_lights, house_sky
from scenes.meshes.building.walls import build_floors, build_walls, levels, wall_sides
from scenes.meshes.geometry import Credit, FloorRegion, Light, SceneGeometry
from scenes.meshes.libraries.library import AssetSource, default_library
from scenes.meshes.opening import opened
from scenes.meshes.switches import lamp_light, switched


def compile_house(house: House, library: AssetSource | None = None) -> SceneGeometry:
    """The geometry of a house: structure, openings, fixtures, then objects, each receptacle before its
    children, which come to rest on its boards (`scenes/house/resting.py`).

    `library` gives objects their meshes; by default the Sweet Home 3D libraries of this machine where it
    has them. Raises ValueError for an object whose asset it does not know.
    """
    library = default_library() if library is None else library
    digest = house.digest()
    out = Assembly(digest[:16])
    sides = wall_sides(house)
    build_floors(house, sides, out)
    build_walls(house, sides, out)
    build_openings(house, sides, out)
    build_fixtures(house, sides, out)
    credits: dict[Credit, None] = {}
    lamps: list[Light] = []
    moved: dict[int, float] = {}  # how far each object settles [m], with what it is on
    for item, parent in house.all_objects():
        asset = library.asset(item)
        if asset is None:  # left out, as the user asks of unknown ones
            continue
        mesh = switched(library.mesh(asset), asset.type, bool(item.is_on), item.id)
        mesh = opened(mesh, asset, item.openness or 0.0)
        at = place(item.position, item.rotation)
        if parent is not None:
            moved[id(item)] = moved.get(id(parent), 0.0) + settling(item, parent)
            at[1, 3] += moved[id(item)]
        out.add(item.id, asset.type, mesh, at)
        light = lamp_light(mesh, asset.type, at, item.id) if item.is_on else None
        if light is not None:
            lamps.append(light)
        credit = library.credit(asset)
        if credit is not None:
            credits[credit] = None
    return SceneGeometry(
        space=house.space_id,
        digest=digest,
        meshes=out.meshes(),
        instances=tuple(out.instances),
        lights=(*house_lights(house), *lamps),
        floor=tuple(
            FloorRegion(
                room.id, room.room_type, np.array([(x, -z) for x, z in room.polygon]), *levels(room, sides)
            )
            for room in house.rooms
        ),
        sky=house_sky(house),
        credits=tuple(credits),
        house=house,
    )
