"""A store in an object store, read and written in place: what is true of a folder is true there."""

from pathlib import Path

import numpy as np
import pytest

from engine.collect.collect import CollectConfig, collect
from engine.commands import VerifyConfig, verify
from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import (
    CollectError,
    DamagedPartError,
    NotAStoreError,
    PartExistsError,
    StoreExistsError,
    UnreachableError,
)
from engine.store.manifest import MANIFEST
from engine.store.remote import objects
from engine.store.remote import store as remote
from engine.store.remote.places import cache_folder, shown, url_of
from engine.store.store import ModalitySpec, Store
from engine.store.transport import push
from engine.stream.stream import TicketReader

from .bare_rooms import write_houses
from .conftest import add_part, by_frame

SHARD = "parts/eval-a/rgb/c/0/0/0/0"


@pytest.fixture
def there(store, place):
    """The usual store, in an object store."""
    push(store.path, place)
    return Store.open(place)


def _config(houses, store, **changes):
    request = {"houses": [houses], "store": store, "role": "eval", "frames": 12, "size": 16, "device": "cpu"}
    return CollectConfig.model_validate(request | {"frames_per_part": 8, "actors": 0} | changes)


@pytest.mark.parametrize("url", ["s3://bucket/a/b", "gs://bucket", "file:///tmp/x"])
def test_a_url_survives_being_taken_for_a_path(url):
    assert url_of(url) == url_of(Path(url)) == url_of(Path(url).absolute()) == url
    assert shown(Path(url)) == url
    assert url_of("stores/s3/bucket") is None
    assert shown(Path("stores/s3")) == "stores/s3"


def test_collecting_there_is_collecting_here(place, tmp_path):
    houses = write_houses(tmp_path / "houses", 3)
    collect(_config(houses, tmp_path / "here"))
    report = collect(_config(houses, place, frames=6))
    assert (report.frames, report.skipped) == (18, 0)
    report = collect(_config(houses, Path(place)))  # as a command line gives it
    assert (report.frames, report.skipped) == (18, 18)
    assert collect(_config(houses, place)).frames == 0
    store = Store.open(place)
    assert by_frame(store) == by_frame(Store.open(tmp_path / "here"))
    assert store.verify() == []
    assert store.read_text("CREDITS.txt") == Store.open(tmp_path / "here").read_text("CREDITS.txt")
    assert not list(cache_folder(place).rglob("*.tmp-*")), "what was sent is not kept"
    with pytest.raises(ValueError, match="frames of 16 pixels"):
        collect(_config(houses, place, size=32))


@pytest.mark.ray
@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_actors_send_what_they_make(place, tmp_path):
    houses = write_houses(tmp_path / "houses", 2)
    assert collect(_config(houses, place, actors=2)).frames == 24
    assert Store.open(place).verify() == []


def test_a_view_reads_what_it_is_asked_for(store, there, place):
    here, frames = PretrainFrames(store), PretrainFrames(Path(place).absolute())
    a, b = TicketReader(here, ["rgb"], 8), TicketReader(frames, ["rgb"], 8)
    for one, other in zip(a.epoch(0), b.epoch(0), strict=True):
        np.testing.assert_array_equal(one["rgb"], other["rgb"])
    kept = {p.relative_to(there.path / "parts").parts[1] for p in there.path.glob("parts/*/*")}
    assert kept == {"rgb"}
    for name in here.modalities:
        np.testing.assert_array_equal(
            here.read(range(87), [name])[name], frames.read(range(87), [name])[name]
        )


def test_what_was_derived_is_there_too(there, place):
    spec = ModalitySpec("tok", "uint16", (3, 3), "1", "token")
    tokens = np.arange(57 * 9, dtype=np.uint16).reshape(57, 3, 3)
    there.add_derived("pretrain-a", "tok", {"tok": tokens}, [spec])
    opened = Store.open(place)
    np.testing.assert_array_equal(opened.read("pretrain-a", 0, 57, ["tok"])["tok"], tokens)
    with pytest.raises(PartExistsError):
        add_part(opened, "pretrain-a", "pretrain", [(1, 5)], seed=3)
    add_part(there, "eval-b", "eval", [(1, 5)], seed=3)
    with pytest.raises(PartExistsError, match="meanwhile"):  # by one who has not heard of it
        add_part(opened, "eval-b", "eval", [(1, 5)], seed=4)
    opened.remove_part("pretrain-a")
    opened = Store.open(place)
    assert [p.part for p in opened.parts] == ["eval-a", "eval-b", "pretrain-b", "transfer-a"]
    assert opened.verify() == []
    assert len(PretrainFrames(opened)) == 30


def test_a_line_that_goes_dead_ends_a_collection_and_leaves_no_half_part(place, tmp_path, monkeypatch):
    houses = write_houses(tmp_path / "houses", 3)
    kept, sent = objects.create, []

    def cut(where, name, data):
        sent.append(name)
        if len(sent) > 3:  # the store's own and two parts'
            raise objects.errors()("the line went dead")
        return kept(where, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(objects, "create", cut)
        with pytest.raises(CollectError, match=r"line went dead.*same command"):
            collect(_config(houses, place))
    monkeypatch.setenv("TESTSPACE_CACHE", str(tmp_path / "elsewhere"))  # as on another machine
    assert len(Store.open(place).parts) == 2
    assert collect(_config(houses, place)).skipped == 16
    assert Store.open(place).verify() == []


def test_damage_is_found(there, place):
    where = objects.open_objects(place)
    whole = objects.get(where, SHARD)
    for broken in (whole[:-1], whole[:-9] + bytes(9), None):
        if broken is None:
            objects.delete(where, SHARD)
        else:
            objects.put(where, SHARD, broken)
        assert [(p.part, f"parts/eval-a/{p.file}") for p in Store.open(place).verify()] == [("eval-a", SHARD)]
        assert verify(VerifyConfig(store=Path(place))) == 1
        with pytest.raises(DamagedPartError, match=r"house-1.*eval-a.*again"):
            EvalFrames(place).read([0], ["rgb"])
    objects.put(where, SHARD, whole)
    frames = EvalFrames(place)
    frames.read([0], ["rgb"])
    kept = there.path / SHARD
    kept.write_bytes(whole[:-9] + bytes(9))
    with pytest.raises(DamagedPartError, match="fetched again"):
        EvalFrames(place).read([0], ["rgb"])
    kept.unlink()
    EvalFrames(place).read([0], ["rgb"])
    objects.delete(where, f"parts/eval-a/{MANIFEST}")
    with pytest.raises(DamagedPartError, match=r"eval-a.*missing"):
        EvalFrames(place)
    PretrainFrames(place)


def test_where_there_is_none(place, tmp_path):
    with pytest.raises(NotAStoreError, match="collect"):
        Store.open(place)
    assert remote.Remote(place).verify()
    Store.create(place, [ModalitySpec("a", "uint8", (2,), "1", "sensory")], [])
    with pytest.raises(StoreExistsError):
        Store.create(place, [ModalitySpec("a", "uint8", (2,), "1", "sensory")], [])
    with pytest.raises((NotAStoreError, UnreachableError, ValueError)):
        Store.open("s3://no-such-bucket/x" if place.startswith("s3") else f"file://{tmp_path}/nowhere")
