"""The paper's own numbers, on the pages of studies and in the test of presets.

`studies/library/paper` has them as CSV files, one a table of the paper; its README names the source.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from scenes.config import Config

FOLDER = Path(__file__).parents[1] / "library" / "paper"
Cell = str | int | float | None


def paper_rows(name: str, columns: Sequence[str], where: Mapping[str, str]) -> list[list[Cell]]:
    """Cells of a CSV file of the paper's numbers: these columns, of the rows in which `where` holds. An empty
    cell is None.

    Raises ValueError for a file or a column that is not there, and where no row is left.
    """
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.csv")))
        raise ValueError(f"no file {name!r} of the paper's numbers; files there are: {known}")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if unknown := [c for c in (*columns, *where) if c not in rows[0]]:
        raise ValueError(f"{path} has no column {unknown[0]!r}; columns there are: {', '.join(rows[0])}")
    found = [[_cell(r[c]) for c in columns] for r in rows if all(r[k] == v for k, v in where.items())]
    if not found:
        raise ValueError(f"{path} has no row where {dict(where)}")
    return found


def _cell(text: str) -> Cell:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


class PaperTable(Config):
    """The paper's own numbers, shown beside ours and never mixed with them.

    In YAML they may be read of a file of `studies/library/paper`: `csv`, its name without `.csv`; `columns`,
    a heading for each of its columns that are shown; `where`, the values that other columns must have. Rows
    that have none of the numbers are left out."""

    source: str = Field(min_length=1)
    """Figure or table of the paper, and whether the numbers were printed or read off a plot."""
    columns: tuple[str, ...] = Field(min_length=1)
    """Headings of the columns, with units."""
    rows: tuple[tuple[str | int | float | None, ...], ...] = Field(min_length=1)
    """Cells by row; null where the paper has no number."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "csv" not in data:
            return data
        if not isinstance(data.get("columns"), dict):
            raise ValueError("columns: give a heading for each column of the file, {column: heading}")
        rows = paper_rows(data["csv"], list(data["columns"]), data.get("where", {}))
        valued = [row for row in rows if any(isinstance(cell, int | float) for cell in row)]
        rest = {k: v for k, v in data.items() if k not in ("csv", "where")}
        return rest | {"columns": list(data["columns"].values()), "rows": valued or rows}

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"row {i + 1} has {len(row)} cells and there are {len(self.columns)} columns "
                    f"({', '.join(self.columns)}): give every row a cell for each, null where there is none"
                )
        return self
