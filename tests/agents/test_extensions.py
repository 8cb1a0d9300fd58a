"""A sampler and a simulator from outside: one line in a table each, then every call takes them."""

from collections.abc import Iterator

import numpy as np
import pytest

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import RaycastConfig, RaycastSimulator
from agents.samplers.dense import dense
from agents.samplers.registry import SAMPLERS, Sampler, SamplerOptions
from agents.samplers.sampling import Views
from agents.simulator import SIMULATORS, SimulatorEntry
from engine.collect.collect import CollectConfig, collect
from engine.store.access import EvalFrames
from engine.store.store import Store
from scenes.generate.generate import generate_house
from studies.spec.frames import Sensing
from tests.agents.sampler_kit import SamplerKit
from tests.agents.simulator_kit import SimulatorKit


def downward(space: FreeSpace, count: int, rng: np.random.Generator, options: SamplerOptions) -> Views:
    """Views straight down, from where `dense` would stand."""
    places = dense(space, count, rng, options).poses[:, :3, 3]
    still = np.zeros(count)
    return Views(look_pose(places, still, still - np.pi / 2, still))


class BrightSimulator(RaycastSimulator):
    """Raycast without shadows, at twice the exposure."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(device, RaycastConfig(shadows=False, exposure=2.0))


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SAMPLERS, "downward", Sampler(downward))
        patch.setitem(SIMULATORS, "bright", SimulatorEntry(f"{__name__}:BrightSimulator"))
        yield


class TestDownward(SamplerKit):
    name = "downward"


class TestBright(SimulatorKit):
    name = "bright"


def test_they_are_collected_with_like_any_other(tmp_path) -> None:
    generate_house(0, "apartment").save(tmp_path / "house.json")
    asked = {"houses": [tmp_path / "house.json"], "role": "eval", "frames": 4, "size": 32, "actors": 0}
    stores = []
    for simulator in ("bright", "raycast"):
        request = asked | {"store": tmp_path / simulator, "simulator": simulator, "sampler": "downward"}
        collect(CollectConfig.model_validate(request | {"device": "cpu"}))
        stores.append(Store.open(tmp_path / simulator))
    space = stores[0].spaces[0]
    assert (space.sampler, space.simulator) == ("downward", "bright")
    bright, raycast = (EvalFrames(store).read(range(4), ["rgb", "depth", "pose"]) for store in stores)
    np.testing.assert_allclose(bright["pose"][:, :3, 2], np.tile([0, -1, 0], (4, 1)), atol=1e-9)
    np.testing.assert_array_equal(bright["depth"], raycast["depth"])
    assert bright["rgb"].mean() > raycast["rgb"].mean()


def test_configurations_take_their_names_and_refuse_those_of_none(tmp_path) -> None:
    Sensing(sampler="downward", simulator="bright")
    asked = {"houses": [tmp_path], "store": tmp_path, "role": "eval", "frames": 1}
    for config, given in ((Sensing, {}), (CollectConfig, asked)):
        with pytest.raises(ValueError, match="choose from dense, points, walk, ring, poses, downward"):
            config.model_validate(given | {"sampler": "upward"})
        with pytest.raises(ValueError, match="choose from raycast, ai2thor, replica, habitat, bright"):
            config.model_validate(given | {"simulator": "dark"})
