"""Masks: exact budgets, no overlap, the right statistics, the same from the same generator."""

import numpy as np
import pytest

from training.budgets import dirichlet, share_out
from training.masking import ALL_TO_ALL, RGB_TO_ALL, Component, Masker, MaskingConfig

NAMES = ("rgb", "depth", "normals", "edges")
SLOTS = (64, 64, 16, 64)


def masker(**kwargs) -> Masker:
    return Masker(MaskingConfig(**kwargs), NAMES, SLOTS)


@pytest.mark.parametrize("mixture", [ALL_TO_ALL, (RGB_TO_ALL,), (*ALL_TO_ALL, RGB_TO_ALL)])
def test_budgets_are_exact_and_nothing_is_seen_and_predicted(mixture):
    mask = masker(inputs=48, targets=64, mixture=mixture).draw(256, np.random.default_rng(0))
    assert mask.inputs.shape == (256, 48)
    assert mask.targets.shape == (256, 64)
    both = np.concatenate([mask.inputs, mask.targets], axis=1)
    assert all(len(np.unique(row)) == 48 + 64 for row in both)
    assert both.min() >= 0
    assert both.max() < sum(SLOTS)
    assert (np.diff(mask.inputs, axis=1) > 0).all()
    assert mask.input_valid.all()
    assert mask.target_valid.all()


def test_rgb_to_all_sees_rgb_alone_and_predicts_everything():
    mask = masker(inputs=48, targets=64, mixture=(RGB_TO_ALL,)).draw(512, np.random.default_rng(1))
    assert mask.inputs.max() < 64
    owner = np.repeat(np.arange(4), SLOTS)
    assert set(np.unique(owner[mask.targets])) == {0, 1, 2, 3}


def test_small_alpha_takes_one_modality_and_large_alpha_an_even_share():
    def largest_share(alpha: float) -> float:
        rng = np.random.default_rng(2)
        shares = share_out(32, np.full((2000, 4), alpha), np.full((2000, 4), 64), rng)
        return float((shares.max(axis=1) / 32).mean())

    assert largest_share(0.01) > 0.95
    assert largest_share(1000.0) < 0.3


def test_dirichlet_has_its_mean_and_variance():
    alphas = np.tile([0.5, 1.0, 2.5, 0.0], (40000, 1))
    draws = dirichlet(alphas, np.random.default_rng(3))
    a, total = alphas[0], alphas[0].sum()
    np.testing.assert_allclose(draws.mean(0), a / total, atol=0.01)
    np.testing.assert_allclose(draws.var(0), a * (total - a) / (total**2 * (total + 1)), atol=0.005)
    assert (draws[:, 3] == 0).all()


def test_what_a_modality_has_no_room_for_goes_to_the_others():
    rng = np.random.default_rng(4)
    room = np.tile([4, 64, 10], (500, 1))
    given = share_out(70, np.tile([100.0, 1.0, 0.01], (500, 1)), room, rng)
    assert (given.sum(1) == 70).all()
    assert (given <= room).all()
    assert (given[:, 0] == 4).all()


def test_positions_are_uniform_within_a_modality():
    mask = masker(inputs=32, targets=32, mixture=(Component(inputs={"depth": 1.0}),)).draw(
        4000, np.random.default_rng(5)
    )
    seen = np.bincount(mask.inputs.ravel() - 64, minlength=64) / 4000
    np.testing.assert_allclose(seen, 0.5, atol=0.05)


def test_same_generator_same_mask_and_another_seed_another():
    m = masker(inputs=48, targets=64)
    a, b, c = (m.draw(16, np.random.default_rng(seed)) for seed in ((7, 1), (7, 1), (7, 2)))
    np.testing.assert_array_equal(a.inputs, b.inputs)
    np.testing.assert_array_equal(a.targets, b.targets)
    assert (a.inputs != c.inputs).any()


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"inputs": 65, "mixture": (RGB_TO_ALL,)}, "lower masking.inputs"),
        ({"inputs": 100, "targets": 120}, "lower masking.targets"),
        ({"mixture": (Component(inputs={"lidar": 1.0}),)}, "lidar"),
    ],
)
def test_what_cannot_be_met_is_refused_when_built(kwargs, says):
    with pytest.raises(ValueError, match=says):
        masker(**kwargs)
