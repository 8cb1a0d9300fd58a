"""What every objective of pre-training must hold: a class of tests to inherit.

    class TestMine(ObjectiveKit):
        def build(self, encoder=ENCODER, image=IMAGE, seed=0): return Mine(...)

A subclass may narrow `still`, the parameters that are not meant to learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from engine.store.errors import LeakError
from tests.training.conftest import World
from tests.training.tiny_world import draw_frames
from training.common.checkpoint import encoder_weights, load_tensors, save_model, save_tensors
from training.models.encoder import EncoderConfig, build_encoder
from training.pretrain.objective import Objective

IMAGE = 32
ENCODER = EncoderConfig(dim=64, depth=2, patch=8)
OTHERS = {
    "three patches a side": (ENCODER, 24),
    "patches of 4": (EncoderConfig(dim=32, depth=1, patch=4), 40),
    "gelu, biases, heads": (ENCODER.model_copy(update={"mlp": "gelu", "bias": True, "heads": 4}), 48),
    "registers": (ENCODER.model_copy(update={"registers": 2, "pixels": "imagenet"}), IMAGE),
}
"""Encoders and sizes of frames other than the kit's own."""


class ObjectiveKit:
    still: tuple[str, ...] = ()
    """Starts of the names of parameters that are not to learn by gradients."""

    def build(self, encoder: EncoderConfig = ENCODER, image: int = IMAGE, seed: int = 0) -> Objective:
        raise NotImplementedError

    def frames(self, objective: Objective, count: int, seed: int = 0) -> dict[str, np.ndarray]:
        """What the objective reads: boxes before a wall, and tokens of below 16 that depend on them."""
        side, grid = objective.encoder.config.patch, objective.encoder.grid
        rgb = draw_frames(count, side * grid, np.random.default_rng(seed))["rgb"]
        coarse = rgb[:, side // 2 :: side, side // 2 :: side]
        tokens = [n for n in objective.reads if n != "rgb"]
        return {"rgb": rgb} | {n: (coarse[..., i % 3] // 16).astype(np.uint16) for i, n in enumerate(tokens)}

    def batch(self, objective: Objective, count: int = 16, seed: int = 0) -> Any:
        return objective.prepare(self.frames(objective, count, seed), np.random.default_rng(seed))

    def train(self, objective: Objective, steps: int, first: int = 0, rate: float = 0.05) -> list[float]:
        """Losses of steps `first` to `steps` of plain descent, which remembers nothing, on batches of 8."""
        losses = []
        for step in range(first, steps):
            losses.append(descend(objective, self.batch(objective, 8, seed=step), rate))
            objective.after_step(step + 1, 10)
        return losses

    def test_prepare_is_a_pure_function_of_arrays_and_generator(self):
        objective = self.build()
        arrays = self.frames(objective, 16)
        given = {k: v.copy() for k, v in arrays.items()}
        another = self.build(seed=5).prepare(arrays, np.random.default_rng(3))
        before, torchs, numpys = bits(objective), torch.get_rng_state(), np.random.get_state()[1].copy()
        one = objective.prepare(arrays, np.random.default_rng(3))
        two = objective.prepare(arrays, np.random.default_rng(3))
        other = objective.prepare(arrays, np.random.default_rng(4))
        assert same(one, two)
        assert same(one, another)
        assert not same(one, other)
        assert same(bits(objective), before)
        assert all(np.array_equal(arrays[k], v) for k, v in given.items())
        assert torch.equal(torch.get_rng_state(), torchs)
        assert np.array_equal(np.random.get_state()[1], numpys)

    def test_labels_beside_what_it_reads_change_nothing(self, world: World):
        labels = {m.name for m in world.store.modalities if m.kind == "label"}
        objective = self.build()
        assert labels
        assert not labels & set(objective.reads)
        with pytest.raises(LeakError):
            world.pretrain.read([0], ["rgb", *labels])
        arrays = self.frames(objective, 4)
        labelled = arrays | {name: np.ones((4, IMAGE, IMAGE), dtype=np.uint8) for name in labels}
        plain, beside = (objective.prepare(a, np.random.default_rng(0)) for a in (arrays, labelled))
        assert same(plain, beside)

    def test_losses_are_finite_and_asking_twice_gives_the_same_bits(self):
        objective = self.build()
        batch = self.batch(objective)
        losses = objective(batch)
        assert "total" in losses
        assert all(v.shape == () and torch.isfinite(v) for v in losses.values())
        assert same(losses, objective(batch))
        with torch.autocast("cpu", torch.bfloat16):
            rough = objective(batch)
        for name, value in losses.items():
            torch.testing.assert_close(rough[name].float(), value, rtol=0.05, atol=0.02, msg=name)

    def test_gradients_reach_what_is_meant_to_learn_and_nothing_else(self):
        objective = self.build()
        objective(self.batch(objective))["total"].backward()
        for name, parameter in objective.named_parameters():
            assert parameter.requires_grad != name.startswith(self.still or "-"), name
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                assert torch.isfinite(parameter.grad).all(), name
                assert parameter.grad.abs().sum() > 0, name
            else:
                assert parameter.grad is None, name

    def test_equal_to_the_last_bit_when_run_again(self):
        one, two = self.build(), self.build()
        assert self.train(one, 3) == self.train(two, 3)
        assert same(bits(one), bits(two))
        assert not same(bits(one), bits(self.build()))

    def test_saved_and_loaded_it_goes_on_with_the_same_bits(self, tmp_path: Path):
        whole, start = self.build(), self.build(seed=1)
        self.train(whole, 3)
        save_tensors(tmp_path / "state", whole.state_dict())
        start.load_state_dict(load_tensors(tmp_path / "state")[0])
        assert same(bits(whole), bits(start))
        assert self.train(whole, 5, first=3) == self.train(start, 5, first=3)
        assert same(bits(whole), bits(start))

    def test_a_batch_is_learnt(self):
        """What follows the weights, such as a teacher, stands still, so that there is one thing to learn."""
        objective = self.build()
        batch = self.batch(objective)
        optimiser = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=1e-3)
        losses = []
        for _ in range(25):
            optimiser.zero_grad()
            loss = objective(batch)["total"]
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.8 * losses[0]

    def test_the_parts_of_flops_sum_to_what_torch_counts(self):
        objective, count = self.build().eval(), 64
        batch = self.batch(objective, count)
        parts = objective.flops()
        assert all(v >= 0 for v in parts.values())
        with FlopCounterMode(display=False) as counter:
            loss = objective(batch)["total"]
            forward = counter.get_total_flops()
            loss.backward()
        samples = count * objective.repeats
        assert sum(parts.values()) == pytest.approx(forward / samples, rel=0.02)
        # No gradient of pixels is asked for, so that backward is a little less than twice forward.
        assert objective.train_flops() == pytest.approx(counter.get_total_flops() / samples, rel=0.08)

    def test_starts_from_the_encoder_of_its_seed(self):
        for seed in (0, 3):
            assert same(bits(self.build(seed=seed).encoder), bits(build_encoder(ENCODER, IMAGE, seed)))

    def test_its_encoder_is_what_transfer_takes_over(self, tmp_path: Path):
        objective = self.build()
        self.train(objective, 2)
        save_model(tmp_path, objective, {})
        encoder = build_encoder(ENCODER, IMAGE, seed=9)
        encoder.load_state_dict(encoder_weights(tmp_path))
        rgb = torch.from_numpy(self.frames(objective, 2)["rgb"])
        assert torch.equal(encoder(rgb), objective.encoder(rgb))
        # No other tensor of the checkpoint may be taken for one of the encoder's.
        names = [k for k in objective.state_dict() if "encoder." in k]
        assert len(names) == len(encoder.state_dict())

    @pytest.mark.parametrize("other", OTHERS)
    def test_other_sizes(self, other: str):
        encoder, image = OTHERS[other]
        objective = self.build(encoder, image)
        losses = objective(self.batch(objective, 4))
        losses["total"].backward()
        assert all(torch.isfinite(v) for v in losses.values())
        assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)
        objective.after_step(1, 10)


def descend(objective: Objective, batch: Any, rate: float) -> float:
    objective.zero_grad()
    loss = objective(batch)["total"]
    loss.backward()
    with torch.no_grad():
        for parameter in objective.parameters():
            if parameter.grad is not None:
                parameter.sub_(rate * parameter.grad)
    return loss.item()


def bits(module: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, nested dicts and all."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a.dtype == b.dtype and torch.equal(a, b)
