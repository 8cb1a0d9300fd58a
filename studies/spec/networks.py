"""Networks of a run: what makes a modality of RGB, by the modality's name.

networks: {hed: {}, features: {network: efficientnet_lite0, weights: untrained, seed: 1}}
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from engine.collect.derive import network_config
from engine.networks.network import NetworkConfig
from scenes.config import Config
from training.common.external_access import SENSED
from training.transfer.tasks.registry import TaskName

OWN_LABELS = "labels"
"""`weights` of a network that learns from the labels of the run's own transfer set."""
LABELLERS: Mapping[str, TaskName] = {
    "segmenter": "segmentation",
    "detector": "detection",
    "captioner": "captioning",
}
"""The networks that may, and the task that each learns."""
_FIELDS = ("network", "weights", "seed", "options")


class NetworkSpec(Config):
    """A network by its name and fields."""

    network: str
    """Its name in the table of networks; where a run does not say it, that of the modality."""
    weights: str = "trained"
    """trained, untrained, a folder, or an id; of `segmenter`, `detector` and `captioner` labels: it is
    tuned, from scratch, on labels of the run's own transfer set."""
    seed: int = Field(default=0, ge=0)
    """Of untrained weights."""
    options: dict[str, int | float | str] = {}
    """Its other fields; in YAML they stand beside those above."""

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        others = {k: v for k, v in data.items() if k not in _FIELDS}
        own = {k: v for k, v in data.items() if k in _FIELDS}
        return own | {"options": {**data.get("options", {}), **others}}

    @model_validator(mode="after")
    def _is_one(self) -> "NetworkSpec":
        if self.weights == OWN_LABELS and self.network not in LABELLERS:
            raise ValueError(
                f"weights {OWN_LABELS!r} are of {', '.join(LABELLERS)}, and {self.network} learns from no "
                "labels of ours"
            )
        self.config()
        return self

    @property
    def labelled(self) -> bool:
        """Whether it needs a model that is tuned on labels of the run's transfer set: its weights, or the
        shape that untrained ones have."""
        return self.network in LABELLERS and self.weights in (OWN_LABELS, "untrained")

    def config(self, labeller: Path | None = None, device: str = "cpu") -> NetworkConfig:
        """The network's own fields. `labeller`: folder of the model that `labelled` speaks of. Raises
        ValueError, naming the field that it does not take."""
        weights, options = self.weights, dict(self.options)
        if self.labelled and labeller is not None:
            if weights == OWN_LABELS:
                weights = str(labeller)
            else:
                options["like"] = str(labeller)
        return network_config(self.network, weights, self.seed, options, device)


def named_networks(value: Any) -> Any:
    """Networks without null entries, each with the name of its modality where it has no other."""
    if not isinstance(value, dict):
        return value
    return {
        modality: {"network": modality, **fields} if isinstance(fields, dict) else fields
        for modality, fields in value.items()
        if fields is not None
    }


def check_modalities(names: tuple[str, ...], networks: dict[str, NetworkSpec], where: str) -> None:
    """Raises ValueError for a modality that is neither sensed nor made by one of `networks`."""
    for name in names:
        if name not in SENSED and name not in networks:
            made = f", and networks make {', '.join(networks)}" if networks else ""
            raise ValueError(
                f"{where} names {name!r}: bodies sense {', '.join(SENSED)}{made}; say under `networks` which "
                f"network makes it (`networks: {{{name}: {{network: NAME}}}}`), or leave it out"
            )
    if both := [name for name in networks if name in SENSED]:
        raise ValueError(f"networks.{both[0]}: that is sensed; give what the network makes another name")


def check_inputs(inputs: tuple[str, ...], networks: dict[str, NetworkSpec]) -> None:
    """Raises ValueError for an input of the tasks that is no modality, or that knows the very labels that are
    learned."""
    check_modalities(inputs, networks, "transfer.inputs")
    for name in inputs:
        if name in networks and networks[name].weights == OWN_LABELS:
            raise ValueError(
                f"transfer.inputs names {name!r}, a network that learned the labels of these very frames: "
                "it is never run on them, leave it out"
            )
