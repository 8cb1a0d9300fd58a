"""4M's tokenizers (Mizrahi et al., arXiv:2312.06647), so that its tokens can be ours.

    from training.fourm.tokenizer import load_4m_tokenizer
    tokenizer = load_4m_tokenizer("EPFL-VILAB/4M_tokenizers_...")     # or a file, or a folder
    tokens = tokenizer.encode(images); images = tokenizer.decode(tokens)

A ViT encodes images, label maps (through an embedding of the classes) or feature maps into latents on a grid,
a codebook turns them into tokens, a ViT decodes; for a vector that stands for the whole image both are MLPs.
Everything but the number of heads is read off the file. Those of rgb, depth, normals and edges that 4M
published have a diffusion model as decoder: of these the encoder is taken, which is all that tokens need.
Inputs are as 4M normalises them; `training.fourm.images` does that for the images of a store. A specialist
without external access has tokenizers of its own (`training.tokenizers.tokenizer`)."""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from training.fourm.checkpoints import Tensors
from training.fourm.codebooks import EmaCodebook, Memcodes
from training.fourm.load import read_4m
from training.models.blocks import NORM_EPS, Block, Style, heads_of


class TanhMlp(nn.Module):
    """x += mlp(norm x), before and after the codebook."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.up, self.out = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Vectors after the residual MLP."""
        return x + self.out(torch.tanh(self.up(self.norm(x))))


class ConvNeXt(nn.Module):
    """ConvNeXt block (Liu et al., arXiv:2201.03545) with a scale per channel, on images [b, c, h, w]."""

    def __init__(self, dim: int):
        super().__init__()
        self.mix = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Images after the block."""
        y = self.norm(self.mix(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class Vit(nn.Module):
    """Blocks over a grid, positions stretched (bicubic) to whatever grid comes."""

    def __init__(self, dim: int, depth: int, heads: int, grid: tuple[int, int], post: bool):
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, dim, *grid), requires_grad=False)
        self.blocks = nn.ModuleList(Block(dim, Style(heads, gated=False, bias=True)) for _ in range(depth))
        self.post = TanhMlp(dim) if post else nn.Identity()

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        """The grid after all blocks, channels first."""
        positions = self.positions
        if positions.shape[2:] != x.shape[2:]:
            positions = F.interpolate(positions, size=x.shape[2:], mode="bicubic", align_corners=False)
        y = (x + positions).flatten(2).transpose(1, 2)
        for block in self.blocks:
            y = block(y)
        return self.post(y).transpose(1, 2).unflatten(2, x.shape[2:])


class Mlp(nn.Module):
    """Pre-norm residual bottlenecks over the channels of each place."""

    def __init__(self, width: int, dim: int, hidden: int, depth: int, out: int):
        super().__init__()
        self.first, self.last = nn.Linear(width, dim), nn.Linear(dim, out)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-5) for _ in range(depth))
        self.ups = nn.ModuleList(nn.Linear(dim, hidden) for _ in range(depth))
        self.downs = nn.ModuleList(nn.Linear(hidden, dim) for _ in range(depth))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Every place's channels after the bottlenecks, d of them."""
        y = self.first(x.permute(0, 2, 3, 1))
        for norm, up, down in zip(self.norms, self.ups, self.downs, strict=True):
            y = y + down(F.gelu(up(norm(y))))
        return self.last(y).permute(0, 3, 1, 2)


class FourMTokenizer(nn.Module):
    """Of the shape of `tensors`, a file of 4M's; `heads`: of attention, 0 for as many as 64 channels give."""

    def __init__(self, tensors: Tensors, heads: int = 0):
        super().__init__()
        shape = {k: v.shape for k, v in tensors.items()}
        latent, dim = shape["quant_proj.weight"][:2]
        classes = shape.get("cls_emb.weight")
        self.labels = None if classes is None else nn.Embedding(classes[0], classes[1])
        self.to_latent = nn.Conv2d(dim, latent, 1)
        self.decodes = not diffuses(tensors)
        if self.decodes:
            self.from_latent = nn.Conv2d(latent, shape["post_quant_proj.weight"][0], 1)
        self.patch = 1
        self.finish = nn.Sequential()
        if "encoder.linear_in.weight" in shape:
            self.channels = shape["encoder.linear_in.weight"][1]
            self.encoder, self.decoder = (_mlp(shape, part) for part in ("encoder", "decoder"))
            self.quantise = Memcodes(*shape["quantize.codes"])
            return
        _, self.channels, self.patch, _ = shape["encoder.proj.weight"]
        project = nn.Conv2d(self.channels, dim, self.patch, stride=self.patch)
        self.encoder = nn.Sequential(project, _vit(shape, "encoder", heads))
        self.quantise = EmaCodebook(*shape["quantize._codebook.embed"])
        if not self.decodes:
            return
        outputs = shape["decoder.out_proj.weight"][0]
        vit = _vit(shape, "decoder", heads)
        self.decoder = nn.Sequential(vit, nn.Conv2d(dim, outputs, 1), nn.PixelShuffle(self.patch))
        convs = _count(shape, "decoder.out_conv")
        self.finish = nn.Sequential(*(ConvNeXt(outputs // self.patch**2) for _ in range(convs)))

    @property
    def codes(self) -> int:
        """Tokens are below this."""
        return (
            self.quantise.codes.shape[1] if isinstance(self.quantise, Memcodes) else len(self.quantise.embed)
        )

    def features(self, x: Shaped[Tensor, "b *c h w"]) -> Float[Tensor, "b d gh gw"]:
        """The encoder's output for float images [b, c, h, w] or label maps, int [b, h, w]."""
        if self.labels is not None:
            x = self.labels(x).permute(0, 3, 1, 2)
        return self.encoder(x)

    def latents(self, x: Shaped[Tensor, "b *c h w"]) -> Float[Tensor, "b l gh gw"]:
        """What is quantised: vectors of l channels on the grid of tokens."""
        return self.to_latent(self.features(x))

    @torch.no_grad()
    def encode(self, x: Shaped[Tensor, "b *c h w"]) -> Int[Tensor, "b *heads gh gw"]:
        """Tokens."""
        return self.quantise.ids(self.latents(x))

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b *heads gh gw"]) -> Float[Tensor, "b c h w"]:
        """Images, logits of the classes, or features, as the encoder was given them. Raises ValueError for a
        tokenizer that only encodes."""
        if not self.decodes:
            raise ValueError("the decoder of this tokenizer of 4M's is a diffusion model: it encodes only")
        return self.reconstruct(self.quantise.rows(tokens))

    def reconstruct(self, rows: Float[Tensor, "b l gh gw"]) -> Float[Tensor, "b c h w"]:
        """Images, logits or features from the vectors of codes."""
        return self.finish(self.decoder(self.from_latent(rows)))


def _vit(shape: Mapping[str, torch.Size], part: str, heads: int) -> Vit:
    _, dim, height, width = shape[f"{part}.pos_emb"]
    post = f"{part}.post_mlp.fc1.weight" in shape
    return Vit(dim, _count(shape, f"{part}.blocks"), heads or heads_of(dim), (height, width), post)


def _mlp(shape: Mapping[str, torch.Size], part: str) -> Mlp:
    dim, width = shape[f"{part}.linear_in.weight"]
    hidden, depth = shape[f"{part}.blocks.0.block.0.weight"][0], _count(shape, f"{part}.blocks")
    return Mlp(width, dim, hidden, depth, shape[f"{part}.linear_out.weight"][0])


def _count(shape: Mapping[str, torch.Size], part: str) -> int:
    numbers = [int(k.removeprefix(f"{part}.").split(".")[0]) for k in shape if k.startswith(f"{part}.")]
    return 1 + max(numbers, default=-1)


# Theirs to ours, in this order; what is not named here is called alike.
_RENAME = (
    ("cls_emb.", "labels."),
    ("post_quant_proj.", "from_latent."),
    ("quant_proj.", "to_latent."),
    ("quantize._codebook.", "quantise."),
    ("quantize.", "quantise."),
    ("to_k.weight", "to_k"),
    ("to_v.weight", "to_v"),
    ("encoder.proj.", "encoder.0."),
    ("decoder.out_proj.", "decoder.1."),
    ("decoder.out_conv.", "finish."),
    ("norm_mlp.", "post.norm."),
    ("post_mlp.fc1", "post.up"),
    ("post_mlp.fc2", "post.out"),
    ("attn.qkv", "attention.qkv"),
    ("attn.proj", "attention.out"),
    ("mlp.fc1", "mlp.up"),
    ("mlp.fc2", "mlp.out"),
    ("dwconv", "mix"),
    ("pwconv1", "up"),
    ("pwconv2", "down"),
    ("pos_emb", "positions"),
    ("linear_in", "first"),
    ("linear_out", "last"),
    ("layernorms", "norms"),
)


def our_key(theirs: str, mlp: bool) -> str:
    """The name here of a tensor of 4M's; `mlp`: of a tokenizer without a ViT."""
    for old, new in _RENAME:
        theirs = theirs.replace(old, new)
    part, _, rest = theirs.partition(".")
    if mlp and rest.startswith("blocks."):
        _, number, _, layer, kind = rest.split(".")
        return f"{part}.{'ups' if layer == '0' else 'downs'}.{number}.{kind}"
    if not mlp and rest.startswith(("blocks.", "post.", "positions")):
        return f"{part}.{1 if part == 'encoder' else 0}.{rest}"
    return theirs


def diffuses(tensors: Tensors) -> bool:
    """Whether the decoder of a file of 4M's is neither a ViT nor an MLP, or not there at all."""
    return not any(k in tensors for k in ("decoder.pos_emb", "decoder.linear_in.weight"))


def load_4m_tokenizer(source: str | Path, heads: int = 0) -> FourMTokenizer:
    """A tokenizer out of a safetensors file, a folder with model.safetensors, or a hub id.

    Raises ValueError naming what a file lacks or has too much of."""
    return tokenizer_of(read_4m(source), heads, str(source))


def tokenizer_of(tensors: Tensors, heads: int = 0, source: str = "the file") -> FourMTokenizer:
    """A tokenizer of 4M's tensors. Raises ValueError naming what `source`, where they are from, lacks or has
    too much of."""
    if "quant_proj.weight" not in tensors:
        raise ValueError(f"{source} holds no tokenizer of 4M's: no quant_proj in it")
    again = "it may have been cut short on the way, download it again"
    try:
        model = FourMTokenizer(tensors, heads)
    except KeyError as missing:
        raise ValueError(f"{source} lacks {missing.args[0]}: {again}") from missing
    mlp = isinstance(model.quantise, Memcodes)
    wanted = {k: v for k, v in tensors.items() if not k.endswith("initted")}
    if not model.decodes:
        wanted = {k: v for k, v in wanted.items() if not k.startswith("decoder.")}
    theirs = {our_key(k, mlp): k for k in wanted}
    renamed = {ours: wanted[k] for ours, k in theirs.items()}
    state = model.state_dict()
    wrong = [f"lacks {k} (as it is called here)" for k in sorted(state.keys() - renamed.keys())]
    wrong += [f"has {theirs[k]}, which has no place" for k in sorted(renamed.keys() - state.keys())]
    wrong += [
        f"has {theirs[k]} of shape {list(renamed[k].shape)} for {list(state[k].shape)}"
        for k in sorted(renamed.keys() & state.keys())
        if renamed[k].numel() != state[k].numel()
    ]
    if wrong:
        more = f"; {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise ValueError(f"{source} {', '.join(wrong[:8])}{more}: {again}, or it is no tokenizer of 4M's")
    model.load_state_dict({k: v.reshape(state[k].shape) for k, v in renamed.items()})
    return model.eval()
