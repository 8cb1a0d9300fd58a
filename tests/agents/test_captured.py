"""Scans are shown as they were captured: their bytes, whatever lamps or exposure would make of them."""

from dataclasses import replace

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.raycast.device_meshes import CachedMesh, MeshCache
from agents.raycast.simulator import RaycastSimulator
from scenes.meshes.geometry import Material, Mesh
from tests.agents.rooms_by_hand import PANE, THING, cube, placed, pose, room
from tests.array_shapes import unchecked

AHEAD = pose((2.0, 1.25, 5.0), (1, 0, 0), (0, -1, 0))  # along -z, at the box in the middle of the room
CAMERAS = Cameras.same(AHEAD[None], 30.0, 24, 24)


def _coloured(key: str, colors: np.ndarray, *materials: Material) -> Mesh:
    return replace(cube(key, *materials), colors=colors)


def _rgb(*boxes: Mesh, captured: bool = True, **kinds) -> np.ndarray:
    """The picture's middle, boxes one behind the other, the first in front."""
    things = tuple(
        placed(f"b{k}", 1 + k, (0.0, 0.0, 3.0 - k), (4.0, 2.5, 0.2), PANE if k else THING, 7 + k)
        for k in range(len(boxes))
    )
    space = replace(room(extra_meshes=boxes, extra=things), captured=captured)
    simulator = RaycastSimulator()
    simulator.load(space)
    return simulator.render(CAMERAS, ["rgb"])["rgb"][0]


def test_a_colour_is_shown_to_the_byte():
    for colour in ((3, 90, 250), (255, 255, 255), (0, 0, 0), (128, 7, 64)):
        colors = np.tile(np.uint8(colour), (24, 1))
        seen = _rgb(_coloured(f"plain {colour}", colors, Material("captured")))
        np.testing.assert_array_equal(seen, np.broadcast_to(colour, seen.shape))


def test_between_vertices_colours_run_on():
    """Black below, white above; the middle is half the light, not half the byte."""
    heights = cube("x").vertices[:, 1:2]
    seen = _rgb(_coloured("ramp", (heights * 255).astype(np.uint8).repeat(3, 1), Material("captured")))
    column = seen[:, 12, 0].astype(int)
    assert (np.diff(column) < 0).all()
    assert abs(column[11:13].mean() - 188) <= 2


def test_lit_spaces_may_have_vertex_colours_too():
    red = _coloured("lit red", np.tile(np.uint8([255, 0, 0]), (24, 1)), Material("white"))
    seen = _rgb(red, captured=False).astype(int)
    assert (seen[..., 0] > seen[..., 1] + 40).all()


def test_glass_lets_what_is_behind_through():
    pane = _coloured("blue pane", np.tile(np.uint8([0, 0, 255]), (24, 1)), Material("glass", opacity=0.5))
    wall = _coloured("wall behind", np.tile(np.uint8([255, 0, 0]), (24, 1)), Material("captured"))
    middle = _rgb(pane, wall)[12, 12].astype(int)
    # The pane's two faces: a quarter of the red light is left, three quarters are the pane's blue.
    assert np.abs(middle - (137, 0, 225)).max() <= 2


def test_colours_must_go_with_vertices():
    with unchecked(), pytest.raises(ValueError, match="colors are uint8"):
        CachedMesh(_coloured("bad", np.zeros((3, 3), np.uint8)), "cpu", MeshCache("cpu")._textures)
