"""Collection, end to end: generated houses, the ray-casting renderer, the store, in-process and on Ray."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import ray

from agents.modalities import LABELS, SENSORY
from engine import cluster
from engine.collect import actors
from engine.collect.collect import CollectConfig, collect
from engine.collect.part_maker import PartMaker
from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import CollectError
from engine.store.held_out import check_held_out
from engine.store.show import contact_sheet
from engine.store.store import Store
from scenes.generate.generate import generate_house

from .conftest import by_frame


@pytest.fixture(scope="module")
def houses(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("houses")
    for seed in (0, 1):
        house = generate_house(seed, "studio")
        house.save(folder / f"{house.space_id}.json")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def lines(houses, tmp_path_factory) -> Path:
    """The same houses, a line each."""
    path = tmp_path_factory.mktemp("lines") / "houses.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(house.read_bytes() for house in houses)))
    return path


def _config(houses, store, **changes) -> CollectConfig:
    settings = {"role": "eval", "frames": 10, "size": 32, "actors": 0, "frames_per_part": 8} | changes
    return CollectConfig(houses=houses, store=store, **settings)


@pytest.fixture(scope="module")
def collected(houses, tmp_path_factory) -> Path:
    """Evaluation frames of both houses, pre-training frames of the first."""
    store = tmp_path_factory.mktemp("collected") / "store"
    report = collect(_config(houses, store))
    assert (report.parts, report.frames, report.skipped) == (3, 20, 0)
    collect(_config(houses[:1], store, role="pretrain"))
    return store


def test_some_sensors_alone(collected, houses, tmp_path):
    """RGB as it is where all is sensed, and nothing else but the camera."""
    collect(_config(houses[:1], tmp_path / "store", role="pretrain", sensory=("rgb",)))
    frames, full = PretrainFrames(tmp_path / "store"), PretrainFrames(collected)
    assert frames.modalities == ("rgb", "pose", "intrinsics")
    ids = np.arange(10)  # parts have other names, and so another order
    for name in frames.modalities:
        one, two = ({f.tobytes() for f in view.read(ids, [name])[name]} for view in (frames, full))
        assert one == two
    with pytest.raises(ValueError, match="give one or more of rgb"):
        collect(_config(houses[:1], tmp_path / "other", sensory=("rgb", "semantic")))


def test_frames_of_two_houses(collected, houses):
    store = Store.open(collected)
    assert store.verify() == []
    assert {s.id for s in store.spaces} == {h.stem for h in houses}
    assert sorted(r.count for r in store.runs if r.role == "eval") == [2, 4, 6, 8]
    read = EvalFrames(store).read(np.arange(20), [*SENSORY, *LABELS, "pose", "intrinsics"])
    assert read["rgb"].std(axis=(1, 2, 3)).min() > 1  # no frame is blank
    assert (read["depth"] > 0).mean() > 0.8
    assert len(np.unique(read["semantic"])) > 5
    names = {row["id"]: row["name"] for row in store.labels}
    assert "Wall" in {names[i] for i in np.unique(read["semantic"]).tolist()}
    np.testing.assert_allclose(np.linalg.det(read["pose"][:, :3, :3]), 1, atol=1e-6)
    np.testing.assert_array_equal(read["intrinsics"], np.tile(np.float32([16, 16, 16, 16]), (20, 1)))


def test_pretraining_frames_carry_no_labels(collected):
    store = Store.open(collected)
    for part in store.parts:
        names = {m.name for m in part.modalities}
        assert names.issuperset(SENSORY)
        assert bool(names & set(LABELS)) == (part.role != "pretrain")


def test_roles_see_from_different_places(collected):
    store = Store.open(collected)
    assert 0 < check_held_out(PretrainFrames(store), EvalFrames(store)) < 10


def test_collecting_again_does_nothing(collected, houses):
    before = {p.part: p for p in Store.open(collected).parts}
    report = collect(_config(houses, collected))
    assert (report.parts, report.frames, report.skipped) == (0, 0, 20)
    assert {p.part: p for p in Store.open(collected).parts} == before


def test_houses_of_a_file_of_lines_are_those_of_files(lines, collected, tmp_path, monkeypatch):
    monkeypatch.chdir(lines.parent)
    collect(_config([Path(f"{lines.name}#0"), Path(f"{lines.name}#1:2")], tmp_path / "store"))
    assert by_frame(Store.open(tmp_path / "store")) == by_frame(Store.open(collected))


def test_a_house_given_by_two_names_is_refused(lines, houses, tmp_path):
    message = r"houses\.jsonl\.gz#1 and .*" + houses[1].name + " are the same house"
    with pytest.raises(ValueError, match=message):
        collect(_config([lines, houses[1]], tmp_path / "store"))


def test_a_lost_part_comes_back_as_it_was(houses, collected, tmp_path):
    collect(_config(houses, tmp_path / "store"))
    store = Store.open(tmp_path / "store")
    lost = store.parts[1]
    store.remove_part(lost.part)
    report = collect(_config(houses, tmp_path / "store"))
    assert (report.parts, report.frames) == (1, lost.frames)
    again = Store.open(tmp_path / "store")
    assert again.part(lost.part) == lost  # manifests hold every file's checksum: the same bytes
    assert by_frame(again) == by_frame(Store.open(collected))


def test_more_houses_and_frames_leave_what_is_there(houses, collected, tmp_path):
    collect(_config(houses[:1], tmp_path / "store", frames=5))
    first = Store.open(tmp_path / "store").parts
    report = collect(_config(houses, tmp_path / "store", frames_per_part=7))
    assert (report.frames, report.skipped) == (15, 5)
    store = Store.open(tmp_path / "store")
    assert {p.part for p in first} < {p.part for p in store.parts}
    # In other parts, but frame by frame what was collected at once.
    assert by_frame(store) == by_frame(Store.open(collected))


def test_another_seed_sees_other_places(houses, collected, tmp_path):
    collect(_config(houses[:1], tmp_path / "store", seed=1))
    one, other = by_frame(Store.open(tmp_path / "store")), by_frame(Store.open(collected))
    assert not {f["pose"] for f in one.values()} & {f["pose"] for f in other.values()}


def test_samplers_and_noise_are_part_of_what_is_asked(houses, tmp_path):
    noise = {"depth": "lidar", "grain": 0.05}
    asked = {"sampler": "points", "sampling": {"fov_range_deg": (50, 80)}, "size": 32}
    report = collect(_config(houses[:1], tmp_path / "store", **asked))
    assert report.frames == 10
    ((floor, surface),) = [c.shares for c in report.coverage.values()]
    assert 0 < floor < 1
    assert 0 < surface < 1
    noisy = collect(_config(houses[:1], tmp_path / "store", noise=noise, **asked))
    assert noisy.frames == 10  # other frames, not the same ones again
    assert list(noisy.coverage) == list(report.coverage)
    store = Store.open(tmp_path / "store")
    clean, dirty = _runs_by_noise(store)
    for name in ("pose", "intrinsics", "normals", "semantic"):
        np.testing.assert_array_equal(clean[name], dirty[name])
    for name in ("rgb", "depth", "edges"):
        assert (clean[name] != dirty[name]).any()
    assert len(np.unique(clean["intrinsics"][:, 0])) == 10
    assert any(s.provenance.endswith("; noise: depth lidar, grain 0.05") for s in store.spaces)


def _runs_by_noise(store: Store) -> list[dict[str, np.ndarray]]:
    """All frames without noise, then those with."""
    found = []
    for noisy in (False, True):
        parts = sorted(
            (p for p in store.parts if ("noise" in p.spaces[0].provenance) == noisy),
            key=lambda p: p.seeds[0]["first"],
        )
        names = [m.name for m in parts[0].modalities]
        reads = [store.read(p.part, 0, p.frames, names) for p in parts]
        found.append({name: np.concatenate([r[name] for r in reads]) for name in names})
    return found


def test_poses_of_a_file_go_on_from_part_to_part(houses, collected, tmp_path):
    store = Store.open(collected)
    part = next(p for p in store.parts if p.role == "pretrain" and p.seeds[0]["first"] == 0)
    poses = store.read(part.part, 0, part.frames, ["pose"])["pose"]
    np.save(tmp_path / "poses.npy", poses)
    asked = {"sampler": "poses", "sampling": {"poses": tmp_path / "poses.npy"}, "frames_per_part": 3}
    collect(_config(houses[:1], tmp_path / "store", frames=len(poses), **asked))
    again = Store.open(tmp_path / "store")
    parts = sorted(again.parts, key=lambda p: p.seeds[0]["first"])
    read = np.concatenate([again.read(p.part, 0, p.frames, ["pose"])["pose"] for p in parts])
    np.testing.assert_array_equal(read, poses)
    with pytest.raises(ValueError, match="use `poses`"):
        collect(_config(houses[:1], tmp_path / "store", sampling={"poses": tmp_path / "poses.npy"}))


@pytest.fixture
def poison(houses, tmp_path) -> Path:
    """A house with a thing that nobody knows how to build."""
    values = json.loads(houses[0].read_text())
    values["objects"][0]["assetId"] = "No_Such_Thing"
    values["metadata"]["testspace"]["seed"] = 99
    path = tmp_path / "poison.json"
    path.write_text(json.dumps(values))
    return path


def test_a_poison_house_is_named_and_the_others_are_collected(houses, poison, tmp_path, monkeypatch):
    tries = []
    monkeypatch.setattr(PartMaker, "make", _counting(PartMaker.make, tries))
    with pytest.raises(CollectError, match="No_Such_Thing") as caught:
        collect(_config([poison, houses[1]], tmp_path / "store", frames=8))
    assert "poison.json" in str(caught.value)
    assert houses[1].name not in str(caught.value)
    assert max(map(tries.count, tries)) == 3
    store = Store.open(tmp_path / "store")
    assert [r.space for r in store.runs] == [houses[1].stem]
    assert store.verify() == []


def _counting(make, tries):
    def counted(self, task):
        tries.append(task.name)
        return make(self, task)

    return counted


def test_a_full_disk_ends_it_at_once(houses, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.store.writing.staging.codecs.write_arrays", full)
    with pytest.raises(CollectError, match="No space left"):
        collect(_config(houses, tmp_path / "store", frames=1))
    monkeypatch.undo()
    assert collect(_config(houses, tmp_path / "store", frames=1)).frames == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"simulator": "unreal"}, "raycast"),
        ({"sampler": "drunk"}, "dense"),
        ({"size": 64}, "holds frames of 32"),
        ({"houses": [Path("nowhere.json")]}, "no house at nowhere"),
        ({"frames_per_part": 5000}, "2048"),
    ],
)
def test_what_cannot_be_collected_is_said(houses, collected, change, message):
    with pytest.raises(ValueError, match=message):
        collect(_config(houses, collected).model_copy(update=change))


def test_unknown_settings_are_errors(houses, tmp_path):
    with pytest.raises(ValueError, match="colour"):
        _config(houses, tmp_path, colour="red")


def test_a_contact_sheet_shows_every_modality(collected):
    store = Store.open(collected)
    sheets = {role: contact_sheet(store, 10, role=role) for role in ("pretrain", "eval")}
    assert sheets["eval"].height > sheets["pretrain"].height  # labels and their legend
    for sheet in sheets.values():
        assert np.asarray(sheet).std() > 20
    with pytest.raises(ValueError, match="transfer"):
        contact_sheet(store, 4, role="transfer")


@pytest.fixture(scope="module")
def actors_with_a_standin():
    """Ray whose actors take the stand-in for AI2-THOR."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TESTSPACE_AI2THOR_EXECUTABLE", "standin")
        with cluster.ray_session(2):
            yield


@pytest.mark.ray
def test_another_simulator_another_provenance_and_nothing_else(
    houses, collected, tmp_path, actors_with_a_standin
):
    """AI2-THOR's client in an actor, with the stand-in that draws as raycast does."""
    pytest.importorskip("ai2thor")
    collect(_config(houses, tmp_path / "store", simulator="ai2thor", actors=1))
    found, expected = Store.open(tmp_path / "store"), Store.open(collected)
    assert by_frame(found) == by_frame(expected)
    spaces = {s.id: s for s in expected.spaces}
    for space in found.spaces:
        other = spaces[space.id]
        assert (space.simulator, space.external_access) == ("ai2thor", "none")
        assert space.provenance.startswith(other.provenance)
        assert "stand-in" in space.provenance
        assert replace(space, simulator=other.simulator, provenance=other.provenance) == other


def test_a_simulator_that_is_not_installed_is_said_at_once(houses, tmp_path, monkeypatch):
    monkeypatch.setattr("agents.ai2thor.client.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install .*ai2thor==5\.0\.0"):
        collect(_config(houses, tmp_path / "store", simulator="ai2thor"))
    assert not (tmp_path / "store").exists()


@pytest.mark.ray
def test_actors_make_the_same_store_though_one_is_killed(
    lines, collected, tmp_path, monkeypatch, actors_with_a_standin
):
    """Two actors; one is killed while it has parts in flight. Nothing is missing, nothing is different."""
    pool = []

    class Watched(actors._Worker):
        def __init__(self, *args):
            super().__init__(*args)
            pool.append(self)

    kept = actors.make_parts
    killed = []

    def make_parts(tasks, recipe, count, gpus, ledger):
        ended = ledger.ended

        def kill_one(task, result):
            busy = [w for w in pool if w.in_flight]
            if not killed and busy:
                killed.append(busy[0])
                ray.kill(busy[0].actor)
            return ended(task, result)

        ledger.ended = kill_one
        kept(tasks, recipe, count, gpus, ledger)

    monkeypatch.setattr(actors, "_Worker", Watched)
    monkeypatch.setattr(actors, "make_parts", make_parts)
    report = collect(_config([lines], tmp_path / "store", actors=2, frames_per_part=3))
    assert len(killed) == 1
    assert len(pool) == 3  # another took its place
    assert report.frames == 20
    store = Store.open(tmp_path / "store")
    assert store.verify() == []
    assert not list((store.path / "parts").glob("*.tmp-*"))
    assert by_frame(store) == by_frame(Store.open(collected))
