"""How each sensory modality is turned into numbers for a network, back into an image, and what an error of
it means.

Depth [mm] is taken as its logarithm: an error of 5 % is the same near and far. Where depth or normals hit
nothing, there is no value: a second channel says so, and no loss is taken there but on that channel."""

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from engine.store.schema import OutputKind

# log(depth / 1 m) of rooms lies about within ±2.3 (0.1 m to 10 m).
LOG_DEPTH_SCALE = 1.5

# Edges are a tenth of pixels: one weighs as much as ten others, or "no edge anywhere" would be a fine answer.
EDGE_WEIGHT = 10.0
# F1 is greatest where what is more likely than half that F1 is drawn (Lipton et al., arXiv:1402.1892). It is
# about 1/2 here: 1/4, whose logit, log(1/3), the weight takes up by its own logarithm.
EDGE_LOGIT = math.log(EDGE_WEIGHT / 3)


Images = Shaped[np.ndarray, "b h w *c"]
"""Images as a store has them: rgb and normals uint8 with three channels, edges uint8, depth uint16 [mm]."""
Input = Float[Tensor, "b c h w"]
"""What a network sees of images, `channels` channels."""
Output = Float[Tensor, "b o h w"]
"""What a network gives for images, `outputs` channels."""


class ModalityTransform(ABC):
    """One modality: stored images to a network's input, its output back to images, the loss between the two,
    and the error of images."""

    channels: int
    outputs: int
    error_unit: str

    @abstractmethod
    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        """What the network sees of stored images, on their device."""

    @abstractmethod
    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        """Mean loss of an output for the images of an input, over pixels that have a value."""

    @abstractmethod
    def to_image(self, y: Output) -> Images:
        """An output, on the CPU, as images of the stored dtype."""

    @abstractmethod
    def error(self, decoded: Images, truth: Images) -> float:
        """Mean error of decoded images in `error_unit`; lower is better. NaN where no pixel has a value in
        both."""


class Rgb(ModalityTransform):
    """Colours of -1 to 1; squared error."""

    channels, outputs, error_unit = 3, 3, "RMSE of 0..1"

    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1.0

    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        return F.mse_loss(y, x)

    def to_image(self, y: Output) -> Images:
        return ((y.clamp(-1, 1) + 1.0) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()

    def error(self, decoded: Images, truth: Images) -> float:
        return float(np.sqrt(np.mean((decoded / 255.0 - truth / 255.0) ** 2)))


class Depth(ModalityTransform):
    """Logarithm of depth, and whether a pixel hit anything; absolute error of the logarithm."""

    channels, outputs, error_unit = 2, 2, "mean |log ratio|"

    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        metres = images.int().float() / 1000.0  # torch has few operations on uint16
        valid = metres > 0
        value = torch.where(valid, metres.clamp_min(1e-3).log() / LOG_DEPTH_SCALE, 0.0)
        return torch.stack([value, valid.float()], dim=1)

    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        valid = x[:, 1]
        value = ((y[:, 0] - x[:, 0]).abs() * valid).sum() / valid.sum().clamp_min(1.0)
        return value + 0.1 * F.binary_cross_entropy_with_logits(y[:, 1], valid)

    def to_image(self, y: Output) -> Images:
        millimetres = ((y[:, 0] * LOG_DEPTH_SCALE).exp() * 1000.0).clamp(1, 65535).round()
        return torch.where(y[:, 1] > 0, millimetres, 0.0).numpy().astype(np.uint16)

    def error(self, decoded: Images, truth: Images) -> float:
        both = (truth > 0) & (decoded > 0)
        ratio = np.log(decoded[both].astype(np.float64)) - np.log(truth[both].astype(np.float64))
        return float(np.abs(ratio).mean()) if both.any() else float("nan")


class Normals(ModalityTransform):
    """Unit normals, and whether a pixel hit anything; squared error of the vector."""

    channels, outputs, error_unit = 4, 4, "mean angle [degrees]"

    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        valid = (images > 0).any(-1, keepdim=True).float()
        n = F.normalize(images.float() / 127.5 - 1.0, dim=-1) * valid
        return torch.cat([n, valid], dim=-1).permute(0, 3, 1, 2)

    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        valid = x[:, 3]
        square = ((y[:, :3] - x[:, :3]) ** 2).sum(1)
        return (square * valid).sum() / valid.sum().clamp_min(1.0) + 0.1 * F.binary_cross_entropy_with_logits(
            y[:, 3], valid
        )

    def to_image(self, y: Output) -> Images:
        n = F.normalize(y[:, :3], dim=1)
        codes = ((n * 0.5 + 0.5) * 255.0).round().byte() * (y[:, 3:] > 0)
        return codes.permute(0, 2, 3, 1).numpy()

    def error(self, decoded: Images, truth: Images) -> float:
        both = (truth > 0).any(-1) & (decoded > 0).any(-1)
        a, b = (v[both].astype(np.float64) / 127.5 - 1.0 for v in (decoded, truth))
        cosine = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
        return float(np.degrees(np.arccos(cosine.clip(-1, 1))).mean()) if both.any() else float("nan")


class Edges(ModalityTransform):
    """1 on edges, 0 elsewhere; cross-entropy in which edges weigh more."""

    channels, outputs, error_unit = 1, 1, "1 - F1"

    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        return (images > 0).float()[:, None]

    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        weight = torch.where(x > 0, EDGE_WEIGHT, 1.0)
        return F.binary_cross_entropy_with_logits(y, x, weight) * weight.numel() / weight.sum()

    def to_image(self, y: Output) -> Images:
        return np.where(y[:, 0].numpy() > EDGE_LOGIT, 255, 0).astype(np.uint8)

    def error(self, decoded: Images, truth: Images) -> float:
        hit = np.sum((decoded > 0) & (truth > 0))
        total = np.sum(decoded > 0) + np.sum(truth > 0)
        return float(1.0 - 2.0 * hit / total) if total else 0.0


class SoftEdges(Edges):
    """Edges that a network draws, 0 to 1 as it is sure of them; cross-entropy in which edges weigh more."""

    error_unit = "1 - F1 at one half"

    def to_input(self, images: Shaped[Tensor, "b h w *c"]) -> Input:
        return (images.float() / 255.0)[:, None]

    def loss(self, y: Output, x: Input) -> Float[Tensor, ""]:
        weight = 1.0 + (EDGE_WEIGHT - 1.0) * x
        return F.binary_cross_entropy_with_logits(y, x, weight) * weight.numel() / weight.sum()

    def to_image(self, y: Output) -> Images:
        return (y[:, 0].sigmoid() * 255.0).round().byte().numpy()

    def error(self, decoded: Images, truth: Images) -> float:
        return super().error(decoded > 127, truth > 127)


MODALITY_TRANSFORMS: dict[str, ModalityTransform] = {
    "rgb": Rgb(),
    "depth": Depth(),
    "normals": Normals(),
    "edges": Edges(),
}


IMAGE_OUTPUTS: dict[str, ModalityTransform] = {"edges": SoftEdges(), "depth": MODALITY_TRANSFORMS["depth"]}
"""Of networks that make an image: by the kind of their output."""


def modality_transform(modality: str, output: OutputKind | None = None) -> ModalityTransform:
    """The transform of a modality; `output`: of the network that made it, where one did. Raises ValueError,
    naming those that there are, where it has none."""
    if output in IMAGE_OUTPUTS:
        return IMAGE_OUTPUTS[output]
    if output is not None or modality not in MODALITY_TRANSFORMS:
        raise ValueError(
            f"no tokenizer for modality {modality!r}; there are: {', '.join(MODALITY_TRANSFORMS)}"
        )
    return MODALITY_TRANSFORMS[modality]
