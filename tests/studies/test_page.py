"""Tables of a page: what is flush left, and which rows of the paper are shown."""

import pytest

from studies.report.page import table
from studies.spec.paper import PaperTable, paper_rows


@pytest.mark.parametrize(
    ("columns", "classes"),
    [
        ([["a", "no claim"], ["+0.5", "−0.3 ± 1"]], ' class="left1"'),
        ([["x", "y"], ["[0.1, 2]", ""], ["yes", "no"]], ' class="left1 left3"'),
        ([["3 rooms", "4"], ["1", "n.a."]], ""),
    ],
)
def test_columns_without_a_number_are_flush_left(columns: list[list[str]], classes: str):
    drawn = table(["head"] * len(columns), zip(*columns, strict=True))
    assert f"<table{classes}><tr><th>" in drawn


def test_rows_of_the_paper_without_a_number_are_left_out():
    """Of ViTDet it has no segmentation."""
    columns = ["method", "procthor_seg_miou"]
    every = paper_rows("table05_pseudolabelers", columns, {})
    shown = PaperTable.model_validate(
        {"source": "Tab. 5", "csv": "table05_pseudolabelers", "columns": dict.fromkeys(columns, "column")}
    ).rows
    assert [row[0] for row in every if list(row) not in map(list, shown)] == ["ViTDet"]
