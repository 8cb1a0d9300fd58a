"""Shapes of arrays are checked in all tests: set up before a room is imported."""

from tests.array_shapes import install

install()
