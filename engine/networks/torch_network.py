"""Networks that run in torch: frames are resized and normalised, a module gives the output."""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.network import Network, NetworkConfig, Origin, Output

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_AT_ONCE = 32  # frames on a GPU


@dataclass(frozen=True)
class Preparation:
    """How frames become the input of a module. `mean` and `std` are those of RGB from 0 to 1."""

    image: int
    """Height and width that frames are resized to [pixels]."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    resize: Literal["bilinear", "bicubic"] = "bicubic"
    """Antialiased where it shrinks."""
    bgr: bool = False
    """Whether the module takes blue first."""

    def __call__(self, rgb: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 image image"]:
        """Frames (sRGB) as the module takes them."""
        images = rgb.permute(0, 3, 1, 2).float()
        if images.shape[-2:] != (self.image, self.image):
            images = functional.interpolate(
                images, (self.image, self.image), mode=self.resize, align_corners=False, antialias=True
            ).clamp(0, 255)
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        images = (images / 255 - mean) / std
        return images.flip(1) if self.bgr else images


class TorchNetwork(Network):
    """A module, from prepared frames (by `Preparation`, or as they are stored) to outputs
    [b, *output.shape]."""

    def __init__(
        self,
        module: nn.Module,
        output: Output,
        origin: Origin,
        prepare: Callable[[UInt8[Tensor, "b h w 3"]], Tensor],
        device: Literal["auto", "cpu", "cuda"] = "cpu",
    ):
        """Raises ValueError where `device` is cuda and there is none."""
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device: cuda, but torch finds no CUDA device; say auto or cpu")
        self.output, self.origin, self._prepare = output, origin, prepare
        self._device = "cpu" if device == "cpu" or not torch.cuda.is_available() else "cuda"
        module.eval().requires_grad_(False)
        self._module = module if _without_values(module) else module.to(self._device)
        # Kernels of other batch sizes differ in the last bits: all frames run in batches of one size.
        self._at_once = 1 if self._device == "cpu" else _AT_ONCE

    @torch.inference_mode()
    def __call__(self, rgb: UInt8[np.ndarray, "b height width 3"]) -> Shaped[np.ndarray, "b ..."]:
        blocks = [np.zeros((0, *self.output.shape), self.output.dtype)]
        for first in range(0, len(rgb), self._at_once):
            block = torch.tensor(rgb[first : first + self._at_once])
            count = len(block)
            block = functional.pad(block, (0, 0, 0, 0, 0, 0, 0, self._at_once - count))
            out = self._module(self._prepare(block.to(self._device)))[:count]
            blocks.append(out.cpu().numpy().astype(self.output.dtype))
        return np.concatenate(blocks)


def build_network(
    config: NetworkConfig,
    module: nn.Module,
    output: Output,
    prepare: Preparation,
    *,
    source: str,
    licence: str,
) -> TorchNetwork:
    """A module with the origin that `config` gives it: external access `none` where it is untrained, else
    `pseudolabels`."""
    untrained = config.weights == "untrained"
    settings = {
        "network": type(config).__name__,
        "config": config.model_dump(mode="json", exclude={"weights", "seed", "device"}),
        "output": asdict(output),
        "prepare": asdict(prepare),
    }
    origin = Origin(
        external_access="none" if untrained else "pseudolabels",
        source=untrained_source(config) if untrained else source,
        licence="" if untrained else licence,
        digest=digest_of(module, settings),
    )
    return TorchNetwork(module, output, origin, prepare, config.device)


def output_of(config: NetworkConfig, size: int) -> Output:
    """What a network yields for frames of `size` pixels a side, without its weights, which need not be there:
    of weights that are given by folder or id, those of the published shape.

    Raises ValueError where it cannot be given such frames."""
    with torch.device("meta"):
        return config.model_copy(update={"weights": "untrained"}).load(size).output


def _without_values(module: nn.Module) -> bool:
    """Whether it was built on PyTorch's device `meta`, for its shape alone."""
    return any(value.is_meta for value in module.parameters())


def untrained_source(config: NetworkConfig) -> str:
    """The line that names random weights."""
    return f"untrained, seed {config.seed}"


def digest_of(module: nn.Module, settings: Mapping[str, Any]) -> str:
    """sha256 of a module's weights and buffers and of `settings`, hex."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        if value.is_meta:
            continue  # of the shape alone: `output_of`
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Modules that are built within draw their weights from `seed`; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def need(config: NetworkConfig, module: str) -> Any:
    """An optional module of `config.needs`. Raises ValueError with the line that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"{type(config).__name__} needs {module} ({error}): {config.install}") from None
