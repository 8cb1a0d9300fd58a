"""Starting Warp's runtime without its report of a CUDA driver that a machine without a GPU cannot have."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import warp as wp

NO_DRIVER = "Could not find or load the NVIDIA CUDA driver"
NVIDIA_CONTROL = Path("/dev/nvidiactl")  # there wherever the kernel drives an NVIDIA GPU


@cache
def start_warp() -> None:
    """Initialise Warp, once a process, without banner; on a machine without a GPU also without `NO_DRIVER`.

    Every other line that Warp writes while it starts still goes to stderr.
    """
    wp.config.log_level = wp.LOG_WARNING
    # With a GPU but without its driver, the line names what is wrong.
    if NVIDIA_CONTROL.exists():
        wp.init()
        return
    with without_lines(NO_DRIVER):
        wp.init()


@contextmanager
def without_lines(text: str) -> Iterator[None]:
    """Capture what the process writes to file descriptor 2, then write it but for lines with `text`.

    Warp's native library writes by C's `fprintf`, which `sys.stderr` does not see.
    """
    sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # a process without stderr
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if text.encode() not in line:
                    os.write(2, line)
