"""A capture divided into learned and evaluated frames: apart, counted, the same again; planted violations."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from agents.cameras import Cameras, look_pose
from agents.simulator import make_simulator
from engine.importers.division import Division, divide
from engine.importers.importing import ImportConfig, Portion, import_capture, import_frames
from engine.importers.phone import CaptureConfig, capture
from engine.importers.writers.writer import save_image
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.apart import Apart, least_alike
from engine.store.errors import LeakError
from engine.store.held_out import learned_beside, least_distances
from engine.store.schema import FrameRange, Space
from engine.store.store import Store
from scenes.formats.spaces import facts, load_space

from .bare_rooms import write_houses
from .captures import walk as made_walk
from .captures import write_video

APART = Apart(metres=0.5, degrees=30, seconds=1)


def to_and_fro(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poses and times [s] of a walk along a corridor of 7.3 m and back, again and again, five frames a
    second; the camera looks about."""
    rng = np.random.default_rng(seed)
    times = np.arange(count) / 5
    along = np.abs((0.6 * times + 7.3) % 14.6 - 7.3)
    places = np.stack([along, np.full(count, 1.5), rng.normal(0, 0.1, count)], 1)
    yaw = np.cumsum(rng.normal(0, 0.4, count))
    return look_pose(places, yaw, np.zeros(count), np.zeros(count)), times


def brute(division: Division, poses: np.ndarray, times: np.ndarray | None) -> tuple[float, float]:
    """The least distance of cameras that look alike [m], and of times [s], pair by pair."""
    far = near = math.inf
    for i in division.held_out:
        for j in division.learned:
            angle = np.degrees(np.arccos(np.clip(poses[i, :3, 2] @ poses[j, :3, 2], -1, 1)))
            if angle <= division.apart.degrees:
                far = min(far, float(np.linalg.norm(poses[i, :3, 3] - poses[j, :3, 3])))
            if times is not None:
                near = min(near, abs(float(times[i] - times[j])))
    return far, near


@pytest.mark.parametrize("seed", range(3))
def test_no_held_out_frame_is_near_a_learned_one(seed):
    poses, times = to_and_fro(600, seed)
    division = divide(poses, times, 0.2, APART, "walk")
    far, near = brute(division, poses, times)
    assert far > APART.metres
    assert near > APART.seconds
    assert division.least_alike_m == pytest.approx(far)
    assert division.least_s == pytest.approx(near)
    assert len(division.held_out) == 120
    assert len(division.learned) + len(division.held_out) + division.between == 600
    assert not set(division.learned) & set(division.held_out)
    assert f"{division.between} between them dropped" in str(division)


def test_all_frames_of_some_places_are_held_out_whenever_they_were_taken():
    poses, times = to_and_fro(600)
    division = divide(poses, times, 0.2, APART, "walk")
    centres = poses[((np.arange(division.places) + 0.5) * 600 / division.places).astype(int), :3, 3]
    far = np.linalg.norm(poses[:, None, :3, 3] - centres, axis=-1).min(axis=1)
    assert set(np.flatnonzero(far < division.radius_m)) <= set(division.held_out)
    assert far[division.held_out].max() == pytest.approx(division.radius_m)
    assert len(np.unique(division.held_out // 100)) >= 4, "of several passes"


def test_there_are_as_many_places_as_leave_half_of_the_others():
    """A way that never comes back has many, a walk about one spot few."""
    poses, times = to_and_fro(600)
    poses[:, 0, 3] = 0.12 * np.arange(600)
    once = divide(poses, times, 0.2, APART, "walk")
    poses[:, 0, 3] = np.abs(0.12 * np.arange(600) % 4 - 2)
    again = divide(poses, times, 0.2, APART, "walk")
    assert (once.places, len(once.learned) >= 240) == (8, True)
    assert again.places < 8
    assert len(again.learned) > 0


def test_what_is_divided_again_is_divided_the_same():
    poses, times = to_and_fro(300)
    first, second = (divide(poses, times, 0.2, APART, "walk") for _ in range(2))
    np.testing.assert_array_equal(first.learned, second.learned)
    np.testing.assert_array_equal(first.held_out, second.held_out)


def test_time_keeps_frames_apart_where_place_does_not():
    """Cameras that no two look alike: only the seconds about each stretch are lost."""
    poses, times = to_and_fro(300)
    poses[:, 0, 3] = 100 * np.arange(300)
    division = divide(poses, times, 0.2, APART, "walk")
    assert division.least_s is not None
    assert division.least_s > APART.seconds
    assert division.between == 5 * 2 * division.places
    assert divide(poses, None, 0.2, APART, "walk").between == 0, "of a capture without times none is lost"


def test_place_and_direction_count_together():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1, :3, :3] = np.diag([-1.0, 1.0, -1.0])  # the same place, the other way
    poses[2, 0, 3] = 3.0  # the same way, elsewhere
    np.testing.assert_array_equal(least_alike(poses[:1], poses[1:], 30.0), [3.0])
    np.testing.assert_array_equal(least_alike(poses[:1], poses[1:2], 30.0), [np.inf])
    np.testing.assert_array_equal(least_alike(poses[:1], poses[1:2], 180.0), [0.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda p, t: (np.tile(p[:1], (60, 1, 1)), t),
            r"walk: nothing is left to learn from: all of the",
        ),
        (
            lambda p, t: (p[:2], t[:2]),
            r"walk: no frame of 2 is held out for a share of 0\.2: raise",
        ),
        (lambda p, t: (p, np.where(t == t[7], np.nan, t)), r"walk: frame 7 has no finite time"),
    ],
)
def test_where_nothing_is_left_one_error_says_so(change, message):
    poses, times = change(*to_and_fro(60))
    with pytest.raises(ValueError, match=message):
        divide(poses, times, 0.2, APART, "walk")


# --- at import, and at evaluation --------------------------------------------------------------------------


COUNT = 200


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture with a manifest.json of one's own."""
    folder = tmp_path_factory.mktemp("captures") / "corridor"
    poses, times = to_and_fro(COUNT)
    rng = np.random.default_rng(1)
    frames = []
    for i in range(COUNT):
        save_image(folder / f"{i}.png", rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        frames.append({"rgb": f"{i}.png", "pose": poses[i].tolist(), "time_s": float(times[i])})
    values = {"testspace_capture": 1, "frames": frames, "intrinsics": [10, 10, 8, 8]}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def asked(own: Path, store: Path, **fields) -> ImportConfig:
    return ImportConfig(source=own, store=store, size=16, held_out=0.2, min_sharpness=0, **fields)


def test_an_import_divides_prints_and_says_so_in_the_row(own, tmp_path, capsys):
    done = import_frames(asked(own, tmp_path / "store"))
    printed = capsys.readouterr().out
    poses, times = to_and_fro(COUNT)
    expected = divide(poses, times, 0.2, APART, "walk")
    assert done.division is not None
    assert str(expected) in printed
    assert f"{len(expected.held_out)} frames held out" in printed
    held, learned = EvalFrames(tmp_path / "store"), PretrainFrames(tmp_path / "store")
    for view, chosen in ((held, expected.held_out), (learned, expected.learned)):
        read = view.read(np.arange(len(view)), ["pose"])["pose"]
        np.testing.assert_allclose(read, poses[chosen], atol=1e-12)
    far, near = brute(expected, poses, times)
    found = least_distances(held, [learned])
    assert found.pop("least_distance_to_learned_m") == pytest.approx(expected.least_m)
    assert found == pytest.approx(
        {
            "least_distance_looking_alike_m": far,
            "least_seconds_to_learned": near,
            "apart_m": 0.5,
            "apart_degrees": 30,
            "apart_seconds": 1,
            "frames_between": expected.between,
        }
    )
    assert [view.store_path for view in learned_beside(held)] == [held.store_path]
    import_capture(asked(own, tmp_path / "store"))
    assert f"0 frames added, {len(held) + len(learned)} were there" in capsys.readouterr().out


def test_a_planted_neighbour_is_found_before_anything_is_scored(own, tmp_path):
    """A learned frame of the same space, 0.4 m from an evaluated one and looking 20 degrees off."""
    import_capture(asked(own, tmp_path / "store"))
    store = Store.open(tmp_path / "store")
    held = EvalFrames(store)
    (space,) = held.spaces
    pose = held.read([5], ["pose"])["pose"][0]
    least_distances(held, [PretrainFrames(store)])
    turn = look_pose(np.array([[0.4, 0, 0]]), np.radians([20.0]), np.zeros(1), np.zeros(1))[0]
    level = look_pose(np.zeros((1, 3)), np.zeros(1), np.zeros(1), np.zeros(1))[0]
    near = pose @ np.linalg.inv(level) @ turn
    assert least_alike(near[None], pose[None], 30.0)[0] == pytest.approx(0.4)
    arrays = {"rgb": np.zeros((1, 16, 16, 3), np.uint8), "pose": near[None]}
    store.write_part("planted", arrays, [FrameRange(space.id, "pretrain", "planted", 0, 1)], [space], "c", [])
    with pytest.raises(LeakError, match=r"held-out cameras .* within 0\.5 m and 30 degrees .* 0\.\d\d\d m"):
        least_distances(EvalFrames(store), [PretrainFrames(store)])


def test_a_portion_is_exact_or_refused(own, tmp_path):
    import_frames(asked(own, tmp_path / "store"), Portion("pretrain", 31))
    store = Store.open(tmp_path / "store")
    assert len(PretrainFrames(store)) == 31
    assert {run.role for run in store.runs} == {"pretrain"}
    with pytest.raises(ValueError, match=r"frames for eval, and 500 are asked for: record for longer"):
        import_frames(asked(own, tmp_path / "store"), Portion("eval", 500))


def test_captures_held_out_by_different_rules_are_not_scored_together(own, tmp_path):
    import_capture(asked(own, tmp_path / "store"))
    import_capture(asked(own, tmp_path / "store", apart=Apart(metres=0.2), space="other"))
    with pytest.raises(ValueError, match=r"held out by 2 rules"):
        least_distances(EvalFrames(tmp_path / "store"), [])


def test_what_cannot_be_divided_is_refused(own, tmp_path):
    video = write_video(tmp_path / "clip.mp4", made_walk())
    with pytest.raises(ValueError, match=r"clip\.mp4 has no poses.*leave --held-out away"):
        import_capture(asked(video, tmp_path / "store"))
    with pytest.raises(ValueError, match="leave one of them out"):
        asked(own, tmp_path / "store", role="transfer")


# --- labels of a simulated capture -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small house, and a walk through it."""
    folder = tmp_path_factory.mktemp("simulated")
    (house,) = write_houses(folder / "houses", 1).iterdir()
    capture(CaptureConfig(house=house, out=folder / "walk", seconds=16, height=32, width=48, eyes_m=1.2))
    return house, folder / "walk"


@pytest.fixture
def labelled(simulated: tuple[Path, Path], tmp_path: Path) -> Path:
    """The store of that walk, divided, its held-out frames labelled by the house."""
    house, walk = simulated
    apart = Apart(metres=0.1, degrees=20, seconds=0.5)
    fields = {"held_out": 0.3, "apart": apart, "min_sharpness": 0, "min_change": 0}
    import_capture(ImportConfig(source=walk, store=tmp_path / "store", size=16, labels=house, **fields))
    return tmp_path / "store"


def test_held_out_frames_of_a_simulated_walk_have_the_houses_labels_and_no_others_do(simulated, labelled):
    held, learned = EvalFrames(labelled), PretrainFrames(labelled)
    with pytest.raises(LeakError):
        learned.read([0], ["semantic"])
    for part in Store.open(labelled).parts:
        assert (part.modality("semantic") is not None) == (part.role == "eval")
    read = held.read(np.arange(len(held)), ["semantic", "instance", "pose", "intrinsics"])
    simulator = make_simulator("raycast")
    simulator.load(load_space(simulated[0]))
    cameras = Cameras(read["pose"], read["intrinsics"], 16, 16)
    true = simulator.render(cameras, ["semantic", "instance"])
    known = read["semantic"] > 0
    assert known.mean() > 0.9
    for name in ("semantic", "instance"):
        np.testing.assert_array_equal(true[name][known], read[name][known])
    assert len(np.unique(read["instance"][known])) >= 2, "walls differ"
    assert least_distances(held, [learned])["least_distance_looking_alike_m"] > 0.1


def test_the_house_that_was_walked_in_is_refused_to_transfer_on_any_day(simulated, labelled):
    house, _ = simulated
    store, held = Store.open(labelled), EvalFrames(labelled)
    arrays = held.read(np.arange(4), ["rgb", "semantic", "instance", "pose", "intrinsics"])
    layout = facts(load_space(house), house).layout_digest
    day = Space("later", "apartment", "0" * 64, 3, "dense", "raycast", "ours", layout_digest=layout)
    store.write_part("t", arrays, [FrameRange("later", "transfer", "t", 0, 4)], [day], "c", [])
    with pytest.raises(LeakError, match=r"'later' .* is a test space"):
        TransferFrames(store, held.spaces)
