"""The elements of a PLY file, of any byte order or as text: properties and lists by name.

Format: Turk, The PLY Polygon File Format (1994).
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, Num

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

Property = tuple[str, str, str | None]
"""Name, type, and for a list the type of its count."""
Values = dict[str, Num[np.ndarray, " _"]]
"""Properties of an element by name, a number a row."""
Lists = dict[str, tuple[Int64[np.ndarray, " _"], Num[np.ndarray, " _"]]]
"""List properties by name: a count for each row, and all values one after another."""


def read_elements(path: Path) -> tuple[dict[str, Values], dict[str, Lists], tuple[str, ...]]:
    """Properties and lists of each element by its name, and the names of textures that comments give.

    Raises ValueError for a file that is cut off or broken."""
    data = path.read_bytes()
    end = data.find(b"end_header")
    begin = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or begin == 0:
        raise ValueError(f"{path} is no PLY file, or one whose header was cut off")
    order, elements, textures = _header(path, data[:end].decode("ascii", "replace"))
    found: dict[str, Values] = {}
    lists: dict[str, Lists] = {}
    words = _Words(path, data[begin:]) if order == "" else None
    for name, count, properties in elements:
        if words is not None:
            found[name], lists[name] = words.element(count, properties)
        else:
            found[name], lists[name], begin = _binary(path, data, begin, count, properties, order)
    return found, lists, textures


def _header(path: Path, text: str) -> tuple[str, list[tuple[str, int, list[Property]]], tuple[str, ...]]:
    """Byte order ("" for text), (element, count, properties) in the file's order, and names of textures."""
    order: str | None = None
    elements: list[tuple[str, int, list[Property]]] = []
    textures = []
    for line in text.splitlines():
        words = line.split()
        try:
            if words[:1] == ["format"]:
                order = _ORDERS[words[1]]
            elif words[:2] == ["comment", "TextureFile"]:
                textures.append(line.split("TextureFile", 1)[1].strip())
            elif words[:1] == ["element"]:
                elements.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1][2].append((words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[:1] == ["property"]:
                elements[-1][2].append((words[2], _TYPES[words[1]], None))
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: cannot make sense of {line!r} in its header") from error
    if order is None or any(count < 0 for _, count, _ in elements):
        raise ValueError(
            f"{path} is no PLY file: its header has no format, or an element of less than nothing"
        )
    return order, elements, tuple(textures)


class _Words:
    """The numbers of a PLY file that is text."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        try:
            self._values = np.array(text.split(), dtype=np.bytes_).astype(np.float64)
        except ValueError as error:
            raise ValueError(f"{path} is broken: it is to be text, and {error}") from error
        self._at = 0

    def element(self, count: int, properties: list[Property]) -> tuple[Values, Lists]:
        """The next `count` rows."""
        if all(counter is None for *_, counter in properties):
            rows = self._take(count * len(properties)).reshape(count, len(properties))
            return {p: rows[:, k].astype(t) for k, (p, t, _) in enumerate(properties)}, {}
        flat: dict[str, list[np.ndarray]] = {p: [] for p, *_ in properties}
        for _ in range(count):
            for name, _, counter in properties:
                length = 1 if counter is None else int(self._take(1)[0])
                flat[name].append(self._take(max(length, 0)))
        joined = {p: np.concatenate(flat[p] or [np.zeros(0)]).astype(t) for p, t, _ in properties}
        lists = {
            p: (np.array([len(v) for v in flat[p]], np.int64), joined[p])
            for p, _, c in properties
            if c is not None
        }
        return {p: joined[p] for p, _, c in properties if c is None}, lists

    def _take(self, count: int) -> Num[np.ndarray, " count"]:
        taken = self._values[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError(
                f"{self._path} was cut off: it has {len(self._values)} numbers, and promises more"
            )
        self._at += count
        return taken


def _binary(
    path: Path, data: bytes, begin: int, count: int, properties: list[Property], order: str
) -> tuple[Values, Lists, int]:
    """Properties and lists of `count` rows from byte `begin` on, and where they end."""
    types = [np.dtype(order + t) for _, t, _ in properties]
    if all(counter is None for *_, counter in properties):
        rows_type = np.dtype([(p, t) for (p, *_), t in zip(properties, types, strict=True)])
        end = begin + rows_type.itemsize * count
        _enough(path, data, end)
        rows = np.frombuffer(data, rows_type, count, begin)
        return {p: _native(rows[p]) for p, *_ in properties}, {}, end
    starts, lengths, end = _row_starts(path, data, begin, count, properties, order)
    raw = np.frombuffer(data, np.uint8)
    found: Values = {}
    lists: Lists = {}
    for k, ((name, _, counter), dtype) in enumerate(zip(properties, types, strict=True)):
        counts = lengths[:, k]
        step = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        where = np.repeat(starts[:, k], counts) + step * dtype.itemsize
        values = _native(raw[where[:, None] + np.arange(dtype.itemsize)].view(dtype).ravel())
        if counter is None:
            found[name] = values
        else:
            lists[name] = counts, values
    return found, lists, end


def _row_starts(
    path: Path, data: bytes, begin: int, count: int, properties: list[Property], order: str
) -> tuple[Int64[np.ndarray, "n p"], Int64[np.ndarray, "n p"], int]:
    """Of each row and property the first byte of its values and their number; and the end."""
    ahead, loops = 0, []  # (bytes before the count, width of the count, width of a value) of each list
    widths = [np.dtype(t).itemsize for _, t, _ in properties]
    for (_, _, counter), width in zip(properties, widths, strict=True):
        if counter is None:
            ahead += width
        else:
            loops.append((ahead, np.dtype(counter).itemsize, width))
            ahead = 0
    size, place = len(data), begin
    endian = "big" if order == ">" else "little"
    counts = np.empty((count, len(loops)), np.int64)
    # Where a row begins follows from those before it: the one loop over them, and it does nothing else.
    for k in range(count):
        for j, (before, wide, width) in enumerate(loops):
            place += before
            if place + wide > size:
                _enough(path, data, place + wide)
            length = data[place] if wide == 1 else int.from_bytes(data[place : place + wide], endian)
            counts[k, j] = length
            place += wide + width * length
        place += ahead
    _enough(path, data, place)
    lengths = np.ones((count, len(properties)), np.int64)
    starts = np.empty((count, len(properties)), np.int64)
    listed = [k for k, (*_, counter) in enumerate(properties) if counter is not None]
    lengths[:, listed] = counts
    leads = np.array([0 if c is None else np.dtype(c).itemsize for *_, c in properties])
    taken = leads + lengths * np.array(widths)
    row = taken.sum(1)
    starts[:] = (begin + np.cumsum(row) - row)[:, None] + np.cumsum(taken, axis=1) - taken + leads
    return starts, lengths, place


def _native(values: Num[np.ndarray, " n"]) -> Num[np.ndarray, " n"]:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _enough(path: Path, data: bytes, needed: int) -> None:
    if len(data) < needed:
        raise ValueError(f"{path} was cut off: it has {len(data)} bytes, its header promises more")
