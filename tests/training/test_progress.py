"""What a training loop says of itself is the same whether it was killed on its way or not."""

import json

import pytest

from training.common.progress import Progress


def run(progress: Progress, until: int) -> Progress:
    for step in progress.loop("test", quiet=True):
        losses = {"total": 1.0 / (1 + step)} | ({"extra": float(step)} if step % 3 == 0 else {})
        progress.add(losses)
        if progress.done == until:
            break
    return progress


@pytest.mark.parametrize("killed", [1, 4, 7, 10])
def test_a_loop_that_goes_on_has_the_curve_of_one_that_ran_through(killed: int):
    whole = run(Progress(11, points=4), 11)
    facts = json.loads(json.dumps(run(Progress(11, points=4), killed).facts()))
    again = Progress(11, points=4)
    again.restore(facts)
    assert run(again, 11).curve == whole.curve
    assert again.losses == whole.losses
    assert again.fresh == 11 - killed
    assert again.seconds >= facts["seconds"]
    assert again.cpu_seconds >= facts["cpu_seconds"]


def test_points_are_means_since_the_one_before_and_the_last_is_at_the_end():
    progress = run(Progress(5, points=2), 5)
    assert progress.curve == [[2, (1 + 1 / 2) / 2], [4, pytest.approx((1 / 3 + 1 / 4) / 2)], [5, 1 / 5]]
    assert run(Progress(4, points=1), 4).losses["extra"] == 1.5  # over the steps that have it: 0 and 3
    metrics = progress.metrics(batch=8)
    assert (metrics["steps"], metrics["loss"]) == (5, 1 / 5)
    assert metrics["samples_per_second"] > 0


def test_checkpoints_are_due_every_so_often_and_not_at_the_end():
    progress = Progress(6)
    due = []
    for _ in progress.loop("test", quiet=True):
        progress.add({"total": 0.0})
        due.append(progress.checkpoint_due(2))
    assert due == [False, True, False, True, False, False]
