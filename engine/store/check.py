"""Verification: every kind of damage to a store's files, found by reading every byte."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.store.errors import DamagedPartError
from engine.store.index import INDEX, index_problem, lost_parts
from engine.store.manifest import (
    MANIFEST,
    FileFacts,
    Manifest,
    file_facts,
    files_below,
    load_manifest,
    unseal,
)
from engine.store.schema import StoreFacts
from engine.store.writing.staging import is_staging


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, and what. `part` is None for what belongs to the store itself."""

    part: str | None
    file: str
    what: str

    def __str__(self) -> str:
        return f"{f'part {self.part!r}' if self.part else 'store'}, {self.file}: {self.what}"


def verify_store(path: Path | str, on_part: Callable[[int, int], None] | None = None) -> list[Problem]:
    """All problems of the store at `path`, whatever state it is in; an empty list if there are none.

    `on_part(done, total)` is called after each part.
    """
    root = Path(path)
    if not root.is_dir():
        return [Problem(None, str(root), "there is no such folder")]
    problems = list(_root_problems(root))
    parts_dir = root / "parts"
    if not parts_dir.is_dir():
        return [*problems, Problem(None, "parts", "the folder is missing")]
    entries = sorted(e for e in parts_dir.iterdir() if not is_staging(e.name) and e.name != "zarr.json")
    manifests: dict[str, Manifest] = {}
    for done, entry in enumerate(entries):
        try:
            manifests[entry.name] = load_manifest(entry)
        except (FileNotFoundError, NotADirectoryError):
            problems.append(
                Problem(
                    entry.name,
                    MANIFEST,
                    "no manifest: views of its role refuse the store until it is replaced",
                )
            )
            continue
        except DamagedPartError as error:
            problems.append(Problem(entry.name, MANIFEST, str(error)))
            continue
        problems += _part_problems(entry, manifests[entry.name])
        if on_part is not None:
            on_part(done + 1, len(entries))
    problems += [
        Problem(n, MANIFEST, "the index knows this part: it vanished") for n in sorted(lost_parts(root))
    ]
    for name, manifest in manifests.items():
        if manifest.of is None:
            continue
        parent = manifests.get(manifest.of)
        if parent is None:
            problems.append(Problem(name, MANIFEST, f"derived from part {manifest.of!r}, which is not here"))
        elif parent.seal != manifest.of_crc32c:
            problems.append(Problem(name, MANIFEST, f"derived from another version of part {manifest.of!r}"))
    return problems


def _root_problems(root: Path) -> list[Problem]:
    try:
        body = unseal((root / MANIFEST).read_bytes())
        StoreFacts.model_validate(body["facts"])
        files = {name: FileFacts.model_validate(facts) for name, facts in body["files"].items()}
    except FileNotFoundError:
        return [Problem(None, MANIFEST, "the file is missing: this is not a store, or no longer one")]
    except KeyError as error:
        return [Problem(None, MANIFEST, f"not the manifest of a store: it has no {error}")]
    except (ValueError, TypeError) as error:
        return [Problem(None, MANIFEST, str(error))]
    problems = [p for name, facts in files.items() if (p := _file_problem(None, root, name, facts))]
    damage = index_problem(root)
    if damage:
        problems.append(Problem(None, INDEX, f"{damage}: delete it, it is made again from the manifests"))
    return problems


def _part_problems(directory: Path, manifest: Manifest) -> list[Problem]:
    name = directory.name
    problems = [
        p for file, facts in manifest.files.items() if (p := _file_problem(name, directory, file, facts))
    ]
    for file in files_below(directory):
        if file not in manifest.files:
            problems.append(Problem(name, file, "not in the manifest: something else put it here"))
    return problems


def _file_problem(part: str | None, directory: Path, name: str, facts: FileFacts) -> Problem | None:
    try:
        found = file_facts(directory / name)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return Problem(part, name, "the file is missing")
    if found.size != facts.size:
        return Problem(part, name, f"{found.size} bytes where {facts.size} were written")
    if found != facts:
        return Problem(part, name, f"crc32c {found.crc32c} where {facts.crc32c} was written")
    return None
