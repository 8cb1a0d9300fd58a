"""What networks made of RGB as modalities of pre-training: a tokenizer of each kind, grids and sequences."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames
from engine.store.store import Store
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, mm
from tests.training.derived_world import CLASSES, SHAPES, derived_store
from training.pretrain.build import build_objective
from training.pretrain.multimodal.masking import Component, Mask, MaskingConfig
from training.pretrain.multimodal.packing import draw_sequences
from training.pretrain.multimodal.spans import FIRST_SENTINEL, SENTINELS
from training.pretrain.pretrain import pretrain
from training.tokenizers.make import make_tokenizer
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.sequences import BOX_TOKENS, FIRST, BoxSequence, TextSequence
from training.tokenizers.token_crops import TokenCropConfig, crop
from training.tokenizers.token_pictures import compare
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig

SMALL = TokenizerConfig(
    patch=4, codes=16, width=16, depth=1, steps=4, batch=16, check_frames=32, runtime=ONE_THREAD
)
MODALITIES = ("rgb", *SHAPES)
CROPS = TokenCropConfig(count=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return derived_store(tmp_path_factory.mktemp("derived") / "store")


@pytest.fixture(scope="module")
def tokenizers(store: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of every modality; their tokens are in the store, of whole frames and of crops."""
    root = tmp_path_factory.mktemp("tokenizers")
    for name in MODALITIES:
        metrics = make_tokenizer(PretrainFrames(store), name, SMALL, root / name)
        assert metrics["modality"] == name
        assert 0 < metrics["usage"] <= 1
        for crops in (TokenCropConfig(), CROPS):
            tokenize(store, name, root / name, threads=1, crops=crops)
    return {name: root / name for name in MODALITIES}


@pytest.mark.parametrize(("name", "kind"), [("clip", "features"), ("masks", "labels"), ("boxes", "boxes"),
                                            ("sam_edges", "edges"), ("global_clip", "features"),
                                            ("said", "text")])  # fmt: skip
def test_the_kind_of_array_says_the_kind_of_tokenizer(
    store: Store, tokenizers: dict[str, Path], name: str, kind: str
):
    assert kind in json.loads((tokenizers[name] / "config.json").read_text())
    frames, model = PretrainFrames(store), load_tokenizer(tokenizers[name])
    truth = frames.read(range(6), [name])[name]
    tokens = model.encode(truth)
    stored = frames.read(range(6), [token_array(tokenizers[name])])[token_array(tokenizers[name])]
    np.testing.assert_array_equal(tokens.numpy(), stored)
    decoded = model.decode(tokens)
    assert (decoded.shape, decoded.dtype) == (truth.shape, truth.dtype)
    assert tokens.max() < model.codes


def test_errors_of_decoding_are_those_of_the_kind(store: Store, tokenizers: dict[str, Path]):
    units = {}
    for name, folder in tokenizers.items():
        again = make_tokenizer(PretrainFrames(store), name, SMALL, folder.parent / f"{name}-again")
        units[name] = again["error_unit"]
        assert again["reconstruction_error"] >= 0
        assert token_array(folder.parent / f"{name}-again") == token_array(folder)
        if name in ("masks", "said"):
            assert again["reconstruction_error"] == 0  # cells of 4 pixels, as its patches
        if name == "boxes":
            assert again["reconstruction_error"] <= 0.5 / 32 + 1e-6, "half a bin"
    assert units == {
        "rgb": "RMSE of 0..1",
        "clip": "1 - cosine",
        "global_clip": "1 - cosine",
        "masks": "share of pixels",
        "sam_edges": "1 - F1 at one half",
        "boxes": "of the image's side",
        "said": "share of tokens",
    }


def test_tokens_of_crops_are_those_of_what_was_cropped(store: Store, tokenizers: dict[str, Path]):
    frames = PretrainFrames(store)
    for name in ("clip", "masks", "boxes", "global_clip", "said"):
        array, model = token_array(tokenizers[name], CROPS), load_tokenizer(tokenizers[name])
        read = frames.read(range(8), [array, CROPS.array, name])
        assert read[array].shape[1] == 3
        np.testing.assert_array_equal(read[array][:, 0], model.encode(read[name]).numpy())
        boxes = read[CROPS.array][:, 1]
        cut = crop(read[name], boxes, name, (32, 32), SHAPES[name][0])
        np.testing.assert_array_equal(read[array][:, 1], model.encode(cut).numpy())


def test_boxes_follow_their_crop():
    boxes = np.zeros((2, 3, 6), np.float32)
    boxes[:, 0] = (0.25, 0.5, 0.5, 1.0, 3, 0.9)
    boxes[:, 1] = (0.0, 0.0, 0.2, 0.2, 1, 0.8)  # outside of the crop
    boxes[:, 2] = (0.5, 0.5, 1.0, 1.0, 2, 0.7)
    window = np.array([[16, 8, 16, 16, 0], [16, 8, 16, 16, 1]], np.int16)
    cut = crop(boxes, window, "boxes", (32, 32), "boxes")
    np.testing.assert_allclose(cut[0, 0], (0, 0, 0.5, 1, 3, 0.9), atol=1e-6)
    np.testing.assert_allclose(cut[0, 1], (0.5, 0, 1, 1, 2, 0.7), atol=1e-6)
    np.testing.assert_allclose(cut[1, 0], (0.5, 0, 1, 1, 3, 0.9), atol=1e-6)
    assert not cut[:, 2].any()


def test_a_map_of_features_is_cropped_by_place():
    features = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    lower_right = np.array([[16, 16, 16, 16, 0]], np.int16)
    cut = crop(features, lower_right, "clip", (32, 32), "features")
    assert cut[0, ..., 0].tolist() == [[10, 10, 11, 11], [10, 10, 11, 11], [14, 14, 15, 15], [14, 14, 15, 15]]


def test_the_vocabulary_of_boxes_leaves_room_for_sentinels():
    assert FIRST == FIRST_SENTINEL + SENTINELS
    model = BoxSequence("boxes", len(CLASSES), bins=32, most=2)
    one = np.array([[(0.0, 0.5, 1.0, 1.0, len(CLASSES), 0.5), (0, 0, 0, 0, 0, 0)]], np.float32)
    tokens = model.encode(one)[0].tolist()
    assert tokens[:BOX_TOKENS] == [FIRST, FIRST + 32 + 16, FIRST + 64 + 31, FIRST + 96 + 31, model.codes - 1]
    assert tokens[BOX_TOKENS:] == [0] * BOX_TOKENS


def test_the_vocabulary_of_text_leaves_room_for_sentinels():
    model = TextSequence.of("said", words=5, length=7)
    tokens = model.encode(np.array([[1, 5, 2, 0, 0, 0, 0]], np.uint16))[0].tolist()
    assert tokens == [FIRST, model.codes - 1, FIRST + 1, 0, 0, 0, 0]
    assert model.decode(model.encode(np.array([[1, 5, 0]], np.uint16))).tolist() == [[1, 5, 0]]
    long = TextSequence.of("said", words=5, length=600)
    assert long.encode(np.ones((1, 600), np.uint16)).shape == (1, 512)


def objective_of(store: Store, tokenizers: dict[str, Path], **masking: object):
    fields = {"inputs": 24, "targets": 32, "mixture": (Component(inputs=1.0),)} | masking
    config = TINY_PRETRAIN.model_copy(
        update={"modalities": MODALITIES, **mm(masking=MaskingConfig.model_validate(fields))}
    )
    return config, build_objective(config, PretrainFrames(store), tokenizers)


@pytest.mark.parametrize("name", ["boxes", "said"])
def test_what_a_sequence_shows_and_what_it_predicts_make_it_whole(
    store: Store, tokenizers: dict[str, Path], name: str
):
    _, objective = objective_of(store, tokenizers, repeats=2)
    arrays = PretrainFrames(store).read(range(12), objective.reads)
    draws = objective.draw(12, np.random.default_rng(0))
    specs = objective.model.specs  # pyright: ignore[reportAttributeAccessIssue]
    sequences = [s.name for s in specs if s.kind == "sequence"]
    assert sequences == ["boxes", "said"]
    place, number = sequences.index(name), [s.name for s in specs].index(name)
    batch = objective.pack(arrays, draws)
    drawn = draw_sequences(arrays, Mask(**draws), specs)[number]
    for sample, (seen, wanted) in enumerate(drawn):
        inputs, targets, _ = draws["spans"][sample, place]
        assert len(seen) <= inputs
        assert max(0, len(wanted) - 1) <= targets
        own = arrays[specs[number].array][sample // 2]
        said = [t for t in (*seen, *wanted) if t >= FIRST]
        assert set(said) <= set(own[own > 0].tolist())
    shown = batch["shown"][name]
    assert len(shown) == len(batch["truth"][name]) == len(batch["target_rows"][name]) > 0
    assert len(batch["content"][name]) == sum(len(seen) for seen, _ in drawn) > 0


def test_a_batch_in_parts_is_the_batch(store: Store, tokenizers: dict[str, Path]):
    _, objective = objective_of(store, tokenizers)
    arrays = PretrainFrames(store).read(range(8), objective.reads)
    draws = objective.draw(8, np.random.default_rng(0))
    whole = objective.pack(arrays, draws)
    parts = [[{k: v[a : a + 4] for k, v in given.items()} for given in (arrays, draws)] for a in (0, 4)]
    halves = [objective.pack(*part) for part in parts]
    assert objective.counts([whole]) == objective.counts(halves)
    for name in MODALITIES:
        joined = torch.cat([half["truth"][name] for half in halves])
        assert torch.equal(joined, whole["truth"][name])


def test_frames_without_boxes_neither_show_nor_predict_any(store: Store, tokenizers: dict[str, Path]):
    _, objective = objective_of(store, tokenizers)
    arrays = PretrainFrames(store).read(range(4), objective.reads)
    (name,) = [n for n in objective.reads if n.startswith("tok_boxes")]
    empty = arrays | {name: np.zeros_like(arrays[name])}
    batch = objective.pack(empty, objective.draw(4, np.random.default_rng(0)))
    assert len(batch["truth"]["boxes"]) == len(batch["content"]["boxes"]) == 0
    losses = objective(batch)
    assert losses["boxes"] == 0
    assert torch.isfinite(losses["total"])


@pytest.mark.parametrize("crops", [TokenCropConfig(), CROPS], ids=["whole", "crops"])
def test_pretraining_learns_all_of_them(
    store: Store, tokenizers: dict[str, Path], tmp_path: Path, crops: TokenCropConfig
):
    config, _ = objective_of(store, tokenizers)
    config = config.model_copy(update={"mm": config.mm.model_copy(update={"crops": crops})})
    metrics = pretrain(config, PretrainFrames(store), tokenizers, tmp_path / "out")
    assert set(metrics["losses"]) == {"total", *MODALITIES}
    assert all(np.isfinite(v) for v in metrics["losses"].values())


def test_the_sheet_shows_every_kind(store: Store, tokenizers: dict[str, Path]):
    named = [(m, load_tokenizer(f)) for m, f in tokenizers.items()]
    drawn = [(m, tokenizer) for m, tokenizer in named if m not in ("global_clip", "said")]
    sheet = compare(PretrainFrames(store), np.arange(3), drawn)
    assert sheet.height == 2 * len(drawn) * 98
    rows = np.asarray(sheet)[:, 110:].reshape(2 * len(drawn), 98, -1, 3)
    assert all(row.std() > 5 for row in rows)
    with pytest.raises(ValueError, match="global_clip is one vector"):
        compare(PretrainFrames(store), np.arange(3), named)
