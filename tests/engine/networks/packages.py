"""Marks of tests that need a package which ships trained weights."""

import os
from importlib.util import find_spec

import pytest

from engine.networks.packaged import PackagedFile


def needs(file: PackagedFile) -> pytest.MarkDecorator:
    """Skips where the package is not installed; where the environment variable CI is set, it must be."""
    absent = find_spec(file.path.partition("/")[0]) is None
    return pytest.mark.skipif(absent and "CI" not in os.environ, reason=file.install)
