"""Images for paintings and screens, drawn from a seed without files."""

from functools import lru_cache

import numpy as np

from scenes.meshes.geometry import Material
from scenes.meshes.mesh_builder import Finish
from scenes.meshes.textures import noise
from scenes.seeding import rng

_PALETTES = (
    ((0.93, 0.78, 0.55), (0.80, 0.42, 0.30), (0.30, 0.38, 0.48), (0.16, 0.20, 0.28), (0.95, 0.92, 0.85)),
    ((0.62, 0.78, 0.86), (0.25, 0.45, 0.58), (0.45, 0.56, 0.35), (0.85, 0.80, 0.62), (0.95, 0.96, 0.95)),
    ((0.85, 0.25, 0.22), (0.95, 0.72, 0.22), (0.18, 0.32, 0.60), (0.10, 0.10, 0.12), (0.94, 0.92, 0.86)),
    ((0.70, 0.62, 0.68), (0.45, 0.36, 0.50), (0.86, 0.74, 0.70), (0.28, 0.25, 0.36), (0.93, 0.90, 0.90)),
)
SIZE = 256
SCREEN_OFF = Material("screen off", (0.045, 0.048, 0.055), switched=True)


@lru_cache(maxsize=64)
def painting(seed: int, aspect: float) -> Finish:
    """A landscape, an abstraction of bars or discs, or a bouquet of strokes."""
    stream = rng(seed, "painting")
    palette = np.array(_PALETTES[int(stream.integers(len(_PALETTES)))])
    draw = (_landscape, _bars, _discs, _strokes)[int(stream.integers(4))]
    image = draw(stream, palette, aspect)
    image = image * (1 + 0.05 * noise(stream, SIZE, 0.6)[..., None])
    return Finish(Material(f"painting {seed}", texture=(np.clip(image, 0, 1) * 255).astype(np.uint8)))


def _landscape(stream: np.random.Generator, palette: np.ndarray, aspect: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = palette[4] + (palette[0] - palette[4]) * y[..., None]
    sun_x, sun_y, r = stream.uniform(0.2, 0.8), stream.uniform(0.15, 0.4), stream.uniform(0.05, 0.1)
    image[np.hypot((x - sun_x) * aspect, y - sun_y) < r] = (1.0, 0.95, 0.8)
    for k in range(4):
        line = 0.4 + 0.14 * k
        for octave in (1, 2, 4, 9):
            line = line + 0.09 / octave * np.sin(
                2 * np.pi * (octave * x * stream.uniform(0.6, 1.2) + stream.random())
            )
        image[y > line] = palette[k % 4] * (0.65 + 0.1 * k)
    return image


def _bars(stream: np.random.Generator, palette: np.ndarray, aspect: float) -> np.ndarray:
    image = np.tile(palette[4], (SIZE, SIZE, 1))

    def split(x0: int, y0: int, x1: int, y1: int, depth: int) -> None:
        if depth == 0 or min(x1 - x0, y1 - y0) < 24:
            image[y0:y1, x0:x1] = palette[int(stream.integers(5))]
            image[y0 : y0 + 3, x0:x1] = image[y0:y1, x0 : x0 + 3] = 0.08
            return
        if (x1 - x0) * aspect > (y1 - y0):
            cut = int(x0 + (x1 - x0) * stream.uniform(0.3, 0.7))
            split(x0, y0, cut, y1, depth - 1)
            split(cut, y0, x1, y1, depth - 1)
        else:
            cut = int(y0 + (y1 - y0) * stream.uniform(0.3, 0.7))
            split(x0, y0, x1, cut, depth - 1)
            split(x0, cut, x1, y1, depth - 1)

    split(0, 0, SIZE, SIZE, 4)
    return image


def _discs(stream: np.random.Generator, palette: np.ndarray, aspect: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.tile(palette[4], (SIZE, SIZE, 1))
    for _ in range(14):
        cx, cy, r = stream.random(), stream.random(), stream.uniform(0.06, 0.28)
        inside = np.hypot((x - cx) * aspect, y - cy) < r
        image[inside] = 0.35 * image[inside] + 0.65 * palette[int(stream.integers(4))]
    return image


def _strokes(stream: np.random.Generator, palette: np.ndarray, aspect: float) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    image = np.tile(palette[1] * 0.8, (SIZE, SIZE, 1)) * (1 + 0.2 * noise(stream, SIZE, 1.6)[..., None])
    for k in range(70):
        a, length = stream.uniform(0, np.pi), stream.uniform(0.03, 0.14)
        cx, cy = stream.normal(0.5, 0.2), stream.normal(0.48, 0.2)
        u = (x - cx) * aspect * np.cos(a) + (y - cy) * np.sin(a)
        v = -(x - cx) * aspect * np.sin(a) + (y - cy) * np.cos(a)
        inside = (np.abs(u) < length) & (np.abs(v) < length * 0.28)
        image[inside] = palette[k % 5] * stream.uniform(0.8, 1.1)
    return image


@lru_cache(maxsize=16)
def newspaper(seed: int, aspect: float) -> Finish:
    """A front page: name, headline, columns of lines around a picture. `aspect` is width over height."""
    stream = rng(seed, "newspaper")
    palette = np.array(_PALETTES[int(stream.integers(len(_PALETTES)))])
    image = np.tile(np.array([0.86, 0.85, 0.81]), (SIZE, SIZE, 1))
    columns = max(2, round(3 * aspect))
    image[10:34, 20:236:] = np.where((np.arange(216) // 12 % 4 != 3)[None, :, None], 0.15, 0.86)
    image[40:42, 8:248] = 0.3
    image[52:64, 12 : int(stream.integers(150, 240))] = 0.2
    for k in range(columns):
        x0, x1 = 10 + 238 * k // columns, 4 + 238 * (k + 1) // columns
        for y in range(74, 246, 6):
            image[y : y + 2, x0 : x1 - int(stream.integers(0, 12))] = 0.45
    x0, wide = 10 + 238 * int(stream.integers(columns - 1)) // columns, 238 * 2 // columns - 6
    photo = _landscape(stream, palette, aspect)[::2, ::2][:84]
    across = np.linspace(0, photo.shape[1] - 1, wide).astype(int)
    image[80:164, x0 : x0 + wide] = photo[:, across].mean(2, keepdims=True) * 0.8 + 0.1
    return Finish(Material(f"newspaper {seed}", texture=(np.clip(image, 0, 1) * 255).astype(np.uint8)))


@lru_cache(maxsize=32)
def broadcast(programme: int) -> Material:
    """What a television shows: a scene in bright colours, a caption below."""
    stream = rng(programme, "broadcast")
    palette = np.array(_PALETTES[programme % len(_PALETTES)])
    draw = (_landscape, _discs, _strokes)[int(stream.integers(3))]
    image = 0.1 + 0.9 * draw(stream, palette, 1.7) * stream.uniform(0.7, 1.0)
    if stream.random() < 0.5:
        image[206:236, 16:240] = palette[int(stream.integers(4))] * 0.6
        image[214:228:6, 28 : int(stream.integers(120, 220))] = 0.95
    texture = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Material(f"programme {programme}", (0.02, 0.02, 0.02), texture, (0.7, 0.74, 0.82), switched=True)


@lru_cache(maxsize=8)
def screen(kind: int) -> Finish:
    """A screen: 0 and 1 are dark, 2 shows a picture, 3 a desktop with windows."""
    if kind in (0, 1):
        return Finish(SCREEN_OFF)
    stream = rng(kind, "screen")
    palette = np.array(_PALETTES[1])
    image = _landscape(stream, palette, 1.6)
    if kind == 3:
        for _ in range(2):
            x0, y0 = (int(v) for v in stream.integers(12, 125, 2))
            image[y0 : y0 + 120, x0 : x0 + 120] = 0.93
            image[y0 : y0 + 10, x0 : x0 + 120] = (0.3, 0.4, 0.55)
            image[y0 + 20 : y0 + 110 : 8, x0 + 8 : x0 + 95] = 0.55
    texture = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return Finish(Material(f"screen {kind}", (0.6, 0.6, 0.6), texture, (0.25, 0.27, 0.31)))
