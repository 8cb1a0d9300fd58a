"""Networks in studies: what is derived of which frames, once, and that no row loses what they knew."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.networks import efficientnet_lite
from engine.store.store import Store
from studies.commands import STUDIES
from studies.report.report import write_report
from studies.run.pipeline import RunPlan, plan
from studies.run.rows import STAGES, read_rows
from studies.run.runner import run_study
from studies.run.stage import Stage
from studies.run.stages.derive import DeriveStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import StudyConfig, load_study
from studies.spec.networks import NetworkSpec
from tests.engine.networks.packages import needs
from tests.own_networks import install
from tests.studies.test_study_files import leaks, upstream


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch):
    """As if the project were installed with its entry points."""
    install(monkeypatch)


CLIP = {"network": "clip", "weights": "untrained", "shape": "tiny"}
OWN = {"weights": "labels"}
HEAD = """
extends: {base}
base:
  modalities: [rgb, depth]
  mix_in: {{share: 0.5}}
  protocols: [knn]
  networks: {{clip: {clip}, other: {other}, segmenter: {own}, detector: {own}, captioner: {own}}}
  transfer: {{samples: 32}}
arms:
  mm: {{}}
  clip: {{modalities: [rgb, clip]}}
  both: {{modalities: [rgb, clip, segmenter, detector, captioner]}}
report: {{form: bars, metrics: [test/knn/miou]}}
presets: {{smoke: {{}}}}
"""


def study(tmp_path: Path, **fields: Any) -> StudyConfig:
    base = Path("studies/library/base.yaml").absolute()
    other = json.dumps(CLIP | {"seed": 1})
    path = tmp_path / "study.yaml"
    path.write_text(HEAD.format(base=base, clip=json.dumps(CLIP), other=other, own=json.dumps(OWN)))
    return load_study(path, "smoke", fields=fields)


def arm(plans: list[RunPlan], name: str) -> RunPlan:
    return next(p for p in plans if p.run.arm == name)


def kinds(stages: tuple[Stage, ...], kind: str) -> dict[str, Stage]:
    return {s.key: s for s in stages if s.kind == kind}


def test_frames_are_sensed_once_and_a_network_runs_once_over_them(tmp_path: Path):
    plans = plan(study(tmp_path))
    pretrained = [s for p in plans for s in p.phases[0].stores if s.role == "pretrain"]
    assert len({s.key for s in pretrained}) == 1
    derived = {s.key: s for p in plans for s in p.derived}
    assert sorted(s.modality for s in derived.values()) == ["captioner", "clip", "detector", "segmenter"]
    assert {s.store.role for s in derived.values()} == {"pretrain"}, "the task's input is RGB alone"
    assert not arm(plans, "mm").derived


def test_a_study_without_networks_has_the_stages_that_it_had(tmp_path: Path):
    unused = dict.fromkeys(["clip", "other", "segmenter", "detector", "captioner"])
    (run,) = plan(study(tmp_path, **{"base.networks": unused, "arms.clip": None, "arms.both": None}))
    assert run.evaluations == arm(plan(study(tmp_path)), "mm").evaluations
    assert not any("derived" in s.settings for s in run.stages)


@pytest.mark.parametrize(
    ("name", "task", "kind"),
    [
        ("segmenter", "segmentation", "labels"),
        ("detector", "detection", "boxes"),
        ("captioner", "captioning", "text"),
    ],
)
def test_the_labeller_is_of_the_transfer_set_and_guarded(tmp_path: Path, name: str, task: str, kind: str):
    plans = plan(study(tmp_path, seeds=[0, 1]))
    both = arm(plans, "both")
    (own,) = [s for s in both.derived if s.modality == name]
    assert own.output.kind == kind
    assert isinstance(own.labeller, TransferStage)
    assert own.labeller.labelled.houses.name == "transfer"
    assert own.labeller.transfer.task == task
    assert own.labeller.start is None
    assert {s.role for s in own.labeller.guarded} == {"pretrain", "eval"}
    assert len({s.key for p in plans for s in p.derived if s.modality == name}) == 1, "in all repeats"
    assert not leaks(both)


def test_what_a_network_makes_is_in_the_key_of_what_reads_it(tmp_path: Path):
    trained = plan(study(tmp_path))
    other = plan(study(tmp_path, **{"base.networks.clip.seed": 5}))
    for name, same in (("mm", True), ("clip", False), ("both", False)):
        assert (arm(trained, name).key == arm(other, name).key) is same
    tokens = [s for s in arm(trained, "clip").stages if s.kind in ("tokens", "tokenizer")]
    made = [s for s in tokens if any(isinstance(n, DeriveStage) for n in upstream(s).values())]
    assert len(made) == 2


SEEN = {
    "phases": {"first": None},
    "protocols": ["finetune"],
    "transfer": {"inputs": ["rgb", "depth", "clip"]},
}


def test_an_input_of_the_task_is_made_of_the_frames_that_it_reads(tmp_path: Path):
    run = arm(plan(study(tmp_path, **{"arms.seen": SEEN})), "seen")
    assert {(s.modality, s.store.role) for s in run.derived} == {("clip", "transfer"), ("clip", "eval")}
    assert all("derive" in {n.kind for n in stage.needs} for stage in run.stages if stage.kind in
               ("transfer", "evaluate"))  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arms.seen": SEEN | {"transfer": {"inputs": ["rgb", "sonar"]}}}, "transfer.inputs names 'sonar'"),
        ({"arms.seen": SEEN | {"transfer": {"inputs": ["rgb", "segmenter"]}}}, "never run on them"),
        ({"arms.clip.modalities": ["rgb", "sonar"]}, "names 'sonar': bodies sense .* say under `networks`"),
        ({"base.networks.depth": CLIP}, "networks.depth: that is sensed"),
        ({"base.networks.clip": {"network": "clop"}}, "unknown network 'clop'"),
        ({"base.networks.clip.shapes": "tiny"}, "option shapes.*it takes image, shape"),
        ({"base.networks.clip.weights": "labels"}, "weights 'labels' are of segmenter, detector, captioner"),
        ({"arms.both.networks": {"clip": {"seed": 3}}}, "one network in the run clip r0, another in both r0"),
    ],
)
def test_what_cannot_be_made_is_one_error(tmp_path: Path, fields: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        plan(study(tmp_path, **fields))


def test_the_short_form_is_of_the_network_of_that_name(tmp_path: Path):
    found = study(tmp_path, **{"base.networks.hed": {}}).runs()[0].config.networks["hed"]
    assert found == NetworkSpec(network="hed")


def test_weights_that_are_not_here_are_missed_before_anything_is_done(tmp_path: Path):
    lacking = study(tmp_path, **{"base.networks.clip": {"weights": "trained", "shape": "published"}})
    with pytest.raises(ValueError, match="hf download openai/clip-vit-base-patch16"):
        run_study(lacking, tmp_path / "out")
    assert not list((tmp_path / "out" / STAGES).glob("*/done.json"))


@pytest.mark.slow
def test_rows_and_page_say_what_networks_knew(tmp_path: Path):
    """From the store's array to the page."""
    small = study(tmp_path, **{"machine.slots": 0, "base.frames": 32, "arms.seen": SEEN})
    out = tmp_path / "out"
    assert len(run_study(small, out)) == 4
    rows = {r["arm"]: r for r in read_rows(out)}
    assert {r["external_access"] for r in rows.values()} == {"none"}
    assert [k["name"] for k in rows["both"]["knowledge"]] == ["clip", "segmenter", "detector", "captioner"]
    assert all(k["labelled_houses"] for k in rows["both"]["knowledge"][1:])
    assert [k["name"] for k in rows["seen"]["knowledge"]] == ["clip"]
    for name in ("mm", "clip", "both"):
        (planned,) = [p for p in plan(small) if p.run.arm == name]
        counted = planned.phases[0].gflop_per_sample
        measured = planned.phases[0].done(out / STAGES)
        assert measured is not None
        assert measured["metrics"]["gflop_per_sample"] == pytest.approx(counted, rel=1e-6), name
    store = planned.phases[0].stores[0].path(out / STAGES)
    made = {m.name: (m.origin.output, m.origin.classes) for m in Store.open(store).modalities if m.origin}
    foreseen = {s.modality: (s.output.kind, s.output.classes) for s in arm(plan(small), "both").derived}
    (kind, words), (foreseen_kind, places) = made.pop("captioner"), foreseen.pop("captioner")
    assert (kind, len(words)) == (foreseen_kind, len(places)), "words are known when they are learned"
    assert "Ġa" in words
    assert {name: made[name] for name in foreseen} == foreseen
    text = write_report(out, read_rows(out)).read_text()
    assert "What networks made of RGB" in text
    assert "of labels of" in text
    assert str(tmp_path) not in json.dumps([r["knowledge"] for r in rows.values()]), "rows are to be moved"


@pytest.mark.slow
@needs(efficientnet_lite.FILE)
def test_what_was_learned_elsewhere_is_in_the_row_and_on_the_page(tmp_path: Path):
    """Of a trained network, from its weights through derive, tokens, pre-training and evaluation; an arm
    without it beside it has none."""
    network = {"network": "efficientnet_lite0", "image": 64}
    arms = {"mm": {}, "features": {"modalities": ["rgb", "features"]}, "clip": None, "both": None}
    fields = {"base.networks": {"features": network}, "base.frames": 16, "arms": arms, "machine.slots": 0}
    trained, out = study(tmp_path, **fields), tmp_path / "out"
    assert len(run_study(trained, out)) == 2
    rows = {r["arm"]: r for r in read_rows(out)}
    assert rows["mm"]["external_access"] == "none"
    assert rows["features"]["external_access"] == "pseudolabels"
    ((known,), metrics) = rows["features"]["knowledge"], rows["features"]["metrics"]
    assert (known["name"], known["external_access"]) == ("efficientnet_lite0", "pseudolabels")
    assert metrics["test/knn/miou"] >= 0
    write_report(out, read_rows(out))
    points = json.loads((out / "report.json").read_text())["points"]
    assert {p["arm"]: p["external_access"] for p in points} == {"mm": ["none"], "features": ["pseudolabels"]}


@pytest.mark.parametrize(
    "preset", ["laptop", *(pytest.param(p, marks=pytest.mark.slow) for p in ("smoke", "gpu", "paper"))]
)
def test_studies_that_share_stages_mean_the_same_network_by_a_name(preset: str):
    """What a network makes is an array of the store, and studies of one `--stages` share stores."""
    meant: dict[tuple[str, str], tuple[str, str]] = {}
    for path in sorted(STUDIES.glob("*.yaml")):
        if "networks:" not in path.read_text():
            continue
        for stage in (s for run in plan(load_study(path, preset)) for s in run.derived):
            array = (stage.store.key, stage.modality)
            assert meant.setdefault(array, (stage.key, path.stem))[0] == stage.key, (path.stem, meant[array])
    assert meant


CLASSES = ("clip", "dinov2", "dinov3", "imagebind", "vit", "mae", "sam_edges", "rtdetr_v2", "mask2former",
           "depth_anything")  # fmt: skip


@pytest.mark.slow
def test_every_network_of_transformers_goes_all_the_way(tmp_path: Path):
    """Frames, what each network makes of them, a tokenizer of its kind, one pre-training on all, a score."""
    tiny: dict[str, Any] = {"weights": "untrained", "shape": "tiny"}
    networks = {name: tiny | ({"points": 2} if name == "sam_edges" else {}) for name in CLASSES}
    fields = {
        "base.networks": networks,
        "base.modalities": ["rgb", *CLASSES],
        "base.frames": 16,
        "base.tokenizer": {"patch": 8, "codes": 16, "steps": 4, "batch": 8, "check_frames": 16},
        "base.pretrain.samples": 64,
        "arms": {"all": {}},
        "machine.slots": 0,
    }
    out, all_of_them = tmp_path / "out", study(tmp_path, **fields)
    assert len(run_study(all_of_them, out)) == 1
    (planned,) = plan(all_of_them)
    done = planned.phases[0].done(out / STAGES)
    assert done is not None
    assert done["metrics"]["losses"].keys() == {"total", "rgb", *CLASSES}
    assert done["metrics"]["gflop_per_sample"] == pytest.approx(planned.phases[0].gflop_per_sample, rel=1e-6)
    made = {s.modality: (s.done(out / STAGES) or {})["metrics"] for s in planned.derived}
    assert {m["output"] for m in made.values()} == {"features", "edges", "boxes", "labels", "depth"}
    assert all(m["frames"] == 16 and m["bytes"] > 0 for m in made.values())
    (row,) = read_rows(out)
    assert row["external_access"] == "none"
    assert {k["name"] for k in row["knowledge"]} == set(CLASSES)
    assert row["metrics"]["test/knn/miou"] >= 0
