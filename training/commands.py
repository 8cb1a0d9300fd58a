"""`tst tokenizer train`, `tst transfer`, `tst propagate` and `tst evaluate`, a stage each; `tst pretrain` is
in launch.py.

Every stage opens the store through the view of its role, so none can be pointed at what it must not see.
"""

import json
from pathlib import Path
from typing import Any

from engine.access import EvalFrames, PretrainFrames, TransferFrames, spaces_under_test
from training.config import Config
from training.evaluate import EvaluateConfig
from training.evaluate import evaluate as run_evaluation
from training.propagate import PropagateConfig
from training.propagate import propagate as run_propagation
from training.tokenize_store import tokenize
from training.tokenizer import TokenizerConfig
from training.tokenizer import train_tokenizer as run_tokenizer
from training.transfer import TransferConfig
from training.transfer import transfer as run_transfer


class TokenizerCommand(Config):
    """What `tst tokenizer train` needs to know."""

    store: Path
    """The store; its pre-training frames are used."""
    modality: str
    """rgb, depth, normals or edges."""
    out: Path
    """Folder of the tokenizer."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """The tokenizer."""


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
    _print(run_tokenizer(PretrainFrames(config.store), config.modality, config.tokenizer, config.out))
    _print(tokenize(config.store, config.modality, config.out))


def transfer(config: TransferCommand) -> None:
    """Tune a segmentation head, and the encoder with it, or probe it, on the transfer frames of a store."""
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
    """Score a tuned model on the evaluation frames of a store."""
    _print(run_evaluation(config.evaluate, EvalFrames(config.store), config.model, config.out))


def _print(metrics: dict[str, Any]) -> None:
    print(json.dumps({k: v for k, v in metrics.items() if k != "curve"}, indent=1))
