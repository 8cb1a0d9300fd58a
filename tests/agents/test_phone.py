"""A simulated phone: its path, what it loses, how sure it is of depth, and how its exposure drifts."""

import numpy as np
import pytest

from agents.noise.noise import NoiseConfig
from agents.phone.confidence import confidence
from agents.phone.path import SPEED, STEP, walked_path
from agents.phone.recording import EXPOSURE_S, PhoneConfig, Recording
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.walk import BODY, WalkOptions, walk
from agents.srgb import SRGB_TO_LINEAR
from scenes.seeding import rng
from tests.agents.rooms_by_hand import WALL, cube, placed, room

SMALL = {"height": 16, "width": 24, "seed": 4}


@pytest.fixture(scope="module")
def simulator():
    simulator = RaycastSimulator()
    simulator.load(room())
    return simulator


def _moved(poses):
    return np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)


def test_the_path_goes_smoothly_through_the_poses_of_the_walk(simulator):
    space = simulator.free_space()
    path = walked_path(space, 60.0, 1.45, seed=4)
    walked = walk(space, 1000, rng(4, "phone", "walk"), WalkOptions(step_m=STEP)).poses
    keys = path.poses(path.times)
    assert np.abs(keys[:, None] - walked).max((2, 3)).min(1).max() < 1e-9
    np.testing.assert_allclose(keys[:10], walked[:10], atol=1e-9)
    assert path.seconds >= 60
    fine = path.poses(np.arange(0, 60, 0.01))
    assert _moved(fine).max() < 1.5 * SPEED * 0.01
    assert space.clearance(fine[:, :3, 3], 1.0).min() > 0.8 * BODY


def test_a_phone_is_not_carried_through_a_wall():
    """Floor in two parts, which the walk visits in turn: the path stays in the first, as long as it takes."""
    simulator = RaycastSimulator()
    wall = placed("divider", 1, (0, 0, 2.4), (4.0, 2.5, 0.2), WALL, 7)
    simulator.load(room(extra_meshes=(cube("wall"),), extra=(wall,)))
    space = simulator.free_space()
    z = walk(space, 300, rng(4, "phone", "walk"), WalkOptions(step_m=STEP)).poses[:, 2, 3]
    assert z.min() < 2.4 < 2.6 < z.max()
    fine = walked_path(space, 40.0, 1.45, seed=4).poses(np.arange(0, 40, 0.05))
    assert fine[:, 2, 3].min() > 2.6
    assert _moved(fine).max() < 1.5 * SPEED * 0.05


def test_where_no_one_can_walk_is_said():
    simulator = RaycastSimulator()
    simulator.load(room(size=(0.45, 2.5, 0.45)))
    with pytest.raises(ValueError, match=r"by-hand: .*floor|by-hand: no free place"):
        walked_path(simulator.free_space(), 10.0, 1.45, seed=4)


def test_frames_do_not_depend_on_which_others_are_lost(simulator):
    whole = Recording(simulator, PhoneConfig(seconds=6, dropped=0, **SMALL))
    lossy = Recording(simulator, PhoneConfig(seconds=6, dropped=0.4, **SMALL))
    by_time = {frame.time_s: frame for frame in whole.frames()}
    assert len(by_time) == 30
    assert 5 < len(lossy) < 30
    for frame in lossy.frames():
        other = by_time[frame.time_s]
        for name in ("rgb", "depth", "confidence", "pose"):
            np.testing.assert_array_equal(getattr(frame, name), getattr(other, name))


def test_another_seed_is_another_recording(simulator):
    first, other = (
        Recording(simulator, PhoneConfig(seconds=6, dropped=0.4, **(SMALL | {"seed": seed})))
        for seed in (4, 5)
    )
    assert first.times_s.tolist() != other.times_s.tolist()
    assert np.abs(first.poses[0] - other.poses[0]).max() > 0.01


def test_depth_is_trusted_by_range_and_grazing_angle():
    """A facing wall at several ranges; a floor, whose angle to the rays follows from the row."""
    lens = np.array([24.0, 24.0, 32.0, 24.0], np.float32)
    for metres, trust in ((1.0, 2), (2.5, 2), (4.0, 1), (5.5, 0)):
        wall = np.full((48, 64), round(metres * 1000), np.uint16)
        assert confidence(wall, wall, lens)[24, 32] == trust
        assert confidence(np.zeros_like(wall), wall, lens)[24, 32] == 0
    below = np.arange(48) + 0.5 - 24
    eyes = 0.5
    with np.errstate(divide="ignore"):
        z = np.where(below > 0, eyes * 24 / below, 0)
    floor = np.repeat(np.rint(z * 1000)[:, None], 64, 1).astype(np.uint16)
    near = np.full_like(floor, 1000)  # so that range does not count
    got = confidence(near, floor, lens)[26:47, 32]
    angle = np.degrees(np.arctan2(24, below[26:47]))
    far_from_threshold = (np.abs(angle - 80) > 2) & (np.abs(angle - 60) > 2)
    expected = np.where(angle > 80, 0, np.where(angle > 60, 1, 2))
    assert set(expected.tolist()) == {0, 1, 2}
    np.testing.assert_array_equal(got[far_from_threshold], expected[far_from_threshold])


def test_exposure_drifts_slowly(simulator):
    def light(stops):
        noise = NoiseConfig(exposure_stops=stops)
        config = PhoneConfig(seconds=24, fps=5, dropped=0, noise=noise, **SMALL)
        return np.array([SRGB_TO_LINEAR[f.rgb].mean() for f in Recording(simulator, config).frames()])

    stops = np.log2(light(0.2) / light(0.0))
    assert 0.1 < stops.std() < 0.3
    step = np.sqrt(2 * (1 - np.exp(-1 / (5 * EXPOSURE_S)))) * 0.2
    np.testing.assert_allclose(np.diff(stops).std(), step, rtol=0.3)
