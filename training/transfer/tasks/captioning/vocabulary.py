"""Captions as tokens: byte-level byte pair encoding (Sennrich et al., arXiv:1508.07909), learned from the
transfer set's captions alone.

It is that of the package `tokenizers` (extra `captioning`). Its WordPiece gives another vocabulary each time
it is learned, and byte pairs of characters do too; byte-level pairs are the same each time. Any text has
tokens: bytes are among them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

PAD, START, END = range(3)
_SPECIAL = ["[PAD]", "[START]", "[END]"]
SMALLEST = 256 + len(_SPECIAL)
"""Tokens of the smallest vocabulary: all bytes, and the special ones."""


def library() -> Any:
    """The package. Raises ValueError, saying how it is installed, where it is not."""
    try:
        import tokenizers
    except ImportError:
        raise ValueError(
            "captioning learns its vocabulary with the package tokenizers: pip install tokenizers (3 MB), or "
            "the extra: pip install -e '.[captioning]'"
        ) from None
    return tokenizers


def learn_vocabulary(captions: Iterable[str], size: int) -> dict[str, Any]:
    """A vocabulary of at most `size` tokens, as JSON values. Raises ValueError without `tokenizers`."""
    tokenizers = library()
    learned = tokenizers.Tokenizer(tokenizers.models.BPE())
    learned.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    learned.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=_SPECIAL,
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learned.train_from_iterator(captions, trainer)
    return json.loads(learned.to_str())


class Vocabulary:
    """Of what `learn_vocabulary` returned. Raises ValueError without `tokenizers`."""

    def __init__(self, learned: dict[str, Any]):
        self._tokenizer = library().Tokenizer.from_str(json.dumps(learned))

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all tokens, as byte-level pairs are written: `Ġ` is a blank."""
        each = {number: name for name, number in self._tokenizer.get_vocab().items()}
        return tuple(each[number] for number in range(len(self)))

    def encode(self, captions: Sequence[Sequence[str]], length: int) -> Int64[np.ndarray, "b c n"]:
        """Tokens of c captions of each of b frames: START, those of the caption, END, then PAD up to the
        longest; what does not fit into `length` is cut off."""
        each = [[self._tokenizer.encode(text.lower()).ids[: length - 2] for text in of] for of in captions]
        longest = max(len(ids) for of in each for ids in of)
        tokens = np.full((len(each), len(each[0]), longest + 2), PAD)
        for i, of in enumerate(each):
            for k, ids in enumerate(of):
                tokens[i, k, : len(ids) + 2] = [START, *ids, END]
        return tokens

    def decode(self, tokens: Int64[np.ndarray, "b n"]) -> list[str]:
        """The caption of each row, special tokens left out."""
        return [self._tokenizer.decode(row, skip_special_tokens=True).strip() for row in tokens.tolist()]
