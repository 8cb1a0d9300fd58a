"""The operations on an object store that a store needs: names and bytes. Imports obstore on first use."""

import importlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.store.errors import StoreExistsError
from engine.store.manifest import MANIFEST

ROOT = ("zarr.json", "parts/zarr.json")
"""Files of a store that belong to no part, besides its manifest."""


def open_objects(url: str, options: dict[str, Any] | None = None) -> Any:
    """The object store behind a URL. Raises ValueError where obstore is missing or knows no such URL."""
    try:
        module = importlib.import_module("obstore.store")
    except ImportError:
        raise ValueError("object stores need obstore: pip install 'testspace[objects]'") from None
    try:
        return module.from_url(url, **(options or {}))
    except (ValueError, importlib.import_module("obstore.exceptions").BaseError) as error:
        raise ValueError(f"{url} is not the URL of an object store: {error}") from error


def put_root(objects: Any, path: Path, url: str) -> None:
    """What the store at `path` is, without its parts. Raises StoreExistsError where another is."""
    root, taken = (path / MANIFEST).read_bytes(), f"another store is at {url}: choose another place"
    try:
        if get(objects, MANIFEST) != root:
            raise StoreExistsError(taken)
    except FileNotFoundError:
        for name in ROOT:
            put(objects, name, (path / name).read_bytes())
        if not create(objects, MANIFEST, root):
            raise StoreExistsError(taken) from None


def manifests(objects: Any) -> dict[str, list[Any]]:
    """Parts whose manifest is there, with its size [bytes] and tag."""
    obs = importlib.import_module("obstore")
    found = {}
    for entry in (entry for batch in obs.list(objects, prefix="parts") for entry in batch):
        names = entry["path"].split("/")
        if len(names) == 3 and names[2] == MANIFEST:
            found[names[1]] = [entry["size"], entry["e_tag"]]
    return found


def listed(objects: Any, prefix: str) -> list[str]:
    """Names of all objects below a prefix."""
    obs = importlib.import_module("obstore")
    return [entry["path"] for batch in obs.list(objects, prefix=prefix) for entry in batch]


def delete(objects: Any, *names: str) -> None:
    """Deletes objects; those that are not there are no matter."""
    obs = importlib.import_module("obstore")
    for name in names:
        with suppress(FileNotFoundError):
            obs.delete(objects, name)


def errors() -> type[Exception]:
    """What obstore raises, besides FileNotFoundError and what `create` handles."""
    return importlib.import_module("obstore.exceptions").BaseError


def put(objects: Any, name: str, data: bytes) -> None:
    """Writes an object."""
    importlib.import_module("obstore").put(objects, name, data)


def create(objects: Any, name: str, data: bytes) -> bool:
    """Writes an object where none is; False if another one is there."""
    obs = importlib.import_module("obstore")
    try:
        obs.put(objects, name, data, mode="create")
    except obs.exceptions.AlreadyExistsError:
        return get(objects, name) == data
    return True


def get(objects: Any, name: str) -> bytes:
    """An object. Raises FileNotFoundError."""
    return bytes(importlib.import_module("obstore").get(objects, name).bytes())
