"""Transformer parts shared by every model here: attention, MLPs, pre-norm blocks, initial weights.

Block of 4M (Mizrahi et al., NeurIPS 2023, arXiv:2312.06647): pre-norm, with either of two styles. 4M-21
has no biases and SwiGLU (Shazeer, arXiv:2002.05202), whose hidden width is int(2·int(4·dim)/3), so that it
costs what a GELU MLP of ratio 4 does; the other has biases everywhere and that GELU MLP, as in ViT. Either
may normalise queries and keys (QK norm, arXiv:2302.05442), as some of 4M's larger models do."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

NORM_EPS = 1e-6
# Above this product of lengths the score matrix is large enough for a fused kernel to win on a CPU too.
PRODUCT_FORM_LIMIT = 256 * 256


AttnMask = Bool[Tensor, "b 1 #n m"]
"""True where query n attends to key m; n is 1 where all queries attend to the same keys."""
SelfAttnMask = Bool[Tensor, "b 1 #n n"]
"""AttnMask of tokens that attend to each other."""


def attention(
    q: Float[Tensor, "b h n c"],
    k: Float[Tensor, "b h m c"],
    v: Float[Tensor, "b h m c"],
    attn_mask: AttnMask | None = None,
) -> Float[Tensor, "b h n c"]:
    """Scaled dot-product attention of n queries over m keys.

    A query whose mask is all False, which is padding, gives the mean of `v` where plain products are used, as
    in 4M, and attends to every key in the fused kernel.

    On a CPU, and for the short sequences of token budgets, three plain products are 2 times faster in bf16
    (forward and backward of a whole encoder) than `scaled_dot_product_attention`, whose fused backward is
    slow there. Anywhere else the fused kernel is used."""
    if q.device.type != "cpu" or q.shape[-2] * k.shape[-2] > PRODUCT_FORM_LIMIT:
        if attn_mask is not None and attn_mask.shape[-2] > 1:
            # Not every kernel is finite where a query attends to no key.
            attn_mask = attn_mask | ~attn_mask.any(-1, keepdim=True)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
    scores = q @ (k * k.shape[-1] ** -0.5).transpose(-1, -2)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    return torch.softmax(scores, dim=-1) @ v


class Style(NamedTuple):
    """What the blocks of one model have in common."""

    heads: int
    gated: bool = True
    """SwiGLU; else GELU."""
    bias: bool = False
    """Biases in linears and norms."""
    eps: float = NORM_EPS
    """Of the norms."""
    qk_norm: bool = False
    """A layer norm over the channels of a head on queries and on keys, in self- and cross-attention."""


def swiglu_hidden(dim: int) -> int:
    """Hidden width of the SwiGLU of 4M: 2/3 of four times the width."""
    return int(2 * int(4 * dim) / 3)


def heads_of(dim: int) -> int:
    """Heads of 64 channels, as in ViT; a width below 128 has one."""
    return max(1, dim // 64)


def norm(dim: int, style: Style) -> nn.LayerNorm:
    """A layer norm over `dim` channels."""
    return nn.LayerNorm(dim, eps=style.eps, bias=style.bias)


def _qk_norms(channels: int, style: Style) -> tuple[nn.Module, nn.Module]:
    """Of queries and keys; identities where the style has no QK norm."""
    if not style.qk_norm:
        return nn.Identity(), nn.Identity()
    return norm(channels, style), norm(channels, style)


class SwiGLU(nn.Module):
    """out(silu(gate x) * value x)."""

    def __init__(self, dim: int, bias: bool = False):
        super().__init__()
        hidden = swiglu_hidden(dim)
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.value = nn.Linear(dim, hidden, bias=bias)
        self.out = nn.Linear(hidden, dim, bias=bias)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """The MLP of each vector."""
        return self.out(F.silu(self.gate(x)) * self.value(x))


class Gelu(nn.Module):
    """out(gelu(up x)), of four times the width."""

    def __init__(self, dim: int, bias: bool = True):
        super().__init__()
        self.up = nn.Linear(dim, 4 * dim, bias=bias)
        self.out = nn.Linear(4 * dim, dim, bias=bias)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """The MLP of each vector."""
        return self.out(F.gelu(self.up(x)))


def mlp(dim: int, style: Style) -> SwiGLU | Gelu:
    """The MLP of a block of width `dim`."""
    return SwiGLU(dim, style.bias) if style.gated else Gelu(dim, style.bias)


class SelfAttention(nn.Module):
    """Attention among the tokens of a sample. Raises ValueError for a width that is no multiple of the number
    of heads."""

    def __init__(self, dim: int, style: Style):
        super().__init__()
        if dim % style.heads:
            raise ValueError(f"width {dim} does not divide into {style.heads} heads")
        self.heads = style.heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=style.bias)
        self.q_norm, self.k_norm = _qk_norms(dim // style.heads, style)
        self.out = nn.Linear(dim, dim, bias=style.bias)

    def forward(
        self, x: Float[Tensor, "b n d"], attn_mask: SelfAttnMask | None = None
    ) -> Float[Tensor, "b n d"]:
        """Tokens after attention; `attn_mask` says which tokens a token looks at, without it all."""
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        return self.out(attention(q, k, v, attn_mask).transpose(1, 2).reshape(b, n, d))


class CrossAttention(nn.Module):
    """Attention of the tokens of a sample to those of its context."""

    def __init__(self, dim: int, style: Style):
        super().__init__()
        self.heads = style.heads
        self.q = nn.Linear(dim, dim, bias=style.bias)
        self.kv = nn.Linear(dim, 2 * dim, bias=style.bias)
        self.q_norm, self.k_norm = _qk_norms(dim // style.heads, style)
        self.out = nn.Linear(dim, dim, bias=style.bias)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d"], attn_mask: AttnMask | None = None
    ) -> Float[Tensor, "b n d"]:
        """Tokens after attention to `context`; all of it where there is no `attn_mask`."""
        b, n, d = x.shape
        q = self.q(x).view(b, n, self.heads, d // self.heads).transpose(1, 2)
        k, v = (
            self.kv(context).view(b, context.shape[1], 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        )
        q, k = self.q_norm(q), self.k_norm(k)
        return self.out(attention(q, k, v, attn_mask).transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    """Pre-norm block: x += attention(norm x); x += mlp(norm x).

    `drop_path_scale`: factors of the two residual branches for each sample; 0 where drop path skips one."""

    def __init__(self, dim: int, style: Style):
        super().__init__()
        self.norm1, self.norm2 = norm(dim, style), norm(dim, style)
        self.attention = SelfAttention(dim, style)
        self.mlp = mlp(dim, style)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        attn_mask: SelfAttnMask | None = None,
        drop_path_scale: Float[Tensor, "2 b"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Tokens after the block; `attn_mask` is that of the attention."""
        if drop_path_scale is not None:
            x = x + self.attention(self.norm1(x), attn_mask) * drop_path_scale[0, :, None, None]
            return x + self.mlp(self.norm2(x)) * drop_path_scale[1, :, None, None]
        x = x + self.attention(self.norm1(x), attn_mask)
        return x + self.mlp(self.norm2(x))


class DecoderBlock(nn.Module):
    """Self-attention among targets, cross-attention to the encoder's context, MLP, all pre-norm."""

    def __init__(self, dim: int, style: Style):
        super().__init__()
        self.norm1, self.query_norm, self.context_norm, self.norm2 = (norm(dim, style) for _ in range(4))
        self.attention = SelfAttention(dim, style)
        self.cross = CrossAttention(dim, style)
        self.mlp = mlp(dim, style)

    def forward(
        self,
        x: Float[Tensor, "b n d"],
        context: Float[Tensor, "b m d"],
        attn_mask: SelfAttnMask | None = None,
        context_attn_mask: AttnMask | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Targets after the block; `attn_mask` among them, `context_attn_mask` to the context."""
        x = x + self.attention(self.norm1(x), attn_mask)
        x = x + self.cross(self.query_norm(x), self.context_norm(context), context_attn_mask)
        return x + self.mlp(self.norm2(x))


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Weights as in 4M: Xavier-uniform matrices (a packed qkv or kv counts as its parts), N(0, 0.02) for
    tables and whatever is named an embedding."""
    for name, child in module.named_modules():
        if isinstance(child, nn.Linear):
            rows = child.out_features
            parts = 3 if name.endswith("qkv") else 2 if name.endswith("kv") else 1
            bound = (6.0 / (rows // parts + child.in_features)) ** 0.5
            nn.init.uniform_(child.weight, -bound, bound, generator=generator)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
        elif isinstance(child, nn.Embedding):
            nn.init.normal_(child.weight, std=0.02, generator=generator)
        elif isinstance(child, nn.LayerNorm):
            nn.init.ones_(child.weight)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
    for name, parameter in module.named_parameters():
        if "_embedding" in name:
            nn.init.normal_(parameter, std=0.02, generator=generator)


def parameter_counts(module: nn.Module) -> dict[str, int]:
    """Parameters by part, a child or a parameter of its own; they sum to the whole."""
    counts = {name: sum(p.numel() for p in child.parameters()) for name, child in module.named_children()}
    counts |= {name: p.numel() for name, p in module.named_parameters(recurse=False)}
    assert sum(counts.values()) == sum(p.numel() for p in module.parameters()), "a part is shared"
    return counts


def attention_flops(queries: float, keys: float, dim: int) -> float:
    """Forward FLOPs of scores and weighted sum, projections not included."""
    return 4 * queries * keys * dim


def linear_flops(layer: nn.Linear, tokens: float) -> float:
    """Forward FLOPs of so many tokens, a bias not counted."""
    return 2 * layer.in_features * layer.out_features * tokens
