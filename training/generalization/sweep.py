"""A search over modalities: one algorithm (or baseline), every modality unseen once, judged by each selector.

Training and validation items are labelled frames of transfer houses, each house on one side; test items are
frames of the houses that are evaluated in. Their labels are read for the score, and by no selector. The
selector `oracle` sees labels of the unseen modality, on validation items; its metrics say so."""

import time
from collections import defaultdict
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor
from tqdm import tqdm

from engine.store.access import EvalFrames, TransferFrames
from training.common.checkpoint import METRICS, write_json
from training.common.config import StageConfig
from training.common.optimiser import pick_device, use_threads
from training.generalization.algorithms.registry import ALGORITHMS
from training.generalization.baselines import BASELINES
from training.generalization.frames import (
    NONE,
    FrameLabels,
    dominant_objects,
    houses_of,
    room_types,
    validation_frames,
)
from training.generalization.perceive import ANY, Features, PerceptorConfig, load_features
from training.generalization.selection import SELECTORS, Checkpoint, SelectorName, ranked
from training.generalization.trial import Items, ModalityFeatures, Trial, held_out_sets, run_together

CHOICES = "choices.json"


def known_learner(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no algorithm or baseline has it."""
    if name not in ALGORITHMS and name not in BASELINES:
        raise ValueError(f"unknown algorithm {name!r}; choose from {', '.join((*ALGORITHMS, *BASELINES))}")
    return name


class GeneralizeConfig(StageConfig):
    """One algorithm's search, and what it sees."""

    perceptor: PerceptorConfig = PerceptorConfig()
    """What turns frames into features. Kind `views` makes the setting strong, the others weak."""
    task: Literal["rooms", "objects"] = "rooms"
    """What is asked of a frame: the type of the room it is taken in, or the class of object that fills most
    of it."""
    least_share: float = Field(default=0.1, gt=0, lt=1)
    """Of `objects`: share of a frame that an object must fill for the frame to have a class."""
    algorithm: Annotated[str, AfterValidator(known_learner)] = "ERM"
    """Of the table of algorithms, or a baseline: majority, nearest-mean, zero-shot."""
    as_published: bool = False
    """With the known faults of the public code, which are repaired otherwise."""
    searches: int = Field(default=1, ge=1)
    """Number of runs over hyperparameters; the first has the defaults."""
    steps: int = Field(default=5000, ge=1)
    """Of a run."""
    every: int = Field(default=300, ge=1)
    """Steps between checkpoints."""
    batch: int | None = Field(default=None, ge=1)
    """Items of a modality in a step; none: as drawn."""
    high_rate: bool = False
    """Learning rates of ModalBed's strong setting on NYUDv2, ten to twenty times the others."""
    validation: float = Field(default=0.2, gt=0, lt=1)
    """Share of the transfer houses that validate."""
    together: int = Field(default=32, ge=1)
    """Runs that take their steps together where shapes agree; 1: one by one. Changes rounding alone."""
    seed: int = 0
    """Of weights, batches, hyperparameters' draws and of which houses validate."""

    @model_validator(mode="after")
    def _baselines_have_no_faults(self) -> "GeneralizeConfig":
        if self.as_published and self.algorithm in BASELINES:
            raise ValueError(f"{self.algorithm} is no algorithm of the public code: leave as_published out")
        return self


def metric_of(selector: SelectorName) -> str:
    """The name of a selector among metrics, which says of the one that sees labels that it does."""
    return f"{selector}_sees_test_labels" if SELECTORS[selector].sees_test_labels else selector


def generalize(
    config: GeneralizeConfig, labelled: TransferFrames, tested: EvalFrames, perceived: Path, out: Path
) -> dict[str, Any]:
    """Search; writes into `out`, and returns, the metrics: `SELECTOR/accuracy`, the mean over the modalities
    of the accuracy in each when it is unseen, and `SELECTOR/unseen_MODALITY/accuracy`. `perceived`: folder of
    the features of these frames (`perceive`).

    Raises ValueError where features are of other frames, or too few items have a class."""
    assert isinstance(labelled, TransferFrames), "labels are learned of transfer frames"
    assert isinstance(tested, EvalFrames), "scores are taken on evaluation frames only"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    items, facts = items_of(config, labelled, tested, load_features(perceived), device)
    names = config.perceptor.modalities
    metrics: dict[str, Any] = {}
    choices: dict[str, Any] = {}
    if config.algorithm in BASELINES:
        found = {}
        for number, name in enumerate(names):
            predicted = BASELINES[config.algorithm](items[name], number)
            truth = items[name].labels[items[name].tests]
            found[name] = float((predicted == truth).double().mean())
        for selector in SELECTORS:
            metrics |= _scores(selector, found)
    else:
        checkpoints = search(config, [items[name] for name in names])
        for selector in SELECTORS:
            best = {name: ranked(selector, checkpoints[n], n)[0] for n, name in enumerate(names)}
            metrics |= _scores(selector, {name: choice.test for name, choice in best.items()})
            choices[selector] = {name: choice._asdict() for name, choice in best.items()}
    write_json(out / CHOICES, choices)
    metrics |= facts | {"wall_seconds": time.monotonic() - started}
    write_json(out / METRICS, metrics)
    return metrics


def _scores(selector: SelectorName, accuracy: Mapping[str, float]) -> dict[str, float]:
    place = metric_of(selector)
    each = {f"{place}/unseen_{name}/accuracy": value for name, value in accuracy.items()}
    return {f"{place}/accuracy": float(np.mean(list(accuracy.values())))} | each


def labels_of(config: GeneralizeConfig, view: TransferFrames | EvalFrames) -> FrameLabels:
    """What is true of the frames of a view."""
    if config.task == "rooms":
        return room_types(view)
    return dominant_objects(view, config.least_share)


def items_of(
    config: GeneralizeConfig,
    labelled: TransferFrames,
    tested: EvalFrames,
    features: Features,
    device: torch.device,
) -> tuple[dict[str, Items], dict[str, Any]]:
    """Items by the modality that is unseen, and facts of them; frames without a class are left out."""
    views = {"transfer": labelled, "eval": tested}
    found = {role: labels_of(config, view) for role, view in views.items()}
    if found["transfer"].names != found["eval"].names:
        raise ValueError(
            f"{labelled.store_path} and {tested.store_path} have other classes: take one label table"
        )
    kept = {role: np.flatnonzero(labels.classes != NONE) for role, labels in found.items()}
    raw = np.concatenate([labels.classes[kept[role]] for role, labels in found.items()])
    present, classes = np.unique(raw, return_inverse=True)
    if len(present) < 2 or not min(len(ids) for ids in kept.values()):
        raise ValueError(
            f"{config.task}: {[len(ids) for ids in kept.values()]} frames of transfer and test houses have a "
            f"class, of {len(present)} classes: sense more frames, or houses with furniture"
        )
    houses = np.array(houses_of(labelled))
    validates = validation_frames(houses.tolist(), config.validation, config.seed)[kept["transfer"]]
    counts = [len(kept[role]) for role in views]
    split = torch.from_numpy(np.concatenate([validates, np.zeros(counts[1], bool)])).to(device)
    tests = (torch.arange(sum(counts)) >= counts[0]).to(device)
    labels = torch.from_numpy(classes.astype(np.int64)).to(device)

    @cache
    def both(key: str) -> Tensor | None:
        """Features of the items; None where there are none of that name."""
        if f"transfer/{key}" not in features:
            return None
        for role, view in views.items():
            count = len(features[f"{role}/{key}"])
            if count != len(view):
                raise ValueError(f"features of {count} {role} frames, where there are {len(view)}")
        return torch.cat([features[f"{role}/{key}"][kept[role]] for role in views]).to(device)

    items = {}
    for unseen in config.perceptor.modalities:
        modalities = []
        for name in config.perceptor.modalities:
            # Where the unseen modality is known to no joint perceptor it has its own alone.
            known = (both(key) for key in (f"joint/{unseen}/{name}", f"joint/{ANY}/{name}", f"own/{name}"))
            joint = next(found for found in known if found is not None)
            modalities.append(ModalityFeatures(joint, both(f"own/{name}")))
        items[unseen] = Items(tuple(modalities), labels, len(present), split, tests)
    trained = int(next(iter(items.values())).trains.sum())
    return items, {
        "classes": [found["eval"].names[number] for number in present.tolist()],
        "items": {"train": trained, "validation": int(split.sum()), "test": counts[1]},
        "test_items_by_class": np.bincount(classes[counts[0] :], minlength=len(present)).tolist(),
    }


def search(config: GeneralizeConfig, items: list[Items]) -> list[list[Checkpoint]]:
    """Checkpoints for each modality when it is unseen, from items of each. Runs that hold out the same
    modalities and see the same items are done once, and those whose shapes agree together."""
    every = len(items)
    asked: list[dict[Hashable, None]] = [{} for _ in items]
    runs: dict[Hashable, tuple[Trial, Items]] = {}
    for unseen, own in enumerate(items):
        for number in range(config.searches):
            for held_out in held_out_sets(every, unseen, pairs=True):
                trial = _trial(config, tuple(sorted(held_out)), number)
                key = (trial, tuple(id(m.joint) for m in own.modalities))
                runs[key] = (trial, own)
                asked[unseen][key] = None
    groups: dict[Hashable, list[Hashable]] = defaultdict(list)
    for key, (trial, _) in runs.items():
        groups[trial.stacks_with].append(key)
    done: dict[Hashable, list[Checkpoint]] = {}
    with tqdm(total=len(runs), desc=config.algorithm, unit="run", mininterval=1.0) as bar:
        for keys in groups.values():
            for first in range(0, len(keys), config.together):
                now = keys[first : first + config.together]
                trials, given = zip(*(runs[key] for key in now), strict=True)
                done |= dict(zip(now, run_together(trials, given), strict=True))
                bar.update(len(now))
    return [[checkpoint for key in keys for checkpoint in done[key]] for keys in asked]


def _trial(config: GeneralizeConfig, held_out: tuple[int, ...], number: int) -> Trial:
    return Trial(
        config.algorithm,
        held_out,
        search=number,
        repeat=config.seed,
        seed=config.seed,
        steps=config.steps,
        every=config.every,
        high_rate=config.high_rate,
        as_published=config.as_published,
        batch=config.batch,
    )
