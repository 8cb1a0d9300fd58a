"""Tokens of a whole modality out of those of another, by a pre-trained multimodal model.

In one step all tokens are predicted from the input alone. In several they are decided a few at a time, those
first that the model is surest of, and what is decided is seen from then on: MaskGIT (Chang et al.,
arXiv:2202.04200) on 4M's cosine schedule (Mizrahi et al., arXiv:2312.06647), at temperature 0."""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from training.models.modality import TokenSpec, starts_of
from training.models.multimodal import Multimodal, PackedBatch

Seen = dict[str, Shaped[Tensor, "b n *p"]]
"""Inputs by modality, all of its places in order: token ids int64 [b, n]; of RGB patches uint8 [b, n, p]."""


class Generated(NamedTuple):
    """A modality of b frames."""

    tokens: Int64[Tensor, "b n"]
    log_p: Float[Tensor, "b n codes"]
    """Log-probabilities of every token, as they were when it was decided."""


def cosine_schedule(steps: int, tokens: int) -> list[int]:
    """How many tokens each step decides: few at first and at last, most in the middle; steps that would
    decide none are left out."""
    decided = [round(tokens * (1 - math.cos(math.pi * step / steps)) / 2) for step in range(steps + 1)]
    return [after - before for before, after in itertools.pairwise(decided) if after > before]


def spec_of(model: Multimodal, modality: str) -> TokenSpec:
    """What the model knows of a modality. Raises ValueError where it knows none of the name, or one whose
    tokens do not lie on a grid."""
    for spec in model.specs:
        if spec.name == modality and spec.kind == "grid":
            return spec
    known = ", ".join(s.name for s in model.specs if s.kind == "grid")
    raise ValueError(f"the model has no modality {modality!r} with tokens on a grid; it has: {known}")


AsSeen = Callable[[Int64[Tensor, "b n"]], Shaped[Tensor, "b n *p"]]
"""From all tokens of a modality to what the model sees of it: `Seen`."""


class Known(NamedTuple):
    """What is decided of the target modality, as the model sees it."""

    target: str
    places: Int64[Tensor, "b k"]
    content: Shaped[Tensor, "b k *p"]


@torch.no_grad()
def generate(
    model: Multimodal, seen: Seen, target: str, steps: int, as_seen: AsSeen | None = None
) -> Generated:
    """All tokens of `target`, decided in at most `steps` steps, out of what is seen; `target` is not among
    it. `as_seen`: needed in several steps for RGB, which the model sees as pixels: those of the tokens, the
    likeliest where they are not decided yet."""
    spec = spec_of(model, target)
    assert target not in seen
    assert spec.predicted
    frames, device = len(next(iter(seen.values()))), model.mask_embedding.device
    tokens = torch.zeros(frames, spec.slots, dtype=torch.int64, device=device)
    log_p = torch.zeros(frames, spec.slots, spec.codes, device=device)
    places = torch.arange(spec.slots, device=device).expand(frames, -1)
    decided, undecided, known = places[:, :0], places, None
    for count in cosine_schedule(steps, spec.slots):
        if decided.shape[1]:
            content = tokens if as_seen is None else as_seen(tokens)
            known = Known(target, decided, content[torch.arange(frames, device=device)[:, None], decided])
        chances = predict(model, seen, target, known, undecided).float().log_softmax(-1)
        surest, best = chances.max(-1)
        tokens.scatter_(1, undecided, best)
        log_p.scatter_(1, undecided[..., None].expand(-1, -1, spec.codes), chances)
        order = surest.argsort(dim=1, descending=True, stable=True)
        decided = torch.cat([decided, undecided.gather(1, order[:, :count])], dim=1)
        undecided = undecided.gather(1, order[:, count:])
    return Generated(tokens, log_p)


def predict(
    model: Multimodal, seen: Seen, target: str, known: Known | None, places: Int64[Tensor, "b t"]
) -> Float[Tensor, "b t codes"]:
    """Logits of the tokens of the target modality at `places`, which may differ from frame to frame."""
    batch = pack_seen(model, seen, known)
    device = places.device
    none = torch.zeros(0, dtype=torch.int64, device=device)
    batch["targets"] = _start(model, target) + places
    batch["target_rows"] = {s.name: none for s in model.targets}
    batch["target_rows"][target] = torch.arange(places.numel(), device=device)
    return model.logits(batch)[target].view(*places.shape, -1)


def pack_seen(model: Multimodal, seen: Seen, known: Known | None = None) -> PackedBatch:
    """A batch with these inputs and no targets."""
    device = model.mask_embedding.device
    frames = len(next(iter(seen.values())))
    slots, content, parts = [], {}, {}
    first = 0
    for spec in model.specs:
        values, places = seen.get(spec.name), None
        if values is not None:
            places = torch.arange(values.shape[1], device=device).expand(frames, -1)
        elif known is not None and spec.name == known.target:
            values, places = known.content, known.places
        if values is None or places is None:
            content[spec.name] = _nothing(model, spec)
            continue
        content[spec.name] = values.flatten(0, 1)
        slots.append(_start(model, spec.name) + places)
        parts[spec.name] = (first, places.shape[1])
        first += places.shape[1]
    rows = torch.arange(frames * first, device=device).view(frames, first)
    return {
        "inputs": torch.cat(slots, dim=1),
        "content": content,
        "input_rows": torch.cat([rows[:, at : at + count].flatten() for at, count in parts.values()]),
    }


def _nothing(model: Multimodal, spec: TokenSpec) -> Shaped[Tensor, "0 *p"]:
    """No content of a modality."""
    device = model.mask_embedding.device
    if spec.pixels:
        return torch.zeros(0, 3 * model.encoder.config.patch**2, dtype=torch.uint8, device=device)
    if spec.kind == "vectors":
        return torch.zeros(0, spec.width, device=device)
    return torch.zeros(0, dtype=torch.int64, device=device)


def _start(model: Multimodal, modality: str) -> int:
    """First slot of a modality."""
    return int(starts_of(model.specs)[[s.name for s in model.specs].index(modality)])
