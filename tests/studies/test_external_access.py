"""External access in rows and on pages: never lost, never said to be none where it is not known to be."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from studies.commands import STUDIES
from studies.report import report as page
from studies.report.knowledge import NONE
from studies.report.report import write_report
from studies.run.external_access import external_access_of, only_sensed, row_facts
from studies.spec.config import load_study
from tests.studies.planted_rows import bars
from tests.studies.test_report import text_of
from training.common.external_access import Knowledge, as_facts

CLIP = Knowledge(name="clip", source="openai/clip-b16", external_access="pseudolabels", licence="MIT")
TEACHER = Knowledge(
    name="segmenter", source="runs/a", external_access="none", labelled_houses=("0" * 64, "1" * 64)
)
START = Knowledge(name="checkpoint of 4M's", source="EPFL-VILAB/4M-21_B", external_access="internet")
SENSED = {"modalities": ["rgb", "depth"], "pretrain": {"warm_start": None}, "transfer": {"inputs": ["rgb"]}}


def rows_of(**knowledge: tuple[Knowledge, ...] | None) -> list[dict[str, Any]]:
    """Planted rows by arm; None: a row that says nothing."""
    return [
        row if said is None else row | as_facts(said)
        for row in bars()
        for said in [knowledge[row["arm"].replace("-", "_")]]
    ]


def test_the_page_gives_every_arm_its_own(tmp_path: Path):
    rows = rows_of(scratch=(), tst_mae=(CLIP, START), tst_mm=(CLIP,))
    text = text_of(tmp_path, rows)
    assert text.count("scratch no external access mIoU") == 1
    assert "tst-mae internet mIoU" in text
    assert "tst-mm pseudolabels mIoU" in text
    assert "clip (openai/clip-b16, MIT): pseudolabels" in text
    assert "checkpoint of 4M's (EPFL-VILAB/4M-21_B): internet" in text
    lines = csv.DictReader((tmp_path / "report.csv").read_text().splitlines())
    found = {line["arm"]: line["external_access"] for line in lines}
    assert found == {"scratch": "none", "tst-mae": "internet", "tst-mm": "pseudolabels"}
    points = json.loads((tmp_path / "report.json").read_text())["points"]
    assert {p["arm"]: p["external_access"] for p in points}["tst-mm"] == ["pseudolabels"]


@pytest.mark.parametrize("access", ["pseudolabels", "internet", "not recorded"])
def test_no_page_calls_a_run_free_that_is_not(tmp_path: Path, access: str):
    said = {"pseudolabels": (CLIP,), "internet": (CLIP, START), "not recorded": None}[access]
    text = text_of(tmp_path, rows_of(scratch=said, tst_mae=said, tst_mm=said))
    assert NONE not in text
    assert f"tst-mm {access} mIoU" in text


def test_repeats_that_differ_are_both_said(tmp_path: Path):
    rows = rows_of(scratch=(), tst_mae=(), tst_mm=())
    rows[-1] |= as_facts((CLIP,))
    assert f"tst-mm {NONE} / pseudolabels mIoU" in text_of(tmp_path, rows)


def test_labels_of_our_own_houses_are_said(tmp_path: Path):
    text = text_of(tmp_path, rows_of(scratch=(), tst_mae=(), tst_mm=(TEACHER,)))
    assert "segmenter (runs/a): none, of labels of 2 houses of ours" in text


def test_a_cut_on_the_page_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = rows_of(scratch=(CLIP,), tst_mae=(CLIP,), tst_mm=(CLIP,))
    monkeypatch.setattr(page, "access_words", lambda *_: NONE)
    monkeypatch.setattr(page, "knowledge_section", lambda *_: "")
    with pytest.raises(AssertionError):
        assert NONE not in text_of(tmp_path, rows)


def test_a_row_has_the_largest_of_its_evaluations():
    facts = row_facts(SENSED, [as_facts(()), as_facts((CLIP,)), as_facts((CLIP, START))])
    assert facts == as_facts((CLIP, START))
    assert facts["external_access"] == "internet"


def test_evaluations_that_say_nothing_are_free_only_if_nothing_could_be_in_them():
    silent = [{"miou": 0.1}]
    assert row_facts(SENSED, silent) == {"external_access": "none", "knowledge": []}
    for wrong in (
        {"modalities": ["rgb", "clip"]},
        {"pretrain": {"warm_start": "EPFL-VILAB/4M-21_B"}},
        {"transfer": {"inputs": ["rgb", "clip"]}},
        {"transfer_by_protocol": {"finetune": {"inputs": ["rgb", "clip"]}}},
        {"phases": {"first": {"pretrain": {"warm_start": "a"}}}},
    ):
        assert row_facts(SENSED | wrong, silent)["external_access"] is None
        assert external_access_of({"config": SENSED | wrong}) is None
    for unsaid in ("modalities", "pretrain"):
        assert not only_sensed({k: v for k, v in SENSED.items() if k != unsaid})
    assert (
        row_facts(SENSED | {"modalities": ["rgb", "clip"]}, [*silent, as_facts(())])["external_access"]
        is None
    )


def test_rows_of_studies_without_networks_read_as_free():
    for name in ("sensors", "continual", "label-propagation"):
        for run in load_study(STUDIES / f"{name}.yaml", "smoke").runs():
            assert external_access_of({"config": run.config.resolved()}) == "none", run.label


def test_a_row_that_says_it_wrongly_does_not_pass():
    wrong = as_facts((CLIP,)) | {"external_access": "none"}
    with pytest.raises(ValueError, match="says external_access 'none'"):
        row_facts(SENSED, [wrong])


def test_rows_before_this_draw(tmp_path: Path):
    assert write_report(tmp_path, bars()).exists()
