"""The task `detection`: the kit, its labels under windows and mirrors, and what it learns."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.conftest import TINY_TRANSFER, World
from tests.training.task_kit import TaskKit
from tests.training.tiny_world import LABELS, draw_frames
from training.common.optimiser import clip, make_adamw, set_rate, warmup_cosine
from training.transfer.build import build_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledBatch, LabelledFrames, mirror_and_zoom
from training.transfer.task import EvaluatedBatch, FeatureShape
from training.transfer.tasks.detection import average_precision
from training.transfer.tasks.detection.cascade import CascadeConfig
from training.transfer.tasks.detection.detector import DetectorConfig, DetectorHead, DetectorLoss, Training
from training.transfer.tasks.detection.labels import ObjectReader, TrueObjects, objects_of, padded
from training.transfer.tasks.detection.masks import MaskConfig, pasted, true_masks
from training.transfer.tasks.detection.matching import expected_counts, match
from training.transfer.tasks.detection.proposals import ProposalConfig, anchors
from training.transfer.transfer import transfer

scored = pytest.mark.skipif(find_spec("faster_coco_eval") is None, reason="faster-coco-eval is not installed")
SMALL = DetectorConfig(
    width=32,
    scales=(2.0, 1.0),
    proposals=ProposalConfig(before=32, kept=24),
    cascade=CascadeConfig(roi=4, width=64),
)


def configured(**fields: Any) -> TransferConfig:
    """A small transfer of detection."""
    own = {"detection": {"least_area": 4, "head": SMALL.model_dump()}}
    return TransferConfig.model_validate(TINY_TRANSFER.model_dump() | {"task": "detection"} | own | fields)


@scored
class TestDetection(TaskKit):
    name = "detection"
    metric = "map"
    budget = {
        "finetune": {
            "samples": 720,
            "batch": 8,
            "lr": 2e-3,
            "detection": {"least_area": 4, "head": SMALL.model_dump() | {"masks": {"roi": 4}}},
        }
    }


def labels_of(count: int, seed: int) -> dict[str, np.ndarray]:
    return ObjectReader(LABELS)(draw_frames(count, 32, np.random.default_rng(seed)))


def test_targets_are_of_what_a_window_leaves_and_mirror_with_it():
    frames = draw_frames(16, 32, np.random.default_rng(1))
    whole = LabelledBatch({"rgb": frames["rgb"]}, ObjectReader(LABELS)(frames))
    seen = mirror_and_zoom(whole, 0.5, True, np.random.default_rng(2)).labels
    cut = 0
    for i, objects in enumerate(objects_of(seen, 2, 4)):
        for n, number in enumerate(objects.ids.tolist()):
            rows, columns = np.nonzero(seen["instances"][i] == number)
            left, top, right, low = objects.boxes[n].tolist()
            assert (left, top, right, low) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            cut += bool(objects.cut[n])
    assert cut > 0, "windows cut objects"
    mirrored = {name: values[:, :, ::-1].copy() for name, values in whole.labels.items()}
    for plain, turned in zip(objects_of(whole.labels, 2, 4), objects_of(mirrored, 2, 4), strict=True):
        expected = plain.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [32, 0, 32, 0]
        np.testing.assert_array_equal(turned.boxes, expected)
        np.testing.assert_array_equal(turned.classes, plain.classes)


def test_walls_and_floors_are_no_objects_and_padding_is_none():
    labels = labels_of(4, 3)
    labels["classes"][2] = 255
    true = TrueObjects(**padded(labels, 2, 4))
    assert (true.present.sum(1) > 0).tolist() == [True, True, False, True]
    assert true.boxes.shape[1] % 8 == 0
    for i, objects in enumerate(objects_of(labels, 2, 4)):
        n = len(objects)
        np.testing.assert_array_equal(true.boxes[i, :n], objects.boxes)
        for k, number in enumerate(objects.ids.tolist()):
            np.testing.assert_array_equal(true.pixels[i] == k + 1, labels["instances"][i] == number)


def test_expected_counts_are_the_mean_over_samples():
    generator = np.random.default_rng(0)
    positive = np.arange(20) < 7
    negative = (np.arange(20) >= 7) & (np.arange(20) < 18)
    counts = np.zeros(20)
    for _ in range(4000):
        chosen = generator.permutation(np.flatnonzero(positive))[:4]
        rest = generator.permutation(np.flatnonzero(negative))[: 8 - len(chosen)]
        counts[chosen] += 1
        counts[rest] += 1
    found = expected_counts(torch.from_numpy(positive)[None], torch.from_numpy(negative)[None], 8, 0.5)
    np.testing.assert_allclose(found[0], counts / 4000, atol=0.03)
    few = expected_counts(torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]]), 8, 0.5)
    assert few.tolist() == [[1.0, 1.0, 0.0]]


def test_boxes_are_matched_with_what_they_overlap_most():
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 6, 10], [20, 20, 24, 24], [11, 0, 15, 10]]])
    true = TrueObjects(
        torch.tensor([[[0.0, 0, 10, 10], [8, 0, 18, 10], [0, 0, 1, 1]]]),
        torch.tensor([[1, 0, 0]]),
        torch.tensor([[True, True, False]]),
        torch.zeros(1, 32, 32),
    )
    found = match(boxes, true)
    torch.testing.assert_close(found.iou, torch.tensor([[1.0, 0.6, 0.0, 0.4]]))
    assert found.objects[0, [0, 1, 3]].tolist() == [0, 0, 1]
    assert found.is_best.tolist() == [[True, False, False, True]]
    nothing = match(boxes, true._replace(present=torch.zeros(1, 3, dtype=torch.bool)))
    assert not nothing.is_best.any()
    assert (nothing.iou < 0).all()


def test_anchors_are_centred_on_their_features():
    found = anchors(2, 8.0, 12.0, (0.25, 1.0))
    assert found.shape == (8, 4)
    torch.testing.assert_close(found[1], torch.tensor([-2.0, -2.0, 10.0, 10.0]))
    torch.testing.assert_close(found[2], torch.tensor([0.0, 1.0, 24.0, 7.0]))


def test_masks_of_boxes_lead_back_to_the_pixels():
    labels = labels_of(6, 4)
    true = TrueObjects(**padded(labels, 2, 4))
    number = torch.arange(true.boxes.shape[1]).expand(6, -1)
    cells = true_masks(true.boxes, number, true.pixels, 28)
    for i in range(6):
        there = true.present[i]
        found = pasted(cells[i, there], true.boxes[i, there], 32)
        for k, mask in enumerate(found):
            own = (true.pixels[i] == k + 1).numpy()
            assert (mask & own).sum() / (mask | own).sum() > 0.95


def head_and_targets(masks: bool = False) -> tuple[DetectorHead, Tensor, dict[str, Any]]:
    config = SMALL.model_copy(update={"masks": MaskConfig(roi=4) if masks else None})
    head = DetectorHead(config, FeatureShape(64, 8, 4), 2)
    head.initialise(torch.Generator().manual_seed(0))
    features = torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(1))
    return head, features, padded(labels_of(4, 5), 2, 4)


def test_a_step_is_a_function_of_weights_and_images():
    head, features, targets = head_and_targets(masks=True)
    loss = DetectorLoss(head.config)
    torch.manual_seed(1)
    first = loss(head(features, targets), targets)
    torch.manual_seed(2)
    again = loss(head(features, targets), targets)
    assert first.item() == again.item()
    first.backward()
    idle = [name for name, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle, "every weight learns"


def test_frames_without_objects_and_losses_in_bf16():
    head, features, targets = head_and_targets(masks=True)
    loss = DetectorLoss(head.config)
    empty = {**targets, "present": torch.zeros_like(targets["present"])}
    value = loss(head(features, empty), empty)
    value.backward()
    assert value.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        output = head(features, targets)
    assert isinstance(output, Training)
    reduced = loss(output, targets)
    torch.testing.assert_close(reduced, loss(head(features, targets), targets), rtol=0.1, atol=0)


def test_the_first_stage_sees_the_true_boxes_and_the_next_what_it_moved():
    head, features, targets = head_and_targets()
    output = head(features, targets)
    assert isinstance(output, Training)
    m = targets["boxes"].shape[1]
    torch.testing.assert_close(output.stages[0].boxes[:, :m], targets["boxes"])
    assert (output.counts[:, :m][~targets["present"]] == 0).all()
    assert [tuple(s.boxes.shape) for s in output.stages] == [(4, m + 24, 4)] * 3
    assert not torch.equal(output.stages[0].boxes, output.stages[1].boxes)


def test_scales_are_powers_of_two():
    for scales in ((3.0, 1.0), (1.0, 2.0), (0.0,)):
        with pytest.raises(ValueError, match="powers of two, falling"):
            DetectorConfig(scales=scales)


def test_a_missing_package_is_said_before_anything_is_trained(world: World, tmp_path, monkeypatch):
    monkeypatch.setattr(average_precision, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[detection\]'"):
        transfer(configured(), world.transfer, None, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_frames_without_an_object_cannot_be_learned_from(world: World, tmp_path):
    config = configured(detection={"least_area": 2000}).own
    data = LabelledFrames(world.transfer, config.label_reader(world.transfer.labels))
    with pytest.raises(ValueError, match=r"no transfer frame shows 2000 pixels.*lower detection\.least_area"):
        config.learn_facts(world.transfer.labels, data)
    counted = configured().own.learn_facts(world.transfer.labels, data)
    assert counted["classes"] == ["bed", "seat"]
    assert sum(counted["objects"].values()) > 64


def overfitted(masks: bool, steps: int) -> Callable[[], dict[str, Any]]:
    """Train a detector on eight frames; a function that scores it there."""
    frames = draw_frames(8, 32, np.random.default_rng(3))
    head = {"masks": {} if masks else None}
    config = configured(detection={"least_area": 4, "head": head})
    task = config.own.build({"classes": ["bed", "seat"], "objects": {}})
    labels = config.own.label_reader(LABELS)(frames)
    model, images = build_model(config, task, 32), {"rgb": torch.from_numpy(frames["rgb"])}
    targets, criterion = task.targets(labels), DetectorLoss(config.own.head)
    optimiser = make_adamw(model, 0.0)

    def score() -> dict[str, Any]:
        with torch.no_grad():
            found = task.predict(model(images))
        evaluator = task.evaluator(frozenset())
        evaluator.add(EvaluatedBatch(np.arange(8), ("a",) * 8, frames, labels, found))
        return evaluator.metrics()

    assert score()["map"] < 0.05, "chance"
    for step in range(steps):
        set_rate(optimiser, warmup_cosine(step, steps, 20, 2e-3))
        loss = criterion(model(images, targets=targets), targets)
        optimiser.zero_grad()
        loss.backward()
        clip(model.parameters(), 3.0)
        optimiser.step()
    return score


@scored
@pytest.mark.slow
def test_a_detector_overfits_eight_frames():
    scores = overfitted(masks=False, steps=200)()
    assert scores["map"] > 0.95


@scored
@pytest.mark.slow
def test_a_detector_with_masks_overfits_eight_frames():
    scores = overfitted(masks=True, steps=250)()
    assert scores["map"] > 0.95
    assert scores["mask_map"] > 0.8
