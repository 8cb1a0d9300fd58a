"""Tokens of label maps: the class that most pixels of a patch have. Nothing is learned.

Labels of a test space never reach pre-training, and this changes nothing of it: `PretrainFrames` gives none.
It is for maps that a network made of RGB, or that a store holds as something sensed."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from training.common.external_access import Sources
from training.tokenizers.image_tokenizer import save_tokenizer


class LabelMap(nn.Module):
    """A tokenizer of label maps, integers [b, h, w] below `codes`. `dtype`: theirs, numpy's name of it."""

    decodes = True

    def __init__(self, modality: str, codes: int, patch: int, dtype: str = "uint8"):
        super().__init__()
        self.modality, self.codes, self.patch, self.dtype = modality, codes, patch, dtype

    def encode(self, images: Shaped[np.ndarray, "b h w"] | Shaped[Tensor, "b h w"]) -> Int[Tensor, "b gh gw"]:
        """Of classes that are equally many the lowest. Raises ValueError for sizes that do not divide into
        patches, and for classes of `codes` and above."""
        labels = torch.as_tensor(images).long()
        height, width = labels.shape[1:]
        if height % self.patch or width % self.patch:
            raise ValueError(f"{height}x{width} px do not divide into patches of {self.patch} px")
        if labels.numel() and labels.max() >= self.codes:
            raise ValueError(f"class {labels.max()} in {self.modality}: this tokenizer knows {self.codes}")
        cells = labels.unfold(1, self.patch, self.patch).unfold(2, self.patch, self.patch).flatten(3)
        # mode() says nothing of ties; counting class by class does, and takes no memory to speak of.
        best = torch.zeros_like(cells[..., 0])
        most = torch.zeros_like(best)
        for label in labels.unique().tolist():
            count = (cells == label).sum(-1)
            best, most = torch.where(count > most, label, best), torch.maximum(count, most)
        return best

    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> Shaped[np.ndarray, "b h w"]:
        """Every pixel of a patch its class."""
        return tokens.cpu().numpy().repeat(self.patch, 1).repeat(self.patch, 2).astype(self.dtype)


def make_label_map(
    modality: str, codes: int, patch: int, out: Path, dtype: str = "uint8", sources: Sources = ()
) -> LabelMap:
    """A tokenizer in the folder `out`, like those that are learned. `sources`: what of the outside is in the
    maps."""
    facts = {"codes": codes, "patch": patch, "dtype": dtype}
    save_tokenizer(out, "labels", modality, facts, {}, sources)
    return LabelMap(modality, **facts)
