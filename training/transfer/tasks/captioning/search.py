"""Beam search: the likeliest caption that a model that gives one token after another can be made to say."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from training.transfer.tasks.captioning.vocabulary import END, PAD, START

NextToken = Callable[[Int64[Tensor, "n t"]], Float[Tensor, "n entries"]]
"""Logits of the token after each of n beginnings, those of one frame after another."""


def search(
    next_token: NextToken, frames: int, beams: int, length: int, device: torch.device
) -> Int64[Tensor, "frames n"]:
    """Tokens from START on, PAD behind END, of one caption a frame; at most `length` of them.

    Of `beams` beginnings those with the largest sum of log-probabilities are gone on with; in the end that
    with the largest mean wins, so that a short caption has no advantage. One beam is greedy search."""
    said = torch.full((frames, beams, 1), START, device=device)
    # All beginnings are alike at first: only the first of a frame counts.
    score = torch.zeros(frames, beams, device=device)
    score[:, 1:] = -torch.inf
    ended = torch.zeros(frames, beams, dtype=torch.bool, device=device)
    taken = torch.zeros(frames, beams, device=device)  # tokens behind START that were scored
    for _ in range(length - 1):
        chances = next_token(said.flatten(0, 1)).float().log_softmax(-1).unflatten(0, (frames, beams))
        chances[..., [PAD, START]] = -torch.inf
        # A caption that has ended goes on in one way, which changes nothing.
        chances[ended] = -torch.inf
        chances[..., PAD][ended] = 0.0
        score, choice = (score[..., None] + chances).flatten(1).topk(beams)
        beam, token = choice // chances.shape[-1], choice % chances.shape[-1]
        kept = said.gather(1, beam[..., None].expand(-1, -1, said.shape[-1]))
        said = torch.cat([kept, token[..., None]], dim=-1)
        before = ended.gather(1, beam)
        taken = taken.gather(1, beam) + ~before
        ended = before | (token == END)
        if ended.all():
            break
    best = (score / taken).argmax(1)
    return said[torch.arange(frames, device=device), best]
