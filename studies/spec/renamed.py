"""Old names of a run's fields. They are accepted for one release; a line on stderr names the new ones.

| old | new |
|---|---|
| `judge` | `evaluate` |
| `evaluate` (fields of scoring) | `scoring` |
| `learn` | `phases` |
| `apart` | `disjoint_assets` |
"""

import sys
from typing import Any

from studies.spec.yaml import set_at

_RENAMED = {"judge": "evaluate", "learn": "phases", "apart": "disjoint_assets"}
# Fields of scoring while it was called `evaluate`: no set of houses had one of these names.
_SCORING = frozenset({"batch", "bf16", "pictures", "threads", "device"})


def with_new_names(data: dict[str, Any], where: str) -> dict[str, Any]:
    """The data of a study's file with old names replaced; prints one line to stderr if there were any.

    `where` names the file. Raises ValueError where one mapping has a field under both names.
    """
    found: dict[str, str] = {}
    out = _study(data, where, found)
    if found:
        names = ", ".join(f"{old} is now {new}" for old, new in found.items())
        print(f"{where}: {names}; the old names are accepted in this release only", file=sys.stderr)
    return out


def place_with_new_names(place: str, value: Any, where: str) -> tuple[str, Any]:
    """The same for one dotted `place` in a study and its value; the number of parts does not change."""
    data: dict[str, Any] = {}
    set_at(data, place, value)
    at: Any = with_new_names(data, where)
    parts = []
    for _ in place.split("."):
        ((part, at),) = at.items()
        parts.append(part)
    return ".".join(parts), at


def run_with_new_names(fields: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a run, as rows hold it, with old names replaced."""
    return _run(fields, "", {})


def _study(data: dict[str, Any], where: str, found: dict[str, str]) -> dict[str, Any]:
    out = dict(data)
    for key, of in (("base", _run), ("axes", _axes)):
        if isinstance(data.get(key), dict):
            out[key] = of(data[key], where, found)
    for key, of in (("arms", _arm), ("presets", _study)):
        if isinstance(data.get(key), dict):
            out[key] = {
                name: of(own, f"{where}: {key}.{name}", found) if isinstance(own, dict) else own
                for name, own in data[key].items()
            }
    return out


def _arm(own: dict[str, Any], where: str, found: dict[str, str]) -> dict[str, Any]:
    out = _run({k: v for k, v in own.items() if k != "axes"}, where, found)
    if "axes" in own:
        axes = own["axes"]
        out["axes"] = _axes(axes, where, found) if isinstance(axes, dict) else axes
    return out


def _axes(axes: dict[str, Any], where: str, found: dict[str, str]) -> dict[str, Any]:
    return {
        name: _axis(axis, f"{where}: axes.{name}", found) if isinstance(axis, dict) else axis
        for name, axis in axes.items()
    }


def _axis(axis: dict[Any, Any], where: str, found: dict[str, str]) -> dict[Any, Any]:
    """An axis: `set` holds places; levels are under `levels` or are the keys of the axis itself."""
    out = dict(axis)
    for key, value in axis.items():
        if key == "set":
            out[key] = [_place(v, found) for v in value] if isinstance(value, list) else _place(value, found)
        elif key == "levels" and isinstance(value, dict):
            out[key] = {k: _level(v, where, found) for k, v in value.items()}
        elif key != "to":
            out[key] = _level(value, where, found)
    return out


def _level(fields: Any, where: str, found: dict[str, str]) -> Any:
    return _run(fields, where, found) if isinstance(fields, dict) else fields


def _place(place: Any, found: dict[str, str]) -> Any:
    if not isinstance(place, str):
        return place
    first, dot, rest = place.partition(".")
    new = _RENAMED.get(first, first)
    if first == "evaluate" and rest.partition(".")[0] in _SCORING:
        new = "scoring"
    if new != first:
        found[first] = new
    return f"{new}{dot}{rest}"


def _run(fields: dict[str, Any], where: str, found: dict[str, str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in fields.items():
        new = _RENAMED.get(key, key)
        if key == "evaluate" and isinstance(value, dict) and value and value.keys() <= _SCORING:
            new = "scoring"  # the sets to evaluate in have names that no field of scoring has
        if new != key:
            found[key] = new
        if new in out:
            raise ValueError(f"{where}: {new} is there under its old name too: write it once, as {new}")
        out[new] = value
    return out
