"""The demo's second act, tiny but real: a phone's walk, its files, two stores of one division, rows, page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames, UnlabelledTransferFrames
from engine.store.errors import LeakError
from engine.store.held_out import least_distances
from engine.store.schema import FrameRange
from engine.store.store import Store
from scenes.formats.spaces import identify
from studies.commands import CAPTURE_DEMO, DemoConfig, demo
from studies.report.overview import OverviewConfig, overview
from studies.report.report import write_report
from studies.run.pipeline import plan
from studies.run.rows import HEAD, STAGES, read_rows
from studies.run.runner import run_study
from studies.run.stage import Stage
from studies.run.stages.capture import CaptureStage
from studies.run.stages.captured import CapturedStage
from studies.spec.config import StudyConfig, load_study
from tests.studies.watched_run import TINY, Reads, run_watched, store_of

FIELDS = TINY | {"arms.elsewhere": None, "report.claims": [["tst-mm", "scratch"]]}


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    """The smoke scale, smaller still, in this process."""
    return load_study(CAPTURE_DEMO, "smoke", fields=FIELDS)


@pytest.fixture(scope="module")
def watched(study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reads]:
    """The folder of a whole run, and what its stages read: by kind of stage, role and modality."""
    out = tmp_path_factory.mktemp("capture-demo")
    return out, run_watched(study, out)


@pytest.fixture(scope="module")
def finished(watched: tuple[Path, Reads]) -> Path:
    return watched[0]


def test_rows_say_scores_frames_and_how_far_apart_they_are(study: StudyConfig, finished: Path):
    rows = {row["arm"]: row["metrics"] for row in read_rows(finished)}
    assert rows.keys() == {"scratch", "tst-mm"}
    apart = {"apart_m": 0.3, "apart_degrees": 30, "apart_seconds": 1}
    for metrics in rows.values():
        assert 0 <= metrics["test/miou"] <= 1
        assert metrics["test/frames"] == 16
        assert {name: metrics[f"test/{name}"] for name in apart} == apart
        assert metrics["test/frames_between"] > 0
    held, learned = EvalFrames(store_of(finished, "eval")), PretrainFrames(store_of(finished, "pretrain"))
    found = least_distances(held, [learned])
    assert len(learned) == rows["tst-mm"]["frames_seen"] == 48
    assert found["least_distance_looking_alike_m"] > 0.3
    assert found["least_seconds_to_learned"] > 1
    assert {name: rows["tst-mm"][f"test/{name}"] for name in found} == found
    assert "test/least_distance_to_learned_m" not in rows["scratch"], "it has learned from no frame there"


def test_the_page_says_it_too(finished: Path):
    page = write_report(finished, read_rows(finished)).read_text()
    assert "none is within 0.3 m and 30 degrees, or 1 s, of a learned one" in page
    assert page.count("data:image/") >= 5
    assert "without labels" in page
    assert 'src="http' not in page


def test_one_picture_shows_house_and_predictions_of_a_phones_frame(finished: Path, tmp_path: Path):
    overview(OverviewConfig(run=finished, out=tmp_path / "overview.png", frame=0, tile=64))
    assert (tmp_path / "overview.png").stat().st_size > 10_000


def test_run_again_does_nothing(study: StudyConfig, finished: Path):
    def times() -> dict[Path, int]:
        files = (p for p in finished.rglob("*") if p.is_file() and p.name not in (".lock", HEAD))
        return {p: p.stat().st_mtime_ns for p in files}

    before = times()
    run_study(study, finished)
    assert times() == before


def test_a_walk_that_was_written_before_a_kill_is_taken_as_it_is(study: StudyConfig, finished: Path):
    """The folder comes into its place whole, the record of the stage after it."""
    (stage,) = {s.key: s for r in plan(study) for s in r.stages if isinstance(s, CaptureStage)}.values()
    root = finished / STAGES
    before = (stage.path(root) / "rgb.mp4").stat().st_mtime_ns
    record = (stage.folder(root) / "done.json").read_text()
    (stage.folder(root) / "done.json").unlink()
    again = stage.run(root, study.machine)
    assert (stage.path(root) / "rgb.mp4").stat().st_mtime_ns == before
    assert again["metrics"] == json.loads(record)["metrics"]
    (stage.folder(root) / "done.json").write_text(record)


# --- nothing leaks ---------------------------------------------------------------------------------------


LABELS = {"semantic", "instance"}


def test_what_each_stage_reads(watched: tuple[Path, Reads]):
    _, seen = watched
    for stage in ("tokenizer", "tokens", "pretrain"):
        assert not {m for _, m in seen[stage]} & LABELS, stage
        assert {role for role, _ in seen[stage]} <= {"pretrain", "transfer"}, stage
        mixed = {m for role, m in seen[stage] if role == "transfer"}
        assert all(m == "rgb" or m.startswith("tok_rgb_") for m in mixed), "of the mix-in, RGB alone"
    assert {role for role, _ in seen["transfer"]} == {"transfer"}
    assert {role for role, m in seen["evaluate"] if m != "pose"} == {"eval"}
    assert not {"capture", "store"} & seen.keys()


def test_the_capture_is_the_files_of_the_app_and_holds_no_labels(finished: Path):
    (walk,) = finished.glob("stages/capture-*/walk")
    names = {"camera_matrix.csv", "confidence", "depth", "imu.csv", "odometry.csv", "rgb.mp4"}
    assert {p.name for p in walk.iterdir()} == names


def test_labels_of_the_test_space_are_in_the_store_of_evaluation_alone(finished: Path):
    learned, held = store_of(finished, "pretrain"), store_of(finished, "eval")
    assert all(part.role == "pretrain" and not part.modality("semantic") for part in learned.parts)
    assert not list((learned.path / "parts").glob("*/semantic*"))
    with pytest.raises(LeakError):
        PretrainFrames(learned).read(np.arange(2), ["semantic"])
    frames = EvalFrames(held)
    assert len(np.unique(frames.read(np.arange(len(frames)), ["semantic"])["semantic"])) >= 3
    poses = [v.read(np.arange(len(v)), ["pose"])["pose"] for v in (PretrainFrames(learned), frames)]
    assert not {p.tobytes() for p in poses[0]} & {p.tobytes() for p in poses[1]}


def test_the_house_that_was_walked_in_is_refused_to_transfer(finished: Path, tmp_path: Path):
    """Its own frames, collected with labels under its own name, are no transfer set."""
    held = EvalFrames(store_of(finished, "eval"))
    (space,) = held.spaces
    (file,) = finished.glob(f"stages/houses-*/houses/{space.id}.json")
    digest, _ = identify(file)
    labelled = store_of(finished, "transfer")
    known = UnlabelledTransferFrames(labelled).spaces[0]
    shown = TransferFrames(labelled, held.spaces)
    arrays = shown.read(np.arange(4), ["rgb", "semantic"])
    store = Store.create(tmp_path / "own", labelled.facts.modalities, labelled.labels)
    for name, fields in {
        "as-collected": {"house_digest": digest, "layout_digest": space.layout_digest},
        "another-day": {"house_digest": "0" * 64, "layout_digest": space.layout_digest},
    }.items():
        own = type(known)(**{**vars(known), "id": name, **fields})
        store.write_part(name, arrays, [FrameRange(name, "transfer", name, 0, 4)], [own], "c", [])
        with pytest.raises(LeakError, match="is a test space"):
            TransferFrames(store, held.spaces, spaces=[name])


# --- what is asked of it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base.houses.test.count": 2}, "a phone walks through one house, and count is 2"),
        ({"base.houses.test.sampler": "walk"}, "leave area_m2 and sampler out"),
        (
            {"base.modalities": ["rgb", "depth", "normals"]},
            "measures rgb and depth, and normals is asked for",
        ),
        (
            {"base.mix_in": {"share": 0.5, "houses": "other", "frames": 8}},
            r"houses\.other are captured by a phone, whose frames have no labels",
        ),
        ({"base.houses.test.phone.format": "kinect"}, "no capture is written as 'kinect'"),
        ({"base.houses.test.phone.held_out": 0}, "held_out"),
    ],
)
def test_what_no_phone_does_is_refused_before_anything_is_done(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        plan(load_study(CAPTURE_DEMO, "smoke", fields=fields))


def test_both_roles_are_of_one_walk_and_repeats_of_others(study: StudyConfig):
    seeds = [{"poses": 0}, {"poses": 1}]
    fields: dict[str, Any] = FIELDS | {"seeds": seeds}
    runs = [r for r in plan(load_study(CAPTURE_DEMO, "smoke", fields=fields)) if r.run.arm == "tst-mm"]
    walks = [{s.walk.key for s in r.stages if isinstance(s, CapturedStage)} for r in runs]
    assert [len(w) for w in walks] == [1, 1]
    assert walks[0] != walks[1]


def test_a_walk_too_short_for_what_is_asked_is_one_error(study: StudyConfig, finished: Path):
    more = load_study(CAPTURE_DEMO, "smoke", fields=FIELDS | {"base.frames": 100_000})
    (stage,) = {s.key: s for r in plan(more) for s in r.stages if _learned(s)}.values()
    with pytest.raises(ValueError, match=r"frames for pretrain, and 100000 are asked for: record for longer"):
        stage.run(finished / STAGES, study.machine)


def _learned(stage: Stage) -> bool:
    return isinstance(stage, CapturedStage) and stage.role == "pretrain"


@pytest.mark.slow
@pytest.mark.ray
def test_the_command_runs_end_to_end(tmp_path: Path):
    demo(DemoConfig(capture=True, preset="smoke", out=tmp_path / "run"))
    assert {row["arm"] for row in read_rows(tmp_path / "run")} == {"scratch", "elsewhere", "tst-mm"}
    assert (tmp_path / "run" / "report.html").is_file()
