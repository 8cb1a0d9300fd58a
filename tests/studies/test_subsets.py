"""Axes over subsets of modalities, and the spread of their scores by number."""

from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from studies.commands import STUDIES
from studies.report.analysis.rows import Table
from studies.report.report import write_report
from studies.report.spread_section import spreads
from studies.spec.config import load_study
from studies.spec.report import ReportConfig
from studies.spec.subsets import Subsets
from tests.studies.planted_rows import bars

EIGHT = ("depth", "normals", "edges", "clip", "imagebind", "sam_edges", "boxes", "masks")


def test_all_of_one_and_of_all_but_one_and_eight_of_every_other_number():
    table = Subsets(keep=("rgb",), of=EIGHT, drawn=8).table
    sizes = [len(names) for names in table.values()]
    assert sizes == sorted(sizes)
    assert [sizes.count(n) for n in range(2, 10)] == [8, 8, 8, 8, 8, 8, 8, 1]
    assert len(set(table.values())) == len(table)
    for names in table.values():
        assert names[0] == "rgb"
        assert [n for n in EIGHT if n in names] == list(names[1:])
    assert table["rgb+clip"] == ("rgb", "clip")
    assert table["all-clip"] == ("rgb", *(n for n in EIGHT if n != "clip"))
    assert table["all"] == ("rgb", *EIGHT)


def test_the_draw_is_of_its_seed():
    drawn = [[*Subsets(of=EIGHT, drawn=4, seed=seed).table] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_number_with_no_more_sets_than_are_drawn_has_all():
    assert len(Subsets(of=EIGHT[:4], drawn=6).table) == sum(comb(4, k) for k in (1, 2, 3, 4))
    assert [*Subsets(keep=("rgb",), of=("depth", "edges")).table] == ["rgb+depth", "rgb+edges", "all"]
    with pytest.raises(ValidationError, match="twice"):
        Subsets(keep=("rgb",), of=("rgb", "depth"))


def test_the_study_at_paper_has_the_sets_of_the_papers_figures():
    runs = [r for r in load_study(STUDIES / "modalities.yaml", "paper").runs() if r.repeat == 0]
    counts = [len(r.config.modalities) for r in runs if r.config.phases]
    assert [counts.count(n) for n in range(1, 10)] == [1, 8, 8, 8, 8, 8, 8, 8, 1]


def test_the_spread_is_over_sets_of_one_number(tmp_path: Path):
    scores = {"scratch": [0.1, 0.1], "tst-mae": [0.2, 0.4], "tst-mm": [0.5, 0.5]}
    modalities: dict[str, Any] = {"tst-mae": ["rgb", "depth"], "tst-mm": ["rgb", "edges"]}
    rows = bars(repeats=2)
    for row in rows:
        row["metrics"]["test/miou"] = scores[row["arm"]][row["repeat"]]
        phases = {} if row["arm"] == "scratch" else {"first": {}}
        row["config"] |= {"phases": phases, "objective": "mm", "modalities": modalities.get(row["arm"], [])}
    report = ReportConfig(metrics=("test/miou",), spread="modalities")
    (found,) = spreads(Table(rows, report))
    assert found.modalities == 2
    assert found.means == pytest.approx((0.3, 0.5))
    assert found.between_repeats == pytest.approx(np.sqrt(0.02 / 2))
    page = write_report(tmp_path, rows, report).read_text()
    assert "Spread by number of modalities" in page
    assert "30.0 to 50.0" in page
    assert "Spread by" not in write_report(tmp_path, rows, ReportConfig(metrics=("test/miou",))).read_text()
