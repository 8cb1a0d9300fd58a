"""The captioning head: a causal transformer decoder with the encoder's features as context."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.models.blocks import DecoderBlock, Style, heads_of, initialise, norm
from training.models.positions import sincos_1d, sincos_2d
from training.transfer.task import FeatureShape, Targets, TaskHead
from training.transfer.tasks.captioning.search import search
from training.transfer.tasks.captioning.vocabulary import PAD

CAPTIONS = "captions"
"""Of the targets: tokens of captions, int64 [b, c, n], see `Vocabulary.encode`."""


class DecoderConfig(Config):
    """The decoder, of blocks like those of 4M's."""

    dim: int = Field(default=0, ge=0)
    """Width; 0: that of the encoder."""
    depth: int = Field(default=4, ge=1)
    """Number of blocks."""
    length: int = Field(default=48, ge=3)
    """Longest caption [tokens], its start and its end among them; longer ones are cut off."""


class CaptionHead(TaskHead):
    """Features to captions. In training, with `targets`, to logits of each next token, float [b, c, n - 1,
    entries]; else to the tokens of one caption a frame, int64 [b, n], found by `search` with `beams` beams.

    It starts from random weights."""

    def __init__(self, config: DecoderConfig, shape: FeatureShape, entries: int, beams: int):
        super().__init__()
        dim = config.dim or shape.dim
        style = Style(heads_of(dim))
        self.length, self.beams = config.length, beams
        self.context = nn.Linear(shape.dim, dim)
        self.tokens = nn.Embedding(entries, dim)
        self.blocks = nn.ModuleList(DecoderBlock(dim, style) for _ in range(config.depth))
        self.norm = norm(dim, style)
        self.entries = nn.Linear(dim, entries, bias=False)
        self.patch_places: Tensor
        self.places: Tensor
        self.register_buffer("patch_places", sincos_2d(shape.grid, shape.grid, dim), persistent=False)
        self.register_buffer("places", sincos_1d(config.length, dim), persistent=False)

    def forward(
        self, features: Float[Tensor, "b p d"], targets: Targets | None = None
    ) -> Float[Tensor, "b c n entries"] | Int64[Tensor, "b n"]:
        context = self.context(features) + self.patch_places
        if targets is not None:
            return self.logits(targets[CAPTIONS][..., :-1], context)
        each = context.repeat_interleave(self.beams, dim=0)

        def next_token(said: Int64[Tensor, "k n"]) -> Float[Tensor, "k entries"]:
            return self.logits(said[:, None], each)[:, 0, -1]

        return search(next_token, len(features), self.beams, self.length, features.device)

    def logits(
        self, said: Int64[Tensor, "b c n"], context: Float[Tensor, "b p d"]
    ) -> Float[Tensor, "b c n entries"]:
        """Of the token behind each. The captions of a frame are decoded as one sequence, in which none sees
        another: the context is then projected once."""
        b, c, n = said.shape
        x = (self.tokens(said) + self.places[:n]).flatten(1, 2)
        mask = _causal(c, n, said.device).expand(b, -1, -1, -1)
        for block in self.blocks:
            x = block(x, context, mask)
        return self.entries(self.norm(x)).unflatten(1, (c, n))

    def initialise(self, generator: torch.Generator) -> None:
        """As 4M's decoder."""
        initialise(self, generator)


def _causal(captions: int, length: int, device: torch.device) -> Bool[Tensor, "1 1 n n"]:
    """True where a token sees another: of its own caption, itself and earlier ones."""
    place = torch.arange(captions * length, device=device)
    own = place[:, None] // length == place // length
    return (own & (place[:, None] >= place))[None, None]


class NextTokenLoss(nn.Module):
    """Cross-entropy [nat] of every next token, END among them; their mean. Without label smoothing."""

    def forward(self, logits: Float[Tensor, "b c n entries"], targets: Targets) -> Float[Tensor, ""]:
        """The loss of teacher forcing."""
        truth: Int64[Tensor, "b c m"] = targets[CAPTIONS][..., 1:]
        return F.cross_entropy(logits.float().flatten(0, 2), truth.flatten(), ignore_index=PAD)
