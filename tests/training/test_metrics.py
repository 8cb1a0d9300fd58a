"""Scores against a case small enough for a pencil."""

import numpy as np
import pytest

from training.transfer.tasks.segmentation.metrics import VOID, Confusion


def test_scores_by_hand():
    confusion = Confusion(4)
    truth = np.array([[0, 0, 0, 1], [1, VOID, VOID, 1]])
    prediction = np.array([[0, 0, 1, 1], [1, 3, 0, 2]])
    confusion.add(truth[:1], prediction[:1])
    confusion.add(truth[1:], prediction[1:])
    scores = dict(confusion.scores(["a", "b", "c", "d"]))
    # a: 2 hits of 3 true, 2 predicted: 2/3.
    # b: 2 hits of 3 true, 3 predicted: 2/4. c: predicted, never true: 0.
    # d: predicted on void alone, so nowhere.
    assert scores["iou/a"] == pytest.approx(2 / 3)
    assert scores["iou/b"] == pytest.approx(1 / 2)
    assert scores["iou/c"] == 0.0
    assert "iou/d" not in scores
    assert scores["miou"] == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert scores["miou_truth"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["mean_accuracy"] == pytest.approx(2 / 3)
    assert scores["pixel_accuracy"] == pytest.approx(4 / 6)


def test_one_matrix_over_the_data_set_is_not_a_mean_over_images():
    confusion = Confusion(2)
    confusion.add(np.array([0]), np.array([0]))
    confusion.add(np.array([0, 0, 0, 1]), np.array([1, 1, 1, 1]))
    assert dict(confusion.scores(["a", "b"]))["iou/a"] == pytest.approx(1 / 4)


def test_nothing_but_void_cannot_be_scored():
    confusion = Confusion(2)
    confusion.add(np.full((2, 2), VOID), np.zeros((2, 2), dtype=int))
    with pytest.raises(ValueError, match="void"):
        dict(confusion.scores(["a", "b"]))


def test_a_class_with_too_few_pixels_is_left_out_of_one_mean():
    confusion = Confusion(3)
    confusion.add(np.repeat([0, 1, 2], [1000, 999, 1]), np.repeat([0, 1, 0], [1000, 999, 1]))
    scores = dict(confusion.scores([]))
    assert confusion.too_small().tolist() == [False, False, True]
    assert scores["miou_supported"] == pytest.approx((1000 / 1001 + 1) / 2)
    assert scores["miou_truth"] == pytest.approx((1000 / 1001 + 1) / 3)


def test_without_a_part_it_is_that_of_the_rest():
    part, rest = Confusion(2), Confusion(2)
    part.add(np.array([0, 1]), np.array([1, 1]))
    rest.add(np.array([0, 0, 1]), np.array([0, 0, 1]))
    left = Confusion.sum([part, rest]).without(part)
    assert dict(left.scores(["a", "b"])) == dict(rest.scores(["a", "b"]))
