"""ADE20K as a transfer set: what its makers wrote is read, and it can be nothing else."""

import dataclasses
import shutil

import cv2
import numpy as np
import pytest

from engine.importers.importing import ImportConfig, import_capture
from engine.importers.registry import CAPTURE_FORMATS
from engine.store.access import TransferFrames, UnlabelledTransferFrames
from engine.store.errors import LeakError
from engine.store.schema import Space
from engine.store.store import Store
from scenes.formats.annotated import class_names, class_of
from scenes.house.labels import class_id, label_table

from . import captures
from .capture_kit import CaptureKit
from .captures import ADE20K, COUNT, HEIGHT, WIDTH, walk

ELSEWHERE = Space("a-home", "capture", "0" * 64, None, "capture", "images", "")


class TestAde20k(CaptureKit):
    format = "ade20k"
    modalities = ("rgb", "semantic")
    role = "transfer"
    lossy = 8.0

    def write(self, folder, made):
        return captures.write_ade20k(folder, made)

    def view(self, store):
        return TransferFrames(store, [ELSEWHERE])


def _import(source, store, **fields):
    import_capture(ImportConfig(source=source, store=store, size=(HEIGHT, WIDTH), **fields))


def test_classes_are_ours_and_what_no_home_has_is_none(tmp_path, capsys):
    """Of the first six classes wall, floor and ceiling are in homes; the right half is of no class."""
    source = captures.write_ade20k(tmp_path / "ADEChallengeData2016", walk())
    _import(source, tmp_path / "store", role="transfer")
    frames = TransferFrames(tmp_path / "store", [ELSEWHERE])
    assert len(frames) == COUNT
    read = frames.read(range(COUNT), ["semantic"])["semantic"]
    names = ("Wall", "nothing", "nothing", "Floor", "nothing", "Ceiling")
    for semantic, name in zip(read, names, strict=True):
        assert (semantic[:, : WIDTH // 2] == class_id(name)).all() or name == "nothing"
        assert semantic.any() == (name != "nothing")
        assert not semantic[:, WIDTH // 2 :].any()
    (space,) = frames.spaces
    assert (space.id, space.external_access) == ("ADEChallengeData2016", "internet")
    assert "no depth and no pose and no intrinsics" in capsys.readouterr().out
    with pytest.raises(LeakError):
        UnlabelledTransferFrames(tmp_path / "store").read([0], ["semantic"])


def test_an_annotation_of_its_makers_is_read(tmp_path):
    """The wall of a house with plants before it; tree, sky and earth are not labelled."""
    source = captures.write_ade20k(tmp_path / "ade", walk())
    shutil.copy(
        ADE20K / "ADE_val_00000002.png", source / "annotations" / "training" / "ADE_train_00000001.png"
    )
    image = np.full((364, 500, 3), 90, np.uint8)
    cv2.imwrite(str(source / "images" / "training" / "ADE_train_00000001.jpg"), image)
    frame = next(iter(CAPTURE_FORMATS["ade20k"].open(source).frames()))
    numbers = cv2.imread(str(ADE20K / "ADE_val_00000002.png"), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(frame.semantic)) == {0, class_id("Wall"), class_id("HousePlant")}
    np.testing.assert_array_equal(frame.semantic == class_id("HousePlant"), numbers == 18)


def test_photographs_are_not_dropped_for_being_like_each_other(tmp_path):
    made = walk()
    made = dataclasses.replace(made, rgb=np.repeat(made.rgb[:1], COUNT, axis=0))
    source = captures.write_ade20k(tmp_path / "ade", made)
    _import(source, tmp_path / "store", role="transfer")
    assert len(TransferFrames(tmp_path / "store", [ELSEWHERE])) == COUNT


@pytest.mark.parametrize("fields", [{}, {"role": "eval"}, {"role": "transfer", "labels": ADE20K}])
def test_it_is_a_transfer_set_and_nothing_else(fields, tmp_path):
    source = captures.write_ade20k(tmp_path / "ade", walk())
    if "labels" in fields:
        fields = fields | {"labels": tmp_path / "coco.json"}
        fields["labels"].write_text('{"annotations": [], "categories": [], "images": []}')
    with pytest.raises(ValueError, match="import them with --role transfer and without --labels"):
        _import(source, tmp_path / "store", **fields)
    assert not Store.exists(tmp_path / "store")


def test_every_class_has_a_label_of_ours():
    known = {label.name for label in label_table()}
    assert set(class_names("ade20k").values()) <= known
    assert len(class_names("ade20k")) == 150
    lines = (ADE20K / "objectInfo150.txt").read_text().splitlines()[1:]
    assert [line.split("\t")[4].strip() for line in lines] == list(class_names("ade20k"))
    assert class_of("ade20k", "sofa, couch, lounge") == class_id("Sofa")


def _edit(path, change):
    path.write_text(change(path.read_text()))


BROKEN = {
    "another list of classes": (
        lambda p: _edit(p / "objectInfo150.txt", lambda t: t.replace("\twall", "\tfence")),
        r"objectInfo150\.txt lists 150 classes, 'fence' where 'wall' belongs: use the file",
    ),
    "a list that was cut off": (
        lambda p: _edit(p / "objectInfo150.txt", lambda t: t[: t.index("\n90")]),
        r"objectInfo150\.txt lists 89 classes, and the benchmark 150",
    ),
    "no annotation": (
        lambda p: (p / "annotations" / "training" / "ADE_train_00000003.png").unlink(),
        r"ADE_train_00000003\.png is missing",
    ),
    "no images": (lambda p: shutil.rmtree(p / "images" / "training"), r"has no images NAME\.jpg: unpack"),
    "an image that was cut off": (
        lambda p: _cut(p / "images" / "training" / "ADE_train_00000002.jpg", 40),
        r"ADE_train_00000002\.jpg is missing or no image",
    ),
    "an annotation that was cut off": (
        lambda p: _cut(p / "annotations" / "training" / "ADE_train_00000002.png", 40),
        r"ADE_train_00000002\.png is no image, and must be uint8 \[48, 64\]",
    ),
    "an annotation of another image": (
        lambda p: shutil.copy(
            ADE20K / "ADE_val_00000002.png", p / "annotations" / "training" / "ADE_train_00000002.png"
        ),
        r"ADE_train_00000002\.png is uint8 \[364, 500\], and must be uint8 \[48, 64\]",
    ),
    "a class above 150": (
        lambda p: cv2.imwrite(
            str(p / "annotations" / "training" / "ADE_train_00000002.png"),
            np.full((HEIGHT, WIDTH), 151, np.uint8),
        ),
        r"ADE_train_00000002\.png has a class 151",
    ),
}


def _cut(path, kept):
    path.write_bytes(path.read_bytes()[:kept])


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_data_set_is_refused_by_a_line_that_names_file_and_fix(name, tmp_path):
    spoil, message = BROKEN[name]
    source = captures.write_ade20k(tmp_path / "ade", walk())
    spoil(source)
    with pytest.raises(ValueError, match=message):
        _import(source, tmp_path / "store", role="transfer")
