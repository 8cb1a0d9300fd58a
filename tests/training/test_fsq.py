"""Finite scalar quantisation by hand: levels, places, the bound, and the table."""

import math

import pytest
import torch
from pydantic import ValidationError

from tests.training.quantiser_kit import QuantiserKit
from training.tokenizers.autoencoder import TokenizerConfig
from training.tokenizers.fsq import FSQ, LEVELS, levels_for


class TestFSQ(QuantiserKit):
    codes, dim = 60, 3

    def make(self) -> FSQ:
        return FSQ((5, 4, 3))


def test_levels_by_hand():
    """5 levels are -1, -1/2, 0, 1/2, 1; 4 are -1, -1/2, 0, 1/2; the first number counts by 1, the second by
    5."""
    fsq = FSQ((5, 4))
    rows = fsq.rows(torch.arange(20))
    torch.testing.assert_close(rows[:5, 0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))
    torch.testing.assert_close(rows[::5, 1], torch.tensor([-1.0, -0.5, 0.0, 0.5]))
    assert fsq.ids(torch.zeros(2)).item() == 2 + 5 * 2  # nothing is in the middle
    far = torch.tensor([[-9.0, -9.0], [9.0, 9.0], [9.0, -9.0]])
    assert fsq.ids(far).tolist() == [0, 19, 4]


def test_the_bound_is_rounded_and_its_gradient_is_the_tangents():
    fsq = FSQ((5,))
    z = torch.tensor([[0.1], [0.3], [1.0]], requires_grad=True)
    rows, ids, loss = fsq(z)
    bound = 2 * 0.999 * torch.tanh(z.detach())
    assert ids.tolist() == [2 + round(v) for v in bound[:, 0].tolist()]
    assert loss == 0
    (gradient,) = torch.autograd.grad(rows.sum(), z)
    torch.testing.assert_close(gradient, 0.999 * (1 - torch.tanh(z.detach()) ** 2))


@pytest.mark.parametrize("codes", sorted(LEVELS))
def test_every_code_of_the_table_can_be_reached(codes: int):
    """Latents aimed at every row come back as its code; the table gives no more codes than asked for."""
    levels = levels_for(codes)
    fsq = FSQ(levels)
    assert math.prod(levels) == fsq.codes <= codes
    rows = fsq.rows(torch.arange(fsq.codes))
    half = (fsq.levels - 1) * (1 - 1e-3) / 2
    offset = torch.where(fsq.levels % 2 == 0, 0.5, 0.0)
    aimed = torch.atanh(((rows * (fsq.levels // 2) + offset) / half).clamp(-0.999, 0.999))
    assert torch.equal(fsq.ids(aimed - torch.atanh(offset / half)), torch.arange(fsq.codes))


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="no levels are known for 100 codes"):
        TokenizerConfig(quantiser="fsq", codes=100)
    with pytest.raises(ValidationError, match="make 64 codes"):
        TokenizerConfig(quantiser="fsq", codes=32, levels=(8, 8))
    with pytest.raises(ValidationError, match="3 or more"):
        TokenizerConfig(quantiser="fsq", codes=32, levels=(2, 8))
    with pytest.raises(ValidationError, match="levels are for quantiser fsq"):
        TokenizerConfig(levels=(8, 8))
