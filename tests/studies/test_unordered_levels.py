"""The form `curve` over levels that have no order: points side by side, and no line from one to the next."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from studies.report.analysis.rows import Table
from studies.report.figures import form_lines
from tests.studies.planted_rows import row, scores


def drawn(levels: list[str | int], monkeypatch: pytest.MonkeyPatch) -> Figure:
    """A curve of two arms over these levels, with a level arm beside them."""
    arms, axes = ["scratch", "here", "there"], {"network": levels}
    report = {"form": "curve", "metrics": ["test/miou"], "x": "network"}
    rows = []
    for repeat in range(2):
        rows.append(row("scratch", repeat, scores(0.1), arms=arms, axes=axes, report=report))
        for arm in arms[1:]:
            for i, level in enumerate(levels):
                value, point = scores(0.2 + 0.01 * (i + repeat)), {"network": level}
                rows.append(row(arm, repeat, value, point, arms=arms, axes=axes, report=report))
    figures: list[Figure] = []
    monkeypatch.setattr(form_lines, "figure_png", lambda figure: figures.append(figure) or b"")
    form_lines.curve(Table(rows), {})
    return figures[0]


@pytest.mark.parametrize(
    ("levels", "joined"),
    [(["dino", "hed", "clip"], False), ([1, 10], True), (["64x2", "128x4"], True), (["S", "B"], True)],
)
def test_a_line_joins_levels_that_have_an_order(levels, joined: bool, monkeypatch: pytest.MonkeyPatch):
    (axis,) = drawn(levels, monkeypatch).axes
    here, there = (
        next(line for line in axis.lines if line.get_label() == name) for name in ("here", "there")
    )
    assert (here.get_linestyle() == "-") is (there.get_linestyle() == "-") is joined
    assert bool(np.array_equal(here.get_xdata(), there.get_xdata())) is joined
    assert len(here.get_xdata()) == len(levels)


def test_the_legend_names_an_arm_that_only_the_second_panel_has(monkeypatch: pytest.MonkeyPatch):
    arms, axes = ["here", "walk"], {"labels": [4, 32]}
    report = {"form": "curve", "metrics": ["test/miou", "walks/miou"], "x": "labels"}
    rows = [
        row(arm, 0, {f"{space}/miou": 0.2}, {"labels": level}, arms=arms, axes=axes, report=report)
        for arm, space in (("here", "test"), ("walk", "walks"))
        for level in (4, 32)
    ]
    figures: list[Figure] = []
    monkeypatch.setattr(form_lines, "figure_png", lambda figure: figures.append(figure) or b"")
    form_lines.curve(Table(rows), {})
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == arms
