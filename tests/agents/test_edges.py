"""Canny edges of frames."""

import cv2
import numpy as np

from agents.cameras import Cameras
from agents.edges import HIGH, LOW, canny_edges
from agents.raycast.simulator import RaycastSimulator
from tests.agents.rooms_by_hand import THING, Material, cube, placed, pose, room


def test_a_step_is_an_edge_where_it_is_steep_enough() -> None:
    frames = np.full((3, 32, 32, 3), 100, np.uint8)
    frames[1, :, 16:] += 60
    frames[2, :, 16:] += 5  # Sobel's answer to a step of 5 is 20, under LOW
    edges = canny_edges(frames)
    assert set(np.unique(edges)) == {0, 255}
    assert not edges[0].any()
    assert not edges[2].any()
    columns = np.nonzero(edges[1].any(0))[0]
    assert len(columns) in (1, 2)
    assert set(columns) <= {15, 16}
    assert LOW * 3 == HIGH


def test_each_frame_is_opencvs_canny_of_its_grey() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), dtype=np.uint8)
    expected = [cv2.Canny(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), 50, 150) for f in frames]
    np.testing.assert_array_equal(canny_edges(frames), expected)


def test_a_things_outline_is_among_the_edges_of_its_picture() -> None:
    dark = cube("dark", Material("dark", (0.05, 0.05, 0.05)))
    simulator = RaycastSimulator()
    simulator.load(room(extra_meshes=(dark,), extra=(placed("t", 1, (1.5, 0.8, 1), (1, 1, 0.3), THING, 9),)))
    view = Cameras.same(pose((2, 1.25, 4), (1, 0, 0), (0, -1, 0))[None], 70.0, 96, 96)
    frames = simulator.render(view, ["edges", "instance"])
    thing = (frames["instance"][0] == 9).astype(np.uint8)
    outline = cv2.morphologyEx(thing, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    near = cv2.dilate(frames["edges"][0], np.ones((3, 3), np.uint8)) > 0
    assert (near & outline).sum() > 0.9 * outline.sum()
