"""Named pipes to another process, opened and read without hanging when that process has ended.

AI2-THOR's messages are fields, each a type (one byte), a length (four bytes, big-endian) and a body; a field
of type END and length 0 closes a message.
"""

import os
import select
import struct
import time
from collections.abc import Callable
from enum import IntEnum

HEADER = struct.Struct("!BI")
_LOOK = 0.2  # interval at which the peer is checked [s]


class Field(IntEnum):
    """Types of field, by AI2-THOR's numbers."""

    METADATA = 1
    ACTION = 2
    RGB = 4
    DEPTH = 5
    NORMALS = 6
    CLASSES = 8
    IDS = 9
    CAMERA_RGB = 10
    CAMERA_DEPTH = 12
    CAMERA_NORMALS = 13
    CAMERA_IDS = 14
    CAMERA_CLASSES = 15
    END = 255


class PeerEnded(Exception):
    """The process at the other end is gone."""


def frame(kind: int, body: bytes) -> bytes:
    """Encode a field: header and body."""
    return HEADER.pack(kind, len(body)) + body


def open_writer(path: str, alive: Callable[[], bool], timeout: float) -> int:
    """Open a pipe for writing once a reader has. Raises PeerEnded, or TimeoutError after `timeout` [s]."""
    end = time.monotonic() + timeout
    while True:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:  # ENXIO: nobody reads yet; ENOENT: nobody ever will
            if isinstance(error, FileNotFoundError) or not alive():
                raise PeerEnded from None
            if time.monotonic() > end:
                raise TimeoutError(f"nobody opened {path} within {timeout:g} s") from None
            time.sleep(0.01)
        else:
            os.set_blocking(fd, True)
            return fd


def open_reader(path: str) -> int:
    """Open a pipe for reading, whether or not a writer has opened it."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def read_exactly(fd: int, size: int, alive: Callable[[], bool], timeout: float | None) -> bytes:
    """Read `size` bytes. Raises PeerEnded if the peer has ended, TimeoutError after `timeout` [s].

    A pipe that no writer has opened yet does not count as ended.
    """
    end = None if timeout is None else time.monotonic() + timeout
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    data = bytearray()
    while len(data) < size:
        # Checked before the pipe is polled: what a process wrote before it ended is still read.
        lives = alive()
        if poll.poll(1000 * _LOOK if lives else 0):
            part = os.read(fd, size - len(data))
            if not part:
                raise PeerEnded
            data += part
        elif not lives:
            raise PeerEnded
        elif end is not None and time.monotonic() > end:
            raise TimeoutError(f"no answer within {timeout:g} s")
    return bytes(data)


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises PeerEnded if the reader is gone."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except BrokenPipeError:
        raise PeerEnded from None


def read_message(fd: int, alive: Callable[[], bool], timeout: float | None) -> list[tuple[int, bytes]]:
    """Read the fields of one message, without the END. Raises as `read_exactly`."""
    fields = []
    while True:
        kind, size = HEADER.unpack(read_exactly(fd, HEADER.size, alive, timeout))
        if kind == Field.END:
            return fields
        fields.append((kind, read_exactly(fd, size, alive, timeout)))
