"""`dino` in particular: its losses by hand, the teacher, the schedules, what each of them sees."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.objective_kit import ENCODER, IMAGE, OTHERS, bits, same
from tests.training.tiny_world import draw_frames
from training.common.checkpoint import encoder_weights, save_model
from training.models.encoder import EncoderConfig
from training.models.positions import sincos_2d, sincos_2d_across
from training.pretrain.dino import losses as dino_losses
from training.pretrain.dino.crops import MultiCropConfig
from training.pretrain.dino.dino import Dino, DinoConfig
from training.pretrain.dino.losses import (
    DinoHead,
    EmaCentering,
    SinkhornKnopp,
    cross_entropy,
    dino_loss,
    koleo_loss,
)

SMALL = DinoConfig(crops=MultiCropConfig(local_crops=3), hidden=32, bottleneck=16, prototypes=24)
WARM = torch.tensor(0.07)


def dino(seed: int = 0, encoder: EncoderConfig = ENCODER, **update: Any) -> Dino:
    return Dino(encoder, IMAGE, SMALL.model_copy(update=update), seed)


def batch_of(model: Dino, count: int = 8, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return model.prepare({"rgb": draw_frames(count, IMAGE, rng)["rgb"]}, rng)


def cosines(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_loss_of_crops_is_the_mean_over_all_pairs_of_different_crops():
    truth = cosines(2, 5, 7).softmax(-1)
    crops = cosines(6, 5, 7, seed=1)  # two global ones, four local ones
    pairs = [cross_entropy(truth[t], crops[s], 0.1).mean() for t in range(2) for s in range(6) if s != t]
    torch.testing.assert_close(dino_loss(truth, crops[:2], crops[2:], 0.1), torch.stack(pairs).mean())
    torch.testing.assert_close(
        dino_loss(truth, crops[:2], crops[2:2], 0.1), torch.stack([pairs[0], pairs[5]]).mean()
    )


def test_cross_entropy_is_least_where_both_say_the_same():
    logits = cosines(4, 9)
    truth = (logits / 0.1).softmax(-1)
    entropy = -(truth * truth.log()).sum(-1)
    torch.testing.assert_close(cross_entropy(truth, logits, 0.1), entropy)
    assert (cross_entropy(truth, cosines(4, 9, seed=1), 0.1) > entropy).all()


def test_sinkhorn_gives_all_prototypes_the_same_weight():
    logits = cosines(64, 8) + torch.linspace(0, 1, 8)  # the last prototypes are liked best
    for temperature in (0.02, 0.07):
        truth = SinkhornKnopp()(logits.clamp(-1, 1), torch.tensor(temperature))
        torch.testing.assert_close(truth.sum(1), torch.ones(64))
        assert torch.isfinite(truth).all()
    plain = (logits / WARM).softmax(-1)
    even = SinkhornKnopp()(logits, WARM)
    assert (even.sum(0) / 8 - 1).abs().max() < 0.2
    assert (plain.sum(0) / 8 - 1).abs().max() > 1.0


def test_the_centre_follows_the_mean_once_a_step():
    truth = EmaCentering(6, momentum=0.9)
    logits = [cosines(5, 6, seed=s) + 0.5 for s in range(3)]
    first = truth(logits[0], WARM)
    assert torch.equal(first, truth(logits[0], WARM))  # asking again moves nothing
    torch.testing.assert_close(first, (logits[0] / WARM).softmax(-1))
    truth.update()
    torch.testing.assert_close(truth.centre, 0.1 * logits[0].mean(0))
    # Several batches before one step count as one large batch.
    for x in logits[1:]:
        truth(x, WARM)
    truth.update()
    torch.testing.assert_close(truth.centre, 0.09 * logits[0].mean(0) + 0.1 * torch.cat(logits[1:]).mean(0))
    torch.testing.assert_close(truth(logits[0], WARM), ((logits[0] - truth.centre) / WARM).softmax(-1))
    truth.update()
    truth.eval()(logits[0], WARM)
    assert not truth.count  # only what is asked in training counts


def test_koleo_by_hand_and_what_it_does():
    x = torch.tensor([[2.0, 0.0], [0.0, 1.0], [-3.0, 0.1]], requires_grad=True)
    unit = torch.nn.functional.normalize(x.detach(), dim=-1)
    nearest = torch.tensor([1, 0, 1])  # of the second, the first is a little nearer than the third
    near = [(unit[i] - unit[j]).norm() for i, j in enumerate(nearest)]
    if near[1] > (unit[1] - unit[2]).norm():
        near[1] = (unit[1] - unit[2]).norm()
    torch.testing.assert_close(koleo_loss(x).detach(), -torch.stack(near).log().mean())
    points = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)) * 0.1 + torch.tensor([1.0, 0, 0])
    points.requires_grad_(True)
    before = koleo_loss(points)
    before.backward()
    assert points.grad is not None
    assert koleo_loss(points - 0.02 * points.grad) < before
    twins = torch.ones(2, 3, requires_grad=True)  # no distance at all
    koleo_loss(twins).backward()
    assert twins.grad is not None
    assert torch.isfinite(twins.grad).all()


def test_heads_give_cosines_whatever_the_length_of_the_weights():
    head = DinoHead(16, 32, 8, 12)
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    logits = head(x)
    assert logits.abs().max() <= 1.0 + 1e-6
    with torch.no_grad():
        head.prototypes.weight.mul_(torch.linspace(0.1, 9.0, 12)[:, None])
    torch.testing.assert_close(head(x), logits)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(x).dtype == torch.float32


def test_schedules():
    config = DinoConfig(teacher_temperature=(0.04, 0.07), teacher_warmup=0.3, momentum=(0.99, 1.0))
    assert [config.temperature_at(p) for p in (0.0, 0.15, 0.3, 1.0)] == pytest.approx(
        [0.04, 0.055, 0.07, 0.07]
    )
    assert [config.momentum_at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.99, 0.995, 1.0])
    assert DinoConfig(teacher_warmup=0.0).temperature_at(0.0) == 0.07
    model = dino()
    assert model.temperature.item() == pytest.approx(0.04)
    for step in range(1, 11):
        model.after_step(step, 10)
        assert model.temperature.item() == pytest.approx(0.04 + 0.03 * min(1.0, step / 3))


def test_the_teacher_follows_the_student_after_each_step():
    model = dino(momentum=(0.9, 1.0))
    assert same(bits(model.encoder), bits(model.student))
    assert same(bits(model.teacher_heads), bits(model.heads))
    with torch.no_grad():
        for parameter in (*model.student.parameters(), *model.heads.parameters()):
            parameter.add_(0.1 * cosines(*parameter.shape))
    pairs = {"encoder": "student", "teacher_heads": "heads"}
    before = {part: bits(getattr(model, part)) for part in (*pairs, *pairs.values())}
    model.after_step(1, 100)
    for teacher, student in pairs.items():
        for name, now in bits(getattr(model, teacher)).items():
            torch.testing.assert_close(now, 0.9 * before[teacher][name] + 0.1 * before[student][name])
        assert same(bits(getattr(model, student)), before[student])
    still = bits(model.encoder)
    model.after_step(100, 100)  # momentum 1
    assert same(bits(model.encoder), still)


def test_it_is_the_teacher_that_is_transferred(tmp_path: Path):
    model = dino()
    with torch.no_grad():
        model.student.norm.weight.add_(1.0)
    save_model(tmp_path, model, {})
    assert same(encoder_weights(tmp_path), bits(model.encoder))
    assert not same(encoder_weights(tmp_path), bits(model.student))


@pytest.mark.parametrize("registers", [0, 1, 3])
def test_pixels_of_hidden_patches_do_not_reach_the_student(registers: int):
    model = dino(encoder=ENCODER.model_copy(update={"registers": registers}))
    batch = batch_of(model)
    crops = model._crops(batch, "global", model.grid)
    hidden = batch["hidden"]
    squares = hidden.view(-1, 4, 4).repeat_interleave(8, 1).repeat_interleave(8, 2)
    other = torch.where(squares[..., None], 255 - crops, crops)
    assert not torch.equal(other, crops)
    seen, unseen = (
        model._features(model.student, x, model.student.positions, hidden) for x in (crops, other)
    )
    assert torch.equal(seen[0], unseen[0])
    assert torch.equal(seen[1], unseen[1])
    # The teacher sees them.
    seen, unseen = (model._features(model.encoder, x, model.encoder.positions) for x in (crops, other))
    assert (seen[0] - unseen[0]).abs().max() > 1e-3
    assert seen[1].shape == (16, 16, 64)


def test_an_image_is_its_first_register_or_the_mean_of_its_patches():
    for registers in (0, 2):
        model = dino(encoder=ENCODER.model_copy(update={"registers": registers}))
        crops = model._crops(batch_of(model), "global", model.grid)
        image, patches = model._features(model.encoder, crops, model.encoder.positions)
        torch.testing.assert_close(patches, model.encoder(crops))  # what transfer will see
        if not registers:
            torch.testing.assert_close(image, patches.mean(1))
        else:
            assert (image - patches.mean(1)).abs().max() > 0.01


def test_hidden_patches_weigh_the_same_in_every_crop():
    model = dino()
    batch = batch_of(model)
    owner = batch["hidden_rows"] // model.grid**2
    weight = torch.zeros(16).index_add(0, owner, batch["hidden_weight"])
    masked = batch["hidden"].any(1)
    assert masked.sum() == 8
    torch.testing.assert_close(weight, masked / 16)


def test_local_crops_have_positions_of_the_whole_grid():
    torch.testing.assert_close(sincos_2d_across(6, 6, 32), sincos_2d(6, 6, 32), rtol=0, atol=1e-7)
    small = sincos_2d_across(4, 8, 32).view(4, 4, 32)
    # Token i stands in the middle of tokens 2i and 2i + 1 of the whole grid, at 2i + 1/2.
    angle = (2 * torch.arange(4) + 0.5)[:, None] * 10000 ** (-torch.arange(8) / 8)
    torch.testing.assert_close(small[:, 0, :8], angle.sin(), rtol=0, atol=1e-5)
    torch.testing.assert_close(small[0, :, 24:], angle.cos(), rtol=0, atol=1e-5)
    # An odd grid of which the half is rounded down: ends are as far from the border on both sides.
    model = Dino(*OTHERS["three patches a side"], SMALL, 0)
    torch.testing.assert_close(model.local_positions, sincos_2d(3, 3, 64)[4:5])


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match=r"smaller encoder.patch"):
        Dino(ENCODER, 8, SMALL, 0)
    with pytest.raises(ValueError, match="raise the batch"):
        batch_of(dino(), count=1)
    for wrong in ({"masked": (0.5, 0.1)}, {"teacher_temperature": (0.001, 0.07)}, {"momentum": (0.9, 1.1)}):
        with pytest.raises(ValueError, match="give"):
            DinoConfig(**wrong)
    with pytest.raises(ValueError, match=r"global_area is 0\.0, 1\.0"):
        MultiCropConfig(global_area=(0.0, 1.0))


@pytest.mark.parametrize("centring", ["sinkhorn", "softmax"])
def test_features_spread_while_the_loss_falls(centring: str):
    """60 steps on fresh crops of 96 frames, the teacher following: large crops with their colours kept, since
    small ones of these few boxes say little of each other."""
    crops = MultiCropConfig(local_crops=4, global_area=(0.6, 1.0), local_area=(0.2, 0.6), colour=0.0)
    model = dino(
        centring=centring,
        crops=crops,
        hidden=128,
        bottleneck=32,
        prototypes=32,
        momentum=(0.95, 1.0),
        teacher_temperature=(0.04, 0.04),
    )
    rgb = draw_frames(96, IMAGE, np.random.default_rng(0))["rgb"]

    def spread() -> tuple[float, float]:
        with torch.no_grad():
            features = model.encoder(torch.from_numpy(rgb)).mean(1)
        unit = torch.nn.functional.normalize(features, dim=-1)
        return features.std(0).mean().item(), (unit @ unit.T).mean().item()

    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    before, losses = spread(), []
    for step in range(60):
        rng = np.random.default_rng((1, step))
        loss = model(model.prepare({"rgb": rgb[rng.permutation(96)[:16]]}, rng))
        optimiser.zero_grad()
        loss["total"].backward()
        optimiser.step()
        model.after_step(step + 1, 60)
        losses.append([loss[k].item() for k in ("total", "dino", "ibot")])
    first, last = np.mean(losses[:10], axis=0), np.mean(losses[-10:], axis=0)
    if centring == "sinkhorn":  # a centre starts at 0, and losses rise while it finds its place
        assert last[0] < 0.9 * first[0]
    assert last[1] < np.log(32) - 0.2  # less than if all frames were the same to the student
    assert last[2] < first[2]
    after = spread()
    assert after[0] > before[0]
    assert after[1] < before[1] - 0.1


class TwoWorkers:
    """Stands for torch.distributed in two threads that add up what they have."""

    def __init__(self) -> None:
        self.meet = Barrier(2, timeout=60)
        self.given: list[torch.Tensor] = []

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def get_world_size(self) -> int:
        return 2

    def all_reduce(self, x: torch.Tensor) -> None:
        self.given.append(x.clone())
        self.meet.wait()
        x.copy_(self.given[0] + self.given[1])
        if self.meet.wait() == 0:
            self.given.clear()
        self.meet.wait()


def test_two_workers_say_what_one_does(monkeypatch):
    """Centre and Sinkhorn-Knopp are over the rows of all workers, though these differ in number."""

    def ask(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        centred = EmaCentering(6, momentum=0.9)
        centred(logits, WARM)
        centred.update()
        return centred.centre, SinkhornKnopp()(logits, WARM)

    logits = cosines(10, 6)
    centre, even = ask(logits)
    monkeypatch.setattr(dino_losses, "dist", TwoWorkers())
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(ask, (logits[:3], logits[3:])))
    for half in halves:
        torch.testing.assert_close(half[0], centre)
    torch.testing.assert_close(torch.cat([half[1] for half in halves]), even)
