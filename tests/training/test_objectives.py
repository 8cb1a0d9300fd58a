"""Every objective passes the same tests; through a config they train, resume and transfer alike."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import TINY_PRETRAIN, TINY_TRANSFER, World, mm
from tests.training.killing import have_the_same_weights
from tests.training.objective_kit import ENCODER, IMAGE, ObjectiveKit
from training.common.checkpoint import STATE
from training.models.encoder import EncoderConfig
from training.models.modality import TokenSpec
from training.pretrain import pretrain as loop
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dino.crops import MultiCropConfig
from training.pretrain.dino.dino import Dino, DinoConfig
from training.pretrain.mae import MaskedAutoencoder
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.multimodal.multimodal import MultimodalObjective
from training.pretrain.pretrain import pretrain
from training.transfer.transfer import transfer

SMALL_DINO = DinoConfig(
    crops=MultiCropConfig(local_crops=3), hidden=32, bottleneck=16, prototypes=24, momentum=(0.9, 1.0)
)


def multimodal(
    encoder: EncoderConfig, image: int, seed: int, names: tuple[str, ...], inputs: int, targets: int
) -> MultimodalObjective:
    grid = encoder.grid(image)
    specs = tuple(TokenSpec(n, f"tok_{n}", grid, 16, pixels=n == "rgb") for n in names)
    mixture = (Component(), Component(inputs={"rgb": 1.0}))
    masking = MaskingConfig(inputs=inputs, targets=targets, mixture=mixture)
    return MultimodalObjective(encoder, image, specs, masking, 1, seed)


class TestMultimodal(ObjectiveKit):
    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        return multimodal(encoder, image, seed, ("rgb", "depth", "edges"), 8, 12)


class TestRepeated(ObjectiveKit):
    """Several samples of each frame, tied heads, the loss by token."""

    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        specs = tuple(
            TokenSpec(n, f"tok_{n}", encoder.grid(image), 16, pixels=n == "rgb") for n in ("rgb", "depth")
        )
        masking = MaskingConfig(inputs=8, targets=8, mixture=(Component(),), repeats=2)
        return MultimodalObjective(encoder, image, specs, masking, 1, seed, True, "token")


class TestRgbOnly(ObjectiveKit):
    """4M's RGB-only: pixels in, tokens of RGB out."""

    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        return multimodal(encoder, image, seed, ("rgb",), 4, 5)

    def test_nothing_but_rgb_goes_in_and_comes_out(self):
        objective = self.build()
        assert objective.reads == ("rgb", "tok_rgb")
        assert not len(objective.model.tables)
        batch = self.batch(objective)
        assert set(batch["content"]) == set(batch["truth"]) == {"rgb"}
        # A patch is seen or predicted, never both.
        both = np.concatenate([batch["inputs"].numpy(), batch["targets"].numpy()], axis=1)
        assert all(len(set(row)) == 9 for row in both.tolist())
        assert set(objective(batch)) == {"total", "rgb"}


class TestMaskedAutoencoder(ObjectiveKit):
    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        return MaskedAutoencoder(encoder, image, 0.75, 1, seed)


class TestDino(ObjectiveKit):
    still = ("encoder.", "teacher_heads.")

    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        return Dino(encoder, image, SMALL_DINO, seed)


class TestDinoCentred(TestDino):
    """Softmax centring, global crops alone, a class token."""

    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0):
        update = {"centring": "softmax", "crops": MultiCropConfig(local_crops=0)}
        return Dino(encoder, image, SMALL_DINO.model_copy(update=update), seed)


CONFIGS: dict[str, dict[str, Any]] = {
    "mm of rgb": {
        "modalities": ("rgb",),
        **mm(masking=MaskingConfig(inputs=24, targets=32, mixture=(Component(),))),
    },
    "dino": {"objective": "dino", "dino": SMALL_DINO},
    "dino, centred": {
        "objective": "dino",
        "dino": SMALL_DINO.model_copy(update={"centring": "softmax"}),
    },
}


def config(name: str, **kwargs: Any) -> PretrainConfig:
    return TINY_PRETRAIN.model_copy(update=CONFIGS[name] | kwargs)


def tokenizers(world: World, name: str) -> dict[str, Path]:
    return {"rgb": world.tokenizers["rgb"]} if name.startswith("mm") else {}


@pytest.mark.parametrize("name", CONFIGS)
def test_killed_and_resumed_gives_the_same_bits(world: World, name: str, tmp_path: Path):
    class Killed(Exception):
        pass

    def die(step: int, _loss: float) -> None:
        if step == 5:
            raise Killed

    given = tokenizers(world, name)
    whole = pretrain(config(name), world.pretrain, given, tmp_path / "whole")
    with pytest.raises(Killed):
        pretrain(config(name), world.pretrain, given, tmp_path / "cut", loop.World(report=die))
    assert (tmp_path / "cut" / STATE).exists()
    cut = pretrain(config(name), world.pretrain, given, tmp_path / "cut")
    assert cut["curve"] == whole["curve"]
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("name", CONFIGS)
def test_transfer_takes_over(world: World, name: str, tmp_path: Path):
    pretrain(config(name), world.pretrain, tokenizers(world, name), tmp_path / "pre")
    metrics = transfer(
        TINY_TRANSFER.model_copy(update={"samples": 32}), world.transfer, tmp_path / "pre", tmp_path / "post"
    )
    assert np.isfinite(metrics["loss"])


def test_rgb_alone_with_budgets_that_it_has_no_room_for_is_said(world: World):
    """64 patches: 48 seen and 32 predicted would be more than there are."""
    crowded = config("mm of rgb", **mm(masking=MaskingConfig(inputs=48, targets=32, mixture=(Component(),))))
    with pytest.raises(ValueError, match="32 target tokens do not fit"):
        build_objective(crowded, world.pretrain, world.tokenizers)
