"""The small networks that the algorithms are made of, and how their first weights are drawn."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class Network(nn.Module):
    """Maps vectors to vectors of width `outputs`."""

    outputs: int


class Featurizer(Network):
    """ModalBed's learner (Tab. 3): features of length 1 through a bottleneck of four linear layers, to
    features of the same width. Raises ValueError for a width that is no multiple of 4."""

    def __init__(self, width: int):
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(f"features have width {width}: it must be a multiple of 4")
        self.outputs = width
        sizes = (width, width // 2, width // 4, width // 2, width)
        linears = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        layers = [layer for linear in linears for layer in (linear, nn.ReLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Features of features that a perceptor gave."""
        return self.layers(x / x.norm(dim=-1, keepdim=True))


class Mlp(Network):
    """DomainBed's perceptron of `depth` linear layers, those within of `width`; `leak`: of their ReLUs."""

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, leak: float = 0.0):
        super().__init__()
        self.outputs, self.leak = outputs, leak
        sizes = (inputs, *[width] * (depth - 1), outputs)
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(
        self, x: Float[Tensor, "*n d"], kept: Float[Tensor, "l *n w"] | None = None
    ) -> Float[Tensor, "*n o"]:
        """`kept`: factors of the outputs of the layers within, before their ReLU (dropout)."""
        *within, last = self.linears
        for number, linear in enumerate(within):
            x = linear(x)
            x = F.leaky_relu(x if kept is None else x * kept[number], self.leak)
        return last(x)


def dropout_factors(drawn: Float[Tensor, "*n"], dropout: float) -> Float[Tensor, "*n"]:
    """Factors of dropout from uniform numbers in [0, 1): 0, or what keeps the mean."""
    kept: Bool[Tensor, "*n"] = drawn >= dropout
    return kept / (1.0 - dropout)


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """First weights as torch draws them, from a generator: linear layers uniform within ±1/√inputs, tables
    of embeddings normal."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            for parameter in child.parameters():
                nn.init.uniform_(
                    parameter, -(child.in_features**-0.5), child.in_features**-0.5, generator=generator
                )
        elif isinstance(child, nn.Embedding):
            nn.init.normal_(child.weight, generator=generator)
