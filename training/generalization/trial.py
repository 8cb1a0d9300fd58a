"""One run of a search: an algorithm learns from features of its training modalities, and all modalities are
judged every so many steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from scenes.seeding import rng
from training.generalization.algorithm import Algorithm, Batch, Setting
from training.generalization.algorithms.registry import ALGORITHMS, build_algorithm, known_algorithm
from training.generalization.hyperparameters import values, with_high_learning_rate
from training.generalization.selection import Checkpoint


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

    def run(self, items: Items) -> list[Checkpoint]:
        """The checkpoints. Raises ValueError where the algorithm, its hyperparameters and the items do not
        fit together."""
        table = ALGORITHMS[known_algorithm(self.algorithm)].hyperparameters
        table = with_high_learning_rate(table) if self.high_rate else table
        hyper = values(table, self.search, self.repeat)
        seen = [m for i, m in enumerate(items.modalities) if i not in self.held_out]
        setting = Setting(items.modalities[0].joint.shape[1], items.classes, len(seen), self.seed)
        algorithm = build_algorithm(self.algorithm, setting, hyper, self.as_published)
        algorithm.to(items.labels.device)
        train = items.trains.nonzero()[:, 0].cpu().numpy()
        if hyper["batch_size"] > len(train):
            raise ValueError(f"steps of {hyper['batch_size']} items, where {len(train)} are trained on")
        draws = rng(self.seed, "modality-generalization", "draws")
        batches = self._batches(train, len(seen), hyper["batch_size"], algorithm.paired)
        found = []
        for step, ids in zip(range(self.steps), batches, strict=False):
            index = torch.from_numpy(ids).to(items.labels.device)
            features = torch.stack([m.joint[i] for m, i in zip(seen, index, strict=True)])
            batch = Batch(features, items.labels[index])
            epoch = step * hyper["batch_size"] / len(train)
            algorithm.update(batch, algorithm.draw(hyper["batch_size"], draws), epoch)
            if step % self.every == 0 or step == self.steps - 1:
                found.append(self._judged(algorithm, items, step))
        return found

    def _batches(
        self, train: Int64[np.ndarray, " t"], modalities: int, size: int, paired: bool
    ) -> Iterator[Int64[np.ndarray, "m b"]]:
        """Items of each training modality, the same in all where they are `paired`; over and over, each time
        in another order, without those of the last batch that is not full."""
        random = rng(self.seed, "modality-generalization", "batches")
        while True:
            orders = [random.permutation(train) for _ in range(1 if paired else modalities)]
            order = np.stack(orders * (modalities if paired else 1))
            for first in range(0, len(train) - size + 1, size):
                yield order[:, first : first + size]

    @torch.no_grad()
    def _judged(self, algorithm: Algorithm, items: Items, step: int) -> Checkpoint:
        right = []
        for number, modality in enumerate(items.modalities):
            own = number in self.held_out or self.as_published
            features = modality.own if own and modality.own is not None else modality.joint
            right.append(algorithm.predict(features).argmax(1) == items.labels)

        def accuracy(part: Bool[Tensor, " n"]) -> tuple[float, ...]:
            return tuple(float(each[part].double().mean()) for each in right)

        parts = (accuracy(part) for part in (items.trains, items.validates, items.tests))
        return Checkpoint(self.search, self.held_out, step, *parts)


def held_out_sets(modalities: int, unseen: int, pairs: bool) -> Sequence[tuple[int, ...]]:
    """What runs hold out to judge an unseen modality; `pairs`: with each other one too, for leave-one-out."""
    others = [m for m in range(modalities) if m != unseen]
    return [(unseen,), *((unseen, other) for other in others if pairs)]
