"""Frames in which an image says what its depth map is, and a multimodal model that has learned so."""

from pathlib import Path

import numpy as np

from engine.store.access import EvalFrames, PretrainFrames
from engine.store.store import FrameRange, ModalitySpec, Role, Space, Store
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, mm
from tests.training.tiny_world import LABELS
from training.models.encoder import EncoderConfig
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.pretrain import pretrain
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig, train_tokenizer


def planted(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Frames of four squares, each of one of six greys; what is lighter is farther away and tilted."""
    level = np.kron(rng.integers(0, 6, (count, 2, 2)), np.ones((16, 16), dtype=np.int64))
    pose = np.tile(np.eye(4), (count, 1, 1))
    pose[:, :3, 3] = rng.uniform(0, 5, (count, 3))
    return {
        "rgb": np.repeat((20 + 40 * level)[..., None], 3, axis=-1).astype(np.uint8),
        "depth": (1000 * (1 + level)).astype(np.uint16),
        "normals": np.stack([128 + 20 * level, 255 - 15 * level, np.full_like(level, 128)], -1).astype(
            np.uint8
        ),
        "pose": pose,
    }


Rooms = tuple[Path, EvalFrames, dict[str, Path]]
"""Folder of a pre-trained model, held-out frames, and folders of its tokenizers."""


def make_rooms(root: Path) -> Rooms:
    """A model that was pre-trained on planted frames, in some fifteen seconds of a core."""
    square = (32, 32)
    specs = [
        ModalitySpec("rgb", "uint8", (*square, 3), "sRGB", "sensory"),
        ModalitySpec("depth", "uint16", square, "mm", "sensory"),
        ModalitySpec("normals", "uint8", (*square, 3), "1", "sensory"),
        ModalitySpec("pose", "float64", (4, 4), "m", "camera"),
    ]
    store = Store.create(root / "store", specs, LABELS, frames_per_part=128)
    space = Space("home", "synthetic", "home" * 8, 0, "dense", "boxes", "drawn by a test")
    rng = np.random.default_rng(0)
    roles: list[tuple[Role, int]] = [("pretrain", 128), ("eval", 48)]
    for role, count in roles:
        runs = [FrameRange("home", role, role, 0, count)]
        store.write_part(role, planted(count, rng), runs, [space], "0" * 8, [{"seed": 7}])
    frames = PretrainFrames(store)
    tokens = TokenizerConfig(
        quantiser="fsq", patch=16, codes=16, width=16, depth=1, steps=100, batch=16, runtime=ONE_THREAD
    )
    folders = {name: root / name for name in ("rgb", "depth", "normals")}
    for name, folder in folders.items():
        train_tokenizer(frames, name, tokens, folder)
        tokenize(store, name, folder, threads=1)
    mixture = (
        Component(inputs={"rgb": 1.0}, targets={"depth": 1.0, "normals": 1.0}),
        Component(inputs={"depth": 1.0}, targets={"rgb": 1.0, "normals": 1.0}),
    )
    own = mm(masking=MaskingConfig(inputs=4, targets=4, mixture=mixture))
    encoder = EncoderConfig(dim=64, depth=2, patch=16, heads=4)
    fields = {"encoder": encoder, "modalities": tuple(folders), "samples": 6400, "base_lr": 0.05}
    config = TINY_PRETRAIN.model_copy(update={**fields, "checkpoint_every": 1000, **own})
    pretrain(config, frames, folders, root / "pretrained")
    return root / "pretrained", EvalFrames(store), folders
