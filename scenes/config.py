"""The base of every configuration in all rooms: frozen, an unknown key is an error, the sentence below a
field is its help on the command line, and keys of the release before are understood."""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Keys of the release before: the old one to the dotted place, from here, of the new one. A value under
    an old key is laid over what stands at the new place, and a line on stderr names the new key."""

    @model_validator(mode="before")
    @classmethod
    def _understand_renamed_keys(cls, data: Any) -> Any:
        renamed = renamed_keys(cls)
        if not isinstance(data, dict) or not renamed.keys() & data.keys():
            return data
        kept = {k: v for k, v in data.items() if k not in renamed}
        for old, new in renamed.items():
            if old in data:
                say_renamed(old, new)
                _lay_at(kept, new.split("."), data[old])
        return kept


@cache
def renamed_keys(config: type[BaseModel]) -> dict[str, str]:
    """`Config.renamed` of a class and of all that it inherits from."""
    classes = [c for c in reversed(config.__mro__) if issubclass(c, Config)]
    return {old: new for c in classes for old, new in c.renamed.items()}


@cache
def say_renamed(old: str, new: str) -> None:
    """Print once a process that a key has a new name."""
    print(f"{old} is now {new}: the old key is understood for one more release", file=sys.stderr)


def _lay_at(data: dict[str, Any], place: Sequence[str], value: Any) -> None:
    """Put `value` at a place in nested mappings; where both are mappings, key by key."""
    first, *rest = place
    there = data.get(first)
    there = dict(there) if isinstance(there, dict | BaseModel) else {}
    if rest:
        _lay_at(there, rest, value)
        value = there
    elif isinstance(value, dict):
        for key, inner in value.items():
            _lay_at(there, [key], inner)
        value = there
    data[first] = value


def current_flags(config: type[BaseModel], args: Sequence[str]) -> list[str]:
    """The arguments of a command line for `config`, flags of renamed keys replaced by those of the new."""
    return [_current_flag(config, arg) if arg.startswith("--") else arg for arg in args]


def _current_flag(config: type[BaseModel], arg: str) -> str:
    name, equals, value = arg[2:].partition("=")
    way = name.replace("-", "_").split(".")
    models: list[type[BaseModel]] = [config]
    for number, part in enumerate(way):
        negated = "no_" * (number == len(way) - 1 and part.startswith("no_"))
        key = part.removeprefix(negated)
        for renamed in map(renamed_keys, models):
            if key in renamed:
                say_renamed(key, renamed[key])
                *outer, last = renamed[key].split(".")
                new = [*way[:number], *outer, negated + last, *way[number + 1 :]]
                return "--" + ".".join(new).replace("_", "-") + equals + value
        fields = [m.model_fields[key] for m in models if key in m.model_fields]
        models = [inner for f in fields for inner in models_in(f.annotation)]
    return arg


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's type is made of: itself, or those within a container or a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [inner for arg in get_args(annotation) for inner in models_in(arg)]
