"""External access from a derive pass to a score: nothing loses it on the way, and every cut is found."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.collect.derive import DeriveConfig, derive
from engine.networks.registry import NETWORKS
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.schema import ExternalAccess, Space
from engine.store.store import Store
from engine.stream.mixture import MixedFrames
from tests.engine.networks.tiny import TinyConfig
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, TINY_TRANSFER, World, mm
from tests.training.derived_world import derived_store
from tests.training.tiny_world import make_store
from training.common import external_access
from training.common.checkpoint import save_tensors
from training.common.external_access import (
    SENSED,
    Knowledge,
    as_facts,
    combined,
    largest,
    sources_in,
    sources_of_folder,
    sources_of_frames,
)
from training.fourm.checkpoints import to_4m
from training.fourm.images import FourMConfig
from training.models.modality_transforms import MODALITY_TRANSFORMS
from training.pretrain import pretrain as pretraining
from training.pretrain.build import build_objective
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.tokenizers import feature_codebook, tokenize_store, tokenizer
from training.tokenizers.image_tokenizer import save_tokenizer
from training.tokenizers.make import make_tokenizer
from training.tokenizers.registry import token_array
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer import evaluate as evaluation
from training.transfer import propagate as propagation
from training.transfer import transfer as transferring
from training.transfer.evaluate import EvaluateConfig
from training.transfer.propagate import PropagateConfig

SMALL = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=8, runtime=ONE_THREAD)
CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=1)
MASKING = MaskingConfig(inputs=12, targets=16, mixture=(Component(),), overflow="pad")
PRETRAIN = TINY_PRETRAIN.model_copy(
    update={"modalities": ("rgb", "clip"), "samples": 16, **mm(masking=MASKING)}
)
TRANSFER = TINY_TRANSFER.model_copy(update={"samples": 16})


def derived(path: Path, **fields: object) -> Store:
    """A store with what the tests' network makes of its frames, by the pass that everybody uses."""
    store = make_store(path, pretrain=16, transfer=8, held_out=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "tiny", TinyConfig)
        request = {"store": store.path, "network": "tiny", "modality": "clip", "actors": 0}
        derive(DeriveConfig.model_validate(request | fields))
    return Store.open(store.path)


def said(folder: Path, name: str = "config.json") -> str:
    return json.loads((folder / name).read_text())["external_access"]


@dataclass
class Followed:
    """Where the stages left their folders, and what each link of the chain says."""

    root: Path
    links: dict[str, str]


def follow(store: Store, root: Path) -> Followed:
    """From a store with the array `clip` to a score: what each link says of its external access."""
    frames = PretrainFrames(store)
    origin = frames.origin_of("clip")
    assert origin is not None
    tokenizers = {name: root / f"tokenizer-{name}" for name in ("rgb", "clip")}
    for name, folder in tokenizers.items():
        make_tokenizer(frames, name, SMALL, folder)
        tokenize_store.tokenize(store, name, folder, threads=1)
    frames = PretrainFrames(store)
    of_tokens = frames.origin_of(token_array(tokenizers["clip"]))
    pretraining.pretrain(PRETRAIN, frames, tokenizers, root / "pretrained")
    labelled = TransferFrames(store, [frames])
    transferring.transfer(TRANSFER, labelled, root / "pretrained", root / "tuned")
    found = evaluation.evaluate(CPU, EvalFrames(store), root / "tuned", root / "scores")
    links = {
        "array": origin.external_access,
        "tokenizer": said(tokenizers["clip"]),
        "tokens": "none" if of_tokens is None else of_tokens.external_access,
        "pre-training": said(root / "pretrained"),
        "metrics of pre-training": said(root / "pretrained", "metrics.json"),
        "transfer": said(root / "tuned"),
        "metrics of transfer": said(root / "tuned", "metrics.json"),
        "score": found["external_access"],
    }
    return Followed(root, links)


@pytest.mark.parametrize(("weights", "access"), [("trained", "pseudolabels"), ("untrained", "none")])
def test_what_a_network_knew_reaches_the_score(tmp_path: Path, weights: str, access: str):
    followed = follow(derived(tmp_path / "store", weights=weights), tmp_path)
    assert set(followed.links.values()) == {access}
    (known,) = sources_of_folder(followed.root / "tuned")
    assert (known.name, known.external_access) == ("tiny", access)
    assert known.source == ("tiny, trained" if weights == "trained" else "untrained, seed 0")


def nothing(*_: object, **__: object) -> tuple[()]:
    return ()


CUTS: dict[str, tuple[tuple[str, ...], Callable[[pytest.MonkeyPatch], None]]] = {
    "tokenizer": (
        ("tokenizer",),
        lambda patch: patch.setattr(feature_codebook, "sources_of_frames", nothing),
    ),
    "tokens": (
        ("tokens",),
        lambda patch: patch.setattr(tokenize_store, "_origin_of_tokens", lambda *_: None),
    ),
    "pre-training": (
        ("pre-training", "metrics of pre-training", "transfer", "metrics of transfer", "score"),
        lambda patch: patch.setattr(pretraining, "_sources", nothing),
    ),
    "transfer": (
        ("transfer", "metrics of transfer", "score"),
        lambda patch: patch.setattr(transferring, "sources_of_folder", nothing),
    ),
    "score": (("score",), lambda patch: patch.setattr(evaluation, "sources_of_folder", nothing)),
}
"""By link: the links at which following the chain finds it cut, and the cut."""


@pytest.mark.parametrize("link", CUTS)
def test_a_cut_is_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str):
    lost, cut = CUTS[link]
    store = derived(tmp_path / "store")
    cut(monkeypatch)
    links = follow(store, tmp_path).links
    assert {name for name, access in links.items() if access == "none"} == set(lost)


def test_tokens_and_tokenizers_each_carry_it_into_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two ways lead there; either is enough, and with both cut it is lost."""
    store = derived(tmp_path / "store")
    monkeypatch.setattr(pretraining, "sources_of_frames", nothing)
    assert follow(store, tmp_path / "a").links["pre-training"] == "pseudolabels"
    monkeypatch.setattr(pretraining, "sources_of_folder", nothing)
    assert follow(store, tmp_path / "b").links["pre-training"] == "none"
    monkeypatch.undo()
    monkeypatch.setattr(pretraining, "sources_of_folder", nothing)
    assert follow(store, tmp_path / "c").links["pre-training"] == "pseudolabels"


def test_every_kind_of_tokenizer_says_it(tmp_path: Path):
    store = derived_store(tmp_path / "store")
    frames = PretrainFrames(store)
    for name in ("clip", "masks", "sam_edges", "boxes", "global_clip"):
        metrics = make_tokenizer(frames, name, SMALL, tmp_path / name)
        assert metrics["external_access"] == said(tmp_path / name) == "pseudolabels"
        assert [k["name"] for k in metrics["knowledge"]] == [f"net-{name}"]
    assert make_tokenizer(frames, "rgb", SMALL, tmp_path / "rgb")["external_access"] == "none"
    (known,) = sources_of_folder(tmp_path / "sam_edges")
    assert known.licence == "MIT"


def test_the_largest_of_all_that_goes_in_counts(world: World, tmp_path: Path):
    assert largest([]) == "none"
    assert largest(["pseudolabels", "none", "internet", "pseudolabels"]) == "internet"
    a = Knowledge(name="a", source="s", external_access="none")
    b = Knowledge(name="b", source="s", external_access="pseudolabels")
    assert combined((a, b), (b,)) == (a, b)
    assert as_facts((a, b))["external_access"] == "pseudolabels"
    assert sources_in(as_facts((a, b)), "here") == (a, b)


def test_a_start_from_4m_is_of_the_internet(world: World, tmp_path: Path):
    config = TINY_PRETRAIN.model_copy(update={"samples": 16})
    pretraining.pretrain(config, world.pretrain, world.tokenizers, tmp_path / "own")
    assert said(tmp_path / "own") == "none"
    objective = build_objective(config, world.pretrain, world.tokenizers)
    exported = to_4m(objective.model)  # pyright: ignore[reportAttributeAccessIssue]
    save_tensors(tmp_path / "4m.safetensors", exported)
    started = config.model_copy(update={"warm_start": str(tmp_path / "4m.safetensors")})
    pretraining.pretrain(started, world.pretrain, world.tokenizers, tmp_path / "from-4m")
    assert said(tmp_path / "from-4m") == "internet"
    pretraining.pretrain(
        config, world.pretrain, world.tokenizers, tmp_path / "then", start_from=tmp_path / "from-4m"
    )
    assert said(tmp_path / "then") == "internet"


def test_tokenizers_of_4m_make_tokens_of_a_network_internet(tmp_path: Path):
    """Its access is larger than that of the array that it tokenizes."""
    store = derived(tmp_path / "store")
    make_tokenizer(PretrainFrames(store), "clip", SMALL, tmp_path / "book")
    facts = json.loads((tmp_path / "book" / "config.json").read_text())
    known = Knowledge(name="tokenizer of 4M's", source="hub", external_access="internet")
    (tmp_path / "book" / "config.json").write_text(json.dumps(facts | as_facts((known,))))
    array = tokenize_store.tokenize(store, "clip", tmp_path / "book", threads=1)["array"]
    origin = PretrainFrames(store).origin_of(array)
    assert origin is not None
    assert origin.external_access == "internet"
    assert origin.network == "tiny"


def test_frames_of_spaces_with_access_count(tmp_path: Path):
    class View:
        spaces = (
            Space("a", "f", "0" * 8, 0, "dense", "boxes", "a video", external_access="pseudolabels"),
            Space("b", "f", "1" * 8, 0, "dense", "boxes", "drawn"),
        )

        def origin_of(self, _: str) -> None:
            return None

    (known,) = sources_of_frames(View(), ["rgb"])  # pyright: ignore[reportArgumentType]
    assert (known.source, known.external_access) == ("a video", "pseudolabels")


def test_a_mixture_has_what_its_views_have(tmp_path: Path):
    one, other = derived(tmp_path / "one"), derived(tmp_path / "other")
    mixed = MixedFrames([PretrainFrames(one), PretrainFrames(other)], [1, 1])
    assert [s.external_access for s in sources_of_frames(mixed, ["rgb", "clip"])] == ["pseudolabels"]
    hidden = MixedFrames([PretrainFrames(one), PretrainFrames(other)], [1, 1], [("rgb",), ("rgb",)])
    assert sources_of_frames(hidden, ["rgb"]) == ()


def test_pseudo_labels_of_a_teacher_carry_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    followed = follow(derived(tmp_path / "store"), tmp_path)
    store = Store.open(tmp_path / "store")
    frames = PretrainFrames(store)
    config = PropagateConfig(runtime=ONE_THREAD, confidence=0.0)
    metrics = propagation.propagate(config, followed.root / "tuned", frames, tmp_path / "labels")
    assert metrics["external_access"] == said(tmp_path / "labels") == "pseudolabels"
    labelled = TransferFrames(store, [frames])
    transferring.transfer(
        TRANSFER, labelled, None, tmp_path / "student", pseudo=tmp_path / "labels", pseudo_frames=frames
    )
    assert said(tmp_path / "student") == "pseudolabels"


def test_a_house_that_a_network_was_taught_in_is_no_place_to_evaluate(tmp_path: Path):
    """A labeller of other houses' labels has no external access, and must not be judged in those houses."""
    store = derived_store(tmp_path / "store", ("clip",), access="none", houses=("home" * 8,))
    with pytest.raises(LeakError, match=r"net-clip.*labels of\s+houses"):
        follow(store, tmp_path)
    assert said(tmp_path / "tuned") == "none"
    (known,) = sources_of_folder(tmp_path / "tuned")
    assert known.labelled_houses == ("home" * 8,)


# --- what says nothing -----------------------------------------------------------------------------------


def silent(folder: Path) -> Path:
    """The same folder as it was before stages said what they know."""
    for name in ("config.json", "metrics.json"):
        path = folder / name
        if path.exists():
            facts = json.loads(path.read_text())
            path.write_text(json.dumps({k: v for k, v in facts.items() if k not in external_access._FIELDS}))
    return folder


def test_silent_folders_of_what_is_sensed_have_none(world: World, tmp_path: Path):
    for name in SENSED:
        save_tokenizer(tmp_path / name, "tokenizer", name, {}, {})
        assert sources_of_folder(tmp_path / name) == ()
    config = TINY_PRETRAIN.model_copy(update={"samples": 16})
    pretraining.pretrain(config, world.pretrain, world.tokenizers, tmp_path / "pretrained")
    transferring.transfer(TRANSFER, world.transfer, silent(tmp_path / "pretrained"), tmp_path / "tuned")
    assert said(tmp_path / "tuned") == "none"
    assert sources_of_folder(silent(tmp_path / "tuned")) == ()
    assert set(SENSED) == set(MODALITY_TRANSFORMS)


def test_silent_folders_of_anything_else_are_refused(tmp_path: Path):
    followed = follow(derived(tmp_path / "store"), tmp_path)
    for name in ("tokenizer-clip", "pretrained"):
        silent(followed.root / name)
        with pytest.raises(ValueError, match="does not say its external access"):
            sources_of_folder(followed.root / name)
    with pytest.raises(ValueError, match="does not say its external access"):
        sources_of_folder(silent(followed.root / "tuned"))  # it came of that pre-training
    save_tokenizer(tmp_path / "4m", "fourm", "rgb", FourMConfig().model_dump(mode="json"), {})
    with pytest.raises(ValueError, match="does not say its external access"):
        sources_of_folder(tmp_path / "4m")


@pytest.mark.parametrize("wrong", ["none", "internet"])
def test_what_is_typed_in_by_hand_is_refused(tmp_path: Path, wrong: ExternalAccess):
    make_tokenizer(PretrainFrames(derived(tmp_path / "store")), "clip", SMALL, tmp_path / "book")
    path = tmp_path / "book" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"external_access": wrong}))
    with pytest.raises(ValueError, match=f"says external_access '{wrong}'"):
        sources_of_folder(tmp_path / "book")
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in facts.items() if k != "knowledge"}))
    with pytest.raises(ValueError, match="damaged"):
        sources_of_folder(tmp_path / "book")


def test_tokenizers_that_learn_from_sensed_frames_have_none(tmp_path: Path):
    store = make_store(tmp_path / "store", pretrain=16, transfer=4, held_out=4)
    metrics = tokenizer.train_tokenizer(PretrainFrames(store), "depth", SMALL, tmp_path / "depth")
    assert (metrics["external_access"], metrics["knowledge"]) == ("none", [])
