"""The losses of `dino` are those of lightly: DINOLoss, IBOTPatchLoss, KoLeoLoss, SwaV's Sinkhorn, its head.

Needs the optional group `reference-dino` (pip install -e ".[reference-dino]"); skipped without it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from training.pretrain.dino.block_masks import draw_blocks
from training.pretrain.dino.losses import (
    DinoHead,
    EmaCentering,
    SinkhornKnopp,
    cross_entropy,
    dino_loss,
    koleo_loss,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # lightly's own, and those of what it imports
losses = pytest.importorskip("lightly.loss", exc_type=ImportError)
from lightly.loss.swav_loss import sinkhorn  # noqa: E402
from lightly.models.modules.heads import DINOProjectionHead  # noqa: E402

FRAMES, PROTOTYPES, STUDENT, TEACHER, MOMENTUM = 6, 32, 0.1, 0.05, 0.9


def cosines(*shape: int, seed: int) -> Tensor:
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return x.requires_grad_(True)


def close(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("local", [0, 4])
def test_loss_of_crops_and_its_centre_over_three_steps(local: int):
    reference = losses.DINOLoss(
        PROTOTYPES, student_temp=STUDENT, teacher_temp=TEACHER, center_momentum=MOMENTUM
    )
    truth = EmaCentering(PROTOTYPES, MOMENTUM)
    for step in range(3):
        teacher = cosines(2, FRAMES, PROTOTYPES, seed=step).detach()
        student = cosines(2 + local, FRAMES, PROTOTYPES, seed=10 + step)
        theirs = reference(list(teacher), list(student), teacher_temp=TEACHER)
        (expected,) = torch.autograd.grad(theirs, student)
        said = truth(teacher.flatten(0, 1), torch.tensor(TEACHER)).view_as(teacher)
        ours = dino_loss(said, student[:2], student[2:], STUDENT)
        (gradient,) = torch.autograd.grad(ours, student)
        truth.update()
        close(ours, theirs)
        close(gradient, expected)
        close(truth.centre, reference.center[0, 0])
    assert truth.centre.abs().max() > 0


def test_loss_of_hidden_patches_and_its_centre_over_three_steps():
    reference = losses.IBOTPatchLoss(
        PROTOTYPES, student_temp=STUDENT, teacher_temp=TEACHER, center_momentum=MOMENTUM
    )
    truth = EmaCentering(PROTOTYPES, MOMENTUM)
    for step in range(3):
        hidden = draw_blocks(2 * FRAMES, 8, 0.5, (0.1, 0.5), np.random.default_rng(step))
        count = int(hidden.sum())
        weight = torch.from_numpy(1.0 / (len(hidden) * np.repeat(hidden.sum(1), hidden.sum(1)))).float()
        teacher = cosines(count, PROTOTYPES, seed=step).detach()
        student = cosines(count, PROTOTYPES, seed=10 + step)
        theirs = reference(teacher, student, torch.from_numpy(hidden.reshape(-1, 8, 8)))
        (expected,) = torch.autograd.grad(theirs, student)
        said = truth(teacher, torch.tensor(TEACHER))
        ours = (cross_entropy(said, student, STUDENT) * weight).sum()
        (gradient,) = torch.autograd.grad(ours, student)
        truth.update()
        close(ours, theirs)
        close(gradient, expected)
        close(truth.centre, reference.center.value[0])


def test_koleo():
    reference = losses.KoLeoLoss()
    for seed in range(3):
        x = cosines(20, 48, seed=seed)
        theirs, ours = reference(x), koleo_loss(x)
        close(ours, theirs)
        close(torch.autograd.grad(ours, x)[0], torch.autograd.grad(theirs, x)[0])


@pytest.mark.parametrize("temperature", [0.04, 0.07])
def test_sinkhorn_knopp(temperature: float):
    logits = cosines(40, PROTOTYPES, seed=0).detach()
    close(SinkhornKnopp()(logits, torch.tensor(temperature)), sinkhorn(logits, 3, temperature))


def test_head():
    ours, theirs = DinoHead(24, 40, 16, PROTOTYPES), DINOProjectionHead(24, 40, 16, PROTOTYPES)
    with torch.no_grad():
        for mine, yours in zip((0, 2, 4), (0, 2, 4), strict=True):
            ours.mlp[mine].load_state_dict(theirs.layers[yours].state_dict())
        ours.prototypes.weight.copy_(theirs.last_layer.weight_v)
    x, y = cosines(9, 24, seed=0), cosines(9, 24, seed=0)
    weight = cosines(9, PROTOTYPES, seed=1).detach()
    close(ours(x), theirs(y))
    (ours(x) * weight).sum().backward()
    (theirs(y) * weight).sum().backward()
    close(x.grad, y.grad)
    close(ours.prototypes.weight.grad, theirs.last_layer.weight_v.grad)
