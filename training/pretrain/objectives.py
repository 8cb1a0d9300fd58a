"""The table of objectives of pre-training: to add one, add a line to `OBJECTIVES`.

An entry is the class of the objective's fields, which builds its module (`training.pretrain.objective`)."""

from typing import Annotated

from pydantic import AfterValidator

from training.pretrain.dino.dino import DinoConfig
from training.pretrain.mae import MaskedAutoencoderConfig
from training.pretrain.multimodal.multimodal import MultimodalConfig
from training.pretrain.objective import ObjectiveConfig

OBJECTIVES: dict[str, type[ObjectiveConfig]] = {
    "mm": MultimodalConfig,
    "mae": MaskedAutoencoderConfig,
    "dino": DinoConfig,
}


def known_objective(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no objective has it."""
    if name not in OBJECTIVES:
        raise ValueError(f"unknown objective {name!r}; choose from {', '.join(OBJECTIVES)}")
    return name


ObjectiveName = Annotated[str, AfterValidator(known_objective)]
"""The type of a configuration's field that names an objective."""
