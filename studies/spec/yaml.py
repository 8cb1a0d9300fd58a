"""YAML files into pydantic configs, with errors that name the place and the keys that exist there."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from scenes.config import models_in

C = TypeVar("C", bound=BaseModel)


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping a YAML file holds.

    Raises ValueError when the file is missing, is not YAML, or is not a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not readable as YAML: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a mapping of field: value, found {type(data).__name__}")
    return data


def parse(config: type[C], data: dict[str, Any], where: str) -> C:
    """`data` as a `config`; `where` names its origin in errors.

    Raises ValueError with a line per fault: the path inside the file, what is wrong, and for an unknown key
    the keys that exist at that place.
    """
    try:
        return config.model_validate(data)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                known = ", ".join(sorted(_keys_at(config, fault["loc"][:-1])))
                lines.append(f"{where}: unknown key {place!r}; keys there are: {known}")
            else:
                lines.append(f"{where}: {place}: {fault['msg']}")
        raise ValueError("\n".join(lines)) from None


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: mappings merge key by key, anything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = merge(out[key], value) if both else value
    return out


def set_at(data: dict[str, Any], place: str, value: Any) -> None:
    """Put `value` at a dotted `place` in nested mappings, making those that are missing."""
    *way, last = place.split(".")
    for key in way:
        inner = data.get(key)
        data[key] = dict(inner) if isinstance(inner, dict) else {}
        data = data[key]
    data[last] = value


def _keys_at(config: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """Field names of the model that stands at `loc` inside `config`; empty where that is not a model."""
    models: list[type[BaseModel]] = [config]
    for part in loc:
        fields = [m.model_fields[part] for m in models if isinstance(part, str) and part in m.model_fields]
        found = [inner for f in fields for inner in models_in(f.annotation)]
        models = found or models  # a list index or a mapping's key stays at the same models
    return {name for model in models for name in model.model_fields}
