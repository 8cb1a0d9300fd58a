"""Algorithms of modality generalization: each by the kit, and parts that formulas say."""

from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.training.algorithm_kit import ITEMS, AlgorithmKit
from training.generalization.algorithms.condcad import bottleneck_loss
from training.generalization.algorithms.eqrm import quantile
from training.generalization.algorithms.irm import _slope
from training.generalization.algorithms.registry import ALGORITHMS, known_algorithm
from training.generalization.faults import FAULTS
from training.generalization.networks import Featurizer, Mlp, dropout_factors


class TestErm(AlgorithmKit):
    name = "ERM"


class TestIrm(AlgorithmKit):
    name = "IRM"
    fields: ClassVar = {"lr": 1e-2, "irm_penalty_anneal_iters": 100}


class TestMixup(AlgorithmKit):
    name = "Mixup"

    def test_inputs_can_be_mixed_instead_of_logits(self):
        logits, inputs = self.build(), self.build(mixes="inputs")
        assert self.train(logits, 2) != self.train(inputs, 2)


class TestCdann(AlgorithmKit):
    name = "CDANN"
    fields: ClassVar = {"lr_g": 1e-2, "lr_d": 1e-3, "grad_penalty": 0.1, "mlp_dropout": 0.1}

    def test_judge_and_features_take_turns(self):
        reported = self.train(self.build(extra={"d_steps_per_g_step": 2}), 6)
        assert ["gen_loss" in step for step in reported] == [False, True, False, False, True, False]


class TestSagNet(AlgorithmKit):
    name = "SagNet"


class TestIbErm(AlgorithmKit):
    name = "IB_ERM"
    fields: ClassVar = {"lr": 1e-2, "ib_lambda": 0.1, "ib_penalty_anneal_iters": 3}


class TestCondCad(AlgorithmKit):
    name = "CondCAD"


class TestEqrm(AlgorithmKit):
    name = "EQRM"
    fields: ClassVar = {"lr": 1e-2, "eqrm_burnin_iters": 2.5, "eqrm_lr": 5e-3}


class TestErmPlusPlus(AlgorithmKit):
    name = "ERMPlusPlus"
    fields: ClassVar = {"lr": 1e-2, "linear_lr": 1e-2, "linear_steps": 3}

    def test_predictions_are_by_the_mean_of_the_later_weights(self):
        algorithm = self.build(averages_from=3)
        weights = []
        for step in range(5):
            draws = algorithm.draw(ITEMS, np.random.default_rng(0))
            algorithm.update(self.batch(step), draws)
            weights.append(algorithm.classifier.weight.detach().clone())
        expected = torch.stack(weights[1:]).mean(0)  # of steps 2 to 5
        torch.testing.assert_close(algorithm.averaged[1].weight.detach(), expected)


class TestUrm(AlgorithmKit):
    name = "URM"
    fields: ClassVar = {"lr": 1e-2, "urm_discriminator_lr": 1e-3}


class TestConcat(AlgorithmKit):
    name = "Concat"


class TestOgm(AlgorithmKit):
    name = "OGM"
    fields: ClassVar = {"lr": 0.1}

    def test_the_layer_of_the_better_modality_learns_less(self):
        algorithm = self.build(modalities=2, extra={"alpha": 10.0, "wc": 0.0})
        batch = self.batch(0, 2)
        confident = algorithm.classifier.weight.data[:, : algorithm.featurizer.outputs]
        confident.copy_(torch.randn(confident.shape, generator=torch.Generator().manual_seed(0)))
        parts = algorithm.parts(batch)
        shares = algorithm._shares(parts, batch.labels[0])
        assert shares.min() < 1e-3
        assert shares.max() == 1
        before = [layer.weight.detach().clone() for layer in algorithm.own]
        algorithm.update(batch, {})
        moved = [(layer.weight - old).norm() for layer, old in zip(algorithm.own, before, strict=True)]
        assert moved[int(shares.argmin())] < 1e-2 * moved[int(shares.argmax())]


class TestLfm(AlgorithmKit):
    name = "LFM"
    fields: ClassVar = {"lr": 0.03}


def test_every_algorithm_is_held_by_the_kit():
    assert {kit.name for kit in AlgorithmKit.__subclasses__()} == set(ALGORITHMS)
    assert {fault for algorithm in ALGORITHMS.values() for fault in algorithm.knows} | {"validation"} == set(
        FAULTS
    )  # which is of the runs
    with pytest.raises(ValueError, match="unknown algorithm 'DANN'; choose from ERM, IRM"):
        known_algorithm("DANN")


def test_the_slope_of_a_risk_is_its_derivative():
    logits = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels, factor = torch.arange(8) % 4, torch.ones((), dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(F.cross_entropy(factor * logits, labels), [factor])
    torch.testing.assert_close(_slope(logits, labels), expected)


def test_a_quantile_has_its_share_of_the_density_below_it():
    values = torch.tensor([0.2, 1.0, 1.7], dtype=torch.float64)
    width = 1.06 * values.std() * 3**-0.2
    for share in (0.3, 0.5, 0.9):
        found = quantile(values, share)
        below = torch.distributions.Normal(values, width).cdf(found).mean()
        assert below.item() == pytest.approx(share, abs=1e-6)


def test_the_bottleneck_counts_items_with_their_class_elsewhere():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    labels, sources = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1])
    # Items 0 and 1: alike among themselves, of another modality only item 2; item 2 sees others alone.
    one = torch.tensor([1.0, 0.0]).div(0.5).log_softmax(0)[1]
    expected = -0.5 / 0.07 * (2 * one + 0.0) / 3
    torch.testing.assert_close(bottleneck_loss(features, labels, sources, 0.5), expected)
    assert bottleneck_loss(features, torch.arange(4), sources, 0.5) == 0


def test_features_of_any_length_give_the_same():
    featurizer = Featurizer(8)
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(featurizer(x), featurizer(10 * x))
    with pytest.raises(ValueError, match="features have width 6: it must be a multiple of 4"):
        Featurizer(6)


def test_dropout_keeps_the_mean():
    drawn = torch.rand(10_000, generator=torch.Generator().manual_seed(0))
    factors = dropout_factors(drawn, 0.5)
    assert set(factors.tolist()) == {0.0, 2.0}
    assert factors.mean().item() == pytest.approx(1, abs=0.05)
    network = Mlp(4, 2, 8, 3)
    assert not network(torch.ones(1, 4), torch.zeros(2, 1, 8)).ne(network.linears[-1].bias).any()
