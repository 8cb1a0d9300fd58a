"""Test-time training of a run (`RunConfig.adapt`) as stages."""

from typing import Any

from studies.run.networks import derive_stages
from studies.run.sources import store_of
from studies.run.stage import changed
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.test_time.adapt import AdaptStage
from studies.run.stages.test_time.adapt_batches import AdaptBatchesStage
from studies.run.stages.test_time.choose_steps import ChooseStepsStage
from studies.spec.run import RunConfig
from training.adaptation.batch_adapted import MmrConfig


def with_adaptation(config: RunConfig, stage: EvaluateStage) -> EvaluateStage:
    """The evaluation of a model that adapts first, where the run asks for it and the model can; any other
    evaluation as it is. To images: a linear probe, whose encoder is still the pre-trained one. To batches: a
    segmenter that was tuned jointly with the reconstruction of sensors. Masks and random batches have the
    transfer's seed.

    Raises ValueError for a run that has no such model."""
    asked = config.adapt
    if asked is None:
        return stage
    if asked.mmr is not None:
        return _to_batches(config, asked.mmr, stage)
    if not config.phases or config.objective != "mae" or "linear" not in config.protocols:
        raise ValueError(
            "adapt needs a masked autoencoder and a head on its frozen encoder: give the run phases, "
            "objective mae and the protocol linear, or set adapt to null"
        )
    if stage.model.transfer.protocol != "linear":
        return stage
    adapt = changed(asked, mae=changed(asked.mae, seed=config.transfer.draw_seed))
    return AdaptStage(**_fields(stage), adapt=adapt)


def _fields(stage: EvaluateStage) -> dict[str, Any]:
    return {name: getattr(stage, name) for name in type(stage).model_fields}


def _to_batches(config: RunConfig, asked: MmrConfig, stage: EvaluateStage) -> EvaluateStage:
    transfer = stage.model.transfer
    if transfer.protocol != "finetune" or transfer.task != "segmentation":
        return stage
    if transfer.joint is None or config.upper_bound:
        raise ValueError(
            "adapt.mmr needs a model that was tuned jointly with the reconstruction of sensors, on labels of "
            "other houses: set transfer.joint, and leave upper_bound out"
        )
    name, count = _validation(config)
    labelled = store_of(config, name, "transfer", count)
    mmr = changed(asked, seed=transfer.draw_seed)
    chosen = ChooseStepsStage(
        mmr=mmr,
        evaluate=config.scoring,
        model=stage.model,
        labelled=labelled,
        derived=tuple(derive_stages(config, labelled, transfer.inputs).values()),
        guarded=stage.model.guarded,
    )
    return AdaptBatchesStage(**_fields(stage), mmr=mmr, chosen=chosen)


def _validation(config: RunConfig) -> tuple[str, int]:
    """The set of houses that the number of steps is chosen in, and frames of each. Raises ValueError where
    there is none, or it is not apart from all others."""
    if not config.validation:
        raise ValueError(
            "adapt.mmr chooses its number of steps on labelled frames of houses that the task is not learned "
            "from: name a set of them in validation"
        )
    ((name, count),) = config.validation.items()
    held_out = config.houses[name]
    others = {n: None for p in config.phases.values() for n in p.houses}
    others |= dict.fromkeys((*config.labels, *config.propagate, *config.evaluate))
    for other in others:
        theirs = config.houses[other]
        if held_out.shares_a_house(theirs):
            raise ValueError(
                f"houses.{name}, which steps are chosen in, and houses.{other} share a house: same family, "
                "overlapping seeds; move the seed of one"
            )
        if config.disjoint_assets and other in config.evaluate and held_out.shares_assets(theirs):
            raise ValueError(
                f"houses.{name}, whose labels choose the steps, and houses.{other} are furnished from one "
                "pool: take the family of the labelled houses, or `disjoint_assets: false`"
            )
    return name, count
