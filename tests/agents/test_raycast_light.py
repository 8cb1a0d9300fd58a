"""What colour things have: lamps, shadows, glass, sky, textures, light from a wall to another."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from agents.cameras import Cameras
from agents.raycast.device_textures import mip_levels
from agents.raycast.simulator import RaycastConfig, RaycastSimulator
from scenes.meshes.geometry import Light, Material, SceneGeometry
from tests.agents.rooms_by_hand import PANE, THING, WHITE, cube, placed, pose, room
from tests.array_shapes import unchecked

NORTHWARD = pose((2, 1.25, 5), (1, 0, 0), (0, -1, 0))
DOWN = pose((2.0, 2.3, 3.0), (1, 0, 0), (0, 0, 1))  # from under the ceiling, north at the top
LAMP = Light("point", (3.0, 3.0, 3.0), position=(2.0, 2.2, 3.0), range=15.0)


def see(
    space: SceneGeometry, view: np.ndarray, size: int = 64, config: RaycastConfig | None = None
) -> np.ndarray:
    """Linear-ish brightness is not needed: sRGB as int, [h, w, 3]."""
    simulator = RaycastSimulator(config=config)
    simulator.load(space)
    return simulator.render(Cameras.same(view[None], 90.0, size, size), ["rgb"])["rgb"][0].astype(int)


def test_a_table_casts_a_shadow() -> None:
    # A slab between lamp and floor, seen from the side: the floor below it is darker than without shadows.
    slab = placed("slab", 1, (1.5, 1.0, 1.2), (1.0, 0.05, 1.0), THING, 9)
    lamp = replace(LAMP, position=(2.0, 2.2, 1.7))
    space = room(extra_meshes=(cube("slab"),), extra=(slab,), lights=(lamp,))
    below = pose((2.0, 0.6, 4.0), (1, 0, 0), (0, -1, 0))
    shaded = see(space, below)
    unshaded = see(space, below, config=RaycastConfig(shadows=False))
    under = np.s_[41:46, 28:36]  # floor from z = 2.6 to 2.0, under the slab and a little before
    assert (shaded[under] < unshaded[under] - 25).all()
    assert shaded[under].min() > 10  # light that has bounced still gets there


def test_light_fades_with_distance_and_ends_at_its_range() -> None:
    near, far = (see(room(lights=(replace(LAMP, position=(2, 1.2, z)),)), DOWN)[4, 32, 1] for z in (1.5, 5.5))
    assert near > far + 15
    # A red lamp that ends before it reaches anything might as well not be there.
    red = replace(LAMP, color=(9.0, 0.0, 0.0), position=(1.0, 1.0, 1.0), range=0.5)
    alone = see(room(lights=(LAMP,)), NORTHWARD)
    np.testing.assert_array_equal(see(room(lights=(LAMP, red)), NORTHWARD), alone)
    reached = see(room(lights=(LAMP, replace(red, range=15.0))), NORTHWARD)
    assert (reached[..., 0] > reached[..., 1] + 10).mean() > 0.9


def test_a_spot_lights_its_cone_alone() -> None:
    spot = Light("spot", (6.0, 6.0, 6.0), position=(2, 2.4, 3), direction=(0, -1, 0), range=10, spot_angle=40)
    picture = see(room(lights=(spot,)), DOWN)
    assert picture[32, 32].min() > picture[32, 2].max() + 40


def test_the_sun_falls_through_an_opening_and_not_through_a_roof() -> None:
    sun = Light("directional", (2.0, 2.0, 2.0), direction=(0.0, -1.0, 0.0))
    closed = see(room(lights=(sun,)), NORTHWARD)
    opened = see(room(lights=(sun,), without=("ceiling",)), NORTHWARD)
    assert closed.max() < 5  # a sealed room, no lamp: black
    assert opened[60, 32].min() > 100  # floor


def test_a_lamp_in_the_next_room_lights_nothing_here() -> None:
    outside = replace(LAMP, position=(2.0, 1.2, -3.0))
    assert see(room(lights=(outside,)), NORTHWARD).max() < 5


def test_things_that_shine_are_seen_and_light_the_room() -> None:
    lamp = Material("glow", (0.5, 0.5, 0.5), emission=(4.0, 1.0, 1.0))
    shining = placed("lamp", 1, (1.7, 0.9, 1.0), (0.6, 0.6, 0.6), THING, 9)
    picture = see(room(extra_meshes=(cube("glow", lamp),), extra=(shining,), lights=()), NORTHWARD)
    assert picture[32, 32, 0] == 255
    corner = picture[2:6, 2:6].reshape(-1, 3)
    assert (corner[:, 0] > corner[:, 2] + 10).all()  # its red light on a white wall


def test_colour_bleeds_from_wall_to_wall() -> None:
    red = Material("red", (0.9, 0.05, 0.05))
    carpet = placed("carpet", 1, (0, 0, 0), (4, 0.02, 6), THING, 9)
    plain = see(room(lights=(LAMP,)), NORTHWARD)
    bled = see(room(extra_meshes=(cube("red", red),), extra=(carpet,), lights=(LAMP,)), NORTHWARD)
    wall = np.s_[30:36, 20:44]
    ratio = [(p[wall][..., 0] / p[wall][..., 2]).mean() for p in (plain, bled)]
    assert ratio[1] > ratio[0] * 1.05


def test_corners_are_darker_than_open_wall() -> None:
    # Light that comes from all sides alike: only nearness of surfaces can darken.
    picture = see(room(lights=(replace(LAMP, shadows=False),)), NORTHWARD, size=128)
    rows = picture[:, 64, 1]
    wall_to_floor = int(np.argmin(rows[70:100])) + 70
    assert rows[wall_to_floor] < rows[64] - 15


class TestGlass:
    @staticmethod
    def space(**arguments: Any) -> SceneGeometry:
        green = Material("glass", (0.3, 1.0, 0.3), opacity=0.2)
        pane = placed("pane", 1, (1.0, 0.25, 2.0), (2.0, 2.0, 0.02), PANE, 11)
        return room(extra_meshes=(cube("glass", green),), extra=(pane,), **arguments)

    def frames(self, **arguments: object) -> dict[str, np.ndarray]:
        simulator = RaycastSimulator()
        simulator.load(self.space(**arguments))
        cameras = Cameras.same(NORTHWARD[None], 90.0, 64, 64)
        return {
            k: v[0] for k, v in simulator.render(cameras, ["rgb", "depth", "semantic", "instance"]).items()
        }

    def test_one_sees_and_measures_through_it(self) -> None:
        frames = self.frames()
        assert frames["depth"][32, 32] == 5000
        assert frames["instance"][32, 32] == 5
        assert PANE not in frames["semantic"]

    def test_it_tints(self) -> None:
        through = self.frames()["rgb"][32, 32].astype(int)
        clear = see(room(), NORTHWARD)[32, 32]
        assert abs(clear[1] - clear[0]) < 5
        assert through[1] > through[0] + 30

    def test_on_the_sky_it_is_what_is_there(self) -> None:
        frames = self.frames(without=("north",))
        assert frames["semantic"][32, 32] == PANE
        assert frames["instance"][32, 32] == 11
        assert frames["depth"][32, 32] == pytest.approx(5000 - 2020, abs=1)

    def test_light_passes_it(self) -> None:
        lamp = replace(LAMP, position=(2.0, 1.25, 1.0))
        behind = pose((2.0, 0.5, 5.0), (1, 0, 0), (0, -1, 0))
        lit = see(self.space(lights=(lamp,)), behind)
        wood = placed("board", 1, (1.0, 0.25, 2.0), (2.0, 2.0, 0.02), THING, 11)
        dark = see(room(extra_meshes=(cube("board"),), extra=(wood,), lights=(lamp,)), behind)
        assert lit[56, 32, 1] > dark[56, 32, 1] + 10


def test_the_sky_is_blue_above_and_not_below() -> None:
    hole = room(without=("north", "ceiling", "floor", "east", "west", "south"), lights=())
    up = pose((2, 1, 3), (1, 0, 0), (0, 0, 1))
    up[:3, :3] = up[:3, :3] @ np.diag([1, -1, -1])  # turned over, it looks at the zenith
    zenith = see(hole, up)[32, 32]
    ground = see(hole, DOWN)[32, 32]
    assert zenith[2] > zenith[0] + 20
    assert abs(ground[2] - ground[0]) < 30


def test_texture_lies_with_its_top_up_and_repeats() -> None:
    quarters = np.zeros((64, 64, 3), np.uint8)
    quarters[:32, :32] = 255, 0, 0  # top left
    quarters[:32, 32:] = 0, 255, 0
    quarters[32:, :32] = 0, 0, 255
    quarters[32:, 32:] = 255, 255, 0
    poster = placed("poster", 1, (1.0, 0.25, 0.0), (2.0, 2.0, 0.05), THING, 9)
    space = room(
        extra_meshes=(cube("poster", Material("q", texture=quarters)),), extra=(poster,), lights=(LAMP,)
    )
    near = pose((2, 1.25, 1.5), (1, 0, 0), (0, -1, 0))
    picture = see(space, near)
    top_left, top_right, low_left, low_right = (picture[r, c] for r in (22, 42) for c in (22, 42))
    assert top_left.argmax() == 0
    assert top_right.argmax() == 1
    assert low_left.argmax() == 2
    assert low_right[2] < low_right[:2].min() - 40


def test_distant_texture_is_its_mean_and_not_noise() -> None:
    fine = np.zeros((256, 256, 3), np.uint8)
    fine[::2] = 255  # lines finer than any pixel will be
    board = placed("board", 1, (1.0, 0.25, 0.0), (2.0, 2.0, 0.05), THING, 9)
    space = room(
        extra_meshes=(cube("board", Material("fine", texture=fine)),), extra=(board,), lights=(LAMP,)
    )
    picture = see(space, NORTHWARD, config=RaycastConfig(samples=1))[28:36, 28:36, 1]
    assert picture.std() < 4
    assert 60 < picture.mean() < 235


def test_mip_levels_end_in_the_mean_of_linear_light() -> None:
    half = np.zeros((8, 4, 3), np.uint8)
    half[:4] = 255
    levels = mip_levels(half)
    assert [level.shape[:2] for level in levels] == [(8, 4), (4, 2), (2, 1), (1, 1)]
    assert levels[-1][0, 0, 0] == 188  # sRGB of half the light
    assert max(mip_levels(np.zeros((3000, 10, 3), np.uint8))[0].shape) == 1024
    with unchecked(), pytest.raises(ValueError, match="uint8"):
        mip_levels(np.zeros((4, 4), np.uint8))


def test_more_samples_soften_edges_and_leave_labels() -> None:
    thing = placed("box", 1, (1.5, 0, 1), (1, 1, 1), THING, 9, turn=0.3)
    dark = cube("dark", Material("dark", (0.1, 0.1, 0.1)))
    space = room(extra_meshes=(dark,), extra=(thing,), lights=(LAMP,))
    frames = []
    for samples in (1, 16):
        simulator = RaycastSimulator(config=RaycastConfig(samples=samples))
        simulator.load(space)
        frames.append(
            simulator.render(Cameras.same(NORTHWARD[None], 90.0, 64, 64), ["rgb", "instance", "depth"])
        )
    for name in ("instance", "depth"):
        np.testing.assert_array_equal(frames[0][name], frames[1][name])
    shades = [len(np.unique(f["rgb"][0][28:42, 20:44, 1])) for f in frames]
    assert shades[1] > shades[0]
    with pytest.raises(ValueError, match="square number"):
        RaycastSimulator(config=RaycastConfig(samples=3))


def test_edge_samples_soften_edges_and_touch_nothing_else() -> None:
    thing = placed("box", 1, (1.5, 0, 1), (1, 1, 1), THING, 9, turn=0.3)
    dark = cube("dark", Material("dark", (0.1, 0.1, 0.1)))
    space = room(extra_meshes=(dark,), extra=(thing,), lights=(LAMP,))
    frames = []
    for edge_samples in (0, 9):
        simulator = RaycastSimulator(config=RaycastConfig(samples=1, edge_samples=edge_samples))
        simulator.load(space)
        names = ["rgb", "depth", "normals", "semantic", "instance"]
        frames.append(simulator.render(Cameras.same(NORTHWARD[None], 90.0, 64, 64), names))
    one, nine = frames
    for name in ("depth", "normals", "semantic", "instance"):
        np.testing.assert_array_equal(one[name], nine[name])
    changed = (one["rgb"] != nine["rgb"]).any(-1)[0]
    thing_at = one["instance"][0] == 9
    outline = ndimage.binary_dilation(thing_at) & ~ndimage.binary_erosion(thing_at)
    assert changed[outline].mean() > 0.3
    assert not changed[ndimage.binary_erosion(thing_at, iterations=8)].any()
    assert changed.mean() < 0.35


def test_many_rays_to_a_lamp_make_its_shadows_soft() -> None:
    # From just under a small slab one looks at the floor and the slab's shadow on it, 0.75 m to each side.
    slab = placed("slab", 1, (1.7, 1.3, 2.7), (0.6, 0.05, 0.6), THING, 9)
    space = room(extra_meshes=(cube("slab"),), extra=(slab,))
    under = pose((2.0, 1.2, 3.0), (1, 0, 0), (0, 0, 1))
    rows = [see(space, under, 128, RaycastConfig(samples=1, lamp_rays=n))[64, :, 1] for n in (1, 16)]
    sharp, soft = (np.abs(np.diff(row)) for row in rows)
    assert sharp.max() > 25  # one step from shadow to light
    assert soft.max() < 0.6 * sharp.max()
    # What both see in the dark and in the open is the same.
    np.testing.assert_array_equal(rows[0][60:68], rows[1][60:68])
    np.testing.assert_array_equal(rows[0][:8], rows[1][:8])


def test_exposure_follows_the_room() -> None:
    bright, dim = (see(room(lights=(replace(LAMP, color=(c, c, c)),)), NORTHWARD).mean() for c in (8.0, 0.8))
    assert abs(bright - dim) < 12
    assert see(room(), NORTHWARD, config=RaycastConfig(exposure=0.25)).mean() < bright - 40


def test_surface_white_is_the_default_of_these_rooms() -> None:
    assert room().meshes[0].materials == (WHITE,)
