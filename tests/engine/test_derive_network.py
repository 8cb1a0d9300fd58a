"""A pass of a network over a store: resumed, batched, refused before it starts, quarantined at a frame."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.collect.collect import CollectConfig, collect
from engine.collect.derive import DeriveConfig, derive
from engine.networks import registry
from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import CollectError, LeakError
from engine.store.store import Store

from .bare_rooms import write_houses
from .networks.tiny import TinyConfig

ROOT = Path(__file__).parent.parent.parent
SIDE = 32


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setitem(registry.NETWORKS, "tiny", TinyConfig)


def collected(folder: Path, role: str = "pretrain", size: int | list[int] = SIDE) -> Path:
    """A store of 12 frames each of two bare rooms, 8 a part."""
    houses = folder / "houses" if (folder / "houses").exists() else write_houses(folder / "houses", 2)
    request = {"houses": [houses], "store": folder / "store", "role": role, "frames": 12, "size": size}
    collect(CollectConfig.model_validate(request | {"actors": 0, "frames_per_part": 8, "device": "cpu"}))
    return folder / "store"


@pytest.fixture
def path(tmp_path):
    return collected(tmp_path)


def run(path: Path, **fields) -> Store:
    derive(DeriveConfig.model_validate({"store": path, "network": "tiny", "actors": 0, **fields}))
    return Store.open(path)


def files(store: Path) -> dict[str, bytes]:
    """Every file of what was derived, by name."""
    return {str(f.relative_to(store)): f.read_bytes() for f in store.glob("parts/*.*/**/*") if f.is_file()}


def test_the_array_is_what_the_network_gives_and_says_where_from(path, capsys):
    kept = {f: f.stat().st_mtime_ns for f in path.glob("parts/*/*") if f.is_file()}
    store = run(path)
    assert store.verify() == []
    assert all(f.stat().st_mtime_ns == t for f, t in kept.items())
    frames = PretrainFrames(store)
    read = frames.read(range(24), ["rgb", "tiny"])
    network = TinyConfig().load(SIDE)
    np.testing.assert_allclose(read["tiny"], network(read["rgb"]), atol=1e-3)
    origin = frames.origin_of("tiny")
    assert origin is not None
    assert (origin.network, origin.output, origin.external_access) == ("tiny", "features", "pseudolabels")
    assert (origin.digest, origin.licence) == (network.origin.digest, "MIT")
    printed = capsys.readouterr().out
    assert "tiny of 24 frames, 0 were there" in printed
    assert "frames/s an actor" in printed
    assert "kB a frame" in printed


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_batches_change_nothing(path, batch):
    rgb = PretrainFrames(path).read(range(24), ["rgb"])["rgb"]
    got = PretrainFrames(run(path, batch=batch)).read(range(24), ["tiny"])["tiny"]
    np.testing.assert_allclose(got, TinyConfig().load(SIDE)(rgb), atol=1e-3)


def test_an_untrained_network_has_a_name_of_its_own_and_no_outside(path):
    run(path)
    store = run(path, weights="untrained", seed=3)
    frames = PretrainFrames(store)
    origin = frames.origin_of("tiny_untrained")
    assert origin is not None
    assert (origin.external_access, origin.source) == ("none", "untrained, seed 3")
    read = frames.read([0], ["tiny", "tiny_untrained"])
    assert not np.array_equal(read["tiny"], read["tiny_untrained"])


def test_options_reach_the_network_and_wrong_ones_are_named(path):
    store = run(path, options={"channels": "6"}, modality="wide")
    assert PretrainFrames(store).frame_shape("wide") == (4, 4, 6)
    for options in ({"chanels": 6}, {"channels": "many"}):
        with pytest.raises(ValueError, match=f"option {next(iter(options))}.*channels.*kind"):
            run(path, options=options)


def test_a_pass_adds_only_what_is_missing(path, capsys):
    store = run(path)
    store.remove_part(f"{store.parts[0].part}.tiny")
    before = files(path)
    capsys.readouterr()
    run(path)
    assert "tiny of 8 frames, 16 were there" in capsys.readouterr().out
    assert before.items() < files(path).items()


def test_killed_and_run_again_it_ends_equal(path, tmp_path):
    whole = collected(tmp_path / "other")
    run(whole)
    code = (
        "import sys\n"
        "from engine.collect.derive import DeriveConfig, derive\n"
        "from engine.networks import registry\n"
        "from tests.engine.networks.tiny import TinyConfig\n"
        "registry.NETWORKS['tiny'] = TinyConfig\n"
        "derive(DeriveConfig(store=sys.argv[1], network='tiny', actors=0, batch=2, options={'wait': 0.2}))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not list(path.glob("parts/*.tiny/MANIFEST.json")):
        assert child.poll() is None
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert 0 < len(list(path.glob("parts/*.tiny/MANIFEST.json"))) < 3
    store = run(path, batch=2)
    assert store.verify() == []
    assert not list(path.glob("parts/*.tmp-*"))
    assert_array_equal(*(PretrainFrames(s).read(range(24), ["tiny"])["tiny"] for s in (path, whole)))


@pytest.mark.parametrize(
    ("dark", "kind", "words"),
    [
        ("error", "features", "RuntimeError: too dark"),
        ("nan", "features", "not finite"),
        ("class", "labels", "class 4 of 3"),
        ("shape", "features", "had promised"),
    ],
)
def test_a_frame_that_fails_is_named_and_the_other_parts_are_derived(path, dark, kind, words):
    frames = PretrainFrames(path)
    means = frames.read(range(24), ["rgb"])["rgb"].mean(axis=(1, 2, 3))
    first, second = np.sort(means)[:2]
    bad = int(means.argmin())
    parts = frames.parts()
    part = next(p for p, ids in parts.items() if bad in ids)
    where = f"frame {bad - parts[part].start} of part {part} .space {frames.space_of([bad])[0]}."
    options = {"darkest": float(first + second) / 2, "dark": dark, "kind": kind}
    with pytest.raises(CollectError, match=f"1 parts failed.*\n.*{where}.*{words}"):
        run(path, options=options, batch=5)
    store = Store.open(path)
    assert {p.part: len(store.derived(p.part)) for p in store.parts} == {p: int(p != part) for p in parts}
    assert store.verify() == []


def test_frames_that_fail_only_together_ask_for_a_smaller_batch(path):
    with pytest.raises(CollectError, match=r"8 frames fail together \(MemoryError.*smaller batch"):
        run(path, options={"most": 4})
    assert "tiny" in PretrainFrames(run(path, options={"most": 4}, batch=4)).modalities


def test_missing_weights_are_said_before_anything_starts(path, tmp_path):
    before = files(path)
    with pytest.raises(
        ValueError, match=r"seed.txt is missing: get it from https://example.org/tiny"
    ) as caught:
        run(path, weights=str(tmp_path), actors=2)  # no actor is started: no Ray in this test
    assert "\n" not in str(caught.value)
    assert files(path) == before


def test_other_weights_under_the_same_name_are_refused(path, tmp_path):
    run(path)
    (tmp_path / "seed.txt").write_text("5")
    with pytest.raises(ValueError, match=r"'tiny' in this store is by tiny .tiny, trained.*another name"):
        run(path, weights=str(tmp_path))
    run(path, weights=str(tmp_path), modality="tiny_5")


def test_the_same_weights_from_another_folder_go_on(path, tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "seed.txt").write_text("5")
    store = run(path, weights=str(tmp_path / "a"))
    store.remove_part(f"{store.parts[0].part}.tiny")
    frames = PretrainFrames(run(path, weights=str(tmp_path / "b")))
    origin = frames.origin_of("tiny")
    assert origin is not None
    assert origin.source.endswith("/a")


@pytest.mark.parametrize("role", ["pretrain", "eval", "transfer"])
def test_a_network_that_learned_labels_of_these_houses_is_refused(tmp_path, role):
    path = collected(tmp_path, role)
    space = Store.open(path).spaces[0]
    for digest in (space.house_digest, space.layout_digest):
        with pytest.raises(LeakError, match=f"labels of space {space.id!r}.*role {role}"):
            run(path, options={"labelled": digest})
    assert Store.open(path).derived(Store.open(path).parts[0].part) == ()


def test_labels_of_transfer_houses_are_no_matter_to_other_roles(tmp_path):
    """Frames of houses whose labels were learned stay without it; the others of the store may have it."""
    path = collected(tmp_path)
    other = write_houses(tmp_path / "others", 3) / "bare-02.json"
    request = {"houses": [other], "store": path, "role": "transfer", "frames": 4, "size": SIDE}
    collect(CollectConfig.model_validate(request | {"actors": 0, "device": "cpu"}))
    learned = next(s.house_digest for p in Store.open(path).parts if p.role == "transfer" for s in p.spaces)
    with pytest.raises(LeakError, match="--roles"):
        run(path, options={"labelled": learned})
    store = run(path, options={"labelled": learned}, roles=("pretrain",))
    assert {p.role: bool(store.derived(p.part)) for p in store.parts} == {"pretrain": True, "transfer": False}


def test_frames_of_evaluation_get_it_too(tmp_path):
    assert "tiny" in EvalFrames(run(collected(tmp_path, "eval"))).modalities


def test_names_and_network_exclude_each_other(path):
    for fields in ({"names": ("edges_from_rgb",)}, {"network": None}):
        with pytest.raises(ValueError, match="--names, or one --network"):
            run(path, **fields)


def test_frames_that_are_no_squares_are_refused(tmp_path):
    with pytest.raises(ValueError, match="16x32"):
        run(collected(tmp_path, size=[16, 32]))


@pytest.mark.ray
@pytest.mark.slow
def test_actors_of_one_thread_derive_the_same(path, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    )
    alone = run(collected(tmp_path / "other"))
    store = run(path, actors=2, options={"threads": 1})
    assert store.verify() == []
    assert_array_equal(*(PretrainFrames(s).read(range(24), ["tiny"])["tiny"] for s in (store, alone)))
