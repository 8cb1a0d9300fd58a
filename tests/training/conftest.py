"""One tiny store with its tokenizers, made once a session: tests only read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from engine.store.access import EvalFrames, Frames, PretrainFrames, TransferFrames
from engine.store.store import Store
from tests.training.tiny_world import make_store
from training.common.config import RuntimeConfig
from training.models.encoder import EncoderConfig
from training.pretrain.config import PretrainConfig
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.multimodal.multimodal import MultimodalConfig
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig, train_tokenizer
from training.transfer.build import build_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledFrames
from training.transfer.model import TaskModel
from training.transfer.tasks.segmentation.labels import ClassMapReader

ONE_THREAD = RuntimeConfig(threads=1, device="cpu")
MODALITIES = ("rgb", "depth", "normals", "edges")


@dataclass(frozen=True)
class World:
    """A store of 32×32 frames, 8×8 tokens of four modalities in it."""

    store: Store
    tokenizers: dict[str, Path]

    @property
    def pretrain(self) -> PretrainFrames:
        return PretrainFrames(self.store)

    @property
    def transfer(self) -> TransferFrames:
        return TransferFrames(self.store, [self.pretrain])

    @property
    def eval(self) -> EvalFrames:
        return EvalFrames(self.store)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tests of equal bits need equal thread counts, and two threads on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    store = make_store(root / "store")
    config = TokenizerConfig(
        patch=4,
        codes=32,
        width=32,
        depth=1,
        steps=100,
        batch=16,
        check_frames=32,
        runtime=ONE_THREAD,
    )
    tokenizers = {}
    for modality in MODALITIES:
        tokenizers[modality] = root / f"tokenizer-{modality}"
        train_tokenizer(PretrainFrames(store), modality, config, tokenizers[modality])
        tokenize(store, modality, tokenizers[modality], threads=1)
    return World(store, tokenizers)


TINY_ENCODER = EncoderConfig(dim=64, depth=2, patch=4)
TINY_PRETRAIN = PretrainConfig(
    encoder=TINY_ENCODER,
    decoder_depth=1,
    mm=MultimodalConfig(
        masking=MaskingConfig(
            inputs=24, targets=32, mixture=(Component(inputs=1.0), Component(inputs={"rgb": 1.0}))
        )
    ),
    samples=96,
    batch=16,
    checkpoint_every=2,
    runtime=ONE_THREAD,
)


def mm(**changes: object) -> dict[str, MultimodalConfig]:
    """TINY_PRETRAIN's fields of objective mm with some changed, for its `model_copy(update=...)`."""
    return {"mm": TINY_PRETRAIN.mm.model_copy(update=changes)}


TINY_TRANSFER = TransferConfig(
    encoder=TINY_ENCODER,
    samples=96,
    batch=16,
    checkpoint_every=2,
    runtime=ONE_THREAD,
)


def segmenter(config: TransferConfig) -> TaskModel:
    """A fresh model of segmentation for the world's frames and classes."""
    return build_model(config, config.own.build({"classes": ["wall", "floor", "bed", "seat"]}), 32)


def with_classes(frames: Frames) -> LabelledFrames:
    """Frames with the class of every pixel."""
    return LabelledFrames(frames, ClassMapReader(frames.labels))
