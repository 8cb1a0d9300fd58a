"""One run of a search: an algorithm learns from features of its training modalities, and all modalities are
judged every so many steps."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from scenes.seeding import rng
from training.generalization.algorithm import Algorithm, Batch, Draws, Setting
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm, known_algorithm
from training.generalization.hyperparameters import values, with_high_learning_rate
from training.generalization.selection import Checkpoint
from training.generalization.stacked import Stacked


@dataclass(frozen=True)
class ModalityFeatures:
    """Features of the same n items in one modality."""

    joint: Float[Tensor, "n d"]
    """By the perceptor of the training modalities: what is trained on."""
    own: Float[Tensor, "n d"] | None = None
    """Strong setting: by a perceptor of this modality alone, which learned without labels. A modality that is
    held out is seen by it."""


@dataclass(frozen=True)
class Items:
    """n items, each in all modalities. Raises ValueError where lengths differ, a label is missing or no item
    is left for training."""

    modalities: tuple[ModalityFeatures, ...]
    labels: Int64[Tensor, " n"]
    classes: int
    validates: Bool[Tensor, " n"]
    """The validation items."""
    tests: Bool[Tensor, " n"]
    """The test items; what neither validates nor tests is trained on."""

    def __post_init__(self) -> None:
        count = len(self.labels)
        given = [f for m in self.modalities for f in (m.joint, m.own) if f is not None]
        if any(len(part) != count for part in (*given, self.validates, self.tests)):
            raise ValueError(f"{count} labels, where a modality or a split has another number of items")
        if count and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes:
            raise ValueError(f"labels must be of the {self.classes} classes: leave out items without one")
        if (self.validates & self.tests).any():
            raise ValueError("an item validates and tests")
        if min(int(part.sum()) for part in (self.trains, self.validates, self.tests)) == 0:
            raise ValueError("training, validation and test need one item at least")

    @property
    def trains(self) -> Bool[Tensor, " n"]:
        """The training items."""
        return ~(self.validates | self.tests)


@dataclass(frozen=True)
class Trial:
    """One run. `as_published`: with all faults of the public code, `validation` among them."""

    algorithm: str
    held_out: tuple[int, ...]
    """Numbers of the modalities that are not trained on."""
    search: int = 0
    """Number in the search for hyperparameters; 0 has the defaults."""
    repeat: int = 0
    """Of the search; seeds the draws of hyperparameters."""
    seed: int = 0
    """Of weights, batches and the algorithm's draws."""
    steps: int = 5000
    every: int = 300
    """Steps between checkpoints; the first step and the last have one too."""
    high_rate: bool = False
    """Learning rates of ModalBed's strong setting on NYUDv2."""
    as_published: bool = False
    batch: int | None = None
    """Items of each training modality in a step, so that runs of all numbers in a search may take their steps
    together; none: as drawn."""

    def run(self, items: Items) -> list[Checkpoint]:
        """The checkpoints. Raises ValueError where the algorithm, its hyperparameters and the items do not
        fit together."""
        return run_together([self], [items])[0]

    @property
    def hyper(self) -> dict[str, Any]:
        """Its hyperparameters."""
        table = ALGORITHMS[known_algorithm(self.algorithm)].hyperparameters
        drawn = values(with_high_learning_rate(table) if self.high_rate else table, self.search, self.repeat)
        return drawn if self.batch is None else drawn | {"batch_size": self.batch}

    def seen(self, items: Items) -> list[ModalityFeatures]:
        """The modalities that are trained on."""
        return [m for i, m in enumerate(items.modalities) if i not in self.held_out]

    def build(self, items: Items) -> Algorithm:
        """The algorithm, before its first step."""
        width = items.modalities[0].joint.shape[1]
        setting = Setting(width, items.classes, len(self.seen(items)), self.seed)
        algorithm = build_algorithm(self.algorithm, setting, self.hyper, self.as_published)
        return algorithm.to(items.labels.device)

    def batches(self, items: Items) -> Iterator[tuple[Batch, Draws]]:
        """What is seen in each step, without end: items of each training modality, the same in all where the
        algorithm wants pairs; over and over, each time in another order, without those of the last batch
        that is not full. Raises ValueError where no batch is full."""
        train, size = items.trains.nonzero()[:, 0].cpu().numpy(), self.hyper["batch_size"]
        if size > len(train):
            raise ValueError(f"steps of {size} items, where {len(train)} are trained on")
        seen, draws = self.seen(items), rng(self.seed, "modality-generalization", "draws")
        paired, draw = ALGORITHMS[self.algorithm].paired, self.build(items).draw
        random = rng(self.seed, "modality-generalization", "batches")
        while True:
            orders = [random.permutation(train) for _ in range(1 if paired else len(seen))]
            order = np.stack(orders * (len(seen) if paired else 1))
            for first in range(0, len(train) - size + 1, size):
                index = torch.from_numpy(order[:, first : first + size]).to(items.labels.device)
                features = torch.stack([m.joint[i] for m, i in zip(seen, index, strict=True)])
                yield Batch(features, items.labels[index]), draw(size, draws)

    def shown(self, items: Items, modality: int) -> Float[Tensor, "n d"]:
        """The features that a modality is judged by: its own perceptor's where it is held out."""
        features = items.modalities[modality]
        own = modality in self.held_out or self.as_published
        return features.own if own and features.own is not None else features.joint

    @property
    def stacks_with(self) -> Hashable:
        """Equal for runs on items of one kind that may take their steps together."""
        same = (self.algorithm, len(self.held_out), self.steps, self.every, self.as_published)
        return (*same, *sorted(self.hyper.items()))


def run_together(trials: Sequence[Trial], items: Sequence[Items]) -> list[list[Checkpoint]]:
    """The checkpoints of runs whose `stacks_with` are equal, each on items of its own, equally many. Raises
    ValueError where the algorithm, its hyperparameters and the items do not fit together."""
    first, many = trials[0], len(trials) > 1
    given = list(zip(trials, items, strict=True))
    streams = [trial.batches(its) for trial, its in given]
    algorithms = [trial.build(its) for trial, its in given]
    learner: Algorithm | Stacked = Stacked(algorithms) if many else algorithms[0]
    share = first.hyper["batch_size"] / int(items[0].trains.sum())
    found: list[list[Checkpoint]] = [[] for _ in trials]
    for step, seen in zip(range(first.steps), zip(*streams, strict=True), strict=False):
        batches, draws = zip(*seen, strict=True)
        if isinstance(learner, Stacked):
            learner.update(batches, draws, step * share)
        else:
            learner.update(batches[0], draws[0], step * share)
        if step % first.every == 0 or step == first.steps - 1:
            for checkpoints, judged in zip(found, _judged(learner, given, step), strict=True):
                checkpoints.append(judged)
    return found


@torch.no_grad()
def _judged(
    learner: Algorithm | Stacked, given: Sequence[tuple[Trial, Items]], step: int
) -> Iterator[Checkpoint]:
    """A checkpoint of each run."""
    right = []
    for modality in range(len(given[0][1].modalities)):
        shown = [trial.shown(items, modality) for trial, items in given]
        if isinstance(learner, Stacked):
            same = all(features is shown[0] for features in shown)
            logits = learner.predict(shown[0] if same else torch.stack(shown))
        else:
            logits = learner.predict(shown[0])[None]
        right.append(logits.argmax(2) == torch.stack([items.labels for _, items in given]))
    for (trial, items), answers in zip(given, torch.stack(right, dim=1), strict=True):
        parts = (
            tuple(answers[:, part].double().mean(1).tolist())
            for part in (items.trains, items.validates, items.tests)
        )
        yield Checkpoint(trial.search, trial.held_out, step, *parts)


def held_out_sets(modalities: int, unseen: int, pairs: bool) -> Sequence[tuple[int, ...]]:
    """What runs hold out to judge an unseen modality; `pairs`: with each other one too, for leave-one-out."""
    others = [m for m in range(modalities) if m != unseen]
    return [(unseen,), *((unseen, other) for other in others if pairs)]
