"""Masks: exact budgets, no overlap, the right statistics, the same from the same generator."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.models.modality import TokenSpec
from training.pretrain.multimodal.budgets import clamp_out, dirichlet, share_out
from training.pretrain.multimodal.masking import (
    ALL_TO_ALL,
    FOURM21,
    RGB_TO_ALL,
    Component,
    Masker,
    MaskingConfig,
)
from training.pretrain.multimodal.packing import pack_samples
from training.pretrain.multimodal.spans import (
    FIRST_SENTINEL,
    SENTINELS,
    draw_spans,
    mask_spans,
    place_sequence,
)

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
    modality_ids = np.repeat(np.arange(4), SLOTS)
    assert set(np.unique(modality_ids[mask.targets])) == {0, 1, 2, 3}


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


# --- 4M's own way ----------------------------------------------------------------------------------------

ORACLE = json.loads((Path(__file__).parents[1] / "golden" / "fourm" / "masking_oracle.json").read_text())


@pytest.mark.parametrize("case", ["mod21", "tst9", "tst9_128"])
def test_budgets_of_4m_have_the_recorded_statistics(case: str):
    """Every component of 4M-21's mixture, captions included, over 1500 recorded draws and 6000 of ours."""
    recorded = ORACLE["budget_stats"][case]
    modalities, n, draws = recorded["modalities"], recorded["n"], 6000
    room = np.tile([m["max_tokens"] for m in modalities.values()], (draws, 1))
    grid = np.array([m["type"] == "img" for m in modalities.values()])
    for number, expected in recorded["per_component"].items():
        a_in, a_out = (
            np.tile([m[f"{side}_alphas"][int(number)] for m in modalities.values()], (draws, 1))
            for side in ("input", "target")
        )
        rng = np.random.default_rng(int(number))
        n_in = clamp_out(n, a_in, room, rng)
        n_out = clamp_out(n, a_out, room - np.where(grid, n_in, 0), rng)
        for side, given in (("input", n_in), ("target", n_out)):
            # Four standard errors of a difference of means, and what rounding of the record adds.
            error = given.std(axis=0) * (1 / draws + 1 / 1500) ** 0.5
            means = np.array([expected[f"{side}_mean"][m] for m in modalities])
            assert (np.abs(given.mean(axis=0) - means) <= 4 * error + 0.01).all(), (case, number, side)
            total, active = given.sum(axis=1), (given > 0).sum(axis=1)
            for value, key in ((total, "total_mean"), (active, "n_active_mean")):
                limit = 4 * value.std() * (1 / draws + 1 / 1500) ** 0.5 + 0.01
                assert abs(value.mean() - expected[f"{side}_{key}"]) <= limit, (case, number, side, key)


def test_what_has_no_room_is_padded_or_lost():
    """RGB to all with a budget larger than RGB: 64 are seen. All to all loses nothing but in 4M's way."""
    mixture = (Component(inputs=0.01, targets=0.01), Component(inputs={"rgb": 1000.0}, targets=0.5))
    for overflow, fits in (("pad", True), ("lose", False)):
        m = masker(inputs=80, targets=64, mixture=mixture, overflow=overflow)
        n_in, n_out = m.budgets(500, np.random.default_rng(0), component=1)
        assert (n_in == [64, 0, 0, 0]).all()
        n_in, n_out = m.budgets(500, np.random.default_rng(0), component=0)
        assert ((n_in.sum(1) == 80) & (n_out.sum(1) == 64)).all() == fits
        assert n_in.sum(1).max() <= 80
        mask = m.draw(64, np.random.default_rng(1))
        assert not mask.input_valid.all()
        assert (mask.inputs[~mask.input_valid] == 0).all()
        for row, valid in zip(mask.inputs, mask.input_valid, strict=True):
            assert (np.diff(row[valid]) > 0).all()
    with pytest.raises(ValueError, match="overflow"):
        masker(inputs=80, targets=64, mixture=mixture)


def test_4m21s_mixture_without_captions():
    m = masker(inputs=48, targets=64, mixture=FOURM21)
    np.testing.assert_allclose(m.weights, 0.2)
    assert m.input_alphas[4].tolist() == [1000.0, 0, 0, 0]
    assert m.target_alphas[4].tolist() == [0.5] * 4


@pytest.mark.parametrize("case", ORACLE["span_cases"] + ORACLE["chunk_cases"])
def test_spans_as_recorded(case: dict[str, Any]):
    chunks = case["chunks"] if "chunks" in case else [[token] for token in case["seq"]]
    assert mask_spans(chunks, np.array(case["keep"], dtype=bool)) == (case["input"], case["target"])


def test_sentinels_are_those_of_4m():
    assert dict(map(tuple, ORACLE["sentinel_first"]))["[S_0]"] == FIRST_SENTINEL
    assert ORACLE["num_sentinels"] == SENTINELS
    with pytest.raises(ValueError, match="sentinels"):
        mask_spans([[1]] * 500, np.arange(500) % 2 == 0)


@pytest.mark.parametrize("budget", [0, 1, 3, 10, 40])
def test_drawn_spans_keep_to_their_budgets_and_lose_no_token(budget: int):
    chunks = [[1000 + i] * (1 + i % 3) for i in range(12)]
    rng = np.random.default_rng(budget)
    kept = []
    for _ in range(200):
        inputs, targets = draw_spans(chunks, budget, 100, rng)
        assert len(inputs) <= budget
        kept.append(len(inputs))
        if inputs:
            tokens = sorted(t for t in inputs + targets if t >= 1000)
            assert tokens == sorted(token for chunk in chunks for token in chunk)
        assert len(draw_spans(chunks, budget, 5, rng)[1]) <= 5
        assert draw_spans(chunks, budget, 1, rng)[1] == []
    assert max(kept) == min(budget, 24) or budget == 40
    same = [draw_spans(chunks, 10, 20, np.random.default_rng(7)) for _ in range(2)]
    assert same[0] == same[1]


def test_a_sequence_is_placed_and_packed():
    """What is drawn for a sentence arrives in the model: tokens before predict tokens after."""
    specs = (
        TokenSpec("rgb", "rgb", 2, pixels=True),
        TokenSpec("caption", "caption", 8, 300, kind="sequence"),
    )
    fields = place_sequence([5, 7, 8], [5, 9, 6], 6)
    assert len(fields["tensor"]) == 14
    samples = {
        "caption": {k: torch.from_numpy(v)[None] for k, v in fields.items()},
        "rgb": {
            "tensor": torch.zeros(1, 3, 4, 4),
            "input_mask": torch.ones(1, 4, dtype=torch.bool),
            "target_mask": torch.ones(1, 4, dtype=torch.bool),
            "decoder_attention_mask": torch.zeros(1, 4, dtype=torch.int32),
        },
    }
    batch = pack_samples(samples, specs, 2, inputs=3, targets=2)
    assert batch["content"]["caption"].tolist() == [5, 7, 8]
    assert batch["shown"]["caption"].tolist() == [5, 9]
    assert batch["truth"]["caption"].tolist() == [9, 6]
    assert batch["inputs"].tolist() == [[4, 5, 6]]
    assert batch["targets"].tolist() == [[4, 5]]
    assert "input_valid" not in batch
    assert "target_valid" not in batch
    with pytest.raises(ValueError, match="do not fit"):
        place_sequence(list(range(9)), list(range(9)), 6)
