"""COCO JSON of the objects in a store's frames: written from labels, and read back.

Labels are read through the guarded views of engine/store/access.py, so frames for pre-training give none."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt16

from engine.coco_masks import decode_mask, encode_mask
from engine.store.access import Frames
from engine.store.manifest import write_atomically
from scenes.config import Config
from training.transfer.objects.instances import Instances, instances_of, object_classes

AT_ONCE = 64  # frames read together


class CocoConfig(Config):
    """Which objects go into a COCO file."""

    least_area: int = 16
    """Visible pixels that an object must have at least."""
    fine: bool = False
    """Classes are the label table's names and not its groups."""


def coco_of(frames: Frames, config: CocoConfig) -> dict[str, Any]:
    """The objects of all frames in COCO's format. Image ids are the frames' indices; category ids count from
    1.

    Each annotation also has `instance`, the object's id in its space, and `cut`. Raises LeakError for a view
    that shows no labels, MissingModalityError for a store without instances."""
    names, table = object_classes(frames.labels, fine=config.fine)
    height, width = frames.frame_shape("instance")
    images, annotations = [], []
    for image, instance, found in _objects(frames, table, config.least_area):
        (space,) = frames.space_of([image])
        images.append(
            {"id": image, "width": width, "height": height, "file_name": f"{image}", "space": space}
        )
        for n, mask in enumerate(found.masks(instance)):
            x0, y0, x1, y1 = found.boxes[n].tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(found.classes[n]) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": int(found.areas[n]),
                    "iscrowd": 0,
                    "segmentation": encode_mask(mask),
                    "instance": int(found.ids[n]),
                    "cut": bool(found.cut[n]),
                }
            )
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _objects(
    frames: Frames, table: Int64[np.ndarray, "256"], least_area: int
) -> Iterator[tuple[int, UInt16[np.ndarray, "h w"], Instances]]:
    for first in range(0, len(frames), AT_ONCE):
        ids = range(first, min(first + AT_ONCE, len(frames)))
        arrays = frames.read(ids, ["semantic", "instance"])
        for i, semantic, instance in zip(ids, arrays["semantic"], arrays["instance"], strict=True):
            yield i, instance, instances_of(semantic, instance, table, least_area)


def write_coco(path: Path, coco: dict[str, Any]) -> None:
    """Write what `coco_of` returned as JSON."""
    write_atomically(path, json.dumps(coco).encode())


@dataclass(frozen=True)
class CocoImage:
    """An image of a COCO file, its objects, and their visible pixels. `Instances.ids` are those of the
    annotations' `instance`, or where a file has none of the annotations."""

    id: int
    instances: Instances
    masks: Bool[np.ndarray, "n h w"]


def read_coco(path: Path) -> tuple[list[str], list[CocoImage]]:
    """Names of the classes, and the images in the file's order. Groups of objects (`iscrowd`) are left out.

    Raises ValueError, naming the file, for what is no COCO file, and for masks of another size."""
    try:
        coco = json.loads(path.read_text())
        names = [category["name"] for category in coco["categories"]]
        numbers = {category["id"]: i for i, category in enumerate(coco["categories"])}
        of_image: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in coco["images"]}
        for annotation in coco["annotations"]:
            if not annotation.get("iscrowd", 0):
                of_image[annotation["image_id"]].append(annotation)
        images = [_read_image(image, of_image[image["id"]], numbers) for image in coco["images"]]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no COCO file of objects: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return names, images


def _read_image(image: dict[str, Any], listed: list[dict[str, Any]], numbers: dict[int, int]) -> CocoImage:
    size = np.array([image["width"], image["height"]], dtype=np.float32)
    corners = np.array([a["bbox"] for a in listed], dtype=np.float32).reshape(-1, 4)
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
    instances = Instances(
        boxes,
        np.array([numbers[a["category_id"]] for a in listed], dtype=np.int64),
        np.array([a.get("instance", a["id"]) for a in listed], dtype=np.int64),
        np.array([round(a["area"]) for a in listed], dtype=np.int64),
        np.asarray(((boxes[:, :2] <= 0) | (boxes[:, 2:] >= size)).any(axis=1)),
    )
    shape = (image["height"], image["width"])
    masks = [decode_mask(a["segmentation"], *shape) for a in listed]
    return CocoImage(image["id"], instances, np.stack(masks) if masks else np.zeros((0, *shape), dtype=bool))
