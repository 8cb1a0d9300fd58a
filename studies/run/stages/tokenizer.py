"""A tokenizer of one modality, trained on what the first phase of pre-training sees and on nothing else."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import Unlabelled, unlabelled
from engine.stream.mixture import MixedFrames
from studies.run.drawing import Drawing, StageRecord, TableLine
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.store import REDUCED_FRAMES, StoreStage
from studies.spec.config import MachineConfig
from training.tokenizers.make import make_tokenizer
from training.tokenizers.tokenizer import TokenizerConfig


class TokenizerStage(Stage):
    """A tokenizer of one modality."""

    kind = "tokenizer"
    rank = 2
    trains = True

    modality: str
    """What is tokenized."""
    tokenizer: TokenizerConfig
    """The tokenizer and its training."""
    stores: tuple[StoreStage, ...]
    """Where its frames are from."""
    shares: tuple[float, ...]
    """Share of each store."""
    derived: tuple[DeriveStage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes the modality beside the frames of each store, where a network does."""

    @property
    def label(self) -> str:
        return f"tokenizer {self.modality}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        frames = _view(self.stores, self.shares, root)
        return make_tokenizer(frames, self.modality, self.tokenizer, self.folder(root))

    @property
    def units(self) -> int:
        return self.tokenizer.steps * self.tokenizer.batch

    @property
    def cost_settings(self) -> dict[str, Any]:
        return super().cost_settings | {"shares": None}

    def reduced(self, steps: int) -> dict[str, Any]:
        """A codebook of features has no more codes than a few frames have places."""
        few: dict[str, Any] = {"steps": steps, "batch": REDUCED_FRAMES, "check_frames": REDUCED_FRAMES}
        few["runtime"] = changed(self.tokenizer.runtime, threads=1)
        if self.derived and self.derived[0].output.kind in ("features", "vector"):
            few["codes"] = min(self.tokenizer.codes, REDUCED_FRAMES)
        return {"tokenizer": changed(self.tokenizer, **few), "shares": (1.0,) * len(self.shares)}

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        found = record.metrics
        if "reconstruction_error" in found:
            cells = (
                f"{found['reconstruction_error']:.3g} {found.get('error_unit', '')}",
                _number(found.get("usage")),
                _number(found.get("perplexity")),
            )
            yield TableLine(
                "Learning",
                "Tokenizers, trained on pre-training frames alone",
                ("tokenizer", "reconstruction error", "share of codes used", "perplexity"),
                (record.label, *cells),
            )


def _view(stores: Sequence[StoreStage], shares: Sequence[float], root: Path) -> Unlabelled | MixedFrames:
    views = [unlabelled(store.path(root), store.unlabelled_role) for store in stores]
    return views[0] if len(views) == 1 else MixedFrames(views, shares)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
