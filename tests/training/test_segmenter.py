"""A tuned segmenter as a network: its maps, what it says of itself, and where it is refused."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from engine.collect.derive import DeriveConfig, derive
from engine.networks import registry
from engine.networks.network import NetworkConfig
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.store import Store
from tests.engine.networks.network_kit import NetworkKit
from tests.source_tree import ROOT
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, TINY_TRANSFER, World, mm
from tests.training.tiny_world import make_store
from training.common.checkpoint import CONFIG, read_json
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.pretrain import pretrain
from training.tokenizers.make import make_tokenizer
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.build import load_model
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.segmenter import SegmenterConfig
from training.transfer.transfer import transfer

SIDE = 32
SMALL = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=8, runtime=ONE_THREAD)
CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=1)


@pytest.fixture(scope="module")
def tuned(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished transfer with labels of o0 and o1."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("segmenter")
    transfer(TINY_TRANSFER, world.transfer, None, out)
    return out


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch):
    """As if the project were installed with its entry points."""
    monkeypatch.setitem(registry.NETWORKS, "segmenter", SegmenterConfig)


class TestSegmenter(NetworkKit):
    size = SIDE

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _of_a_transfer(cls, tuned: Path):
        cls.config = SegmenterConfig(weights=str(tuned), like=tuned, device="cpu")


def test_the_entry_points_of_this_project_are_networks():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][registry.GROUP]
    found = {name: EntryPoint(name, value, registry.GROUP).load() for name, value in listed.items()}
    assert found["segmenter"] is SegmenterConfig
    assert all(issubclass(config, NetworkConfig) for config in found.values())


def test_its_map_is_the_models_prediction(tuned: Path, world: World):
    rgb = world.pretrain.read(range(8), ["rgb"])["rgb"]
    network = SegmenterConfig(weights=str(tuned)).load(SIDE)
    assert network.output.classes == ("wall", "floor", "bed", "seat")
    model, task, *_ = load_model(tuned)
    with torch.no_grad():
        output = model({"rgb": torch.from_numpy(rgb)})
    predicted, middle = task.predict(output), float(output.softmax(1).amax(1).median())
    assert (network(rgb) == predicted + 1).mean() > 0.999
    sure = SegmenterConfig(weights=str(tuned), confidence=middle).load(SIDE)
    held = sure(rgb)
    assert 0.4 < (held == 0).mean() < 0.6
    assert (held[held > 0] == network(rgb)[held > 0]).all()
    assert sure.origin.digest != network.origin.digest


def test_it_says_whose_labels_it_learned(tuned: Path):
    origin = SegmenterConfig(weights=str(tuned)).load(SIDE).origin
    assert origin.external_access == "none"
    assert origin.labelled_houses == ("o0" * 8, "o1" * 8)
    assert "labels of 2 houses" in origin.source
    twin = SegmenterConfig(weights="untrained", like=tuned).load(SIDE).origin
    assert (twin.external_access, twin.labelled_houses, twin.licence) == ("none", (), "")


def run(store: Path, tuned: Path, **fields: object) -> Store:
    request = {"store": store, "network": "segmenter", "weights": str(tuned), "actors": 0, **fields}
    derive(DeriveConfig.model_validate(request))
    return Store.open(store)


def test_it_is_refused_on_frames_of_houses_whose_labels_it_learned(tuned: Path, tmp_path: Path):
    own = make_store(tmp_path / "own", pretrain=16, transfer=16, held_out=8).path
    with pytest.raises(LeakError, match=r"labels of space 'o0'.*role transfer.*--roles"):
        run(own, tuned)
    store = run(own, tuned, roles=("pretrain", "eval"))
    assert PretrainFrames(store).origin_of("segmenter") is not None
    assert "segmenter" not in TransferFrames(store, [PretrainFrames(store)]).modalities
    tested = make_store(
        tmp_path / "tested", pretrain=16, transfer=16, held_out=8, names=("o1", "a", "b")
    ).path
    for roles in (("pretrain", "transfer", "eval"), ("transfer",)):
        with pytest.raises(LeakError, match=r"labels of space 'o1'.*role eval"):
            run(tested, tuned, roles=roles)


def test_no_model_that_saw_its_maps_is_evaluated_in_houses_whose_labels_it_learned(
    tuned: Path, tmp_path: Path
):
    """The labels of o0 reach a model that is pre-trained in `home`, and is tuned on labels of `a` and `b`."""
    frames = {"pretrain": 32, "transfer": 16, "held_out": 8}
    store = run(
        make_store(tmp_path / "s", **frames, names=("home", "a", "b")).path, tuned, roles=("pretrain",)
    )
    tokenizers = {name: tmp_path / name for name in ("rgb", "segmenter")}
    for name, folder in tokenizers.items():
        make_tokenizer(PretrainFrames(store), name, SMALL, folder)
        tokenize(store, name, folder, threads=1)
    store = Store.open(store.path)
    masking = MaskingConfig(inputs=12, targets=16, mixture=(Component(),))
    changes = {"modalities": ("rgb", "segmenter"), "samples": 32, **mm(masking=masking)}
    config = TINY_PRETRAIN.model_copy(update=changes)
    pretrain(config, PretrainFrames(store), tokenizers, tmp_path / "pretrained")
    transfer(
        TINY_TRANSFER.model_copy(update={"samples": 32}),
        TransferFrames(store, [PretrainFrames(store)]),
        tmp_path / "pretrained",
        tmp_path / "tuned",
    )
    facts = read_json(tmp_path / "tuned" / CONFIG)
    assert facts["external_access"] == "none"
    assert {s["id"] for s in facts["labelled_spaces"]} == {"a", "b"}
    metrics = evaluate(CPU, EvalFrames(store), tmp_path / "tuned", tmp_path / "home")
    assert metrics["external_access"] == "none"
    other = make_store(tmp_path / "o", **frames, names=("o0", "a", "b"))
    with pytest.raises(LeakError, match=r"made with segmenter.*space 'o0'"):
        evaluate(CPU, EvalFrames(other), tmp_path / "tuned", tmp_path / "o0")


@pytest.mark.parametrize(
    ("fields", "size", "words"),
    [
        ({}, SIDE, "give weights, the folder of a finished tst transfer"),
        ({"weights": "untrained"}, SIDE, "give like, the folder"),
        ({"weights": "TUNED"}, 64, "tuned on 32 px, the frames have 64 px"),
        ({"weights": "nowhere"}, SIDE, "nowhere"),
    ],
)
def test_what_cannot_be_loaded_is_said(tuned: Path, fields: dict[str, str], size: int, words: str):
    fields = {name: value.replace("TUNED", str(tuned)) for name, value in fields.items()}
    with pytest.raises(ValueError, match=words):
        SegmenterConfig.model_validate(fields).load(size)
