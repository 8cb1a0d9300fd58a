"""Average precision against pycocotools on planted detections, and by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.training.planted_detections import CLASSES, GOLDEN, draw, planted
from training.transfer.objects.instances import Instances
from training.transfer.task import EvaluatedBatch
from training.transfer.tasks.detection.average_precision import Found, Frame, average_precision
from training.transfer.tasks.detection.evaluator import DETECTIONS, LEAST_SHOWN, DetectionEvaluator

pytest.importorskip("faster_coco_eval")


def test_it_is_what_pycocotools_says():
    golden = json.loads(GOLDEN.read_text())
    assert golden["frames"] == draw()
    frames = planted(golden["frames"])
    for kind, masks in (("bbox", False), ("segm", True)):
        expected = {k: v for k, v in golden["pycocotools"][kind].items() if v >= 0}
        found = average_precision(frames, CLASSES, masks)
        assert found.keys() == expected.keys() - {"ar1", "ar10"}
        assert found == pytest.approx({k: expected[k] for k in found}, abs=1e-6)


def doubled(frame: Frame) -> Frame:
    """The same frame with twice the pixels along a side."""
    true = replace(frame.true, boxes=frame.true.boxes * 2, areas=frame.true.areas * 4)
    return Frame((960, 1280), true, replace(frame.found, boxes=frame.found.boxes * 2, masks=None))


def test_sizes_of_objects_are_relative_to_the_frame():
    frames = planted(draw())
    assert average_precision([doubled(f) for f in frames], CLASSES) == pytest.approx(
        average_precision(frames, CLASSES), abs=1e-6
    )


def frame(*found: tuple[float, float, float, float, int, float]) -> Frame:
    """A frame with a bed on the left and a seat on the right, and what was found in it."""
    boxes = np.array([[0, 0, 10, 20], [20, 0, 30, 10]], dtype=np.float32)
    true = Instances(boxes, np.array([0, 1]), np.array([1, 2]), np.array([200, 100]), np.zeros(2, dtype=bool))
    rows = np.array(found, dtype=np.float32).reshape(-1, 6)
    return Frame((32, 32), true, Found(rows[:, :4], rows[:, 5], rows[:, 4].astype(np.int64)))


def test_scores_by_hand():
    right = ((0, 0, 10, 20, 0, 0.9), (20, 0, 30, 10, 1, 0.8))
    perfect = average_precision([frame(*right)], ("bed", "seat"))
    assert perfect["map"] == perfect["ap50"] == perfect["ar"] == 1
    # One of two beds: precision 1 up to a recall of a half, of 101 levels the first 51.
    half = average_precision([frame(*right), frame(right[1])], ("bed", "seat"))
    assert half["ap/bed"] == pytest.approx(51 / 101)
    assert half["ap/seat"] == 1
    # Overlap 0.6: counts at .5, .55 and .6 of ten.
    moved = average_precision([frame((0, 0, 6, 20, 0, 0.9), right[1])], ("bed", "seat"))
    assert moved["ap/bed"] == pytest.approx(0.3)
    nothing = average_precision([frame()], ("bed", "seat"))
    assert nothing["map"] == 0
    bare = Frame((32, 32), Instances(*(a[:0] for a in vars(frame().true).values())), frame(*right).found)
    with pytest.raises(ValueError, match="no frame shows an object"):
        average_precision([bare], ("bed", "seat"))


def batch(numbers: range, space: str, found: Found) -> EvaluatedBatch:
    """Frames that show one bed, of which the same is said."""
    shape = (len(numbers), 32, 32)
    kinds, instances = np.full(shape, 255, dtype=np.uint8), np.zeros(shape, dtype=np.uint16)
    kinds[:, :20, :10], instances[:, :20, :10] = 0, 7
    images = {"rgb": np.zeros((*shape, 3), dtype=np.uint8)}
    ids = np.array(numbers)
    return EvaluatedBatch(
        ids, (space,) * len(ids), images, {"classes": kinds, "instances": instances}, [found] * len(ids)
    )


def test_spaces_are_scored_by_themselves_and_pictured_frames_are_kept(tmp_path):
    evaluator = DetectionEvaluator(["bed", "seat"], 4, False, frozenset({1, 4}))
    right = Found(
        np.array([[0, 0, 10, 20], [5, 5, 9, 9]], dtype=np.float32),
        np.array([0.9, LEAST_SHOWN / 2], dtype=np.float32),
        np.array([0, 1]),
    )
    missed = Found(right.boxes[:0], right.scores[:0], right.classes[:0])
    evaluator.add(batch(range(0, 3), "a", right))
    evaluator.add(batch(range(3, 6), "b", missed))
    metrics = evaluator.metrics()
    assert metrics["space_map"] == {"a": 1.0, "b": 0.0}
    assert metrics["map"] == pytest.approx(51 / 101)
    assert metrics["objects"] == 6
    evaluator.save(tmp_path)
    with np.load(tmp_path / DETECTIONS) as kept:
        assert kept["rgb"].shape == (2, 32, 32, 3)
        assert kept["true_frame"].tolist() == [0, 1]
        assert kept["found_frame"].tolist() == [0]
        assert kept["found_score"].tolist() == pytest.approx([0.9])
        np.testing.assert_array_equal(kept["true_box"], [[0, 0, 10, 20]] * 2)
