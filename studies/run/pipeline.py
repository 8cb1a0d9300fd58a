"""A run as stages: houses -> stores -> tokenizers -> tokens -> pre-training -> transfer -> evaluation. With
label propagation the transferred model is a teacher; a student, tuned on its pseudo-labels too, is evaluated.
Retrieval is of the pre-trained model itself.

A store holds one set of houses in one role. Runs that need the same stage, of one study or of several, share
it, because it has the same key; it is run once.

No label of the test space reaches training. `PretrainFrames` reads sensory frames only, and these are stored
without labels. `TransferFrames` is given the spaces of pre-training and evaluation and refuses their labels.
`EvalFrames` are opened by the evaluation only, which checks that no pose was seen before, and refuses a model
that was tuned on labels of their space.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from studies.run.adaptation import with_adaptation
from studies.run.equal_compute import with_equal_compute
from studies.run.generalization import generalize_stages
from studies.run.networks import check_one_network_a_name, derive_stages
from studies.run.phases import pretrain_stages
from studies.run.sources import distinct, guarded_stores, store_of
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.propagate import PropagateStage
from studies.run.stages.retrieve import RetrieveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.transfer import TransferStage
from studies.run.transfers import transfer_config
from studies.spec.config import Run, StudyConfig
from studies.spec.run import RunConfig
from training.transfer.config import TransferConfig
from training.transfer.task import TrainingProtocol
from training.transfer.tasks.registry import TASKS


@dataclass(frozen=True)
class RunPlan:
    """One run of a study as stages."""

    run: Run
    evaluations: Mapping[str, Stage]
    """By set of houses, task and protocol, as `evaluation_name` joins them; of retrieval and modality
    generalization `set/retrieval`, `set/generalization`."""
    phases: tuple[PretrainStage, ...]
    """The pre-trainings, in order."""

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, each once, needs first."""
        return distinct(stage for last in self.evaluations.values() for stage in last.closure())

    @property
    def derived(self) -> list[DeriveStage]:
        """What networks make of its frames."""
        return [stage for stage in self.stages if isinstance(stage, DeriveStage)]

    @property
    def key(self) -> str:
        """Hash of the keys of all evaluations, and so of all stages."""
        content = {name: stage.key for name, stage in self.evaluations.items()}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def plan(study: StudyConfig) -> list[RunPlan]:
    """All runs of a study as stages. Raises ValueError for an invalid run, and for runs that have different
    networks under one name."""
    plans = [plan_run(run) for run in with_equal_compute(study.runs())]
    check_one_network_a_name({p.run.label: p.derived for p in plans})
    return plans


def plan_run(run: Run) -> RunPlan:
    """One run as stages. Raises ValueError for an invalid run."""
    config = run.config
    phases = pretrain_stages(config)
    learned = [store for phase in phases for store in phase.stores]
    evaluated = {name: store_of(config, name, "eval", n) for name, n in config.evaluate.items()}
    unlabelled = [store_of(config, name, "pretrain", n) for name, n in config.propagate.items()]
    guarded = guarded_stores(config)
    seen = distinct((*learned, *unlabelled))
    evaluations: dict[str, Stage] = {}
    for task, protocol in product(config.tasks, config.protocols):
        if protocol not in TASKS[task].protocols:
            continue
        model = _tuned(config, transfer_config(config, task, protocol), phases, unlabelled, guarded)
        for name, store in evaluated.items():
            label = evaluation_name(name, task, protocol)
            stage = EvaluateStage(
                name=label,
                evaluate=config.scoring,
                upper_bound=config.upper_bound,
                store=store,
                model=model,
                seen=seen,
                labelled=model.labelled if config.upper_bound else None,
                derived=tuple(derive_stages(config, store, model.transfer.inputs).values()),
            )
            evaluations[label] = with_adaptation(config, stage)
    if config.retrieves is not None:
        asked = config.retrieves
        for name, store in evaluated.items():
            evaluations[f"{name}/retrieval"] = RetrieveStage(
                name=f"{name}/retrieval",
                retrieve=asked,
                store=store,
                model=phases[-1],
                seen=distinct(learned),
                derived=tuple(
                    derive_stages(config, store, (*asked.modalities, asked.through or "")).values()
                ),
            )
    evaluations |= generalize_stages(config, phases, evaluated, guarded)
    return RunPlan(run, evaluations, phases)


def evaluation_name(houses: str, task: str, protocol: TrainingProtocol) -> str:
    """`houses/task/protocol`, without the task segmentation and without the protocol finetune: `test`,
    `test/linear`, `test/detection`."""
    named = (houses, "" if task == "segmentation" else task, "" if protocol == "finetune" else protocol)
    return "/".join(part for part in named if part)


def _tuned(
    config: RunConfig,
    transfer: TransferConfig,
    phases: tuple[PretrainStage, ...],
    unlabelled: list[StoreStage],
    guarded: tuple[StoreStage, ...],
) -> TransferStage:
    """The model that is evaluated: a student if there are `unlabelled` frames for pseudo-labels."""
    ((name, count),) = config.labels.items()
    labelled = store_of(config, name, "transfer", count)
    derived = [derive_stages(config, store, transfer.inputs) for store in (labelled, *unlabelled)]
    model = TransferStage(
        transfer=transfer,
        upper_bound=config.upper_bound,
        labelled=labelled,
        start=phases[-1] if phases else None,
        guarded=guarded,
        derived=tuple(stage for of_store in derived for stage in of_store.values()),
    )
    for store in unlabelled:
        teacher = PropagateStage(propagate=config.propagation, store=store, teacher=model)
        model = changed(model, pseudo=teacher, unlabelled=store)
    return model
