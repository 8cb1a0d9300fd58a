"""ProcTHOR-10K by name: `procthor-10k`, `procthor-10k/val`, `procthor-10k@REVISION/train`.

`prior`, the package that AI2 distributes it with, keeps the data set under `~/.prior`. What is there is read
straight from its files, a line at a time and without `prior`; what is not there `prior` is asked to fetch.
"""

import importlib
import json
import os
import re
from pathlib import Path

SPLITS = ("train", "val", "test")
_NAME = re.compile(r"procthor-10k(?:@(?P<revision>[\w.-]+))?(?:/(?P<split>\w+))?")
_NEEDS = "it needs a network, git and Git LFS"


def split_file(name: str) -> Path | None:
    """The JSON lines of a split, fetched where they are not cached; None for a name of something else.

    Raises ValueError for an unknown split, and for a data set that cannot be fetched.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    revision, split = match["revision"] or "main", match["split"] or "train"
    if split not in SPLITS:
        raise ValueError(f"{name}: ProcTHOR-10K has the splits {', '.join(SPLITS)}")
    found = _cached(revision, split)
    if found is None:
        _fetch(revision)
        found = _cached(revision, split)
    if found is None:
        raise ValueError(f"{name}: prior fetched no {split}.jsonl.gz into {_folder()}")
    return found


def _folder() -> Path:
    return Path.home() / ".prior" / "datasets" / "allenai" / "procthor-10k"


def _cached(revision: str, split: str) -> Path | None:
    """Where `prior` keeps it: a folder a commit, and a file that says which commit a branch was at."""
    try:
        commits = json.loads((_folder() / "cache").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        commits = {}
    path = _folder() / commits.get(revision, revision) / f"{split}.jsonl.gz"
    return path if path.is_file() else None


def _fetch(revision: str) -> None:
    try:
        prior = importlib.import_module("prior")
    except ImportError as error:
        raise ValueError(
            f"ProcTHOR-10K is not under {_folder()}, and prior, which fetches it, is not installed: "
            f"`pip install prior`, then run this again ({_NEEDS})"
        ) from error
    here = Path.cwd()
    try:
        prior.load_dataset("procthor-10k", revision=revision)
    except Exception as error:  # prior raises whatever its steps raise, down to bare Exceptions
        raise ValueError(
            f"ProcTHOR-10K ({revision}) is not under {_folder()}, and prior could not fetch it "
            f"({type(error).__name__}: {error}): {_NEEDS}"
        ) from error
    finally:
        os.chdir(here)  # prior leaves the process in the data set's folder when it fails
