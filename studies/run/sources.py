"""The stores of a run: frames of its sets of houses, and which of them each phase of pre-training reads."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from agents.phone.recording import PhoneConfig
from agents.samplers.registry import SamplerOptions
from engine.store.schema import Role
from studies.run.stage import Stage
from studies.run.stages.capture import CaptureStage
from studies.run.stages.captured import CapturedStage
from studies.run.stages.houses import HousesStage
from studies.run.stages.store import StoreStage
from studies.spec.frames import Phase, Sensing
from studies.spec.run import RunConfig

S = TypeVar("S", bound=Stage)


@dataclass(frozen=True)
class Source:
    """A store that a phase of pre-training reads."""

    store: StoreStage
    share: float
    """Share of the samples, relative to the other sources'."""
    shown: tuple[str, ...] | None
    """The only modalities of it that are seen and predicted; None: all."""

    def shows(self, modality: str) -> bool:
        """Whether a modality of it is seen and predicted."""
        return self.shown is None or modality in self.shown


def distinct(stages: Iterable[S]) -> tuple[S, ...]:
    """Each stage once, in order."""
    return tuple({stage.key: stage for stage in stages}.values())


def store_of(
    config: RunConfig, name: str, role: Role, frames: int, sensory: tuple[str, ...] | None = None
) -> StoreStage:
    """Frames of one set of houses in one role; `sensory`: the only modalities; of those, the ones that
    networks make are not sensed, and RGB is for them. The run's sampler is for pre-training frames; frames
    of the other roles are sampled densely, as are all in a rectangle, unless the houses have a sampler of
    their own, or a phone."""
    if config.houses[name].phone is not None:
        return _captured(config, name, role, frames)
    sensing, area = config.sensing, config.houses[name].area_m2
    if area is not None:
        rectangle = {"sampler": "ring", "sampling": SamplerOptions(area_m2=area)}
        sensing = sensing.model_copy(update=rectangle)
    elif config.houses[name].sampler is not None:
        sensing = sensing.model_copy(update={"sampler": config.houses[name].sampler})
    elif role != "pretrain":
        dense = {k: Sensing.model_fields[k].default for k in ("sampler", "sampling")}
        sensing = sensing.model_copy(update=dense)
    houses = HousesStage.of(name, config.houses[name])
    if sensory is not None and (made := config.networks.keys() & set(sensory)):
        sensory = tuple(dict.fromkeys(("rgb", *(m for m in sensory if m not in made))))
    return StoreStage(houses=houses, role=role, frames=frames, sensing=sensing, sensory=sensory)


def _captured(config: RunConfig, name: str, role: Role, frames: int) -> CapturedStage:
    """Frames of a phone's walk in one role."""
    phone, houses = config.houses[name].phone, HousesStage.of(name, config.houses[name])
    assert phone is not None
    assert role != "transfer", "a phone's frames have no labels"
    recorded = {field: getattr(phone, field) for field in PhoneConfig.model_fields}
    recorded["seed"] += config.sensing.seed
    walk = CaptureStage(houses=houses, phone=PhoneConfig(**recorded), format=phone.format)
    return CapturedStage(
        houses=houses,
        role=role,
        frames=frames,
        sensing=Sensing(size=config.sensing.size),
        walk=walk,
        held_out=phone.held_out,
        apart=phone.apart,
    )


def sources_of_phases(config: RunConfig) -> list[list[Source]]:
    """What each phase reads, in order, without the mix-in."""
    return [_sensed(config, name, phase) for name, phase in config.phases.items()]


def _sensed(config: RunConfig, name: str, phase: Phase) -> list[Source]:
    """What a phase reads of the sets of houses that it names."""
    return [
        Source(
            store_of(config, houses, "pretrain", frames, phase.modalities.get(houses)),
            phase.houses[houses],
            phase.modalities.get(houses),
        )
        for houses, frames in config.frames_of(name, phase).items()
    ]


def mixed_in(config: RunConfig) -> Source | None:
    """RGB of the transfer set's own images (`RunConfig.mix_in`)."""
    if config.mixed_in is None:
        return None
    houses, frames = config.mixed_in
    shown = None if config.modalities == ("rgb",) else ("rgb",)
    return Source(store_of(config, houses, "transfer", frames), config.mix_in.share, shown)


def with_mix_in(own: list[Source], mixed: Source) -> list[Source]:
    """A phase's sources and the mix-in, which has its share of all samples."""
    if not own:
        return [mixed]
    scale = (1 - mixed.share) / sum(s.share for s in own)
    return [*(Source(s.store, s.share * scale, s.shown) for s in own), mixed]


def guarded_stores(config: RunConfig) -> tuple[StoreStage, ...]:
    """Stores of the houses whose labels no model of the run may learn from: those of evaluation, and those
    that are learned from without labels, but for the labelled houses themselves."""
    mixed = mixed_in(config) if config.phases else None
    learned = [s for phase in sources_of_phases(config) for s in phase] + ([mixed] if mixed else [])
    labelled = [HousesStage.of(name, config.houses[name]) for name in config.labels]
    evaluated = [store_of(config, name, "eval", n) for name, n in config.evaluate.items()]
    unlabelled = [store_of(config, name, "pretrain", n) for name, n in config.propagate.items()]
    others = [s.store for s in learned if s.store.houses not in labelled]
    return distinct((*evaluated, *others, *unlabelled))
