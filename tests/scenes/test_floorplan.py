"""Floor plans: every cell of the boundary in one room, rooms of the sizes asked for, walls that agree."""

import numpy as np
import pytest
import shapely

from scenes.generate.family import family_names, load_family
from scenes.generate.layout.boundary import draw_boundary
from scenes.generate.layout.cells import connected, to_bits
from scenes.generate.layout.floorplan import draw_plan_rooms
from scenes.generate.layout.room_growth import grow_rooms
from scenes.generate.layout.room_spec import draw_areas, draw_room_spec
from scenes.generate.random_numbers import uniform
from scenes.seeding import rng


@pytest.mark.parametrize("seed", range(20))
def test_rooms_fill_the_boundary(seed):
    stream = np.random.default_rng(seed)
    inside, stride = to_bits(draw_boundary(40, load_family("procthor"), stream))
    targets = [inside.bit_count() * share for share in (0.4, 0.3, 0.2, 0.1)]
    rooms = grow_rooms(inside, stride, targets, uniform(stream))
    assert rooms is not None
    assert sum(rooms) == inside  # disjoint, and all of it
    assert sum(room.bit_count() for room in rooms) == inside.bit_count()


def test_the_boundary_is_in_one_piece():
    family = load_family("procthor-heldout")
    for seed in range(100):
        assert connected(*to_bits(draw_boundary(30, family, np.random.default_rng(seed))))


@pytest.mark.parametrize("family", family_names())
def test_a_plan_holds_together(family):
    drawn = load_family(family)
    for seed in range(8):
        spec = draw_room_spec(drawn, rng(seed, "spec"))
        rooms = draw_plan_rooms(
            drawn, spec.rooms, draw_areas(drawn, spec.rooms, rng(seed, "a")), rng(seed, "p")
        )
        assert tuple(room.type for room in rooms) == spec.rooms
        shapes = [shapely.Polygon([side.p0 for side in room.sides]) for room in rooms]
        assert all(shape.is_valid for shape in shapes)
        for room, shape in zip(rooms, shapes, strict=True):
            assert shape.area == pytest.approx(room.area)
            assert not shapely.LinearRing(shape.exterior).is_ccw  # clockwise, as ProcTHOR's
        everything = shapely.union_all(shapes)
        assert everything.area == pytest.approx(sum(shape.area for shape in shapes))
        assert everything.geom_type == "Polygon"
        # what lies between two rooms is a wall of both
        shared = {
            (side.room, side.other, *sorted((side.p0, side.p1))) for room in rooms for side in room.sides
        }
        for room, other, start, end in shared:
            assert other is None or (other, room, start, end) in shared
