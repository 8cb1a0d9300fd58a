"""Lamps and televisions in a picture: on or off is seen, and depth and labels do not know."""

from dataclasses import replace

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.raycast.device_scene import DeviceScene
from agents.raycast.kernel_light import LAMPS_PER_ROOM, LIGHTS_PER_ROOM
from agents.raycast.light_probes import bake
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.registry import sample_poses
from scenes.generate.generate import generate_house
from scenes.generate.perturb.perturb import perturb_house
from scenes.house.asset_table import assets_of_type
from scenes.house.elements import HouseObject
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Light, Material
from scenes.meshes.libraries.library import AssetLibrary
from tests.agents.rooms_by_hand import THING, cube, placed, room
from tests.agents.test_raycast_light import LAMP, NORTHWARD, see


@pytest.fixture(scope="module")
def house() -> House:
    """With floor lamps and televisions (seed 5 of `apartment` has both)."""
    house = generate_house(5, "apartment")
    kinds = {i for k in ("FloorLamp", "Television") for i in (a.id for a in assets_of_type(k))}
    assert sum(item.asset_id in kinds for item, _ in house.all_objects()) >= 4
    return house


def turned(item: HouseObject, on: bool) -> HouseObject:
    children = tuple(turned(child, on) for child in item.children)
    return item.model_copy(update={"children": children} | ({} if item.is_on is None else {"is_on": on}))


def frames(house: House, poses: np.ndarray) -> dict[str, np.ndarray]:
    simulator = RaycastSimulator()
    simulator.load(compile_house(house, AssetLibrary(None)))
    cameras = Cameras.same(poses, 90.0, 64, 64)
    return simulator.render(cameras, ["rgb", "depth", "normals", "instance", "semantic"])


def test_switches_change_the_picture_and_nothing_else(house: House) -> None:
    simulator = RaycastSimulator()
    simulator.load(compile_house(house, AssetLibrary(None)))
    poses = sample_poses("dense", simulator.free_space(), 24, np.random.default_rng(0))
    on, off = (
        frames(house.model_copy(update={"objects": tuple(turned(o, way) for o in house.objects)}), poses)
        for way in (True, False)
    )
    for name in ("depth", "normals", "instance", "semantic"):
        np.testing.assert_array_equal(on[name], off[name])
    change = np.abs(on["rgb"].astype(int) - off["rgb"].astype(int)).max(-1)
    assert (change > 20).mean() > 0.05
    # The same switches as another day throws: the pixels of what was switched change with the rest.
    day = perturb_house(house, 1, strength=1.0, objects=False)
    switches = day.metadata["testspace"]["perturbation"][-1]["switches"]
    assert switches
    only = {s["id"]: s["to"] for s in switches}
    mine = tuple(turned(o, only[o.id]) if o.id in only else o for o in house.objects)
    changed = frames(house.model_copy(update={"objects": mine}), poses)["rgb"]
    assert (changed != frames(house, poses)["rgb"]).any(-1).mean() > 0.02


def test_a_lamp_lights_through_its_own_shade() -> None:
    lamp = replace(LAMP, position=(2.0, 1.25, 1.5), thing="lamp")
    shade = placed("shade", 1, (1.8, 1.05, 1.3), (0.4, 0.4, 0.4), THING, 9)
    space = [
        room(extra_meshes=(cube("s"),), extra=(shade,), lights=(replace(lamp, shade=r),)) for r in (0.05, 0.4)
    ]
    wall = np.s_[4:12, 28:36]
    inside, through = (see(one, NORTHWARD)[wall].mean() for one in space)
    assert through > inside + 30


def test_a_picture_shines_in_its_own_colours() -> None:
    stripes = np.zeros((2, 2, 3), np.uint8)
    stripes[:, 0], stripes[:, 1] = (255, 0, 0), (0, 0, 255)
    screen = Material("screen", (0.0, 0.0, 0.0), stripes, emission=(1.0, 1.0, 1.0))
    thing = placed("screen", 1, (1.0, 0.5, 0.5), (2.0, 1.5, 0.1), THING, 9)
    row = see(room(extra_meshes=(cube("screen", screen),), extra=(thing,)), NORTHWARD)[32]
    assert row[28, 0] > row[28, 2] + 60
    assert row[36, 2] > row[36, 0] + 60


def test_however_many_lamps_a_room_asks_few_of_them_and_its_own_light_first() -> None:
    lamps = tuple(
        Light("point", (2.0, 2.0, 2.0), (0.5 + 0.4 * k, 0.4, 1.0), range=7.0, thing=str(k)) for k in range(7)
    )
    rooms = bake(DeviceScene(room(lights=(*lamps, LAMP)), "cpu")).rooms
    inside = [k for k in rooms.lights.numpy()[0] if k >= 0]
    assert rooms.lights.shape[1] == LIGHTS_PER_ROOM + LAMPS_PER_ROOM
    assert inside[0] == len(lamps)
    assert len(inside) == 1 + LAMPS_PER_ROOM
