"""LFM, learning the modality gap (Yang et al., NeurIPS 2024); ModalBed's tables call it DLMG."""

import math
from itertools import combinations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.concat import MOMENTUM, MULTIMODAL, Concat


class Lfm(Concat):
    """Features of an item's modalities are aligned at first, and classified later: the share of the alignment
    falls as exp(-0.3 epochs), within 0.05 and 0.95."""

    title = "DLMG"
    hyperparameters = (*MULTIMODAL, MOMENTUM)

    def optimise(self) -> None:
        hyper = self.hyper
        self.sgd("network", self.parameters(), hyper["lr"], hyper["wc"], hyper["momentum"])

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        parts = self.parts(batch)
        risk = F.cross_entropy(self.together(parts), batch.labels[0])
        gaps = [modality_gap(a, b) for a, b in combinations(parts, 2)]
        gap = torch.stack(gaps).mean() if gaps else risk.new_zeros(())
        share = min(max(math.exp(-0.3 * self.epoch), 0.05), 0.95)
        return {"loss": share * gap + (1.0 - share) * risk, "cls_k": risk.new_tensor(share)}


def modality_gap(a: Float[Tensor, "n e"], b: Float[Tensor, "n e"]) -> Float[Tensor, ""]:
    """Mean divergence of the middle of two softmax distributions from each of them. (The Jensen-Shannon
    divergence has the two from their middle; the authors' code and ModalBed's have it this way round.)"""
    p, q = a.softmax(-1), b.softmax(-1)
    middle = 0.5 * (p + q)
    from_p, from_q = ((middle * (middle.log() - x.log())).sum() / len(x) for x in (p, q))
    return 0.5 * (from_p + from_q)
