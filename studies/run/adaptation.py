"""Test-time training of a run (`RunConfig.adapt`) as stages."""

from studies.run.stage import changed
from studies.run.stages.adapt import AdaptStage
from studies.run.stages.evaluate import EvaluateStage
from studies.spec.run import RunConfig


def with_adaptation(config: RunConfig, stage: EvaluateStage) -> EvaluateStage:
    """The evaluation of a model that adapts first, where the run asks for it and the model is a linear probe,
    whose encoder is still the pre-trained one; any other evaluation as it is. Masks have the transfer's seed.

    Raises ValueError for a run without a pre-trained masked autoencoder, or without the protocol linear."""
    asked = config.adapt
    if asked is None:
        return stage
    if not config.phases or config.objective != "mae" or "linear" not in config.protocols:
        raise ValueError(
            "adapt needs a masked autoencoder and a head on its frozen encoder: give the run phases, "
            "objective mae and the protocol linear, or set adapt to null"
        )
    if stage.model.transfer.protocol != "linear":
        return stage
    adapt = changed(asked, mae=changed(asked.mae, seed=config.transfer.draw_seed))
    fields = {name: getattr(stage, name) for name in type(stage).model_fields}
    return AdaptStage(**fields, adapt=adapt)
