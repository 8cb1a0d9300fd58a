"""Labels of a capture by casting rays at an annotated mesh: the truth, and where it may be."""

import functools
import json
import shutil

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.phone.recording import PhoneConfig, Recording
from agents.raycast.simulator import RaycastSimulator
from engine.importers.importing import ImportConfig, import_capture
from engine.importers.writers.manifest import ManifestWriter
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from scenes.formats.replica_export import export_replica
from scenes.generate.generate import generate_house
from scenes.meshes.compile import compile_house
from tests.agents.rooms_by_hand import CEILING, WALL, cube, placed, room

SIZE = (96, 128)


@pytest.fixture(scope="module")
def house():
    return compile_house(generate_house(0, "studio"))


@pytest.fixture(scope="module")
def folder(house, tmp_path_factory):
    """`mesh`, the house as an annotated mesh, and `walk`, a capture of it: noisy depth and colours."""
    path = tmp_path_factory.mktemp("real")
    export_replica(house, path / "mesh", edge=0.5)
    simulator = RaycastSimulator()
    simulator.load(house)
    phone = PhoneConfig(seconds=4, fps=5, height=SIZE[0], width=SIZE[1], seed=2)
    ManifestWriter().write(Recording(simulator, phone), path / "walk")
    return path


def _import(folder, store, **fields):
    config = {"source": folder / "walk", "role": "eval", "labels": folder / "mesh", "size": SIZE}
    import_capture(ImportConfig(store=store, **(config | {"min_sharpness": 0, "min_change": 0} | fields)))


def test_a_house_as_an_annotated_mesh_gives_the_simulators_own_labels(folder, house, tmp_path, capsys):
    _import(folder, tmp_path / "store")
    frames = EvalFrames(tmp_path / "store")
    assert set(frames.modalities) == {"rgb", "depth", "semantic", "instance", "pose", "intrinsics"}
    read = frames.read(range(len(frames)), frames.modalities)
    simulator = RaycastSimulator()
    simulator.load(house)
    cameras = Cameras(read["pose"], read["intrinsics"], *SIZE)
    truth = simulator.render(cameras, ["semantic", "instance", "depth"])
    labelled = read["semantic"] > 0
    assert (read["semantic"] == truth["semantic"])[labelled].mean() > 0.999
    assert (read["instance"] == truth["instance"])[labelled].mean() > 0.995
    assert labelled.mean() > 0.98
    off = np.abs(read["depth"].astype(int) - truth["depth"])
    assert (read["depth"] > 0)[~labelled].all()
    assert np.median(off[~labelled]) > 100  # mm: what is not labelled is where depth says otherwise
    assert (read["instance"][~labelled] == 0).all()
    assert "within 0.1 m of the mesh" in capsys.readouterr().out


def _standing_room(thing):
    boxes = (placed("box", 1, thing, (0.8, 0.9, 0.8), WALL, 7),)
    return room(extra_meshes=(cube("box"),), extra=boxes)


def test_what_moved_since_the_scan_is_not_labelled_where_depth_shows_it(tmp_path):
    """The box stood elsewhere when the mesh was made: neither its old nor its new place is labelled."""
    export_replica(_standing_room((2.8, 0, 1.0)), tmp_path / "mesh", edge=10)
    now, simulator = _standing_room((0.4, 0, 3.0)), RaycastSimulator()
    simulator.load(now)
    phone = PhoneConfig(seconds=3, fps=5, height=SIZE[0], width=SIZE[1], noise={"depth": "none"})
    ManifestWriter().write(Recording(simulator, phone), tmp_path / "walk")
    _import(tmp_path, tmp_path / "store")
    frames = EvalFrames(tmp_path / "store")
    read = frames.read(range(len(frames)), ["instance", "semantic", "pose", "intrinsics"])
    truth = simulator.render(Cameras(read["pose"], read["intrinsics"], *SIZE), ["instance"])["instance"]
    inner = _inner(truth == 7)
    assert inner.sum() > 200
    assert (read["instance"][inner] == 0).all()
    assert (read["instance"] != 7).all()
    walls = _inner((truth > 0) & (truth != 7))
    assert (read["instance"] == truth)[walls & (read["instance"] > 0)].all()
    assert (read["instance"][walls] > 0).mean() > 0.9


def _inner(mask):
    """The mask without pixels that have another beside them."""
    padded = np.pad(mask, ((0, 0), (2, 2), (2, 2)), constant_values=True)
    moves = [np.roll(padded, (a, b), (1, 2)) for a in (-2, 0, 2) for b in (-2, 0, 2)]
    return functools.reduce(np.logical_and, moves)[:, 2:-2, 2:-2]


def test_no_label_is_near_frames_of_pretraining(folder, tmp_path):
    with pytest.raises(ValueError, match=r"frames of role pretrain have no labels: import .* --role eval"):
        _import(folder, tmp_path / "store", role="pretrain")
    assert not (tmp_path / "store").exists()
    _import(folder, tmp_path / "store", role="pretrain", labels=None)
    _import(folder, tmp_path / "store")
    assert not {"semantic", "instance"} & set(PretrainFrames(tmp_path / "store").modalities)
    with pytest.raises(LeakError, match="gives no labels"):
        PretrainFrames(tmp_path / "store").read([0], ["semantic"])


def test_transfer_refuses_another_capture_of_the_same_mesh(folder, tmp_path):
    """Other bytes, another name, another store: the annotated mesh tells that it is the test space."""
    shutil.copytree(folder / "walk", tmp_path / "again")
    values = json.loads((tmp_path / "again" / "manifest.json").read_text())
    values["frames"] = values["frames"][:5]
    (tmp_path / "again" / "manifest.json").write_text(json.dumps(values))
    _import(folder, tmp_path / "test", space="my-home")
    _import(folder, tmp_path / "others", source=tmp_path / "again", role="transfer")
    test = EvalFrames(tmp_path / "test")
    (known,) = test.spaces
    other = TransferFrames(tmp_path / "others", [_elsewhere(known)])
    assert len(other) == 5
    assert other.spaces[0].id != known.id
    assert other.spaces[0].house_digest != known.house_digest
    with pytest.raises(LeakError, match=r"'again' .* is a test space"):
        TransferFrames(tmp_path / "others", test.spaces)


def _elsewhere(space):
    return type(space)(**(vars(space) | {"id": "x", "house_digest": "0" * 64, "layout_digest": "1" * 64}))


def test_a_mesh_of_another_world_is_refused(folder, tmp_path):
    """Poses in a world turned by a quarter, and depth in the wrong unit: measured depth lies elsewhere."""
    values = json.loads((folder / "walk" / "manifest.json").read_text())
    for name, change in {"up": {"up": "z"}, "unit": {"depth_unit_mm": 10.0}}.items():
        source = tmp_path / name
        shutil.copytree(folder / "walk", source)
        (source / "manifest.json").write_text(json.dumps(values | change))
        with pytest.raises(ValueError, match=r"mesh: of \d+ measured depths \d+% lie within 0.1 m"):
            _import(folder, tmp_path / f"store-{name}", source=source)
        with pytest.raises(ValueError, match="no frames of role"):
            EvalFrames(tmp_path / f"store-{name}")


def test_frames_without_poses_and_meshes_without_labels_are_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="frames of known pose and intrinsics alone"):
        _import(folder, tmp_path / "store", source=folder / "walk" / "rgb")
    plain = room(extra_meshes=(cube("box"),), extra=(placed("b", 1, (1, 0, 1), (1, 1, 1), CEILING, 9),))
    export_replica(plain, tmp_path / "bare", edge=10)
    info = tmp_path / "bare" / "habitat" / "info_semantic.json"
    values = json.loads(info.read_text())
    for row in values["objects"]:
        row["class_name"] = "undefined"
    info.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="bare labels none of its surfaces"):
        _import(folder, tmp_path / "store", labels=tmp_path / "bare")
    with pytest.raises(ValueError, match=r"no file or folder .*nowhere of labels"):
        _import(folder, tmp_path / "store", labels=tmp_path / "nowhere")


def test_the_tolerance_and_the_mesh_decide_the_parts(folder, tmp_path, capsys):
    _import(folder, tmp_path / "store")
    _import(folder, tmp_path / "store")
    assert "0 frames added" in capsys.readouterr().out.splitlines()[-2]
    _import(folder, tmp_path / "store", tolerance_m=0.3)
    assert ", 0 were there" in capsys.readouterr().out
