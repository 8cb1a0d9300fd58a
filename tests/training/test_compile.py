"""`compile`: what torch.compile makes of a transfer is the same transfer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.conftest import TINY_TRANSFER, World
from training.common.checkpoint import load_tensors
from training.transfer.transfer import transfer

pytestmark = [
    pytest.mark.slow,  # compilation takes up to a minute
    pytest.mark.filterwarnings(
        "ignore:`torch.jit.script_method`:DeprecationWarning"
    ),  # torch's own use of it
]


def same(one: dict[str, Any], two: dict[str, Any], folders: list[Path]) -> None:
    """Losses to 1e-4, and weights but for what AdamW makes of rounding where a gradient is 0."""
    np.testing.assert_allclose(one["curve"], two["curve"], rtol=1e-4)
    weights = [load_tensors(folder / "model.safetensors")[0] for folder in folders]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-3, msg=name)


@pytest.mark.parametrize("protocol", ["finetune", "linear"])
def test_transfer(world: World, tmp_path: Path, protocol: str):
    changes = {"protocol": protocol, "bf16": False, "samples": 64, "crop": 0.7, "drop_path": 0.3}
    found, folders = [], [tmp_path / "eager", tmp_path / "compiled"]
    for folder in folders:
        config = TINY_TRANSFER.model_copy(update={**changes, "compile": folder.name == "compiled"})
        found.append(transfer(config, world.transfer, None, folder))
    same(found[0], found[1], folders)
