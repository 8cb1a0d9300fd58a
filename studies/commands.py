"""`tst study run`, `tst study report`, `tst study compare`, `tst study power` and `tst demo`."""

from pathlib import Path
from typing import Annotated, Any

import tyro
import yaml
from pydantic import Field

from scenes.config import Config
from studies.report.analysis.power import as_table, spreads
from studies.report.analysis.rows import Table
from studies.report.compare import compare_runs
from studies.report.report import write_report
from studies.run.rows import read_rows
from studies.run.runner import run_study
from studies.spec.config import load_study

STUDIES = Path(__file__).parent / "library"
DEMO = STUDIES / "demo.yaml"
CAPTURE_DEMO = STUDIES / "in-the-wild.yaml"


class DemoConfig(Config):
    """What `tst demo` takes."""

    capture: bool = False
    """The second act: the house is learned from a phone's walk, imported from the files of Stray Scanner."""
    preset: str = "demo"
    """Scale: one of the presets in studies/library/demo.yaml, with --capture in-the-wild.yaml."""
    seeds: tuple[int, ...] = ()
    """Seeds to run; none given: the preset's."""
    out: Path | None = None
    """Folder of the run, by default runs/demo, or runs/demo-capture; the page is report.html in it."""


class StudyRunConfig(Config):
    """What `tst study run` takes."""

    study: tyro.conf.Positional[Path]
    """The study's YAML file; those that come along may be named without folder and suffix."""
    out: Path | None = None
    """Folder of the run; only a dry run may do without one."""
    preset: str | None = None
    """Scale: one of the file's presets; default: its first."""
    seeds: tuple[int, ...] = ()
    """Seeds to run; none given: the preset's."""
    stages: Path | None = None
    """Folder of stages shared with other studies; by default <out>/stages."""
    set: tuple[str, ...] = ()
    """Fields set otherwise, as PLACE=VALUE, such as base.sensing.size=32 or machine.slots=8."""
    dry_run: bool = False
    """Run nothing: tell runs, stages and what they would take."""


class StudyReportConfig(Config):
    """What `tst study report` takes."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Folder of a run, with rows."""


class StudyCompareConfig(Config):
    """What `tst study compare` takes."""

    a: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")]
    """Folder of a run."""
    b: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")]
    """Folder of the run beside it."""
    out: Path | None = None
    """Folder for the page; none: only what is printed."""


class StudyPowerConfig(Config):
    """What `tst study power` takes."""

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="DIR")]
    """Folders of runs, with rows."""
    effect: float = Field(default=0.01, gt=0)
    """Difference that is to be seen, in the unit of the metric: 0.01 of mIoU is a point."""


def demo(config: DemoConfig) -> None:
    """The whole loop, small, on this machine."""
    study = CAPTURE_DEMO if config.capture else DEMO
    out = config.out or Path("runs/demo-capture" if config.capture else "runs/demo")
    run(StudyRunConfig(study=study, out=out, preset=config.preset, seeds=config.seeds))


def run(config: StudyRunConfig) -> None:
    """Run what is missing of a study, then draw its page from its rows."""
    fields: dict[str, Any] = {}
    for one in config.set:
        place, equals, value = one.partition("=")
        if not equals:
            raise ValueError(f"--set {one}: write PLACE=VALUE, such as base.sensing.size=32")
        fields[place] = yaml.safe_load(value)
    study = load_study(find_study(config.study), config.preset, config.seeds, fields)
    if config.dry_run:
        from studies.run.dry_run import estimate  # here: it measures with what the stages train with

        print(estimate(study, config.out, config.stages))
        return
    if config.out is None:
        raise ValueError(
            "--out is missing, the folder of the run: give one, such as --out runs/NAME; only --dry-run "
            "does without"
        )
    run_study(study, config.out, config.stages)
    print(f"report: {write_report(config.out, read_rows(config.out))}")


def find_study(name: Path) -> Path:
    """The file of a study: as it is named, else among those that come along."""
    own = STUDIES / name.with_suffix(".yaml").name
    if name.exists() or len(name.parts) > 1 or not own.exists():
        return name
    return own


def report(config: StudyReportConfig) -> None:
    """Draw the page of a run again from its rows."""
    rows = read_rows(config.run)
    if not rows:
        raise ValueError(f"{config.run}: no rows yet; run the study again (tst study run): it goes on")
    print(f"report: {write_report(config.run, rows)}")


def compare(config: StudyCompareConfig) -> None:
    """Two runs side by side: what differs in what was asked, and in what came out."""
    print(compare_runs(config.a, config.b, config.out))


def power(config: StudyPowerConfig) -> None:
    """Print what differences vary by in the rows of runs, and how many repeats show one of a given size."""
    names, found = [], []
    for folder in config.runs:
        rows = read_rows(folder)
        if not rows:
            raise ValueError(f"{folder}: no rows yet; run the study first (tst study run)")
        for spread in spreads(Table(rows)):
            names.append(folder.name)
            found.append(spread)
    print(as_table(names, found, config.effect))
