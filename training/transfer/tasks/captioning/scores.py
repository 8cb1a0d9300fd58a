"""CIDEr-D (Vedantam et al., arXiv:1411.5726) and BLEU (Papineni et al., ACL 2002) of captions, as
pycocoevalcap computes them: tests/golden/captions compares the two.

Captions are compared word by word. `words` is not the Penn Treebank tokenizer that COCO's evaluation uses; of
words without apostrophes it makes the same."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

LONGEST = 4
"""Words of the longest n-grams that are compared."""
SIGMA = 6.0
"""Of CIDEr-D's penalty on unequal lengths [words]."""
Gram = tuple[str, ...]


def words(caption: str) -> list[str]:
    """The words of a caption in lower case, without punctuation."""
    return re.findall(r"\w+(?:['’-]\w+)*", caption.lower())


def _grams(caption: str) -> list[Counter[Gram]]:
    """How often each n-gram occurs, by length from 1 to LONGEST."""
    said = words(caption)
    return [Counter(zip(*(said[i:] for i in range(n)), strict=False)) for n in range(1, LONGEST + 1)]


class _Weighted(NamedTuple):
    """n-grams of a caption, each times its inverse document frequency, by length."""

    vectors: list[dict[Gram, float]]
    norms: list[float]
    pairs: int
    """Pairs of neighbouring words: the length of a caption in CIDEr-D."""


def cider(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> Float64[np.ndarray, " n"]:
    """CIDEr-D of each of n predictions, in 0..10; the mean is the score of the set.

    An n-gram weighs the more the fewer of these n frames have it in a reference: of one frame the score
    is 0."""
    told = [[_grams(text) for text in texts] for texts in references]
    frames_with = Counter(g for texts in told for g in {g for grams in texts for of in grams for g in of})
    scores = []
    for text, texts in zip(predictions, told, strict=True):
        mine = _weigh(_grams(text), frames_with, len(told))
        likeness = [_likeness(mine, _weigh(grams, frames_with, len(told))) for grams in texts]
        scores.append(10.0 * sum(likeness) / len(likeness))
    return np.array(scores, dtype=np.float64)


def _weigh(grams: list[Counter[Gram]], frames_with: Mapping[Gram, int], frames: int) -> _Weighted:
    def rarity(gram: Gram) -> float:
        return math.log(frames / max(1, frames_with.get(gram, 0)))

    vectors = [{gram: n * rarity(gram) for gram, n in of.items()} for of in grams]
    norms = [math.sqrt(sum(v * v for v in vector.values())) for vector in vectors]
    return _Weighted(vectors, norms, grams[1].total())


def _likeness(mine: _Weighted, true: _Weighted) -> float:
    """Mean over lengths of n-grams of the clipped cosine, times the penalty on unequal lengths."""
    cosines = 0.0
    for a, b, norm_a, norm_b in zip(mine.vectors, true.vectors, mine.norms, true.norms, strict=True):
        if norm_a and norm_b:
            cosines += sum(min(v, b[g]) * b[g] for g, v in a.items() if g in b) / (norm_a * norm_b)
    return cosines / LONGEST * math.exp(-((mine.pairs - true.pairs) ** 2) / (2 * SIGMA**2))


def bleu(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """BLEU-4 of all predictions together, in 0..1, against the reference of the nearest length."""
    said = told = 0
    hits, tried = np.zeros(LONGEST), np.zeros(LONGEST)
    for text, texts in zip(predictions, references, strict=True):
        length = len(words(text))
        said += length
        told += min((abs(len(words(t)) - length), len(words(t))) for t in texts)[1]
        true = [_grams(t) for t in texts]
        for n, counts in enumerate(_grams(text)):
            most = {g: max(grams[n][g] for grams in true) for g in counts}
            hits[n] += sum(min(k, most[g]) for g, k in counts.items())
            tried[n] += counts.total()
    if not hits.all():
        return 0.0
    precision = float(np.exp(np.log(hits / tried).mean()))
    return precision * min(1.0, math.exp(1 - told / said))
