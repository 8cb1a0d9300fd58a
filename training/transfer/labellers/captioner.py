"""A model that was tuned to captioning, as a network that turns RGB into a sentence.

tst derive STORE --network captioner --weights FOLDER         # of a finished `tst transfer`
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64, UInt8, UInt16
from torch import Tensor, nn

from engine.networks.network import Output
from training.transfer.build import LoadedModel
from training.transfer.labellers.labeller import LabellerConfig
from training.transfer.task import Facts, LabelTable, TaskConfig
from training.transfer.tasks.captioning.captioning import Captioning, CaptioningConfig
from training.transfer.tasks.captioning.decoder import CaptionHead
from training.transfer.tasks.captioning.vocabulary import END, PAD


class CaptionerConfig(LabellerConfig):
    """A captioner that was tuned on captions of transfer houses. A caption is left out where the geometric
    mean of its tokens' probabilities is below `confidence`."""

    name: ClassVar[str] = "captioner"
    task: ClassVar[str] = "captioning"

    def classes_of(self, label_table: LabelTable, own: TaskConfig) -> tuple[str, ...]:
        """As many as the vocabulary may have; their names are known when it is learned."""
        assert isinstance(own, CaptioningConfig)
        return ("",) * (own.vocabulary - END - 1)

    def classes_in(self, facts: Facts, own: TaskConfig) -> tuple[str, ...]:
        """The names, and behind them those of tokens that a smaller vocabulary leaves unused."""
        assert isinstance(own, CaptioningConfig)
        names = Captioning(own, facts).vocabulary.names
        return (names + ("",) * (own.vocabulary - len(names)))[END + 1 :]

    def output(self, size: int, classes: tuple[str, ...], own: TaskConfig) -> Output:
        """Of captions of at most so many tokens, their start and end left out."""
        assert isinstance(own, CaptioningConfig)
        return Output("text", (own.decoder.length - 2,), "uint16", classes)

    def module(self, loaded: LoadedModel) -> nn.Module:
        return _Sentence(loaded.model, self.confidence)


class _Sentence(nn.Module):
    """Frames as stored to tokens from 1, 0 behind the last; all 0 where the caption is less sure than
    `confidence`."""

    def __init__(self, model: Any, confidence: float):
        super().__init__()
        self.model, self.confidence = model, confidence

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> UInt16[Tensor, "b n"]:
        features, head = self.model.features({"rgb": rgb}), self.model.head
        said: Int64[Tensor, "b m"] = head(features)
        words = (said[:, 1:] - END).clamp(min=0)  # without START; PAD and END are 0
        if self.confidence:
            words *= (_sureness(head, features, said) >= self.confidence)[:, None]
        room = head.length - 2
        return nn.functional.pad(words, (0, max(0, room - words.shape[1])))[:, :room].to(torch.uint16)


def _sureness(
    head: CaptionHead, features: Float[Tensor, "b p d"], said: Int64[Tensor, "b m"]
) -> Float[Tensor, " b"]:
    """Geometric mean of the probabilities of a caption's tokens behind START."""
    context = head.context(features) + head.patch_places
    chances = head.logits(said[:, None, :-1], context)[:, 0].float().log_softmax(-1)
    taken = chances.gather(-1, said[:, 1:, None])[..., 0]
    there = said[:, 1:] != PAD
    return ((taken * there).sum(-1) / there.sum(-1)).exp()
