"""Sources that show some modalities alone: of the others nothing is ever seen or predicted."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames
from engine.stream.mixture import MixedFrames
from tests.training.conftest import MODALITIES, TINY_PRETRAIN, World, mm
from tests.training.tiny_world import make_store
from training.models.modality import slot_modality_ids
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import SOURCE, passes_of, steps
from training.pretrain.launch import Source, launch_pretrain
from training.pretrain.multimodal.masking import (
    ALL_TO_ALL,
    RGB_TO_ALL,
    Component,
    Masker,
    MaskingConfig,
)
from training.pretrain.multimodal.multimodal import MultimodalObjective
from training.pretrain.objective import SourceModalities
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenize_store import tokenize

SLOTS = (64, 64, 16, 64)
MIXED = SourceModalities((MODALITIES, ("rgb",), ("rgb", "edges")), (0.5, 0.25, 0.25))
CONFIG = TINY_PRETRAIN.model_copy(
    update=mm(masking=MaskingConfig(inputs=40, targets=56, repeats=2)) | {"samples": 64, "lanes": 4}
)


def masker(sources: SourceModalities = MIXED, **changes: Any) -> Masker:
    fields = {"mixture": (*ALL_TO_ALL, RGB_TO_ALL)} | changes
    return Masker(MaskingConfig.model_validate(fields), MODALITIES, SLOTS, sources=sources)


@pytest.mark.parametrize("overflow", ["refuse", "lose"])
def test_a_sample_has_what_its_source_shows(overflow: str):
    m, source = masker(overflow=overflow), np.arange(600) % 3
    mask = m.draw(600, np.random.default_rng(0), source)
    seen, wanted = (
        np.where(v, m.modality_ids[s], -1)
        for s, v in ((mask.inputs, mask.input_valid), (mask.targets, mask.target_valid))
    )
    for number, shown in enumerate(MIXED.shown):
        here = source == number
        allowed = {MODALITIES.index(name) for name in shown}
        assert set(np.unique(seen[here])) - {-1} == set(np.unique(wanted[here])) - {-1} == allowed
        assert (seen[here] >= 0).any(1).all()
    # All 64 of RGB, as 48 to 64 are to each other; 128 of two modalities are enough.
    counts = np.stack([mask.input_valid.sum(1), mask.target_valid.sum(1)], axis=1)
    assert m.budget.tolist() == [[48, 64], [27, 37], [48, 64]]
    assert (counts[source == 1] == [27, 37]).all()
    if overflow == "refuse":
        assert (counts[source == 0] == [48, 64]).all()
    for row in np.flatnonzero(source == 1):
        taken = [mask.inputs[row][mask.input_valid[row]], mask.targets[row][mask.target_valid[row]]]
        assert sorted(np.concatenate(taken)) == list(range(64))


def test_a_source_that_shows_all_draws_as_if_it_were_alone():
    alone = masker(SourceModalities((MODALITIES,), (1.0,)))
    plain = Masker(alone.config, MODALITIES, SLOTS)
    masks = [m.draw(64, np.random.default_rng(1)) for m in (alone, plain, masker())]
    for mask in masks[1:]:
        np.testing.assert_array_equal(mask.inputs, masks[0].inputs)
        np.testing.assert_array_equal(mask.targets, masks[0].targets)


def test_a_source_draws_among_the_components_that_it_can_meet():
    mixture = (Component(inputs={"depth": 1.0}), Component(inputs={"rgb": 1.0}, weight=3.0), Component())
    m = masker(mixture=mixture)
    np.testing.assert_allclose(m.weights[:2], [[0.2, 0.6, 0.2], [0.0, 0.75, 0.25]])
    with pytest.raises(ValueError, match=r"shows \['rgb'\], and no component"):
        masker(mixture=mixture[:1])
    two = SourceModalities((("rgb", "depth"),), (1.0,))
    with pytest.raises(ValueError, match=r"lower masking\.targets"):  # 100 of 128 may be all of RGB
        masker(two, mixture=(Component(targets={"rgb": 1.0}),), inputs=100, targets=20)


def test_means_are_over_sources_by_their_shares():
    parts = [masker(SourceModalities((shown,), (1.0,))).mean_counts() for shown in MIXED.shown]
    for both, *each in zip(masker().mean_counts(), *parts, strict=True):
        for name, mean in both.items():
            expected = sum(s * e[name] for s, e in zip(MIXED.shares, each, strict=True))
            assert mean == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope="module")
def bare(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with tokens of RGB and of nothing else."""
    path = make_store(tmp_path_factory.mktemp("bare") / "store", pretrain=48).path
    tokenize(path, "rgb", world.tokenizers["rgb"], threads=1)
    return path


@pytest.fixture
def frames(world: World, bare: Path) -> MixedFrames:
    return MixedFrames([world.pretrain, PretrainFrames(bare)], [0.6, 0.4], [None, ("rgb",)])


def packed(
    objective: MultimodalObjective, frames: MixedFrames, config: PretrainConfig, size: int
) -> list[Any]:
    """Three steps of each of `size` workers: (source of each sample, batch)."""
    lanes, out = config.split, []
    for mine in (lanes.of(rank, size) for rank in range(size)):
        tickets = partial(lanes.tickets, frames, mine, 0)
        sources = lanes.batches(frames, objective.reads, mine, tickets())
        made = steps(
            objective,
            lanes.batches(frames, objective.reads, mine, tickets()),
            lanes,
            mine,
            passes_of(lanes, size, None),
            0,
        )
        for _ in range(3):
            source = np.repeat(next(sources)[SOURCE], objective.repeats)
            out.append((source, next(made).passes[0][0]))
    return out


def valid(batch: Any, key: str) -> np.ndarray:
    """Which places of `inputs` or `targets` are no padding."""
    return batch.get(f"{key[:-1]}_valid", torch.ones_like(batch[key], dtype=torch.bool)).numpy()


def test_no_token_that_a_source_hides_enters_a_batch(world: World, frames: MixedFrames):
    objective = build_objective(CONFIG, frames, world.tokenizers)
    assert isinstance(objective, MultimodalObjective)
    modality_ids = slot_modality_ids(objective.model.specs)
    one, two = (packed(objective, frames, CONFIG, size) for size in (1, 2))
    found = {0: set(), 1: set()}
    for source, batch in one:
        assert {0, 1} == set(source)
        for key in ("inputs", "targets"):
            for number, seen in found.items():
                seen |= {
                    (key, int(o))
                    for o in np.unique(
                        modality_ids[batch[key].numpy()][valid(batch, key) & (source == number)[:, None]]
                    )
                }
        # Zeros stand for what is hidden; none of them is content or truth.
        rows = np.unique(np.concatenate([v.numpy() for k, v in batch["target_rows"].items() if k != "rgb"]))
        assert set(source[rows // batch["targets"].shape[1]]) == {0}
        assert batch["target_valid"].shape == (len(source), 56)
    assert found[1] == {("inputs", 0), ("targets", 0)}
    assert len(found[0]) == 8
    # Two workers draw what one does, to the bit.
    for step, (source, batch) in enumerate(one):
        halves = [two[step], two[3 + step]]
        np.testing.assert_array_equal(np.concatenate([s for s, _ in halves]), source)
        for key in ("inputs", "targets"):
            np.testing.assert_array_equal(np.concatenate([b[key] for _, b in halves]), batch[key])
            np.testing.assert_array_equal(
                np.concatenate([valid(b, key) for _, b in halves]), valid(batch, key)
            )


def test_pretraining_on_a_source_of_rgb_alone(world: World, bare: Path, tmp_path):
    sources = [
        Source(store=world.store.path, share=0.6),
        Source(store=bare, share=0.4, modalities=("rgb",)),
    ]
    run = partial(launch_pretrain, use_ray=False)
    metrics = run(CONFIG, sources, world.tokenizers, tmp_path / "mm")
    assert all(np.isfinite(v) for v in metrics["losses"].values())
    assert metrics["losses"].keys() == {"total", *MODALITIES}
    mae = CONFIG.model_copy(update={"objective": "mae"})
    assert np.isfinite(run(mae, sources, {}, tmp_path / "mae")["loss"])
    with pytest.raises(ValueError, match="has no tokens of"):  # all of it would be wanted
        run(CONFIG, [sources[0], Source(store=bare, share=0.4)], world.tokenizers, tmp_path / "out")
    blind = [sources[0], sources[1].model_copy(update={"modalities": ("depth",)})]
    with pytest.raises(ValueError, match="mae sees nothing else"):
        run(mae, blind, {}, tmp_path / "out")
    other = [sources[0], sources[1].model_copy(update={"modalities": ("rgb", "lidar")})]
    with pytest.raises(ValueError, match=r"shows \['lidar'\]"):
        run(CONFIG, other, world.tokenizers, tmp_path / "out")
    with pytest.raises(ValueError, match=r"no source shows \['depth', 'edges', 'normals'\]"):
        run(CONFIG, sources[1:], world.tokenizers, tmp_path / "out")


def test_crops_of_a_source_of_rgb_alone(world: World, tmp_path):
    crops = TokenCropConfig(count=2, seed=1)
    places = [tmp_path / name for name in ("own", "bare")]
    for path, shown in zip(places, (MODALITIES, ("rgb",)), strict=True):
        make_store(path, pretrain=16)
        for name in shown:
            tokenize(path, name, world.tokenizers[name], threads=1, crops=crops)
    sources = [
        Source(store=path, share=0.5, modalities=m) for path, m in zip(places, (None, ("rgb",)), strict=True)
    ]
    config = CONFIG.model_copy(update={"mm": CONFIG.mm.model_copy(update={"crops": crops})})
    metrics = launch_pretrain(config, sources, world.tokenizers, tmp_path / "out", use_ray=False)
    assert all(np.isfinite(v) for v in metrics["losses"].values())
