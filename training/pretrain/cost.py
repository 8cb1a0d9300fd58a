"""What a pre-training computes, counted before it is run: on PyTorch's device `meta`, without data."""

from collections.abc import Mapping, Sequence
from functools import cache

import torch

from training.models.modality import TokenSpec
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Setting, SourceModalities
from training.tokenizers.tokenizer import TokenizerConfig


def gflop_per_sample(
    config: PretrainConfig,
    image: int,
    tokenizers: Mapping[str, TokenizerConfig],
    shows: Sequence[Sequence[str] | None],
    shares: Sequence[float],
) -> float:
    """GFLOP of one sample, forward and backward; the mean over masks and sources where it depends on them.

    `image`: side of the square frames [pixels]. `tokenizers`: by modality, for an objective that reads
    tokens. `shows`: for each source of the samples, the modalities that it shows, None for all; `shares`:
    its share of the samples. Equals `gflop_per_sample` in the metrics of the pre-training. Raises ValueError
    where sizes and modalities do not fit together.
    """
    specs, sources = (), None
    if config.own.tokenized:
        specs = tuple(
            TokenSpec(name, name, image // t.patch, t.make_quantiser().codes, name == "rgb")
            for name, t in ((name, tokenizers[name]) for name in config.modalities)
        )
        if any(shows):
            sources = SourceModalities(tuple(tuple(s or config.modalities) for s in shows), tuple(shares))
    amounts = {"samples": 1, "tokens": None, "seed": 0, "draws": None}
    return _count(config.model_copy(update=amounts).model_dump_json(), image, specs, sources)


@cache
def _count(config: str, image: int, specs: tuple[TokenSpec, ...], sources: SourceModalities | None) -> float:
    pretrain = PretrainConfig.model_validate_json(config)
    setting = Setting(pretrain.encoder, pretrain.decoder_depth, pretrain.seed, image, specs, sources)
    with torch.device("meta"):
        return pretrain.own.build(setting).train_flops() / 1e9
