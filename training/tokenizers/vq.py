"""Vector quantisation on the sphere: cosine codebook, moving-average updates, k-means start, revival of
dead codes.

Codebook by exponential moving averages as in VQ-VAE (van den Oord et al., NeurIPS 2017, arXiv:1711.00937),
compared by cosine as in ViT-VQGAN (Yu et al., ICLR 2022, arXiv:2110.04627). Starting from spherical k-means
of the first latents, and giving codes that nobody uses the place of a latent, is what keeps all of a codebook
in use. Latents are drawn by how badly the codes so far quantise them (k-means++, Arthur and Vassilvitskii,
SODA 2007): drawn evenly, most would be of the commonest patch, a blank wall or no edge at all, where a second
code is never the nearest and dies again."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from training.tokenizers.quantiser import Quantiser

_AT_ONCE = 8192  # latents


class CosineVQ(Quantiser):
    """`codes` unit vectors of `dim` numbers.

    `decay`: of the moving averages, per update. `alive`: a code whose moving average of uses per update, as
    a share of an even split of the batch, falls below this is revived."""

    def __init__(self, codes: int, dim: int, decay: float = 0.99, alive: float = 0.03):
        super().__init__()
        self.codes, self.dim = codes, dim
        self.decay, self.alive = decay, alive
        self.codebook: Tensor  # [codes, dim], unit rows
        self.sums: Tensor  # [codes, dim], moving average of the sum of latents per update
        self.uses: Tensor  # [codes], moving average of the number of latents per update
        self.register_buffer("codebook", torch.zeros(codes, dim))
        self.register_buffer("sums", torch.zeros(codes, dim))
        self.register_buffer("uses", torch.zeros(codes))

    def ids(self, z: Float[Tensor, "*n d"]) -> Int[Tensor, " *n"]:
        with torch.autocast(z.device.type, enabled=False):
            return (F.normalize(z.float(), dim=-1) @ self.codebook.T).argmax(-1)

    def rows(self, ids: Int[Tensor, " *n"]) -> Float[Tensor, "*n d"]:
        return self.codebook[ids]

    def forward(
        self, z: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"], Float[Tensor, ""]]:
        """The loss is 1 - cosine. In training mode the codebook is updated from this batch; `generator` then
        chooses the latents of revival."""
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
        codes = self.codes
        if len(z) < codes:
            raise ValueError(
                f"{len(z)} latents cannot start {codes} codes: use a larger batch or fewer codes"
            )
        z = F.normalize(z.float(), dim=-1)
        self.codebook = z[_spread_out(z, codes, generator)]
        for _ in range(rounds):
            ids = self._ids_in_parts(z)
            sums, uses = self._totals(z, ids)
            # A centre that lost all its latents starts again from one that is far from its own.
            lost = (uses == 0).nonzero()[:, 0]
            sums[lost] = z[_badly_quantised(self._error(z, ids), len(lost), generator)]
            self.codebook = F.normalize(sums, dim=-1)
        self.sums, self.uses = self._totals(z, self._ids_in_parts(z))

    @torch.no_grad()
    def update(self, z: Float[Tensor, "n d"], ids: Int[Tensor, " n"], generator: torch.Generator) -> int:
        """One moving-average step from unit latents `z` and their codes; returns how many codes were
        revived."""
        sums, uses = self._totals(z, ids)
        self.sums.lerp_(sums, 1.0 - self.decay)
        self.uses.lerp_(uses, 1.0 - self.decay)
        even = len(z) / len(self.codebook)
        dead = (self.uses < self.alive * even).nonzero()[: len(z), 0]
        # A revived code begins as if it had been used twice the threshold, so that it has time to prove
        # itself.
        fresh = 2 * self.alive * even
        self.sums[dead] = z[_badly_quantised(self._error(z, ids), len(dead), generator)] * fresh
        self.uses[dead] = fresh
        self.codebook = F.normalize(self.sums, dim=-1)
        return len(dead)

    def _error(self, z: Float[Tensor, "n d"], ids: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        return 1.0 - (z * self.codebook[ids]).sum(-1)

    def _totals(
        self, z: Float[Tensor, "n d"], ids: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
        # A product with one-hot rows, not index_add_: its order of summation is fixed on every device.
        # In parts, since a row of it is as long as the codebook.
        sums, uses = torch.zeros_like(self.sums), torch.zeros_like(self.uses)
        with torch.autocast(z.device.type, enabled=False):
            for part, its in zip(z.split(_AT_ONCE), ids.split(_AT_ONCE), strict=True):
                one_hot = F.one_hot(its, len(self.codebook)).to(z.dtype)
                sums += one_hot.T @ part
                uses += one_hot.sum(0)
        return sums, uses

    def _ids_in_parts(self, z: Float[Tensor, "n d"]) -> Int[Tensor, " n"]:
        return torch.cat([self.ids(part) for part in z.split(_AT_ONCE)])


def _spread_out(z: Float[Tensor, "n d"], count: int, generator: torch.Generator) -> Int[Tensor, " count"]:
    """`count` different latents, each drawn by its error to those before it; the first at random."""
    chosen = torch.randint(len(z), (1,), generator=generator).to(z.device)
    error = torch.full((len(z),), torch.inf, device=z.device)
    for _ in range(count - 1):
        error = torch.minimum(error, 1.0 - z @ z[chosen[-1]])
        error[chosen[-1]] = 0.0
        # Those without error only where nothing else is left, and none twice.
        weight = error.clamp_min(1e-9)
        weight[chosen] = 0.0
        chosen = torch.cat([chosen, torch.multinomial(weight.cpu(), 1, generator=generator).to(z.device)])
    return chosen


def _badly_quantised(
    error: Float[Tensor, " n"], count: int, generator: torch.Generator
) -> Int[Tensor, " count"]:
    """`count` different latents, drawn by their error; those without any come last."""
    if not count:
        return torch.zeros(0, dtype=torch.long, device=error.device)
    weight = error.clamp_min(1e-9).cpu()
    return torch.multinomial(weight, count, generator=generator).to(error.device)
