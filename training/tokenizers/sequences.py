"""Tokens of boxes and of text: sequences, as 4M has them (arXiv:2312.06647). Nothing is learned.

Of a box five tokens: its four sides, each in one of so many bins, then its class. Of text one for each that a
network gave. The vocabulary is 4M's in kind: padding, special tokens, the sentinels of masked spans
(`training.pretrain.multimodal.spans`), then bins of each side and classes, or the network's own tokens."""

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from training.models.modality import SEQUENCE_PLACES

BOX_TOKENS = 5
"""Of a box."""
FIRST = 4 + 200
"""The first token that is no padding (0), no special token and no sentinel of spans."""
BINS = 1000
"""Most bins of a side: 4M's."""
MOST = SEQUENCE_PLACES // BOX_TOKENS
"""Boxes that a sequence has places for."""


class BoxSequence(nn.Module):
    """A tokenizer of boxes, float32 [b, most, 6]: sides, class from 1, score; rows without a box are 0.

    Boxes stay in their order, by falling score. A side is kept to 1 / `bins` of the image, the score as 1."""

    decodes, patch = True, 1

    def __init__(self, modality: str, classes: int, bins: int, most: int):
        super().__init__()
        self.modality, self.classes, self.bins, self.most = modality, classes, bins, most

    @classmethod
    def of(cls, modality: str, classes: int, side: int, rows: int) -> "BoxSequence":
        """For `rows` boxes of frames of `side` pixels."""
        return cls(modality, classes, min(BINS, side), min(MOST, rows))

    @property
    def length(self) -> int:
        """Tokens of a frame, padding too."""
        return self.most * BOX_TOKENS

    @property
    def codes(self) -> int:
        """Tokens are below this."""
        return FIRST + 4 * self.bins + self.classes

    def encode(
        self, images: Float[np.ndarray, "b most 6"] | Float[Tensor, "b most 6"]
    ) -> Int[Tensor, "b length"]:
        """`BOX_TOKENS` a box, padded with 0."""
        boxes = torch.as_tensor(images)[:, : self.most]
        sides = (boxes[..., :4] * self.bins).long().clamp(0, self.bins - 1)
        sides = sides + FIRST + torch.arange(4, device=sides.device) * self.bins
        names = boxes[..., 4:5].long() + (FIRST + 4 * self.bins - 1)
        tokens = torch.cat([sides, names], dim=-1)
        return torch.where(boxes[..., 4:5] > 0, tokens, 0).flatten(1)

    def decode(self, tokens: Int[Tensor, "b length"]) -> Shaped[np.ndarray, "b most 6"]:
        """Boxes with sides in the middle of their bins."""
        each = tokens.view(len(tokens), -1, BOX_TOKENS).cpu().numpy()
        there = each[..., :1] > 0
        sides = (each[..., :4] - FIRST - np.arange(4) * self.bins + 0.5) / self.bins
        names = each[..., 4:] - (FIRST + 4 * self.bins - 1)
        boxes = np.concatenate([sides, names, np.ones_like(names)], axis=-1)
        return np.where(there, boxes, 0).astype(np.float32)


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
