"""A search over modalities on frames of a store: items, perceptors, baselines, and who sees which labels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames, TransferFrames, UnlabelledTransferFrames
from tests.training.conftest import MODALITIES, ONE_THREAD, TINY_PRETRAIN, World
from tests.training.test_generalization_trial import items
from training.common.checkpoint import read_json
from training.generalization import sweep
from training.generalization.baselines import BASELINES
from training.generalization.perceive import PerceptorConfig, load_features, perceive
from training.generalization.selection import SELECTORS, Checkpoint, ranked
from training.generalization.sweep import GeneralizeConfig, generalize, items_of, metric_of, search
from training.generalization.trial import Items, Trial, held_out_sets
from training.generalization.views import ViewsConfig
from training.pretrain.pretrain import pretrain

CPU = torch.device("cpu")
PATCHES = PerceptorConfig(kind="patches", runtime=ONE_THREAD)
VIEWS = PerceptorConfig(
    kind="views", views=ViewsConfig(width=16, image=32, steps=6, batch=16), runtime=ONE_THREAD
)


def config(perceptor: PerceptorConfig = PATCHES, **fields: Any) -> GeneralizeConfig:
    fast: dict[str, Any] = {"steps": 6, "every": 5, "batch": 8, "validation": 0.5, "high_rate": True}
    return GeneralizeConfig(perceptor=perceptor, task="objects", runtime=ONE_THREAD, **(fast | fields))


def perceived(world: World, perceptor: PerceptorConfig, out: Path, model: Path | None = None) -> Path:
    learned = UnlabelledTransferFrames(world.store)
    perceive(perceptor, learned, world.eval, model, world.tokenizers, out)
    return out


@pytest.fixture(scope="module")
def patches(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return perceived(world, PATCHES, tmp_path_factory.mktemp("patches"))


@pytest.fixture(scope="module")
def views(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return perceived(world, VIEWS, tmp_path_factory.mktemp("views"))


def of_world(world: World, folder: Path, **fields: Any) -> tuple[dict[str, Items], dict[str, Any]]:
    return items_of(config(**fields), world.transfer, world.eval, load_features(folder), CPU)


def test_every_selector_has_a_score_for_every_unseen_modality(world: World, patches: Path, tmp_path: Path):
    metrics = generalize(config(searches=2), world.transfer, world.eval, patches, tmp_path)
    for selector in SELECTORS:
        each = [metrics[f"{metric_of(selector)}/unseen_{name}/accuracy"] for name in MODALITIES]
        assert all(0 <= value <= 1 for value in each)
        assert metrics[f"{metric_of(selector)}/accuracy"] == pytest.approx(np.mean(each))
    assert read_json(tmp_path / sweep.CHOICES).keys() == SELECTORS.keys()
    assert metrics["items"]["test"] == sum(metrics["test_items_by_class"])
    again = generalize(config(searches=2), world.transfer, world.eval, patches, tmp_path / "again")
    assert {k: v for k, v in again.items() if k != "wall_seconds"} == {
        k: v for k, v in metrics.items() if k != "wall_seconds"
    }


def test_no_frame_of_a_house_is_in_two_splits(world: World, patches: Path):
    for seed in range(4):
        found, facts = of_world(world, patches, seed=seed)
        its = found["rgb"]
        transfer = len(its.labels) - facts["items"]["test"]
        labels = sweep.labels_of(config(), world.transfer).classes
        spaces = np.array(world.transfer.space_of(np.arange(len(world.transfer))))[labels >= 0]
        sides = [set(spaces[part[:transfer].numpy()]) for part in (its.trains, its.validates)]
        assert not sides[0] & sides[1]
        assert sides[0] | sides[1] == {"o0", "o1"}
        assert its.tests[transfer:].all()
        assert not its.tests[:transfer].any()


def test_weak_and_strong_differ_in_what_the_perceptors_know(world: World, patches: Path, views: Path):
    weak, _ = of_world(world, patches)
    strong, _ = of_world(world, views, perceptor=VIEWS)
    for number, unseen in enumerate(MODALITIES):
        assert all(m.own is None for m in weak[unseen].modalities)
        assert weak[unseen].modalities[number].joint is weak["rgb"].modalities[number].joint
        asked = strong[unseen].modalities[number]
        assert asked.own is not None
        assert asked.joint is asked.own, "no joint perceptor knows what is unseen"
        known = strong[unseen].modalities[number - 1]
        assert known.own is not None
        assert not torch.equal(known.joint, known.own)
    rgb = [strong[unseen].modalities[0].joint for unseen in ("depth", "normals")]
    assert not torch.equal(*rgb), "the joint perceptor depends on what is unseen"


def test_perceptors_see_no_label_and_learn_of_transfer_frames_alone(
    world: World, views: Path, tmp_path: Path
):
    with pytest.raises(AssertionError, match="transfer frames, unlabelled"):
        perceive(VIEWS, world.transfer, world.eval, None, {}, tmp_path)  # type: ignore[arg-type]
    fewer = EvalFrames(world.store)
    fewer.read = lambda ids, names: {  # type: ignore[method-assign]
        name: np.zeros_like(values) for name, values in EvalFrames.read(fewer, ids, names).items()
    }
    perceive(VIEWS, UnlabelledTransferFrames(world.store), fewer, None, {}, tmp_path / "blank")
    a, b = load_features(views), load_features(tmp_path / "blank")
    assert all(torch.equal(a[key], b[key]) for key in a if key.startswith("transfer/"))
    assert not torch.equal(a["eval/own/rgb"], b["eval/own/rgb"])


def test_a_pretrained_model_is_a_perceptor_of_its_modalities(world: World, tmp_path: Path):
    model = tmp_path / "model"
    pretrain(TINY_PRETRAIN, world.pretrain, world.tokenizers, model)
    encoder = PerceptorConfig(runtime=ONE_THREAD)
    features = load_features(perceived(world, encoder, tmp_path / "features", model))
    assert {key.partition("/")[0] for key in features} == {"transfer", "eval"}
    assert len(features) == 2 * len(MODALITIES)
    assert all(torch.isfinite(found).all() for found in features.values())
    unknown = PerceptorConfig(modalities=("rgb", "depth", "pose"), runtime=ONE_THREAD)
    with pytest.raises(ValueError, match="does not know 'pose'"):
        perceived(world, unknown, tmp_path / "no", model)
    with pytest.raises(ValueError, match="give the run phases"):
        perceived(world, encoder, tmp_path / "none")


def test_together_and_one_by_one_choose_the_same():
    whole = [items()] * 3
    asked = config(searches=2, perceptor=PerceptorConfig(kind="patches", modalities=("a", "b", "c")))
    together, apart = (search(asked.model_copy(update={"together": n}), whole) for n in (32, 1))
    for unseen in range(3):
        held_out = {c.held_out for c in together[unseen]}
        assert held_out == {tuple(sorted(pair)) for pair in held_out_sets(3, unseen, pairs=True)}
        for selector in SELECTORS:
            a, b = (ranked(selector, found[unseen], unseen)[0] for found in (together, apart))
            assert (a.search, a.step) == (b.search, b.step)
            assert a.test == pytest.approx(b.test, abs=0.02)


def test_no_selector_looks_at_test_items_and_only_the_oracle_at_the_unseen_modality():
    random = np.random.default_rng(0)

    def some(held_out: tuple[int, ...], number: int, step: int) -> Checkpoint:
        return Checkpoint(number, held_out, step, *(tuple(random.random(3)) for _ in range(3)))

    runs = [
        some(held_out, number, step)
        for number in range(4)
        for held_out in held_out_sets(3, 1, pairs=True)
        for step in (0, 5, 10)
    ]

    def spoilt(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(random.random() if n == 1 else v for n, v in enumerate(values))

    other_tests = [replace(c, tested=tuple(random.random(3))) for c in runs]
    other_unseen = [replace(c, trained=spoilt(c.trained), validated=spoilt(c.validated)) for c in runs]

    def chosen(name: Any, checkpoints: list[Checkpoint]) -> list[tuple[int, int]]:
        return [(choice.search, choice.step) for choice in ranked(name, checkpoints, 1)]

    for name, selector in SELECTORS.items():
        assert chosen(name, other_tests) == chosen(name, runs), name
        assert (chosen(name, other_unseen) != chosen(name, runs)) == selector.sees_test_labels, name
        assert ("sees_test_labels" in metric_of(name)) == (name == "oracle") == selector.sees_test_labels


def test_baselines_find_what_is_planted_and_see_no_label_of_what_they_predict():
    whole = items()
    truth = whole.labels[whole.tests]
    found = {name: predict(whole, 2) for name, predict in BASELINES.items()}
    right = {name: float((predicted == truth).double().mean()) for name, predicted in found.items()}
    assert right["zero-shot"] > 0.9
    assert right["nearest-mean"] > 0.9
    assert right["majority"] == pytest.approx(1 / 3, abs=0.15)
    mixed = whole.labels.clone()
    mixed[~whole.trains] = mixed[~whole.trains].roll(1)
    for name, predict in BASELINES.items():
        assert torch.equal(predict(replace(whole, labels=mixed), 2), found[name]), name
    shifted = replace(whole.modalities[2], joint=whole.modalities[2].joint + 5.0)
    elsewhere = replace(whole, modalities=(*whole.modalities[:2], shifted))
    assert torch.equal(BASELINES["zero-shot"](elsewhere, 2), found["zero-shot"]), "its mean is taken off"


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_the_same_score_for_every_selector(
    world: World, patches: Path, tmp_path: Path, name: str
):
    metrics = generalize(config(algorithm=name), world.transfer, world.eval, patches, tmp_path)
    assert len({metrics[f"{metric_of(selector)}/accuracy"] for selector in SELECTORS}) == 1


def test_what_does_not_fit_is_refused(world: World, patches: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=r"unknown algorithm 'DANN'; choose from ERM.*majority"):
        config(algorithm="DANN")
    with pytest.raises(ValueError, match="leave as_published out"):
        config(algorithm="majority", as_published=True)
    with pytest.raises(ValueError, match="name each once"):
        PerceptorConfig(modalities=("rgb", "rgb", "depth"))
    features = {key: found[:-1] for key, found in load_features(patches).items()}
    with pytest.raises(ValueError, match="features of 63 transfer frames, where there are 64"):
        items_of(config(), world.transfer, world.eval, features, CPU)
    one = TransferFrames(world.store, [world.eval], ["o0"])
    with pytest.raises(ValueError, match="frames of more houses are needed"):
        items_of(config(), one, world.eval, load_features(patches), CPU)


def test_a_trial_has_the_settings_of_the_search():
    asked = config(as_published=True, seed=3, every=7)
    assert sweep._trial(asked, (1,), 4) == Trial(
        "ERM", (1,), search=4, repeat=3, seed=3, steps=6, every=7, high_rate=True, as_published=True, batch=8
    )
