"""Runs of modality generalization: what they learn, what they see, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.array_shapes import unchecked
from training.generalization.selection import SELECTORS, ranked
from training.generalization.trial import Items, ModalityFeatures, Trial, held_out_sets

WIDTH, CLASSES = 16, 3


def items(count: int = 240, modalities: int = 3, own: bool = False) -> Items:
    """Classes around places that all modalities share, a sixth for validation and a third for the test; own
    features are of other places and say nothing that joint ones teach."""
    random = np.random.default_rng(0)
    places, elsewhere = random.normal(size=(2, CLASSES, WIDTH))
    labels = random.permutation(np.arange(count) % CLASSES)

    def around(middle: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(middle[labels] + 0.2 * random.normal(size=(count, WIDTH))).float()

    features = tuple(
        ModalityFeatures(around(places), around(elsewhere) if own else None) for _ in range(modalities)
    )
    part = torch.arange(count) % 6
    return Items(features, torch.from_numpy(labels), CLASSES, part == 0, part % 3 == 1)


FAST: dict[str, Any] = {"steps": 12, "every": 5, "high_rate": True}
LONG: dict[str, Any] = {"steps": 400, "every": 399, "high_rate": True}
"""Enough to learn the classes."""


@pytest.mark.parametrize("name", ["ERM", "Mixup", "Concat", "LFM"])
def test_a_run_judges_all_modalities_and_repeats_to_the_bit(name):
    trial = Trial(name, (2,), **FAST)
    found = trial.run(items())
    assert [c.step for c in found] == [0, 5, 10, 11]
    assert {len(part) for c in found for part in (c.trained, c.validated, c.tested)} == {3}
    assert trial.run(items()) == found
    assert replace(trial, seed=1).run(items()) != found


@pytest.mark.parametrize("name", ["ERM", "Concat"])
def test_what_holds_in_all_modalities_is_learned_for_one_never_seen(name):
    first, last = Trial(name, (2,), **LONG).run(items())
    assert first.tested[2] < 0.7
    assert last.tested[2] > 0.9


def test_a_held_out_modality_is_not_trained_on():
    whole = items()
    for name in ("ERM", "Concat"):
        other = ModalityFeatures(torch.full_like(whole.modalities[2].joint, torch.nan))
        blind = replace(whole, modalities=(*whole.modalities[:2], other))
        trial = Trial(name, (2,), **FAST)
        assert [c.validated[:2] for c in trial.run(blind)] == [c.validated[:2] for c in trial.run(whole)]


def test_neither_validation_nor_test_items_are_trained_on():
    whole = items()
    spoilt = ~whole.trains[:, None]
    altered = tuple(ModalityFeatures(m.joint.masked_fill(spoilt, torch.nan)) for m in whole.modalities)
    trial = Trial("ERM", (2,), **FAST)
    found = trial.run(replace(whole, modalities=altered))
    assert [c.trained for c in found] == [c.trained for c in trial.run(whole)]


def test_strong_setting_validates_by_what_was_trained_on_unless_as_published():
    strong = items(own=True)
    repaired, published = (Trial("ERM", (2,), as_published=p, **LONG).run(strong)[-1] for p in (False, True))
    assert min(repaired.validated[:2]) > 0.9
    assert max(published.validated[:2]) < 0.9
    assert repaired.tested[2] == published.tested[2]


def test_a_search_with_pairs_has_a_choice_for_every_selector():
    whole = items()
    runs = [
        Trial("ERM", held_out, search, **FAST)
        for search in (0, 1)
        for held_out in held_out_sets(3, 1, pairs=True)
    ]
    assert {run.held_out for run in runs} == {(1,), (1, 0), (1, 2)}
    checkpoints = [c for run in runs for c in run.run(whole)]
    for name in SELECTORS:
        assert {choice.search for choice in ranked(name, checkpoints, 1)} == {0, 1}, name
    assert held_out_sets(3, 1, pairs=False) == [(1,)]


def test_what_does_not_fit_is_refused():
    whole = items()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"labels": whole.labels[1:]}, "another number of items"),
        ({"labels": whole.labels - 1}, "leave out items without one"),
        ({"tests": whole.validates}, "an item validates and tests"),
        ({"tests": torch.zeros_like(whole.tests)}, "need one item at least"),
    ]
    for fields, message in wrong:
        with unchecked(), pytest.raises(ValueError, match=message):
            replace(whole, **fields)
    with pytest.raises(ValueError, match="steps of 32 items, where 12 are trained on"):
        Trial("ERM", (2,)).run(items(24))
    with pytest.raises(ValueError, match="unknown algorithm 'DANN'"):
        Trial("DANN", (2,)).run(whole)
