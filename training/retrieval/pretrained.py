"""The multimodal model of a finished pre-training, with its tokenizers."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from training.common.checkpoint import CONFIG, WEIGHTS, load_tensors, read_json
from training.models.encoder import patchify
from training.models.modality import TokenSpec
from training.models.multimodal import Multimodal
from training.pretrain.config import PretrainConfig
from training.retrieval.generate import AsSeen, spec_of
from training.tokenizers.feature_codebook import FeatureCodebook
from training.tokenizers.image_tokenizer import ImageTokenizer
from training.tokenizers.registry import load_tokenizer, token_array


class Pretrained(NamedTuple):
    """In evaluation mode, on one device."""

    model: Multimodal
    tokenizers: dict[str, ImageTokenizer]
    image: int
    """Side of the frames that it was trained on [pixels]."""

    def code_vectors(self, modality: str) -> Float[Tensor, "codes d"] | None:
        """The features that its tokens stand for; None for tokens of images."""
        tokenizer = self.tokenizers[modality]
        if not isinstance(tokenizer, FeatureCodebook):
            return None
        every = torch.arange(tokenizer.codes, device=self.model.mask_embedding.device)
        return torch.from_numpy(tokenizer.decode(every[None, None])[0, 0]).float().to(every.device)

    def as_seen(self, modality: str) -> AsSeen | None:
        """From tokens of RGB to patches of the image that they decode to; None for a modality whose tokens
        are seen as they are. Raises ValueError for a tokenizer that does not decode."""
        spec, tokenizer = spec_of(self.model, modality), self.tokenizers[modality]
        if not spec.pixels:
            return None
        if not tokenizer.decodes:
            raise ValueError(
                f"the tokenizer of {modality} does not decode: predict it in one step (steps: [1])"
            )
        patch = self.model.encoder.config.patch

        def patches(tokens: Int64[Tensor, "b n"]) -> Shaped[Tensor, "b n p"]:
            images = tokenizer.decode(tokens.unflatten(1, spec.shape))
            return patchify(torch.as_tensor(images), patch).to(tokens.device)

        return patches


def load_pretrained(folder: Path, tokenizers: Mapping[str, Path], device: torch.device) -> Pretrained:
    """The model in the folder of a finished pre-training; `tokenizers`: folder by modality.

    Raises ValueError for another objective than mm, and where a tokenizer is missing or is not the one that
    it was trained with."""
    facts = read_json(folder / CONFIG)
    config = PretrainConfig.model_validate(facts["pretrain"])
    if config.objective != "mm":
        raise ValueError(
            f"{folder} was pre-trained by {config.objective}, which predicts no tokens: give a model of mm"
        )
    arrays, image = facts["tokens"], facts["image"]
    specs, loaded = [], {}
    for name in config.modalities:
        if name not in tokenizers or token_array(tokenizers[name]) != arrays[name]:
            given = tokenizers.get(name, "none")
            raise ValueError(
                f"{folder} was trained on the tokens {arrays[name]}, and the tokenizer given for {name} is "
                f"{given}: give the one that it was trained with"
            )
        loaded[name] = load_tokenizer(tokenizers[name])
        loaded[name].to(device)
        grid = facts.get("grids", {}).get(name, image // loaded[name].patch)
        shape = tuple(grid) if isinstance(grid, list) else grid
        specs.append(TokenSpec(name, arrays[name], shape, loaded[name].codes, pixels=name == "rgb"))
    model = Multimodal(config.encoder, image, tuple(specs), config.decoder_depth, config.mm.tied)
    weights = load_tensors(folder / WEIGHTS)[0]
    model.load_state_dict({k.removeprefix("model."): v for k, v in weights.items()})
    return Pretrained(model.eval().to(device), loaded, image)
