"""What a pre-training computes, counted before it is run: on PyTorch's device `meta`, without data."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import torch

from engine.networks.network import Output
from training.models.modality import TokenSpec
from training.models.modality_transforms import IMAGE_OUTPUTS
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Setting, SourceModalities
from training.tokenizers.sequences import BOX_TOKENS, BoxSequence, TextSequence
from training.tokenizers.tokenizer import TokenizerConfig


def gflop_per_sample(
    config: PretrainConfig,
    image: int,
    tokenizers: Mapping[str, TokenizerConfig],
    shows: Sequence[Sequence[str] | None],
    shares: Sequence[float],
    outputs: Mapping[str, Output] = MappingProxyType({}),
) -> float:
    """GFLOP of one sample, forward and backward; the mean over masks and sources where it depends on them.

    `image`: side of the square frames [pixels]. `tokenizers`: by modality, for an objective that reads
    tokens. `shows`: for each source of the samples, the modalities that it shows, None for all; `shares`:
    its share of the samples. `outputs`: by modality, what the network yields that makes it.
    Equals `gflop_per_sample` in the metrics of the pre-training. Raises ValueError where sizes and modalities
    do not fit together.
    """
    specs, sources = (), None
    if config.own.tokenized:
        specs = tuple(_spec(name, image, tokenizers[name], outputs.get(name)) for name in config.modalities)
        if any(shows):
            sources = SourceModalities(tuple(tuple(s or config.modalities) for s in shows), tuple(shares))
    amounts = {"samples": 1, "tokens": None, "seed": 0, "draws": None}
    return _count(config.model_copy(update=amounts).model_dump_json(), image, specs, sources)


def _spec(name: str, image: int, tokenizer: TokenizerConfig, output: Output | None) -> TokenSpec:
    """Of the tokens that `make_tokenizer` would make."""
    if output is None or output.kind in IMAGE_OUTPUTS:
        return TokenSpec(
            name, name, image // tokenizer.patch, tokenizer.make_quantiser().codes, name == "rgb"
        )
    if output.kind == "labels":
        return TokenSpec(name, name, output.shape[0] // tokenizer.patch, len(output.classes) + 1)
    if output.kind == "boxes":
        boxes = BoxSequence.of(name, len(output.classes), image, output.shape[0])
        return TokenSpec(name, name, boxes.length, boxes.codes, kind="sequence", chunk=BOX_TOKENS)
    if output.kind == "text":
        text = TextSequence.of(name, len(output.classes), output.shape[0])
        return TokenSpec(name, name, text.length, text.codes, kind="sequence")
    grid = output.shape[0] if output.kind == "features" else 1
    return TokenSpec(name, name, grid, tokenizer.codes)


@cache
def _count(config: str, image: int, specs: tuple[TokenSpec, ...], sources: SourceModalities | None) -> float:
    pretrain = PretrainConfig.model_validate_json(config)
    setting = Setting(pretrain.encoder, pretrain.decoder_depth, pretrain.seed, image, specs, sources)
    with torch.device("meta"):
        return pretrain.own.build(setting).train_flops() / 1e9
