"""Every sampler of the table under the kit, and what each promises of its own; what frames cover."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely

from agents.cameras import Cameras
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.coverage import CoverageMeter
from agents.samplers.poses import read_views
from agents.samplers.registry import SAMPLERS, SamplerOptions, sample_views
from agents.samplers.ring import clipped
from agents.samplers.sampling import Views, truncated_normal
from tests.agents.rooms_by_hand import pose, room
from tests.agents.sampler_kit import SamplerKit, apartment, cupboard_room, inside_of_nothing


def drawn(name: str, space: FreeSpace, count: int, seed: int = 0, **told: object) -> Views:
    return sample_views(name, space, count, np.random.default_rng(seed), SamplerOptions.model_validate(told))


@pytest.fixture(scope="module")
def simulator() -> RaycastSimulator:
    return cupboard_room()


@pytest.fixture(scope="module")
def space(simulator: RaycastSimulator) -> FreeSpace:
    return simulator.free_space()


@pytest.fixture(scope="module")
def house() -> FreeSpace:
    return apartment()


class TestDense(SamplerKit):
    name = "dense"


class TestPoints(SamplerKit):
    name = "points"

    def test_places_keep_apart_and_views_differ(self, space) -> None:
        views = drawn("points", space, 600, fov_range_deg=(50, 70))
        places = np.unique(views.poses[:, :3, 3], axis=0)
        apart = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(len(places))
        assert apart.min() >= 0.5
        assert len(places) > 40  # a room of 60 m³ is full of places half a metre apart
        assert views.fov_deg is not None
        assert 50 <= views.fov_deg.min() < 52
        assert 68 < views.fov_deg.max() <= 70
        ahead = views.poses[:, :3, 2]
        yaw = np.arctan2(-ahead[:, 0], -ahead[:, 2])
        assert np.histogram(yaw, bins=8, range=(-np.pi, np.pi))[0].min() > 40
        inside_of_nothing(space, views.poses, 0.2499)

    def test_what_is_fixated_is_on_a_surface_in_sight_of_several(self, space) -> None:
        poses = drawn("points", space, 400).poses
        places, ahead = poses[:, :3, 3], poses[:, :3, 2]
        points = places + ahead * space.sight(places, ahead, 20.0)[:, None]
        near = np.linalg.norm(points[:, None] - points, axis=2) < 0.05
        assert (near.sum(1) > 1).mean() > 0.2

    def test_a_range_that_is_none(self, space) -> None:
        with pytest.raises(ValueError, match="from low to high"):
            drawn("points", space, 3, fov_range_deg=(90, 60))


class TestWalk(SamplerKit):
    name = "walk"

    def test_it_is_smooth_and_goes_everywhere(self, house) -> None:
        poses = drawn("walk", house, 1500).poses
        step = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        assert step.max() < 0.101  # this house's floor is in one piece: no cuts
        assert np.median(step) > 0.095
        cos = ((poses[1:, :3, :3] * poses[:-1, :3, :3]).sum((1, 2)) - 1) / 2
        assert np.degrees(np.arccos(np.clip(cos, -1, 1))).max() < 20
        assert set(house.rooms(poses[:, :3, 3])) == set(range(len(house.floor)))

    def test_eyes_and_steps_are_as_told(self, space) -> None:
        poses = drawn("walk", space, 50, eyes_m=1.0, step_m=0.03).poses
        np.testing.assert_allclose(poses[:, 1, 3], 1.0, atol=1e-9)
        assert np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).max() < 0.031

    def test_no_room_for_a_body(self) -> None:
        loaded = RaycastSimulator()
        loaded.load(room(size=(0.45, 2.5, 6.0)))
        with pytest.raises(ValueError, match="by-hand: no free place"):
            drawn("walk", loaded.free_space(), 3)


class TestRing(SamplerKit):
    name = "ring"

    def test_rectangles_have_the_area_and_are_concentric(self, house) -> None:
        rooms = [shapely.Polygon(room.polygon) for room in house.floor]
        largest = max(rooms, key=lambda room: room.area)
        parts = [shapely.union_all(clipped(rooms, area)) for area in (2.0, 6.0, 1.2 * largest.area)]
        assert [part.area for part in parts] == pytest.approx([2.0, 6.0, 1.2 * largest.area], abs=1e-4)
        for small, large in pairwise(parts):
            assert large.buffer(1e-6).covers(small)
        box = np.array(largest.bounds)
        for part in parts[:2]:  # these lie within the largest room, which is a rectangle's worth of floor
            np.testing.assert_allclose(
                np.array(part.bounds)[:2] + part.bounds[2:], box[:2] + box[2:], atol=1e-4
            )
            assert largest.covers(part.buffer(-1e-6))
        assert not largest.covers(parts[2])

    def test_views_are_in_the_rectangle_and_all_over_it(self, house) -> None:
        rooms = [shapely.Polygon(room.polygon) for room in house.floor]
        (part,) = [p for p in clipped(rooms, 5.0) if not p.is_empty]
        places = drawn("ring", house, 300, area_m2=5.0).poses[:, [0, 2], 3]
        assert shapely.contains_xy(part.buffer(1e-6), *places.T).all()
        side = np.subtract(part.bounds[2:], part.bounds[:2])
        assert (np.ptp(places, axis=0) > 0.8 * side).all()

    def test_more_than_there_is_is_all(self, space) -> None:
        np.testing.assert_array_equal(
            drawn("ring", space, 60, area_m2=1e4).poses, drawn("dense", space, 60).poses
        )


class TestPoses(SamplerKit):
    name = "poses"
    POSES = np.stack(
        [pose((1.0, 1.2, 5.0), (1, 0, 0), (0, -1, 0)), pose((3.0, 1.0, 2.0), (0, 0, 1), (0, -1, 0))]
    )

    def options(self, folder: Path, space: FreeSpace) -> SamplerOptions:
        np.save(folder / f"{space.space}.npy", drawn("dense", space, 200).poses)
        return SamplerOptions(poses=folder)

    def test_each_form_says_the_same(self, space, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", self.POSES)
        (tmp_path / "b.json").write_text(json.dumps({"poses": self.POSES.tolist(), "fov_deg": [70, 80]}))
        # Turned half about x, and then a quarter about y as well.
        half = np.sqrt(0.5)
        (tmp_path / "c.txt").write_text(f"# time\n0 1 1.2 5 1 0 0 0\n1 3 1 2 {half} 0 {half} 0\n")
        for name in ("a.npy", "b.json", "c.txt"):
            views = drawn("poses", space, 2, poses=tmp_path / name)
            np.testing.assert_allclose(views.poses, self.POSES, atol=1e-6)
        assert read_views(tmp_path / "b.json").fov_deg == pytest.approx([70, 80])
        (tmp_path / "by-hand.npy").write_bytes((tmp_path / "a.npy").read_bytes())
        np.testing.assert_array_equal(drawn("poses", space, 1, poses=tmp_path).poses, self.POSES[:1])

    def test_words_for_mistakes(self, space, tmp_path: Path) -> None:
        inside = self.POSES.copy()
        inside[1, :3, 3] = 1.3, 1.0, 1.1
        for name, values in (
            ("in", inside),
            ("few", self.POSES),
            ("flat", self.POSES[0]),
            ("big", 2 * self.POSES),
        ):
            np.save(tmp_path / f"{name}.npy", values)
        (tmp_path / "x.csv").write_text("1")
        (tmp_path / "x.json").write_text("{}")
        (tmp_path / "x.txt").write_text("1 2 3\n")
        for name, message in (
            ("in.npy", "1 poses are in no room of by-hand or inside something: 1"),
            ("few.npy", "holds 2 poses, 5 are asked for"),
            ("flat.npy", r"shape \[n, 4, 4\]"),
            ("big.npy", "rotation"),
            ("x.csv", ".npy, .json, .txt"),
            ("x.json", "no 'poses'"),
            ("x.txt", "8 numbers"),
            ("none.npy", "no poses at"),
        ):
            with pytest.raises(ValueError, match=message):
                drawn("poses", space, 5 if name == "few.npy" else 2, poses=tmp_path / name)
        with pytest.raises(ValueError, match="needs a file"):
            drawn("poses", space, 2)


def test_names_of_samplers(space) -> None:
    kits = (TestDense, TestPoints, TestWalk, TestRing, TestPoses)
    assert {kit.name for kit in kits} == set(SAMPLERS)
    with pytest.raises(ValueError, match="choose from dense, points, walk, ring, poses"):
        drawn("orbit", space, 3)


def test_truncated_normal() -> None:
    values = truncated_normal(np.linspace(0, 0.999999, 10001), 10.0, 20.0)
    assert np.abs(values).max() < 20 + 1e-9
    assert values.std() == pytest.approx(8.8, abs=0.05)  # of a normal cut off at two sigma: 0.88 sigma


def test_coverage_grows_with_what_is_seen(simulator) -> None:
    meter = CoverageMeter(simulator)
    shares = []
    for count in (1, 10, 150):
        cameras = Cameras.same(drawn("dense", simulator.free_space(), count).poses, 90.0, 64, 64)
        depth = simulator.render(cameras, ["depth"])["depth"]
        shares.append(meter.measure(depth, cameras.poses, cameras.intrinsics))
    floor, surface = np.array([s.shares for s in shares]).T
    assert (np.diff(floor) > 0.05).all()
    assert (np.diff(surface) > 0.02).all()
    assert floor[0] < 0.15
    assert min(floor[2], surface[2]) > 0.97
    assert (shares[0] | shares[2]).shares >= shares[2].shares
