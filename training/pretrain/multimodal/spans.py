"""Masks of sequences (captions, boxes): spans are taken out, a sentinel left in the place of each.

Span corruption of T5 (Raffel et al., JMLR 2020, arXiv:1910.10683) as 4M uses it (arXiv:2312.06647): the
input is what is kept, with one sentinel per run of what is not; the target says each sentinel and what it
stands for, and ends with the next sentinel. `chunks` are what is kept or taken as a whole: a word's pieces,
a box's corners. Everything random comes from a generator that is passed in."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

SENTINELS = 200
FIRST_SENTINEL = 4
"""Id of the sentinel [S_0] in 4M's vocabulary; the others follow. Spans are numbered from [S_1]."""


def mask_spans(
    chunks: Sequence[Sequence[int]], keep: Bool[np.ndarray, " n"], first: int = FIRST_SENTINEL + 1
) -> tuple[list[int], list[int]]:
    """(input ids, target ids) of a sequence of chunks of which `keep` says what stays.

    Raises ValueError when there are more spans than sentinels."""
    kept = np.asarray(keep, dtype=bool)
    starts = ~kept & np.concatenate([[True], kept[:-1]])
    if starts.sum() + 1 >= SENTINELS:
        raise ValueError(f"{starts.sum()} spans need more than {SENTINELS} sentinels: cut the sequence")
    inputs: list[int] = []
    targets: list[int] = []
    sentinel = first
    for chunk, stays, begins in zip(chunks, kept, starts, strict=True):
        if begins:
            inputs.append(sentinel)
            targets.append(sentinel)
            sentinel += 1
        (inputs if stays else targets).extend(chunk)
    return inputs, [*targets, sentinel]


def draw_spans(
    chunks: Sequence[Sequence[int]], budget: int, target_budget: int, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """(input ids, target ids), at most `budget` and `target_budget` of them.

    How much is kept is uniform in 0 to 1; of that, whole chunks are given up, in random order, until the
    input fits. With nothing to see the input is empty. Targets beyond their budget are cut off, and none
    are left where the budget is below 2, since a token is predicted from the one before it."""
    order = rng.random(len(chunks))
    limit = rng.random()
    # Keeping those whose number is below a limit: lower limits keep fewer, so the largest that fits is the
    # first to fit among these. A sentinel takes a place too, so length falls but not at every step.
    inputs: list[int] = []
    targets: list[int] = []
    for level in np.concatenate([[limit], np.sort(order[order < limit])[::-1], [0.0]]):
        inputs, targets = mask_spans(chunks, order < level)
        if len(inputs) <= budget:
            break
    else:
        inputs = []
    return inputs, targets[:target_budget] if target_budget > 1 else []


def place_sequence(
    inputs: Sequence[int], targets: Sequence[int], length: int
) -> dict[str, Shaped[np.ndarray, " n"]]:
    """The fields of one sample of `training.pretrain.multimodal.packing.pack_samples`, each with
    n = 2·(length + 1) places: inputs first, targets behind them, padded with id 0.

    Raises ValueError when they do not fit."""
    n, end = 2 * (length + 1), len(inputs) + len(targets)
    if end > n:
        raise ValueError(f"{end} tokens of a sequence do not fit {n} places: raise its length")
    at = np.arange(n)
    tensor = np.zeros(n, dtype=np.int64)
    tensor[:end] = [*inputs, *targets]
    predicted = (at >= len(inputs)) & (at < end)
    return {
        "tensor": tensor,
        "input_mask": at >= len(inputs),
        "target_mask": ~predicted,
        "decoder_attention_mask": predicted.astype(np.int32),
    }
