"""A model that was tuned on labels of transfer houses, as a network that turns RGB into a modality.

What it knows of the outside is what its own pre-training knew: `none` where that saw sensed frames alone. But
it knows labels of the houses that it was tuned on. These go with its output as `labelled_houses`: it is
refused on frames of them, and no model that has seen its output is evaluated there."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator
from torch import nn

from engine.networks.network import Network, NetworkConfig, Origin, Output
from engine.networks.torch_network import TorchNetwork, digest_of, untrained_source
from training.common.external_access import as_facts, sources_of_folder
from training.transfer.build import LoadedModel, build_model, facts_of, load_model
from training.transfer.config import TransferConfig
from training.transfer.task import Facts, LabelTable, TaskConfig


class LabellerConfig(NetworkConfig, ABC):
    """A model of one task. To add one: a subclass, an entry point in pyproject.toml, and a line in
    `LABELLERS` of studies/spec/networks.py."""

    name: ClassVar[str]
    """Of the network."""
    task: ClassVar[str]
    """That the model must have been tuned to."""

    like: Path | None = None
    """Folder of the finished transfer whose shape an untrained one has."""
    confidence: float = Field(default=0.0, ge=0, lt=1)
    """Least probability of what is found; what is less sure is left out."""

    @abstractmethod
    def classes_of(self, label_table: LabelTable, own: TaskConfig) -> tuple[str, ...]:
        """Names of the classes that a model knows that was tuned to the task `own` on stores with this label
        table."""

    def classes_in(self, facts: Facts, own: TaskConfig) -> tuple[str, ...]:
        """Those of a model that was tuned, of the facts of its task; as many as `classes_of` has."""
        return tuple(facts["classes"])

    @abstractmethod
    def output(self, size: int, classes: tuple[str, ...], own: TaskConfig) -> Output:
        """Of a frame of `size` × `size` pixels. Raises ValueError where so many classes cannot be told."""

    @abstractmethod
    def module(self, loaded: LoadedModel) -> nn.Module:
        """Frames as stored, uint8 [b, size, size, 3], to outputs."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its output depends on beside the model, JSON values."""
        return {"confidence": self.confidence}

    @field_validator("like")
    @classmethod
    def _absolute(cls, like: Path | None) -> Path | None:
        """Actors may have another working directory."""
        return None if like is None else like.absolute()

    def load(self, size: int) -> Network:
        """Raises ValueError where there is no finished transfer of the task, from RGB at this size."""
        folder = self._folder()
        facts = facts_of(folder)
        loaded = load_model(folder)
        self._check(loaded, folder, size)
        own = loaded.config.own
        output = self.output(size, self.classes_in(loaded.task.facts, own), own)
        if self.weights == "untrained":
            loaded = _untrained(loaded, self.seed)
        settings: dict[str, Any] = {
            "encoder": loaded.config.encoder.model_dump(mode="json"),
            "own": own.model_dump(mode="json"),
            "protocol": loaded.config.protocol,
            "facts": facts["facts"],
            **self.settings,
        }
        digest = digest_of(loaded.model, settings)
        if self.weights == "untrained":
            origin = Origin("none", untrained_source(self), "", digest)
        else:
            origin = self._origin(folder, facts["labelled_spaces"], digest)
        return TorchNetwork(self.module(loaded), output, origin, nn.Identity(), self.device)

    def _folder(self) -> Path:
        """Of the transfer. Raises ValueError where none is given."""
        if self.weights == "untrained" and self.like is None:
            raise ValueError(
                f"{self.name}, untrained: give like, the folder of a transfer whose shape it has"
            )
        if self.weights == "trained":
            raise ValueError(
                f"{self.name}: give weights, the folder of a finished tst transfer of {self.task}"
            )
        return self.like if self.weights == "untrained" and self.like else Path(self.weights)

    def _check(self, loaded: LoadedModel, folder: Path, size: int) -> None:
        config = loaded.config
        if config.task != self.task or config.inputs != ("rgb",):
            raise ValueError(
                f"{folder} is a model of {config.task} from {', '.join(config.inputs)}; a {self.name} is one "
                f"of {self.task} from rgb alone"
            )
        if loaded.image != size:
            raise ValueError(f"{folder} was tuned on {loaded.image} px, the frames have {size} px")

    def _origin(self, folder: Path, labelled: list[dict[str, str]], digest: str) -> Origin:
        """Of a finished transfer."""
        sources = sources_of_folder(folder)
        houses = {s[name] for s in labelled for name in ("house_digest", "layout_digest") if s.get(name)}
        houses |= {digest for source in sources for digest in source.labelled_houses}
        return Origin(
            external_access=as_facts(sources)["external_access"],
            source=f"{self.task} of {folder.name}, labels of {len(labelled)} houses",
            licence=", ".join(sorted({s.licence for s in sources} - {""})),
            digest=digest,
            labelled_houses=tuple(sorted(houses)),
        )


def _untrained(loaded: LoadedModel, seed: int) -> LoadedModel:
    """The same with random weights. Raises ValueError for a model that has none without labels."""
    config: TransferConfig = loaded.config.model_copy(update={"seed": seed})
    if config.protocol == "knn":
        raise ValueError("a model of protocol knn consists of its labels: like must be one of another")
    return loaded._replace(model=build_model(config, loaded.task, loaded.image).eval(), config=config)
