"""Checkpoints: safetensors for tensors, JSON for the rest, every file written atomically."""

import copy
import io
import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from engine.store.manifest import write_atomically
from training.common.sharded_tensors import like, whole

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
METRICS = "metrics.json"
STATE = "training.safetensors"
"""What a killed training goes on from; gone when it has ended."""
Tensors = dict[str, Shaped[Tensor, "..."]]
"""Tensors of any shapes by name."""


def write_json(path: Path, value: Any) -> None:
    """A JSON value as a file, keys in order."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True).encode())


def read_json(path: Path) -> Any:
    """Raises ValueError naming the file when it is not there."""
    if not path.exists():
        raise ValueError(f"{path} is not there: is {path.parent} the folder of a finished stage?")
    return json.loads(path.read_text())


def save_arrays(path: Path, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> None:
    """Arrays by name as a compressed .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())


def save_tensors(path: Path, tensors: Tensors, facts: dict[str, Any] | None = None) -> None:
    """Tensors and JSON `facts` in one safetensors file, so that they can never be of two different
    moments."""
    on_cpu = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    write_atomically(path, save(on_cpu, metadata={"facts": json.dumps(facts or {})}))


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors on the CPU and facts of a file that `save_tensors` wrote."""
    with safe_open(path, framework="pt") as file:  # pyright: ignore[reportPrivateImportUsage]
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 - not a dict
        return tensors, json.loads((file.metadata() or {}).get("facts", "{}"))


def save_model(out: Path, model: nn.Module, config: dict[str, Any]) -> None:
    """Weights and resolved config of a finished model in the folder `out`."""
    save_tensors(out / WEIGHTS, model.state_dict())
    write_json(out / CONFIG, config)


def whole_state(model: nn.Module) -> Tensors:
    """The state of a model, put together where it is shared out: then a call for all processes."""
    return {k: whole(v) for k, v in model.state_dict().items()}


def snapshot(model: nn.Module, optimiser: torch.optim.Optimizer) -> Tensors:
    """Weights and optimiser moments, copied into CPU memory; where the model is shared out, a call for all
    processes."""
    tensors = {f"model.{k}": v for k, v in whole_state(model).items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{key}.{name}"] = whole(value)
    return {k: v.detach().to("cpu", copy=True) for k, v in tensors.items()}


def save_training(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, facts: dict[str, Any]
) -> None:
    """Everything a run needs to go on: weights, optimiser moments, and `facts` (step, curve, ...)."""
    save_tensors(path, snapshot(model, optimiser), facts)


class Writer:
    """Writes checkpoints to `path` in a thread while training goes on. One replaces the one before when it is
    whole and on disk; until then the one before counts."""

    def __init__(self, path: Path):
        self.path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, tensors: Tensors, facts: dict[str, Any]) -> None:
        """Begin to write what `snapshot` gave, once the write before is done. Raises what that one raised."""
        self.wait()
        self._writing = self._pool.submit(save_tensors, self.path, tensors, copy.deepcopy(facts))

    def check(self) -> None:
        """Raises what a write raised that has ended."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Until what was saved is on disk. Raises what writing raised."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._pool.shutdown()


def load_training(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Put weights and moments of `save_training` back in place; returns its facts."""
    tensors, facts = load_tensors(path)
    mine = model.state_dict()
    model.load_state_dict({k: like(tensors[f"model.{k}"], v) for k, v in mine.items()})
    for name, parameter in model.named_parameters():
        state = {
            k.split(".", 2)[1]: v
            for k, v in tensors.items()
            if k.startswith("optimiser.") and k.split(".", 2)[2] == name
        }
        if state:
            # Moments follow their parameter; the step count stays where the optimiser keeps it.
            optimiser.state[parameter] = {
                k: v.to(parameter.device) if v.dim() == 0 else like(v, parameter) for k, v in state.items()
            }
    return facts


def encoder_weights(folder: Path) -> Tensors:
    """The encoder's weights out of a finished pre-training, whichever objective it had."""
    read_json(folder / CONFIG)  # its absence says that the stage did not finish
    tensors, _ = load_tensors(folder / WEIGHTS)
    return {k.split("encoder.", 1)[1]: v for k, v in tensors.items() if "encoder." in k}
