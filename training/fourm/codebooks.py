"""The two quantisers of 4M's tokenizers (Mizrahi et al., arXiv:2312.06647), to the digit.

`training.tokenizers.vq.CosineVQ`, which our own tokenizers learn with, differs from `EmaCodebook` in what it
averages (sums and not means), in its unit codes and in reviving dead ones."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class EmaCodebook(nn.Module):
    """`codes` rows of `dim` numbers, found by cosine, moved by averages (van den Oord et al.,
    arXiv:1711.00937).

    What is found by direction is returned as it is stored: moving averages of unit vectors are shorter
    than 1, and the decoder was trained on these."""

    def __init__(self, codes: int, dim: int, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.embed: Tensor
        self.cluster_size: Tensor
        self.register_buffer("embed", torch.zeros(codes, dim))
        self.register_buffer("cluster_size", torch.zeros(codes))

    def ids(self, z: Float[Tensor, "b d h w"]) -> Int[Tensor, "b h w"]:
        """The code nearest to each latent, by direction."""
        with torch.autocast(z.device.type, enabled=False):
            unit = F.normalize(z.permute(0, 2, 3, 1).float(), dim=-1)
            return (unit @ F.normalize(self.embed, dim=-1).T).argmax(-1)

    def rows(self, ids: Int[Tensor, "b h w"]) -> Float[Tensor, "b d h w"]:
        """What the decoder is given for tokens."""
        return self.embed[ids].permute(0, 3, 1, 2)

    def forward(
        self, z: Float[Tensor, "b d h w"]
    ) -> tuple[Float[Tensor, "b d h w"], Int[Tensor, "b h w"], Float[Tensor, ""]]:
        """(rows, through which gradients pass straight to `z`; tokens; commitment loss, the mean square of
        latent minus row). In training mode the codebook moves afterwards."""
        ids = self.ids(z)
        rows = self.rows(ids)
        commitment = F.mse_loss(z, rows)
        if self.training:
            self.move(z.detach(), ids)
        return z + (rows - z).detach(), ids, commitment

    @torch.no_grad()
    def move(self, z: Float[Tensor, "b d h w"], ids: Int[Tensor, "b h w"]) -> None:
        """One step of the moving averages; a code that no latent chose stays where it is."""
        one_hot = F.one_hot(ids.flatten(), len(self.embed)).float()
        count = one_hot.sum(0)
        sums = one_hot.T @ F.normalize(z.permute(0, 2, 3, 1).flatten(0, 2).float(), dim=-1)
        mean = F.normalize(sums / count.clamp_min(1.0)[:, None], dim=-1)
        self.embed.lerp_(torch.where((count > 0)[:, None], mean, self.embed), 1.0 - self.decay)
        self.cluster_size.lerp_(count, 1.0 - self.decay)


class Memcodes(nn.Module):
    """Several codebooks side by side (Mama et al., NWT, arXiv:2106.04283): the latent is split among heads,
    each looks up one of its codes by keys and is given that code's value."""

    def __init__(self, heads: int, codes: int, dim: int):
        super().__init__()
        self.codes = nn.Parameter(torch.randn(heads, codes, dim))
        self.to_k = nn.Parameter(torch.randn(heads, dim, dim) * dim**-0.5)
        self.to_v = nn.Parameter(torch.randn(heads, dim, dim) * dim**-0.5)

    def ids(self, z: Float[Tensor, "b d h w"]) -> Int[Tensor, "b heads h w"]:
        """Each head's best code for each latent."""
        split = z.unflatten(1, (len(self.codes), -1))
        return torch.einsum("bkdhw,knd->bknhw", split, self.codes @ self.to_k).argmax(2)

    def rows(self, ids: Int[Tensor, "b heads h w"]) -> Float[Tensor, "b d h w"]:
        """What the decoder is given for tokens."""
        values = self.codes @ self.to_v
        chosen = torch.stack([values[k, ids[:, k]] for k in range(len(values))], dim=1)
        return chosen.movedim(-1, 2).flatten(1, 2)
