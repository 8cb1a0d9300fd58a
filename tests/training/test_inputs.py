"""More modalities than RGB as input of a transfer: they are seen, everywhere, and leave RGB as it was."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.training.conftest import (
    MODALITIES,
    ONE_THREAD,
    TINY_PRETRAIN,
    TINY_TRANSFER,
    World,
    segmenter,
    with_classes,
)
from training.common.checkpoint import encoder_weights
from training.models.encoder import build_encoder
from training.pretrain.pretrain import pretrain
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.data import image_batches
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.model import ModalityInput
from training.transfer.transfer import transfer

CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=2)
ALL = TINY_TRANSFER.model_copy(update={"inputs": MODALITIES})


def tensors(world: World, ids: list[int]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(v) for name, v in world.transfer.read(ids, MODALITIES).items()}


def test_learns_from_all_modalities_and_is_evaluated_with_them(world: World, tmp_path):
    config = ALL.model_copy(update={"samples": 480, "lr": 2e-3, "crop": 0.8, "drop_path": 0.1})
    metrics = transfer(config, world.transfer, None, tmp_path / "tuned")
    assert metrics["curve"][-1][1] < metrics["curve"][0][1]
    model = load_model(tmp_path / "tuned").model
    assert model.inputs == MODALITIES
    assert evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "eval")["pixel_accuracy"] > 0.6
    assert json.loads((tmp_path / "tuned" / "config.json").read_text())["transfer"]["inputs"] == [*MODALITIES]


def test_every_modality_has_a_say_at_every_patch(world: World):
    model = segmenter(ALL).eval()
    images = tensors(world, [0, 1])
    with torch.no_grad():
        before = model.features(images)
        assert before.shape == (2, 64, 64)
        for name in MODALITIES:
            changed = model.features({**images, name: images[name].flip(0)})
            assert (changed != before).any(-1).all(), name
        # Where a modality shows something matters: tokens of all have their places.
        moved = model.features({**images, "edges": images["edges"].roll(4, dims=2)})
        assert (moved != before).any()


def test_rgb_alone_is_the_encoder_itself(world: World):
    model = segmenter(TINY_TRANSFER).eval()
    images = tensors(world, [0, 1])
    with torch.no_grad():
        assert torch.equal(model.features(images), model.encoder(images["rgb"]))
    # And more modalities change no weight of encoder and head.
    more, fewer = segmenter(ALL).state_dict(), model.state_dict()
    assert all(torch.equal(more[k], v) for k, v in fewer.items())
    fresh = build_encoder(ALL.encoder, 32, ALL.seed).state_dict()
    assert all(torch.equal(more[f"encoder.{k}"], v) for k, v in fresh.items())


def test_an_encoder_that_was_pretrained_takes_fresh_projections(world: World, tmp_path, monkeypatch):
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 32})
    pretrain(config, world.pretrain, {}, tmp_path / "pre")
    monkeypatch.setattr(loop, "warmup_cosine", lambda *_: 0.0)
    still = ALL.model_copy(update={"samples": 16})
    transfer(still, world.transfer, tmp_path / "pre", tmp_path / "tuned")
    model = load_model(tmp_path / "tuned").model
    trained, state = encoder_weights(tmp_path / "pre"), model.encoder.state_dict()
    assert all(torch.equal(state[k], trained[k]) for k in state)
    assert loop.rate_scale(still)("further.depth.patches.weight") == 1.0  # as fresh as the head


def test_a_mirrored_frame_has_mirrored_normals(world: World):
    source = with_classes(world.transfer)
    plain, mirrored = (
        next(image_batches([(source, 16)], MODALITIES, 1.0, flip, 3, 0)).images for flip in (False, True)
    )
    turned = [i for i in range(16) if not np.array_equal(plain["rgb"][i], mirrored["rgb"][i])]
    assert 2 < len(turned) < 14
    for i in turned:
        there, back = mirrored["normals"][i, :, ::-1], plain["normals"][i]
        hit = back.any(-1)
        np.testing.assert_array_equal(there[hit][:, 0], 255 - back[hit][:, 0])
        np.testing.assert_array_equal(mirrored["depth"][i, :, ::-1], plain["depth"][i])


def test_depth_is_seen_at_its_scale_and_as_missing_where_it_is(world: World):
    model = segmenter(ALL).eval()
    depth = torch.full((1, 32, 32), 4000, dtype=torch.uint16)
    embed = model.further["depth"]
    assert isinstance(embed, ModalityInput)
    values = embed.transform.to_input(depth)
    assert values.abs().max() <= 1.0
    nothing = embed(torch.zeros_like(depth))
    torch.testing.assert_close(nothing[0, 0], embed.modality_embedding)


@pytest.mark.parametrize("inputs", [(), ("depth",), ("depth", "rgb"), ("rgb", "rgb")])
def test_inputs_that_make_no_sense_are_refused(inputs: tuple[str, ...]):
    with pytest.raises(ValidationError, match="rgb first"):
        TransferConfig(inputs=inputs)


def test_a_frozen_encoder_takes_rgb_alone():
    with pytest.raises(ValidationError, match="trains no projection"):
        TransferConfig(inputs=("rgb", "depth"), protocol="linear")
