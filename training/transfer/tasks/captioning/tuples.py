"""Captions of the grammar judged by what they claim: F1 of tuples, and the share of claims that are true.

A tuple is a noun, a noun with its number, a relation between two nouns, or the room. `tuple_f1` compares
those of a prediction with those of all references together, as SPICE (Anderson et al., arXiv:1607.08822)
does with scene graphs of free text; it is not SPICE, which needs a parser."""

from collections.abc import Sequence
from functools import cache

from training.transfer.tasks.captioning.grammar import Claims, parse
from training.transfer.tasks.captioning.scene import Scene

ClaimTuple = tuple[str, ...]


class CaptionParser:
    """`grammar.parse` for one label table's objects; `names`: what they are called there."""

    def __init__(self, names: Sequence[str]):
        listed = list(names)

        @cache
        def claims(caption: str) -> Claims | None:
            try:
                return parse(caption, listed)
            except ValueError:
                return None

        self._claims = claims

    def claims(self, caption: str) -> Claims | None:
        """What a caption says; None where it is no sentence of the grammar."""
        return self._claims(caption)

    def tuples(self, caption: str) -> set[ClaimTuple]:
        """None where it is no sentence of the grammar, or says that there is nothing."""
        claims = self.claims(caption)
        if claims is None:
            return set()
        found: set[ClaimTuple] = {("room",)} if claims.room else set()
        for noun, number in claims.counts:
            found |= {("thing", noun), ("number", noun, str(number))}
        for a, relation, b in claims.relations:
            found |= {("thing", a), ("thing", b), ("relation", a, relation, b)}
        return found

    def f1(self, prediction: str, references: Sequence[str]) -> float:
        """F1, in 0..1, of the tuples of a prediction among those of all references; 1 where neither has any
        and the prediction is a reference."""
        said = self.tuples(prediction)
        true = {claim for text in references for claim in self.tuples(text)}
        if not said and not true:
            return float(prediction in references)
        return 2 * len(said & true) / (len(said) + len(true))


def true_claims(claims: Claims, scene: Scene) -> tuple[int, int]:
    """How many claims of a caption hold in a scene, and how many there are: of numbers, relations and the
    room."""
    held = [scene.counts.get(noun, 0) == number for noun, number in claims.counts]
    for a, relation, b in claims.relations:
        pairs = [(x, y) for x in scene.things for y in scene.things if (x.noun, y.noun) == (a, b)]
        held.append(any(x is not y and scene.holds(x, relation, y) for x, y in pairs))
    if claims.room:
        held.append(scene.room)
    return sum(held), len(held)
