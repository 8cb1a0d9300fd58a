"""Labels of captioning: the maps that a frame's captions are made of, and the captions.

Mirrors and windows are of the image and of the maps alike, and captions are made of the maps behind them: a
mirrored frame's caption says "left of" where the frame itself has "right of", and what a window leaves out is
not told."""

import numpy as np

from training.transfer.task import Arrays, LabelReader, LabelTable
from training.transfer.tasks.captioning.grammar import captions_of
from training.transfer.tasks.captioning.scene import Scene, SceneReader

FRAME = "frame"
"""Of the labels: the index of each frame, int64 [b]."""


class MapReader(LabelReader):
    """What is in the store, and FRAME."""

    reads = ("semantic", "instance", "depth")

    def __call__(self, arrays: Arrays) -> Arrays:
        return {FRAME: arrays["id"], **{name: arrays[name] for name in self.reads}}


class GrammarCaptions:
    """Captions by the grammar: `count` of each frame, drawn by its index and `seed`."""

    def __init__(self, label_table: LabelTable, least_share: float, count: int, seed: int):
        self._scene = SceneReader(label_table, least_share)
        self._count, self._seed = count, seed

    @property
    def names(self) -> list[str]:
        """What objects are called in the label table."""
        return self._scene.names

    def scenes(self, labels: Arrays) -> list[Scene]:
        """The scene of each frame, from what `MapReader` returns."""
        maps = (labels[name] for name in MapReader.reads)
        return [self._scene(*of) for of in zip(*maps, strict=True)]

    def of_scene(self, scene: Scene, frame: int) -> list[str]:
        """The captions of a frame."""
        return captions_of(scene, np.random.default_rng((self._seed, frame)), self._count)

    def captions(self, labels: Arrays) -> list[list[str]]:
        """The captions of each frame."""
        each = zip(self.scenes(labels), labels[FRAME].tolist(), strict=True)
        return [self.of_scene(scene, frame) for scene, frame in each]
