"""What every tokenizer of a store's images is to those who use it: ours
(`training.tokenizers.autoencoder.Tokenizer`) and 4M's (`training.fourm.images.FourMImages`).
`tests/training/tokenizer_kit.py` says by test what they promise."""

from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor


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

    def encode(self, images: np.ndarray | Tensor) -> Int[Tensor, "b gh gw"]:
        """Tokens of images as they are stored, [b, h, w] or [b, h, w, 3]."""
        ...

    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> np.ndarray:
        """Images of the stored dtype and shape from tokens."""
        ...
