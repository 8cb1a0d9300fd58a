"""A study that says which crops its pre-training is on tokenizes them too."""

from studies.commands import DEMO
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.tokens import TokensStage
from studies.spec.config import load_study


def mm(fields: dict) -> RunPlan:
    study = load_study(DEMO, "smoke", fields=fields)
    return next(p for p in plan(study) if p.run.config.objective == "mm" and p.phases)


def test_tokens_are_of_the_crops_that_the_pretraining_is_on():
    whole, cropped = mm({}), mm({"base.pretrain.mm.crops.count": 3})
    for stages in zip(whole.stages, cropped.stages, strict=True):
        kinds, keys = {s.kind for s in stages}, {s.key for s in stages}
        assert len(kinds) == 1
        changed = kinds <= {"tokens", "pretrain", "transfer", "evaluate"}
        assert len(keys) == 1 + changed, stages[0].label
    tokens = [s for s in cropped.stages if isinstance(s, TokensStage)]
    assert {s.modality for s in tokens} == {"rgb", "depth", "normals", "edges"}
    assert all(s.crops == cropped.phases[0].pretrain.mm.crops for s in tokens)
    assert tokens[0].crops.count == 3
