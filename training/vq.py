"""Vector quantisation on the sphere: cosine codebook, moving-average updates, k-means start, revival of
dead codes.

Codebook by exponential moving averages as in VQ-VAE (van den Oord et al., NeurIPS 2017, arXiv:1711.00937),
compared by cosine as in ViT-VQGAN (Yu et al., ICLR 2022, arXiv:2110.04627). Starting from spherical k-means
of the first latents, and giving codes that nobody uses the place of a random latent, is what keeps all of a
codebook in use."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class CosineVQ(nn.Module):
    """`codes` unit vectors of `dim` numbers.

    `decay`: of the moving averages, per update. `alive`: a code whose moving average of uses per update, as
    a share of an even split of the batch, falls below this is revived."""

    def __init__(self, codes: int, dim: int, decay: float = 0.99, alive: float = 0.03):
        super().__init__()
        self.decay, self.alive = decay, alive
        self.codebook: Tensor  # [codes, dim], unit rows
        self.sums: Tensor  # [codes, dim], moving average of the sum of latents per update
        self.uses: Tensor  # [codes], moving average of the number of latents per update
        self.register_buffer("codebook", torch.zeros(codes, dim))
        self.register_buffer("sums", torch.zeros(codes, dim))
        self.register_buffer("uses", torch.zeros(codes))

    def ids(self, z: Float[Tensor, "... d"]) -> Int[Tensor, " ..."]:
        """Code of each latent: largest cosine, in fp32 whatever autocast says (ties would differ)."""
        with torch.autocast(z.device.type, enabled=False):
            return (z.float() @ self.codebook.T).argmax(-1)

    def forward(
        self, z: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"], Float[Tensor, ""]]:
        """Quantised latents (gradients pass straight through), their codes, the commitment loss (1 -
        cosine).

        In training mode the codebook is updated from this batch; `generator` then chooses the latents of
        revival."""
        z = F.normalize(z.float(), dim=-1)
        ids = self.ids(z)
        quantised = self.codebook[ids]
        commitment = 1.0 - (z * quantised).sum(-1).mean()
        if self.training:
            assert generator is not None, "training revives codes at random: pass a generator"
            self.update(z.detach(), ids, generator)
        return z + (quantised - z).detach(), ids, commitment

    @torch.no_grad()
    def start(self, z: Float[Tensor, "n d"], generator: torch.Generator, rounds: int = 10) -> None:
        """Spherical k-means of `z` (n at least the number of codes, better some times it) as the
        codebook."""
        codes = len(self.codebook)
        if len(z) < codes:
            raise ValueError(
                f"{len(z)} latents cannot start {codes} codes: use a larger batch or fewer codes"
            )
        z = F.normalize(z.float(), dim=-1)
        self.codebook = z[torch.randperm(len(z), generator=generator)[:codes].to(z.device)].clone()
        for _ in range(rounds):
            sums, uses = self._totals(z, self.ids(z))
            # A centre that lost all its latents starts again from a random one.
            spare = z[torch.randint(len(z), (codes,), generator=generator).to(z.device)]
            self.codebook = F.normalize(torch.where((uses > 0)[:, None], sums, spare), dim=-1)
        self.sums, self.uses = self._totals(z, self.ids(z))

    @torch.no_grad()
    def update(self, z: Float[Tensor, "n d"], ids: Int[Tensor, " n"], generator: torch.Generator) -> int:
        """One moving-average step from unit latents `z` and their codes; returns how many codes were
        revived."""
        sums, uses = self._totals(z, ids)
        self.sums.lerp_(sums, 1.0 - self.decay)
        self.uses.lerp_(uses, 1.0 - self.decay)
        even = len(z) / len(self.codebook)
        dead = self.uses < self.alive * even
        spare = z[torch.randint(len(z), (len(dead),), generator=generator).to(z.device)]
        # A revived code begins as if it had been used twice the threshold, so that it has time to prove
        # itself.
        fresh = 2 * self.alive * even
        self.sums = torch.where(dead[:, None], spare * fresh, self.sums)
        self.uses = torch.where(dead, torch.full_like(self.uses, fresh), self.uses)
        self.codebook = F.normalize(self.sums, dim=-1)
        return int(dead.sum())

    def _totals(
        self, z: Float[Tensor, "n d"], ids: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
        # A product with one-hot rows, not index_add_: its order of summation is fixed on every device.
        with torch.autocast(z.device.type, enabled=False):
            one_hot = F.one_hot(ids, len(self.codebook)).to(z.dtype)
            return one_hot.T @ z, one_hot.sum(0)


def usage(counts: Float[Tensor, " k"]) -> tuple[float, float]:
    """(share of codes used at all, perplexity of their distribution), from how often each was used."""
    p = counts.double() / counts.sum()
    entropy = -(p * p.clamp_min(1e-300).log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())
