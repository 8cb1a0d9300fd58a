"""Captions of a frame by a grammar over its labels: short, of the whole frame, and true.

    caption  = list [" in a room"] | "a room with " list | "there is " counted | "there are " counted
             | thing " is " relation " " thing | "a room" | "nothing"
    list     = counted {", " counted} [" and " counted]
    relation = "left of" | "right of" | "behind" | "on" | "under"
    counted  = a number and a noun; thing = an article and a noun

A number is that of all things of its kind that are seen; "a" is one. Relations are said of things that are
alone of their kind, so that it is clear which are meant. Captions are drawn from all that the grammar can say
of the largest things, a function of the generator alone. `parse` gives back what a caption claims."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from training.transfer.tasks.captioning.nouns import counted, noun, parse_counted
from training.transfer.tasks.captioning.scene import RELATIONS, Scene

_KINDS = 4  # largest kinds of things that a list may name
_THINGS = 6  # largest things that a relation may be between


@dataclass(frozen=True)
class Claims:
    """What a caption says of a frame."""

    counts: tuple[tuple[str, int], ...] = ()
    """How many things of a noun are seen."""
    relations: tuple[tuple[str, str, str], ...] = ()
    """(noun, relation, noun)."""
    room: bool = False


def captions_of(scene: Scene, rng: np.random.Generator, count: int = 5) -> list[str]:
    """So many captions of a scene, all different where it has as many."""
    lists, relations = _lists(scene), _relations(scene)
    # A sentence of a relation as often as one of another kind, if there is any.
    drawn = [[kind[i] for i in rng.permutation(len(kind))] for kind in (lists, relations)]
    mixed = [text for pair in zip(*drawn, strict=False) for text in pair]
    mixed += [text for kind in drawn for text in kind if text not in mixed]
    return [mixed[i % len(mixed)] for i in range(count)]


def _lists(scene: Scene) -> list[str]:
    kinds = list(scene.counts.items())[:_KINDS]
    if not kinds:
        return ["a room" if scene.room else "nothing"]
    found = []
    for length in range(1, len(kinds) + 1):
        text = _list([counted(number, name) for name, number in kinds[:length]])
        found.append(f"{text} in a room" if scene.room else text)
        if scene.room:
            found.append(f"a room with {text}")
    for name, number in kinds:
        found.append(f"there {'is' if number == 1 else 'are'} {counted(number, name)}")
    return found


def _list(parts: list[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _relations(scene: Scene) -> list[str]:
    found = []
    alone = [thing for thing in scene.things if scene.counts[thing.noun] == 1]
    for a, b in permutations(alone[:_THINGS], 2):
        for relation in RELATIONS:
            if scene.holds(a, relation, b):
                found.append(f"{counted(1, a.noun)} is {relation} {counted(1, b.noun)}")
    return found


def parse(caption: str, names: list[str]) -> Claims:
    """What a caption says; `names`: of the label table's objects. Raises ValueError for a sentence that is
    not of the grammar."""
    nouns = [noun(name) for name in names]
    if caption in ("nothing", "a room"):
        return Claims(room=caption == "a room")
    for relation in RELATIONS:
        first, found, second = caption.partition(f" is {relation} ")
        if found and not caption.startswith("there "):
            a, b = (parse_counted(text, nouns)[1] for text in (first, second))
            return Claims(relations=((a, relation, b),))
    room = caption.endswith(" in a room") or caption.startswith("a room with ")
    text = caption.removesuffix(" in a room").removeprefix("a room with ")
    text = text.removeprefix("there is ").removeprefix("there are ")
    counts = [parse_counted(part, nouns) for part in text.replace(" and ", ", ").split(", ")]
    return Claims(tuple((name, number) for number, name in counts), room=room)
