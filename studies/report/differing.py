"""Two configurations field by field."""

from collections.abc import Mapping
from typing import Any

MISSING = "(not there)"


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`; a list is a value, unless it is of mappings: these are flattened."""
    if isinstance(value, Mapping) and value:
        pairs = [(f"{place}.{k}" if place else str(k), v) for k, v in value.items()]
    elif isinstance(value, list) and any(isinstance(v, Mapping) for v in value):
        pairs = [(f"{place}[{i}]", v) for i, v in enumerate(value)]
    else:
        return {place: value}
    return {k: v for name, inner in pairs for k, v in flat(inner, name).items()}


def differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Fields in which two configurations differ, with both values; `MISSING` where one has no such field."""
    ours, theirs = flat(a), flat(b)
    names = dict.fromkeys([*ours, *theirs])
    pairs = {name: (ours.get(name, MISSING), theirs.get(name, MISSING)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
