"""The rows of a study as a table: what ran (arm, point on the axes, repeat) and its metrics.

All that a report says is computed from here. A metric that a row lacks stays missing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from studies.spec.report import Level, ReportConfig

Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """An arm at its levels of the axes; its repeats are compared with those of other points."""

    arm: str
    at: tuple[tuple[str, Level], ...] = ()
    """(axis, level), in the order of the study's axes."""

    @property
    def label(self) -> str:
        """Arm and levels, for people."""
        return ", ".join(
            [self.arm, *(f"{axis.replace('_', ' ')} {number(level)}" for axis, level in self.at)]
        )

    def level(self, axis: str | None) -> Level | None:
        """Its level of an axis; None where the arm does not vary over it."""
        return dict(self.at).get(axis) if axis is not None else None

    def without(self, axis: str | None) -> "Point":
        """The series it belongs to: the point without its level of `axis`."""
        return Point(self.arm, tuple((a, v) for a, v in self.at if a != axis))

    def named(self, axis: str | None) -> str:
        """Its name in a claim of the study's file: `arm` or `arm@level`."""
        level = self.level(axis)
        return self.arm if level is None else f"{self.arm}@{level}"


class Table:
    """Rows of one study at one preset; one row a point and repeat.

    Raises ValueError when the rows are of several studies or presets, or have several reports and none is
    given.
    """

    def __init__(self, rows: Sequence[Row], report: ReportConfig | None = None):
        if not rows:
            raise ValueError("there are no rows to report; run the study first (tst study run)")
        for field in ("study", "preset"):
            if len(found := sorted({row[field] for row in rows})) > 1:
                raise ValueError(
                    f"a page is drawn from rows of one {field}, and these are of {', '.join(found)}: run the "
                    "one that is wanted again (what has a row is skipped, and its own rows are drawn)"
                )
        if report is None:
            reports = {json.dumps(row["report"], sort_keys=True) for row in rows}
            if len(reports) > 1:
                raise ValueError(
                    "the rows ask for different pages, so the study's `report` was changed between runs: run "
                    "the study again (what has a row is skipped) to draw the page that its file asks for"
                )
            report = ReportConfig.model_validate(rows[0]["report"])
        self.report = report
        self.study: str = rows[0]["study"]
        self.preset: str = rows[0]["preset"]
        self.question: str = rows[0]["question"]
        self.figure: str = rows[0].get("figure", "")
        self._by: dict[Point, dict[int, Row]] = {}
        for row in rows:
            here = self._by.setdefault(self._point(row), {})
            if row["repeat"] in here:
                raise ValueError(
                    f"two rows are {self._point(row).label}, repeat {row['repeat']}: "
                    f"{here[row['repeat']]['file']} and {row['file']}; they are of different "
                    "configurations, so move one away"
                )
            here[row["repeat"]] = row
        self.rows: list[Row] = [self._by[p][r] for p in self.points for r in sorted(self._by[p])]

    @cached_property
    def arms(self) -> list[str]:
        """Every arm that has a row, in the order of the study's file."""
        present = {point.arm for point in self._by}
        listed = dict.fromkeys(arm for of in self._by.values() for row in of.values() for arm in row["arms"])
        return [arm for arm in listed if arm in present]

    @cached_property
    def axes(self) -> dict[str, list[Level]]:
        """Levels of each axis that have a row, in the order of the study's file."""
        listed: dict[str, dict[Level, None]] = {}
        for of in self._by.values():
            for row in of.values():
                for axis, levels in row["axes"].items():
                    listed.setdefault(axis, {}).update(dict.fromkeys(levels))
        present = {(axis, level) for point in self._by for axis, level in point.at}
        return {axis: [v for v in levels if (axis, v) in present] for axis, levels in listed.items()}

    @cached_property
    def points(self) -> list[Point]:
        """Every point that has a row: arms in order, levels in order within each."""

        def place(point: Point) -> tuple[int, ...]:
            return (self.arms.index(point.arm), *(self.axes[a].index(v) for a, v in point.at))

        return sorted(self._by, key=place)

    @cached_property
    def series(self) -> dict[Point, list[Point]]:
        """Points of each line over the report's `x`; an arm that has no `x` is a series of one."""
        lines: dict[Point, list[Point]] = {}
        for point in self.points:
            lines.setdefault(point.without(self.report.x), []).append(point)
        return lines

    @property
    def x_words(self) -> str:
        """The name of the report's `x` as text; empty without one."""
        return (self.report.x or "").replace("_", " ")

    def levels(self, points: Sequence[Point]) -> list[Level]:
        """Levels of the report's `x` at points that have one."""
        return [level for point in points if (level := point.level(self.report.x)) is not None]

    def repeats(self) -> list[int]:
        """Numbers of the repeats that have a row, ascending."""
        return sorted({repeat for of in self._by.values() for repeat in of})

    def row(self, point: Point, repeat: int) -> Row | None:
        """The row of a point in one repeat; None where there is none."""
        return self._by.get(point, {}).get(repeat)

    def of(self, point: Point) -> list[Row]:
        """The rows of a point, by repeat."""
        return [self._by[point][r] for r in sorted(self._by[point])]

    def values(self, point: Point, metric: str) -> dict[int, float]:
        """`metric` of each repeat that has it."""
        found = {
            repeat: row["metrics"].get(metric) for repeat, row in sorted(self._by.get(point, {}).items())
        }
        return {repeat: float(value) for repeat, value in found.items() if value is not None}

    def houses(self, point: Point, metric: str) -> dict[int, dict[str, float]]:
        """`metric` by repeat and evaluated house; that of `test/miou` is in `test/space_miou`."""
        where, _, name = metric.rpartition("/")
        key = f"{where}/space_{name}" if where else f"space_{name}"
        found = {repeat: row["metrics"].get(key) for repeat, row in sorted(self._by.get(point, {}).items())}
        return {
            repeat: {house: float(v) for house, v in values.items() if v is not None}
            for repeat, values in found.items()
            if isinstance(values, dict)
        }

    def varied(self) -> tuple[list[str], list[str]]:
        """Seeds that differ between repeats, and those that are the same in all."""
        kinds = dict.fromkeys(kind for row in self.rows for kind in row["seeds"])
        differ = [k for k in kinds if len({row["seeds"].get(k) for row in self.rows}) > 1]
        return differ, [k for k in kinds if k not in differ]

    def _point(self, row: Row) -> Point:
        return Point(
            row["arm"], tuple((axis, row["point"][axis]) for axis in row["axes"] if axis in row["point"])
        )


def number(value: Level) -> str:
    """A level as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
