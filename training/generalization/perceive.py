"""Perceptors: what turns each modality of a frame into features of one width. No label is read.

- encoder: the pooled features of a pre-trained multimodal model, which takes any of its modalities (weak
  setting: the unseen modality is known to the perceptor)
- patches: what small images hold, a floor for comparison
- views: small networks that learn without labels (`views.py`), one for each modality on its own, and for each
  unseen modality one for all the others (strong setting: no perceptor knows both)"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from pydantic import Field, model_validator
from torch import Tensor

from engine.store.access import EvalFrames, UnlabelledTransferFrames
from engine.stream.stream import TicketReader
from training.common.checkpoint import load_tensors, save_tensors
from training.common.config import StageConfig
from training.common.external_access import as_facts, combined, sources_of_folder, sources_of_frames
from training.common.optimiser import pick_device, precision, use_threads
from training.generalization.views import ViewsConfig, learn_perceptor, small_images
from training.retrieval.pretrained import Pretrained, load_pretrained
from training.retrieval.retrieve import encode, seen_of
from training.transfer.evaluate import check_networks_unseen

FEATURES = "features.safetensors"
"""`ROLE/joint/UNSEEN/MODALITY` and `ROLE/own/MODALITY`, float32 [n, d]; UNSEEN is `any` where features do not
depend on what is unseen."""
ANY = "any"
AT_ONCE = 128
"""Frames at a time."""
ROLES: tuple[str, str] = ("transfer", "eval")
Views = dict[str, UnlabelledTransferFrames | EvalFrames]
Features = dict[str, Float[Tensor, "_ _"]]


class PerceptorConfig(StageConfig):
    """What turns a modality into features."""

    kind: Literal["encoder", "patches", "views"] = "encoder"
    """See the module's text."""
    modalities: tuple[str, ...] = Field(default=("rgb", "depth", "normals", "edges"), min_length=3)
    """All modalities; each is unseen once."""
    grid: int = Field(default=8, ge=1)
    """Of `patches`: side of the small images [pixels]."""
    views: ViewsConfig = ViewsConfig()
    """Of `views`: the networks and their training."""
    bf16: bool = False
    """Of `encoder`: matrix products in bfloat16."""

    @model_validator(mode="after")
    def _each_once(self) -> "PerceptorConfig":
        if len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities {list(self.modalities)}: name each once")
        return self


def perceive(
    config: PerceptorConfig,
    learned: UnlabelledTransferFrames,
    shown: EvalFrames,
    model: Path | None,
    tokenizers: Mapping[str, Path],
    out: Path,
) -> dict[str, Any]:
    """Features of all frames of both views, written into `out`; `model`: folder of a finished pre-training,
    which `encoder` needs. Whatever is learned, is learned of `learned`.

    Raises ValueError for a modality that the model or the stores have not, and LeakError for a model made
    with a network that learned from labels of the houses of `shown`."""
    assert isinstance(learned, UnlabelledTransferFrames), "perceptors learn from transfer frames, unlabelled"
    assert isinstance(shown, EvalFrames), "features are of held-out frames too"
    out.mkdir(parents=True, exist_ok=True)
    use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    views: Views = dict(zip(ROLES, (learned, shown), strict=True))
    sources = sources_of_frames(learned, config.modalities)
    features: Features
    if config.kind == "encoder":
        if model is None:
            raise ValueError("the perceptor `encoder` is a pre-trained model: give the run phases of mm")
        loaded = load_pretrained(model, tokenizers, device)
        if unknown := [name for name in config.modalities if name not in loaded.tokenizers]:
            raise ValueError(
                f"{model} does not know {unknown[0]!r}: name modalities of {', '.join(loaded.tokenizers)}"
            )
        folders = (model, *(tokenizers[name] for name in loaded.tokenizers))
        sources = combined(sources, *(sources_of_folder(folder) for folder in folders))
        check_networks_unseen(shown, sources, model)
        features = _of_encoder(config, views, loaded, device)
    else:
        images = {
            f"{role}/{name}": torch.cat([small_images(b[name], name, side) for b in _batches(view, [name])])
            for role, view in views.items()
            for name in config.modalities
            for side in [config.grid if config.kind == "patches" else config.views.image]
        }
        features = _of_patches(images) if config.kind == "patches" else _of_views(config, images, device)
    save_tensors(out / FEATURES, features)
    width = next(iter(features.values())).shape[1]
    return {"frames": len(learned) + len(shown), "width": width, **as_facts(sources)}


def load_features(folder: Path) -> Features:
    """What `perceive` wrote."""
    return load_tensors(folder / FEATURES)[0]


def _batches(
    view: UnlabelledTransferFrames | EvalFrames, names: list[str]
) -> Iterator[dict[str, Shaped[np.ndarray, "b ..."]]]:
    for batch in TicketReader(view, names, AT_ONCE).evaluation():
        yield {name: batch[name] for name in names}


@torch.no_grad()
def _of_encoder(
    config: PerceptorConfig,
    views: Views,
    loaded: Pretrained,
    device: torch.device,
) -> Features:
    features = {}
    for role, view in views.items():
        parts: dict[str, list[Tensor]] = {name: [] for name in config.modalities}
        for batch in _batches(view, list(config.modalities)):
            for name in config.modalities:
                with precision(device, config.bf16):
                    parts[name].append(encode(loaded, seen_of(loaded, name, batch, device)).mean(1).cpu())
        features |= {f"{role}/joint/{ANY}/{name}": torch.cat(found) for name, found in parts.items()}
    return features


def _of_patches(images: Mapping[str, Float[Tensor, "_ 4 s s"]]) -> Features:
    parts = {tuple(key.split("/")): small.flatten(1) for key, small in images.items()}
    return {f"{role}/joint/{ANY}/{name}": small for (role, name), small in parts.items()}


def _of_views(
    config: PerceptorConfig, images: Mapping[str, Float[Tensor, "_ 4 s s"]], device: torch.device
) -> Features:
    """Own features of every modality, and joint ones of all others for each that is unseen."""
    learned, _ = ROLES
    every = config.modalities
    groups = {f"joint/{unseen}": [name for name in every if name != unseen] for unseen in every}
    groups |= {f"own/{name}": [name] for name in every}
    features: Features = {}
    for group, names in groups.items():
        frames = {name: images[f"{learned}/{name}"] for name in names}
        perceptor = learn_perceptor(config.views, frames, device, words=group)
        for role in ROLES:
            for name in names:
                key = f"{role}/{group}" if group.startswith("own") else f"{role}/{group}/{name}"
                features[key] = perceptor.features(name, images[f"{role}/{name}"])
    return features
