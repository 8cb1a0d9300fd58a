"""Which house is blamed for what, and that the houses beside it are collected all the same."""

from collections import Counter

import pytest

from engine.collect.ledger import TRIES, Ledger
from engine.collect.part_maker import PartResult
from engine.collect.plan import HouseRef, plan_parts
from engine.store.errors import CollectError

HOUSES = [HouseRef(f"/h/{i}.json", f"digest-{i}", f"house-{i}") for i in range(9)]
FRAMES = 10


def _play(length, attempt):
    """Runs a plan over all houses; `attempt(task)` makes a result. Returns ledger and number of attempts."""
    tasks = plan_parts("eval", HOUSES, FRAMES, length, "c", [])
    ledger = Ledger("eval", "c", 0, FRAMES * len(HOUSES))
    queue, attempts = list(tasks), 0
    while queue:
        task = ledger.ready(queue.pop(0))
        if task is not None:
            attempts += 1
            queue += ledger.ended(task, attempt(task))
    ledger.bar.close()
    return ledger, attempts


def _made(task):
    return PartResult(task.name, task.frames, 1.0, bytes=100)


def _blaming(bad, known):
    """Parts with a bad house fail; whether it is known which house it was."""
    made = {}

    def attempt(task):
        held = [s.house.path for s in task.segments if s.house.path in bad]
        if held:
            return PartResult(task.name, 0, 1.0, "Traceback\nValueError: broken", held[0] if known else "")
        assert task.name not in made
        made[task.name] = task
        return _made(task)

    return attempt, made


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("length", [4, 25, 90])
@pytest.mark.parametrize("bad", [{"/h/3.json"}, {"/h/0.json", "/h/8.json"}, {h.path for h in HOUSES}])
def test_only_the_poison_houses_are_left_out(known, length, bad):
    attempt, made = _blaming(bad, known)
    ledger, attempts = _play(length, attempt)
    frames = [
        (s.house.path, f)
        for t in made.values()
        for s in t.segments
        for f in range(s.first, s.first + s.count)
    ]
    wanted = [(h.path, f) for h in HOUSES if h.path not in bad for f in range(FRAMES)]
    assert sorted(frames) == sorted(wanted)
    assert set(ledger.quarantine) == bad
    assert attempts < 60
    with pytest.raises(CollectError, match="broken") as caught:
        ledger.check()
    assert all(h in str(caught.value) for h in bad)


def test_failures_that_pass_are_forgotten():
    """Two in a row are forgiven: only three with no success between put a house away."""
    tries = Counter()

    def attempt(task):
        tries[task.name] += 1
        if tries[task.name] % TRIES:
            return PartResult(task.name, 0, 1.0, "flaky", task.segments[0].house.path)
        return _made(task)

    ledger, attempts = _play(FRAMES, attempt)
    assert not ledger.quarantine
    assert (len(ledger.made), attempts) == (9, 9 * TRIES)
    ledger.check()


def test_what_is_hopeless_ends_it_at_once():
    with pytest.raises(CollectError, match="run the same command again"):
        _play(10, lambda task: PartResult(task.name, 0, 1.0, "disk full", fatal=True))


def test_halves_have_names_of_their_own():
    attempt, made = _blaming({"/h/3.json"}, known=False)
    _play(90, attempt)
    assert len(made) > 1
    assert all(name.startswith("eval-") and name.endswith("-00000") for name in made)
