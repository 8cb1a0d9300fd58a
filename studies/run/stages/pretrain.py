"""One phase of pre-training: a masked model learns from unlabelled frames of some stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from studies.run.drawing import Curve, Drawing, StageRecord
from studies.run.stage import Stage, changed, without_amounts
from studies.run.stages.store import REDUCED_FRAMES, StoreStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.spec.config import MachineConfig
from training.pretrain.config import PretrainConfig
from training.pretrain.cost import gflop_per_sample
from training.pretrain.launch import Source, launch_pretrain


class PretrainStage(Stage):
    """One phase of pre-training."""

    kind = "pretrain"
    rank = 4
    trains = True

    name: str = Field(exclude=True)
    """Name of the phase."""
    pretrain: PretrainConfig
    """The pre-training."""
    stores: tuple[StoreStage, ...]
    """Where its frames are from."""
    shares: tuple[float, ...]
    """Share of the samples of each store."""
    shown: tuple[tuple[str, ...] | None, ...]
    """Of each store, the only modalities that are seen and predicted; none: all."""
    tokenizers: dict[str, TokenizerStage] = {}
    """By modality (mm)."""
    start: Self | None = None
    """The phase whose weights it goes on from."""
    tokens: tuple[TokensStage, ...] = ()
    """Tokens of the stores (mm)."""

    @property
    def label(self) -> str:
        where = " and ".join(f"{s.houses.name} ({s.houses.houses.count} × {s.frames})" for s in self.stores)
        then = f", then {self.name}" if self.start else ""
        return f"pre-training {self.pretrain.objective} on {where}, seed {self.pretrain.seed}{then}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        return launch_pretrain(
            self.pretrain,
            [
                Source(store=store.path(root), share=share, role=store.unlabelled_role, modalities=shown)
                for store, share, shown in zip(self.stores, self.shares, self.shown, strict=True)
            ],
            {modality: stage.folder(root) for modality, stage in self.tokenizers.items()},
            self.folder(root),
            use_ray=machine.ray_train,
            workers=machine.workers,
            start_from=self.start.folder(root) if self.start else None,
        )

    def gpus(self, machine: MachineConfig) -> float:
        """None with Ray Train, whose workers claim a GPU each."""
        return 0.0 if machine.ray_train else super().gpus(machine)

    @property
    def units(self) -> int:
        config = self.pretrain
        return config.samples if config.tokens is None else config.steps * config.batch

    @property
    def gflop_per_sample(self) -> float:
        """Forward and backward of the model, counted before there is any data; what networks that made its
        modalities compute is not counted."""
        tokenizers = {modality: stage.tokenizer for modality, stage in self.tokenizers.items()}
        image = self.stores[0].sensing.size
        outputs = {m: s.derived[0].output for m, s in self.tokenizers.items() if s.derived}
        return gflop_per_sample(self.pretrain, image, tokenizers, self.shown, self.shares, outputs)

    @property
    def tokens_seen(self) -> int:
        return self.units * (self.pretrain.own.tokens_per_sample or 0)

    @property
    def cost_settings(self) -> dict[str, Any]:
        shown = sorted({m for modalities in self.shown for m in modalities or ()})
        own = without_amounts(self.settings["pretrain"]) | {"tokens": None}
        return {"pretrain": own, "shown": shown, "size": self.frame_size}

    def reduced(self, steps: int) -> dict[str, Any]:
        repeats = self.pretrain.own.repeats
        batch = min(REDUCED_FRAMES, self.pretrain.batch) // repeats * repeats or repeats
        few: dict[str, Any] = {"samples": steps * batch, "tokens": None, "batch": batch}
        few["runtime"] = changed(self.pretrain.runtime, threads=1)
        return {"pretrain": changed(self.pretrain, **few), "shares": (1.0,) * len(self.shares)}

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        if curve := record.metrics.get("curve"):
            yield Curve("Learning", "Pre-training loss", curve)
