"""The pre-trainings of a run as stages: stores, tokenizers, tokens, and one stage for each phase."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from agents.samplers.registry import SamplerOptions
from engine.store.schema import Role
from studies.run.stage import Stage
from studies.run.stages.houses import HousesStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.store import StoreStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.spec.frames import Phase, Sensing
from studies.spec.run import RunConfig
from studies.spec.yaml import merge, parse
from training.pretrain.config import PretrainConfig
from training.pretrain.objectives import OBJECTIVES
from training.tokenizers.tokenizer import TokenizerConfig

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
    """Frames of one set of houses in one role; `sensory`: the only modalities. The run's sampler is for
    pre-training frames; frames of the other roles are sampled densely, as are all in a rectangle."""
    sensing, area = config.sensing, config.houses[name].area_m2
    if area is not None:
        rectangle = {"sampler": "ring", "sampling": SamplerOptions(area_m2=area)}
        sensing = sensing.model_copy(update=rectangle)
    elif role != "pretrain":
        dense = {k: Sensing.model_fields[k].default for k in ("sampler", "sampling")}
        sensing = sensing.model_copy(update=dense)
    houses = HousesStage.of(name, config.houses[name])
    return StoreStage(houses=houses, role=role, frames=frames, sensing=sensing, sensory=sensory)


def pretrain_stages(config: RunConfig) -> tuple[PretrainStage, ...]:
    """The pre-trainings of a run; each starts from the weights of the one before."""
    sensed = [_sensed(config, name, phase) for name, phase in config.phases.items()]
    mixed = _mixed_in(config)
    tokenizers: dict[str, TokenizerStage] = {}
    if sensed and OBJECTIVES[config.objective].tokenized:
        tokenizers = _tokenizers(config, sensed[0] or ([mixed] if mixed else []))
    phases: list[PretrainStage] = []
    for (name, phase), own in zip(config.phases.items(), sensed, strict=True):
        sources = own if mixed is None else _with(own, mixed)
        fields: dict[str, Any] = merge(config.pretrain.model_dump(), phase.pretrain)
        fields |= {"objective": config.objective, "modalities": config.modalities}
        pretrain = parse(PretrainConfig, fields, f"phases.{name}.pretrain")
        tokens = (
            TokensStage(modality=modality, store=s.store, tokenizer=tokenizer, crops=pretrain.mm.crops)
            for s in sources
            for modality, tokenizer in tokenizers.items()
            if s.shows(modality)
        )
        stage = PretrainStage(
            name=name,
            pretrain=pretrain,
            stores=tuple(s.store for s in sources),
            shares=tuple(s.share for s in sources),
            shown=tuple(s.shown for s in sources),
            tokenizers=tokenizers,
            tokens=tuple(tokens),
            start=phases[-1] if phases else None,
        )
        phases.append(stage)
    return tuple(phases)


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


def _mixed_in(config: RunConfig) -> Source | None:
    """RGB of the transfer set's own images (`RunConfig.mix_in`)."""
    if config.mixed_in is None:
        return None
    houses, frames = config.mixed_in
    shown = None if config.modalities == ("rgb",) else ("rgb",)
    return Source(store_of(config, houses, "transfer", frames), config.mix_in.share, shown)


def _with(own: list[Source], mixed: Source) -> list[Source]:
    """A phase's sources and the mix-in, which has its share of all samples."""
    if not own:
        return [mixed]
    scale = (1 - mixed.share) / sum(s.share for s in own)
    return [*(Source(s.store, s.share * scale, s.shown) for s in own), mixed]


def _tokenizers(config: RunConfig, sources: list[Source]) -> dict[str, TokenizerStage]:
    """A tokenizer for each modality, trained on the frames of the first phase only, without the mix-in unless
    there is nothing else: runs that differ in the mix-in predict the same tokens."""
    found = {}
    for modality in config.modalities:
        sensed = [s for s in sources if s.shows(modality)]
        settings = merge(config.tokenizer.model_dump(), config.tokenizer_by_modality.get(modality, {}))
        found[modality] = TokenizerStage(
            modality=modality,
            tokenizer=parse(TokenizerConfig, settings, f"tokenizer_by_modality.{modality}"),
            stores=tuple(s.store for s in sensed),
            shares=tuple(s.share for s in sensed) if len(sensed) > 1 else (1.0,),
        )
    return found
