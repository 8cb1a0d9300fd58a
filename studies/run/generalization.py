"""Modality generalization of a run (`RunConfig.generalize`) as stages."""

from collections.abc import Mapping

from studies.run.networks import derive_stages
from studies.run.sources import distinct, store_of
from studies.run.stage import changed
from studies.run.stages.generalize import GeneralizeStage
from studies.run.stages.perceive import PerceiveStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.store import StoreStage
from studies.spec.run import RunConfig


def generalize_stages(
    config: RunConfig,
    phases: tuple[PretrainStage, ...],
    evaluated: Mapping[str, StoreStage],
    guarded: tuple[StoreStage, ...],
) -> dict[str, GeneralizeStage]:
    """Of each set of `evaluated`, `set/generalization`; none where it is not asked for, or where the
    perceptor is a pre-trained multimodal model and the run has none. The run's labels are learned from. Its
    seed is that of the transfer.

    Raises ValueError where the model does not know the modalities, and for a run that is an upper bound."""
    asked = config.generalize
    if asked is None:
        return {}
    if config.upper_bound:
        raise ValueError("generalize has its labels from other houses: leave upper_bound out")
    perceptor, seed = changed(asked.perceptor, runtime=asked.runtime), config.transfer.seed
    if perceptor.kind == "views":
        perceptor = changed(perceptor, views=changed(perceptor.views, seed=seed))
    by_model = perceptor.kind == "encoder"
    if by_model and not (phases and config.objective == "mm"):
        return {}
    unknown = [name for name in perceptor.modalities if by_model and name not in config.modalities]
    if unknown:
        raise ValueError(
            f"generalize.perceptor.modalities has {unknown[0]!r}, and the pre-trained model knows "
            f"{', '.join(config.modalities)}: name its own, or take another kind of perceptor"
        )
    ((labels, count),) = config.labels.items()
    learned = store_of(config, labels, "transfer", count)
    found = {}
    for name, store in evaluated.items():
        label = f"{name}/generalization"
        found[label] = GeneralizeStage(
            name=label,
            generalize=changed(asked, perceptor=perceptor, seed=seed),
            features=PerceiveStage(
                perceptor=perceptor,
                learned=learned,
                shown=store,
                model=phases[-1] if by_model else None,
                derived=tuple(
                    made
                    for frames in (learned, store)
                    for made in derive_stages(config, frames, perceptor.modalities).values()
                ),
            ),
            seen=distinct(s for phase in phases for s in phase.stores) if by_model else (),
            guarded=guarded,
        )
    return found
