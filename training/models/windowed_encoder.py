"""The shared encoder with attention within windows and by relative places, as SAM's image encoder has it
(Li et al., arXiv:2203.16527; Kirillov et al., arXiv:2304.02643).

The last of each quarter of the blocks attends to the whole image, the others within windows of 14 × 14
patches. Where windows reach over the image's border they are filled with zeros, which are attended to."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from training.models.blocks import Block, SelfAttention, SelfAttnMask, Style
from training.models.encoder import EncoderConfig
from training.models.outside_encoder import Kind, OutsideEncoder

WINDOW = 14
"""Patches along a side of a window."""


def whole_blocks(depth: int) -> frozenset[int]:
    """Numbers of the blocks that attend to the whole image, of so many; fewer than eight have fewer parts."""
    parts = max(1, min(4, depth // 2))
    return frozenset(depth * (i + 1) // parts - 1 for i in range(parts))


class WindowedEncoder(OutsideEncoder):
    """All its weights are 0 until they are loaded. It sees RGB alone."""

    def __init__(self, config: EncoderConfig, image: int, kind: Kind):
        """`image`: side of the square images [pixels]. Raises ValueError as `OutsideEncoder`."""
        super().__init__(config, image, kind)
        whole = whole_blocks(config.depth)
        for number, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            window = self.grid if number in whole else WINDOW
            block.attention = WindowedAttention(config.dim, config.style, self.grid, window)
            for parameter in block.attention.parameters():
                nn.init.zeros_(parameter)

    def run(
        self,
        x: Float[Tensor, "b n d"],
        attn_mask: SelfAttnMask | None = None,
        return_registers: bool = False,
        drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
    ) -> Float[Tensor, "b m d"]:
        """As `Encoder.run`. Raises ValueError for tokens beside those of RGB."""
        if x.shape[1] != self.grid**2 or attn_mask is not None:
            raise ValueError("an encoder with windows sees RGB alone: transfer.inputs must be [rgb]")
        return super().run(x, None, return_registers, drop_path_scale)


class WindowedAttention(SelfAttention):
    """Among the patches of a window; scores grow by what the query says of the key's offset."""

    def __init__(self, dim: int, style: Style, grid: int, window: int):
        """`grid`, `window`: patches along a side of the image and of a window."""
        super().__init__(dim, style)
        self.grid, self.window = grid, window
        self.down = nn.Parameter(torch.zeros(2 * window - 1, dim // style.heads))
        self.across = nn.Parameter(torch.zeros(2 * window - 1, dim // style.heads))

    def forward(
        self, x: Float[Tensor, "b n d"], attn_mask: SelfAttnMask | None = None
    ) -> Float[Tensor, "b n d"]:
        """All patches of an image, row-major."""
        side, rest = self.window, -self.grid % self.window
        padded = F.pad(x.unflatten(1, (self.grid, self.grid)), (0, 0, 0, rest, 0, rest))
        count = padded.shape[1] // side
        windows = padded.unflatten(2, (count, side)).unflatten(1, (count, side)).transpose(2, 3)
        out = self._within(windows.flatten(0, 2).flatten(1, 2))
        out = out.unflatten(1, (side, side)).unflatten(0, (len(x), count, count)).transpose(2, 3)
        return out.flatten(3, 4).flatten(1, 2)[:, : self.grid, : self.grid].flatten(1, 2)

    def _within(self, x: Float[Tensor, "w n d"]) -> Float[Tensor, "w n d"]:
        """Of whole windows."""
        side = self.window
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        place = torch.arange(side, device=x.device)
        offset = place[:, None] - place + side - 1
        of_query = q.unflatten(2, (side, side))
        down = torch.einsum("whrsc,rkc->whrsk", of_query, self.down[offset])
        across = torch.einsum("whrsc,skc->whrsk", of_query, self.across[offset])
        bias = (down[..., :, None] + across[..., None, :]).flatten(4, 5).flatten(2, 3)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out(out.transpose(1, 2).flatten(2))


def resized_offsets(table: Float[Tensor, "n c"], grid: int) -> Float[Tensor, "m c"]:
    """What belongs to the offsets of a line of patches, for one of `grid` patches, between them linear."""
    if len(table) == 2 * grid - 1:
        return table
    return F.interpolate(table.T[None], 2 * grid - 1, mode="linear")[0].T.contiguous()
