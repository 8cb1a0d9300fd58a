"""Parts of a detector against their definitions, box by box and point by point, and against ONNX Runtime."""

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.training.detection_parts_by_onnxruntime import (
    GOLDEN,
    SAMPLES,
    SIZE,
    STRIDE,
    THRESHOLDS,
    draw,
)
from training.transfer.tasks.detection.boxes import box_iou, moved, offsets_of, suppress
from training.transfer.tasks.detection.roi_align import roi_align


def drawn(count: int, seed: int, side: float = 40.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * side * 0.7
    return torch.cat([corners, corners + 1 + torch.rand(count, 2, generator=generator) * side * 0.5], dim=1)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(0.0, width) * max(0.0, height)
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return common / (sum(areas) - common)


def test_overlap_is_intersection_over_union():
    a, b = drawn(20, 0), drawn(30, 1)
    expected = [[overlap(x, y) for y in b.numpy()] for x in a.numpy()]
    torch.testing.assert_close(box_iou(a, b), torch.tensor(expected), atol=1e-6, rtol=1e-5)
    nothing = torch.tensor([[3.0, 3.0, 3.0, 3.0]])
    assert box_iou(nothing, nothing).item() == 0


def test_offsets_lead_from_a_box_to_its_target():
    a, b, weights = drawn(50, 2), drawn(50, 3), (10.0, 10.0, 5.0, 5.0)
    torch.testing.assert_close(moved(a, offsets_of(a, b, weights), weights), b, atol=1e-3, rtol=1e-4)
    box = torch.tensor([[10.0, 10.0, 20.0, 30.0]])
    found = offsets_of(box, torch.tensor([[15.0, 10.0, 35.0, 30.0]]), (1.0, 1.0, 1.0, 1.0))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0, math.log(2), 0.0]]))
    assert moved(box, torch.full((1, 4), 1e4), (1.0, 1.0, 1.0, 1.0)).isfinite().all()


def kept_by_a_loop(boxes: Tensor, scores: Tensor, threshold: float, classes: Tensor | None) -> list[int]:
    kept: list[int] = []
    corners = boxes.numpy()
    for i in scores.argsort(descending=True).tolist():
        rivals = [j for j in kept if classes is None or classes[i] == classes[j]]
        present = scores[i] > -math.inf
        if present and all(overlap(corners[i], corners[j]) <= threshold for j in rivals):
            kept.append(i)
    return sorted(kept)


@pytest.mark.parametrize("by_class", [False, True])
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
def test_suppression_keeps_what_a_loop_over_boxes_keeps(threshold: float, by_class: bool):
    boxes = torch.stack([drawn(40, seed) for seed in range(4)])
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(4, 40, generator=generator)
    scores[2, 5:] = scores[3] = -math.inf  # padding
    classes = torch.randint(3, (4, 40), generator=generator) if by_class else None
    kept = suppress(boxes, scores, threshold, classes)
    for i in range(4):
        expected = kept_by_a_loop(boxes[i], scores[i], threshold, None if classes is None else classes[i])
        assert kept[i].nonzero()[:, 0].tolist() == expected
    assert suppress(torch.zeros(2, 0, 4), torch.zeros(2, 0), threshold).shape == (2, 0)


def sampled(features: np.ndarray, y: float, x: float) -> np.ndarray:
    """Bilinear interpolation between the centres of features, at a point in features; 0 beyond the border."""
    _, height, width = features.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(features))
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    top, left = int(y), int(x)
    below, right = min(top + 1, height - 1), min(left + 1, width - 1)
    dy, dx = y - top, x - left
    upper = features[:, top, left] * (1 - dx) + features[:, top, right] * dx
    lower = features[:, below, left] * (1 - dx) + features[:, below, right] * dx
    return upper * (1 - dy) + lower * dy


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_features_of_boxes_are_means_of_points(samples: int):
    size, strides = 3, (8.0, 16.0, 32.0)
    generator = torch.Generator().manual_seed(0)
    levels = [torch.randn(2, 5, h, w, generator=generator) for h, w in ((40, 44), (20, 22), (10, 11))]
    outside = torch.tensor([[-40.0, -30.0, 20.0, 10.0], [300.0, 300.0, 370.0, 350.0], [8.0, 8.0, 8.0, 8.0]])
    large = torch.tensor([[3.0, 5.0, 227.0, 229.0], [10.0, 0.0, 340.0, 330.0], [0.0, 0.0, 600.0, 600.0]])
    of_level = [0, 0, 0, 0, 0, 1, 1, 2]  # by the root of the area: 224 pixels and more, 448 and more
    boxes = torch.stack([torch.cat([drawn(2, seed, 200.0), outside, large]) for seed in (5, 6)])
    found = roi_align(levels, strides, boxes, size, samples).numpy()
    assert found.shape == (2, 8, 5, size, size)
    for image in range(2):
        for got, box, number in zip(found[image], boxes[image].numpy(), of_level, strict=True):
            features = levels[number][image].numpy()
            x0, y0, x1, y1 = box / strides[number]
            for row in range(size):
                for column in range(size):
                    points = [
                        sampled(
                            features,
                            y0 - 0.5 + (y1 - y0) * (row + (i + 0.5) / samples) / size,
                            x0 - 0.5 + (x1 - x0) * (column + (j + 0.5) / samples) / size,
                        )
                        for i in range(samples)
                        for j in range(samples)
                    ]
                    np.testing.assert_allclose(got[:, row, column], np.mean(points, 0), atol=1e-4)


def test_features_of_no_box_and_gradients():
    features = torch.randn(1, 3, 5, 5, requires_grad=True)
    assert roi_align([features], [4.0], torch.zeros(1, 0, 4), 7).shape == (1, 0, 3, 7, 7)
    # The gradient of a sum over a box within the image is as large as the number of its cells.
    roi_align([features], [4.0], torch.tensor([[[4.0, 4.0, 16.0, 16.0]]]), 2).sum().backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad.sum(), torch.tensor(12.0))


def test_features_and_suppression_are_those_of_onnxruntime():
    golden, drawn = json.loads(GOLDEN.read_text()), draw()
    boxes, scores = (torch.from_numpy(drawn[name])[None] for name in ("boxes", "scores"))
    found = roi_align([torch.from_numpy(drawn["features"])], [STRIDE], boxes, SIZE, SAMPLES)[0]
    np.testing.assert_allclose(found.numpy(), np.array(golden["features"]), atol=2e-6)
    for threshold in THRESHOLDS:
        kept = suppress(boxes, scores, threshold)[0].nonzero()[:, 0].tolist()
        assert kept == golden["kept"][str(threshold)]
        assert 5 < len(kept) < 40
