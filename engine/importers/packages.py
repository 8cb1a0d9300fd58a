"""Packages that only some formats of captures need, imported when one is opened or written."""

from importlib import import_module
from typing import Any


def capture_package(name: str, use: str) -> Any:
    """The module `name`. Raises ValueError, with the line that installs it, where it is missing."""
    try:
        return import_module(name)
    except ImportError:
        raise ValueError(f"{use} needs the package {name}: pip install testspace[captures]") from None


def lzfse() -> Any:
    """Apple's compression LZFSE, of Record3D's depth."""
    return capture_package("lzfse", "depth of Record3D")
