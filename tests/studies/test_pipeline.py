"""From house to report row, tiny but real; and nothing leaks on the way."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.access import (
    EvalFrames,
    Frames,
    PretrainFrames,
    TransferFrames,
    check_held_out,
    check_never_labelled,
    spaces_under_test,
)
from engine.errors import LeakError
from engine.store import Store
from scenes.generate import generate_house
from studies.commands import DEMO
from studies.config import StudyConfig, load_study
from studies.pipeline import plan
from studies.report import write_report
from studies.runner import read_rows, run_study
from studies.stage import Stage


FIELDS = {
    "base.frames": 48,
    "base.tokenizer": {"patch": 8, "codes": 16, "steps": 4, "batch": 16},
    "base.pretrain.samples": 64,
    "base.pretrain.batch": 16,
    "base.transfer.samples": 64,
    "arms.tst-mae.pretrain.samples": 64,
    "machine.slots": 0,
}


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    """The demo at its smoke scale, smaller still, in this process."""
    return load_study(DEMO, "smoke", fields=FIELDS)


@pytest.fixture(scope="module")
def finished(study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    run_study(study, out)
    return out


def results(out: Path) -> list[dict]:
    """Rows without what may differ from run to run: what they cost."""
    return [{k: v for k, v in row.items() if k not in ("cost", "code_version")} for row in read_rows(out)]


def store_of(out: Path, role: str) -> Store:
    """The store of a role; the study has one of each."""
    (path,) = [
        p.parent
        for p in out.glob("stages/store-*/done.json")
        if json.loads(p.read_text())["config"]["role"] == role
    ]
    return Store.open(path / "store")


def test_every_method_has_a_row_with_a_score(study: StudyConfig, finished: Path):
    rows = read_rows(finished)
    assert [row["method"] for row in rows] == sorted(study.methods)
    for row in rows:
        assert 0 <= row["metrics"]["miou"] <= 1
        assert row["metrics"]["frames"] == study.frames.eval
        assert row["config"] == study.resolved()
        assert row["cost"]["seconds_total"] > 0


def test_run_again_does_nothing(study: StudyConfig, finished: Path):
    before = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}
    run_study(study, finished)
    after = {p: p.stat().st_mtime_ns for p in finished.rglob("*") if p.is_file() and p.name != ".lock"}
    assert after == before


def test_stages_that_were_lost_come_back_the_same(study: StudyConfig, finished: Path, tmp_path: Path):
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    for kind in ("evaluate", "transfer", "pretrain"):
        for folder in out.glob(f"stages/{kind}-*"):
            shutil.rmtree(folder)
    shutil.rmtree(out / "rows")
    run_study(study, out)
    assert results(out) == results(finished)


def test_the_page_holds_everything_and_reaches_for_nothing(finished: Path):
    page = write_report(finished, read_rows(finished)).read_text()
    for heading in ("Was it worth it?", "The test space", "What the body sensed", "Learning", "Predictions"):
        assert heading in page
    assert page.count("data:image/png;base64,") >= 6
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_runs_share_what_they_have_in_common(study: StudyConfig):
    runs = plan(study.model_copy(update={"seeds": (0, 1)}))
    stores = {s.key for r in runs for s in r.stages if s.kind == "store"}
    tokenizers = {s.key for r in runs for s in r.stages if s.kind == "tokenizer"}
    assert (len(runs), len(stores), len(tokenizers)) == (6, 1, 4)
    assert len({r.evaluation.key for r in runs}) == 6


# --- nothing leaks ---------------------------------------------------------------------------------------


LABELS = {"semantic", "instance"}


def test_what_each_stage_reads(study: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every read of every stage is watched: role and modality, in the order of a whole run."""
    seen: dict[str, set[tuple[str, str]]] = {}
    kind = ["none"]
    read, run = Frames.read, Stage.run

    def watched_read(self: Frames, ids: Any, modalities: Any) -> Any:
        seen.setdefault(kind[0], set()).update((self.role, m) for m in modalities)
        return read(self, ids, modalities)

    def watched_run(self: Stage, root: Path) -> Any:
        kind[0] = self.kind
        return run(self, root)

    monkeypatch.setattr(Frames, "read", watched_read)
    monkeypatch.setattr(Stage, "run", watched_run)
    run_study(study, tmp_path)
    assert {"store", "tokenizer", "tokens", "pretrain", "transfer", "evaluate"} <= seen.keys()
    for stage in ("tokenizer", "tokens", "pretrain"):
        assert {role for role, _ in seen[stage]} == {"pretrain"}, stage
        assert not {m for _, m in seen[stage]} & LABELS, stage
    assert {role for role, _ in seen["transfer"]} == {"transfer"}
    assert {role for role, _ in seen["evaluate"]} == {"eval"}
    assert {m for _, m in seen["store"]} == {"pose"}, "the making of the store looks at poses alone"


def test_a_model_is_not_judged_where_it_was_labelled(finished: Path):
    """The transfer's own space, passed off as a test space: the evaluation refuses it."""
    store = store_of(finished)
    labelled = TransferFrames(store, spaces_under_test(store)).spaces
    learned = [{"id": "another name", "house_digest": labelled[0].house_digest}]
    with pytest.raises(LeakError, match="labelled"):
        check_never_labelled(
            EvalFrames(store), [{"id": "x", "house_digest": EvalFrames(store).spaces[0].house_digest}]
        )
    check_never_labelled(EvalFrames(store), learned)
    (model,) = list(finished.glob("stages/transfer-*"))[:1]
    facts = json.loads((model / "config.json").read_text())
    assert {s["house_digest"] for s in facts["labelled_spaces"]} == {s.house_digest for s in labelled}


def test_a_house_cannot_come_back_under_another_name():
    house = generate_house(3, "apartment")
    renamed = house.model_copy(update={"metadata": {"testspace": {"seed": 99, "family": "other"}}})
    assert renamed.space_id != house.space_id
    assert renamed.digest() == house.digest()
    assert generate_house(4, "apartment").digest() != house.digest()


def test_frames_of_the_test_space_hold_no_labels_before_evaluation(finished: Path):
    store = store_of(finished)
    kinds = {m.name: m.kind for m in store.modalities}
    for part in store.parts:
        if part.role == "pretrain":
            assert not any(kinds[m.name] == "label" for m in part.modalities)
            assert not list((store.path / "parts" / part.part).glob("semantic*"))


def test_pretraining_cannot_read_labels_or_evaluation_frames(finished: Path):
    store = store_of(finished)
    seen = PretrainFrames(store)
    with pytest.raises(LeakError):
        seen.read(np.arange(2), ["semantic"])
    with pytest.raises(IndexError):
        seen.read(np.array([len(seen)]), ["rgb"])
    evaluation = EvalFrames(store)
    rgb = {f.tobytes() for f in evaluation.read(np.arange(len(evaluation)), ["rgb"])["rgb"]}
    own = {f.tobytes() for f in seen.read(np.arange(len(seen)), ["rgb"])["rgb"]}
    assert not rgb & own


def test_transfer_cannot_hold_the_test_space(study: StudyConfig, finished: Path):
    store = store_of(finished)
    tests = PretrainFrames(store).spaces
    frames = TransferFrames(store, tests)
    assert not {s.house_digest for s in frames.spaces} & {s.house_digest for s in tests}
    with pytest.raises(LeakError):
        TransferFrames(store, [frames.spaces[0]])
    same = study.test_house.model_copy(update={"count": 2})
    with pytest.raises(ValueError, match="share a house"):
        StudyConfig.model_validate(study.resolved() | {"transfer_houses": same.model_dump()})


def test_evaluation_poses_are_held_out(finished: Path):
    store = store_of(finished)
    distance = check_held_out(PretrainFrames(store), EvalFrames(store))
    assert distance > 0
    for row in read_rows(finished):
        (stage,) = (s for s in row["stages"].values() if s["kind"] == "store")
        assert stage["metrics"]["least_distance_eval_to_pretrain_m"] == distance


def test_a_row_is_one_json_file(finished: Path):
    files = sorted((finished / "rows").glob("*.json"))
    assert len(files) == 3
    for file in files:
        assert json.loads(file.read_text())["study"] == "demo"
