"""Which source of labels a path is."""

from pathlib import Path

from engine.importers.labels.coco_labels import CocoLabels, is_coco
from engine.importers.labels.frame_labels import FrameLabels, LabelOptions
from engine.importers.labels.mesh_labels import MeshLabels


def find_labels(path: Path, options: LabelOptions) -> FrameLabels:
    """The labels of a path: a COCO file, or an annotated mesh. Raises ValueError for a path that is not there
    or is neither."""
    if not path.exists():
        raise ValueError(f"there is no file or folder {path} of labels")
    if is_coco(path):
        return CocoLabels(path, options.classes, options.boxes)
    return MeshLabels(path, options.tolerance_m)
