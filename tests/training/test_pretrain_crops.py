"""Pre-training on crops: what is seen and what is predicted of a sample are one crop, drawn by the seed."""

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from engine.store.access import PretrainFrames
from tests.training.conftest import MODALITIES, TINY_PRETRAIN, World, mm
from tests.training.killing import have_the_same_weights, killed_at
from tests.training.tiny_world import make_store
from training.pretrain import pretrain as loop
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import steps
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.objective import Objective
from training.pretrain.pretrain import pretrain
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenize_store import tokenize

CROPS = TokenCropConfig(count=3, scale=(0.3, 0.9), seed=5)
CROPPED = TINY_PRETRAIN.model_copy(update=mm(crops=CROPS))


@pytest.fixture(scope="module")
def cropped(world: World, tmp_path_factory: pytest.TempPathFactory) -> PretrainFrames:
    """Frames with tokens of crops, and none of whole frames."""
    store = make_store(tmp_path_factory.mktemp("crops") / "store", pretrain=32, transfer=4, held_out=4)
    for modality in MODALITIES:
        tokenize(store, modality, world.tokenizers[modality], threads=1, crops=CROPS)
    return PretrainFrames(store)


def build(world: World, frames: PretrainFrames, config: PretrainConfig) -> Objective:
    return build_objective(config, frames, world.tokenizers)


def test_pixels_that_are_seen_are_of_the_crop_whose_tokens_are_predicted(
    world: World, cropped: PretrainFrames
):
    """Every patch of RGB is seen and every token of depth predicted: the picture, put together again and
    tokenized, says which crop it is of, and the depth must be of that one."""
    masking = MaskingConfig(
        inputs=64, targets=64, repeats=4, mixture=(Component(inputs={"rgb": 1.0}, targets={"depth": 1.0}),)
    )
    objective = build(world, cropped, CROPPED.model_copy(update=mm(crops=CROPS, masking=masking)))
    ids = np.arange(20)
    batch = objective.prepare(cropped.read(ids, objective.reads), np.random.default_rng(3))
    pictures = put_together(batch["content"]["rgb"], patch=4, side=32)
    depth = batch["truth"]["depth"].reshape(-1, 8, 8).numpy()
    rgb_array, depth_array = (token_array(world.tokenizers[m], CROPS) for m in ("rgb", "depth"))
    held = cropped.read(ids.repeat(4), [rgb_array, depth_array])
    seen = load_tokenizer(world.tokenizers["rgb"]).encode(pictures).numpy()
    match = (held[rgb_array] == seen[:, None]).all(axis=(2, 3))
    assert (match.sum(axis=1) == 1).all()  # no two crops of a frame look alike
    which = match.argmax(axis=1)
    np.testing.assert_array_equal(depth, held[depth_array][np.arange(80), which])
    assert (np.bincount(which, minlength=4) > 8).all()  # 20 of each are expected
    assert (np.ptp(which.reshape(20, 4), axis=1) > 0).any()  # samples of one frame are of several


def put_together(patches: torch.Tensor, patch: int, side: int) -> UInt8[np.ndarray, "n side side 3"]:
    grid = side // patch
    each = patches.reshape(-1, grid, grid, patch, patch, 3).permute(0, 1, 3, 2, 4, 5)
    return each.reshape(-1, side, side, 3).numpy()


def test_a_step_is_the_same_on_any_number_of_workers_and_passes(world: World, cropped: PretrainFrames):
    objective = build(world, cropped, CROPPED)
    lanes = CROPPED.split

    def first_steps(mine: range, passes: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Pixels seen and tokens of edges predicted, of steps 2 and 3."""
        batches = lanes.batches(cropped, objective.reads, mine, lanes.tickets(cropped, mine, 2))
        made = steps(objective, batches, lanes, mine, passes, 2)
        packed = [[batch for batch, _ in next(made).passes] for _ in range(2)]
        return [
            (torch.cat([p["content"]["rgb"] for p in ps]), torch.cat([p["truth"]["edges"] for p in ps]))
            for ps in packed
        ]

    whole = first_steps(range(8), 1)
    for passes in (1, 2):
        halves = [first_steps(range(4), passes), first_steps(range(4, 8), passes)]
        for step in range(2):
            for kind in range(2):
                both = torch.cat([half[step][kind] for half in halves])
                assert torch.equal(both, whole[step][kind])
    assert not torch.equal(whole[0][0], whole[1][0])


def test_killed_and_resumed_gives_the_same_bits(world: World, cropped: PretrainFrames, tmp_path):
    pretrain(CROPPED, cropped, world.tokenizers, tmp_path / "whole")
    with killed_at(5, loop):
        pretrain(CROPPED, cropped, world.tokenizers, tmp_path / "cut")
    pretrain(CROPPED, cropped, world.tokenizers, tmp_path / "cut")
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_crops_may_go_on_from_whole_frames_with_the_same_tokenizers(
    world: World, cropped: PretrainFrames, tmp_path
):
    short = {"samples": 16}
    pretrain(TINY_PRETRAIN.model_copy(update=short), world.pretrain, world.tokenizers, tmp_path / "whole")
    metrics = pretrain(
        CROPPED.model_copy(update=short),
        cropped,
        world.tokenizers,
        tmp_path / "crops",
        start_from=tmp_path / "whole",
    )
    assert metrics["steps"] == 1


def test_tokens_that_are_not_of_these_crops_are_refused(world: World, cropped: PretrainFrames):
    with pytest.raises(ValueError, match=r'with crops \{"count":3.*; those that it has are of whole frames'):
        build(world, world.pretrain, CROPPED)
    with pytest.raises(ValueError, match=f"tokenize it first; .* of crops {CROPS.digest}"):
        build(world, cropped, TINY_PRETRAIN)
    other = CROPPED.model_copy(update=mm(crops=CROPS.model_copy(update={"count": 2})))
    with pytest.raises(ValueError, match=f"of crops {CROPS.digest}"):
        build(world, cropped, other)
