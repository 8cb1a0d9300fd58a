"""Crops of frames as DINOv2 makes them (Oquab et al., arXiv:2304.07193), whole batches at a time.

`draw_crops` makes every random choice, in numpy, from a generator that is passed in; `make_crops` carries
them out on whatever device the frames are on. As there: boxes of a random area and of a ratio of 3/4 to
4/3, antialiased bicubic resampling, mirror images, changes of brightness, contrast, saturation and hue,
grey, blur, solarisation, with the probabilities given there. Unlike there the four changes of colour come in
one order, and the blur keeps its width as a share of a crop, whatever the size."""

from functools import partial
from typing import Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Shaped, UInt8
from pydantic import Field, model_validator
from torch import Tensor

from engine.stream.augment import draw_box_sizes
from scenes.config import Config

RATIO = (3 / 4, 4 / 3)
COLOUR, GREY, SOLARISED = 0.8, 0.2, 0.2
"""Probabilities of a change of colour, of no colour, and (second global crop) of solarisation."""
BLURRED = {"global": (1.0, 0.1), "local": (0.5,)}
"""Probability of blur in the first and the second global crop, and in a local one."""
SIGMA, CROP_SIDE = (0.1, 2.0), {"global": 224, "local": 96}
"""Widths of the blur [pixels] in crops of these sides [pixels]."""
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.4, 0.4, 0.2, 0.1
"""Largest changes: factors of 1 ± so much, of the hue so many turns."""
LUMA = (0.299, 0.587, 0.114)


class MultiCropConfig(Config):
    local_crops: int = Field(default=8, ge=0)
    """Local crops of a frame, beside two global ones; their side is half the frame's."""
    global_area: tuple[float, float] = (0.32, 1.0)
    """Smallest and largest area of a global crop, as a share of the frame."""
    local_area: tuple[float, float] = (0.05, 0.32)
    """Those of a local crop."""
    colour: float = Field(default=1.0, ge=0, le=1)
    """Factor of the probability of every change other than crop and mirror image; 0: none."""

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        for name, (low, high) in {"global_area": self.global_area, "local_area": self.local_area}.items():
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} is {low}, {high}: give the smaller first, both above 0 and up to 1")
        return self


Drawn = dict[str, Shaped[Tensor, "_ f ..."]]
"""What was drawn for v crops of each of f frames, [v, f]: box [v, f, 4] (top, left, height, width) in whole
pixels, mirrored; brightness, contrast, saturation (factors) and hue (turns); grey; sigma of the blur, as a
share of the crop's side; solarised. 1, 0 and false where nothing changes."""


def draw_crops(frames: int, side: int, config: MultiCropConfig, rng: np.random.Generator) -> dict[str, Drawn]:
    """Two crops "global" and `config.local_crops` "local" of each of so many frames of `side` pixels."""
    draw = partial(_draw, frames, side, config, rng)
    return {
        "global": draw("global", 2, config.global_area, (0.0, SOLARISED)),
        "local": draw("local", config.local_crops, config.local_area, (0.0,)),
    }


def _draw(
    frames: int,
    side: int,
    config: MultiCropConfig,
    rng: np.random.Generator,
    kind: str,
    crops: int,
    area: tuple[float, float],
    solarised: tuple[float, ...],
) -> Drawn:
    shape = (crops, frames)

    def happens(*chances: float) -> Bool[np.ndarray, "v f"]:
        return rng.random(shape) < config.colour * np.array(chances)[:, None]

    def around(middle: float, change: float, where: Bool[np.ndarray, "v f"]) -> Float32[np.ndarray, "v f"]:
        drawn = rng.uniform(middle - change, middle + change, shape)
        return np.where(where, drawn, middle).astype(np.float32)

    changed = happens(COLOUR)
    sigma = rng.uniform(*SIGMA, shape) / CROP_SIDE[kind]
    size = draw_box_sizes(shape, (side, side), area, RATIO, rng)
    drawn = {
        "box": np.concatenate([rng.integers(0, side - size + 1), size], axis=-1),
        "mirrored": rng.random(shape) < 0.5,
        "brightness": around(1.0, BRIGHTNESS, changed),
        "contrast": around(1.0, CONTRAST, changed),
        "saturation": around(1.0, SATURATION, changed),
        "hue": around(0.0, HUE, changed),
        "grey": happens(GREY),
        "sigma": np.where(happens(*BLURRED[kind]), sigma, 0.0).astype(np.float32),
        "solarised": happens(*solarised),
    }
    return {k: torch.from_numpy(v) for k, v in drawn.items()}


def make_crops(rgb: UInt8[Tensor, "f h h 3"], drawn: Drawn, side: int) -> UInt8[Tensor, "n side side 3"]:
    """Crops of `side` pixels, in the order of `drawn`: all frames' first crops before their second ones."""
    x = resample(rgb, drawn["box"], drawn["mirrored"], side)
    flat = {k: v.flatten()[:, None, None, None] for k, v in drawn.items() if k != "box"}
    x = recolour(x, flat["brightness"], flat["contrast"], flat["saturation"], flat["hue"], flat["grey"])
    x = blur(x, drawn["sigma"].flatten() * side)
    x = torch.where(flat["solarised"] & (x >= 128), 255 - x, x)
    return x.round().clamp(0, 255).to(torch.uint8)


def crop_flops(side: int, out: int) -> float:
    """FLOPs of the products behind one crop: rows and columns resampled, then both blurred."""
    return 2 * 3 * (out * side * side + out * out * side + 2 * out**3)


def resample(
    rgb: UInt8[Tensor, "f h h 3"], box: Int[Tensor, "v f 4"], mirrored: Bool[Tensor, "v f"], side: int
) -> Float[Tensor, "n side side 3"]:
    """Boxes of frames, antialiased bicubic, as two products with matrices of weights. Values in 0..255."""
    v, f = mirrored.shape
    h = rgb.shape[1]
    rows = _weights(box[..., 0], box[..., 2], h, side)
    columns = _weights(box[..., 1], box[..., 3], h, side)
    columns = torch.where(mirrored[..., None, None], columns.flip(-2), columns)
    # Every frame is multiplied once by the rows of all its crops.
    x = rows.transpose(0, 1).reshape(f, v * side, h) @ rgb.reshape(f, h, h * 3).float()
    x = x.view(f, v, side, h, 3).permute(1, 0, 3, 2, 4).reshape(v * f, h, side * 3)
    x = columns.flatten(0, 1) @ x
    return x.view(v * f, side, side, 3).transpose(1, 2).clamp(0, 255)


def _weights(
    start: Int[Tensor, "v f"], length: Int[Tensor, "v f"], pixels: int, side: int
) -> Float[Tensor, "v f side pixels"]:
    """Share of each of `pixels` in each of `side`: the cubic of Keys (a = -1/2), as wide as a pixel of the
    result where that is the larger one; nothing of what lies outside the box."""
    start, scale = start[..., None, None].float(), length[..., None, None].float() / side
    places = torch.arange(side, device=start.device)[:, None]
    sources = torch.arange(pixels, device=start.device)
    x = (sources + 0.5 - (start + (places + 0.5) * scale)).abs() / scale.clamp_min(1.0)
    near = (1.5 * x - 2.5) * x**2 + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weight = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    weight = weight * ((sources >= start) & (sources < start + length[..., None, None]))
    return weight / weight.sum(-1, keepdim=True)


def recolour(
    x: Float[Tensor, "n h w 3"],
    brightness: Float[Tensor, "n 1 1 1"],
    contrast: Float[Tensor, "n 1 1 1"],
    saturation: Float[Tensor, "n 1 1 1"],
    hue: Float[Tensor, "n 1 1 1"],
    grey: Bool[Tensor, "n 1 1 1"],
) -> Float[Tensor, "n h w 3"]:
    """Changes of colour, one after the other; values stay in 0..255."""
    x = (x * brightness).clamp(0, 255)
    x = _blend(x, _luma(x).mean((1, 2), keepdim=True), contrast)
    x = _blend(x, _luma(x), saturation)
    x = turn_hue(x, hue)
    return torch.where(grey, _luma(x), x)


def _blend(
    x: Float[Tensor, "n h w 3"], other: Float[Tensor, "n _ _ 1"], share: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n h w 3"]:
    return (share * x + (1 - share) * other).clamp(0, 255)


def _luma(x: Float[Tensor, "n h w 3"]) -> Float[Tensor, "n h w 1"]:
    r, g, b = x.unbind(-1)
    return (LUMA[0] * r + LUMA[1] * g + LUMA[2] * b)[..., None]


def turn_hue(x: Float[Tensor, "n h w 3"], turns: Float[Tensor, "n 1 1 1"]) -> Float[Tensor, "n h w 3"]:
    """Hue of the HSV cone turned."""
    r, g, b = x.unbind(-1)
    value = x.amax(-1)
    chroma = value - x.amin(-1)
    safe = torch.where(chroma > 0, chroma, 1.0)
    sixth = torch.where(
        value == r,
        (g - b) / safe,
        torch.where(value == g, (b - r) / safe + 2, (r - g) / safe + 4),
    )
    shifted = (sixth[..., None] + 6 * turns + torch.tensor([5.0, 3.0, 1.0], device=x.device)) % 6
    # In each channel a ramp of the hue: full, falling, nothing, rising.
    return value[..., None] - chroma[..., None] * torch.minimum(shifted, 4 - shifted).clamp(0, 1)


def blur(x: Float[Tensor, "n h h 3"], sigma: Float[Tensor, " n"]) -> Float[Tensor, "n h h 3"]:
    """Gaussian of `sigma` pixels, 0 for none; what would lie outside the image has no weight."""
    n, side = x.shape[:2]
    places = torch.arange(side, device=x.device)
    distance = (places[:, None] - places).square()
    weight = torch.exp(-distance / (2 * sigma.clamp_min(1e-3).square())[:, None, None])
    weight = weight / weight.sum(-1, keepdim=True)
    for _ in range(2):  # rows, then columns
        x = (weight @ x.reshape(n, side, side * 3)).view(n, side, side, 3).transpose(1, 2)
    return x
