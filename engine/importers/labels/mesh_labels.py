"""Labels of a real space by casting rays: the annotated mesh of the space, seen by each frame's camera.

Mesh and capture must have one world, as ScanNet++'s and Replica's have. Where depth was measured, the label
stands only if the mesh is as far as what was measured, within a tolerance: a person who walked by, a chair
that was moved since, a hole in the mesh are not labelled. Where depth was not measured, nothing can be
tested, and the label stands.
"""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from agents.cameras import Cameras
from agents.simulator import make_simulator
from engine.importers.capture import Capture, CapturedFrame
from engine.importers.labels.frame_labels import Labels
from scenes.formats.spaces import facts, load_space

LEAST_AGREEMENT = 0.25
"""Share of measured depths within the tolerance below which mesh and capture are taken to have two worlds."""


class MeshLabels:
    """See `engine/importers/labels/frame_labels.py` for the protocol."""

    def __init__(self, path: Path, tolerance_m: float, device: str = "cpu") -> None:
        """`path`: a space whose things have labels (a Replica folder, a ScanNet++ scene, a labelled scan, a
        house). Raises ValueError for another path, and for a mesh whose faces are of no class."""
        self._path, self._tolerance_m = path, tolerance_m
        space = load_space(path)
        if not any(instance.class_id for instance in space.instances):
            raise ValueError(f"{path} labels none of its surfaces: name a mesh that is annotated")
        self._simulator = make_simulator("raycast", device)
        self._simulator.load(space)
        self.place_digest = facts(space, path).layout_digest or space.digest  # a house on any day
        settings = f"mesh {space.digest} {tolerance_m:g}"
        self.digest = hashlib.sha256(settings.encode()).hexdigest()
        self.note = f"labels of {path.name}, within {tolerance_m:g} m of measured depth"
        self._pixels = self._labelled = self._tested = self._agreed = 0
        self._since = np.zeros(2, np.int64)  # depths tested and agreed since the last check

    def expect(self, capture: Capture) -> None:
        """Raises ValueError for a capture without pose or intrinsics."""
        if not {"pose", "intrinsics"} <= set(capture.modalities):
            raise ValueError(
                f"{self._path} can label frames of known pose and intrinsics alone, and the capture has not "
                "both: import it without --labels"
            )

    def knows(self, frame: CapturedFrame) -> bool:
        """A mesh labels every frame."""
        return True

    def of(self, frame: CapturedFrame, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> Labels:
        """What the frame's camera sees of the mesh, where measured depth does not contradict it."""
        height, width = arrays["rgb"].shape[:2]
        cameras = Cameras(arrays["pose"][None], arrays["intrinsics"][None], height, width)
        seen = self._simulator.render(cameras, ["depth", "semantic", "instance"])
        semantic, instance = seen["semantic"][0], seen["instance"][0]
        keep = semantic > 0
        if "depth" in arrays:
            measured = arrays["depth"].astype(np.int64)
            off = np.abs(measured - seen["depth"][0]) > self._tolerance_m * 1000
            tested = measured > 0
            keep &= ~(tested & off)
            self._since += int(tested.sum()), int((tested & ~off).sum())
        self._pixels += keep.size
        self._labelled += int(keep.sum())
        return {
            "semantic": np.where(keep, semantic, 0).astype(np.uint8),
            "instance": np.where(keep, instance, 0).astype(np.uint16),
        }

    def check(self) -> None:
        """Raises ValueError where hardly any measured depth is that of the mesh."""
        tested, agreed = self._since.tolist()
        self._since[:] = 0
        self._tested, self._agreed = self._tested + tested, self._agreed + agreed
        if tested and agreed < LEAST_AGREEMENT * tested:
            raise ValueError(
                f"{self._path}: of {tested} measured depths {agreed / tested:.0%} lie within "
                f"{self._tolerance_m:g} m of the mesh: mesh and capture are not of one world (poses, units), "
                "or not of one place: name the mesh that the capture was registered to"
            )

    def summary(self) -> str:
        """Shares of pixels that are labelled, and of depths that agree."""
        share = self._labelled / max(self._pixels, 1)
        text = f"labels of {self._path}: {share:.1%} of pixels"
        if not self._tested:
            return f"{text}; no depth was measured that could contradict them"
        return (
            f"{text}; {self._agreed / self._tested:.1%} of {self._tested} measured depths are within "
            f"{self._tolerance_m:g} m of the mesh, the others are not labelled"
        )
