"""Planning a collection: every frame once, and again only what is missing."""

import pytest

from engine.collect.plan import HouseRef, check_distinct, part_length, plan_parts
from engine.store.manifest import Manifest

HOUSES = [HouseRef(f"/h/{i}.json", f"digest-{i}", f"house-{i}") for i in range(5)]


def _frames(tasks):
    return [(s.house.digest, f) for t in tasks for s in t.segments for f in range(s.first, s.first + s.count)]


def _written(task, config_hash="c"):
    """The manifest that making a part leaves, as far as planning reads it."""
    seeds = [{"house": s.house.digest, "first": s.first, "count": s.count, "seed": 0} for s in task.segments]
    return Manifest(
        part=task.name,
        role="eval",
        frames=task.frames,
        config_hash=config_hash,
        seeds=seeds,
        modalities=(),
        files={},
    )


def _plan(houses, frames, length, present=(), config_hash="c"):
    return plan_parts("eval", houses, frames, length, config_hash, present)


@pytest.mark.parametrize(("frames", "length"), [(10, 4), (10, 10), (10, 64), (3, 4), (7, 5)])
def test_parts_hold_every_frame_once(frames, length):
    tasks = _plan(HOUSES, frames, length)
    assert _frames(tasks) == [(h.digest, f) for h in HOUSES for f in range(frames)]
    assert [t.frames for t in tasks[:-1]] == [length] * (len(tasks) - 1)
    assert len({t.name for t in tasks}) == len(tasks)


def test_a_plan_is_a_function_of_the_request():
    assert _plan(HOUSES, 10, 8) == _plan(HOUSES, 10, 8)
    names = {t.name for t in _plan(HOUSES, 10, 8)}
    assert not names & {t.name for t in _plan(HOUSES, 10, 8, config_hash="other")}


def test_nothing_is_planned_twice():
    tasks = _plan(HOUSES, 10, 8)
    assert _plan(HOUSES, 10, 8, [_written(t) for t in tasks]) == []


@pytest.mark.parametrize("lost", [[0], [2, 3], [0, 1, 2, 3, 4, 5, 6], [6]])
def test_after_a_crash_the_missing_parts_come_out_as_they_would_have(lost):
    tasks = _plan(HOUSES, 10, 8)
    there = [_written(t) for i, t in enumerate(tasks) if i not in lost]
    assert _plan(HOUSES, 10, 8, there) == [tasks[i] for i in lost]


def test_more_houses_and_more_frames_add_only_what_is_missing():
    small = _plan(HOUSES[:3], 10, 8)
    present = [_written(t) for t in small]
    houses = _plan(HOUSES, 10, 8, present)
    assert sorted(_frames(small + houses)) == sorted(_frames(_plan(HOUSES, 10, 8)))
    frames = _plan(HOUSES[:3], 25, 8, present)
    assert sorted(_frames(small + frames)) == sorted(_frames(_plan(HOUSES[:3], 25, 8)))
    # A crash in the middle of that addition: the rest of it comes out the same.
    assert _plan(HOUSES[:3], 25, 8, [*present, *map(_written, frames[::2])]) == frames[1::2]


def test_other_settings_do_not_count_as_present():
    tasks = _plan(HOUSES, 10, 8)
    assert _plan(HOUSES, 10, 8, [_written(t, "other") for t in tasks]) == tasks


def test_part_lengths_give_actors_work():
    assert part_length(100_000, 2048, 16) == 2048
    assert part_length(4000, 2048, 16) == 256
    assert part_length(50, 2048, 16) == 128


def test_houses_given_twice_are_refused():
    with pytest.raises(ValueError, match="the same house"):
        check_distinct([HOUSES[0], HouseRef("/elsewhere.json", "digest-0", "house-0")])
    with pytest.raises(ValueError, match="both called 'house-0'"):
        check_distinct([HOUSES[0], HouseRef("/elsewhere.json", "digest-9", "house-0")])
    with pytest.raises(ValueError, match=r"/h/0\.json and /elsewhere\.json are the same house"):
        check_distinct([HOUSES[0], HouseRef("/elsewhere.json", "digest-0", "house-9")])
