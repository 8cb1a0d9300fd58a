"""The model of a transfer: built from a configuration, and loaded from the folder of a finished one."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from engine.store.access import Frames
from training.common.checkpoint import CONFIG, WEIGHTS, load_tensors, read_json
from training.models.blocks import initialise
from training.models.encoder import build_encoder
from training.models.network_input import NetworkInput, network_inputs
from training.reconstruction.joint import SensorReconstruction
from training.reconstruction.targets import Statistics
from training.transfer.config import TransferConfig
from training.transfer.model import TaskModel
from training.transfer.task import FeatureShape, Task


class LoadedModel(NamedTuple):
    """A finished transfer."""

    model: TaskModel
    """On the CPU, in evaluation mode."""
    task: Task
    config: TransferConfig
    image: int
    """Side of the frames that it was tuned on [pixels]."""

    def check(self, frames: Frames, where: Path) -> None:
        """Raises ValueError where the task cannot be done on these frames: another label table, another
        size."""
        self.task.check(frames.labels, str(where))
        side = frames.frame_shape("rgb")[0]
        if side != self.image:
            raise ValueError(f"{where} was tuned on {self.image} px, the frames have {side} px")
        for name, made in network_inputs(frames, self.model.inputs).items():
            if made != self.model.made.get(name):
                raise ValueError(
                    f"{where} was tuned with {name!r} of another network than the one that made it of these "
                    "frames: derive it of both with the same weights"
                )


def build_model(
    config: TransferConfig, task: Task, image: int, made: Mapping[str, NetworkInput] = MappingProxyType({})
) -> TaskModel:
    """A fresh model as the protocol has it, for images of `image` pixels a side; one that starts from others'
    weights is still without them. `made`: of the inputs, those that networks make."""
    if config.start is None:
        encoder = build_encoder(config.encoder, image, config.seed)
    else:
        encoder = config.start.encoder(config.encoder, image)
    shape = FeatureShape(config.encoder.dim, encoder.grid, config.encoder.patch)
    head = task.build_head(config.protocol, shape)
    head.initialise(torch.Generator().manual_seed(config.seed + 2))
    model = TaskModel(encoder, head, config.inputs, made)
    initialise(model.further, torch.Generator().manual_seed(config.seed + 3))
    return model


def add_reconstruction(model: TaskModel, config: TransferConfig, statistics: Statistics) -> None:
    """What `config.joint` trains beside the task, fresh."""
    assert config.joint is not None
    shape = model.shape
    model.reconstruction = SensorReconstruction(
        config.joint.specs, statistics, shape.dim, shape.grid, shape.image
    )
    initialise(model.reconstruction, torch.Generator().manual_seed(config.seed + 4))


def facts_of(folder: Path) -> dict[str, Any]:
    """What config.json of a finished transfer says. Raises ValueError if the transfer is not finished, or was
    made by a release that knew no tasks."""
    facts = read_json(folder / CONFIG)
    if "facts" not in facts:
        raise ValueError(f"{folder / CONFIG} says nothing of a task: run the transfer again")
    return facts


def load_model(folder: Path) -> LoadedModel:
    """The model of a finished transfer. Raises ValueError as `facts_of`."""
    facts = facts_of(folder)
    config = TransferConfig.model_validate(facts["transfer"])
    task = config.own.build(facts["facts"])
    made = {name: NetworkInput.model_validate(v) for name, v in facts.get("network_inputs", {}).items()}
    model = build_model(config, task, facts["image"], made)
    if config.joint is not None:
        add_reconstruction(model, config, facts["reconstruction"]["statistics"])
    model.load_state_dict(load_tensors(folder / WEIGHTS)[0])
    return LoadedModel(model.eval(), task, config, facts["image"])
