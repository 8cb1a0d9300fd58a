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

StoredImages = Shaped[np.ndarray, "b h w *c"] | Shaped[Tensor, "b h w *c"]
"""Images of one modality in the dtype and shape that a store holds."""


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

    def encode(self, images: StoredImages) -> Int[Tensor, "b gh gw"]:
        """Tokens of images as they are stored."""
        ...

    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> Shaped[np.ndarray, "b h w *c"]:
        """Images of the stored dtype and shape from tokens."""
        ...


def save_tokenizer(folder: Path, kind: str, modality: str, fields: dict[str, Any], tensors: Tensors) -> None:
    """Write a tokenizer into a folder, from which
    `training.tokenizers.registry.load_tokenizer` makes it again. `fields`: JSON values."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tensors(folder / WEIGHTS, tensors)
    write_json(folder / CONFIG, {"modality": modality, kind: fields})
