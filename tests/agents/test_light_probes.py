"""Light probes: how many a space gets, and that none brings light from outdoors."""

from dataclasses import replace

import numpy as np

from agents.raycast.device_scene import DeviceScene
from agents.raycast.light_probes import MAX_DISTANCE_CELLS, MAX_PROBES, PROBE_SPACING, bake
from scenes.meshes.geometry import FloorRegion, SceneGeometry
from tests.agents.rooms_by_hand import CEILING, FLOOR, WALL, placed, room


def test_work_is_bounded_by_volume_and_small_rooms_are_as_fine_as_ever() -> None:
    small, large = (bake(DeviceScene(room(size), "cpu")).rooms for size in ((4, 2.5, 6), (40, 2.5, 40)))
    assert small.step.numpy()[0, [0, 2]].max() <= PROBE_SPACING
    assert large.step.numpy()[0, [0, 2]].min() > PROBE_SPACING
    assert 0.7 * MAX_PROBES < len(large.ambient) <= MAX_PROBES
    assert 0.9 * MAX_DISTANCE_CELLS < large.distance_field.size < 1.3 * MAX_DISTANCE_CELLS


def dark_l_shape(x: float) -> SceneGeometry:
    """A closed L-shaped room, no lamp, a bright sky; outdoors begins east of `x` and north of z = 3 [m]."""
    low, high, t, h = (-0.1, 8.1), (-0.1, 6.1), 0.1, 2.5
    slabs = (
        ("floor", FLOOR, (low[0], -t, high[0]), (8.2, t, 6.2)),
        ("west part's ceiling", CEILING, (low[0], h, high[0]), (x + 2 * t, t, 6.2)),
        ("south part's ceiling", CEILING, (low[0], h, 2.9), (8.2, t, 3.2)),
        ("west", WALL, (-t, 0, -t), (t, h, 6.2)),
        ("south", WALL, (-t, 0, 6), (8.2, h, t)),
        ("east", WALL, (8, 0, 2.9), (t, h, 3.2)),
        ("north of the south part", WALL, (x, 0, 2.9), (8.1 - x, h, t)),
        ("east of the west part", WALL, (x, 0, -t), (t, h, 3.1)),
        ("north", WALL, (-t, 0, -t), (x + 2 * t, h, t)),
    )
    corners = [(0, 0), (x, 0), (x, 3), (8, 3), (8, 6), (0, 6)]
    return replace(
        room(lights=()),
        instances=tuple(
            placed(name, 0, at, size, label, k) for k, (name, label, at, size) in enumerate(slabs, 1)
        ),
        floor=(FloorRegion("room|1", "Bedroom", np.array(corners, float), 0.0, h),),
    )


def test_a_probe_just_outdoors_brings_no_light_in() -> None:
    step = (8 - 0.6) / 9  # of the grid over the bounding box
    behind_the_wall = dark_l_shape(0.3 + 5 * step - 0.13)  # 3 cm beyond the wall, which is 10 cm thick
    assert bake(DeviceScene(behind_the_wall, "cpu")).rooms.ambient.numpy().max() < 1e-3
