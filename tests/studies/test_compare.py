import json
from pathlib import Path
from typing import Any

import pytest

from studies.report.compare import compare_runs
from studies.report.side_by_side import compare
from studies.run.rows import HEAD
from tests.studies.planted_rows import bars, curve


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """As a runner leaves it: what all rows have in common in one file, the rest of each in its own."""
    (folder / "rows").mkdir(parents=True)
    common = ("study", "question", "figure", "preset", "arms", "axes", "report")
    head = {k: rows[0][k] for k in common} | {"rows": [row["file"] for row in rows]}
    (folder / HEAD).write_text(json.dumps(head))
    for row in rows:
        own = {k: v for k, v in row.items() if k not in (*common, "file")}
        (folder / "rows" / row["file"]).write_text(json.dumps(own))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """The same study twice: in b the learning rate is tenfold, and tst-mm gains .03 (and a little luck)."""
    ours, theirs = bars(), bars()
    for row in theirs:
        row["config"]["pretrain"]["lr"] = 0.01
        if row["arm"] == "tst-mm":
            row["metrics"]["test/miou"] += 0.03 + 0.0005 * row["repeat"]
            row["config"]["pretrain"]["warmup"] = 0.1
        row["code_version"] = "def5678"
    return write(tmp_path / "x" / "run", ours), write(tmp_path / "y" / "run", theirs)


def test_what_was_set_otherwise_field_by_field(runs: tuple[Path, Path]):
    found = compare(*runs)
    assert found.names == ("x/run", "y/run")
    assert found.runs == 9
    assert list(found.settings) == ["pretrain.lr", "pretrain.warmup"]
    ((a, b, where),) = found.settings["pretrain.lr"]
    assert (a, b, len(where)) == ("0.001", "0.01", 9)
    assert len(found.settings["pretrain.warmup"][0][2]) == 3


def test_what_came_out_otherwise_is_paired_and_claimed(runs: tuple[Path, Path]):
    sides = {s.point.arm: s for s in compare(*runs).sides}
    better = sides["tst-mm"].claim
    assert better is not None
    assert better.summary.mean == pytest.approx(0.0305)
    assert better.verdict == "claim: better"
    same = sides["scratch"].claim
    assert same is not None
    assert same.summary.mean == 0
    assert same.better is None


def test_text_and_page_say_the_same(runs: tuple[Path, Path], tmp_path: Path):
    text = compare_runs(*runs, tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    for words in (
        "pretrain.lr",
        "b at tst-mm is better than a.",
        "code: abc1234 in a, def5678 in b.",
        "3 of 9: tst-mm, repeat 0, …",
        "9 runs (points and repeats) are in both.",
    ):
        assert words in text
        assert words in page
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page
    assert compare_runs(*runs).splitlines() == text.splitlines()[:-1]


def test_other_seeds_are_no_pairs(tmp_path: Path):
    theirs = bars()
    for row in theirs:
        row["seeds"]["init"] += 100
    text = compare_runs(write(tmp_path / "a", bars()), write(tmp_path / "b", theirs), tmp_path / "out")
    assert "no repeat had the same seeds" in text
    assert "Nothing may be claimed." in text


def test_points_of_one_run_alone_are_named(tmp_path: Path):
    ours, theirs = curve(), [r for r in curve() if r["point"].get("houses") != 1000]
    text = compare_runs(write(tmp_path / "a", ours), write(tmp_path / "b", theirs))
    assert "Only in a: iid, houses 1,000." in text
    assert "Set otherwise:\nnothing" in text


def test_what_cannot_be_compared_is_said(tmp_path: Path):
    a = write(tmp_path / "a", [r for r in bars() if r["arm"] == "scratch"])
    b = write(tmp_path / "b", [r for r in bars() if r["arm"] == "tst-mm"])
    with pytest.raises(ValueError, match="no point in common"):
        compare(a, b)
    with pytest.raises(ValueError, match="no study was run here"):
        compare(a, tmp_path)
