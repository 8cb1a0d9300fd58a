"""`tst tokenizer train | import | show`, `tst tokenize`, `tst transfer`, `tst propagate`, `tst evaluate`
and `tst retrieve`; `tst pretrain` is in training/pretrain/launch.py.

Every command opens stores through the guarded view of its role.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames, spaces_under_test
from engine.store.held_out import learned_beside, least_distances
from scenes.config import Config
from training.common.checkpoint import METRICS, write_json
from training.common.config import StageConfig
from training.fourm.images import FourMConfig, import_4m
from training.retrieval.retrieve import RetrieveConfig
from training.retrieval.retrieve import retrieve as run_retrieval
from training.tokenizers.make import make_tokenizer
from training.tokenizers.registry import load_tokenizer
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.token_pictures import compare
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig
from training.transfer.evaluate import evaluate as run_evaluation
from training.transfer.propagate import PropagateConfig
from training.transfer.propagate import propagate as run_propagation
from training.transfer.transfer import transfer as run_transfer


class TokenizerCommand(Config):
    """What `tst tokenizer train` needs to know."""

    store: Path
    """The store; its pre-training frames are used."""
    modality: str
    """rgb, depth, normals or edges, or what a network made (`tst derive --network`)."""
    out: Path
    """Folder of the tokenizer."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """The tokenizer."""


class ImportCommand(Config):
    """What `tst tokenizer import` needs to know."""

    source: str
    """A tokenizer of 4M's: safetensors file, folder with model.safetensors, or hub id."""
    modality: str
    """rgb, depth, normals or edges."""
    out: Path
    """Folder of the tokenizer."""
    fourm: FourMConfig = FourMConfig()
    """What it is fed."""


class TokenizeCommand(StageConfig):
    """What `tst tokenize` needs to know."""

    store: Path
    """The store; its pre-training frames get the tokens."""
    tokenizers: tuple[Path, ...]
    """Folders of tokenizers, ours or imported ones."""
    crops: TokenCropConfig = TokenCropConfig()
    """Which crops of every frame."""


class ShowCommand(Config):
    """What `tst tokenizer show` needs to know."""

    store: Path
    """The store; pre-training frames of it are shown."""
    tokenizers: tuple[Path, ...]
    """Folders of tokenizers, of one or several modalities."""
    out: Path
    """The picture (PNG)."""
    count: int = Field(default=6, ge=1, le=32)
    """Frames side by side, evenly over the store."""


class TransferCommand(Config):
    """What `tst transfer` needs to know."""

    store: Path
    """The store with the transfer frames."""
    test_store: Path
    """The store whose spaces are test spaces: transfer refuses to see any of them. May be the same store."""
    out: Path
    """Folder of the run."""
    checkpoint: Path | None = None
    """Folder of a pre-training; none: from random weights."""
    pseudo: Path | None = None
    """Folder of `tst propagate` with pseudo-labels of the pre-training frames in test_store, to tune on
    too."""
    transfer: TransferConfig = TransferConfig()
    """The fine-tuning."""


class PropagateCommand(Config):
    """What `tst propagate` needs to know."""

    store: Path
    """The store whose pre-training frames get pseudo-labels."""
    teacher: Path
    """Folder of a finished transfer, which gives them."""
    out: Path
    """Folder of the pseudo-labels."""
    propagate: PropagateConfig = PropagateConfig()
    """The labelling."""


class RetrieveCommand(Config):
    """What `tst retrieve` needs to know."""

    store: Path
    """The store with the evaluation frames."""
    model: Path
    """Folder of a finished pre-training (mm)."""
    out: Path
    """Folder of the scores."""
    tokenizers: dict[str, Path] = {}
    """Folder of the tokenizer of each of its modalities."""
    retrieve: RetrieveConfig = RetrieveConfig()
    """The retrieval."""


class EvaluateCommand(Config):
    """What `tst evaluate` needs to know."""

    store: Path
    """The store with the evaluation frames."""
    model: Path
    """Folder of a finished transfer."""
    out: Path
    """Folder of the scores."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """The scoring."""


def train_tokenizer(config: TokenizerCommand) -> None:
    """Train a tokenizer, then put the tokens of the store's pre-training frames beside them."""
    _print(make_tokenizer(PretrainFrames(config.store), config.modality, config.tokenizer, config.out))
    _print(tokenize(config.store, config.modality, config.out))


def import_tokenizer(config: ImportCommand) -> None:
    """Put a tokenizer of 4M's into a folder, for a modality of a store."""
    model = import_4m(config.source, config.modality, config.fourm, config.out)
    decoder = "encodes and decodes" if model.decodes else "encodes only"
    print(f"{config.out}: {config.modality}, {model.codes} codes, patches of {model.patch} px, {decoder}")


def tokenize_store(config: TokenizeCommand) -> None:
    """Put the tokens of a store's pre-training frames beside them."""
    for folder in config.tokenizers:
        modality = load_tokenizer(folder).modality
        _print(
            tokenize(
                config.store,
                modality,
                folder,
                config.runtime.threads,
                config.runtime.device,
                crops=config.crops,
            )
        )


def show_tokenizers(config: ShowCommand) -> None:
    """Draw what tokenizers make of frames of a store."""
    frames = PretrainFrames(config.store)
    count = min(config.count, len(frames))
    ids = ((np.arange(count) + 0.5) * len(frames) / count).astype(np.int64)
    named = [(folder.name, load_tokenizer(folder)) for folder in config.tokenizers]
    compare(frames, ids, named).save(config.out)
    print(config.out)


def transfer(config: TransferCommand) -> None:
    """Give an encoder a task, by fine-tuning or a probe, on the transfer frames of a store."""
    frames = TransferFrames(config.store, spaces_under_test(config.test_store))
    guessed = None if config.pseudo is None else PretrainFrames(config.test_store)
    metrics = run_transfer(
        config.transfer, frames, config.checkpoint, config.out, pseudo=config.pseudo, pseudo_frames=guessed
    )
    _print(metrics)


def propagate(config: PropagateCommand) -> None:
    """Let a tuned model label the unlabelled frames of a store, for a student to be tuned on."""
    frames = PretrainFrames(config.store)
    _print(run_propagation(config.propagate, config.teacher, frames, config.out))


def evaluate(config: EvaluateCommand) -> None:
    """Score a tuned model on the evaluation frames of a store, and say how far they are from frames of
    pre-training that lie in it."""
    frames = EvalFrames(config.store)
    apart = least_distances(frames, learned_beside(frames))
    metrics = run_evaluation(config.evaluate, frames, config.model, config.out) | apart
    write_json(config.out / METRICS, metrics)
    _print(metrics)


def retrieve(config: RetrieveCommand) -> None:
    """Find the depth map of an image, and the reverse, among the evaluation frames of a store."""
    frames = EvalFrames(config.store)
    _print(run_retrieval(config.retrieve, frames, config.model, config.tokenizers, config.out))


def _print(metrics: dict[str, Any]) -> None:
    print(json.dumps({k: v for k, v in metrics.items() if k != "curve"}, indent=1))
