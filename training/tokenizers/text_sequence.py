"""Tokens of text: a sequence, one token for each that a network gave, as 4M has captions (arXiv:2312.06647).
Nothing is learned.

The vocabulary is 4M's in kind, as that of boxes (box_sequence.py): padding, special tokens, the sentinels of
masked spans, then the network's own tokens."""

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from training.models.modality import SEQUENCE_PLACES
from training.tokenizers.box_sequence import FIRST


class TextSequence(nn.Module):
    """A tokenizer of text, uint16 [b, length]: tokens from 1 to `words`, 0 behind the last."""

    decodes, patch = True, 1

    def __init__(self, modality: str, words: int, length: int):
        super().__init__()
        self.modality, self.words, self.length = modality, words, length

    @classmethod
    def of(cls, modality: str, words: int, length: int) -> "TextSequence":
        """Of text of `length` tokens; what a sequence has no place for is cut off."""
        return cls(modality, words, min(length, SEQUENCE_PLACES))

    @property
    def codes(self) -> int:
        """Tokens are below this."""
        return FIRST + self.words

    def encode(self, images: Shaped[np.ndarray, "b n"] | Shaped[Tensor, "b n"]) -> Int[Tensor, "b length"]:
        """Padded with 0."""
        words = torch.as_tensor(np.asarray(images).astype(np.int64))[:, : self.length]
        return torch.where(words > 0, words + FIRST - 1, 0)

    def decode(self, tokens: Int[Tensor, "b length"]) -> Shaped[np.ndarray, "b n"]:
        """The network's tokens again."""
        ids = tokens.cpu().numpy()
        return np.where(ids > 0, ids - (FIRST - 1), 0).astype(np.uint16)
