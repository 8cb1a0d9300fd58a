"""Labels that a person drew: read from COCO files as CVAT and Label Studio export them."""

import dataclasses
import json

import cv2
import numpy as np
import pytest
from PIL import Image

from engine.coco_masks import encode_mask
from engine.importers.importing import ImportConfig, import_capture
from engine.store.access import EvalFrames
from engine.store.store import Store
from scenes.house.labels import class_id

from . import captures
from .captures import COUNT, HEIGHT, WIDTH, walk

CHAIR, BED = {"id": 1, "name": "Chair", "supercategory": ""}, {"id": 7, "name": "Bed", "supercategory": ""}


def _polygon(x0, y0, x1, y1):
    return [[x0, y0, x1, y0, x1, y1, x0, y1]]


def _annotation(number, image, category, segmentation, **fields):
    area = {"bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}
    return (
        {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation}
        | area
        | fields
    )


def _coco(names, annotations, height=HEIGHT, width=WIDTH, categories=(CHAIR, BED)):
    images = [{"id": i, "width": width, "height": height, "file_name": n} for i, n in enumerate(names, 1)]
    licences = [{"name": "", "id": 0, "url": ""}]
    return {
        "licenses": licences,
        "categories": list(categories),
        "images": images,
        "annotations": annotations,
    }


def _import(source, coco, folder, **fields):
    """Frames at the size of the capture, labelled by a file."""
    file = folder / "instances_default.json"
    file.write_text(json.dumps(coco))
    config = {"role": "eval", "size": (HEIGHT, WIDTH), "min_change": 0, "min_sharpness": 0} | fields
    import_capture(ImportConfig(source=source, store=folder / "store", labels=file, **config))
    frames = EvalFrames(folder / "store")
    return frames.read(range(len(frames)), frames.modalities)


@pytest.fixture
def source(tmp_path):
    return captures.write_images(tmp_path / "walk", walk())


def test_polygons_and_run_lengths_of_images_by_name(source, tmp_path, capsys):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:40, 5:25] = True
    read = _import(
        source,
        _coco(
            ["img_0001.png", "img_0004.png"],
            [
                _annotation(31, 1, 1, _polygon(10, 8, 30, 20)),
                _annotation(32, 1, 7, encode_mask(mask)),
                _annotation(33, 1, 7, _polygon(0, 0, 60, 25)),  # behind the chair, which is smaller
                _annotation(40, 2, 7, encode_mask(~mask), iscrowd=1),
            ],
        ),
        tmp_path,
    )
    np.testing.assert_array_equal(read["rgb"], walk().rgb[[1, 4]])
    chair, bed = class_id("Chair"), class_id("Bed")
    semantic, instance = np.zeros((HEIGHT, WIDTH), int), np.zeros((HEIGHT, WIDTH), int)
    semantic[:25, :60], instance[:25, :60] = bed, 3
    semantic[8:20, 10:30], instance[8:20, 10:30] = chair, 1
    semantic[mask], instance[mask] = bed, 2
    np.testing.assert_array_equal(read["semantic"][0], semantic)
    np.testing.assert_array_equal(read["instance"][0], instance)
    np.testing.assert_array_equal(read["semantic"][1], np.where(mask, 0, bed))
    assert (read["instance"][1] == 0).all()  # a crowd is no one thing
    assert "2 of its 2 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    [
        "img_0002.png",
        "images/img_0002.png",
        "images\\img_0002.png",
        "0e9d1cb3-img_0002.png",
        "a/b-c/img_0002.png",
    ],
)
def test_an_image_is_known_by_its_name_wherever_the_tool_put_it(name, source, tmp_path):
    read = _import(source, _coco([name], [_annotation(1, 1, 1, _polygon(0, 0, 9, 9))]), tmp_path)
    np.testing.assert_array_equal(read["rgb"], walk().rgb[[2]])


def test_frames_of_a_video_are_known_by_number(tmp_path):
    video = captures.write_video(tmp_path / "walk.mp4", walk())
    read = _import(video, _coco(["frame_000003.PNG"], [_annotation(1, 1, 1, _polygon(0, 0, 9, 9))]), tmp_path)
    assert np.abs(read["rgb"][0].astype(int) - walk().rgb[3]).mean() < 8
    assert (read["semantic"][0, :9, :9] == class_id("Chair")).all()


def _mark(i, height, width):
    """A bright spot in an image of that size, and the polygon of it."""
    image = np.zeros((height, width, 3), np.uint8)
    image[6:16, 8 : 20 + i] = 255
    return image, _polygon(8, 6, 20 + i, 16)


@pytest.mark.parametrize("viewer", ["shown", "stored"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_labels_turn_with_an_image_that_exif_turns(orientation, viewer, tmp_path):
    """Drawn on the image as viewers show it or, where the file's size says so, as it is stored."""
    if viewer == "stored" and orientation in (1, 3):
        pytest.skip("both have one size: labels are of what is shown")
    made = dataclasses.replace(walk(), rgb=np.stack([_mark(i, HEIGHT, WIDTH)[0] for i in range(COUNT)]))
    source = captures.write_nerfstudio(tmp_path / "walk", made)
    path = source / "images" / "frame_00002.png"
    image = Image.open(path)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    shown = np.array(Image.open(path))
    stored = shown
    shown = np.rot90(shown, {1: 0, 3: 2, 6: 3, 8: 1}[orientation])
    seen = shown if viewer == "shown" else stored
    mask = encode_mask(seen[..., 0] > 100)
    coco = _coco(["frame_00002.png"], [_annotation(1, 1, 1, mask)], *seen.shape[:2])
    read = _import(source, coco, tmp_path, size=24)
    assert (read["semantic"][0] > 0).sum() > 20
    np.testing.assert_array_equal(read["semantic"][0] > 0, read["rgb"][0, ..., 0] > 127)


def test_labels_are_straightened_as_the_image_is(tmp_path):
    made = dataclasses.replace(walk(), rgb=np.stack([_mark(i, HEIGHT, WIDTH)[0] for i in range(COUNT)]))
    source = captures.write_nerfstudio(tmp_path / "walk", made)
    file = source / "transforms.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"k1": -0.3, "k2": 0.08}))
    coco = _coco(["frame_00000.png"], [_annotation(1, 1, 7, _mark(0, HEIGHT, WIDTH)[1])])
    read = _import(source, coco, tmp_path)
    inside, bright = read["semantic"][0] > 0, read["rgb"][0, ..., 0] > 127
    assert not np.array_equal(inside, made.rgb[0, ..., 0] > 127)
    assert (inside != bright).sum() <= 4


def test_a_table_says_what_a_category_is(source, tmp_path):
    table = tmp_path / "classes.csv"
    table.write_text("name,label\nmeine Liege,Sofa\nHund,nothing\n")
    kinds = [{"id": 0, "name": "meine liege"}, {"id": 5, "name": "Hund"}, {"id": 6, "name": "never drawn"}]
    drawn = [_annotation(1, 1, 0, _polygon(0, 0, 9, 9)), _annotation(2, 1, 5, _polygon(20, 20, 40, 40))]
    read = _import(source, _coco(["img_0000.png"], drawn, categories=kinds), tmp_path, classes=table)
    assert set(np.unique(read["semantic"])) == {0, class_id("Sofa")}


def test_a_box_without_a_mask_is_labelled_where_it_is_asked_for(source, tmp_path):
    drawn = [_annotation(1, 1, 1, [], bbox=[4, 6, 10, 8])]
    coco = _coco(["img_0000.png"], drawn)
    with pytest.raises(ValueError, match=r"annotation 1 of img_0000\.png is a box without a mask: draw"):
        _import(source, coco, tmp_path)
    read = _import(source, coco, tmp_path, boxes=True)
    assert np.argwhere(read["instance"][0]).min(0).tolist() == [6, 4]
    assert (read["instance"][0] > 0).sum() == 80


BROKEN = {
    "no JSON": (lambda c: '{"annotations": [', "is no COCO file of objects .*export it again"),
    "no images": (lambda c: json.dumps({k: v for k, v in c.items() if k != "images"}), "'images'"),
    "an unknown class": (
        lambda c: json.dumps(c | {"categories": [CHAIR | {"name": "spaceship"}]}),
        r"category 'spaceship' is none of our labels .*: give --classes",
    ),
    "a class that is not there": (lambda c: json.dumps(c | {"categories": []}), "is no COCO file of objects"),
    "an unknown image": (
        lambda c: json.dumps(c).replace("img_0000", "img_9999"),
        r"has labels of 1 images that are not the capture's, img_9999\.png the first: import the images",
    ),
    "an annotation of no image": (
        lambda c: json.dumps(c).replace('"image_id": 1', '"image_id": 2'),
        "is no COCO file of objects",
    ),
    "the wrong size": (
        lambda c: json.dumps(c).replace(f'"width": {WIDTH}', '"width": 60'),
        rf"says that img_0000\.png is of 60 x {HEIGHT} pixels; it is of {WIDTH} x {HEIGHT}: label",
    ),
    "two images of one name": (
        lambda c: json.dumps(c | {"images": [*c["images"], c["images"][0] | {"id": 2}]}),
        r"lists two images img_0000\.png",
    ),
    "two annotations of one id": (
        lambda c: json.dumps(c | {"annotations": c["annotations"] * 2}),
        "2 annotations with 1 ids",
    ),
    "a polygon of two corners": (
        lambda c: json.dumps(c).replace(", 9, 9, 0, 9]", "]"),
        r"annotation 1 of img_0000\.png: a polygon has 2 corners",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_a_line_that_names_file_and_fix(name, source, tmp_path):
    spoil, message = BROKEN[name]
    text = spoil(_coco(["img_0000.png"], [_annotation(1, 1, 1, _polygon(0, 0, 9, 9))]))
    file = tmp_path / "instances_default.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"instances_default\.json.*" + message):
        import_capture(ImportConfig(source=source, store=tmp_path / "store", role="eval", labels=file))
    if (tmp_path / "store").exists():
        assert Store.open(tmp_path / "store").parts == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no CSV with columns name and label"),
        ("name,label\nx,Spaceship\n", "'x' is said to be"),
    ],
)
def test_a_broken_table_of_classes_is_refused(text, message, source, tmp_path):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        _import(source, _coco(["img_0000.png"], []), tmp_path, classes=tmp_path / "classes.csv")


def test_a_file_of_labels_is_no_capture_of_pretraining(source, tmp_path):
    with pytest.raises(ValueError, match="frames of role pretrain have no labels"):
        _import(source, _coco(["img_0000.png"], []), tmp_path, role="pretrain")


def test_masks_of_another_implementation_are_read(source, tmp_path):
    other = pytest.importorskip("faster_coco_eval.core.mask")
    mask = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (30, 20), 12, 1, -1)
    runs = other.encode(np.asfortranarray(mask))
    drawn = {"size": list(runs["size"]), "counts": runs["counts"].decode()}
    read = _import(source, _coco(["img_0005.png"], [_annotation(9, 1, 7, drawn)]), tmp_path)
    np.testing.assert_array_equal(read["semantic"][0] > 0, mask > 0)
