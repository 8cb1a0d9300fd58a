"""A kind of tokenizers from outside: one line in the table, then stores are tokenized with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from engine.store.access import PretrainFrames
from tests.training.conftest import TINY_PRETRAIN, World
from tests.training.tiny_world import make_store
from tests.training.tokenizer_kit import TokenizerKit
from training.common.checkpoint import write_json
from training.pretrain.build import build_objective
from training.tokenizers.image_tokenizer import save_tokenizer
from training.tokenizers.registry import TOKENIZERS, TokenizerKind, load_tokenizer, token_array
from training.tokenizers.tokenize_store import tokenize

PATCH = 4  # pixels


class Brightness(nn.Module):
    """The mean of an 8-bit image in each patch, on a scale of `codes` steps."""

    decodes, patch = True, PATCH

    def __init__(self, modality: str, codes: int):
        super().__init__()
        self.modality, self.codes = modality, codes

    def encode(self, images: Shaped[np.ndarray, "b h w"] | Tensor) -> Int[Tensor, "b gh gw"]:
        cells = torch.as_tensor(images).long().unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH)
        return cells.sum((-2, -1)) * self.codes // (256 * PATCH**2)

    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> Shaped[np.ndarray, "b h w"]:
        middle = (tokens.cpu().numpy() * 2 + 1) * 128 // self.codes
        return middle.repeat(PATCH, 1).repeat(PATCH, 2).astype(np.uint8)


def load(modality: str, fields: dict[str, Any], _tensors: dict[str, Tensor], _source: str) -> Brightness:
    return Brightness(modality, **fields)


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TOKENIZERS, "brightness", TokenizerKind(load))
        yield


def make(folder: Path, codes: int) -> Path:
    save_tokenizer(folder, "brightness", "edges", {"codes": codes}, {})
    return folder


class TestBrightness(TokenizerKit):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return make(tmp_path / "brightness", 16)


def test_pretraining_reads_its_tokens(world: World, tmp_path: Path):
    store = make_store(tmp_path / "store", pretrain=16, transfer=4, held_out=4)
    given = world.tokenizers | {"edges": make(tmp_path / "brightness", 16)}
    for modality, folder in given.items():
        tokenize(store, modality, folder, threads=1)
    frames = PretrainFrames(store)
    objective = build_objective(TINY_PRETRAIN, frames, given)
    assert token_array(given["edges"]) in objective.reads
    batch = objective.prepare(frames.read(range(8), objective.reads), np.random.default_rng(0))
    assert torch.isfinite(objective(batch)["total"])


def test_other_fields_are_another_tokenizer_and_no_kind_is_named(tmp_path: Path):
    names = [token_array(make(tmp_path / str(codes), codes)) for codes in (16, 8)]
    assert names[0] != names[1]
    write_json(tmp_path / "8" / "config.json", {"modality": "edges", "darkness": {"codes": 8}})
    for read in (load_tokenizer, token_array):
        with pytest.raises(ValueError, match=r"none of the kinds.*fourm, labels, boxes, text, brightness"):
            read(tmp_path / "8")
