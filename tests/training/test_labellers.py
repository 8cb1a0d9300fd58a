"""Tuned models as networks: what they make, what they say of themselves, and where they are refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.collect.derive import DeriveConfig, derive
from engine.networks.registry import find_network
from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.store import Store
from tests.engine.networks.network_kit import NetworkKit
from tests.own_networks import install, own_entry_points
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, TINY_TRANSFER, World, mm
from tests.training.test_captioning import TestCaptioning as Captions
from tests.training.test_detection import configured as detection
from tests.training.tiny_world import make_store
from training.common.checkpoint import CONFIG, read_json, write_json
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.pretrain import pretrain
from training.tokenizers.make import make_tokenizer
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig
from training.transfer.build import load_model
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.labellers.captioner import CaptionerConfig
from training.transfer.labellers.detector import DetectorNetworkConfig
from training.transfer.labellers.labeller import LabellerConfig
from training.transfer.labellers.segmenter import SegmenterConfig
from training.transfer.transfer import transfer

SIDE = 32
SMALL = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=8, runtime=ONE_THREAD)
CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=1)


LABELLERS: dict[str, type[LabellerConfig]] = {
    "segmenter": SegmenterConfig,
    "detector": DetectorNetworkConfig,
    "captioner": CaptionerConfig,
}


@pytest.fixture(scope="module")
def tuned(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished transfers with labels of o0 and o1, by the network that they are."""
    torch.set_num_threads(1)
    out = {name: tmp_path_factory.mktemp(name) for name in LABELLERS}
    transfer(TINY_TRANSFER, world.transfer, None, out["segmenter"])
    transfer(detection(), world.transfer, None, out["detector"])
    transfer(Captions().config("finetune"), world.transfer, None, out["captioner"])
    return out


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch):
    """As if the project were installed with its entry points."""
    install(monkeypatch)


@pytest.fixture(params=LABELLERS)
def network(request: pytest.FixtureRequest) -> str:
    return request.param


class TestSegmenter(NetworkKit):
    size = SIDE

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _of_a_transfer(cls, tuned: dict[str, Path]):
        folder = tuned["segmenter"]
        cls.config = SegmenterConfig(weights=str(folder), like=folder, device="cpu")


class TestDetector(NetworkKit):
    size = SIDE

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _of_a_transfer(cls, tuned: dict[str, Path]):
        folder = tuned["detector"]
        cls.config = DetectorNetworkConfig(weights=str(folder), like=folder, device="cpu")


class TestCaptioner(NetworkKit):
    size = SIDE

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _of_a_transfer(cls, tuned: dict[str, Path]):
        folder = tuned["captioner"]
        cls.config = CaptionerConfig(weights=str(folder), like=folder, device="cpu")

    @pytest.fixture(scope="class")
    @classmethod
    def rgb(cls, world: World) -> np.ndarray:
        """Frames of rooms: of noise it says one and the same."""
        return world.pretrain.read(range(3), ["rgb"])["rgb"]


def test_the_entry_points_of_this_project_are_networks():
    assert {name: find_network(name) for name in own_entry_points()} == LABELLERS


def test_its_map_is_the_models_prediction(tuned: dict[str, Path], world: World):
    folder = tuned["segmenter"]
    rgb = world.pretrain.read(range(8), ["rgb"])["rgb"]
    network = SegmenterConfig(weights=str(folder)).load(SIDE)
    assert network.output.classes == ("wall", "floor", "bed", "seat")
    model, task, *_ = load_model(folder)
    with torch.no_grad():
        output = model({"rgb": torch.from_numpy(rgb)})
    predicted, middle = task.predict(output), float(output.softmax(1).amax(1).median())
    assert (network(rgb) == predicted + 1).mean() > 0.999
    sure = SegmenterConfig(weights=str(folder), confidence=middle).load(SIDE)
    held = sure(rgb)
    assert 0.4 < (held == 0).mean() < 0.6
    assert (held[held > 0] == network(rgb)[held > 0]).all()
    assert sure.origin.digest != network.origin.digest


def test_its_boxes_are_the_models_prediction(tuned: dict[str, Path], world: World):
    folder = tuned["detector"]
    rgb = world.pretrain.read(range(8), ["rgb"])["rgb"]
    network = DetectorNetworkConfig(weights=str(folder), most=8).load(SIDE)
    assert network.output.classes == ("bed", "seat")
    model, task, *_ = load_model(folder)
    rows, count = network(rgb), 0
    for frame, row in zip(rgb, rows, strict=True):
        with torch.no_grad():
            (found,) = task.predict(model({"rgb": torch.from_numpy(frame[None])}))
        there = row[row[:, 4] > 0]
        assert len(there) == min(8, len(found.scores))
        assert np.all(row[len(there) :] == 0)
        np.testing.assert_allclose(there[:, :4] * SIDE, found.boxes[: len(there)], atol=1e-3)
        np.testing.assert_array_equal(there[:, 4], found.classes[: len(there)] + 1)
        np.testing.assert_allclose(there[:, 5], found.scores[: len(there)], atol=1e-5)
        count += len(there)
    assert count > 8, "several a frame"
    middle = float(np.median(rows[..., 5][rows[..., 4] > 0]))
    sure = DetectorNetworkConfig(weights=str(folder), most=8, confidence=middle).load(SIDE)
    np.testing.assert_array_equal(sure(rgb), rows * (rows[..., 5:] >= middle))
    fewer = DetectorNetworkConfig(weights=str(folder), most=2).load(SIDE)
    np.testing.assert_array_equal(fewer(rgb), rows[:, :2])
    assert len({n.origin.digest for n in (network, sure, fewer)}) == 3


def test_its_text_is_the_models_caption(tuned: dict[str, Path], world: World):
    folder = tuned["captioner"]
    rgb = world.pretrain.read(range(8), ["rgb"])["rgb"]
    network = CaptionerConfig(weights=str(folder)).load(SIDE)
    model, task, *_ = load_model(folder)
    with torch.no_grad():
        captions = task.predict(model({"rgb": torch.from_numpy(rgb)}))
    words = network.output.classes
    texts = ["".join(words[t - 1] for t in row if t).replace("Ġ", " ").strip() for row in network(rgb)]
    assert texts == captions
    assert any(captions)
    sure = CaptionerConfig(weights=str(folder), confidence=0.99).load(SIDE)
    assert not sure(rgb).any()
    assert sure.origin.digest != network.origin.digest


def test_an_untrained_detector_has_boxes(tuned: dict[str, Path], world: World, tmp_path: Path):
    """Their probabilities are those of chance, below what a trained one of its shape leaves out."""
    like = shutil.copytree(tuned["detector"], tmp_path / "strict")
    facts = read_json(like / CONFIG)
    facts["transfer"]["others"]["detection"]["head"]["least_score"] = 0.9
    write_json(like / CONFIG, facts)
    rgb = world.pretrain.read(range(2), ["rgb"])["rgb"]
    assert not DetectorNetworkConfig(weights=str(like)).load(SIDE)(rgb).any()
    rows = DetectorNetworkConfig(weights="untrained", like=like, confidence=0.9).load(SIDE)(rgb)
    assert np.all((rows[..., 4] > 0).sum(1) > 1)
    assert rows[..., 5].max() < 0.9


def test_it_says_whose_labels_it_learned(tuned: dict[str, Path], network: str):
    config, folder = LABELLERS[network], tuned[network]
    origin = config(weights=str(folder)).load(SIDE).origin
    assert origin.external_access == "none"
    assert origin.labelled_houses == ("o0" * 8, "o1" * 8)
    assert f"{config.task} of {folder.name}, labels of 2 houses" in origin.source
    twin = config(weights="untrained", like=folder).load(SIDE).origin
    assert (twin.external_access, twin.labelled_houses, twin.licence) == ("none", (), "")


def run(store: Path, network: str, tuned: Path, **fields: object) -> Store:
    request = {"store": store, "network": network, "weights": str(tuned), "actors": 0, **fields}
    derive(DeriveConfig.model_validate(request))
    return Store.open(store)


def test_it_is_refused_on_frames_of_houses_whose_labels_it_learned(
    tuned: dict[str, Path], network: str, tmp_path: Path
):
    folder = tuned[network]
    own = make_store(tmp_path / "own", pretrain=16, transfer=16, held_out=8).path
    with pytest.raises(LeakError, match=r"labels of space 'o0'.*role transfer.*--roles"):
        run(own, network, folder)
    store = run(own, network, folder, roles=("pretrain", "eval"))
    assert PretrainFrames(store).origin_of(network) is not None
    assert network not in TransferFrames(store, [PretrainFrames(store)]).modalities
    tested = make_store(
        tmp_path / "tested", pretrain=16, transfer=16, held_out=8, names=("o1", "a", "b")
    ).path
    for roles in (("pretrain", "transfer", "eval"), ("transfer",)):
        with pytest.raises(LeakError, match=r"labels of space 'o1'.*role eval"):
            run(tested, network, folder, roles=roles)


def test_no_model_that_saw_its_output_is_evaluated_in_houses_whose_labels_it_learned(
    tuned: dict[str, Path], network: str, tmp_path: Path
):
    """The labels of o0 reach a model that is pre-trained in `home`, and is tuned on labels of `a` and `b`."""
    frames = {"pretrain": 32, "transfer": 16, "held_out": 8}
    made = make_store(tmp_path / "s", **frames, names=("home", "a", "b"))
    store = run(made.path, network, tuned[network], roles=("pretrain",))
    tokenizers = {name: tmp_path / name for name in ("rgb", network)}
    for name, folder in tokenizers.items():
        make_tokenizer(PretrainFrames(store), name, SMALL, folder)
        tokenize(store, name, folder, threads=1)
    store = Store.open(store.path)
    masking = MaskingConfig(inputs=12, targets=16, mixture=(Component(),))
    changes = {"modalities": ("rgb", network), "samples": 32, **mm(masking=masking)}
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
    with pytest.raises(LeakError, match=rf"made with {network}.*space 'o0'"):
        evaluate(CPU, EvalFrames(other), tmp_path / "tuned", tmp_path / "o0")


@pytest.mark.parametrize(
    ("fields", "size", "words"),
    [
        ({}, SIDE, "give weights, the folder of a finished tst transfer of {task}"),
        ({"weights": "untrained"}, SIDE, "{network}, untrained: give like, the folder"),
        ({"weights": "TUNED"}, 64, "tuned on 32 px, the frames have 64 px"),
        ({"weights": "OTHER"}, SIDE, "is a model of .*a {network} is one of {task}"),
        ({"weights": "nowhere"}, SIDE, "nowhere"),
    ],
)
def test_what_cannot_be_loaded_is_said(
    tuned: dict[str, Path], network: str, fields: dict[str, str], size: int, words: str
):
    other = next(folder for name, folder in tuned.items() if name != network)
    folders = {"TUNED": str(tuned[network]), "OTHER": str(other)}
    fields = {name: folders.get(value, value) for name, value in fields.items()}
    config = LABELLERS[network]
    with pytest.raises(ValueError, match=words.format(network=network, task=config.task)):
        config.model_validate(fields).load(size)
