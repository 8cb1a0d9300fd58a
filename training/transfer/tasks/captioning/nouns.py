"""The names of a label table as English nouns: "RemoteControl" is "remote control", of which two are "remote
controls"."""

import re
from collections.abc import Collection
from functools import cache

_MASS = {"aluminum foil", "bread", "cloth", "lettuce", "room decor", "table top decor", "toilet paper"}
_PAIRS = {"blinds", "boots"}
_IRREGULAR = {"knife": "knives", "potato": "potatoes", "tomato": "tomatoes"}
_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@cache
def noun(name: str) -> str:
    """The noun of a label's name, in lower case; of what is not counted, a piece or a pair."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", name)
    text = " ".join(words).lower()
    if text in _MASS:
        return f"piece of {text}"
    return f"pair of {text}" if text in _PAIRS else text


@cache
def plural(singular: str) -> str:
    """Of a noun that `noun` returned."""
    head, of, rest = singular.partition(" of ")
    if of:
        return f"{head}s{of}{rest}"
    *before, last = singular.split(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"(s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return " ".join([*before, last])


def counted(number: int, singular: str) -> str:
    """A number and a noun: "an egg", "two chairs"."""
    if number == 1:
        return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word} {plural(singular)}"


def parse_counted(text: str, nouns: Collection[str]) -> tuple[int, str]:
    """The number and the noun that `counted` was given; `nouns`: those that there are. Raises ValueError for
    anything else."""
    word = text.partition(" ")[0]
    number = 1 if word == "an" else _NUMBERS.index(word) if word in _NUMBERS else _digits(word)
    for singular in nouns:
        if number is not None and counted(number, singular) == text:
            return number, singular
    raise ValueError(f"no number and noun of this label table: {text!r}")


def _digits(word: str) -> int | None:
    return int(word) if word.isdecimal() else None
