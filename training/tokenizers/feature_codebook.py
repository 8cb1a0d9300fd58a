"""Tokens of feature maps: what another network saw in a frame, [grid, grid, channels], as the nearest of a
codebook of directions, found by spherical k-means.

    fit_features(frames, "dino", FeatureConfig(codes=512), out)     # `dino`: an array beside the frames
    tokenize(store, "dino", out)

Length is dropped: what features say of a place is in their direction. Whoever put the features beside the
frames says, in the space's external access, what the other network had seen."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from engine.store.access import PretrainFrames
from engine.stream.mixture import MixedFrames
from scenes.config import Config
from training.common.checkpoint import METRICS, write_json
from training.tokenizers.image_tokenizer import save_tokenizer
from training.tokenizers.quantiser import usage
from training.tokenizers.vq import CosineVQ

_AT_ONCE = 64  # frames


class FeatureConfig(Config):
    codes: int = Field(default=512, ge=2, le=65536)
    """Size of the codebook."""
    frames: int = Field(default=1024, ge=1)
    """Frames, at most, whose features are clustered, evenly over the store."""
    rounds: int = Field(default=20, ge=1)
    """Rounds of k-means."""
    seed: int = 0
    """Of the first centres."""


class FeatureCodebook(nn.Module):
    """A tokenizer of feature maps [b, h, w, d], one token a place. `dtype`: theirs, numpy's name of it."""

    patch = 1
    decodes = True

    def __init__(self, modality: str, codes: int, dim: int, dtype: str):
        super().__init__()
        self.modality, self.codes, self.dtype = modality, codes, dtype
        self.vq = CosineVQ(codes, dim)
        self.eval()

    @torch.no_grad()
    def encode(
        self, images: Shaped[np.ndarray, "*places d"] | Shaped[Tensor, "*places d"]
    ) -> Int[Tensor, "*places"]:
        """The nearest code of each place, of maps [b, h, w, d] as of single features [n, d]."""
        return self.vq.ids(torch.as_tensor(images).to(self.vq.codebook.device))

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b h w"]) -> Float[np.ndarray, "b h w d"]:
        """Unit vectors."""
        return self.vq.rows(tokens).cpu().numpy().astype(self.dtype)


def fit_features(
    frames: PretrainFrames | MixedFrames, modality: str, config: FeatureConfig, out: Path
) -> dict[str, Any]:
    """Cluster the features `modality`, measure, and write the folder `out`. Returns the metrics.

    Raises ValueError for what is no feature map, or for fewer places than codes."""
    started = time.monotonic()
    shape = frames.frame_shape(modality)
    if len(shape) != 3:
        raise ValueError(f"{modality!r} has frames of shape {shape}: a feature map is [grid, grid, channels]")
    count = min(config.frames, len(frames))
    ids = np.unique(np.linspace(0, len(frames) - 1, count).astype(np.int64))
    read = [
        frames.read(part, [modality])[modality] for part in np.split(ids, range(_AT_ONCE, count, _AT_ONCE))
    ]
    features = torch.from_numpy(np.concatenate(read)).float().flatten(0, 2)
    model = FeatureCodebook(modality, config.codes, shape[2], str(read[0].dtype))
    model.vq.start(features, torch.Generator().manual_seed(config.seed), config.rounds)
    tokens = torch.cat([model.encode(part) for part in features.split(4096)])
    used, perplexity = usage(torch.bincount(tokens, minlength=config.codes).float())
    cosine = [
        (F.normalize(z, dim=-1) * model.vq.rows(t)).sum(-1)
        for z, t in zip(features.split(4096), tokens.split(4096), strict=True)
    ]
    metrics = {
        "modality": modality,
        "mean_cosine": float(torch.cat(cosine).mean()),
        "usage": used,
        "perplexity": perplexity,
        "codes": config.codes,
        "places": len(features),
        "wall_seconds": time.monotonic() - started,
    }
    facts = {"codes": config.codes, "dim": shape[2], "dtype": model.dtype}
    save_tokenizer(out, "features", modality, facts, model.state_dict())
    write_json(out / METRICS, metrics)
    return metrics
