"""Which source of labels a path is."""

from pathlib import Path

from engine.importers.labels.frame_labels import FrameLabels
from engine.importers.labels.mesh_labels import MeshLabels


def find_labels(path: Path, tolerance_m: float) -> FrameLabels:
    """The labels of a path: an annotated mesh. Raises ValueError for a path that is not there, or is none."""
    if not path.exists():
        raise ValueError(f"there is no file or folder {path} of labels")
    return MeshLabels(path, tolerance_m)
