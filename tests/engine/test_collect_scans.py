"""One house through several simulators, and scans in a house's place: stores that differ in where they came
from."""

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from engine.collect.collect import CollectConfig, collect
from engine.store.access import EvalFrames
from engine.store.errors import CollectError
from engine.store.store import Store
from scenes.commands import ExportConfig, export
from scenes.generate.generate import generate_house
from scenes.meshes.libraries.credits import CREDITS

MODALITIES = ("rgb", "depth", "normals", "edges", "semantic", "instance", "pose", "intrinsics")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("house") / "house.json"
    generate_house(0, "studio").save(path)
    return path


def _collect(space: Path, store: Path, **changes) -> Store:
    settings = {"role": "eval", "frames": 12, "size": 64, "actors": 0} | changes
    collect(CollectConfig(houses=[space], store=store, **settings))
    return Store.open(store)


def _read(store: Store) -> dict[str, np.ndarray]:
    return EvalFrames(store).read(np.arange(12), MODALITIES)


@pytest.fixture(scope="module")
def raycast(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _collect(house, tmp_path_factory.mktemp("raycast") / "store")


@pytest.fixture(scope="module")
def replica(house: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replica") / "flat"
    export(ExportConfig(house=house, out=folder))
    return folder


def test_raycast_and_replica_differ_in_provenance_only(house, raycast, tmp_path):
    other = _collect(house, tmp_path / "store", simulator="replica")
    assert other.labels == raycast.labels
    assert other.facts.modalities == raycast.facts.modalities
    ours, theirs = raycast.spaces[0], other.spaces[0]
    assert dataclasses.replace(theirs, simulator="raycast") == ours
    assert [(r.space, r.role, r.start, r.count) for r in other.runs] == [
        (r.space, r.role, r.start, r.count) for r in raycast.runs
    ]
    assert (tmp_path / "store" / CREDITS).read_text() == (raycast.path / CREDITS).read_text()
    a, b = _read(raycast), _read(other)
    np.testing.assert_array_equal(a["pose"], b["pose"])
    np.testing.assert_array_equal(a["intrinsics"], b["intrinsics"])
    assert (np.abs(a["depth"].astype(int) - b["depth"]) <= 2).mean() > 0.999
    assert (np.abs(a["normals"].astype(int) - b["normals"]).max(-1) <= 2).mean() > 0.999
    # Where two things share a surface, say a wall and the frame in it, either may be met first.
    for name in ("instance", "semantic"):
        assert (a[name] == b[name]).mean() > 0.998
    assert b["rgb"].std(axis=(1, 2, 3)).min() > 1


def test_a_replica_folder_in_a_house_s_place(replica, raycast, tmp_path):
    for simulator in ("raycast", "replica"):
        store = _collect(replica, tmp_path / simulator, simulator=simulator)
        (space,) = store.spaces
        assert (space.id, space.family, space.simulator) == ("flat", "replica", simulator)
        assert "Replica's layout" in space.provenance
        assert (store.path / CREDITS).read_text() == (raycast.path / CREDITS).read_text()
    first, second = (_read(Store.open(tmp_path / s)) for s in ("raycast", "replica"))
    for name in MODALITIES:
        np.testing.assert_array_equal(first[name], second[name])
    assert (first["depth"] > 0).mean() > 0.9


def test_a_glb_in_a_house_s_place(house, tmp_path):
    export(ExportConfig(house=house, out=tmp_path / "flat.glb"))
    store = _collect(tmp_path / "flat.glb", tmp_path / "store")
    assert store.spaces[0].family == "scan"
    frames = _read(store)
    assert len(np.unique(frames["semantic"])) > 5
    assert (store.path / CREDITS).read_text()
    again = _collect(tmp_path / "flat.glb", tmp_path / "again")
    for name in MODALITIES:
        np.testing.assert_array_equal(frames[name], _read(again)[name])


@pytest.mark.skipif(importlib.util.find_spec("habitat_sim") is not None, reason="habitat-sim is here")
def test_habitat_fails_with_the_line_that_installs_it(house, tmp_path):
    with pytest.raises(ValueError, match="conda install habitat-sim"):
        _collect(house, tmp_path / "store", simulator="habitat")
    assert not (tmp_path / "store").exists()


def test_a_scan_that_was_cut_off_is_named(replica, tmp_path):
    broken = tmp_path / "broken"
    (broken / "habitat").mkdir(parents=True)
    for name in ("mesh_semantic.ply", "info_semantic.json"):
        (broken / "habitat" / name).write_bytes((replica / "habitat" / name).read_bytes())
    mesh = broken / "habitat" / "mesh_semantic.ply"
    mesh.write_bytes(mesh.read_bytes()[:-100])
    with pytest.raises(CollectError, match="cut off"):
        _collect(broken, tmp_path / "store")
    (broken / "habitat" / "info_semantic.json").unlink()
    with pytest.raises(ValueError, match=r"info_semantic\.json missing"):
        _collect(broken, tmp_path / "store")
