"""One run: its houses, sensors, pre-training, labels, task and evaluation.

A study is a list of runs (`studies/spec/config.py`). Results depend on every field here; fields that change
no result (cores, actors) are in `MachineConfig`.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from scenes.config import Config
from studies.spec.frames import MixIn, Phase, Sensing, named, without_nulls
from studies.spec.houses import Houses, check_rectangles
from studies.spec.networks import NetworkSpec, check_inputs, check_modalities, named_networks
from studies.spec.phone import check_phones
from training.adaptation.adapted import AdaptConfig
from training.common.config import RuntimeConfig
from training.generalization.sweep import GeneralizeConfig
from training.models.encoder import EncoderConfig
from training.pretrain.config import PretrainConfig
from training.pretrain.objectives import OBJECTIVES, ObjectiveName
from training.retrieval.retrieve import RetrieveConfig
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig
from training.transfer.propagate import PropagateConfig
from training.transfer.task import TrainingProtocol
from training.transfer.tasks.registry import TASKS, TaskName

_SHARED: dict[str, tuple[type[Config], tuple[str, ...]]] = {
    "encoder": (EncoderConfig, ("pretrain", "transfer")),
    "runtime": (
        RuntimeConfig,
        ("tokenizer", "pretrain", "transfer", "propagation", "scoring", "retrieve", "generalize"),
    ),
}
"""Fields of a run that its stages have too: of which class, and of which stages."""


class RunConfig(Config):
    """One run, fully resolved."""

    houses: Annotated[dict[str, Houses], BeforeValidator(without_nulls)]
    """Sets of houses by name. By convention `test` is the test space and `transfer` has the labels."""
    sensing: Sensing = Sensing()
    """Cameras, sensors and renderer."""
    frames: int = Field(default=3000, ge=1)
    """Number of unlabelled frames of a phase of pre-training."""
    objective: ObjectiveName = "mm"
    """Objective of pre-training."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """Modalities that mm sees and predicts, rgb first: sensed ones, and those that `networks` make."""
    networks: Annotated[dict[str, NetworkSpec], BeforeValidator(named_networks)] = Field(
        default={}, exclude_if=lambda networks: not networks
    )
    """Networks by the modality that each makes of RGB (docs/networks.md). One that no modality names is not
    run."""
    phases: Annotated[dict[str, Annotated[Phase, BeforeValidator(named)]], BeforeValidator(without_nulls)]
    """Phases of pre-training, in order; none: the encoder has random weights (scratch)."""
    mix_in: MixIn = MixIn()
    """RGB of the transfer set's images, added to the frames of every phase."""
    equal_compute: str | None = None
    """`arm` or `arm@level`: pre-training, of one phase, gets as many samples as cost that arm's FLOPs, at
    that level or at the same levels of axes that both have. None: `pretrain` says how many."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """Tokenizers, one per modality, trained on the frames of the first phase."""
    tokenizer_by_modality: dict[str, dict[str, Any]] = {}
    """Fields of `tokenizer` that a modality overrides."""
    encoder: EncoderConfig | None = None
    """The encoder of pre-training and transfer, by its fields or by the name of a size; `pretrain.encoder`
    and `transfer.encoder` override its fields. None: these two alone say it."""
    runtime: RuntimeConfig | None = None
    """Threads and device of all stages; the `runtime` of a stage overrides its fields. None: the stages alone
    say it."""
    pretrain: PretrainConfig = PretrainConfig()
    """Pre-training; its objective and modalities are the run's fields of these names."""
    labels: Annotated[dict[str, int], BeforeValidator(without_nulls)] = Field(min_length=1, max_length=1)
    """The set of houses whose labels the task is learned from: number of labelled frames per house."""
    transfer: TransferConfig = TransferConfig()
    """Transfer: how the tasks are learned; its task and protocol are those of the next two fields."""
    tasks: tuple[TaskName, ...] = Field(default=("segmentation",), min_length=1)
    """Tasks, each learned from the same encoder by all those of `protocols` that it has, and evaluated."""
    protocols: tuple[TrainingProtocol, ...] = Field(default=("finetune",), min_length=1)
    """Protocols of transfer; each is evaluated."""
    transfer_by_task: dict[TaskName, dict[str, Any]] = {}
    """Fields of `transfer` that a task overrides, its own among them under its name."""
    transfer_by_protocol: dict[TrainingProtocol, dict[str, Any]] = {}
    """Fields of `transfer` that a protocol overrides; they override those of a task too."""
    propagate: Annotated[dict[str, int], BeforeValidator(without_nulls)] = Field({}, max_length=1)
    """Label propagation: the set of houses whose unlabelled frames get pseudo-labels from the tuned model,
    the teacher: number of frames per house. A student is tuned on these and on the true labels, and the
    student is evaluated. None: the tuned model is evaluated."""
    propagation: PropagateConfig = PropagateConfig()
    """How the teacher makes pseudo-labels."""
    evaluate: Annotated[dict[str, int], BeforeValidator(without_nulls)] = Field(min_length=1)
    """Sets of houses that the model is evaluated in: number of held-out frames per house."""
    scoring: EvaluateConfig = EvaluateConfig()
    """Settings of the evaluation."""
    adapt: AdaptConfig | None = None
    """Test-time training: a linear probe of a masked autoencoder adapts to each image, or (`mmr`) a jointly
    trained model to each batch of frames. None: it stays."""
    validation: Annotated[dict[str, int], BeforeValidator(without_nulls)] = Field(
        default={}, max_length=1, exclude_if=lambda validation: not validation
    )
    """The set of houses, others than those of labels and evaluation, on whose labelled frames `adapt.mmr`
    chooses its number of steps: number of frames per house."""
    retrieve: RetrieveConfig | None = None
    """Retrieval across modalities by the pre-trained model itself in the sets of `evaluate`: `set/retrieval`.
    A run whose objective is not mm, or that has no phases, has none. None: it is not asked for."""
    generalize: GeneralizeConfig | None = None
    """Modality generalization: a frame is classified in a modality whose labels were not learned from, in the
    sets of `evaluate`: `set/generalization`. A run that has not the pre-trained model that is its perceptor
    has none. None: it is not asked for."""
    disjoint_assets: bool = True
    """Whether the labelled houses must have no furniture or material in common with the houses of
    pre-training and evaluation."""
    upper_bound: bool = False
    """Whether labels of the houses of evaluation are used, at other poses. Such a run is an upper bound and
    is marked as one in rows and pages."""

    @model_validator(mode="before")
    @classmethod
    def _share(cls, data: Any) -> Any:
        """A stage's own fields override those that the run gives all stages."""
        if not isinstance(data, dict):
            return data
        for name, (shared, stages) in _SHARED.items():
            if data.get(name) is None:
                continue
            under = shared.model_validate(data[name]).model_dump()
            for stage in stages:
                if stage in ("retrieve", "generalize") and data.get(stage) is None:
                    continue  # it is not asked for
                said = dict(data.get(stage) or {})
                own = said.get(name, {})
                said[name] = {**under, **(own if isinstance(own, dict) else dict(own))}
                data = data | {stage: said}
        return data

    @model_validator(mode="after")
    def _fits(self) -> "RunConfig":
        for where, names in (
            ("labels", self.labels),
            ("propagate", self.propagate),
            ("evaluate", self.evaluate),
            ("validation", self.validation),
            *((f"phases.{n}.houses", p.houses) for n, p in self.phases.items()),
        ):
            for name in names:
                if name not in self.houses:
                    raise ValueError(
                        f"{where} names the houses {name!r}; sets there are: {', '.join(self.houses)}"
                    )
        check_modalities(self.modalities, self.networks, "modalities")
        check_inputs(self.transfer.inputs, self.networks)
        for name, phase in self.phases.items():
            self.frames_of(name, phase)
            self._senses(name, phase)
        if self.propagate and (self.upper_bound or "knn" in self.protocols):
            raise ValueError(
                "propagate needs a teacher without labels of the evaluated houses and a student that trains: "
                "leave upper_bound and the protocol knn out"
            )
        if self.phases and self.transfer.start:
            raise ValueError("transfer.start and phases both say what the encoder is: leave one of them out")
        self._tasks_can_be_learned()
        self._retrieves_what_it_predicts()
        self._labels_are_of_others()
        self._mixes_in_others()
        self._phones_measure_it()
        pretrained = {n: None for phase in self.phases.values() for n in phase.houses}
        check_rectangles({n: self.houses[n] for n in pretrained}, self.sensing.sampler)
        return self

    def _tasks_can_be_learned(self) -> None:
        if self.transfer.task not in ("segmentation", *self.tasks):
            raise ValueError(
                f"transfer.task is {self.transfer.task!r}, and the run's tasks are {', '.join(self.tasks)}: "
                "name it in tasks"
            )
        for task in self.tasks:
            known = TASKS[task]
            if not set(known.protocols) & set(self.protocols):
                raise ValueError(
                    f"tasks names {task}, which has none of the protocols {', '.join(self.protocols)}; it "
                    f"has: {', '.join(known.protocols)}"
                )
            if self.propagate and not known.teaches:
                raise ValueError(
                    f"propagate needs tasks with pseudo-labels, and {task} has none: leave it out"
                )

    @property
    def retrieves(self) -> RetrieveConfig | None:
        """Retrieval, where it is asked for and there is a model that predicts tokens."""
        return self.retrieve if self.phases and self.objective == "mm" else None

    def _retrieves_what_it_predicts(self) -> None:
        if self.retrieves is None:
            return
        asked = (*self.retrieves.modalities, *([self.retrieves.through] if self.retrieves.through else []))
        for name in asked:
            if name not in self.modalities:
                raise ValueError(
                    f"retrieve names {name!r}, and the modalities are {', '.join(self.modalities)}: name two "
                    "of them, or set retrieve to null"
                )

    def _mixes_in_others(self) -> None:
        mixed = self.mixed_in
        if mixed is None or not self.phases:
            return
        name, _ = mixed
        if name not in self.houses:
            raise ValueError(f"mix_in names the houses {name!r}; sets there are: {', '.join(self.houses)}")
        for other in self.evaluate:
            if self.houses[name].shares_a_house(self.houses[other]):
                raise ValueError(
                    f"mix_in takes images of houses.{name}, of which one is in houses.{other}, where models "
                    "are evaluated: give mix_in.houses (and frames) another set, or set mix_in.share to 0"
                )

    @property
    def mixed_in(self) -> tuple[str, int] | None:
        """The set of houses whose images are mixed into pre-training, and images per house; None: nothing is.

        Raises ValueError where the number of images is not known."""
        if not self.mix_in.share:
            return None
        name = self.mix_in.houses or next(iter(self.labels))
        frames = self.mix_in.frames or self.labels.get(name)
        if frames is None:
            raise ValueError(
                f"mix_in.houses is {name!r}, and labels are of {', '.join(self.labels)}: give mix_in.frames"
            )
        return name, frames

    def _labels_are_of_others(self) -> None:
        if self.upper_bound:
            return
        learned = {n for p in self.phases.values() for n in p.houses} - self.labels.keys()
        learned |= self.propagate.keys()
        for label in self.labels:
            for other in dict.fromkeys((*self.evaluate, *sorted(learned))):
                a, b = self.houses[label], self.houses[other]
                if a.shares_a_house(b):
                    raise ValueError(
                        f"houses.{label}, whose labels are used, and houses.{other} share a house: same "
                        "family, overlapping seeds; move the seed of one"
                    )
                if self.disjoint_assets and a.shares_assets(b):
                    raise ValueError(
                        f"houses.{label}, whose labels are used, and houses.{other} are furnished from one "
                        f"pool ({a.family}, {b.family}): take a family of the other pool, or "
                        "`disjoint_assets: false`"
                    )

    def _senses(self, name: str, phase: Phase) -> None:
        tokenized = OBJECTIVES[self.objective].tokenized
        known = self.modalities if tokenized else ("rgb",)
        if not phase.houses:
            if not self.mix_in.share or known != ("rgb",):
                raise ValueError(
                    f"phases.{name} names no houses, and the mix-in is to be all that it learns from: give "
                    "mix_in a share, and modalities as [rgb]"
                )
            return
        for houses, shown in phase.modalities.items():
            if houses not in phase.houses or not shown or not set(shown) <= set(self.modalities):
                raise ValueError(
                    f"phases.{name}.modalities: {houses!r} senses {list(shown)}; name sets of "
                    f"{list(phase.houses)} and modalities of {list(self.modalities)}"
                )
        for modality in known:
            without = [h for h in phase.houses if modality not in phase.modalities.get(h, known)]
            if len(without) == len(phase.houses) or (without and not tokenized):
                raise ValueError(
                    f"phases.{name}.modalities: {self.objective} needs {modality!r}, and "
                    f"{', '.join(without)} do not sense it: let them"
                )

    def _phones_measure_it(self) -> None:
        sensed = tuple(m for m in self.modalities if m not in self.networks)
        known = sensed if OBJECTIVES[self.objective].tokenized else ("rgb",)
        learned = {h: p.modalities.get(h, known) for p in self.phases.values() for h in p.houses}
        mixed = [name for name in (self.mix_in.houses,) if name and self.mix_in.share]
        phones = [name for name, houses in self.houses.items() if houses.phone is not None]
        check_phones(phones, (*self.labels, *self.validation, *mixed), learned)

    def frames_of(self, name: str, phase: Phase) -> dict[str, int]:
        """Frames per house, by set, in a phase. Raises ValueError where they do not divide evenly."""
        total, shares = phase.frames or self.frames, sum(phase.houses.values())
        out = {}
        for houses, share in phase.houses.items():
            exact = total * share / shares
            count = self.houses[houses].count
            if share <= 0 or abs(exact / count - round(exact / count)) > 1e-6 or exact < count - 1e-6:
                raise ValueError(
                    f"phases.{name}: {total} frames do not fall evenly to the {count} houses of {houses!r} "
                    f"(share {share} of {shares}): change frames, count or the shares"
                )
            out[houses] = round(exact / count)
        return out

    def resolved(self) -> dict[str, Any]:
        """The configuration as JSON values, with all defaults."""
        return self.model_dump(mode="json")
