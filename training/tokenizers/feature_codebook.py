"""Tokens of feature maps: what a network saw in a frame, [grid, grid, channels], as the nearest of a codebook
of directions, found by spherical k-means. A vector of the whole image, [channels], is one place.

    fit_features(frames, "dino", FeatureConfig(codes=512), out)     # `dino`: an array beside the frames
    tokenize(store, "dino", out)

Length is dropped: what features say of a place is in their direction."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from engine.store.access import Unlabelled
from engine.stream.mixture import MixedFrames
from scenes.config import Config
from training.common.checkpoint import METRICS, write_json
from training.common.external_access import as_facts, sources_of_frames
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
    """A tokenizer of feature maps [b, h, w, d], one token a place. `dtype`: theirs, numpy's name of it.
    `vector`: of vectors [b, d], each a map of one place."""

    patch = 1
    decodes = True

    def __init__(self, modality: str, codes: int, dim: int, dtype: str, vector: bool = False):
        super().__init__()
        self.modality, self.codes, self.dtype, self.vector = modality, codes, dtype, vector
        self.vq = CosineVQ(codes, dim)
        self.eval()

    @torch.no_grad()
    def encode(
        self, images: Shaped[np.ndarray, "*places d"] | Shaped[Tensor, "*places d"]
    ) -> Int[Tensor, "*_tokens"]:
        """The nearest code of each place, of maps [b, h, w, d] as of single features [n, d]; of vectors
        [b, d] as [b, 1, 1]."""
        features = torch.as_tensor(images).to(self.vq.codebook.device)
        return self.vq.ids(features[:, None, None] if self.vector else features)

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b h w"]) -> Float[np.ndarray, "b *places d"]:
        """Unit vectors."""
        rows = self.vq.rows(tokens[:, 0, 0] if self.vector else tokens)
        return rows.cpu().numpy().astype(self.dtype)


def fit_features(
    frames: Unlabelled | MixedFrames, modality: str, config: FeatureConfig, out: Path
) -> dict[str, Any]:
    """Cluster the features `modality`, measure, and write the folder `out`. Returns the metrics.

    Raises ValueError for what is neither feature map nor vector, or for fewer places than codes."""
    started = time.monotonic()
    shape = frames.frame_shape(modality)
    if len(shape) not in (1, 3):
        raise ValueError(
            f"{modality!r} has frames of shape {shape}: a feature map is [grid, grid, channels], a vector "
            "[channels]"
        )
    count = min(config.frames, len(frames))
    ids = np.unique(np.linspace(0, len(frames) - 1, count).astype(np.int64))
    read = [
        frames.read(part, [modality])[modality] for part in np.split(ids, range(_AT_ONCE, count, _AT_ONCE))
    ]
    features = torch.from_numpy(np.concatenate(read)).float().flatten(0, -2)
    facts = {"codes": config.codes, "dim": shape[-1], "dtype": str(read[0].dtype)}
    facts |= {"vector": True} if len(shape) == 1 else {}
    model = FeatureCodebook(modality, **facts)
    model.vq.start(features, torch.Generator().manual_seed(config.seed), config.rounds)
    tokens = torch.cat([model.vq.ids(part) for part in features.split(4096)])
    used, perplexity = usage(torch.bincount(tokens, minlength=config.codes).float())
    cosine = [
        (F.normalize(z, dim=-1) * model.vq.rows(t)).sum(-1)
        for z, t in zip(features.split(4096), tokens.split(4096), strict=True)
    ]
    mean = float(torch.cat(cosine).mean())
    sources = sources_of_frames(frames, [modality])
    metrics = {
        "modality": modality,
        "mean_cosine": mean,
        "reconstruction_error": 1.0 - mean,
        "error_unit": "1 - cosine",
        "usage": used,
        "perplexity": perplexity,
        "codes": config.codes,
        "places": len(features),
        "wall_seconds": time.monotonic() - started,
        **as_facts(sources),
    }
    save_tokenizer(out, "features", modality, facts, model.state_dict(), sources)
    write_json(out / METRICS, metrics)
    return metrics
