"""Scores of captions over a whole evaluation set, and the captions beside the true ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from training.common.checkpoint import save_arrays, write_json
from training.transfer.task import EvaluatedBatch, Evaluator
from training.transfer.tasks.captioning.caption_files import TEXTS
from training.transfer.tasks.captioning.labels import FRAME, GrammarCaptions
from training.transfer.tasks.captioning.scores import bleu, cider
from training.transfer.tasks.captioning.tuples import CaptionParser, true_claims

CAPTIONS = "captions.json"
PICTURES = "captioned.npz"
Scores = Float64[np.ndarray, " n"]
FurtherScores = Mapping[str, Callable[[list[str], list[list[str]]], Scores]]
"""By name, scores of predictions and their references."""


class CaptionEvaluator(Evaluator):
    """`cider` (0..10, the mean over frames), and by space as `space_cider`; `bleu4` (0..1, of all together).

    Beside them, to read `cider` by: `cider_of_a_reference`, what the first true caption of each frame gets in
    the prediction's place, and `cider_of_another`, what each prediction gets in the place of another frame's,
    half a set on: chance. `distinct`: share of the predictions that differ. `further`: the means of these.

    Of the grammar's captions, which `source` makes, also `tuple_f1`, the mean over frames; `true_claims`,
    the share of what all predictions claim that is true of their frames, whether a reference says so or not;
    `grammatical`, the share of predictions that are sentences of the grammar.

    `save` writes CAPTIONS, a list of frames with their `prediction`, `references` and `cider`, and PICTURES:
    the pictured frames as rgb, uint8 [n, h, w, 3], and their indices `frame`, int64 [n]."""

    def __init__(self, source: GrammarCaptions | None, pictured: frozenset[int], further: FurtherScores):
        self.source, self.pictured, self.further = source, pictured, further
        self.parser = None if source is None else CaptionParser(source.names)
        self.frames: list[int] = []
        self.spaces: list[str] = []
        self.predictions: list[str] = []
        self.references: list[list[str]] = []
        self._claims = np.zeros(2, dtype=np.int64)  # that are true, and all
        self._pictures: dict[int, UInt8[np.ndarray, "h w 3"]] = {}

    def add(self, batch: EvaluatedBatch) -> None:
        self.spaces += batch.spaces
        for i, (frame, said) in enumerate(zip(batch.ids.tolist(), batch.prediction, strict=True)):
            self.frames.append(frame)
            self.predictions.append(said)
            if frame in self.pictured:
                self._pictures[frame] = batch.images["rgb"][i]
        if self.source is None or self.parser is None:
            self.references += [list(texts) for texts in batch.labels[TEXTS]]
            return
        for scene, frame, said in zip(
            self.source.scenes(batch.labels), batch.labels[FRAME].tolist(), batch.prediction, strict=True
        ):
            self.references.append(self.source.of_scene(scene, frame))
            if (claims := self.parser.claims(said)) is not None:
                self._claims += true_claims(claims, scene)

    @property
    def cider(self) -> Scores:
        """Of each frame."""
        return cider(self.predictions, self.references)

    def metrics(self) -> dict[str, Any]:
        count, each = len(self.frames), self.cider
        first = [texts[0] for texts in self.references]
        others = [self.predictions[(i + max(1, count // 2)) % count] for i in range(count)]
        spaces = np.array(self.spaces)
        return {
            "cider": float(each.mean()),
            "bleu4": bleu(self.predictions, self.references),
            "cider_of_a_reference": float(cider(first, self.references).mean()),
            "cider_of_another": float(cider(others, self.references).mean()),
            "distinct": len(set(self.predictions)) / count,
            "space_cider": {s: float(each[spaces == s].mean()) for s in dict.fromkeys(self.spaces)},
            **self._of_the_grammar(),
            **{
                name: float(score(self.predictions, self.references).mean())
                for name, score in self.further.items()
            },
        }

    def _of_the_grammar(self) -> dict[str, float]:
        if self.parser is None:
            return {}
        parser, (true, claimed) = self.parser, self._claims.tolist()
        pairs = zip(self.predictions, self.references, strict=True)
        return {
            "tuple_f1": float(np.mean([parser.f1(*pair) for pair in pairs])),
            "true_claims": true / max(1, claimed),
            "grammatical": float(np.mean([parser.claims(said) is not None for said in self.predictions])),
        }

    def save(self, out: Path) -> None:
        rows = zip(
            self.frames, self.spaces, self.predictions, self.references, self.cider.tolist(), strict=True
        )
        names = ("frame", "space", "prediction", "references", "cider")
        write_json(out / CAPTIONS, [dict(zip(names, row, strict=True)) for row in rows])
        if self._pictures:
            frame = np.array(list(self._pictures))
            save_arrays(out / PICTURES, {"frame": frame, "rgb": np.stack(list(self._pictures.values()))})
