"""Where it is asked for, shapes of arrays are checked in all tests, set up before a room is imported."""

import os

import pytest

from tests.array_shapes import SWITCH, install, reported

if mode := os.environ.get(SWITCH):
    if mode not in ("refuse", "report"):
        raise ValueError(f"{SWITCH} is {mode!r}: set it to refuse or report")
    install(reports=mode == "report")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Arrays whose annotations are wrong, where that is only reported."""
    if reported:
        terminalreporter.section("wrong annotations of arrays")
        for text in reported:
            terminalreporter.write_line(text)
