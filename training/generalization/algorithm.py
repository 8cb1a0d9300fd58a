"""What every algorithm of modality generalization is: networks, losses, and what minimises which.

Modalities take the part that domains have in domain generalization. A step sees a batch of every training
modality; the unseen modality is predicted by the same network.

To add one, write a class in `training/generalization/algorithms` and add it to the table in `registry.py`
there; `tests/training/algorithm_kit.py` holds by test what each must fulfil."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from training.generalization.faults import FAULTS, Fault
from training.generalization.hyperparameters import Hyper, Hyperparameter
from training.generalization.networks import Featurizer, Network, draw_weights

Draws = dict[str, Shaped[Tensor, "..."]]
"""Random choices of one step by name."""
Losses = dict[str, Float[Tensor, "*k"]]
"""What a pass gives by name: losses, and other numbers to report; of each of k stacked algorithms."""


class Batch(NamedTuple):
    """n items of each of the m training modalities."""

    features: Float[Tensor, "m n d"]
    labels: Int64[Tensor, "m n"]

    @property
    def rows(self) -> Float[Tensor, "k d"]:
        """Features of all items, one modality after the other."""
        return self.features.flatten(0, 1)

    @property
    def targets(self) -> Int64[Tensor, " k"]:
        """Labels of `rows`."""
        return self.labels.flatten()

    @property
    def sources(self) -> Int64[Tensor, " k"]:
        """Number of the modality of each of `rows`."""
        modalities, items = self.labels.shape
        return torch.arange(modalities, device=self.labels.device).repeat_interleave(items)


class Pass(NamedTuple):
    """One forward pass of a step, and the loss by name that each group of parameters minimises."""

    name: str
    minimises: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """What an algorithm is built for."""

    width: int
    """Of the features."""
    classes: int
    modalities: int
    """Number of training modalities."""
    seed: int
    """Of the weights."""


class Algorithm(nn.Module, ABC):
    """`featurizer`: in place of ModalBed's. `faults`: those of the public code to have, see `FAULTS`. Raises
    ValueError for sizes that do not fit, hyperparameters that are missing and faults it does not know."""

    title: ClassVar[str]
    """Name in ModalBed's tables."""
    hyperparameters: ClassVar[tuple[Hyperparameter, ...]]
    """Those that it reads."""
    knows: ClassVar[tuple[Fault, ...]] = ()
    """Faults that the public code has in it."""
    paired: ClassVar[bool] = False
    """Whether batches must hold the same items in all modalities, with the same labels."""

    def __init__(
        self,
        setting: Setting,
        hyper: Hyper,
        faults: Collection[Fault] = (),
        featurizer: Network | None = None,
    ):
        super().__init__()
        if setting.classes < 2 or setting.modalities < 1:
            raise ValueError(f"{setting}: at least two classes and one training modality are needed")
        missing = [h.name for h in self.hyperparameters if h.name not in hyper]
        if missing:
            raise ValueError(f"{self.title} lacks its hyperparameters {', '.join(missing)}")
        unknown = sorted(set(faults) - set(self.knows))
        if unknown:
            raise ValueError(
                f"{self.title} has no fault {', '.join(unknown)}; of {', '.join(FAULTS)} it has "
                f"{', '.join(self.knows) or 'none'}"
            )
        self.setting, self.hyper, self.faults = setting, hyper, frozenset(faults)
        self.featurizer = featurizer or Featurizer(setting.width)
        self.steps = 0
        """Steps done."""
        self.epoch = 0.0
        """Of the step, in passes over the training items."""
        self.build()
        draw_weights(self, torch.Generator().manual_seed(setting.seed))
        self.groups: dict[str, list[nn.Parameter]] = {}
        """Parameters by the name that passes give them."""
        self._optimisers: dict[str, torch.optim.Optimizer] = {}
        self.optimise()

    def stack(self, others: Sequence["Algorithm"]) -> None:
        """Become this algorithm and `others` at once, before the first step of any: parameters with one more
        dimension, in front, and an optimiser for all. `stacked.py` runs such a one."""
        modules, apart = dict(self.named_modules()), [dict(a.named_parameters()) for a in (self, *others)]
        for name, first in apart[0].items():
            module, _, leaf = name.rpartition(".")
            together = torch.stack([parameters[name].detach() for parameters in apart])
            setattr(modules[module], leaf, nn.Parameter(together, requires_grad=first.requires_grad))
        self.optimise()

    @abstractmethod
    def build(self) -> None:
        """Make the networks beside `featurizer`."""

    @abstractmethod
    def optimise(self) -> None:
        """Make the groups of parameters (`adam`, `sgd`)."""

    @abstractmethod
    def passes(self) -> Sequence[Pass]:
        """The passes of the next step."""

    @abstractmethod
    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        """Losses of the pass `name`; a function of parameters, arguments, `steps` and `epoch` alone."""

    @abstractmethod
    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Logits of items of whatever modality."""

    def draw(self, items: int, rng: np.random.Generator) -> Draws:
        """The random choices of a step with so many items of each modality; here none."""
        return {}

    def before_step(self) -> None:
        """Called before the passes of a step."""

    def after_step(self) -> None:
        """Called after the passes of a step."""

    def adam(
        self,
        group: str,
        parameters: Iterable[nn.Parameter],
        lr: float,
        decay: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
    ) -> None:
        """Make a group, or let an old one start again, with Adam; `decay` is added to gradients (L2)."""
        self.groups[group] = list(parameters)
        self._optimisers[group] = torch.optim.Adam(
            self.groups[group], lr=lr, weight_decay=decay, betas=(beta1, beta2)
        )

    def sgd(
        self, group: str, parameters: Iterable[nn.Parameter], lr: float, decay: float, momentum: float
    ) -> None:
        """As `adam`, with gradient descent and momentum."""
        self.groups[group] = list(parameters)
        self._optimisers[group] = torch.optim.SGD(
            self.groups[group], lr=lr, weight_decay=decay, momentum=momentum
        )

    def update(self, batch: Batch, draws: Draws, epoch: float = 0.0) -> dict[str, float]:
        """One step on a batch with choices that were drawn; returns what its passes report. Raises ValueError
        for a batch of another number of modalities, and for labels that differ where items must be paired."""
        modalities, labels = self.setting.modalities, batch.labels
        if len(labels) != modalities:
            raise ValueError(f"a batch of {len(labels)} modalities, where {self.title} has {modalities}")
        if self.paired and not torch.equal(labels, labels[:1].expand_as(labels)):
            raise ValueError(f"{self.title} needs the same items in all modalities: labels of a batch differ")
        reported = self.advance(lambda name: self(name, batch, draws), epoch)
        return {name: float(value) for name, value in reported.items()}

    def advance(self, losses_of: Callable[[str], Losses], epoch: float) -> Losses:
        """One step on the losses that a pass gives by its name; returns all that passes report."""
        self.epoch = epoch
        self.before_step()
        reported: Losses = {}
        for name, minimises in self.passes():
            losses = losses_of(name)
            # All gradients before any step: groups of one pass are minimised at the same point.
            gradients = {
                group: torch.autograd.grad(losses[loss].sum(), self.groups[group], retain_graph=True)
                for group, loss in minimises.items()
            }
            for group, found in gradients.items():
                for parameter, gradient in zip(self.groups[group], found, strict=True):
                    parameter.grad = gradient
                self._optimisers[group].step()
            reported |= {key: value.detach() for key, value in losses.items()}
        self.after_step()
        self.steps += 1
        return reported
