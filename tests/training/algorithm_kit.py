"""What every algorithm of modality generalization must hold: a class of tests to inherit.

    class TestMine(AlgorithmKit):
        name = "Mine"

`fields`: hyperparameters under which it learns in a few steps. `shown`: those under which each of its known
faults changes what it computes."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from training.generalization.algorithm import Algorithm, Batch, Setting
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm
from training.generalization.hyperparameters import values

WIDTH, CLASSES, ITEMS = 16, 3, 24
PLACES = np.random.default_rng(0).normal(size=(CLASSES, WIDTH))
"""Of the classes, the same in all modalities."""


class AlgorithmKit:
    name: str
    fields: ClassVar[dict[str, Any]] = {"lr": 1e-2}
    shown: ClassVar[dict[str, dict[str, Any]]] = {}

    def build(self, modalities: int = 3, seed: int = 0, extra: Any = None, **options: Any) -> Algorithm:
        hyper = values(ALGORITHMS[self.name].hyperparameters, 0, 0) | self.fields | (extra or {})
        return build_algorithm(self.name, Setting(WIDTH, CLASSES, modalities, seed), hyper, **options)

    def batch(self, seed: int, modalities: int = 3) -> Batch:
        """Items around the place of their class, each modality shifted by something of its own."""
        rng, shifts = np.random.default_rng(seed), np.random.default_rng(1).normal(size=(9, 1, WIDTH)) * 0.2
        labels = np.stack([rng.permutation(np.arange(ITEMS) % CLASSES) for _ in range(modalities)])
        if ALGORITHMS[self.name].paired:
            labels[:] = labels[0]
        features = PLACES[labels] + shifts[:modalities] + rng.normal(size=(modalities, ITEMS, WIDTH)) * 0.2
        return Batch(torch.from_numpy(features).float(), torch.from_numpy(labels))

    def train(self, algorithm: Algorithm, steps: int, seed: int = 0) -> list[dict[str, float]]:
        rng, modalities = np.random.default_rng(seed), algorithm.setting.modalities
        return [
            algorithm.update(self.batch(step, modalities), algorithm.draw(ITEMS, rng), epoch=step / 10)
            for step in range(steps)
        ]

    def test_it_learns_classes_that_hold_in_all_modalities(self):
        algorithm = self.build()
        self.train(algorithm, 150)
        features, labels = self.batch(999)
        with torch.no_grad():
            right = (algorithm.predict(features.flatten(0, 1)).argmax(1) == labels.flatten()).float().mean()
        assert right > 0.9

    @pytest.mark.parametrize("modalities", [1, 2, 4])
    def test_it_takes_any_number_of_modalities(self, modalities):
        algorithm = self.build(modalities)
        reported = self.train(algorithm, 4)
        assert all(np.isfinite(value) for step in reported for value in step.values())
        assert all(parameter.isfinite().all() for parameter in algorithm.parameters())
        assert algorithm.predict(torch.ones(5, WIDTH)).shape == (5, CLASSES)

    def test_the_same_seeds_give_the_same_bits_and_others_do_not(self):
        one, two, other = (self.build(seed=seed) for seed in (0, 0, 1))
        for algorithm in (one, two, other):
            torch.rand(3)  # the global generator is no part of it
            self.train(algorithm, 3)
        assert same(one.state_dict(), two.state_dict())
        assert not same(one.state_dict(), other.state_dict())

    def test_draws_are_a_function_of_the_generator(self):
        algorithm = self.build()
        state = torch.get_rng_state()
        one, two, other = (algorithm.draw(ITEMS, np.random.default_rng(seed)) for seed in (3, 3, 4))
        assert same(one, two)
        assert not one or not same(one, other)
        assert torch.equal(torch.get_rng_state(), state)

    def test_each_known_fault_changes_what_is_computed(self):
        known = ALGORITHMS[self.name].knows
        assert set(self.shown) <= set(known)
        for fault in known:
            extra = self.shown.get(fault)
            sound, faulty = self.build(extra=extra), self.build(extra=extra, faults=[fault])
            assert same(sound.state_dict(), faulty.state_dict())
            assert self.train(sound, 6) != self.train(faulty, 6), fault
        assert self.build(as_published=True).faults == set(known)

    def test_what_does_not_fit_is_refused(self):
        setting = Setting(WIDTH, CLASSES, 3, 0)
        needed = ALGORITHMS[self.name].hyperparameters[-1].name
        hyper = values(ALGORITHMS[self.name].hyperparameters, 0, 0)
        del hyper[needed]
        with pytest.raises(ValueError, match=f"lacks its hyperparameters {needed}"):
            build_algorithm(self.name, setting, hyper)
        with pytest.raises(ValueError, match="at least two classes and one training modality"):
            self.build(modalities=0)
        with pytest.raises(ValueError, match="has no fault nonesuch"):
            self.build(faults=["nonesuch"])
        algorithm = self.build()
        with pytest.raises(ValueError, match=r"batch of 2 modalities, where .* has 3"):
            algorithm.update(self.batch(0, 2), algorithm.draw(ITEMS, np.random.default_rng(0)))
        if algorithm.paired:
            features, labels = self.batch(0)
            with pytest.raises(ValueError, match="same items in all modalities"):
                algorithm.update(Batch(features, torch.stack([*labels[:2], labels[2].roll(1)])), {})


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    """Whether names and bits are equal."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
