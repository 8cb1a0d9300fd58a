"""Tokens of one modality of one store, written beside its frames."""

from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.store import Store
from studies.run.stage import Stage
from studies.run.stages.derive import DeriveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.spec.config import MachineConfig
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenize_store import tokenize


class TokensStage(Stage):
    """Tokens of one modality of one store."""

    kind = "tokens"
    rank = 3
    unit = "frames"
    trains = True

    modality: str
    """What is tokenized."""
    store: StoreStage
    """The frames; the tokens are written into this store."""
    tokenizer: TokenizerStage
    """The tokenizer."""
    crops: TokenCropConfig
    """Random crops that are tokenized beside the whole frame."""
    derived: DeriveStage | None = Field(default=None, exclude_if=lambda stage: stage is None)
    """What makes the modality beside these frames, where a network does."""

    @property
    def label(self) -> str:
        return f"tokens {self.modality}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        store = Store.open(self.store.path(root))
        return tokenize(
            store,
            self.modality,
            self.tokenizer.folder(root),
            role=self.store.unlabelled_role,
            crops=self.crops,
        )

    @property
    def units(self) -> int:
        return self.store.units

    def bytes_written(self, root: Path, metrics: dict[str, Any]) -> int:
        """They are arrays of the store."""
        files = self.store.path(root).rglob(f"{metrics['array']}*/**/*")
        return sum(f.stat().st_size for f in files if f.is_file())
