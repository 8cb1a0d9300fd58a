"""The studies that come along: nothing leaks in any of their runs at any scale, and all of them run.

`leaks` goes by the stages of a run and not by what its configuration says of itself, so it would find what
the checks of the configuration let through. Nothing is run but in the slow test.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.store.schema import Role
from scenes.generate.family import load_family
from studies.commands import STUDIES, StudyRunConfig, run
from studies.run import phases, sources
from studies.run.pipeline import RunPlan, plan, plan_run
from studies.run.runner import saved_by_sharing
from studies.run.stage import Stage
from studies.run.stages.derive import DeriveStage
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.generalize import GeneralizeStage
from studies.run.stages.perceive import PerceiveStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.retrieve import RetrieveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.test_time.adapt_batches import AdaptBatchesStage
from studies.run.stages.test_time.choose_steps import ChooseStepsStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import load_study
from studies.spec.houses import Houses
from studies.spec.run import RunConfig

ROOT = Path(__file__).parents[2]
FILES = sorted(p for p in STUDIES.glob("*.yaml") if p.name != "base.yaml")
SCALES = ("smoke", "laptop", "overnight", "gpu", "paper")

LONGER_AT_LAPTOP = {
    "untrained": 4,
    "modalities": 2,
    "semantic-modalities": 4,
    "generalists": 4,
    "distil": 2,
    "modality-generalization": 4,
}
"""Studies that pre-train longer at `laptop` than others, and how many times."""


def presets(path: Path) -> list[str]:
    """The scales of every study, and those that one has besides."""
    own = yaml.safe_load(path.read_text()).get("presets", {})
    return list(dict.fromkeys((*SCALES, *(name for name in own if not name.startswith("_")))))


EVERY = [pytest.param(f, p, id=f"{f.stem}-{p}") for f in FILES for p in presets(f)]


def upstream(stage: Stage) -> dict[str, Stage]:
    """The stage and all whose results go into its own; not those that a guard looks at (`after`)."""
    found = {stage.key: stage}
    for need in stage.needs:
        found |= upstream(need)
    return found


def stores(stages: dict[str, Stage], role: str) -> list[StoreStage]:
    return [s for s in stages.values() if isinstance(s, StoreStage) and s.role == role]


def houses(store: StoreStage) -> Houses:
    """The houses that a store is of, by what their stage makes and not by their name."""
    return store.houses.houses


def pool(store: StoreStage) -> str:
    return load_family(houses(store).family).pool


def leaks(planned: RunPlan) -> list[str]:
    """Everything in a run that a specialist must not have known. None: it is one."""
    every = {s.key: s for s in planned.stages}
    upper, apart = planned.run.config.upper_bound, planned.run.config.disjoint_assets
    found = []
    for stage in every.values():
        if isinstance(stage, EvaluateStage | RetrieveStage | PerceiveStage | GeneralizeStage):
            continue
        known = upstream(stage)
        # What a network makes of frames of evaluation is an input there; nothing that learns may need it.
        if not isinstance(stage, StoreStage | DeriveStage) and stores(known, "eval"):
            found.append(f"{stage.label}: learns from frames of evaluation")
        if isinstance(stage, TokenizerStage | TokensStage | PretrainStage):
            for mixed in stores(known, "transfer"):
                if any(houses(mixed).shares_a_house(houses(s)) for s in stores(every, "eval")):
                    found.append(f"{stage.label}: learns from labelled frames of a house of evaluation")
        if isinstance(stage, PretrainStage):
            seen = stage.pretrain.modalities if stage.tokenizers else ("rgb",)
            for store, shown in zip(stage.stores, stage.shown, strict=True):
                if store.role == "transfer" and (shown or seen) != ("rgb",):
                    found.append(f"{stage.label}: more than RGB of {store.label}")
    tuned = [s for s in every.values() if isinstance(s, TransferStage)]
    scored = [s for s in planned.evaluations.values() if isinstance(s, EvaluateStage)]
    searched = [s for s in planned.evaluations.values() if isinstance(s, GeneralizeStage)]
    labelled = [s for stage in tuned for s in stores(upstream(stage), "transfer")]
    labelled += [stage.features.learned for stage in searched]
    choosing = [s for s in every.values() if isinstance(s, ChooseStepsStage)]
    for stage in choosing:
        if any(houses(s).shares_a_house(houses(stage.labelled)) for s in labelled):
            found.append(f"{stage.label}: chosen in a house that the task was learned from")
    labelled += [stage.labelled for stage in choosing]
    same = {s.houses.key for s in labelled}  # these very houses, sensed anew without labels
    others = [s for s in stores(every, "pretrain") if s.houses.key not in same] + stores(every, "eval")
    for label in labelled:
        for other in others:
            if houses(label).shares_a_house(houses(other)) and not upper:
                found.append(f"labels of {label.label}: a house of {other.label}, and no upper bound")
            if pool(label) == pool(other) and apart and not upper:
                found.append(f"labels of {label.label}: furnished as {other.label}, and nothing says so")
    for stage in (*tuned, *scored):
        if stage.upper_bound != upper:
            found.append(f"{stage.label}: is not marked as the upper bound that it is")
    for stage in (*tuned, *searched, *choosing):
        if set(others) - set(stage.waits_for) and not upper:
            found.append(f"{stage.label}: its guard does not know all spaces of evaluation and pre-training")
    for stage in scored:
        learned = {s for p in planned.phases for s in p.stores} | set(stores(every, "pretrain"))
        if learned - set(stage.needs):
            found.append(f"{stage.label}: its poses are not held against all that were learned")
    for stage in (s for s in planned.evaluations.values() if isinstance(s, RetrieveStage)):
        known = upstream(stage)
        if any(isinstance(s, TransferStage) for s in known.values()):
            found.append(f"{stage.label}: its model has learned from labels")
        if {s for s in known.values() if isinstance(s, StoreStage)} - {*stage.seen, stage.store}:
            found.append(f"{stage.label}: its poses are not held against all that were learned")
    for stage in searched:
        learned = stores(upstream(stage.features.model), "pretrain") if stage.features.model else []
        if set(learned) - set(stage.seen):
            found.append(f"{stage.label}: its poses are not held against all that were learned")
        if stage.features.learned.role != "transfer" or stores(upstream(stage), "eval") != [
            stage.features.shown
        ]:
            found.append(f"{stage.label}: learns from frames of evaluation")
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("path", "preset"), EVERY)
def test_nothing_leaks(path: Path, preset: str):
    study = load_study(path, preset)
    plans = plan(study)
    assert plans
    for planned in plans:
        assert not leaks(planned), planned.run.label
        for run_store in stores({s.key: s for s in planned.stages}, "pretrain"):
            assert "semantic" not in json.dumps(run_store.settings), "labels are no sensory modality"
    study.report.check(
        {p.run.arm: tuple(p.run.point) for p in plans}, {a: tuple(v) for a, v in study.levels.items()}
    )


@pytest.mark.parametrize(("path", "preset"), EVERY)
def test_what_is_compared_is_of_one_distribution(path: Path, preset: str):
    for planned in plan(load_study(path, preset)):
        every = {s.key: s for s in planned.stages}
        labelled = {h for s in stores(every, "transfer") for h in [houses(s).family]}
        learned = {houses(s).family for s in (*stores(every, "pretrain"), *stores(every, "eval"))}
        assert len(learned - labelled) <= 1, f"{planned.run.label}: {sorted(learned)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_overnight_is_longer_than_laptop_and_of_other_houses_in_every_repeat(path: Path):
    if path.stem in ("demo", "budget"):
        return  # the one has scales of its own, the other samples for an axis

    def samples(preset: str) -> set[tuple[str, int]]:
        plans = plan(load_study(path, preset))
        return {(s.pretrain.objective, s.units) for p in plans for s in p.phases}

    laptop, overnight = dict(sorted(samples("laptop"))), dict(sorted(samples("overnight")))
    times = 12 // LONGER_AT_LAPTOP.get(path.stem, 1)
    assert {name: round(overnight[name] / n) for name, n in laptop.items()} == dict.fromkeys(laptop, times)
    seeds = load_study(path, "overnight").seeds
    assert len({s.houses for s in seeds}) == len(seeds) >= 3


def smoke_run(name: str, arm: str) -> Any:
    return next(r for r in load_study(STUDIES / f"{name}.yaml", "smoke").runs() if r.arm == arm)


def planted(**changed: Any) -> list[str]:
    """Leaks of a good run with fields changed behind the back of the configuration's own checks."""
    study = load_study(STUDIES / "demo.yaml", "smoke")
    good = next(r for r in study.runs() if r.arm == "tst-mm")
    assert not leaks(plan_run(good))
    config = RunConfig.model_copy(good.config, update=changed)
    return leaks(plan_run(good.model_copy(update={"config": config})))


def with_houses(name: str, **fields: Any) -> dict[str, Houses]:
    sets = smoke_run("demo", "tst-mm").config.houses
    return {**sets, name: sets[name].model_copy(update=fields)}


def test_a_rectangle_is_of_all_roles_of_its_houses_and_of_no_others():
    for planned in plan(load_study(STUDIES / "rings.yaml", "smoke")):
        every, sets = {s.key: s for s in planned.stages}, planned.run.config.houses
        for store in (s for s in every.values() if isinstance(s, StoreStage)):
            areas = {h.area_m2 for h in sets.values() if h.shares_a_house(houses(store))}
            asked = {None} if store.sensing.sampler == "dense" else {store.sensing.sampling.area_m2}
            assert asked <= areas, store.label
            assert (store.sensing.sampler == "dense") == (store.role == "transfer"), store.label
        (held_out,) = stores(every, "eval")
        assert held_out.sensing.sampling.area_m2 == sets["test"].area_m2


def test_labels_of_the_test_house_are_found():
    assert any("no upper bound" in leak for leak in planted(labels={"test": 16}))
    later = with_houses("transfer", family="apartment", seed=0, count=3)
    assert any("no upper bound" in leak for leak in planted(houses=later))


def test_furniture_of_the_test_house_is_found():
    elsewhere = with_houses("transfer", family="apartment", seed=500)
    found = planted(houses=elsewhere)
    assert found
    assert all("nothing says so" in leak for leak in found)
    assert not planted(houses=elsewhere, disjoint_assets=False)


@pytest.mark.parametrize(
    ("role", "words"), [("eval", "frames of evaluation"), ("transfer", "frames of a house of evaluation")]
)
def test_a_wrong_store_in_pretraining_is_found(monkeypatch: pytest.MonkeyPatch, role: Role, words: str):
    right = sources.store_of

    def wrong(config: RunConfig, name: str, asked: Role, *rest: Any) -> StoreStage:
        return right(config, name, role if asked == "pretrain" else asked, *rest)

    study = load_study(STUDIES / "demo.yaml", "smoke")
    good = next(r for r in study.runs() if r.arm == "tst-mm")
    assert not leaks(plan_run(good))
    monkeypatch.setattr(sources, "store_of", wrong)
    found = leaks(plan_run(good))
    for kind in ("tokenizer rgb", "tokens depth", "pre-training mm"):
        assert any(leak.startswith(kind) and words in leak for leak in found), found


def test_a_retrieval_that_is_not_held_against_all_that_was_learned_is_found():
    good = plan_run(smoke_run("retrieval", "test-house"))
    assert not leaks(good)
    stage = good.evaluations["test/retrieval"]
    blind = {**good.evaluations, "test/retrieval": stage.model_copy(update={"seen": ()})}
    assert any("not held against" in leak for leak in leaks(replace(good, evaluations=blind)))


def test_a_search_that_learns_from_held_out_frames_or_has_no_guard_is_found():
    good = plan_run(smoke_run("modality-generalization", "erm"))
    assert not leaks(good)
    stage = good.evaluations["test/generalization"]
    assert isinstance(stage, GeneralizeStage)
    held_out = stage.features.model_copy(update={"learned": stage.features.shown})
    for fields, words in (
        ({"features": held_out}, "learns from frames of evaluation"),
        ({"seen": ()}, "not held against"),
        ({"guarded": (), "seen": ()}, "guard does not know"),
    ):
        wrong = {**good.evaluations, "test/generalization": stage.model_copy(update=fields)}
        assert any(words in leak for leak in leaks(replace(good, evaluations=wrong))), words


def test_steps_that_are_chosen_where_they_are_evaluated_or_learned_are_found():
    good = plan_run(smoke_run("ttt-mmr", "room"))
    assert not leaks(good)
    stage = good.evaluations["test"]
    assert isinstance(stage, AdaptBatchesStage)
    for fields, words in (
        ({"labelled": stage.store}, "learns from frames of evaluation"),
        ({"labelled": stage.model.labelled}, "a house that the task was learned from"),
        ({"guarded": ()}, "guard does not know"),
    ):
        chosen = stage.chosen.model_copy(update=fields)
        # Everywhere: what the guard looks at is in no key, and stages of one key are one.
        wrong = {n: s.model_copy(update={"chosen": chosen}) for n, s in good.evaluations.items()}
        assert any(words in leak for leak in leaks(replace(good, evaluations=wrong))), words


def test_more_than_rgb_of_the_transfer_houses_is_found(monkeypatch: pytest.MonkeyPatch):
    right = phases.mixed_in

    def with_all_sensors(config: RunConfig) -> Any:
        return replace(right(config), shown=None)

    monkeypatch.setattr(phases, "mixed_in", with_all_sensors)
    found = leaks(plan_run(smoke_run("demo", "tst-mm")))
    assert any("more than RGB" in leak for leak in found), found


def test_a_bound_that_is_not_marked_is_found():
    study = load_study(STUDIES / "bounds.yaml", "smoke")
    bound = next(r for r in study.runs() if r.arm == "tst-mm-supervised")
    assert bound.config.upper_bound
    hidden = RunConfig.model_copy(bound.config, update={"upper_bound": False})
    assert leaks(plan_run(bound.model_copy(update={"config": hidden})))
    marked = {r.arm for r in study.runs() if r.config.upper_bound}
    assert marked == {"supervised", "tst-mm-supervised"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_opens_with_how_to_run_it(path: Path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any(f"tst study run {path.stem} " in line for line in head)
    assert load_study(path, "smoke").question.endswith("?")
    assert load_study(path, "smoke").name == path.stem


def test_studies_are_listed():
    page = (ROOT / "docs" / "studies.md").read_text()
    assert all(f"studies/library/{path.name}" in page for path in FILES)


def test_the_study_of_the_documentation_is_one(tmp_path: Path):
    page = (ROOT / "docs" / "write-a-study.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    assert len(text.splitlines()) < 20
    (tmp_path / "studies").symlink_to(ROOT / "studies")
    (tmp_path / "depth-sensor.yaml").write_text(text)
    for preset in SCALES:
        study = load_study(tmp_path / "depth-sensor.yaml", preset)
        plans = plan(study)
        assert study.name == "depth-sensor"
        assert not [leak for p in plans for leak in leaks(p)]
        study.report.check(
            {p.run.arm: tuple(p.run.point) for p in plans}, {a: tuple(v) for a, v in study.levels.items()}
        )


def test_studies_share_stages(capsys: pytest.CaptureFixture[str]):
    plans = [p for path in FILES for p in plan(load_study(path, "smoke"))]
    asked, saved = sum(len(p.stages) for p in plans), saved_by_sharing(plans)
    with capsys.disabled():
        print(
            f"\nsmoke: {len(FILES)} studies, {len(plans)} runs ask for {asked} stages; "
            f"{asked - saved} are done, {saved} saved by sharing"
        )
    assert saved > asked / 2


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of stages for all studies: what one has done the next one finds."""
    return tmp_path_factory.mktemp("shared") / "stages"


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_study_runs(path: Path, stages: Path, tmp_path: Path):
    out = tmp_path / path.stem
    run(StudyRunConfig(study=path, out=out, preset="smoke", stages=stages, set=("machine.slots=0",)))
    planned = plan(load_study(path, "smoke"))
    rows = [json.loads(p.read_text()) for p in sorted((out / "rows").glob("*.json"))]
    assert len(rows) == len(planned)
    for row in rows:
        assert all(0 <= v <= 1 for k, v in row["metrics"].items() if k.endswith("/miou"))
        assert row["upper_bound"] == row["config"]["upper_bound"]
    page = (out / "report.html").read_text()
    assert load_study(path, "smoke").question.split()[0] in page
