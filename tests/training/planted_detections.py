"""Frames of 480 × 640 pixels with true objects and detections of them: what average precision is tested on.

`python -m tests.training.planted_detections` writes them and what pycocotools makes of them, where that is
installed, to tests/golden/detection/planted.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from training.transfer.objects.instances import Instances
from training.transfer.tasks.detection.average_precision import Found, Frame

GOLDEN = Path(__file__).parents[1] / "golden" / "detection" / "planted.json"
SIZE = (480, 640)
CLASSES = ("bed", "seat", "lamp", "vase")  # there is no vase
STATS = ("map", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar")


def draw() -> list[dict[str, Any]]:
    """Boxes, classes and scores of 24 frames: objects of all sizes, of which some are missed, found twice, a
    little beside or under another class, and detections of nothing."""
    rng = np.random.default_rng(7)
    frames = []
    for _ in range(24):
        true, found = [], []
        for _ in range(rng.integers(0, 7)):
            width, height = np.exp(rng.uniform(np.log(8), np.log(260), 2))
            x, y = rng.uniform(0, 640 - width), rng.uniform(0, 480 - height)
            kind = int(rng.integers(3))
            box = np.array([x, y, x + width, y + height]).round(2)
            true.append([*box.tolist(), kind])
            for _ in range(rng.integers(0, 3)):
                moved = (box + rng.normal(0, 0.07, 4) * [width, height, width, height]).round(2)
                moved = moved.clip(0, [640, 480, 640, 480])
                said = kind if rng.random() < 0.85 else int(rng.integers(3))
                found.append([*moved.tolist(), said, round(float(rng.uniform(0.1, 1)), 4)])
        for _ in range(rng.integers(0, 3)):
            x, y = rng.uniform(0, 500), rng.uniform(0, 400)
            box = [round(v, 2) for v in (x, y, x + 90, y + 60)]
            found.append([*box, int(rng.integers(4)), round(float(rng.uniform(0.05, 0.8)), 4)])
        frames.append({"true": true, "found": found})
    return frames


def ellipses(boxes: np.ndarray) -> np.ndarray:
    """The pixels of an ellipse in each box, bool [n, h, w]."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    x0, y0, x1, y1 = (boxes[:, i, None, None] for i in range(4))
    x, y = (columns - (x0 + x1) / 2) / (x1 - x0), (rows - (y0 + y1) / 2) / (y1 - y0)
    return x**2 + y**2 <= 0.25


def planted(frames: list[dict[str, Any]]) -> list[Frame]:
    """The same as frames; masks are ellipses, and an object's area that of its ellipse."""
    made = []
    for frame in frames:
        true = np.array(frame["true"], dtype=np.float32).reshape(-1, 5)
        found = np.array(frame["found"], dtype=np.float32).reshape(-1, 6)
        masks = ellipses(true[:, :4])
        areas = masks.sum((1, 2))
        objects = Instances(
            true[:, :4], true[:, 4].astype(np.int64), np.arange(len(true)) + 1, areas, areas < 0
        )
        shown = Found(found[:, :4], found[:, 5], found[:, 4].astype(np.int64), ellipses(found[:, :4]))
        made.append(Frame(SIZE, objects, shown, masks))
    return made


def by_pycocotools(frames: list[Frame], kind: str) -> dict[str, float]:
    """What pycocotools says, the nine of `STATS` that are of 100 detections, and `ap/CLASS`."""
    from pycocotools import mask as lengths
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, results = [], []
    for i, frame in enumerate(frames):
        for boxes, kinds, masks, scores in (
            (frame.true.boxes, frame.true.classes, frame.true_masks, None),
            (frame.found.boxes, frame.found.classes, frame.found.masks, frame.found.scores),
        ):
            for n, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
                assert masks is not None
                own: dict[str, Any] = {"image_id": i, "category_id": int(kinds[n])}
                if scores is None or kind == "bbox":
                    own["bbox"] = [x0, y0, x1 - x0, y1 - y0]
                if kind == "segm":
                    own["segmentation"] = lengths.encode(np.asfortranarray(masks[n].astype(np.uint8)))
                if scores is None:
                    area = int(frame.true.areas[n])
                    truth.append(own | {"id": len(truth) + 1, "area": area, "iscrowd": 0})
                else:
                    results.append(own | {"score": float(scores[n])})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": SIZE[0], "width": SIZE[1]} for i in range(len(frames))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(CLASSES)],
        "annotations": truth,
    }
    coco.createIndex()
    scoring = COCOeval(coco, coco.loadRes(results), kind)
    scoring.evaluate()
    scoring.accumulate()
    scoring.summarize()
    found = dict(zip(STATS, scoring.stats[:9].tolist(), strict=True))
    for k, name in enumerate(CLASSES):
        values = scoring.eval["precision"][:, :, k, 0, -1]
        found[f"ap/{name}"] = float(values[values > -1].mean()) if (values > -1).any() else -1.0
    return found


if __name__ == "__main__":
    drawn = draw()
    expected = {kind: by_pycocotools(planted(drawn), kind) for kind in ("bbox", "segm")}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps({"frames": drawn, "pycocotools": expected}) + "\n")
