"""Algorithms that take their steps together: each takes the step that it would take by itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.test_generalization_trial import FAST, items
from training.generalization.algorithm import Algorithm, Batch, Draws, Setting
from training.generalization.algorithms.erm_plus_plus import ErmPlusPlus
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm
from training.generalization.hyperparameters import values
from training.generalization.stacked import Stacked
from training.generalization.trial import Trial, run_together

WIDTH, CLASSES, ITEMS, COUNT, STEPS = 16, 3, 16, 3, 6
SWITCH = {
    "irm_penalty_anneal_iters": 3,
    "ib_penalty_anneal_iters": 3,
    "eqrm_burnin_iters": 2.5,
    "linear_steps": 2,
    "mlp_dropout": 0.2,
    "grad_penalty": 0.5,
    "mlp_width": 16,
}
"""What changes in the course of a run does so within a few steps."""


def build(name: str, seed: int, published: bool = False, **extra: Any) -> Algorithm:
    table = ALGORITHMS[name].hyperparameters
    hyper = values(table, 0, 0) | {h.name: SWITCH[h.name] for h in table if h.name in SWITCH} | extra
    made = build_algorithm(name, Setting(WIDTH, CLASSES, 3, seed), hyper, published).double()
    if isinstance(made, ErmPlusPlus):
        made.averages_from = 3
    return made


def given(algorithm: Algorithm, number: int, step: int) -> tuple[Batch, Draws]:
    random = np.random.default_rng((number, step))
    labels = random.integers(0, CLASSES, (3, ITEMS))
    if algorithm.paired:
        labels[:] = labels[0]
    features = torch.from_numpy(random.normal(size=(3, ITEMS, WIDTH)))
    return Batch(features, torch.from_numpy(labels)), algorithm.draw(ITEMS, random)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_together_is_one_by_one(name: str, published: bool):
    if published and not ALGORITHMS[name].knows:
        return
    alone = [build(name, seed, published) for seed in range(COUNT)]
    together = Stacked([build(name, seed, published) for seed in range(COUNT)])
    for step in range(STEPS):
        batches, draws = zip(*(given(a, n, step) for n, a in enumerate(alone)), strict=True)
        reported = together.update(batches, draws, step / 4)
        for number, algorithm in enumerate(alone):
            for key, value in algorithm.update(batches[number], draws[number], step / 4).items():
                assert float(reported[key][number]) == pytest.approx(value, abs=1e-12)
    stacked = dict(together.all.named_parameters())
    features = torch.from_numpy(np.random.default_rng(9).normal(size=(COUNT, 5, WIDTH)))
    for number, algorithm in enumerate(alone):
        for key, parameter in algorithm.named_parameters():
            torch.testing.assert_close(stacked[key][number], parameter, atol=1e-12, rtol=0)
        with torch.no_grad():
            expected = algorithm.predict(features[0])
        torch.testing.assert_close(together.predict(features[0])[number], expected, atol=1e-12, rtol=0)
        own = together.predict(features)[number]
        assert torch.equal(own, together.predict(features[number])[number])
    assert not torch.equal(*next(iter(stacked.values()))[:2]), "they differ in weights"


def test_what_differs_in_more_than_weights_is_refused():
    for other in (build("IRM", 1), build("ERM", 1, lr=0.1)):
        with pytest.raises(ValueError, match="differ in more than weights"):
            Stacked([build("ERM", 0), other])
    pair = Stacked([build("Concat", seed) for seed in (0, 1)])
    features, labels = given(pair.all, 0, 0)[0]
    unpaired = Batch(features, labels + torch.arange(3)[:, None])
    with pytest.raises(ValueError, match="same items in all modalities"):
        pair.update([unpaired, unpaired], [{}, {}])


@pytest.mark.parametrize("name", ["Mixup", "Concat"])
def test_runs_of_a_search_that_go_together_give_what_each_gives(name: str):
    whole = items()
    other = replace(whole, validates=whole.validates.roll(1), tests=whole.tests.roll(1))
    runs = [Trial(name, (0,), **FAST), Trial(name, (2,), **FAST), Trial(name, (2,), seed=3, **FAST)]
    assert len({run.stacks_with for run in runs}) == 1
    assert Trial(name, (0, 1), **FAST).stacks_with != runs[0].stacks_with
    seen = [whole, whole, other]
    assert run_together(runs, seen) == [run.run(its) for run, its in zip(runs, seen, strict=True)]
