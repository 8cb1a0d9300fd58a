"""An objective from outside: one line in the table, then every command takes it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, ValidationError
from torch import Tensor, nn

from studies.spec.run import RunConfig
from tests.training.conftest import TINY_PRETRAIN, TINY_TRANSFER, World
from tests.training.objective_kit import ENCODER, IMAGE, ObjectiveKit
from training.models.blocks import linear_flops
from training.models.encoder import Encoder, EncoderConfig, build_around, patchify
from training.models.multimodal import PackedBatch
from training.pretrain.config import PretrainConfig
from training.pretrain.objective import Arrays, Objective, ObjectiveConfig, Setting
from training.pretrain.objectives import OBJECTIVES
from training.pretrain.pretrain import pretrain
from training.transfer.transfer import transfer


class DenoisingConfig(ObjectiveConfig):
    sigma: float = Field(default=0.2, gt=0)
    """Standard deviation of the noise, as a share of full brightness."""

    def build(self, setting: Setting) -> "Denoising":
        return Denoising(setting.encoder, setting.image, self.sigma, setting.seed)


class Denoising(Objective):
    """Clean patches from those of a noisy image, by one linear layer behind the encoder."""

    def __init__(self, config: EncoderConfig, image: int, sigma: float, seed: int):
        super().__init__()
        self.sigma = sigma
        self.encoder = Encoder(config, image)
        self.pixels = nn.Linear(config.dim, 3 * config.patch**2)
        build_around(self, self.encoder, seed)
        self.reads = ("rgb",)

    def prepare(self, arrays: Arrays, rng: np.random.Generator) -> PackedBatch:
        rgb = arrays["rgb"]
        noisy = rgb + 255 * self.sigma * rng.standard_normal(rgb.shape, dtype=np.float32)
        return {"rgb": torch.from_numpy(rgb), "noisy": torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))}

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        truth = patchify(batch["rgb"], self.encoder.config.patch).float() / 255
        return {"total": F.mse_loss(self.pixels(self.encoder(batch["noisy"])).float(), truth)}

    def flops(self) -> dict[str, float]:
        n = self.encoder.grid**2
        return self.encoder.flops(n, n) | {"pixels": linear_flops(self.pixels, n)}


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OBJECTIVES, "denoising", DenoisingConfig)
        yield


class TestDenoising(ObjectiveKit):
    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        return Denoising(encoder, image, 0.2, seed)


def test_it_is_pretrained_with_its_own_fields_and_transferred(world: World, tmp_path: Path):
    given = TINY_PRETRAIN.model_dump() | {"objective": "denoising", "denoising": {"sigma": 0.4}}
    config = PretrainConfig.model_validate(given)
    assert config.own == DenoisingConfig(sigma=0.4)
    metrics = pretrain(config, world.pretrain, {}, tmp_path / "pre")
    assert metrics["curve"][-1][1] < metrics["curve"][0][1]
    saved = json.loads((tmp_path / "pre" / "config.json").read_text())["pretrain"]
    assert PretrainConfig.model_validate(saved) == config
    tuned = transfer(
        TINY_TRANSFER.model_copy(update={"samples": 32}), world.transfer, tmp_path / "pre", tmp_path / "post"
    )
    assert np.isfinite(tuned["loss"])
    # Another fields' value is another objective: the noise does matter.
    other = PretrainConfig.model_validate(given | {"denoising": {}})
    assert other.own == DenoisingConfig()
    assert pretrain(other, world.pretrain, {}, tmp_path / "other")["loss"] != metrics["loss"]


def test_configurations_check_its_name_and_its_fields():
    assert PretrainConfig(objective="denoising").own == DenoisingConfig()
    with pytest.raises(ValidationError, match="greater than 0"):
        PretrainConfig.model_validate({"denoising": {"sigma": -1}})
    with pytest.raises(ValidationError, match="sigmma"):
        PretrainConfig.model_validate({"denoising": {"sigmma": 1}})
    with pytest.raises(ValidationError, match="choose from mm, mae, dino, denoising"):
        PretrainConfig(objective="colouring")
    with pytest.raises(ValidationError, match="choose from mm, mae, dino, denoising"):
        RunConfig.model_validate({"objective": "colouring"})
