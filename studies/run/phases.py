"""The pre-trainings of a run as stages: stores, tokenizers, tokens, and one stage for each phase."""

from typing import Any

from studies.run.networks import derive_stages
from studies.run.sources import Source, mixed_in, sources_of_phases, with_mix_in
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.spec.run import RunConfig
from studies.spec.yaml import merge, parse
from training.pretrain.config import PretrainConfig
from training.pretrain.objectives import OBJECTIVES
from training.tokenizers.tokenizer import TokenizerConfig


def pretrain_stages(config: RunConfig) -> tuple[PretrainStage, ...]:
    """The pre-trainings of a run; each starts from the weights of the one before."""
    sensed = sources_of_phases(config)
    mixed = mixed_in(config)
    tokenizers: dict[str, TokenizerStage] = {}
    if sensed and OBJECTIVES[config.objective].tokenized:
        tokenizers = _tokenizers(config, sensed[0] or ([mixed] if mixed else []))
    phases: list[PretrainStage] = []
    for (name, phase), own in zip(config.phases.items(), sensed, strict=True):
        sources = own if mixed is None else with_mix_in(own, mixed)
        fields: dict[str, Any] = merge(config.pretrain.model_dump(), phase.pretrain)
        fields |= {"objective": config.objective, "modalities": config.modalities}
        pretrain = parse(PretrainConfig, fields, f"phases.{name}.pretrain")
        tokens = (
            TokensStage(
                modality=modality,
                store=s.store,
                tokenizer=tokenizer,
                crops=pretrain.mm.crops,
                derived=derive_stages(config, s.store, (modality,)).get(modality),
            )
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
            derived=tuple(d for s in sensed for d in derive_stages(config, s.store, (modality,)).values()),
        )
    return found
