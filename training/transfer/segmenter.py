"""A model that was tuned to segmentation, as a network that turns RGB into a map of classes.

    tst derive STORE --network segmenter --weights FOLDER         # of a finished `tst transfer`

What it knows of the outside is what its own pre-training knew: `none` where that saw sensed frames alone. But
it knows labels of the houses that it was tuned on. These go with its output as `labelled_houses`: it is
refused on frames of them, and no model that has seen its output is evaluated there."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from pydantic import Field, field_validator
from torch import Tensor, nn

from engine.networks.network import Network, NetworkConfig, Origin, Output
from engine.networks.torch_network import TorchNetwork, digest_of, untrained_source
from training.common.external_access import as_facts, sources_of_folder
from training.transfer.build import LoadedModel, build_model, facts_of, load_model
from training.transfer.config import TransferConfig

_MOST_CLASSES = 255  # of uint8, with 0 for none


class SegmenterConfig(NetworkConfig):
    """A segmenter that was tuned on labels of transfer houses."""

    like: Path | None = None
    """Folder of the finished transfer whose shape an untrained one has."""
    confidence: float = Field(default=0.0, ge=0, lt=1)
    """Least probability of a pixel's class; where it is less, there is none."""

    @field_validator("like")
    @classmethod
    def _absolute(cls, like: Path | None) -> Path | None:
        """Actors may have another working directory."""
        return None if like is None else like.absolute()

    def load(self, size: int) -> Network:
        """Raises ValueError where there is no finished transfer, of segmentation from RGB at this size."""
        folder = self._folder()
        facts = facts_of(folder)
        loaded = load_model(folder)
        _check(loaded, folder, size)
        if self.weights == "untrained":
            loaded = _untrained(loaded, self.seed)
        settings: dict[str, Any] = {
            "encoder": loaded.config.encoder.model_dump(mode="json"),
            "own": loaded.config.own.model_dump(mode="json"),
            "protocol": loaded.config.protocol,
            "facts": facts["facts"],
            "confidence": self.confidence,
        }
        digest = digest_of(loaded.model, settings)
        if self.weights == "untrained":
            origin = Origin("none", untrained_source(self), "", digest)
        else:
            origin = _origin(folder, facts["labelled_spaces"], digest)
        classes = tuple(loaded.task.facts["classes"])
        output = Output("labels", (size, size), "uint8", classes)
        module = _ClassMap(loaded.model, self.confidence)
        return TorchNetwork(module, output, origin, nn.Identity(), self.device)

    def _folder(self) -> Path:
        """Of the transfer. Raises ValueError where none is given."""
        if self.weights == "untrained" and self.like is None:
            raise ValueError("segmenter, untrained: give like, the folder of a transfer whose shape it has")
        if self.weights == "trained":
            raise ValueError("segmenter: give weights, the folder of a finished tst transfer of segmentation")
        return self.like if self.weights == "untrained" and self.like else Path(self.weights)


class _ClassMap(nn.Module):
    """Frames as stored to classes from 1, 0 where the class is less sure than `confidence`."""

    def __init__(self, model: nn.Module, confidence: float):
        super().__init__()
        self.model, self.confidence = model, confidence

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> UInt8[Tensor, "b h w"]:
        sure, guess = self.model({"rgb": rgb}).float().softmax(1).max(1)
        return torch.where(sure >= self.confidence, guess + 1, 0).byte()


def _check(loaded: LoadedModel, folder: Path, size: int) -> None:
    config = loaded.config
    if config.task != "segmentation" or config.inputs != ("rgb",):
        raise ValueError(
            f"{folder} is a model of {config.task} from {', '.join(config.inputs)}; a segmenter is one of "
            "segmentation from rgb alone"
        )
    if loaded.image != size:
        raise ValueError(f"{folder} was tuned on {loaded.image} px, the frames have {size} px")
    if len(loaded.task.facts["classes"]) > _MOST_CLASSES:
        raise ValueError(f"{folder} knows more than {_MOST_CLASSES} classes: a map of them has no room")


def _untrained(loaded: LoadedModel, seed: int) -> LoadedModel:
    """The same with random weights. Raises ValueError for a model that has none without labels."""
    config: TransferConfig = loaded.config.model_copy(update={"seed": seed})
    if config.protocol == "knn":
        raise ValueError("a model of protocol knn consists of its labels: like must be one of another")
    return loaded._replace(model=build_model(config, loaded.task, loaded.image).eval(), config=config)


def _origin(folder: Path, labelled: list[dict[str, str]], digest: str) -> Origin:
    """Of a finished transfer."""
    sources = sources_of_folder(folder)
    houses = {s[name] for s in labelled for name in ("house_digest", "layout_digest") if s.get(name)}
    houses |= {digest for source in sources for digest in source.labelled_houses}
    return Origin(
        external_access=as_facts(sources)["external_access"],
        source=f"segmentation of {folder.name}, labels of {len(labelled)} houses",
        licence=", ".join(sorted({s.licence for s in sources} - {""})),
        digest=digest,
        labelled_houses=tuple(sorted(houses)),
    )
