"""The 4M-style encoder-decoder: one encoder that every method shares, a decoder that predicts masked
tokens.

`Encoder` sees RGB as pixel patches; scratch, TST-MAE and TST-MM all end as this same module. `Multimodal`
adds what TST-MM pre-trains with: tables that embed the tokens of other modalities into the encoder, and a
decoder from one mask token to logits per modality (Mizrahi et al., arXiv:2312.06647; Bachmann et al.,
arXiv:2406.09406).

Tokens of all modalities live on one line of *slots*: modality after modality in the order of `specs`,
row-major within each. A masking is then two integer arrays, the slots that are seen and the slots to
predict."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from pydantic import Field
from torch import Tensor, nn

from training.blocks import (
    Block,
    DecoderBlock,
    attention_flops,
    heads_of,
    initialise,
    linear_flops,
    norm,
    sincos_2d,
)
from training.config import Config

# RGB reaches the encoder as (x/255 - MEAN)/STD: constants, so that no statistics of other data come in.
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25


class EncoderConfig(Config):
    dim: int = Field(default=192, ge=16)
    """Width; heads (of 64 channels) and MLP width (8/3 of it) follow. A multiple of 192 keeps products
    aligned."""
    depth: int = Field(default=6, ge=1)
    """Number of blocks."""
    patch: int = Field(default=8, ge=1)
    """Side of a square RGB patch [pixels]."""

    def grid(self, image: int) -> int:
        """Patches along a side of a square image of `image` pixels."""
        if image % self.patch:
            raise ValueError(
                f"images of {image} px do not divide into patches of {self.patch} px: choose encoder.patch "
                "(or the frames' size) so that they do"
            )
        return image // self.patch


@dataclass(frozen=True)
class TokenSpec:
    """One modality as the model sees it: a grid of tokens out of `codes`, kept in a store as `array`.

    `pixels`: the encoder gets RGB patches instead of embedded tokens.
    """

    name: str
    array: str
    grid: int
    codes: int
    pixels: bool = False

    @property
    def slots(self) -> int:
        return self.grid * self.grid


def patchify(rgb: UInt8[Tensor, "b h w 3"], patch: int) -> Float[Tensor, "b n d"]:
    """Patches in row-major order, each flattened (row, column, channel), normalised to about [-2, 2]."""
    b, h, w, c = rgb.shape
    x = rgb.view(b, h // patch, patch, w // patch, patch, c).transpose(2, 3)
    x = x.reshape(b, (h // patch) * (w // patch), patch * patch * c)
    return (x.float() / 255.0 - PIXEL_MEAN) / PIXEL_STD


class Encoder(nn.Module):
    """RGB patches (and whatever else is embedded) to features; identical in all three methods.

    `image`: side of the square images [pixels]; only the fixed positions depend on it.
    """

    def __init__(self, config: EncoderConfig, image: int):
        super().__init__()
        self.config = config
        self.grid = config.grid(image)
        self.patches = nn.Linear(3 * config.patch**2, config.dim, bias=False)
        self.rgb_embedding = nn.Parameter(torch.empty(config.dim))
        self.blocks = nn.ModuleList(Block(config.dim, heads_of(config.dim)) for _ in range(config.depth))
        self.norm = norm(config.dim)
        self.positions: Tensor
        self.register_buffer("positions", sincos_2d(self.grid, self.grid, config.dim), persistent=False)

    def embed(self, patches: Float[Tensor, "b n p"]) -> Float[Tensor, "b n d"]:
        return self.patches(patches) + (self.positions + self.rgb_embedding)

    def run(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b n d"]:
        """Features of all patches of whole images, row-major: how transfer uses the encoder."""
        return self.run(self.embed(patchify(rgb, self.config.patch)))

    def flops(self, tokens: int) -> dict[str, int]:
        """Forward FLOPs of one sample by part, for `tokens` visible tokens (all patches are embedded)."""
        dim, depth = self.config.dim, self.config.depth
        linears = [m for m in self.blocks.modules() if isinstance(m, nn.Linear)]
        return {
            "encoder.patches": linear_flops(self.patches, self.grid**2),
            "encoder.linears": sum(linear_flops(m, tokens) for m in linears),
            "encoder.attention": depth * attention_flops(tokens, tokens, dim),
        }


class Multimodal(nn.Module):
    """Encoder-decoder over several modalities; `forward` gives cross-entropies of the predicted slots.

    Every modality in `specs` is a target; all are inputs too, RGB as pixels. A modality's input slots and
    target slots are disjoint by the masking, so RGB pixels never stand at the place of the RGB token to be
    predicted."""

    def __init__(self, config: EncoderConfig, image: int, specs: tuple[TokenSpec, ...], decoder_depth: int):
        super().__init__()
        if [s.name for s in specs if s.pixels] != [specs[0].name]:
            raise ValueError(
                f"rgb, and nothing else, enters as pixels and comes first; got {[s.name for s in specs]}"
            )
        if specs[0].grid != config.grid(image):
            raise ValueError(
                f"tokens of {specs[0].name} lie on a grid of {specs[0].grid}, the encoder's patches on one "
                f"of {config.grid(image)}: give tokenizer.patch and encoder.patch the same value"
            )
        dim = config.dim
        self.specs = specs
        self.encoder = Encoder(config, image)
        self.tables = nn.ModuleDict({s.name: nn.Embedding(s.codes, dim) for s in specs if not s.pixels})
        self.input_embedding = nn.Parameter(torch.empty(len(specs) - 1, dim))
        self.context = nn.Linear(dim, dim, bias=False)
        self.mask_embedding = nn.Parameter(torch.empty(dim))
        self.target_embedding = nn.Parameter(torch.empty(len(specs), dim))
        self.blocks = nn.ModuleList(DecoderBlock(dim, heads_of(dim)) for _ in range(decoder_depth))
        self.norm = norm(dim)
        self.heads = nn.ModuleDict({s.name: nn.Linear(dim, s.codes, bias=False) for s in specs})
        self.positions: Tensor
        self.slot_modality: Tensor
        grids = torch.cat([sincos_2d(s.grid, s.grid, dim) for s in specs])
        owner = torch.cat([torch.full((s.slots,), i) for i, s in enumerate(specs)])
        self.register_buffer("positions", grids, persistent=False)
        self.register_buffer("slot_modality", owner, persistent=False)

    def _embeddings(self) -> Float[Tensor, "slots d"]:
        """Position + input modality of every slot: added to tokens, and to the context in the decoder."""
        per_modality = torch.cat([self.encoder.rgb_embedding[None], self.input_embedding])
        return self.positions + per_modality[self.slot_modality]

    def context_of(
        self,
        patches: Float[Tensor, "b p c"],
        tokens: dict[str, Int[Tensor, "b n"]],
        inputs: Int[Tensor, "b i"],
    ) -> Float[Tensor, "b i d"]:
        """What the decoder looks at: projected encoder output of the visible slots, with their
        embeddings."""
        content = [self.encoder.patches(patches)]
        content += [self.tables[s.name](tokens[s.name]) for s in self.specs[1:]]
        content = torch.cat([c.float() for c in content], dim=1)
        visible = content.gather(1, inputs[..., None].expand(-1, -1, content.shape[-1]))
        embeddings = self._embeddings()[inputs]
        return self.context(self.encoder.run(visible + embeddings)) + embeddings

    def decode(self, context: Float[Tensor, "b i d"], targets: Int[Tensor, "b t"]) -> Float[Tensor, "b t d"]:
        """Features of the target slots; a target attends to targets of its own modality only."""
        owner = self.slot_modality[targets]
        y = self.mask_embedding + self.positions[targets] + self.target_embedding[owner]
        same = (owner[:, :, None] == owner[:, None, :])[:, None] if len(self.specs) > 1 else None
        for block in self.blocks:
            y = block(y, context, same)
        return self.norm(y)

    def forward(
        self,
        patches: Float[Tensor, "b p c"],
        tokens: dict[str, Int[Tensor, "b n"]],
        inputs: Int[Tensor, "b i"],
        targets: Int[Tensor, "b t"],
        rows: dict[str, Int[Tensor, " k"]],
    ) -> dict[str, Float[Tensor, ""]]:
        """Mean cross-entropy [nat] of each modality; 0 for one that has no target in this batch.

        `rows[m]`: places of modality m among the b·t targets (known from the masking, so that logits are
        made only where there is a target and a GPU need not be asked for a count).
        """
        y = self.decode(self.context_of(patches, tokens, inputs), targets).flatten(0, 1)
        line = torch.cat([tokens[s.name] for s in self.specs], dim=1)
        truth = line.gather(1, targets).flatten()
        losses = {}
        for name, head in self.heads.items():
            at = rows[name]
            # The head runs even with no row, so that every parameter has a gradient in every batch: DDP
            # waits for all.
            total = F.cross_entropy(head(y[at]).float(), truth[at], reduction="sum")
            losses[name] = total / max(1, len(at))
        return losses

    def parameter_counts(self) -> dict[str, int]:
        """Parameters by part; they sum to the whole."""
        counts = {name: sum(p.numel() for p in child.parameters()) for name, child in self.named_children()}
        counts["embeddings"] = sum(p.numel() for p in self.parameters(recurse=False))
        assert sum(counts.values()) == sum(p.numel() for p in self.parameters())
        return counts

    def flops(self, inputs: int, targets: int) -> dict[str, int]:
        """Forward FLOPs of one sample by part; the heads' share is that of targets spread evenly."""
        dim = self.encoder.config.dim
        counts = self.encoder.flops(inputs)
        counts["context"] = linear_flops(self.context, inputs)
        for name in ("attention", "cross", "mlp"):
            parts = [
                (k, m)
                for k, m in self.blocks.named_modules()
                if isinstance(m, nn.Linear) and f".{name}." in k
            ]
            on_context = [k.endswith("cross.kv") for k, _ in parts]
            counts[f"decoder.{name}"] = sum(
                linear_flops(m, inputs if c else targets) for (_, m), c in zip(parts, on_context, strict=True)
            )
        depth = len(self.blocks)
        counts["decoder.attention"] += depth * attention_flops(targets, targets, dim)
        counts["decoder.cross"] += depth * attention_flops(targets, inputs, dim)
        counts["heads"] = sum(2 * dim * s.codes * targets for s in self.specs) // len(self.specs)
        return counts


def build_encoder(config: EncoderConfig, image: int, seed: int) -> Encoder:
    """A freshly initialised encoder; the same seed gives the same weights, whatever is built around it."""
    encoder = Encoder(config, image)
    initialise(encoder, torch.Generator().manual_seed(seed))
    return encoder


def build_around(model: nn.Module, encoder: Encoder, seed: int) -> None:
    """Initialise `model` in place, then give its `encoder` exactly the weights of `build_encoder`."""
    initialise(model, torch.Generator().manual_seed(seed + 1))
    fresh = build_encoder(encoder.config, encoder.grid * encoder.config.patch, seed)
    encoder.load_state_dict(fresh.state_dict())
