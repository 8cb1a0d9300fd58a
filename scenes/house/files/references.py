"""How houses are named, in every command that takes houses:

    house.json               a file that holds one
    folder                   the *.json, *.jsonl and *.jsonl.gz in it, by name
    houses.jsonl.gz          a house a line, all of them; or .jsonl
    houses.jsonl.gz#12       one of them, counted from 0
    houses.jsonl.gz#0:100    a slice: the first hundred; `#100:` is all the others
    procthor-10k/val#0:100   the same of ProcTHOR-10K's split val; train where none is named

`each_house` turns them into references to one house each, which `House.load` takes. A file or folder of the
very name comes first, so that a `#` in a file's name does no harm.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from scenes.house.files.json_lines import SUFFIXES, count_lines, is_json_lines, read_line
from scenes.house.files.procthor_10k import split_file

Reference = str | Path


def each_house(
    references: Iterable[Reference], one_space: Callable[[Path], bool] = lambda folder: False
) -> Iterator[str]:
    """References to one house each, in order; no house is read. A folder that is `one_space`, as a scan's may
    be, is taken as it is.

    Raises ValueError for what is not there: a file, a folder without houses, lines beyond a file's end.
    """
    empty = True
    for reference in references:
        name, path, wanted = _find(reference)
        many = path.is_dir() and not one_space(path)
        files = _inside(path) if many else [(name, path)]
        for one, file in files:
            empty = False
            if is_json_lines(file):
                yield from (f"{one}#{number}" for number in _numbers(one, file, wanted))
            else:
                yield one
    if empty:
        raise ValueError("name at least one house file, or a folder of them")


def read_values(reference: Reference) -> tuple[str, Any]:
    """The JSON values of one house, and what to call their place in errors: the file, and the line in it.

    Raises ValueError for what is not there, is more than one house, or is not JSON.
    """
    name, path, wanted = _find(reference)
    if path.is_dir():
        raise ValueError(f"{name} is a folder: name one house in it")
    if not is_json_lines(path):
        return name, _parse(path.read_bytes(), name, lines=True)
    if wanted is None or ":" in wanted:
        raise ValueError(f"{reference} names many houses: choose one, as {name}#0")
    number = int(wanted)
    where = f"{path}: line {number + 1}"
    return where, _parse(read_line(path, number), where, lines=False)


def absolute(reference: Reference) -> str:
    """The reference as it reads from any folder."""
    name, path, wanted = _find(reference)
    if not Path(name).exists():  # a data set's name is the same everywhere
        return str(reference)
    return str(path.absolute()) + ("" if wanted is None else f"#{wanted}")


def short_name(reference: Reference) -> str:
    """The reference without the folders that a file happens to be in."""
    return Path(reference).name if Path(_find(reference)[0]).exists() else str(reference)


def _find(reference: Reference) -> tuple[str, Path, str | None]:
    """Name, file or folder, and what stands after the last `#`."""
    text = str(reference)
    name, mark, wanted = text.rpartition("#")
    if not mark or Path(text).exists():
        name, wanted = text, None
    path: Path | None = Path(name)
    if not path.exists():
        path = split_file(name)
    if path is None:
        raise ValueError(f"there is no house at {name}: `tst houses generate` makes some")
    if wanted is None:
        return name, path, None
    if not is_json_lines(path):
        raise ValueError(f"{text}: only {' and '.join(SUFFIXES)} hold many houses; take {name} as it is")
    if not re.fullmatch(r"\d+|\d*:\d*", wanted):
        raise ValueError(f"{text}: after # comes a number, as #12, or a slice, as #0:100")
    return name, path, wanted


def _inside(folder: Path) -> list[tuple[str, Path]]:
    found = sorted(p for p in folder.iterdir() if p.name.endswith((".json", *SUFFIXES)) and p.is_file())
    if not found:
        raise ValueError(
            f"{folder} holds no house (*.json, *.jsonl, *.jsonl.gz): "
            f"`tst houses generate --out {folder}` makes some"
        )
    return [(str(p), p) for p in found]


def _numbers(name: str, file: Path, wanted: str | None) -> Iterable[int]:
    if wanted is not None and ":" not in wanted:
        return [int(wanted)]
    first, _, last = (wanted or ":").partition(":")
    start, stop = int(first or 0), int(last) if last else None
    if stop is not None and stop <= start:
        raise ValueError(f"{name}#{wanted} is an empty slice: its end must be more than its start")
    count = count_lines(file, stop)
    if count <= start or count < (stop or 0):
        what = f"#{wanted} reaches beyond its end" if wanted else "it is empty"
        raise ValueError(f"{name} holds {count} lines: {what}")
    return range(start, count)


def _parse(data: bytes, where: str, lines: bool) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: byte {error.start} is not UTF-8: write the file as UTF-8") from error
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if lines else ""
        raise ValueError(f"{where}: {line}column {error.colno}: this is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{where}: JSON nested so deep is no house") from error
    except ValueError as error:  # a whole number of thousands of digits
        raise ValueError(f"{where}: {error}") from error
