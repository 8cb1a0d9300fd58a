"""TTT-MAE, test-time training with masked autoencoders (Gandelsman et al., NeurIPS 2022, arXiv:2209.07522).

For each test image, the encoder takes some steps on reconstructing that image from many masks; a head that
stays as it is then predicts from the features of the whole image. Many images are adapted at once, each with
parameters of its own (`torch.func`)."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from scenes.config import Config
from scenes.seeding import rng
from training.pretrain.mae import MaskedAutoencoder

Parameters = dict[str, Float[Tensor, "..."]]
"""By name within the autoencoder; of many images [b, …]."""


class AdaptationConfig(Config):
    """Steps on one image; the share of patches masked is that of pre-training. Defaults are of appendix T of
    TST's paper."""

    steps: int = Field(default=20, ge=0)
    """Steps of gradient descent."""
    masks: int = Field(default=128, ge=1)
    """Masks in a step."""
    lr: float = Field(default=5e-3, gt=0)
    """Learning rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of gradient descent."""
    seed: int = 0
    """Of the masks."""


class AdaptedImages(NamedTuple):
    """Images with encoders of their own."""

    features: Float[Tensor, "b n d"]
    """Of the whole images, unmasked, for the head."""
    losses: Float[Tensor, "b s"]
    """Reconstruction before each step."""
    parameters: Parameters
    """Those that moved, [b, …]."""


def moves(name: str) -> bool:
    """Whether a parameter is adapted: the encoder, its class tokens among them, and the mask token. The
    decoder is frozen."""
    return name.startswith("encoder.") or name == "mask_embedding"


def adapt(
    model: MaskedAutoencoder,
    rgb: UInt8[Tensor, "b h w 3"],
    ids: Sequence[int],
    config: AdaptationConfig,
) -> AdaptedImages:
    """Adapts to each image apart, all from the model's parameters, which stay as they are. `ids`: of the
    images; an image's masks depend on its id and the seed alone."""
    each = {
        name: p.detach().expand(len(rgb), *p.shape) for name, p in model.named_parameters() if moves(name)
    }
    return _adapted(model, each, rgb, ids, config)


def adapt_online(
    model: MaskedAutoencoder,
    rgb: UInt8[Tensor, "b h w 3"],
    ids: Sequence[int],
    config: AdaptationConfig,
    start: Parameters | None = None,
) -> Iterator[AdaptedImages]:
    """Adapts to one image after another, each from the parameters that the last one left (`start`: those that
    an earlier call left, [1, …]); momentum begins anew."""
    for number, image in enumerate(ids):
        if start is None:
            adapted = adapt(model, rgb[number : number + 1], [image], config)
        else:
            adapted = _adapted(model, start, rgb[number : number + 1], [image], config)
        start = adapted.parameters
        yield adapted


def _adapted(
    model: MaskedAutoencoder,
    each: Parameters,
    rgb: UInt8[Tensor, "b h w 3"],
    ids: Sequence[int],
    config: AdaptationConfig,
) -> AdaptedImages:
    frozen = {name: p.detach() for name, p in model.named_parameters() if not moves(name)}
    step = vmap(grad_and_value(_loss_of(model, frozen)))
    draws = [masks(model.slots, image, config) for image in ids]
    velocity: Parameters = {}
    losses = []
    for orders in zip(*draws, strict=True):
        order = torch.from_numpy(np.stack(orders)).to(rgb.device)
        gradients, loss = step(each, rgb, order)
        losses.append(loss.detach())
        if velocity:
            gradients = {name: config.momentum * velocity[name] + g for name, g in gradients.items()}
        velocity = gradients
        each = {name: p - config.lr * velocity[name] for name, p in each.items()}
    shown = torch.stack(losses, dim=1) if losses else torch.zeros(len(rgb), 0)
    return AdaptedImages(features_of(model, each, rgb), shown, each)


def masks(slots: int, image: int, config: AdaptationConfig) -> Iterator[Int64[np.ndarray, "m slots"]]:
    """For each step the patches of an image in random orders, of which the first are seen."""
    random = rng(config.seed, "ttt-mae", image)
    for _ in range(config.steps):
        yield np.argsort(random.random((config.masks, slots), dtype=np.float32), axis=1)


def _loss_of(
    model: MaskedAutoencoder, frozen: Parameters
) -> Callable[[Parameters, UInt8[Tensor, "h w 3"], Int64[Tensor, "m n"]], Float[Tensor, ""]]:
    """The model's loss as a function of moving parameters, one image and its masks."""

    def loss(moving: Parameters, image: Tensor, order: Tensor) -> Tensor:
        batch = {
            "rgb": image.expand(len(order), *image.shape),
            "inputs": order[:, : model.visible],
            "targets": order[:, model.visible :],
        }
        return functional_call(model, {**frozen, **moving}, (batch,))["total"]

    return loss


@torch.no_grad()
def features_of(
    model: MaskedAutoencoder, each: Parameters, rgb: UInt8[Tensor, "b h w 3"]
) -> Float[Tensor, "b n d"]:
    """Features of whole images, each by parameters of its own."""
    own = {name.removeprefix("encoder."): p for name, p in each.items() if name.startswith("encoder.")}

    def one(parameters: Parameters, image: Tensor) -> Tensor:
        return functional_call(model.encoder, parameters, (image[None],))[0]

    return vmap(one)(own, rgb)
