"""Appearance of surfaces: AI2-THOR's material names, and the finishes of parametric shapes.

AI2-THOR's textures are not free to copy, but their names describe them ("DarkWoodSmooth", "RedBrick",
"Porcelain_Turquoise_Mat"): kind and colour are read from the name, the rest is drawn from a hash of it, so
that a name always looks the same and two names differ.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from scenes.disk_cache import kept_array
from scenes.meshes.geometry import Material
from scenes.meshes.mesh_builder import Finish
from scenes.meshes.textures import TEXTURES, Rgb
from scenes.seeding import rng

# The first row whose word is in the name decides: (words, texture, metres of one repeat, colour if none is
# named).
_KINDS: tuple[tuple[str, str, float, Rgb], ...] = (
    ("drywall", "plaster", 1.5, (0.87, 0.86, 0.83)),
    ("brick", "bricks", 0.9, (0.58, 0.30, 0.23)),
    ("checker|chess", "checker", 1.6, (0.9, 0.89, 0.86)),
    ("subway|walltile", "tiles", 0.8, (0.88, 0.88, 0.86)),
    ("tile|porcelain|ceramic", "tiles", 1.2, (0.82, 0.80, 0.76)),
    ("marble|granite", "marble", 1.5, (0.86, 0.85, 0.83)),
    ("carpet|rug", "carpet", 0.5, (0.55, 0.50, 0.45)),
    ("concrete|cement|stone", "concrete", 2.0, (0.62, 0.61, 0.59)),
    ("wood|plank|oak|parquet|laminate|grain|floor|cabinet|counter", "planks", 1.1, (0.57, 0.43, 0.30)),
    ("fabric|cloth|textile", "fabric", 0.3, (0.6, 0.6, 0.62)),
    ("leather", "leather", 0.4, (0.35, 0.22, 0.15)),
    ("metal|steel|chrome|alumin", "metal", 0.5, (0.72, 0.73, 0.75)),
    ("", "plaster", 1.5, (0.87, 0.86, 0.83)),
)
_COLORS: dict[str, Rgb] = {
    "offwhite": (0.90, 0.88, 0.82),
    "white": (0.93, 0.93, 0.92),
    "black": (0.12, 0.12, 0.13),
    "grey": (0.55, 0.56, 0.57),
    "gray": (0.55, 0.56, 0.57),
    "turquoise": (0.35, 0.66, 0.65),
    "teal": (0.20, 0.50, 0.50),
    "blue": (0.38, 0.50, 0.68),
    "green": (0.48, 0.60, 0.44),
    "yellow": (0.90, 0.80, 0.50),
    "orange": (0.87, 0.58, 0.34),
    "pink": (0.83, 0.62, 0.60),
    "purple": (0.52, 0.42, 0.60),
    "red": (0.58, 0.33, 0.28),
    "sand": (0.80, 0.72, 0.58),
    "tan": (0.76, 0.62, 0.45),
    "beige": (0.84, 0.77, 0.65),
    "cream": (0.93, 0.88, 0.76),
    "brown": (0.42, 0.28, 0.18),
    "cherry": (0.48, 0.22, 0.14),
    "walnut": (0.36, 0.24, 0.16),
    "maple": (0.80, 0.63, 0.43),
    "birch": (0.85, 0.73, 0.55),
    "pine": (0.80, 0.62, 0.40),
    "oak": (0.68, 0.50, 0.31),
}
_WOOD_COLORS: dict[str, Rgb] = {
    "orange": (0.66, 0.46, 0.28),
    "red": (0.48, 0.30, 0.22),
    "white": (0.85, 0.81, 0.74),
    "black": (0.16, 0.13, 0.12),
}


def house_finish(name: str, color: Rgb | None = None) -> Finish:
    """The finish of an AI2-THOR material name, tinted by an sRGB `color` where the house gives one.

    A tint of "PureWhite" is the colour of the paint.
    """
    return _house_finish(name, None if color is None else _rgb(round(float(c), 4) for c in color))


@lru_cache(maxsize=512)
def _house_finish(name: str, tint: Rgb | None) -> Finish:
    tile, image = _house_texture(name, tint is not None)
    return Finish(Material(f"{name} {tint or ''}".strip(), tint or (1.0, 1.0, 1.0), image), tile)


@lru_cache(maxsize=256)
def _house_texture(name: str, tinted: bool) -> tuple[float, np.ndarray]:
    """Metres of one repeat, and the image, in light grey where a tint is to be multiplied with it."""
    kind, tile, base = read_name(name)
    stream = rng(0, "finish", name)
    if tinted:
        base = (0.97, 0.97, 0.96) if kind == "plaster" else (0.9, 0.9, 0.9)
    else:
        base = _rgb(np.clip(c + d, 0.03, 0.98) for c, d in zip(base, stream.normal(0, 0.03, 3), strict=True))
    tile = tile * float(stream.uniform(0.85, 1.2))
    return tile, kept_array(f"finish {name} {tinted}", lambda: TEXTURES[kind](stream, base))


def read_name(name: str) -> tuple[str, float, Rgb]:
    """Texture, metres of one repeat and sRGB colour that a material name speaks of."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    _, kind, tile, base = next(row for row in _KINDS if re.search(row[0], plain))
    # "ceramic", "Redwood" and the like must not be read as colours by accident of their letters.
    words = re.sub("drywall|marble|granite|ceramic", "", plain)
    for word, value in _COLORS.items():
        if word in words:
            base = _WOOD_COLORS.get(word, value) if kind == "planks" else value
            break
    if "dark" in plain:
        base = _rgb(c * 0.58 for c in base)
    elif "light" in plain or "bright" in plain:
        base = _rgb(1 - (1 - c) * 0.62 for c in base)
    return kind, tile, base


def finish(kind: str, color: Rgb, tile_m: float = 0.5, variant: int = 0) -> Finish:
    """A finish for a shape of ours: "plain" is one colour, other kinds are those of
    `scenes/meshes/textures.py`.

    The pattern is drawn in light grey and tinted, so that few textures serve many colours.
    """
    return _finish(kind, _rgb(round(float(c), 3) for c in color), tile_m, variant)


@lru_cache(maxsize=1024)
def _finish(kind: str, color: Rgb, tile_m: float, variant: int) -> Finish:
    name = f"{kind} {color}"
    if kind == "plain":
        return Finish(Material(name, color), tile_m)
    return Finish(Material(name, _rgb(min(1.0, c / _GREY) for c in color), _pattern(kind, variant)), tile_m)


_GREY = 0.9


@lru_cache(maxsize=64)
def _pattern(kind: str, variant: int) -> np.ndarray:
    stream = rng(0, "pattern", kind, variant)
    return kept_array(f"pattern {kind} {variant}", lambda: TEXTURES[kind](stream, (_GREY, _GREY, _GREY)))


@lru_cache(maxsize=64)
def glass(color: Rgb = (0.93, 0.97, 0.96), opacity: float = 0.12) -> Finish:
    """Clear glass; `color` tints what is seen through it."""
    return Finish(Material(f"glass {color}", color, opacity=opacity))


@lru_cache(maxsize=64)
def switched_off(color: Rgb) -> Finish:
    """A shade, bulb or screen that shines while its thing is on (`scenes/meshes/switches.py`)."""
    return Finish(Material(f"switched {color}", color, switched=True))


@lru_cache(maxsize=64)
def glow(color: Rgb, radiance: float) -> Finish:
    """A surface that shines: a lit shade or bulb. `radiance` is linear, on the scale of the house's
    lights."""
    return Finish(
        Material(f"glow {color} {radiance}", color, emission=_rgb(radiance * c**2.2 for c in color))
    )


def _rgb(values: Iterable[float]) -> Rgb:
    r, g, b = (float(v) for v in values)
    return r, g, b
