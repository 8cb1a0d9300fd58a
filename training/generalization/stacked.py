"""Several small models in one process: algorithms that differ in weights and batches alone take their steps
together, each the step that it would take by itself."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, vmap

from training.generalization.algorithm import Algorithm, Batch, Draws, Losses


class Stacked:
    """k algorithms of one class, for one setting but for its seed, with equal hyperparameters, before their
    first step; it takes them over. Raises ValueError where they differ in more."""

    def __init__(self, algorithms: Sequence[Algorithm]):
        first = algorithms[0]
        for other in algorithms[1:]:
            same = (type(other), other.hyper, other.faults, other.steps, *_sizes(other))
            if same != (type(first), first.hyper, first.faults, first.steps, *_sizes(first)):
                raise ValueError(
                    f"{first.title} for {first.setting} and {other.title} for {other.setting} differ in more "
                    "than weights: run them one by one"
                )
        self.count = len(algorithms)
        self.all = first
        """Its parameters are those of all, [k, ...]."""
        self._one = _Called(copy.deepcopy(first))
        first.stack(algorithms[1:])

    def update(self, batches: Sequence[Batch], draws: Sequence[Draws], epoch: float = 0.0) -> Losses:
        """One step of each on a batch of its own with its own draws; what each reports, [k]."""
        features, labels = (torch.stack(part) for part in zip(*batches, strict=True))
        if self.all.paired and not torch.equal(labels, labels[:, :1].expand_as(labels)):
            raise ValueError(
                f"{self.all.title} needs the same items in all modalities: labels of a batch differ"
            )
        drawn = {name: torch.stack([d[name] for d in draws]).to(labels.device) for name in draws[0]}

        def losses(name: str) -> Losses:
            self._one.algorithm.steps, self._one.algorithm.epoch = self.all.steps, epoch

            def one(parameters: Any, x: Tensor, y: Tensor, choices: Draws) -> Losses:
                return functional_call(self._one, parameters, (name, Batch(x, y), choices))

            return vmap(one)(self._parameters(), features, labels, drawn)

        return self.all.advance(losses, epoch)

    @torch.no_grad()
    def predict(self, features: Float[Tensor, "n d"] | Float[Tensor, "k n d"]) -> Float[Tensor, "k n c"]:
        """Logits by each of the same items, or of its own."""
        own = 0 if features.ndim == 3 else None

        def one(parameters: Any, x: Tensor) -> Tensor:
            return functional_call(self._one, parameters, (None, x, {}))

        return vmap(one, in_dims=(0, own))(self._parameters(), features)

    def _parameters(self) -> dict[str, Shaped[Tensor, "k ..."]]:
        return {f"algorithm.{name}": p for name, p in self.all.named_parameters()}


class _Called(nn.Module):
    """A pass of an algorithm, or without a name its predictions, as the one call that torch.func knows."""

    def __init__(self, algorithm: Algorithm):
        super().__init__()
        self.algorithm = algorithm

    def forward(self, name: str | None, given: Any, draws: Draws) -> Any:
        return self.algorithm.predict(given) if name is None else self.algorithm(name, given, draws)


def _sizes(algorithm: Algorithm) -> tuple[int, int, int]:
    setting = algorithm.setting
    return setting.width, setting.classes, setting.modalities
