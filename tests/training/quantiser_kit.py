"""What every quantiser promises. A test class inherits `QuantiserKit` and says how to make one."""

import torch
import torch.nn.functional as F

from training.tokenizers.quantiser import Quantiser


def latents(count: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Spread wide and unevenly, as an encoder's are: half of them nearly alike, [count, dim]."""
    g = torch.Generator().manual_seed(seed)
    wide = 2.0 * torch.randn(count, dim, generator=g)
    return torch.where(torch.arange(count)[:, None] % 2 == 0, wide, 0.3 + 0.01 * wide)


class QuantiserKit:
    codes: int
    dim: int

    def make(self) -> Quantiser:
        raise NotImplementedError

    def started(self) -> Quantiser:
        quantiser = self.make()
        quantiser.start(latents(8 * self.codes, self.dim), torch.Generator().manual_seed(1))
        return quantiser

    def test_says_what_it_is(self):
        quantiser = self.make()
        assert (quantiser.codes, quantiser.dim) == (self.codes, self.dim)

    def test_ids_keep_the_shape_and_are_codes(self):
        ids = self.started().ids(latents(24, self.dim).view(2, 3, 4, self.dim))
        assert ids.shape == (2, 3, 4)
        assert ids.dtype == torch.int64
        assert ids.min() >= 0
        assert ids.max() < self.codes

    def test_every_row_is_its_own_code(self):
        """Rows of all codes differ, and quantising a row gives its code again."""
        quantiser = self.started()
        everything = torch.arange(self.codes)
        rows = quantiser.rows(everything)
        assert rows.shape == (self.codes, self.dim)
        assert len(rows.unique(dim=0)) == self.codes
        out, ids, _ = quantiser.eval()(latents(64, self.dim))
        torch.testing.assert_close(out, quantiser.rows(ids))

    def test_the_same_latents_give_the_same_codes_in_any_batch_and_precision_of_the_loop(self):
        quantiser, z = self.started(), latents(64, self.dim)
        ids = quantiser.ids(z)
        assert torch.equal(ids, torch.cat([quantiser.ids(part) for part in z.split(7)]))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(ids, quantiser.ids(z))
        assert torch.equal(ids, quantiser.eval()(z)[1])

    def test_gradients_reach_the_latents(self):
        quantiser = self.started().train()
        z = latents(64, self.dim).requires_grad_()
        out, _, loss = quantiser(z, torch.Generator().manual_seed(2))
        (out.sum() + loss).backward()
        assert z.grad is not None
        assert z.grad.isfinite().all()
        assert (z.grad.abs().sum(1) > 0).float().mean() > 0.9

    def test_training_with_equal_generators_is_equal_to_the_bit(self):
        outcomes = []
        for _ in range(2):
            quantiser, g = self.started().train(), torch.Generator().manual_seed(3)
            ids = [quantiser(latents(64, self.dim, seed), g)[1] for seed in range(5)]
            outcomes.append((torch.stack(ids), quantiser.state_dict()))
        assert torch.equal(outcomes[0][0], outcomes[1][0])
        assert all(torch.equal(v, outcomes[1][1][k]) for k, v in outcomes[0][1].items())

    def test_comes_back_from_its_state(self):
        quantiser, other = self.started(), self.make()
        other.load_state_dict(quantiser.state_dict())
        z = latents(64, self.dim)
        assert torch.equal(quantiser.ids(z), other.ids(z))

    def test_measuring_moves_nothing(self):
        quantiser = self.started().eval()
        before = {k: v.clone() for k, v in quantiser.state_dict().items()}
        quantiser(latents(64, self.dim))
        assert all(torch.equal(v, before[k]) for k, v in quantiser.state_dict().items())

    def test_a_fine_quantiser_is_nearer_than_any_single_row(self):
        """Distances of latents to their rows against those to the best row for all, on the sphere."""
        quantiser = self.started()
        z = F.normalize(latents(512, self.dim), dim=-1)
        rows = F.normalize(quantiser.rows(quantiser.ids(z)) + 1e-6, dim=-1)
        best = (z @ F.normalize(quantiser.rows(torch.arange(self.codes)) + 1e-6, dim=-1).T).mean(0).max()
        assert (z * rows).sum(-1).mean() > best
