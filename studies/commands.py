"""`tst study run`, `tst study report`, `tst demo`."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict

from studies.config import load_study
from studies.report import write_report
from studies.runner import read_rows, run_study

DEMO = Path(__file__).parent / "demo.yaml"


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DemoConfig(_Command):
    preset: str = "demo"
    """Scale: one of the presets in studies/demo.yaml."""
    seeds: tuple[int, ...] = ()
    """Seeds to run; none given: the preset's."""
    out: Path = Path("runs/demo")
    """Folder of the run; the page is <out>/report.html."""


class StudyRunConfig(_Command):
    study: tyro.conf.Positional[Path]
    """The study's YAML file."""
    out: Path
    """Folder of the run."""
    preset: str | None = None
    """Scale: one of the file's presets; default: its first."""
    seeds: tuple[int, ...] = ()
    """Seeds to run; none given: the preset's."""


class StudyReportConfig(_Command):
    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Folder of a run, with rows."""


def demo(config: DemoConfig) -> None:
    """The whole loop, small, on this machine."""
    run(StudyRunConfig(study=DEMO, out=config.out, preset=config.preset, seeds=config.seeds))


def run(config: StudyRunConfig) -> None:
    """Run what is missing of a study, then draw its page from the rows of this study and preset."""
    study = load_study(config.study, config.preset, config.seeds or None)
    wanted = {path.name for path in run_study(study, config.out)}
    rows = [row for row in read_rows(config.out) if row["file"] in wanted]
    print(f"report: {write_report(config.out, rows)}")


def report(config: StudyReportConfig) -> None:
    """Draw the page of a run again from its rows."""
    rows = read_rows(config.run)
    if not rows:
        raise ValueError(f"{config.run}: no rows here; run a study into it first (tst study run)")
    free = {"seeds": None, "preset": None, "methods": None}
    configs = {json.dumps(row["config"] | free, sort_keys=True) for row in rows}
    methods = {
        (n, json.dumps(m, sort_keys=True)) for row in rows for n, m in row["config"]["methods"].items()
    }
    if len(configs) > 1 or len(methods) > len({name for name, _ in methods}):
        raise ValueError(
            f"{config.run} holds rows of several configurations, which make no one page: run the study that "
            "is wanted again (it skips what is done and draws its own rows)"
        )
    print(f"report: {write_report(config.run, rows)}")
