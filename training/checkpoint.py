"""Checkpoints: safetensors for tensors, JSON for the rest, every file written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from engine.manifest import write_atomically

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
METRICS = "metrics.json"


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True).encode())


def read_json(path: Path) -> Any:
    """Raises ValueError naming the file when it is not there."""
    if not path.exists():
        raise ValueError(f"{path} is not there: is {path.parent} the folder of a finished stage?")
    return json.loads(path.read_text())


def save_tensors(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> None:
    """Tensors and JSON `facts` in one safetensors file, so that they can never be of two different
    moments."""
    on_cpu = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    write_atomically(path, save(on_cpu, metadata={"facts": json.dumps(facts or {})}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as file:  # pyright: ignore[reportPrivateImportUsage]
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        return tensors, json.loads((file.metadata() or {}).get("facts", "{}"))


def save_model(out: Path, model: nn.Module, config: dict[str, Any]) -> None:
    """Weights and resolved config of a finished model in the folder `out`."""
    save_tensors(out / WEIGHTS, model.state_dict())
    write_json(out / CONFIG, config)


def save_training(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Everything a run needs to go on: weights, optimiser moments, and `facts` (step, curve, ...)."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{key}.{name}"] = value
    save_tensors(path, tensors, facts)


def load_training(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Put weights and moments of `save_training` back in place; returns its facts."""
    tensors, facts = load_tensors(path)
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    for name, parameter in model.named_parameters():
        state = {
            k.split(".", 2)[1]: v
            for k, v in tensors.items()
            if k.startswith("optimiser.") and k.split(".", 2)[2] == name
        }
        if state:
            # Moments follow their parameter; the step count stays where the optimiser keeps it.
            optimiser.state[parameter] = {
                k: v if v.dim() == 0 and parameter.device.type == "cpu" else v.to(parameter.device)
                for k, v in state.items()
            }
    return facts


def encoder_weights(folder: Path) -> dict[str, Tensor]:
    """The encoder's weights out of a finished pre-training, whichever objective it had."""
    read_json(folder / CONFIG)  # its absence says that the stage did not finish
    tensors, _ = load_tensors(folder / WEIGHTS)
    return {k.split("encoder.", 1)[1]: v for k, v in tensors.items() if "encoder." in k}
