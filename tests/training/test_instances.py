"""Objects of frames against a count pixel by pixel, and COCO files there and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from engine.store.access import PretrainFrames, TransferFrames
from engine.store.errors import LeakError, MissingModalityError
from engine.store.store import FrameRange, LabelRow, ModalitySpec, Space, Store
from tests.training.tiny_world import LABELS
from training.transfer.objects.coco import (
    CocoConfig,
    coco_of,
    read_coco,
    write_coco,
)
from training.transfer.objects.instances import instances_of, object_classes


def scattered(rng: np.random.Generator, size: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping boxes of beds, chairs and armchairs before a wall: `semantic` and `instance`."""
    semantic = np.ones((size, size), dtype=np.uint8)
    instance = np.ones((size, size), dtype=np.uint16)
    for number in range(2, 8):
        y, x = rng.integers(0, size - 3, 2)
        h, w = rng.integers(2, size // 2, 2)
        semantic[y : y + h, x : x + w] = rng.integers(3, 6)
        instance[y : y + h, x : x + w] = 300 * number
    semantic[:2, :2] = instance[:2, :2] = 0
    return semantic, instance


def test_boxes_areas_and_borders_are_those_of_the_visible_pixels():
    names, table = object_classes(LABELS)
    assert names == ["bed", "seat"]
    rng = np.random.default_rng(0)
    seen_cut = set()
    for _ in range(20):
        semantic, instance = scattered(rng)
        found = instances_of(semantic, instance, table, least_area=5)
        masks = found.masks(instance)
        expected = [i for i in np.unique(instance) if i >= 600 and (instance == i).sum() >= 5]
        assert found.ids.tolist() == expected
        for n, number in enumerate(expected):
            rows, columns = np.nonzero(instance == number)
            np.testing.assert_array_equal(masks[n], instance == number)
            assert found.boxes[n].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert found.areas[n] == len(rows)
            assert names[found.classes[n]] == ("bed" if semantic[rows[0], columns[0]] == 3 else "seat")
            at_border = {0, 23} & {rows.min(), rows.max(), columns.min(), columns.max()}
            assert found.cut[n] == bool(at_border)
            seen_cut.add(bool(at_border))
    assert seen_cut == {True, False}


def test_an_object_has_the_class_of_most_of_its_pixels_and_stuff_is_none():
    fine, table = object_classes(LABELS, fine=True)
    assert fine == ["Bed", "Chair", "ArmChair"]
    semantic = np.array([[4, 4, 5], [5, 5, 2]], dtype=np.uint8)
    found = instances_of(semantic, np.array([[7, 7, 7], [7, 7, 8]], dtype=np.uint16), table)
    assert (found.ids.tolist(), [fine[c] for c in found.classes]) == ([7], ["ArmChair"])
    nothing = instances_of(np.ones((2, 2), np.uint8), np.ones((2, 2), np.uint16), table)
    assert len(nothing) == 0
    assert nothing.boxes.shape == (0, 4)


def store_of_labels(path: Path, kept: tuple[str, ...] = ("semantic", "instance")) -> Store:
    """Transfer frames of a house with such labels, and pre-training frames of another."""
    specs = [
        ModalitySpec("semantic", "uint8", (24, 24), "label", "label"),
        ModalitySpec("instance", "uint16", (24, 24), "1", "label"),
        ModalitySpec("pose", "float64", (4, 4), "m", "camera"),
    ]
    specs = [spec for spec in specs if spec.name in (*kept, "pose")]
    labels: list[LabelRow] = LABELS
    store = Store.create(path, specs, labels, frames_per_part=8)
    rng = np.random.default_rng(3)
    for role, name in (("transfer", "o"), ("pretrain", "home")):
        space = Space(name, "synthetic", name * 8, 0, "dense", "boxes", "drawn by a test")
        maps = [np.stack(maps) for maps in zip(*(scattered(rng) for _ in range(8)), strict=True)]
        arrays = dict(zip(("semantic", "instance"), maps, strict=True))
        arrays = {name: arrays[name] for name in kept if role != "pretrain"}
        arrays["pose"] = np.tile(np.eye(4), (8, 1, 1))
        store.write_part(role, arrays, [FrameRange(name, role, role, 0, 8)], [space], "0" * 8, [{"seed": 3}])
    return store


def test_a_coco_file_holds_what_the_labels_do(tmp_path):
    store = store_of_labels(tmp_path / "store")
    pretrain = PretrainFrames(store)
    frames = TransferFrames(store, [pretrain])
    coco = coco_of(frames, CocoConfig(least_area=4))
    write_coco(tmp_path / "coco.json", coco)
    names, images = read_coco(tmp_path / "coco.json")
    assert names == ["bed", "seat"]
    assert [image["space"] for image in coco["images"]] == ["o"] * 8
    arrays = frames.read(range(8), ["semantic", "instance"])
    for image, semantic, instance in zip(images, arrays["semantic"], arrays["instance"], strict=True):
        found = instances_of(semantic, instance, object_classes(LABELS)[1], 4)
        assert len(found) > 0
        for field in ("boxes", "classes", "ids", "areas", "cut"):
            np.testing.assert_array_equal(getattr(image.instances, field), getattr(found, field))
        np.testing.assert_array_equal(image.masks, found.masks(instance))
    with pytest.raises(LeakError, match=r"semantic|instance"):
        coco_of(pretrain, CocoConfig())


def test_a_store_without_instances_is_refused(tmp_path):
    store = store_of_labels(tmp_path / "store", ("semantic",))
    frames = TransferFrames(store, [PretrainFrames(store)])
    with pytest.raises(MissingModalityError, match="instance"):
        coco_of(frames, CocoConfig())


def test_what_is_no_coco_file_of_objects_is_refused_by_name(tmp_path):
    path = tmp_path / "coco.json"
    image = {"id": 1, "width": 4, "height": 4}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], "area": 4}
    short = {"size": [4, 4], "counts": [3]}
    whole = {"images": [image], "categories": [{"id": 1, "name": "bed"}]}
    for content, fault in (
        ("[", "coco.json is no COCO file"),
        (json.dumps({"images": []}), "categories"),
        (json.dumps({**whole, "annotations": [annotation | {"segmentation": [[0, 0, 2, 2]]}]}), "2 corners"),
        (
            json.dumps({**whole, "annotations": [annotation | {"segmentation": short}]}),
            "fill 3 pixels, its image has 16",
        ),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=fault):
            read_coco(path)


def test_groups_of_objects_are_left_out_and_files_of_others_are_read(tmp_path):
    runs = {"size": [4, 4], "counts": [5, 2, 9]}
    listed = [
        {"id": 9, "image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 2], "area": 2.0, "segmentation": runs},
        {"id": 10, "image_id": 7, "category_id": 3, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 1},
    ]
    coco = {"images": [{"id": 7, "width": 4, "height": 4}], "annotations": listed}
    (tmp_path / "coco.json").write_text(json.dumps(coco | {"categories": [{"id": 3, "name": "cup"}]}))
    names, (image,) = read_coco(tmp_path / "coco.json")
    assert (names, image.id, image.instances.ids.tolist()) == (["cup"], 7, [9])
    assert image.instances.boxes.tolist() == [[1, 1, 2, 3]]
    assert image.masks.sum() == 2
