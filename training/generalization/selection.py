"""Selectors: which run of a search, and which of its checkpoints, is taken for an unseen modality.

Three rules of DomainBed (Gulrajani & Lopez-Paz, ICLR 2021) as ModalBed has them. They see accuracies on the
items of training modalities, and no more, but for `oracle`, which sees labels of the unseen one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

SelectorName = Literal["training", "leave-one-out", "oracle"]


@dataclass(frozen=True)
class Checkpoint:
    """Accuracies at one step of one run, by the number of each modality, those held out included."""

    search: int
    """Number of the run's hyperparameters in the search."""
    held_out: tuple[int, ...]
    """Modalities that the run did not train on: the unseen one, or it and another."""
    step: int
    trained: tuple[float, ...]
    """On the training items, of a modality that is held out too."""
    validated: tuple[float, ...]
    """On the validation items."""
    tested: tuple[float, ...]
    """On the test items. The public code has none, and tests on the training items of the unseen modality."""


class Choice(NamedTuple):
    """A checkpoint for an unseen modality."""

    search: int
    step: int
    validation: float
    """Accuracy that it was chosen by."""
    test: float
    """Accuracy on the test items of the unseen modality."""


class Selector(NamedTuple):
    """A rule; `needs_pairs`: runs with a second modality held out; `sees_test_labels`: see `oracle`."""

    choose: Callable[[Sequence[Checkpoint], int], Choice | None]
    """The checkpoint of the runs of one number in the search, if they are enough."""
    needs_pairs: bool = False
    sees_test_labels: bool = False


def ranked(name: SelectorName, checkpoints: Iterable[Checkpoint], unseen: int) -> list[Choice]:
    """The choice of each number in the search that has runs enough, best first; of equal ones the later
    number first, of equal steps the first. `checkpoints`: of one algorithm, data set and repeat."""
    runs: dict[int, list[Checkpoint]] = defaultdict(list)
    for checkpoint in sorted(checkpoints, key=lambda c: c.step):
        if unseen in checkpoint.held_out:
            runs[checkpoint.search].append(checkpoint)
    choices = [SELECTORS[name].choose(runs[number], unseen) for number in sorted(runs)]
    return sorted((c for c in choices if c is not None), key=lambda c: (c.validation, c.search), reverse=True)


def _alone(run: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Those of runs that hold out the unseen modality alone."""
    return [checkpoint for checkpoint in run if len(checkpoint.held_out) == 1]


def _best(choices: Iterable[Choice]) -> Choice | None:
    return max(choices, key=lambda c: c.validation, default=None)


def by_training_modalities(run: Sequence[Checkpoint], unseen: int) -> Choice | None:
    """The step with the best mean over the validation items of the training modalities."""

    def mean(accuracies: Sequence[float]) -> float:
        return float(np.mean([*accuracies[:unseen], *accuracies[unseen + 1 :]]))

    return _best(Choice(c.search, c.step, mean(c.validated), c.tested[unseen]) for c in _alone(run))


def by_leave_one_out(run: Sequence[Checkpoint], unseen: int) -> Choice | None:
    """The step at which runs that held out a training modality too are best at that one, in the mean over
    the training modalities."""

    def choices() -> Iterator[Choice]:
        for alone in _alone(run):
            pairs = [c for c in run if c.step == alone.step and len(c.held_out) == 2]
            others = {sum(c.held_out) - unseen: c for c in pairs}
            if len(others) < len(alone.trained) - 1:
                continue
            found = [others[other].trained[other] for other in sorted(others)]
            yield Choice(alone.search, alone.step, float(np.sum(found) / len(found)), alone.tested[unseen])

    return _best(choices())


def by_oracle(run: Sequence[Checkpoint], unseen: int) -> Choice | None:
    """The last step, and so the run that is best on validation items of the unseen modality itself."""
    alone = _alone(run)
    if not alone:
        return None
    last = alone[-1]
    return Choice(last.search, last.step, last.validated[unseen], last.tested[unseen])


SELECTORS: dict[SelectorName, Selector] = {
    "training": Selector(by_training_modalities),
    "leave-one-out": Selector(by_leave_one_out, needs_pairs=True),
    "oracle": Selector(by_oracle, sees_test_labels=True),
}
