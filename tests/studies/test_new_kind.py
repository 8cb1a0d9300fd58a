"""A kind of stage from outside: a class and one line in the registry; it is run, estimated and drawn."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studies.commands import DEMO
from studies.report.report import write_report
from studies.run.drawing import Drawing, StageRecord, TableLine
from studies.run.dry_run import as_text, estimate_cost
from studies.run.pipeline import RunPlan
from studies.run.rows import read_rows
from studies.run.runner import run_plans
from studies.run.stage import Stage
from studies.run.stages.houses import HousesStage
from studies.run.stages.registry import KINDS
from studies.spec.config import MachineConfig, StudyConfig, load_study
from studies.spec.houses import Houses
from tests.studies.counting_stage import CountingStage


class RoomCountStage(Stage):
    """Counts the rooms of houses."""

    kind = "rooms"
    rank = 8
    unit = "houses"

    houses: HousesStage

    @property
    def label(self) -> str:
        return f"rooms of {self.houses.name}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        rooms = [len(json.loads(file.read_text())["rooms"]) for file in self.houses.files(root)]
        return {"rooms": sum(rooms), "bytes": 100 * len(rooms)}

    @property
    def units(self) -> int:
        return self.houses.units

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        rooms = f"{record.metrics['rooms']} rooms"
        yield TableLine("Rooms counted", "", ("houses", "rooms"), (record.label, rooms))


@pytest.fixture
def study() -> StudyConfig:
    report = {"form": "bars", "metrics": ["last/inputs"], "claims": []}
    return load_study(DEMO, "smoke", fields={"report": report, "machine.slots": 0})


@pytest.fixture
def runs(study: StudyConfig) -> list[RunPlan]:
    """One row, whose last stage has one of the new kind as its input."""
    rooms = RoomCountStage(houses=HousesStage.of("test", Houses(family="apartment", seed=1, count=2)))
    return [RunPlan(study.runs()[0], {"last": CountingStage(name="last", needs_first=(rooms,))}, ())]


def test_a_new_kind_is_run_drawn_and_estimated(
    study: StudyConfig, runs: list[RunPlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(KINDS, RoomCountStage.kind, RoomCountStage)
    estimated = estimate_cost(study, runs)
    assert estimated.stages == 3
    assert estimated.by_kind["rooms"].units == estimated.by_kind["houses"].units == 2
    assert estimated.by_kind["rooms"].bytes == 200
    assert "2 houses" in next(t for t in as_text(study, estimated).splitlines() if t.startswith("rooms"))
    (file,) = run_plans(study, runs, tmp_path)
    row = json.loads(file.read_text())
    assert row["metrics"]["last/inputs"] == 1
    (counted,) = (stage["metrics"]["rooms"] for stage in row["stages"].values() if stage["kind"] == "rooms")
    assert counted > 2
    assert estimate_cost(study, runs, tmp_path).done == 3
    page = write_report(tmp_path, read_rows(tmp_path)).read_text()
    assert "<h2>Rooms counted</h2>" in page
    assert f"<td>{counted} rooms</td>" in page
