"""Cosine VQ: start, moving averages, revival, gradients."""

import pytest
import torch
import torch.nn.functional as F

from tests.training.quantiser_kit import QuantiserKit
from training.tokenizers.quantiser import usage
from training.tokenizers.vq import CosineVQ


class TestCosineVQ(QuantiserKit):
    codes, dim = 32, 6

    def make(self) -> CosineVQ:
        return CosineVQ(self.codes, self.dim)


def clusters(n: int, spread: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """n unit vectors around the 8 axes' directions ±x_i in 4-D, and which they are around."""
    g = torch.Generator().manual_seed(seed)
    axes = torch.cat([torch.eye(4), -torch.eye(4)])
    which = torch.arange(n) % 8
    return F.normalize(axes[which] + spread * torch.randn(n, 4, generator=g), dim=-1), which


def test_kmeans_start_finds_the_clusters():
    z, which = clusters(800, 0.05)
    vq = CosineVQ(8, 4)
    vq.start(z, torch.Generator().manual_seed(1), rounds=20)
    ids = vq.ids(z)
    # k-means may merge two clusters from an unlucky start, but no code may be left without latents.
    assert len(ids.unique()) == 8
    assert (vq.codebook.norm(dim=1) - 1).abs().max() < 1e-5
    purity = sum(torch.bincount(which[ids == k]).max().item() for k in range(8)) / len(z)
    assert purity > 0.85
    assert vq.uses.sum() == len(z)


def test_start_refuses_fewer_latents_than_codes():
    with pytest.raises(ValueError, match="larger batch or fewer codes"):
        CosineVQ(16, 4).start(torch.randn(8, 4), torch.Generator())


def test_moving_average_step_by_hand():
    vq = CosineVQ(2, 2, decay=0.9, alive=0.0)
    vq.codebook = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    vq.sums = torch.tensor([[2.0, 0.0], [0.0, 4.0]])
    vq.uses = torch.tensor([2.0, 4.0])
    z = torch.tensor([[0.8, 0.6], [1.0, 0.0], [0.6, 0.8]])
    vq.update(z, torch.tensor([0, 0, 1]), torch.Generator())
    sums = 0.9 * torch.tensor([[2.0, 0.0], [0.0, 4.0]]) + 0.1 * torch.tensor([[1.8, 0.6], [0.6, 0.8]])
    torch.testing.assert_close(vq.sums, sums)
    torch.testing.assert_close(vq.uses, torch.tensor([2.0, 3.7]))
    torch.testing.assert_close(vq.codebook, F.normalize(sums, dim=1))


def test_dead_codes_come_back_to_life_where_latents_are():
    z, _ = clusters(256, 0.05)
    g = torch.Generator().manual_seed(3)
    vq = CosineVQ(8, 4, decay=0.5, alive=0.1)
    # All codes but one point where no latent is: only revival can bring them into use.
    vq.codebook = F.normalize(torch.ones(8, 4) + 0.01 * torch.randn(8, 4, generator=g), dim=1)
    vq.codebook[0] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    vq.sums, vq.uses = vq.codebook * 32, torch.full((8,), 32.0)
    before = len(vq.ids(z).unique())
    revived = sum(vq.update(z, vq.ids(z), g) for _ in range(30))
    share, perplexity = usage(torch.bincount(vq.ids(z), minlength=8).float())
    assert before < 8
    assert revived > 0
    assert share == 1.0
    assert perplexity > 6


def test_revival_goes_where_codes_are_missed_and_not_where_most_latents_are():
    """Ten latents in eleven are one and the same; the others lie around eight directions of their own."""
    z, _ = clusters(2000, 0.02)
    common = torch.arange(2000) % 11 != 0
    z[common] = F.normalize(torch.ones(4), dim=0)
    vq = CosineVQ(9, 4, decay=0.5, alive=0.1)
    vq.codebook = F.normalize(torch.ones(9, 4), dim=1)
    vq.sums, vq.uses = vq.codebook * 2000 / 9, torch.full((9,), 2000 / 9)
    vq.uses[1:] = 0
    g = torch.Generator().manual_seed(0)
    vq.update(z, vq.ids(z), g)
    share, _ = usage(torch.bincount(vq.ids(z), minlength=9).float())
    assert share > 0.6  # drawn evenly, ten in eleven would have come to lie on the common one
    for _ in range(10):
        vq.update(z, vq.ids(z), g)
    assert len(vq.ids(z[~common]).unique()) == 8


def test_gradient_passes_straight_through_and_codes_take_none():
    vq = CosineVQ(8, 4).eval()
    vq.codebook = F.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    z = F.normalize(torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), dim=1).requires_grad_()
    quantised, ids, commitment = vq(z)
    torch.testing.assert_close(quantised, vq.codebook[ids])
    weight = torch.arange(20.0).view(5, 4)
    (gradient,) = torch.autograd.grad((quantised * weight).sum(), z)
    # On the sphere, the gradient is the incoming one without its radial part.
    radial = (weight * z).sum(1, keepdim=True) * z
    torch.testing.assert_close(gradient, (weight - radial).detach(), atol=1e-5, rtol=1e-4)
    cosine = (z * vq.codebook[ids]).sum(1).mean()
    torch.testing.assert_close(commitment, 1 - cosine)


def test_usage_of_an_even_and_a_single_code():
    assert usage(torch.full((4,), 5.0)) == (1.0, pytest.approx(4.0))
    assert usage(torch.tensor([7.0, 0, 0, 0])) == (0.25, pytest.approx(1.0))
