"""Noise of sensors: off by default, as large as its sources say, the same for the same generator."""

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.edges import canny_edges
from agents.noise.depth import BASELINE, FOCAL, STEPS, in_shadow, incidence, kinect, lidar
from agents.noise.noise import NoiseConfig, add_noise
from agents.noise.rgb import line_kernel, motion_blurred, with_exposure, with_sensor_noise
from agents.raycast.simulator import RaycastSimulator
from tests.agents.rooms_by_hand import pose, room

LENS = np.array([100.0, 100.0, 80.0, 60.0], np.float32)
SHAPE = (120, 160)
GREY = np.full((*SHAPE, 3), 118, np.uint8)


def flat(metres: float) -> np.ndarray:
    return np.full(SHAPE, round(metres * 1000), np.uint16)


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(s) for s in seeds]


def frames() -> dict[str, np.ndarray]:
    simulator = RaycastSimulator()
    simulator.load(room())
    poses = np.stack([pose((2, 1.25, z), (1, 0, 0), (0, -1, 0)) for z in (5, 4)])
    names = ["rgb", "depth", "normals", "edges", "pose", "intrinsics"]
    return simulator.render(Cameras.same(poses, 90.0, 64, 64), names)


def test_none_by_default() -> None:
    clean = frames()
    noisy = add_noise(clean, NoiseConfig(), generators(0, 1))
    assert NoiseConfig().description == ""
    for name, values in clean.items():
        np.testing.assert_array_equal(noisy[name], values)


def test_a_frames_noise_is_its_generators_and_edges_are_of_the_noisy_picture() -> None:
    clean = frames()
    config = NoiseConfig(depth="kinect", exposure_stops=0.5, grain=0.05, blur=0.02)
    both = add_noise(clean, config, generators(3, 4))
    second = add_noise({k: v[1:] for k, v in clean.items()}, config, generators(4))
    for name in clean:
        np.testing.assert_array_equal(both[name][1:], second[name])
    np.testing.assert_array_equal(both["edges"], canny_edges(both["rgb"]))
    for name in ("normals", "pose", "intrinsics"):
        np.testing.assert_array_equal(both[name], clean[name])
    for name in ("rgb", "depth"):
        assert (both[name] != clean[name]).mean() > 0.5
    # What one sensor is given does not change another.
    alone = add_noise(clean, NoiseConfig(depth="kinect"), generators(3, 4))
    np.testing.assert_array_equal(alone["depth"], both["depth"])
    np.testing.assert_array_equal(alone["rgb"], clean["rgb"])
    assert config.description == "depth kinect, exposure_stops 0.5, grain 0.05, blur 0.02"


@pytest.mark.parametrize("metres", [1.0, 2.0, 4.0])
def test_kinects_error_grows_with_the_square_of_distance(metres: float) -> None:
    noisy = kinect(flat(metres), LENS, np.random.default_rng(0)).astype(float) / 1000
    got = noisy[noisy > 0]
    step = metres**2 / (STEPS * FOCAL * BASELINE)
    axial = 0.0012 + 0.0019 * (metres - 0.4) ** 2
    assert got.std() == pytest.approx(np.hypot(axial, step / 12**0.5), rel=0.25)
    assert got.mean() == pytest.approx(metres, abs=0.002 * metres)
    disparity = STEPS * FOCAL * BASELINE / got
    np.testing.assert_allclose(disparity, np.round(disparity), atol=0.0006 * disparity.max() / metres)


def test_kinect_is_blind_near_far_beside_and_at_a_slant() -> None:
    rng = np.random.default_rng(0)
    assert not kinect(flat(0.3), LENS, rng).any()
    assert not kinect(flat(7.0), LENS, rng).any()
    assert not kinect(flat(0), LENS, rng).any()
    board = flat(4.0)
    board[:, 80:] = 1000
    shadow = in_shadow(board, LENS)
    assert shadow[:, 75:80].all()  # 7.5 px of disparity at 1 m less 1.9 px at 4 m
    assert not shadow[:, :73].any()
    assert not shadow[:, 80:].any()
    y = np.arange(SHAPE[0]) + 0.5 - LENS[3]
    ground = np.where(y > 0, np.clip(0.3 * 100 / np.maximum(y, 0.01), 0, 60), 60)[:, None] * np.ones(SHAPE)
    angle = incidence((ground * 1000).astype(np.uint16), LENS)
    expected = np.pi / 2 - np.arctan(y[100] / 100)
    assert angle[100, 80] == pytest.approx(expected, abs=0.02)
    assert not kinect((ground * 1000).astype(np.uint16), LENS, rng)[70].any()  # 84 degrees


def test_lidar_loses_what_is_far_and_keeps_the_rest_to_centimetres() -> None:
    noisy = lidar(flat(3.0), LENS, np.random.default_rng(0))
    centre = noisy[50:70, 70:90].astype(float)
    assert (centre == 0).mean() < 0.03
    assert centre[centre > 0].std() == pytest.approx(16, rel=0.25)
    assert (lidar(flat(20.0), LENS, np.random.default_rng(0)) == 0).all()


def test_exposure_and_grain_have_their_size() -> None:
    means = [with_exposure(GREY, 0.5, g).mean() for g in generators(*range(200))]
    assert np.std(means) > 10
    grain = with_sensor_noise(GREY, 0.05, np.random.default_rng(0)).astype(float)
    assert abs(grain.mean() - 118) < 3
    dark = with_sensor_noise(GREY // 8, 0.05, np.random.default_rng(0))
    assert grain.std() > 10
    assert dark.std() > 5


def test_motion_blurs_along_a_line_and_keeps_the_light() -> None:
    kernel = line_kernel(9.0, 0.0)
    assert kernel.sum() == pytest.approx(1)
    assert (kernel > 0.02).sum(1).max() >= 9
    assert kernel[np.arange(len(kernel)) != len(kernel) // 2].sum() == pytest.approx(0, abs=1e-6)
    assert line_kernel(0.0, 0.0).shape == (1, 1)
    stripes = GREY.copy()
    stripes[:, ::8] = 255
    blurred = motion_blurred(stripes, 0.05, np.random.default_rng(1))
    assert blurred.std() < stripes.std()
    np.testing.assert_array_equal(motion_blurred(GREY, 0.05, np.random.default_rng(1)), GREY)
