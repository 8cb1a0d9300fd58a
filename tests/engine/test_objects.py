"""A store to an object store and back: nothing half there, nothing overwritten, every byte checked."""

import os

import numpy as np
import pytest

from engine.store import transport
from engine.store.access import PretrainFrames
from engine.store.errors import DamagedPartError, NotAStoreError, PartExistsError, StoreExistsError
from engine.store.manifest import MANIFEST
from engine.store.remote import objects
from engine.store.store import ModalitySpec, Store
from engine.store.transport import Moved, pull, push

from .conftest import add_part, build

obstore = pytest.importorskip("obstore")


def _same(one: Store, other: Store) -> None:
    assert {p.part: p for p in one.parts} == {p.part: p for p in other.parts}
    a, b = PretrainFrames(one), PretrainFrames(other)
    for name, values in a.read(range(87), a.modalities).items():
        np.testing.assert_array_equal(b.read(range(87), [name])[name], values)


def test_there_and_back(store, place, tmp_path):
    spec = ModalitySpec("tok", "uint16", (3, 3), "1", "token")
    store.add_derived("pretrain-a", "tok", {"tok": np.ones((57, 3, 3), np.uint16)}, [spec])
    first = push(store.path, place)
    assert (first.parts, first.skipped) == (5, 0)
    assert pull(place, tmp_path / "back").parts == 5
    back = Store.open(tmp_path / "back")
    assert back.verify() == []
    _same(store, back)
    add_part(store, "eval-b", "eval", [(1, 7)], seed=9)  # only what is new travels
    assert push(store.path, place) == Moved(1, 5, store.part("eval-b").bytes)
    assert pull(place, tmp_path / "back") == Moved(1, 5, store.part("eval-b").bytes)
    assert Store.open(tmp_path / "back").verify() == []


def test_a_push_that_was_cut_off_leaves_no_part(store, place, tmp_path, monkeypatch):
    """Everything of a part but its manifest is there: nobody sees it, and the next push completes it."""
    kept = transport.create

    def cut(where, name, data):
        if name == f"parts/pretrain-a/{MANIFEST}":
            raise ConnectionError("the line went dead")
        return kept(where, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(transport, "create", cut)
        with pytest.raises(ConnectionError):
            push(store.path, place)
    pull(place, tmp_path / "part")
    assert "pretrain-a" not in [p.part for p in Store.open(tmp_path / "part").parts]
    assert push(store.path, place).skipped == 1
    pull(place, tmp_path / "whole")
    _same(store, Store.open(tmp_path / "whole"))


def test_nothing_is_overwritten(store, place, tmp_path):
    push(store.path, place)
    other = build(tmp_path / "other")
    other.remove_part("eval-a")
    add_part(other, "eval-a", "eval", [(1, 19)], seed=99)
    with pytest.raises(PartExistsError, match="eval-a"):
        push(other.path, place)
    different = Store.create(tmp_path / "different", store.facts.modalities, store.labels, frames_per_part=99)
    with pytest.raises(StoreExistsError, match="another store"):
        push(different.path, place)
    with pytest.raises(StoreExistsError, match="another store"):
        pull(place, different.path)


def test_damage_is_found_both_ways(store, place, tmp_path):
    shard = store.path / "parts" / "eval-a" / "rgb" / "c" / "0" / "0" / "0" / "0"
    content = shard.read_bytes()
    shard.write_bytes(content[:-9] + bytes(9))
    with pytest.raises(DamagedPartError, match=r"house-1.*eval-a"):
        push(store.path, place)
    shard.write_bytes(content)
    push(store.path, place)
    obstore.put(objects.open_objects(place), "parts/eval-a/rgb/c/0/0/0/0", content[:-1])
    with pytest.raises(DamagedPartError, match=r"house-1.*eval-a"):
        pull(place, tmp_path / "back")
    assert "eval-a" not in [p.part for p in Store.open(tmp_path / "back").parts]


def test_where_nothing_is(place, tmp_path):
    with pytest.raises(NotAStoreError, match="push"):
        pull(place, tmp_path / "x")
    with pytest.raises(ValueError, match="object store"):
        pull("gopher://x", tmp_path / "x")
    assert os.listdir(tmp_path) in ([], ["bucket"], ["store"])
