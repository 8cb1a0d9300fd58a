"""A run as stages: houses -> stores -> tokenizers -> tokens -> pre-training -> transfer -> evaluation. With
label propagation the transferred model is a teacher; a student, tuned on its pseudo-labels too, is evaluated.

A store holds one set of houses in one role. Runs that need the same stage, of one study or of several, share
it, because it has the same key; it is run once.

No label of the test space reaches training. `PretrainFrames` reads sensory frames only, and these are stored
without labels. `TransferFrames` is given the spaces of pre-training and evaluation and refuses their labels.
`EvalFrames` are opened by the evaluation only, which checks that no pose was seen before, and refuses a model
that was tuned on labels of their space.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from engine.store.schema import Role
from studies.run.stage import Stage, changed
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.houses import HousesStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.propagate import PropagateStage
from studies.run.stages.store import StoreStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import Run, StudyConfig
from studies.spec.run import Phase, RunConfig, Sensing
from studies.spec.yaml import merge, parse
from training.pretrain.config import PretrainConfig
from training.pretrain.objectives import OBJECTIVES
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.config import TransferConfig
from training.transfer.task import TrainingProtocol

S = TypeVar("S", bound=Stage)


@dataclass(frozen=True)
class RunPlan:
    """One run of a study as stages."""

    run: Run
    evaluations: Mapping[str, Stage]
    """By set of houses; for protocols other than fine-tuning by `set/protocol`."""
    phases: tuple[PretrainStage, ...]
    """The pre-trainings, in order."""

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, each once, needs first."""
        return _distinct(stage for last in self.evaluations.values() for stage in last.closure())

    @property
    def key(self) -> str:
        """Hash of the keys of all evaluations, and so of all stages."""
        content = {name: stage.key for name, stage in self.evaluations.items()}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def plan(study: StudyConfig) -> list[RunPlan]:
    """All runs of a study as stages. Raises ValueError for an invalid run."""
    return [plan_run(run) for run in study.runs()]


def plan_run(run: Run) -> RunPlan:
    """One run as stages. Raises ValueError for an invalid run."""
    config = run.config
    learned = [_stores(config, name, phase) for name, phase in config.phases.items()]
    phases = _phases(config, learned)
    evaluated = {name: _store(config, name, "eval", n) for name, n in config.evaluate.items()}
    unlabelled = [_store(config, name, "pretrain", n) for name, n in config.propagate.items()]
    # Pre-training may use unlabelled frames of the labelled houses; labels of all other houses are refused.
    guarded = [s for stores in learned for name, s in stores.items() if name not in config.labels]
    guarded = _distinct((*evaluated.values(), *guarded, *unlabelled))
    seen = _distinct((*(s for stores in learned for s in stores.values()), *unlabelled))
    evaluations: dict[str, Stage] = {}
    for protocol in config.protocols:
        model = _tuned(config, protocol, phases, unlabelled, guarded)
        for name, store in evaluated.items():
            label = name if protocol == "finetune" else f"{name}/{protocol}"
            evaluations[label] = EvaluateStage(
                name=label,
                evaluate=config.scoring,
                upper_bound=config.upper_bound,
                store=store,
                model=model,
                seen=seen,
                labelled=model.labelled if config.upper_bound else None,
            )
    return RunPlan(run, evaluations, phases)


def _distinct(stages: Iterable[S]) -> tuple[S, ...]:
    """Each stage once, in order."""
    return tuple({stage.key: stage for stage in stages}.values())


def _store(
    config: RunConfig, name: str, role: Role, frames: int, sensory: tuple[str, ...] | None = None
) -> StoreStage:
    """Frames of one set of houses in one role; `sensory`: the only modalities. The run's sampler is for
    pre-training frames; frames of the other roles are sampled densely."""
    sensing = config.sensing
    if role != "pretrain":
        dense = {k: Sensing.model_fields[k].default for k in ("sampler", "sampling")}
        sensing = sensing.model_copy(update=dense)
    houses = HousesStage.of(name, config.houses[name])
    return StoreStage(houses=houses, role=role, frames=frames, sensing=sensing, sensory=sensory)


def _stores(config: RunConfig, name: str, phase: Phase) -> dict[str, StoreStage]:
    """Stores of a phase, by set of houses."""
    return {
        houses: _store(config, houses, "pretrain", frames, phase.modalities.get(houses))
        for houses, frames in config.frames_of(name, phase).items()
    }


def _sensing(phase: Phase, modality: str) -> list[str]:
    """The sets of houses in a phase that have a modality."""
    return [name for name in phase.houses if modality in phase.modalities.get(name, (modality,))]


def _tokenizers(config: RunConfig, stores: dict[str, StoreStage]) -> dict[str, TokenizerStage]:
    """A tokenizer for each modality, trained on the frames of the first phase only."""
    first = next(iter(config.phases.values()))
    found = {}
    for modality in config.modalities:
        sensed = _sensing(first, modality)
        settings = merge(config.tokenizer.model_dump(), config.tokenizer_by_modality.get(modality, {}))
        found[modality] = TokenizerStage(
            modality=modality,
            tokenizer=parse(TokenizerConfig, settings, f"tokenizer_by_modality.{modality}"),
            stores=tuple(stores[name] for name in sensed),
            shares=tuple(first.houses[name] for name in sensed) if len(sensed) > 1 else (1.0,),
        )
    return found


def _phases(config: RunConfig, learned: list[dict[str, StoreStage]]) -> tuple[PretrainStage, ...]:
    """The pre-trainings of a run; each starts from the weights of the one before. `learned`: their stores."""
    tokenizers = _tokenizers(config, learned[0]) if learned and OBJECTIVES[config.objective].tokenized else {}
    phases: list[PretrainStage] = []
    for (name, phase), stores in zip(config.phases.items(), learned, strict=True):
        fields: dict[str, Any] = merge(config.pretrain.model_dump(), phase.pretrain)
        fields |= {"objective": config.objective, "modalities": config.modalities}
        own = parse(PretrainConfig, fields, f"phases.{name}.pretrain")
        tokens = (
            TokensStage(modality=modality, store=store, tokenizer=tokenizer, crops=own.mm.crops)
            for houses, store in stores.items()
            for modality, tokenizer in tokenizers.items()
            if houses in _sensing(phase, modality)
        )
        stage = PretrainStage(
            name=name,
            pretrain=own,
            stores=tuple(stores.values()),
            shares=tuple(phase.houses.values()),
            shown=tuple(phase.modalities.get(houses) for houses in stores),
            tokenizers=tokenizers,
            tokens=tuple(tokens),
            start=phases[-1] if phases else None,
        )
        phases.append(stage)
    return tuple(phases)


def _tuned(
    config: RunConfig,
    protocol: TrainingProtocol,
    phases: tuple[PretrainStage, ...],
    unlabelled: list[StoreStage],
    guarded: tuple[StoreStage, ...],
) -> TransferStage:
    """The model that is evaluated: a student if there are `unlabelled` frames for pseudo-labels."""
    fields = merge(config.transfer.model_dump(), config.transfer_by_protocol.get(protocol, {}))
    ((name, count),) = config.labels.items()
    model = TransferStage(
        transfer=parse(TransferConfig, fields | {"protocol": protocol}, f"transfer_by_protocol.{protocol}"),
        upper_bound=config.upper_bound,
        labelled=_store(config, name, "transfer", count),
        start=phases[-1] if phases else None,
        guarded=guarded,
    )
    for store in unlabelled:
        teacher = PropagateStage(propagate=config.propagation, store=store, teacher=model)
        model = changed(model, pseudo=teacher, unlabelled=store)
    return model
