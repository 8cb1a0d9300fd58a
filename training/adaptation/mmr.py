"""TTT-MMR, test-time training by multimodal reconstruction (MMEarth-Bench, Gordon et al.).

An encoder and a head that were trained jointly with a decoder of sensors see a batch of test images with
their sensors. The encoder alone takes a few steps of gradient descent on the reconstruction; the head then
predicts the same batch. The next batch starts from the trained encoder again."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from training.reconstruction.decoder import ImageLosses, ReconstructionDecoder, Targets

RATE = 1e-2
"""Of a step, MMEarth-Bench's. The mean of gradients of length 1 is no longer than 1."""
NORM_EPSILON = 1e-6

Parameters = dict[str, Float[Tensor, "..."]]


class Adapted(NamedTuple):
    """An encoder after some steps on a batch."""

    parameters: Parameters
    features: Float[Tensor, "b n d"]
    """Of the batch, for the head."""
    losses: ImageLosses
    norms: dict[str, float]
    """Length of each target's gradient in the last step; empty before the first, and without a target that
    no image of the batch has."""


def adapt(
    encoder: nn.Module, decoder: ReconstructionDecoder, inputs: Any, targets: Targets, rate: float = RATE
) -> Iterator[Adapted]:
    """The encoder after 0, 1, 2, … steps, as far as is asked; `encoder(inputs)` gives features of patches.
    No module is changed. Where no image has any target the encoder stays as it is."""
    parameters: Parameters = {name: p.detach() for name, p in encoder.named_parameters()}
    norms: dict[str, float] = {}
    while True:
        with torch.enable_grad():
            parameters = {name: p.requires_grad_() for name, p in _detached(parameters).items()}
            features = functional_call(encoder, parameters, (inputs,))
            losses = decoder.losses(features, targets)
        shown = {name: loss.detach() for name, loss in losses.items()}
        yield Adapted(_detached(parameters), features.detach(), shown, norms)
        gradients = {
            name: torch.autograd.grad(loss.nanmean(), list(parameters.values()), retain_graph=True)
            for name, loss in losses.items()
            if not loss.isnan().all()
        }
        parameters, norms = _descended(parameters, gradients, rate)


def _detached(parameters: Parameters) -> Parameters:
    return {name: p.detach() for name, p in parameters.items()}


def _descended(
    parameters: Parameters, gradients: dict[str, tuple[Tensor, ...]], rate: float
) -> tuple[Parameters, dict[str, float]]:
    """Parameters after a step along the mean of the targets' gradients, each of length 1 over the whole
    encoder, and the lengths that they had."""
    if not gradients:
        return parameters, {}
    norms = {
        name: torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in found]))
        for name, found in gradients.items()
    }
    moved = {}
    for number, (name, parameter) in enumerate(parameters.items()):
        unit = [found[number] / (norms[target] + NORM_EPSILON) for target, found in gradients.items()]
        moved[name] = parameter.detach() - rate * torch.stack(unit).mean(0)
    return moved, {name: float(norm) for name, norm in norms.items()}
