"""Procedural textures: uint8 [n, n, 3] sRGB images that tile, each a pure function of its generator.

Noise is shaped in the Fourier domain, which makes it periodic by construction; patterns repeat a whole number
of times.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, UInt8

Rgb = tuple[float, float, float]
SIZE = 256  # pixels of one repeat


def noise(
    rng: np.random.Generator, size: int = SIZE, power: float = 1.5, stretch: tuple[float, float] = (1, 1)
) -> Float64[np.ndarray, "size size"]:
    """Periodic noise, mean 0, deviation 1, amplitude falling as frequency^-power.

    `stretch` (vertical, horizontal) above 1 draws features out along that axis.
    """
    fy, fx = np.fft.fftfreq(size)[:, None] * size, np.fft.rfftfreq(size)[None] * size
    radius = np.hypot(fy * stretch[0], fx * stretch[1])
    amplitude = np.where(radius > 0, np.maximum(radius, 1.0) ** -power, 0.0)
    spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (field - field.mean()) / field.std()


def _image(color: Rgb | np.ndarray, shade: np.ndarray) -> np.ndarray:
    """Colour times brightness; `shade` is 1 where the colour is as given."""
    return np.clip(np.asarray(color) * shade[..., None] * 255 + 0.5, 0, 255).astype(np.uint8)


def _cells(size: int, rows: int, columns: int, offset: np.ndarray | float = 0.0) -> tuple[np.ndarray, ...]:
    """Row and column number of every pixel, and its place inside the cell, each in [0, 1)."""
    y, x = (np.arange(size) + 0.5) / size * rows, (np.arange(size) + 0.5) / size * columns
    row = np.floor(y).astype(int)
    shift = np.broadcast_to(np.asarray(offset, float), (rows,))[row]
    along = (x[None] + shift[:, None]) % columns
    column = np.floor(along).astype(int)
    return (
        np.broadcast_to(row[:, None], column.shape),
        column,
        np.broadcast_to((y % 1)[:, None], column.shape),
        along % 1,
    )


def _edge(place: np.ndarray, width: float) -> np.ndarray:
    """1 inside a cell, falling to 0 within `width` of its border."""
    return np.clip(np.minimum(place, 1 - place) / width, 0, 1)


def wood(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """One board without joints: for furniture. The grain runs along u."""
    warp = noise(rng, power=2.0, stretch=(1, 3))
    y = np.arange(SIZE)[:, None] / SIZE
    rings = np.sin(2 * np.pi * (7 * y + 0.45 * warp))
    pores = noise(rng, power=0.9, stretch=(0.6, 12))
    return _image(color, 1 + 0.055 * rings + 0.045 * pores + 0.03 * warp)


def planks(
    rng: np.random.Generator, color: Rgb, rows: int = 8, columns: int = 1
) -> UInt8[np.ndarray, "n n 3"]:
    """A floor of boards with staggered joints."""
    row, column, across, along = _cells(SIZE * 2, rows, columns, rng.random(rows))
    tone = (1 + 0.11 * rng.standard_normal((rows, columns)))[row, column]
    shift = rng.integers(0, SIZE * 2, (rows, columns))[row, column]
    grain = noise(rng, SIZE * 2, 1.0, (0.5, 10)) * 0.055 + noise(rng, SIZE * 2, 1.8, (1, 4)) * 0.05
    y, x = np.mgrid[: SIZE * 2, : SIZE * 2]
    grain = grain[y, (x + shift) % (SIZE * 2)]
    gap = 0.45 + 0.55 * _edge(across, 0.045) * _edge(along, 0.004)
    return _image(color, (tone + grain) * gap)


def tiles(
    rng: np.random.Generator, color: Rgb, count: int = 4, veins: float = 0.0
) -> UInt8[np.ndarray, "n n 3"]:
    """Square tiles with grout; `veins` above 0 makes them stone."""
    row, column, across, along = _cells(SIZE, count, count)
    tone = (1 + 0.035 * rng.standard_normal((count, count)))[row, column]
    shade = tone + 0.02 * noise(rng, power=1.2)
    if veins:
        shade = shade + veins * _veins(rng)
    inside = (_edge(across, 0.05) * _edge(along, 0.05))[..., None] ** 0.5
    grout = np.asarray(color) * 0.45 + 0.3
    body = np.asarray(color) * shade[..., None]
    return np.clip((body * inside + grout * (1 - inside)) * 255, 0, 255).astype(np.uint8)


def checker(rng: np.random.Generator, color: Rgb, count: int = 4) -> UInt8[np.ndarray, "n n 3"]:
    """Tiles in two tones by turns."""
    row, column, *_ = _cells(SIZE, count, count)
    image = tiles(rng, color, count).astype(float)
    dark = ((row + column) % 2)[..., None]
    return np.clip(image * np.where(dark == 1, 0.35, 1.0), 0, 255).astype(np.uint8)


def bricks(rng: np.random.Generator, color: Rgb, rows: int = 12) -> UInt8[np.ndarray, "n n 3"]:
    """Running bond with mortar."""
    columns = rows // 3
    row, column, across, along = _cells(SIZE, rows, columns, np.arange(rows) % 2 * 0.5)
    tone = (1 + 0.13 * rng.standard_normal((rows, columns)))[row, column] + 0.08 * noise(rng, power=0.8)
    inside = (np.minimum(_edge(across, 0.12), _edge(along, 0.04)))[..., None]
    body = np.asarray(color) * tone[..., None]
    return np.clip((body * inside + 0.68 * (1 - inside)) * 255, 0, 255).astype(np.uint8)


def _veins(rng: np.random.Generator) -> np.ndarray:
    warp = noise(rng, power=1.9)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    lines = np.abs(np.sin(np.pi * (2 * x + 2 * y + 1.3 * warp)))
    return -np.exp(-lines * 9) * (0.6 + 0.4 * np.clip(noise(rng, power=1.5), -1, 1)) + 0.12 * warp


def marble(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Polished stone with veins."""
    return _image(color, 0.97 + 0.3 * _veins(rng) + 0.015 * noise(rng, power=0.6))


def granite(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Speckled stone."""
    speck = noise(rng, power=0.35)
    return _image(color, 1 + 0.13 * speck + 0.25 * (speck > 1.6) - 0.25 * (speck < -1.6))


def carpet(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Short pile."""
    return _image(color, 0.95 + 0.15 * noise(rng, power=0.25) + 0.05 * noise(rng, power=1.6))


def concrete(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Cast, with clouds and pores."""
    pores = noise(rng, power=0.5)
    return _image(color, 1 + 0.06 * noise(rng, power=1.7) + 0.03 * pores - 0.2 * (pores > 2.7))


def plaster(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """A painted wall: almost even, the roller's grain on it."""
    return _image(color, 0.985 + 0.012 * noise(rng, power=0.5) + 0.01 * noise(rng, power=1.8))


def fabric(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """A plain weave."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE * 2 * np.pi
    threads = np.sin(48 * x) * np.sin(48 * y)
    return _image(color, 0.96 + 0.07 * threads + 0.05 * noise(rng, power=0.5) + 0.03 * noise(rng, power=1.6))


def stripes(
    rng: np.random.Generator, color: Rgb, other: Rgb = (0.95, 0.94, 0.9), count: int = 6
) -> UInt8[np.ndarray, "n n 3"]:
    """Woven stripes of two colours along v."""
    band = (np.arange(SIZE) * count * 2 // SIZE) % 2
    body = np.where(band[None, :, None] == 1, np.asarray(color), np.asarray(other))
    return _image(np.broadcast_to(body, (SIZE, SIZE, 3)), 0.97 + 0.05 * noise(rng, power=0.4))


def leather(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Fine wrinkles."""
    wrinkles = np.abs(noise(rng, power=1.0))
    return _image(color, 1.0 - 0.09 * np.exp(-wrinkles * 5) + 0.035 * noise(rng, power=1.5))


def metal(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Brushed along u."""
    return _image(color, 0.98 + 0.025 * noise(rng, power=0.5, stretch=(0.4, 25)))


def leaf(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Plant matter: blotches of two greens."""
    return _image(color, 1 + 0.16 * noise(rng, power=1.2) + 0.08 * noise(rng, power=0.5))


def skin(rng: np.random.Generator, color: Rgb) -> UInt8[np.ndarray, "n n 3"]:
    """Fruit, bread, clay: soft spots."""
    return _image(color, 0.98 + 0.06 * noise(rng, power=1.5) + 0.03 * noise(rng, power=0.4))


TEXTURES: dict[str, Callable[[np.random.Generator, Rgb], np.ndarray]] = {
    f.__name__: f
    for f in (
        wood,
        planks,
        tiles,
        checker,
        bricks,
        marble,
        granite,
        carpet,
        concrete,
        plaster,
        fabric,
        stripes,
        leather,
        metal,
        leaf,
        skin,
    )
}
