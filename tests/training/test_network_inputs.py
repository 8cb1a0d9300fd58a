"""What networks made as inputs of a transfer: every kind is seen at its places, and cropped as RGB is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames, TransferFrames, spaces_under_test
from engine.store.store import Store
from tests.training.conftest import ONE_THREAD, TINY_TRANSFER
from tests.training.derived_world import derived_store, origin_of, spec_of, values_of
from training.models.network_input import NetworkInput, PlaceInput
from training.transfer.build import load_model
from training.transfer.data import LabelledBatch, mirror_and_zoom
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.transfer import transfer

NAMES = ("clip", "masks", "sam_edges", "boxes")
CONFIG = TINY_TRANSFER.model_copy(update={"inputs": ("rgb", *NAMES), "samples": 32})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return derived_store(tmp_path_factory.mktemp("inputs") / "store")


@pytest.fixture(scope="module")
def tuned(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuned") / "model"
    transfer(
        CONFIG.model_copy(update={"crop": 0.7}), TransferFrames(store, spaces_under_test(store)), None, out
    )
    return out


def test_learns_from_all_kinds_and_is_evaluated_with_them(store: Store, tuned: Path, tmp_path: Path):
    metrics = evaluate(
        EvaluateConfig(runtime=ONE_THREAD, pictures=1), EvalFrames(store), tuned, tmp_path / "e"
    )
    assert metrics["external_access"] == "pseudolabels"
    assert {k["name"] for k in metrics["knowledge"]} == {f"net-{name}" for name in NAMES}


def test_each_has_a_say_at_every_patch(store: Store, tuned: Path):
    model = load_model(tuned).model.eval()
    frames = EvalFrames(store).read([0, 1], ["rgb", *NAMES])
    images = {name: torch.from_numpy(frames[name]) for name in ("rgb", *NAMES)}
    with torch.no_grad():
        before = model.features(images)
        for name in NAMES:
            changed = model.features({**images, name: images[name].flip(0)})
            assert (changed != before).any(-1).all(), name


def test_boxes_are_scores_of_classes_where_they_are():
    layer = PlaceInput(NetworkInput(output="boxes", channels=3, digest=""), 4, 4)
    boxes = torch.zeros(1, 2, 6)
    boxes[0, 0] = torch.tensor([0.0, 0.5, 0.5, 1.0, 2, 0.75])
    boxes[0, 1] = torch.tensor([0.25, 0.5, 0.5, 0.75, 2, 0.25])
    torch.nn.init.eye_(layer.patches.weight)
    torch.nn.init.zeros_(layer.modality_embedding)
    tokens = layer(boxes)[0].detach().view(4, 4, 4)
    expected = torch.zeros(4, 4)
    expected[2:, :2] = 0.75
    assert torch.equal(tokens[..., 1], expected)
    assert not tokens[..., [0, 2, 3]].any()


def test_what_has_its_own_grid_is_cropped_and_mirrored_as_the_image():
    rng = np.random.default_rng(0)
    grid = rng.integers(1, 255, (6, 8, 8), np.uint8)
    rgb = grid.repeat(4, 1).repeat(4, 2)[..., None].repeat(3, 3)
    boxes = np.zeros((6, 1, 6), np.float32)
    boxes[:, 0] = (0.25, 0.0, 0.5, 1.0, 1, 1)
    features = grid[..., None].astype(np.float16)
    batch = LabelledBatch({"rgb": rgb, "clip": features, "boxes": boxes}, {})
    out = mirror_and_zoom(batch, 1.0, True, np.random.default_rng(1)).images
    mirrored = [not np.array_equal(a, b) for a, b in zip(out["rgb"], rgb, strict=True)]
    assert 0 < sum(mirrored) < 6
    for i, turned in enumerate(mirrored):
        np.testing.assert_array_equal(out["clip"][i, ..., 0], out["rgb"][i, 1::4, 1::4, 0])
        np.testing.assert_allclose(out["boxes"][i, 0, [0, 2]], (0.5, 0.75) if turned else (0.25, 0.5))
    zoomed = mirror_and_zoom(batch, 0.5, True, np.random.default_rng(2)).images
    for i in range(6):
        shown = set(zoomed["rgb"][i, ..., 0].ravel().tolist())
        assert len(set(zoomed["clip"][i].ravel().tolist()) - set(grid[i].ravel().tolist())) == 0
        assert len(shown) > 1


def test_labels_and_vectors_are_no_inputs(store: Store, tmp_path: Path):
    frames = TransferFrames(store, spaces_under_test(store))
    for name, words in (("semantic", "neither sensed"), ("global_clip", "one vector of a frame")):
        with pytest.raises(ValueError, match=words):
            transfer(CONFIG.model_copy(update={"inputs": ("rgb", name)}), frames, None, tmp_path / name)


def test_another_networks_output_is_refused(store: Store, tuned: Path, tmp_path: Path):
    other = derived_store(tmp_path / "other", ("masks", "sam_edges", "boxes"))
    for number, part in enumerate(other.parts):
        spec = spec_of("clip", replace(origin_of("clip"), digest="1" * 64))
        arrays = {"clip": values_of("clip", part.frames, np.random.default_rng(number))}
        other.add_derived(part.part, "clip", arrays, [spec])
    with pytest.raises(ValueError, match="'clip' of another network"):
        load_model(tuned).check(EvalFrames(Store.open(other.path)), tuned)
