"""From house to report row, tiny but real; and nothing leaks on the way."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames, UpperBoundFrames
from engine.store.errors import LeakError
from engine.store.held_out import check_held_out, check_never_labelled
from scenes.generate.generate import generate_house
from studies.commands import DEMO
from studies.report.overview import OverviewConfig, overview
from studies.report.report import write_report
from studies.run.pipeline import plan
from studies.run.rows import HEAD, STAGES, read_rows
from studies.run.runner import run_study
from studies.run.stage import Stage
from studies.spec.config import MachineConfig, Seeds, StudyConfig, load_study
from tests.studies.watched_run import TINY, Reads, run_watched, store_of
from training.models.encoder import EncoderConfig
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.transfer import transfer


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    """The demo at its smoke scale, smaller still, in this process."""
    return load_study(DEMO, "smoke", fields=TINY)


@pytest.fixture(scope="module")
def watched(study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Reads]:
    """The folder of a whole run, and what its stages read."""
    out = tmp_path_factory.mktemp("study")
    return out, run_watched(study, out)


@pytest.fixture(scope="module")
def finished(watched: tuple[Path, Reads]) -> Path:
    return watched[0]


def results(out: Path) -> list[dict]:
    """Rows without what may differ from run to run: what they cost."""
    return [{k: v for k, v in row.items() if k not in ("cost", "code_version")} for row in read_rows(out)]


def test_every_arm_has_a_row_with_a_score(study: StudyConfig, finished: Path):
    rows = read_rows(finished)
    assert [row["arm"] for row in rows] == list(study.arms)
    runs = [p.run for p in plan(study)]
    for row, run in zip(rows, runs, strict=True):
        assert 0 <= row["metrics"]["test/miou"] <= 1
        assert row["metrics"]["test/frames"] == run.config.evaluate["test"]
        assert row["config"] == run.config.resolved()
        assert row["cost"]["seconds_total"] > 0
        assert row["cost"]["evaluations"].keys() == row["evaluations"].keys()
        again = row["cost"]["evaluations"]["test"]
        assert {row["cost"]["seconds"][stage] > 0 for of in again.values() for stage in of} == {True}
        assert [len(again[kind]) for kind in ("tuning", "pretraining")] == [2, len(run.config.phases)]
    mae, mm = (run.config.pretrain.samples for run in runs[1:])
    assert [row["metrics"]["samples_seen"] for row in rows] == [0, mae, mm]
    spent = [row["metrics"]["pretrain_gflop"] for row in rows]
    assert spent[1] == pytest.approx(spent[2], rel=16 / mae), "equal compute, up to a batch"


def test_run_again_does_nothing(study: StudyConfig, finished: Path):
    def times() -> dict[Path, int]:
        files = (p for p in finished.rglob("*") if p.is_file() and p.name not in (".lock", HEAD))
        return {p: p.stat().st_mtime_ns for p in files}

    before = times()
    run_study(study, finished)
    assert times() == before


def test_rows_alone_are_enough_not_to_make_them_again(
    study: StudyConfig, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stages are gone, and a row: it is made again, equal, and nothing is done that it does not need."""
    out = tmp_path / "copy"
    shutil.copytree(finished / "rows", out / "rows")
    lost, *kept = sorted((out / "rows").glob("*.json"), key=lambda p: "scratch" not in p.name)
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in kept}
    lost.unlink()
    did: list[str] = []
    run = Stage.run

    def noted(self: Stage, root: Path, machine: MachineConfig) -> Any:
        did.append(self.kind)
        return run(self, root, machine)

    monkeypatch.setattr(Stage, "run", noted)
    run_study(study, out)
    assert "scratch" in lost.name
    assert sorted(did) == ["evaluate", "houses", "houses", "store", "store", "transfer"]
    assert {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in kept} == before
    assert results(out) == results(finished)
    assert write_report(out, read_rows(out)).exists()


def test_stages_that_were_moved_are_found_where_they_are(study: StudyConfig, finished: Path, tmp_path: Path):
    out, stages = tmp_path / "run", tmp_path / "stages"
    shutil.copytree(finished / "rows", out / "rows")
    stages.mkdir()
    run_study(study, out, stages)
    elsewhere = stages.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="say with --stages where it was moved to"):
        run_study(study, out)
    run_study(study, out, elsewhere)
    assert (out / STAGES).resolve() == elsewhere
    with pytest.raises(ValueError, match="leave --stages out"):
        run_study(study, out, tmp_path / "a-third")


def test_stages_that_were_lost_come_back_the_same(study: StudyConfig, finished: Path, tmp_path: Path):
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    for kind in ("evaluate", "transfer", "pretrain"):
        for folder in out.glob(f"stages/{kind}-*"):
            shutil.rmtree(folder)
    shutil.rmtree(out / "rows")
    run_study(study, out)
    assert results(out) == results(finished)


def test_studies_share_a_folder_of_stages(study: StudyConfig, finished: Path, tmp_path: Path):
    before = {p.name for p in (finished / STAGES).iterdir()}
    renamed = study.model_copy(update={"name": "another"})
    run_study(renamed, tmp_path / "another", stages=finished / STAGES)
    assert {p.name for p in (finished / STAGES).iterdir()} == before, "nothing was done twice"
    assert [r["metrics"] for r in read_rows(tmp_path / "another")] == [
        r["metrics"] for r in read_rows(finished)
    ]
    with pytest.raises(ValueError, match="is there and is not"):
        run_study(renamed, tmp_path / "another", stages=tmp_path / "elsewhere")


def test_the_page_holds_everything_and_reaches_for_nothing(finished: Path):
    page = write_report(finished, read_rows(finished)).read_text()
    assert page.count("data:image/") >= 6
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_runs_share_what_they_have_in_common(study: StudyConfig):
    runs = plan(study.model_copy(update={"seeds": (Seeds(), Seeds(init=1, draws=1))}))
    stores = {s.key for r in runs for s in r.stages if s.kind == "store"}
    tokenizers = {s.key for r in runs for s in r.stages if s.kind == "tokenizer"}
    assert (len(runs), len(stores), len(tokenizers)) == (6, 3, 4)
    assert len({r.key for r in runs}) == 6


# --- nothing leaks ---------------------------------------------------------------------------------------


LABELS = {"semantic", "instance"}


def test_what_each_stage_reads(watched: tuple[Path, Reads]):
    _, seen = watched
    assert {"tokenizer", "tokens", "pretrain", "transfer", "evaluate"} <= seen.keys()
    for stage in ("tokenizer", "tokens", "pretrain"):
        assert not {m for _, m in seen[stage]} & LABELS, stage
        mixed = {m for role, m in seen[stage] if role == "transfer"}
        assert all(m == "rgb" or m.startswith("tok_rgb_") for m in mixed), "of the mix-in, RGB alone"
        assert bool(mixed) == (stage != "tokenizer"), "tokenizers learn from the test house alone"
        assert {role for role, _ in seen[stage]} <= {"pretrain", "transfer"}, stage
    assert {role for role, _ in seen["transfer"]} == {"transfer"}
    read = {(role, m) for role, m in seen["evaluate"] if m != "pose"}
    assert {role for role, _ in read} == {"eval"}, "of other roles, poses alone are read"
    assert "store" not in seen


def test_one_picture_shows_house_modalities_and_every_prediction(finished: Path, tmp_path: Path):
    asked = OverviewConfig(run=finished, out=tmp_path / "overview.png", tile=64)
    overview(asked)
    rows = read_rows(finished)
    with Image.open(asked.out) as sheet:
        assert sheet.width >= (2 + len(rows)) * 64, "input, truth and a prediction of each arm"
        assert len(sheet.getcolors(sheet.width * sheet.height) or ()) > 1000, "rendered views"
    for wrong in ({"frame": 1000}, {"evaluated": "nowhere"}):
        with pytest.raises(ValueError, match="keeps no predictions"):
            overview(asked.model_copy(update=wrong))


def test_a_model_is_not_evaluated_where_it_was_labelled(finished: Path):
    """The transfer's own space, passed off as a test space: the evaluation refuses it."""
    held_out = EvalFrames(store_of(finished, "eval"))
    labelled = TransferFrames(store_of(finished, "transfer"), held_out.spaces).spaces
    with pytest.raises(LeakError, match="labelled"):
        check_never_labelled(held_out, [{"id": "x", "house_digest": held_out.spaces[0].house_digest}])
    check_never_labelled(held_out, [{"id": "another name", "house_digest": labelled[0].house_digest}])
    (model,) = list(finished.glob("stages/transfer-*"))[:1]
    facts = json.loads((model / "config.json").read_text())
    assert {s["house_digest"] for s in facts["labelled_spaces"]} == {s.house_digest for s in labelled}
    assert facts["upper_bound"] is False


def test_a_house_cannot_come_back_under_another_name():
    house = generate_house(3, "apartment")
    renamed = house.model_copy(update={"metadata": {"testspace": {"seed": 99, "family": "other"}}})
    assert renamed.space_id != house.space_id
    assert renamed.digest() == house.digest()
    assert generate_house(4, "apartment").digest() != house.digest()


def test_frames_of_the_test_space_hold_no_labels_before_evaluation(finished: Path):
    store = store_of(finished, "pretrain")
    kinds = {m.name: m.kind for m in store.modalities}
    for part in store.parts:
        assert part.role == "pretrain"
        assert not any(kinds[m.name] == "label" for m in part.modalities)
        assert not list((store.path / "parts" / part.part).glob("semantic*"))


def test_pretraining_cannot_read_labels_or_evaluation_frames(finished: Path):
    seen = PretrainFrames(store_of(finished, "pretrain"))
    with pytest.raises(LeakError):
        seen.read(np.arange(2), ["semantic"])
    with pytest.raises(ValueError, match="no frames of role 'pretrain'"):
        PretrainFrames(store_of(finished, "eval"))
    evaluation = EvalFrames(store_of(finished, "eval"))
    rgb = {f.tobytes() for f in evaluation.read(np.arange(len(evaluation)), ["rgb"])["rgb"]}
    own = {f.tobytes() for f in seen.read(np.arange(len(seen)), ["rgb"])["rgb"]}
    assert not rgb & own


def test_transfer_cannot_hold_the_test_space(finished: Path):
    store = store_of(finished, "transfer")
    tests = PretrainFrames(store_of(finished, "pretrain")).spaces
    frames = TransferFrames(store, tests)
    assert not {s.house_digest for s in frames.spaces} & {s.house_digest for s in tests}
    with pytest.raises(LeakError):
        TransferFrames(store, [frames.spaces[0]])


def test_an_upper_bound_says_so_and_is_not_taken_for_a_specialist(finished: Path, tmp_path: Path):
    frames = UpperBoundFrames(store_of(finished, "transfer"))
    config = TransferConfig(encoder=EncoderConfig(dim=64, depth=1, patch=8), samples=16, batch=16)
    transfer(config, frames, None, tmp_path / "bound")
    assert json.loads((tmp_path / "bound" / "config.json").read_text())["upper_bound"] is True
    with pytest.raises(LeakError, match="upper bound"):
        evaluate(
            EvaluateConfig(), EvalFrames(store_of(finished, "eval")), tmp_path / "bound", tmp_path / "scores"
        )


def test_evaluation_poses_are_held_out(finished: Path):
    distance = check_held_out(
        PretrainFrames(store_of(finished, "pretrain")), EvalFrames(store_of(finished, "eval"))
    )
    assert distance > 0
    for row in read_rows(finished):
        expected = distance if row["config"]["phases"] else None
        assert row["metrics"].get("test/least_distance_to_learned_m") == expected
