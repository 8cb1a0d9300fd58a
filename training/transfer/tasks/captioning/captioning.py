"""Captioning: a sentence that says what a frame shows, learned from captions that a grammar makes of labels.

Fine-tuned with a causal transformer decoder on the encoder (4M transfers its encoders so, arXiv:2312.06647),
by teacher forcing."""

from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor, nn

from training.transfer.task import (
    Arrays,
    Facts,
    FeatureShape,
    LabelledData,
    LabelTable,
    Targets,
    Task,
    TaskConfig,
    TaskHead,
    TrainingProtocol,
)
from training.transfer.tasks.captioning.decoder import CAPTIONS, CaptionHead, DecoderConfig, NextTokenLoss
from training.transfer.tasks.captioning.evaluator import CaptionEvaluator, FurtherScores
from training.transfer.tasks.captioning.labels import GrammarCaptions, MapReader
from training.transfer.tasks.captioning.spice import check_spice, spice
from training.transfer.tasks.captioning.vocabulary import SMALLEST, Vocabulary, learn_vocabulary, library

AT_ONCE = 128  # frames whose captions are made together


class CaptioningConfig(TaskConfig):
    """Fields of the task `captioning`."""

    decoder: DecoderConfig = DecoderConfig()
    """The head."""
    vocabulary: int = Field(default=1024, ge=SMALLEST)
    """Most tokens of the vocabulary, which is learned from the transfer set's captions."""
    captions: int = Field(default=5, ge=1)
    """Captions of a frame: all are learned from at once, and a prediction is compared with all."""
    least_share: float = Field(default=0.003, gt=0, lt=1)
    """Share of the image's pixels that an object must cover to be spoken of."""
    draws: int = 0
    """Seed of which captions a frame gets, of all that the grammar can say of it."""
    beams: int = Field(default=1, ge=1)
    """Beginnings that the search for a caption goes on with; 1: greedy."""
    spice: bool = False
    """Score SPICE too; it needs Java, pycocoevalcap and two files of CoreNLP's (spice.py says which)."""

    def check_installed(self) -> None:
        library()
        if self.spice:
            check_spice()

    def label_reader(self, label_table: LabelTable) -> MapReader:
        return MapReader()

    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        """The vocabulary, and the label table, of whose names captions are made."""
        source = self.source(label_table)
        texts = chain.from_iterable(source.captions(some) for some in data.labels(AT_ONCE))
        learned = learn_vocabulary(chain.from_iterable(texts), self.vocabulary)
        return {"label_table": [dict(row) for row in label_table], "vocabulary": learned}

    def build(self, facts: Facts) -> "Captioning":
        return Captioning(self, facts)

    def source(self, label_table: LabelTable) -> GrammarCaptions:
        """What makes captions of labels."""
        return GrammarCaptions(label_table, self.least_share, self.captions, self.draws)


class Captioning(Task):
    """`facts`: the label table and the vocabulary. Raises ValueError without the package `tokenizers`."""

    def __init__(self, config: CaptioningConfig, facts: Facts):
        super().__init__(facts)
        self.config = config
        self.source = config.source(facts["label_table"])
        self.vocabulary = Vocabulary(facts["vocabulary"])

    def check(self, label_table: LabelTable, where: str) -> None:
        """Raises ValueError where the label table is another."""
        if [dict(row) for row in label_table] != self.facts["label_table"]:
            mine = len(self.facts["label_table"])
            raise ValueError(
                f"{where} knows a label table of {mine} rows, and that of the frames is another, of "
                f"{len(label_table)}: use stores of one label table"
            )

    def summary(self) -> dict[str, Any]:
        """`vocabulary`: its number of tokens."""
        return {"vocabulary": len(self.vocabulary)}

    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        return CaptionHead(self.config.decoder, shape, len(self.vocabulary), self.config.beams)

    def targets(self, labels: Arrays) -> Targets:
        """CAPTIONS: tokens of the captions of each frame, int64 [b, c, n]."""
        tokens = self.vocabulary.encode(self.source.captions(labels), self.config.decoder.length)
        return {CAPTIONS: torch.from_numpy(tokens)}

    def criterion(self, data: LabelledData) -> nn.Module:
        return NextTokenLoss()

    def predict(self, output: Int64[Tensor, "b n"]) -> list[str]:
        """A caption for each frame."""
        return self.vocabulary.decode(output.cpu().numpy().astype(np.int64))

    def evaluator(self, pictured: frozenset[int]) -> CaptionEvaluator:
        further: FurtherScores = {"spice": spice} if self.config.spice else {}
        return CaptionEvaluator(self.source, pictured, further)
