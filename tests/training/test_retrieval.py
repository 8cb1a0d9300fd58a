"""Retrieval: ranks of planted scores, generation against the packing of pre-training, and a model that finds
depth maps of images it has never seen."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames, Frames
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, World
from tests.training.planted_rooms import Rooms, make_rooms
from tests.training.tiny_world import make_store
from training.models.encoder import patchify
from training.pretrain.multimodal.masking import Mask
from training.pretrain.multimodal.packing import pack_frames
from training.pretrain.pretrain import pretrain
from training.retrieval.generate import cosine_schedule, generate, pack_seen, predict, spec_of
from training.retrieval.pretrained import Pretrained, load_pretrained
from training.retrieval.ranks import chance, ranks_of, recall, scores_of
from training.retrieval.retrieve import RetrieveConfig, encode, log_likelihood, retrieve
from training.tokenizers.feature_codebook import FeatureCodebook

ASKED = RetrieveConfig(runtime=ONE_THREAD, steps=(1, 3), pictures=2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has seen a little of the world: its predictions differ from frame to frame."""
    out = tmp_path_factory.mktemp("retrieval") / "pretrained"
    config = TINY_PRETRAIN.model_copy(update={"samples": 320, "base_lr": 0.05})
    pretrain(config, world.pretrain, world.tokenizers, out)
    return out


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Rooms:
    return make_rooms(tmp_path_factory.mktemp("rooms"))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


def test_planted_features_are_found_and_random_ones_by_chance():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 32))
    found = dict(scores_of(ranks_of(cosines(features, features + 0.1 * rng.normal(size=(400, 32))))))
    assert found == {"r1": 1.0, "r5": 1.0, "r10": 1.0, "median_rank": 1.0}
    random = dict(scores_of(ranks_of(cosines(features, rng.normal(size=(400, 32))))))
    by_chance = dict(chance(400))
    assert by_chance == pytest.approx({"r1": 1 / 400, "r5": 5 / 400, "r10": 10 / 400, "median_rank": 200.5})
    assert random["r10"] < 3 * by_chance["r10"]
    assert 150 < random["median_rank"] < 250


def test_a_rank_counts_those_ahead_and_ties_by_lot():
    scores = np.array([[3.0, 1, 2, 3], [0, 5, 6, 7], [1, 1, 1, 1], [9, 8, 7, 6]])
    ranks = ranks_of(scores)
    assert ranks.ahead.tolist() == [0, 2, 0, 3]
    assert ranks.level.tolist() == [1, 0, 3, 0]
    assert ranks.rank.tolist() == [1.5, 3, 2.5, 4]
    assert recall(ranks, 1) == pytest.approx((1 / 2 + 0 + 1 / 4 + 0) / 4)
    assert recall(ranks, 3) == pytest.approx((1 + 1 + 3 / 4 + 0) / 4)


@pytest.mark.parametrize(
    ("steps", "tokens", "fourm"),
    [
        (1, 196, [196]),
        (4, 64, [9, 23, 23, 9]),
        (8, 196, [7, 21, 32, 38, 38, 32, 21, 7]),
        (16, 16, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0]),
    ],
)
def test_the_schedule_is_4ms_up_to_rounding(steps: int, tokens: int, fourm: list[int]):
    """`fourm`: what cosine_schedule of apple/ml-4m, fourm/utils/generation.py, gives."""
    made = cosine_schedule(steps, tokens)
    assert sum(made) == tokens
    assert min(made) > 0
    exact = [tokens * (np.cos(np.pi * k / steps) - np.cos(np.pi * (k + 1) / steps)) / 2 for k in range(steps)]
    assert abs(np.cumsum(exact)[-1] - tokens) < 1e-9
    if len(made) == steps:
        assert np.abs(np.array(made) - exact).max() <= 1
        assert np.abs(np.array(made) - fourm).max() <= 1


def inputs_of(world: World, loaded: Pretrained, name: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """A modality of six frames as the model sees it, and arrays for `pack_frames` with nothing else."""
    arrays = world.eval.read(np.arange(6), ["rgb", name])
    tokens = {s.name: np.zeros((6, *s.shape), dtype=np.int64) for s in loaded.model.specs}
    packed = {s.array: tokens[s.name] for s in loaded.model.specs} | {"rgb": np.zeros_like(arrays["rgb"])}
    if name == "rgb":
        packed["rgb"] = arrays["rgb"]
        return {"rgb": patchify(torch.from_numpy(arrays["rgb"]), 4)}, packed
    ids = loaded.tokenizers[name].encode(arrays[name])
    packed[spec_of(loaded.model, name).array] = ids.numpy()
    return {name: ids.flatten(1).long()}, packed


@pytest.mark.parametrize(("query", "target"), [("rgb", "depth"), ("depth", "rgb"), ("depth", "edges")])
def test_generation_sees_and_predicts_what_a_mask_of_pretraining_says(
    world: World, trained: Path, query: str, target: str
):
    loaded = load_pretrained(trained, world.tokenizers, CPU)
    model, (seen, arrays) = loaded.model, inputs_of(world, loaded, query)
    slots = {s.name: 64 * i + np.arange(64) for i, s in enumerate(model.specs)}
    spec = spec_of(model, target)

    def by_mask(more: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
        known = np.concatenate([np.tile(slots[query], (6, 1)), slots[target][more]], axis=1)
        order = np.sort(known, axis=1)
        mask = Mask(order, slots[target][wanted], np.ones_like(order, bool), np.ones_like(wanted, bool))
        packed = pack_frames(arrays, mask, model.specs, 4)
        with torch.no_grad():
            return model.logits(packed)[target].view(6, wanted.shape[1], -1)

    nothing, everything = np.zeros((6, 0), dtype=np.int64), np.tile(np.arange(64), (6, 1))
    first = by_mask(nothing, everything)
    one = generate(model, seen, target, steps=1)
    torch.testing.assert_close(one.log_p, first.log_softmax(-1), rtol=1e-4, atol=1e-4)
    assert torch.equal(one.tokens, first.argmax(-1))

    two = generate(model, seen, target, 2, loaded.as_seen(target))
    surest = first.log_softmax(-1).amax(-1).argsort(dim=1, descending=True, stable=True)
    decided, rest = np.sort(surest[:, :32].numpy()), np.sort(surest[:, 32:].numpy())
    rows = np.arange(6)[:, None]
    arrays[spec.array] = one.tokens.numpy().reshape(6, 8, 8)
    if target == "rgb":  # its decided tokens are seen as the pixels that they decode to
        arrays["rgb"] = loaded.tokenizers["rgb"].decode(one.tokens.view(6, 8, 8))
    second = by_mask(decided, rest)
    assert torch.equal(two.tokens[rows, decided], one.tokens[rows, decided])
    torch.testing.assert_close(two.log_p[rows, rest], second.log_softmax(-1), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(two.log_p[rows, rest], one.log_p[rows, rest], atol=1e-3)


def test_every_place_is_decided_once_whatever_the_steps(world: World, trained: Path):
    loaded = load_pretrained(trained, world.tokenizers, CPU)
    seen, _ = inputs_of(world, loaded, "rgb")
    for steps in (1, 5, 64):
        made = generate(loaded.model, seen, "depth", steps)
        torch.testing.assert_close(made.log_p.exp().sum(-1), torch.ones(6, 64))
        assert torch.equal(made.tokens, made.log_p.argmax(-1))


def test_an_unseen_modality_takes_no_part(world: World, trained: Path):
    loaded = load_pretrained(trained, world.tokenizers, CPU)
    seen, _ = inputs_of(world, loaded, "depth")
    batch = pack_seen(loaded.model, seen)
    assert batch["inputs"].shape == (6, 64)
    assert {name: len(values) for name, values in batch["content"].items()} == {
        "rgb": 0,
        "depth": 6 * 64,
        "normals": 0,
        "edges": 0,
    }
    places = torch.arange(64).expand(6, -1)
    together = predict(loaded.model, seen, "rgb", None, places)
    alone = predict(loaded.model, {"depth": seen["depth"][:1]}, "rgb", None, places[:1])
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)


def test_likelihoods_are_those_of_single_tokens():
    rng = torch.Generator().manual_seed(0)
    log_p = torch.randn(3, 5, 7, generator=rng).log_softmax(-1)
    tokens = torch.randint(7, (4, 5), generator=rng)
    expected = [
        [sum(float(log_p[q, i, tokens[c, i]]) for i in range(5)) / 5 for c in range(4)] for q in range(3)
    ]
    torch.testing.assert_close(log_likelihood(log_p, tokens), torch.tensor(expected))


def test_scores_of_all_ways_and_pictures_are_kept(world: World, trained: Path, tmp_path):
    metrics = retrieve(ASKED, world.eval, trained, world.tokenizers, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert metrics["chance/r1"] == pytest.approx(1 / 32)
    assert metrics["through"] == "edges"
    assert (metrics["external_access"], metrics["knowledge"]) == ("none", [])
    ways = {name.rpartition("/")[0] for name in metrics if name.endswith("/r1")}
    kinds = [f"{way}{end}" for way in ("tokens", "through_edges") for end in ("", "_in_3_steps")]
    directions = ("rgb_to_depth", "depth_to_rgb")
    assert ways == {"chance", *(f"{of}/{way}" for of in directions for way in (*kinds, "encoder"))}
    with np.load(tmp_path / "retrieved.npz") as pictures:
        assert pictures["rgb_to_depth/found"].shape == (2, 3, 96, 96, 3)
        np.testing.assert_array_equal(pictures["depth_to_rgb/right"], pictures["rgb_to_depth/query"])
        for direction in directions:
            is_right, rank = pictures[f"{direction}/found_right"], pictures[f"{direction}/rank"]
            assert is_right.shape == (2, 3)
            np.testing.assert_array_equal(is_right.any(1), rank <= 3)


def test_a_pretrained_model_finds_depth_of_images_it_has_not_seen(rooms: Rooms, tmp_path):
    model, frames, tokenizers = rooms
    metrics = retrieve(ASKED, frames, model, tokenizers, tmp_path)
    assert metrics["chance/r1"] == pytest.approx(1 / 48)
    for way in ("tokens", "tokens_in_3_steps"):
        assert metrics[f"rgb_to_depth/{way}/r1"] > 0.3
        assert metrics[f"depth_to_rgb/{way}/median_rank"] < 0.6 * metrics["chance/median_rank"]
    assert metrics["rgb_to_depth/through_normals/median_rank"] < 0.8 * metrics["chance/median_rank"]


def test_an_untrained_model_finds_by_chance(world: World, tmp_path):
    config = TINY_PRETRAIN.model_copy(update={"samples": 16, "base_lr": 1e-12})
    pretrain(config, world.pretrain, world.tokenizers, tmp_path / "barely")
    metrics = retrieve(ASKED, world.eval, tmp_path / "barely", world.tokenizers, tmp_path / "scores")
    for direction in ("rgb_to_depth", "depth_to_rgb"):
        assert metrics[f"{direction}/tokens/r1"] <= 4 * metrics["chance/r1"]
        assert metrics[f"{direction}/tokens/median_rank"] > 0.4 * metrics["chance/median_rank"]


def test_scores_do_not_depend_on_the_batch(world: World, trained: Path, tmp_path):
    whole, parts = (
        retrieve(
            ASKED.model_copy(update={"batch": batch, "frames": 20}),
            world.eval,
            trained,
            world.tokenizers,
            tmp_path / str(batch),
        )
        for batch in (20, 7)
    )
    for name, value in whole.items():
        if "/" in name:
            assert parts[name] == pytest.approx(value), name


def test_no_label_is_read_and_only_of_evaluation_frames(world: World, trained: Path, tmp_path, monkeypatch):
    read: set[tuple[type[Frames], str]] = set()
    original = Frames.read

    def noted(self: Frames, ids: Any, modalities: Any) -> Any:
        read.update((type(self), name) for name in modalities)
        return original(self, ids, modalities)

    monkeypatch.setattr(Frames, "read", noted)
    retrieve(ASKED, world.eval, trained, world.tokenizers, tmp_path)
    assert read == {(EvalFrames, "rgb"), (EvalFrames, "depth")}
    wrong: Any
    for wrong in (world.pretrain, world.transfer):
        with pytest.raises(AssertionError, match="evaluation frames only"):
            retrieve(ASKED, wrong, trained, world.tokenizers, tmp_path)


@pytest.mark.parametrize("of", ["label", "frames of another kind"])
def test_a_planted_leak_is_found(of: str, world: World, trained: Path, tmp_path, monkeypatch):
    """The test before this one fails where retrieval reads a label, or frames that a model may learn from."""

    def looking(*arguments: Any) -> Any:
        if of == "label":
            world.eval.read(np.arange(2), ["semantic"])
        else:
            world.pretrain.read(np.arange(2), ["rgb"])
        return encode(*arguments)

    monkeypatch.setattr("training.retrieval.retrieve.encode", looking)
    with pytest.raises(AssertionError, match="semantic" if of == "label" else "PretrainFrames"):
        test_no_label_is_read_and_only_of_evaluation_frames(world, trained, tmp_path, monkeypatch)


def test_features_of_codes_are_pooled_where_codes_stand_for_features(world: World, trained: Path):
    loaded = load_pretrained(trained, world.tokenizers, CPU)
    assert loaded.code_vectors("edges") is None
    book = FeatureCodebook("dino", 8, 5, "float32")
    book.vq.codebook.copy_(torch.randn(8, 5, generator=torch.Generator().manual_seed(0)))
    vectors = loaded._replace(tokenizers={"dino": book}).code_vectors("dino")
    assert vectors is not None
    np.testing.assert_allclose(vectors.numpy(), book.decode(torch.arange(8)[None, None])[0, 0])


def test_models_and_tokenizers_that_do_not_fit_are_refused_by_name(world: World, trained: Path, tmp_path):
    swapped = world.tokenizers | {"depth": world.tokenizers["normals"]}
    with pytest.raises(ValueError, match="the tokenizer given for depth"):
        retrieve(ASKED, world.eval, trained, swapped, tmp_path)
    fewer = {k: v for k, v in world.tokenizers.items() if k != "edges"}
    with pytest.raises(ValueError, match="given for edges is none"):
        retrieve(ASKED, world.eval, trained, fewer, tmp_path)
    unknown = ASKED.model_copy(update={"through": "clip"})
    with pytest.raises(ValueError, match=r"no modality 'clip'.*rgb, depth, normals, edges"):
        retrieve(unknown, world.eval, trained, world.tokenizers, tmp_path)
    other = EvalFrames(make_store(tmp_path / "large", size=64, pretrain=4, transfer=4, held_out=4))
    with pytest.raises(ValueError, match="trained on 32 px, the frames have 64 px"):
        retrieve(ASKED, other, trained, world.tokenizers, tmp_path)
    mae = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 16})
    pretrain(mae, world.pretrain, {}, tmp_path / "mae")
    with pytest.raises(ValueError, match="by mae, which predicts no tokens"):
        retrieve(ASKED, world.eval, tmp_path / "mae", world.tokenizers, tmp_path)


@pytest.mark.parametrize(
    "fields",
    [{"modalities": ("rgb", "rgb")}, {"through": "depth"}, {"steps": (0,)}, {"steps": (2, 2)}],
)
def test_what_cannot_be_asked_is_refused(fields: dict[str, Any]):
    with pytest.raises(ValueError, match=r"that differ|once, from 1"):
        RetrieveConfig.model_validate(fields)


def test_an_older_model_says_nothing_of_grids(world: World, trained: Path, tmp_path):
    facts = json.loads((trained / "config.json").read_text())
    assert facts.pop("grids") == {"rgb": 8, "depth": 8, "normals": 8, "edges": 8}
    older = tmp_path / "older"
    older.mkdir()
    (older / "config.json").write_text(json.dumps(facts))
    (older / "model.safetensors").symlink_to(trained / "model.safetensors")
    assert (
        load_pretrained(older, world.tokenizers, CPU).model.specs
        == load_pretrained(trained, world.tokenizers, CPU).model.specs
    )
