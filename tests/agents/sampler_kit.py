"""What every sampler must fulfil: a test class of a sampler inherits `SamplerKit` and sets `name`."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.registry import SAMPLERS, SamplerOptions, sample_views
from agents.samplers.sampling import Views
from scenes.generate.generate import generate_house
from scenes.meshes.compile import compile_house
from tests.agents.rooms_by_hand import THING, cube, placed, room


@cache
def cupboard_room() -> RaycastSimulator:
    """A simulator of one room with a cupboard in it."""
    cupboard = placed("cupboard", 1, (0.4, 0.0, 0.4), (1.6, 2.0, 1.8), THING, 10, turn=0.2)
    loaded = RaycastSimulator()
    loaded.load(room(extra_meshes=(cube("cupboard"),), extra=(cupboard,)))
    return loaded


@cache
def apartment() -> FreeSpace:
    """A generated apartment."""
    loaded = RaycastSimulator()
    loaded.load(compile_house(generate_house(0, "apartment")))
    return loaded.free_space()


def inside_of_nothing(space: FreeSpace, poses: np.ndarray, least: float) -> None:
    places = poses[:, :3, 3]
    assert space.clearance(places, 1.0).min() >= least
    assert space.contains(places).all()
    Cameras.same(poses, 60.0, 8, 8)  # and they are rotations


class SamplerKit:
    """The tests that every sampler passes."""

    name: str
    clearance = 0.199
    """Least distance of a camera from any surface [m]."""

    def options(self, folder: Path, space: FreeSpace) -> SamplerOptions:
        """Options with which the sampler draws 200 views of that space; `folder` is for files."""
        return SamplerOptions()

    def draw(self, folder: Path, space: FreeSpace, count: int, seed: int = 0) -> Views:
        return sample_views(self.name, space, count, np.random.default_rng(seed), self.options(folder, space))

    def test_same_seed_same_views_and_a_short_request_is_the_start_of_a_long_one(self, tmp_path) -> None:
        space = cupboard_room().free_space()
        long, short, other = (self.draw(tmp_path, space, n, s) for n, s in ((150, 4), (37, 4), (37, 5)))
        np.testing.assert_array_equal(long.poses[:37], short.poses)
        assert (long.fov_deg is None) == (short.fov_deg is None)
        if long.fov_deg is not None and short.fov_deg is not None:
            np.testing.assert_array_equal(long.fov_deg[:37], short.fov_deg)
            assert ((long.fov_deg > 0) & (long.fov_deg < 180)).all()
        assert np.array_equal(other.poses, short.poses) != SAMPLERS[self.name].uses_generator
        assert self.draw(tmp_path, space, 0).poses.shape == (0, 4, 4)

    def test_none_is_inside_something(self, tmp_path: Path) -> None:
        inside_of_nothing(apartment(), self.draw(tmp_path, apartment(), 200).poses, self.clearance)

    @pytest.mark.slow
    def test_none_is_inside_something_in_fifty_houses(self, tmp_path: Path) -> None:
        """2,500 poses, asked of Embree: no triangle near a camera, and no small thing about it."""
        pytest.importorskip("embreex")
        from agents.raycast.light_probes import fibonacci_sphere
        from tests.agents.embree import EmbreeScene

        fan = fibonacci_sphere(128)
        for seed in range(50):
            scene = compile_house(generate_house(seed, ("apartment", "procthor")[seed % 2]))
            simulator = RaycastSimulator()
            simulator.load(scene)
            poses = self.draw(tmp_path, simulator.free_space(), 50, seed).poses
            truth = EmbreeScene(scene)
            for place in poses[:, :3, 3]:
                distance, owner = truth.first(np.broadcast_to(place, fan.shape), fan)
                assert distance.min() >= self.clearance - 0.004, (scene.space, place)
                # No thing but the room itself takes up most of what a camera sees in all directions.
                ids, counts = np.unique(owner, return_counts=True)
                for i, count in zip(ids, counts, strict=True):
                    assert count < 0.9 * len(fan) or not truth.encloses(i, place), (scene.space, place, i)
