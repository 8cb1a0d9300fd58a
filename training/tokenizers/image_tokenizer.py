"""What every tokenizer of a store's images does (`ImageTokenizer`), and how it is kept in a folder.

To add a kind, write a class that fulfils the protocol and add a line to
`training.tokenizers.registry.TOKENIZERS`."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from training.common.checkpoint import CONFIG, WEIGHTS, Tensors, save_tensors, write_json
from training.common.external_access import Sources, as_facts

StoredImages = Shaped[np.ndarray, "b ..."] | Shaped[Tensor, "b ..."]
"""Arrays of one modality in the dtype and shape that a store holds: images [b, h, w, ...], vectors [b, d],
boxes [b, most, 6]."""


class ImageTokenizer(Protocol):
    @property
    def modality(self) -> str:
        """The modality of a store that it is for."""
        ...

    @property
    def codes(self) -> int:
        """Tokens are below this."""
        ...

    @property
    def patch(self) -> int:
        """Side of the square of pixels that one token stands for [pixels]."""
        ...

    @property
    def decodes(self) -> bool:
        """Whether `decode` can be asked for."""
        ...

    def to(self, device: torch.device) -> Any:
        """Move where it works."""
        ...

    def encode(self, images: StoredImages) -> Int[Tensor, "b *places"]:
        """Tokens of images as they are stored: [b, gh, gw], or of what becomes a sequence [b, length]."""
        ...

    def decode(self, tokens: Int[Tensor, "b *places"]) -> Shaped[np.ndarray, "b ..."]:
        """Images of the stored dtype and shape from tokens."""
        ...


def save_tokenizer(
    folder: Path,
    kind: str,
    modality: str,
    fields: dict[str, Any],
    tensors: Tensors,
    sources: Sources | None = None,
) -> None:
    """Write a tokenizer into a folder, from which
    `training.tokenizers.registry.load_tokenizer` makes it again. `fields`: JSON values. `sources`: what of
    the outside is in it, those of the frames that it is for; None: nothing is said of that."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / WEIGHTS, tensors)
    said = {} if sources is None else as_facts(sources)
    write_json(folder / CONFIG, {"modality": modality, kind: fields, **said})
