"""The encoder-decoder of 4M (Mizrahi et al., arXiv:2312.06647; Bachmann et al., arXiv:2406.09406).

`Multimodal` puts around an `Encoder` what TST-MM pre-trains with: tables that embed tokens of other
modalities, and a decoder from one mask token to logits per modality. It computes what 4M computes, to the
fifth digit (tests/golden/fourm), on a batch that is packed: content and logits are made only of tokens that
are seen and targets that are there, and nothing is masked where nothing is padded."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from training.models.blocks import DecoderBlock, attention_flops, linear_flops, norm
from training.models.encoder import Encoder, EncoderConfig
from training.models.modality import TokenSpec, slot_modality_ids
from training.models.positions import sincos_1d, sincos_2d

PackedBatch = dict[str, Any]
"""What `Multimodal` takes; made by `training.pretrain.multimodal.packing`. For b samples, i inputs and t
targets each:

- inputs [b, i], targets [b, t]: slots, in any order within a sample; 0 where padded
- content {modality: ids [k], patches [k, p] or vectors [k, w]}: of the inputs; `input_rows` [K]: their places
  among the b·i inputs, modality after modality
- truth {modality: ids [k]} of the targets; `target_rows` {modality: [k]}: their places among the b·t targets
- shown {sequence: ids [k]}: what stands at a sequence's targets, the token before the one to predict
- only where something is padded: input_valid [b, i], target_valid [b, t]
- only of samples as 4M's loaders give them, where targets are padded: target_modality_ids [b, t], of the
  padded too, and target_reach [b, t], how many targets each attends to (see `Multimodal.attn_mask`)
- only where the batch is a part of a larger one: counts {modality: number of its targets in the whole}"""


class DecoderAttention(NamedTuple):
    """Which targets attend to which: 4M's fields decoder_sep_mask and decoder_causal_mask.

    The order of targets is that of their slots: modality after modality as in the model's `specs`, in each
    along its grid or sequence."""

    separate: bool = True
    """To those of its own modality alone; else to those of earlier modalities too."""
    causal: bool = False
    """To itself and to earlier ones; else to all of its own modality's grid, and in a sequence to itself and
    to earlier ones."""


AS_4M21 = DecoderAttention()
"""That of 4M-21, and of TST-MM."""


class Multimodal(nn.Module):
    """Encoder-decoder over the modalities `specs`, one of which, `pixels`, is RGB.

    `image`: side of the square images [pixels]. `tied`: a head is the table that embeds its modality's
    tokens in the decoder. `shared`: one vector says which modality a token is of, as input and as target;
    else there are two. Raises ValueError when grids do not fit together."""

    def __init__(
        self,
        config: EncoderConfig,
        image: int,
        specs: tuple[TokenSpec, ...],
        decoder_depth: int,
        tied: bool = False,
        shared: bool = True,
        decoder_attention: DecoderAttention = AS_4M21,
    ):
        super().__init__()
        pixels = [s for s in specs if s.pixels]
        if len(pixels) != 1:
            raise ValueError(
                f"rgb, and nothing else, enters as pixels, so it must be among the modalities; got "
                f"{[s.name for s in specs]}"
            )
        if pixels[0].grid != config.grid(image):
            raise ValueError(
                f"tokens of {pixels[0].name} lie on a grid of {pixels[0].grid}, the encoder's patches on one "
                f"of {config.grid(image)}: give tokenizer.patch and encoder.patch the same value"
            )
        dim = config.dim
        self.specs, self.tied, self.shared = specs, tied, shared
        self.decoder_attention = decoder_attention
        self.targets = tuple(s for s in specs if s.predicted)
        self.encoder = Encoder(config, image)
        seen = [s for s in specs if not s.pixels]
        self.tables = nn.ModuleDict({s.name: _table(s, dim) for s in seen})
        # Of inputs, and where shared of targets too; RGB patches have the encoder's.
        embedded = [s.name for s in specs if not s.pixels or (s.predicted and shared)]
        self.modality_embedding = _vectors(dim, embedded)
        apart = [] if shared else [s.name for s in self.targets]
        self.target_modality_embedding = _vectors(dim, apart)
        self.input_place_embedding = _tables(dim, [s for s in seen if s.learned])
        self.context = nn.Linear(dim, dim)
        self.mask_embedding = nn.Parameter(torch.empty(dim))
        self.target_place_embedding = _tables(dim, [s for s in self.targets if s.learned])
        sequences = [s for s in self.targets if s.kind == "sequence" and not tied]
        self.shown_tables = nn.ModuleDict({s.name: nn.Embedding(s.codes, dim) for s in sequences})
        self.blocks = nn.ModuleList(DecoderBlock(dim, config.style) for _ in range(decoder_depth))
        self.norm = norm(dim, config.style)
        self.heads = nn.ModuleDict({s.name: nn.Linear(dim, s.codes, bias=False) for s in self.targets})
        self.positions: Tensor
        self.modality_ids: Tensor
        self.ordered: Tensor
        self.register_buffer("positions", torch.cat([_places(s, dim) for s in specs]), persistent=False)
        self.register_buffer("modality_ids", torch.from_numpy(slot_modality_ids(specs)), persistent=False)
        ordered = torch.tensor([s.kind == "sequence" for s in specs])
        self.register_buffer("ordered", ordered, persistent=False)

    @property
    def codes(self) -> dict[str, int]:
        """Size of the vocabulary of every modality that is predicted."""
        return {s.name: s.codes for s in self.targets}

    def input_content(self, batch: PackedBatch) -> Float[Tensor, "b i d"]:
        """What is seen, without its places: embedded tokens and patches; zeros where padded."""
        parts = []
        for spec in self.specs:
            embed = self.encoder.content if spec.pixels else self.tables[spec.name]
            parts.append(embed(batch["content"][spec.name]).float())
        b, i = batch["inputs"].shape
        dim = self.encoder.config.dim
        content = torch.cat(parts).new_zeros(b * i, dim).index_copy(0, batch["input_rows"], torch.cat(parts))
        return content.view(b, i, dim)

    def input_places(self, batch: PackedBatch) -> Float[Tensor, "b i d"]:
        """Position + modality of what is seen; zeros where padded."""
        vectors = [
            self.encoder.rgb_embedding if s.pixels else self.modality_embedding[s.name] for s in self.specs
        ]
        places = self._places(batch["inputs"], vectors, self.input_place_embedding)
        return _zero(places, batch.get("input_valid"))

    def target_places(self, batch: PackedBatch) -> Float[Tensor, "b t d"]:
        """Position + modality of what is to be predicted; zeros where padded."""
        none = torch.zeros_like(self.mask_embedding)
        own = self.modality_embedding if self.shared else self.target_modality_embedding
        vectors = [own[s.name] if s.predicted else none for s in self.specs]
        places = self._places(batch["targets"], vectors, self.target_place_embedding)
        return _zero(places, batch.get("target_valid"))

    def _places(
        self, slots: Int[Tensor, "b n"], vectors: Sequence[Tensor], learned: nn.ParameterDict
    ) -> Float[Tensor, "b n d"]:
        table = self.positions
        if len(learned):
            parts = table.split([s.slots for s in self.specs])
            table = torch.cat([learned.get(s.name, p) for s, p in zip(self.specs, parts, strict=True)])
        return F.embedding(slots, table) + F.embedding(self.modality_ids[slots], torch.stack(list(vectors)))

    def context_of(self, batch: PackedBatch) -> Float[Tensor, "b m d"]:
        """What the decoder looks at: projected encoder output of registers and inputs, with their places
        (registers have none)."""
        places = self.input_places(batch)
        attn_mask = _columns(batch.get("input_valid"))
        features = self.encoder.run(self.input_content(batch) + places, attn_mask, return_registers=True)
        return self.context(features) + F.pad(places, (0, 0, self.encoder.config.registers, 0))

    def target_content(self, batch: PackedBatch) -> Float[Tensor, "b t d"]:
        """The mask token, or in a sequence the token before; zeros where padded."""
        b, t = batch["targets"].shape
        content = self.mask_embedding.expand(b, t, -1)
        for name, ids in batch.get("shown", {}).items():
            table: Any = (self.heads if self.tied else self.shown_tables)[name].weight
            rows = batch["target_rows"][name]
            content = content.flatten(0, 1).index_copy(0, rows, F.embedding(ids, table)).view(b, t, -1)
        return _zero(content, batch.get("target_valid"))

    def attn_mask(self, batch: PackedBatch) -> Bool[Tensor, "b t t"] | None:
        """True where a target attends to another, see `DecoderAttention`; None where each does to all.

        Nothing that counts attends to padding. What padding attends to matters to nothing: with
        `target_reach` it is what it is in 4M."""
        if "target_reach" in batch:
            return self._attn_mask_by_reach(batch["target_modality_ids"], batch["target_reach"])
        targets, valid = batch["targets"], batch.get("target_valid")
        separate, causal = self.decoder_attention
        if valid is None and not causal and len(self.targets) == 1 and self.targets[0].kind == "grid":
            return None
        modality_ids = self.modality_ids[targets]
        own, other = modality_ids[:, :, None], modality_ids[:, None, :]
        late = targets[:, :, None] < targets[:, None, :]
        if causal:
            mask = ~late & (own == other) if separate else ~late
        else:
            mask = own == other if separate else own >= other
            if any(s.kind == "sequence" for s in self.targets):
                mask = mask & ~(late & (own == other) & self.ordered[modality_ids][:, :, None])
        return mask if valid is None else mask & (valid[:, None, :] == valid[:, :, None])

    def _attn_mask_by_reach(
        self, modality_ids: Int[Tensor, "b t"], reach: Int[Tensor, "b t"]
    ) -> Bool[Tensor, "b t t"]:
        """Of targets that stand in the order of their slots, the padded ones last."""
        separate, causal = self.decoder_attention
        place = torch.arange(reach.shape[1], device=reach.device)
        mask = place <= place[:, None] if causal else place < reach[:, :, None]
        if separate:
            return mask & (modality_ids[:, :, None] == modality_ids[:, None, :])
        return mask.expand(len(reach), -1, -1)

    def decode(self, context: Float[Tensor, "b m d"], batch: PackedBatch) -> Float[Tensor, "b t d"]:
        """Features of the targets."""
        y = self.target_content(batch) + self.target_places(batch)
        attn_mask = self.attn_mask(batch)
        attn_mask = None if attn_mask is None else attn_mask[:, None]
        seen = _columns(batch.get("input_valid"))
        if seen is not None:
            seen = F.pad(seen, (self.encoder.config.registers, 0), value=True)
        for block in self.blocks:
            y = block(y, context, attn_mask, seen)
        return self.norm(y)

    def logits(self, batch: PackedBatch) -> dict[str, Float[Tensor, "_k _codes"]]:
        """Logits of each modality's targets, in the order of `truth`: as many rows as it has targets, as many
        columns as codes."""
        y = self.decode(self.context_of(batch), batch).flatten(0, 1)
        return {name: head(y[batch["target_rows"][name]]) for name, head in self.heads.items()}

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        """Mean cross-entropy [nat] of each modality; 0 for one that has no target in this batch.

        `batch["counts"]`: the numbers of targets to divide by, where the batch is a part of a larger one."""
        losses = {}
        for name, logits in self.logits(batch).items():
            truth = batch["truth"][name]
            # A head runs even with no row, so that every parameter has a gradient in every batch: DDP waits
            # for all.
            count = batch["counts"][name].clamp_min(1) if "counts" in batch else max(1, len(truth))
            losses[name] = F.cross_entropy(logits.float(), truth, reduction="sum") / count
        return losses

    def flops(self, inputs: dict[str, float], targets: dict[str, float]) -> dict[str, float]:
        """Forward FLOPs of a sample by part, for so many inputs and targets of each modality."""
        dim, depth = self.encoder.config.dim, len(self.blocks)
        i, t = sum(inputs.values()), sum(targets.values())
        (pixels,) = (s.name for s in self.specs if s.pixels)
        counts = self.encoder.flops(i, inputs.get(pixels, 0))
        i += self.encoder.config.registers
        vectors = {name: m for name, m in self.tables.items() if isinstance(m, nn.Linear)}
        counts["tables"] = sum(linear_flops(m, inputs.get(name, 0)) for name, m in vectors.items())
        counts["context"] = linear_flops(self.context, i)
        for name in ("attention", "cross", "mlp"):
            counts[f"decoder.{name}"] = sum(
                linear_flops(m, i if k.endswith("cross.kv") else t)
                for k, m in self.blocks.named_modules()
                if isinstance(m, nn.Linear) and f".{name}." in k
            )
        counts["decoder.attention"] += depth * attention_flops(t, t, dim)
        counts["decoder.cross"] += depth * attention_flops(t, i, dim)
        counts["heads"] = sum(2 * dim * s.codes * targets.get(s.name, 0) for s in self.targets)
        return counts


def _table(spec: TokenSpec, dim: int) -> nn.Module:
    return nn.Linear(spec.width, dim) if spec.kind == "vectors" else nn.Embedding(spec.codes, dim)


def _vectors(dim: int, names: list[str]) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(torch.empty(dim)) for name in names})


def _tables(dim: int, specs: list[TokenSpec]) -> nn.ParameterDict:
    return nn.ParameterDict({s.name: nn.Parameter(torch.empty(s.slots, dim)) for s in specs})


def _places(spec: TokenSpec, dim: int) -> Float[Tensor, "slots d"]:
    if spec.learned:
        return torch.zeros(spec.slots, dim)  # stands in for what is learned
    return sincos_2d(*spec.shape, dim) if spec.kind == "grid" else sincos_1d(spec.slots, dim)


def _zero(x: Float[Tensor, "b n d"], valid: Bool[Tensor, "b n"] | None) -> Float[Tensor, "b n d"]:
    return x if valid is None else x * valid[..., None]


def _columns(valid: Bool[Tensor, "b n"] | None) -> Bool[Tensor, "b 1 1 n"] | None:
    return None if valid is None else valid[:, None, None, :]
