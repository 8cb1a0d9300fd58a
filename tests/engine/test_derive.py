"""A second pass over a store: what is derived is right, stands beside the parts, and is written once."""

import numpy as np
import pytest

from agents.edges import canny_edges
from agents.normals import normals_from_depth
from engine.collect.collect import CollectConfig, collect
from engine.collect.derive import DERIVATIONS, DeriveConfig, derive
from engine.store.access import PretrainFrames
from engine.store.errors import CollectError
from engine.store.store import Store

from .bare_rooms import write_houses

NAMES = tuple(DERIVATIONS)


@pytest.fixture
def path(tmp_path):
    houses = write_houses(tmp_path / "houses", 2)
    request = {"houses": [houses], "store": tmp_path / "store", "role": "pretrain", "frames": 12, "size": 32}
    collect(CollectConfig.model_validate(request | {"actors": 0, "frames_per_part": 8, "device": "cpu"}))
    return tmp_path / "store"


def test_normals_of_a_plane_are_its_normal():
    """A floor 1 m below a camera that looks along it: normals point up."""
    intrinsics = np.float32([[16, 16, 16, 16]])
    v = np.arange(32) + 0.5
    z = np.where(v > 16, 16 / np.maximum(v - 16, 0.5), 0)
    depth = np.tile((z * 1000)[None, :, None], (1, 1, 32)).astype(np.uint16)
    normals = normals_from_depth(depth, intrinsics)
    assert not normals[0, :16].any()  # nothing hit
    np.testing.assert_allclose(normals[0, 20:], np.broadcast_to([128, 255, 128], (12, 32, 3)), atol=2)


def test_derived_modalities_are_those_that_were_rendered(path):
    kept = {f: f.stat().st_mtime_ns for f in path.glob("parts/*/*") if f.is_file()}
    derive(DeriveConfig(store=path, names=NAMES, actors=0))
    store = Store.open(path)
    assert store.verify() == []
    assert all(f.stat().st_mtime_ns == t for f, t in kept.items())
    frames = PretrainFrames(store)
    assert set(NAMES) <= set(frames.modalities)
    read = frames.read(range(24), ["rgb", "depth", "normals", "edges", *NAMES])
    np.testing.assert_array_equal(read["edges_from_rgb"], canny_edges(read["rgb"]))
    hit = (read["normals"].any(axis=-1)) & (read["normals_from_depth"].any(axis=-1))
    one, other = (read[m][hit].astype(float) / 127.5 - 1 for m in ("normals", "normals_from_depth"))
    angle = np.degrees(np.arccos(np.clip((one * other).sum(axis=-1), -1, 1)))
    assert hit.mean() > 0.95
    assert np.median(angle) < 3
    assert (angle < 15).mean() > 0.9


def test_a_pass_adds_only_what_is_missing(path, capsys):
    derive(DeriveConfig(store=path, names=NAMES[:1], actors=0))
    store = Store.open(path)
    first = store.parts[0].part
    store.remove_part(f"{first}.{NAMES[0]}")
    capsys.readouterr()
    derive(DeriveConfig(store=path, names=NAMES[:1], actors=0))
    assert "8 frames, 16 were there" in capsys.readouterr().out


def test_a_damaged_part_is_named_and_the_others_are_derived(path):
    store = Store.open(path)
    bad = store.parts[0].part
    (path / "parts" / bad / "depth" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(CollectError, match=bad):
        derive(DeriveConfig(store=path, names=("normals_from_depth",), actors=0))
    opened = Store.open(path)
    assert [len(opened.derived(p.part)) for p in opened.parts] == [0, 1, 1]


def test_what_cannot_be_derived_is_said(path):
    with pytest.raises(ValueError, match="edges_from_rgb"):
        derive(DeriveConfig(store=path, names=("smell",), actors=0))


@pytest.mark.ray
@pytest.mark.slow
def test_actors_derive_the_same(path, tmp_path):
    derive(DeriveConfig(store=path, names=NAMES, actors=2))
    store = Store.open(path)
    assert store.verify() == []
    assert len(PretrainFrames(store).read(range(24), NAMES)[NAMES[0]]) == 24
