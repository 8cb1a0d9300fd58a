"""Captioning: a sentence that says what a frame shows, learned from captions that a grammar makes of labels.

Fine-tuned with a causal transformer decoder on the encoder (4M transfers its encoders so, arXiv:2312.06647),
by teacher forcing."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor, nn

from training.common.external_access import Knowledge, Sources
from training.transfer.task import (
    Arrays,
    Facts,
    FeatureShape,
    LabelledData,
    LabelReader,
    LabelTable,
    Targets,
    Task,
    TaskConfig,
    TaskHead,
    TrainingProtocol,
)
from training.transfer.tasks.captioning.caption_files import TEXTS, FileReader, read_caption_file
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
    files: tuple[Path, ...] = ()
    """Files of captions in place of the grammar's, one for each view of a store that is learned from or
    evaluated in (caption_files.py says what is in them); they are of whole frames, so `flip` must be false
    and `crop` 1."""
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

    @property
    def of_whole_frames(self) -> bool:
        return bool(self.files)

    def label_reader(self, label_table: LabelTable) -> LabelReader:
        return FileReader(self.files, self.captions) if self.files else MapReader()

    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        """The vocabulary, and where captions are from: the label table, of whose names the grammar makes
        them, or who wrote each file."""
        source = None if self.files else self.source(label_table)
        texts = chain.from_iterable(captions_in(some, source) for some in data.labels(AT_ONCE))
        learned = learn_vocabulary(chain.from_iterable(texts), self.vocabulary)
        if source is not None:
            return {"label_table": [dict(row) for row in label_table], "vocabulary": learned}
        files = [read_caption_file(path, self.captions) for path in self.files]
        return {"files": [f.model_dump(exclude={"captions"}) for f in files], "vocabulary": learned}

    def build(self, facts: Facts) -> "Captioning":
        return Captioning(self, facts)

    def source(self, label_table: LabelTable) -> GrammarCaptions:
        """What makes captions of labels."""
        return GrammarCaptions(label_table, self.least_share, self.captions, self.draws)


def captions_in(labels: Arrays, source: GrammarCaptions | None) -> list[Sequence[str]]:
    """The captions of each frame: those of a file, or those that `source` makes."""
    return list(labels[TEXTS]) if source is None else list(source.captions(labels))


class Captioning(Task):
    """`facts`: the vocabulary, and the label table or what the files of captions say of themselves. Raises
    ValueError without the package `tokenizers`."""

    def __init__(self, config: CaptioningConfig, facts: Facts):
        super().__init__(facts)
        self.config = config
        self.source = config.source(facts["label_table"]) if "label_table" in facts else None
        self.vocabulary = Vocabulary(facts["vocabulary"])

    def check(self, label_table: LabelTable, where: str) -> None:
        """Raises ValueError where the grammar's label table is another."""
        if self.source is not None and [dict(row) for row in label_table] != self.facts["label_table"]:
            mine = len(self.facts["label_table"])
            raise ValueError(
                f"{where} knows a label table of {mine} rows, and that of the frames is another, of "
                f"{len(label_table)}: use stores of one label table"
            )

    def outside(self) -> Sources:
        """Whoever wrote the files of captions."""
        return tuple(
            Knowledge(name="captions", source=of["source"], external_access=of["external_access"])
            for of in self.facts.get("files", ())
        )

    def summary(self) -> dict[str, Any]:
        """`vocabulary`: its number of tokens. `caption_files`: of files, who wrote them and what external
        access they had."""
        files = {"caption_files": self.facts["files"]} if self.source is None else {}
        return {"vocabulary": len(self.vocabulary)} | files

    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        return CaptionHead(self.config.decoder, shape, len(self.vocabulary), self.config.beams)

    def targets(self, labels: Arrays) -> Targets:
        """CAPTIONS: tokens of the captions of each frame, int64 [b, c, n]."""
        tokens = self.vocabulary.encode(captions_in(labels, self.source), self.config.decoder.length)
        return {CAPTIONS: torch.from_numpy(tokens)}

    def criterion(self, data: LabelledData) -> nn.Module:
        return NextTokenLoss()

    def predict(self, output: Int64[Tensor, "b n"]) -> list[str]:
        """A caption for each frame."""
        return self.vocabulary.decode(output.cpu().numpy().astype(np.int64))

    def evaluator(self, pictured: frozenset[int]) -> CaptionEvaluator:
        further: FurtherScores = {"spice": spice} if self.config.spice else {}
        return CaptionEvaluator(self.source, pictured, further)
