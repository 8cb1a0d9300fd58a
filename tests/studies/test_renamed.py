"""Studies that use the names that fields of a run had before are understood, and are told the new ones."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from studies.commands import STUDIES
from studies.report.report import write_report
from studies.run.rows import read_rows
from studies.spec.config import load_study
from studies.spec.renamed import place_with_new_names, with_new_names

ROOT = Path(__file__).parents[2]
OLD: dict[str, Any] = {
    "base": {
        "houses": {"same": {"family": "apartment-heldout", "seed": 5}},
        "learn": {"first": {"houses": {"test": 1}}},
        "judge": {"same": 8},
        "evaluate": {"batch": 4},
        "apart": False,
    },
    "arms": {
        "scratch": {"learn": {"first": None}},
        "own": {"axes": {"frames": {"set": ["learn.first.frames", "judge.same"], "to": [16, 32]}}},
        "other": {"axes": {"how": {"a": {"evaluate": {"pictures": 2}}, "b": {"judge": {"test": None}}}}},
    },
    "presets": {"smoke": {"base": {"judge": {"test": 4}, "evaluate": {"bf16": False}}}},
}
NEW: dict[str, Any] = {
    "base": {
        "houses": {"same": {"family": "apartment-heldout", "seed": 5}},
        "phases": {"first": {"houses": {"test": 1}}},
        "evaluate": {"same": 8},
        "scoring": {"batch": 4},
        "disjoint_assets": False,
    },
    "arms": {
        "scratch": {"phases": {"first": None}},
        "own": {"axes": {"frames": {"set": ["phases.first.frames", "evaluate.same"], "to": [16, 32]}}},
        "other": {"axes": {"how": {"a": {"scoring": {"pictures": 2}}, "b": {"evaluate": {"test": None}}}}},
    },
    "presets": {"smoke": {"base": {"evaluate": {"test": 4}, "scoring": {"bf16": False}}}},
}


def study(folder: Path, fields: dict[str, Any]) -> Path:
    path = folder / "mine.yaml"
    whole = {"extends": str(STUDIES / "base.yaml"), "question": "What?", "report": {"form": "bars"}}
    path.write_text(yaml.safe_dump(whole | fields, sort_keys=False))
    return path


def test_a_file_with_old_names_is_the_file_with_new_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    old = load_study(study(tmp_path, OLD), "smoke")
    told = capsys.readouterr().err
    new = load_study(study(tmp_path, NEW), "smoke")
    assert old.runs() == new.runs()
    assert [r.config.evaluate for r in old.runs()[-2:]] == [{"test": 4, "same": 8}, {"same": 8}]
    assert old.runs()[0].config.scoring.batch == 4
    assert told.count("\n") == 1
    for names in ("judge is now evaluate", "evaluate is now scoring", "learn is now phases"):
        assert names in told
    assert told.startswith(f"{tmp_path / 'mine.yaml'}: ")
    assert capsys.readouterr().err == "", "new names are told nothing"


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("base.judge.test", 3, "base.evaluate.test"),
        ("base.evaluate.threads", 3, "base.scoring.threads"),
        ("base.evaluate.test", 3, "base.evaluate.test"),
        ("arms.own.learn.first.frames", 3, "arms.own.phases.first.frames"),
        ("arms.own.axes.share.apart", True, "arms.own.axes.share.apart"),
        ("arms.own.axes.share.0.apart", True, "arms.own.axes.share.0.disjoint_assets"),
        ("presets.smoke.base.apart", False, "presets.smoke.base.disjoint_assets"),
        ("machine.slots", 0, "machine.slots"),
    ],
)
def test_places_on_the_command_line_may_use_old_names(old: str, value: Any, new: str):
    assert place_with_new_names(old, value, "--set") == (new, value)


def test_values_on_the_command_line_may_use_old_names(tmp_path: Path):
    place, value = place_with_new_names("base", {"judge": {"test": 3}}, "--set")
    assert (place, value) == ("base", {"evaluate": {"test": 3}})
    runs = load_study(study(tmp_path, NEW), "smoke", fields={"base.judge.test": 5}).runs()
    assert runs[0].config.evaluate["test"] == 5


def test_both_names_of_a_field_at_one_place_are_refused():
    with pytest.raises(ValueError, match="x: phases is there under its old name too"):
        with_new_names({"base": {"phases": {}, "learn": {}}}, "x")


@pytest.mark.parametrize("name", ["continual", "sensors"])
def test_rows_that_were_written_with_old_names_still_make_their_page(tmp_path: Path, name: str):
    shutil.copytree(ROOT / "docs" / "results" / name, tmp_path / name)
    rows = read_rows(tmp_path / name)
    assert "judge" not in rows[0]["config"]
    assert all(key in rows[0]["config"] for key in ("phases", "scoring", "disjoint_assets"))
    before = (tmp_path / name / "report.csv").read_text()
    assert "What may be claimed" in write_report(tmp_path / name, rows).read_text()
    assert (tmp_path / name / "report.csv").read_text() == before
