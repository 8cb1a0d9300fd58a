"""A tokenizer for any modality of a store, of the kind that its arrays ask for.

    make_tokenizer(PretrainFrames(store), "clip", TokenizerConfig(), out)

What is sensed, and edges that a network draws, get the convolutional autoencoder; feature maps and vectors a
codebook of directions; label maps their majority in a patch; boxes become a sequence. A store says which of
these an array is (`Frames.origin_of`)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.store.access import Unlabelled
from engine.store.schema import ArrayOrigin
from engine.stream.mixture import MixedFrames
from training.common.checkpoint import METRICS, write_json
from training.common.external_access import as_facts, sources_of_frames
from training.models.modality_transforms import IMAGE_OUTPUTS
from training.tokenizers.feature_codebook import FeatureConfig, fit_features
from training.tokenizers.image_tokenizer import save_tokenizer
from training.tokenizers.label_map import make_label_map
from training.tokenizers.sequences import BoxSequence, TextSequence
from training.tokenizers.tokenizer import TokenizerConfig, measure, train_tokenizer

Learnable = Unlabelled | MixedFrames
"""Frames that tokenizers learn from: none shows a label."""


def make_tokenizer(frames: Learnable, modality: str, config: TokenizerConfig, out: Path) -> dict[str, Any]:
    """Make the tokenizer of `modality` in the folder `out`; returns its metrics.

    Of `config`, a codebook of features takes `codes` and `seed`, a label map `patch`, boxes nothing. Raises
    ValueError for frames that do not divide into patches, or have fewer features than codes."""
    origin = frames.origin_of(modality)
    if origin is None:
        return train_tokenizer(frames, modality, config, out)
    return _MAKERS[origin.output](frames, modality, config, out, origin)


def _image(
    frames: Learnable, modality: str, config: TokenizerConfig, out: Path, _: ArrayOrigin
) -> dict[str, Any]:
    return train_tokenizer(frames, modality, config, out)


def _features(
    frames: Learnable, modality: str, config: TokenizerConfig, out: Path, _: ArrayOrigin
) -> dict[str, Any]:
    return fit_features(frames, modality, FeatureConfig(codes=config.codes, seed=config.seed), out)


def _labels(
    frames: Learnable, modality: str, config: TokenizerConfig, out: Path, origin: ArrayOrigin
) -> dict[str, Any]:
    started = time.monotonic()
    dtype = str(frames.read([0], [modality])[modality].dtype)
    sources = sources_of_frames(frames, [modality])
    model = make_label_map(modality, len(origin.classes) + 1, config.patch, out, dtype, sources)
    return _measured(model, frames, config, out, started)


def _boxes(
    frames: Learnable, modality: str, config: TokenizerConfig, out: Path, origin: ArrayOrigin
) -> dict[str, Any]:
    started = time.monotonic()
    side = frames.frame_shape("rgb")[0]
    model = BoxSequence.of(modality, len(origin.classes), side, frames.frame_shape(modality)[0])
    fields = {"classes": model.classes, "bins": model.bins, "most": model.most}
    save_tokenizer(out, "boxes", modality, fields, {}, sources_of_frames(frames, [modality]))
    return _measured(model, frames, config, out, started)


def _text(
    frames: Learnable, modality: str, config: TokenizerConfig, out: Path, origin: ArrayOrigin
) -> dict[str, Any]:
    started = time.monotonic()
    model = TextSequence.of(modality, len(origin.classes), frames.frame_shape(modality)[0])
    fields = {"words": model.words, "length": model.length}
    save_tokenizer(out, "text", modality, fields, {}, sources_of_frames(frames, [modality]))
    return _measured(model, frames, config, out, started)


def _measured(
    model: Any, frames: Learnable, config: TokenizerConfig, out: Path, started: float
) -> dict[str, Any]:
    """Metrics of a tokenizer that learns nothing, on a few frames evenly over all; written into `out`."""
    count = min(config.check_frames, len(frames))
    ids = np.unique(np.linspace(0, len(frames) - 1, count).astype(np.int64))
    metrics = measure(model, frames, ids) | {
        "modality": model.modality,
        "wall_seconds": time.monotonic() - started,
        **as_facts(sources_of_frames(frames, [model.modality])),
    }
    write_json(out / METRICS, metrics)
    return metrics


_MAKERS: dict[str, Callable[[Learnable, str, TokenizerConfig, Path, ArrayOrigin], dict[str, Any]]] = {
    **dict.fromkeys(IMAGE_OUTPUTS, _image),
    "features": _features,
    "vector": _features,
    "labels": _labels,
    "boxes": _boxes,
    "text": _text,
}
