"""The table of kinds of tokenizers, and tokenizers in folders: to add a kind, add a line to `TOKENIZERS`.

The folder of a tokenizer (`image_tokenizer.save_tokenizer`) holds `model.safetensors`, and `config.json` with
its modality and, under the name of its kind, the fields that it is made from.
`tests/training/tokenizer_kit.py` holds by test what each kind must fulfil."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from engine.store.schema import OutputKind
from training.common.checkpoint import CONFIG, WEIGHTS, Tensors, load_tensors, read_json
from training.fourm.images import FourMConfig, FourMImages
from training.models.modality_transforms import IMAGE_OUTPUTS
from training.tokenizers.autoencoder import Tokenizer, TokenizerConfig
from training.tokenizers.feature_codebook import FeatureCodebook
from training.tokenizers.image_tokenizer import ImageTokenizer
from training.tokenizers.label_map import LabelMap
from training.tokenizers.sequences import BOX_TOKENS, BoxSequence, TextSequence
from training.tokenizers.token_crops import TokenCropConfig


@dataclass(frozen=True)
class TokenizerKind:
    """A kind of tokenizers as the table lists it."""

    load: Callable[[str, dict[str, Any], Tensors, str], ImageTokenizer]
    """(modality, fields, tensors, where they are from) to a tokenizer on the CPU."""
    fields_decide_tokens: bool = True
    """Whether equal weights with other fields give other tokens; False: the weights' shapes and values tell
    all."""


def _autoencoder(modality: str, fields: dict[str, Any], tensors: Tensors, _: str) -> Tokenizer:
    model = Tokenizer(modality, TokenizerConfig.model_validate(fields))
    model.load_state_dict(tensors)
    return model.eval()


def _of_images(output: OutputKind) -> TokenizerKind:
    """The autoencoder, of images that a network made."""

    def load(modality: str, fields: dict[str, Any], tensors: Tensors, _: str) -> Tokenizer:
        model = Tokenizer(modality, TokenizerConfig.model_validate(fields), output)
        model.load_state_dict(tensors)
        return model.eval()

    return TokenizerKind(load, fields_decide_tokens=False)


def _features(modality: str, fields: dict[str, Any], tensors: Tensors, _: str) -> FeatureCodebook:
    model = FeatureCodebook(modality, **fields)
    model.load_state_dict(tensors)
    return model.eval()


def _fourm(modality: str, fields: dict[str, Any], tensors: Tensors, source: str) -> FourMImages:
    return FourMImages(modality, FourMConfig.model_validate(fields), tensors, source)


def _labels(modality: str, fields: dict[str, Any], _: Tensors, __: str) -> LabelMap:
    return LabelMap(modality, **fields)


def _boxes(modality: str, fields: dict[str, Any], _: Tensors, __: str) -> BoxSequence:
    return BoxSequence(modality, **fields)


def _text(modality: str, fields: dict[str, Any], _: Tensors, __: str) -> TextSequence:
    return TextSequence(modality, **fields)


TOKENIZERS: dict[str, TokenizerKind] = {
    "tokenizer": TokenizerKind(_autoencoder, fields_decide_tokens=False),
    **{output: _of_images(cast(OutputKind, output)) for output in IMAGE_OUTPUTS},
    "features": TokenizerKind(_features, fields_decide_tokens=False),
    "fourm": TokenizerKind(_fourm),
    "labels": TokenizerKind(_labels),
    "boxes": TokenizerKind(_boxes),
    "text": TokenizerKind(_text),
}
SEQUENCE_CHUNKS: dict[OutputKind, int] = {"boxes": BOX_TOKENS, "text": 1}
"""Outputs whose tokens are a sequence: how many of them are seen or predicted as a whole."""


def load_tokenizer(folder: Path) -> ImageTokenizer:
    """A tokenizer in a folder, of any kind, on the CPU. Raises ValueError where there is none."""
    config = read_json(folder / CONFIG)
    kind = _kind_of(folder, config)
    tensors, _ = load_tensors(folder / WEIGHTS)
    return TOKENIZERS[kind].load(config["modality"], config[kind], tensors, str(folder))


def token_array(folder: Path, crops: TokenCropConfig | None = None) -> str:
    """Name in a store of the tokens that the tokenizer in `folder` makes: `tok_<modality>_<digest>`, and the
    digest of the crops behind it where there are random ones.

    The digest is of its weights and of the fields that decide its tokens, so that tokens of two tokenizers
    are never taken for each other. Raises ValueError where there is no tokenizer.
    """
    config = read_json(folder / CONFIG)
    kind = _kind_of(folder, config)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes())
    if TOKENIZERS[kind].fields_decide_tokens:
        digest.update(json.dumps(config[kind], sort_keys=True).encode())
    name = f"tok_{config['modality']}_{digest.hexdigest()[:8]}"
    return f"{name}_{crops.digest}" if crops is not None and crops.count else name


def _kind_of(folder: Path, config: dict[str, Any]) -> str:
    kinds = [kind for kind in TOKENIZERS if kind in config]
    if len(kinds) != 1 or "modality" not in config:
        raise ValueError(
            f"{folder / CONFIG} names none of the kinds of tokenizers ({', '.join(TOKENIZERS)}): give the "
            "folder of `tst tokenizer train` or `tst tokenizer import`"
        )
    return kinds[0]
