"""ProcTHOR-10K by name, on a small data set laid out as `prior` lays out its cache. Nothing is fetched."""

import gzip
import importlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from scenes.house.files.references import absolute, each_house, short_name
from scenes.house.schema import House

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "procthor").glob("*.json"))
MAIN = """
import gzip
from prior import DatasetDict, LazyJsonDataset

def load_dataset():
    splits = {}
    for split in ("train", "val", "test"):
        with gzip.open(split + ".jsonl.gz") as file:
            splits[split] = LazyJsonDataset(list(file), "procthor-10k", split)
    return DatasetDict(**splits)
"""


leaves_files_open = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # prior does


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def fill(folder: Path) -> None:
    """All four houses in train, one in each of the others."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, files in (("train", GOLDEN), ("val", GOLDEN[:1]), ("test", GOLDEN[1:2])):
        rows = [json.dumps(json.loads(path.read_text())) + "\n" for path in files]
        (folder / f"{split}.jsonl.gz").write_bytes(gzip.compress("".join(rows).encode()))


def cached(home: Path, commit: str = "c0ffee") -> Path:
    folder = home / ".prior" / "datasets" / "allenai" / "procthor-10k"
    fill(folder / commit)
    (folder / "cache").write_text(json.dumps({"main": commit}))
    return folder


def no_prior(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("scenes.house.files.procthor_10k.importlib", SimpleNamespace(import_module=missing))


def test_what_is_cached_is_read_without_prior(home, monkeypatch):
    cached(home)
    no_prior(monkeypatch)
    names = list(each_house(["procthor-10k/train#0:2", "procthor-10k/val", "procthor-10k#3"]))
    assert names == [
        "procthor-10k/train#0",
        "procthor-10k/train#1",
        "procthor-10k/val#0",
        "procthor-10k#3",
    ]
    assert [House.load(n).digest() for n in names] == [House.load(GOLDEN[i]).digest() for i in (0, 1, 0, 3)]
    assert absolute(names[0]) == short_name(names[0]) == names[0]


def test_a_revision_is_a_branch_or_a_commit(home, monkeypatch):
    folder = cached(home)
    fill(folder / "beef")
    (folder / "beef" / "train.jsonl.gz").write_bytes(
        gzip.compress(GOLDEN[2].read_bytes().replace(b"\n", b""))
    )
    no_prior(monkeypatch)
    assert House.load("procthor-10k@beef/train#0").digest() == House.load(GOLDEN[2]).digest()
    assert House.load("procthor-10k@c0ffee/train#0").digest() == House.load(GOLDEN[0]).digest()
    with pytest.raises(ValueError, match="pip install prior"):
        House.load("procthor-10k@dead/train#0")


def test_without_cache_and_prior_it_says_what_to_install(home, monkeypatch):
    no_prior(monkeypatch)
    with pytest.raises(ValueError, match=r"`pip install prior`.*network"):
        list(each_house(["procthor-10k/train#0:3"]))
    with pytest.raises(ValueError, match="splits train, val, test"):
        list(each_house(["procthor-10k/dev"]))
    with pytest.raises(ValueError, match="no house at procthor-20k"):
        list(each_house(["procthor-20k"]))


def test_what_prior_cannot_fetch(home, monkeypatch):
    def load_dataset(name, revision):
        os.chdir(home)
        raise ConnectionError("no route")

    prior = SimpleNamespace(import_module=lambda name: SimpleNamespace(load_dataset=load_dataset))
    monkeypatch.setattr("scenes.house.files.procthor_10k.importlib", prior)
    here = Path.cwd()
    with pytest.raises(ValueError, match=r"could not fetch it \(ConnectionError: no route\)"):
        House.load("procthor-10k#0")
    assert Path.cwd() == here


def test_errors_name_the_cached_file(home, monkeypatch):
    folder = cached(home)
    no_prior(monkeypatch)
    with pytest.raises(ValueError, match=r"procthor-10k/train holds 4 lines: #0:100 reaches beyond"):
        list(each_house(["procthor-10k/train#0:100"]))
    (folder / "c0ffee" / "val.jsonl.gz").write_bytes(gzip.compress(b"[]\n"))
    with pytest.raises(ValueError, match=r"c0ffee/val\.jsonl\.gz: line 1: a house is a JSON object"):
        House.load("procthor-10k/val#0")


@pytest.fixture
def prior(home, monkeypatch):
    """The real client, with its folders in a home of its own."""
    module = pytest.importorskip("prior", reason="pip install prior")
    if subprocess.run(["git", "lfs", "version"], capture_output=True).returncode:
        pytest.skip("prior runs git lfs")
    monkeypatch.setattr(module, "BASE_DIR", str(home / ".prior"))
    monkeypatch.setattr(module, "DATASET_DIR", str(home / ".prior" / "datasets"))
    monkeypatch.setattr("scenes.house.files.procthor_10k.importlib", importlib)
    return module


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(home: Path) -> tuple[Path, str]:
    """A repository as the data set's is, and its commit."""
    folder = home / "repositories" / "allenai" / "procthor-10k.git"
    fill(folder)
    (folder / "main.py").write_text(MAIN)
    git(folder, "init")
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "houses")
    return folder, git(folder, "rev-parse", "HEAD")


@leaves_files_open
def test_the_real_client_reads_the_same_from_its_cache(home, prior):
    source, commit = repository(home)
    folder = cached(home, commit)
    shutil.rmtree(folder / commit)
    git(home, "clone", str(source), str(folder / commit))
    theirs = prior.load_dataset("procthor-10k", offline=True)
    ours = list(each_house(["procthor-10k/train"]))
    assert len(theirs["train"]) == len(ours) == 4
    for values, name in zip(theirs["train"], ours, strict=True):
        house = House.load(name)
        assert house.to_json(house.source_schema) == values


@leaves_files_open
def test_the_real_client_fetches(home, prior, monkeypatch):
    """Only GitHub is played here: its answer to which commit is newest, and the place that git clones."""
    source, commit = repository(home)
    git(home, "config", "--global", f"url.{source.parents[1]}/.insteadOf", "https://github.com/")
    answer = SimpleNamespace(status_code=200, json=lambda: [{"sha": commit}])
    monkeypatch.setattr(prior.requests, "get", lambda url: answer)
    here = Path.cwd()
    names = list(each_house(["procthor-10k/val", "procthor-10k/train#1:3"]))
    assert names == ["procthor-10k/val#0", "procthor-10k/train#1", "procthor-10k/train#2"]
    assert House.load(names[1]).digest() == House.load(GOLDEN[1]).digest()
    assert Path.cwd() == here


def test_the_real_client_without_a_network(home, prior, monkeypatch):
    def unreachable(url):
        raise prior.requests.exceptions.ConnectionError("no route to host")

    monkeypatch.setattr(prior.requests, "get", unreachable)
    with pytest.raises(ValueError, match=r"could not fetch it .*no route to host"):
        list(each_house(["procthor-10k/train#0:2"]))
