"""Finishes of a shape, drawn from its asset's own random stream: an asset always looks the same."""

from collections.abc import Sequence

from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import Finish
from scenes.meshes.textures import Rgb
from scenes.seeding import rng

WOODS: tuple[Rgb, ...] = (
    (0.72, 0.53, 0.33),
    (0.55, 0.36, 0.21),
    (0.40, 0.25, 0.15),
    (0.82, 0.68, 0.48),
    (0.29, 0.19, 0.13),
    (0.62, 0.44, 0.27),
    (0.50, 0.26, 0.16),
    (0.87, 0.78, 0.62),
)
FABRICS: tuple[Rgb, ...] = (
    (0.45, 0.47, 0.50),
    (0.72, 0.68, 0.60),
    (0.28, 0.34, 0.44),
    (0.55, 0.28, 0.25),
    (0.42, 0.50, 0.38),
    (0.80, 0.78, 0.73),
    (0.30, 0.29, 0.30),
    (0.70, 0.54, 0.33),
    (0.38, 0.52, 0.58),
    (0.58, 0.46, 0.56),
)
PAINTS: tuple[Rgb, ...] = (
    (0.92, 0.91, 0.88),
    (0.90, 0.90, 0.91),
    (0.16, 0.16, 0.17),
    (0.55, 0.60, 0.62),
    (0.62, 0.69, 0.62),
    (0.83, 0.79, 0.72),
    (0.34, 0.42, 0.50),
)
BRIGHTS: tuple[Rgb, ...] = (
    (0.80, 0.22, 0.18),
    (0.15, 0.42, 0.68),
    (0.92, 0.72, 0.20),
    (0.25, 0.55, 0.32),
    (0.90, 0.45, 0.18),
    (0.90, 0.90, 0.88),
    (0.18, 0.19, 0.21),
    (0.55, 0.33, 0.58),
    (0.30, 0.62, 0.66),
)
STEEL: Rgb = (0.74, 0.75, 0.77)
DARK: Rgb = (0.13, 0.13, 0.14)
WHITE: Rgb = (0.93, 0.93, 0.92)


class FinishSampler:
    """Random finishes and sizes of one asset, drawn from its own stream in the order of the calls."""

    def __init__(self, asset_id: str) -> None:
        self.rng = rng(0, "shape", asset_id)

    def pick(self, choices: Sequence[Rgb], spread: float = 0.03) -> Rgb:
        """One of the colours, a little off."""
        r, g, b = choices[int(self.rng.integers(len(choices)))]
        d = self.rng.normal(0.0, spread, 3)
        return self._within(r + d[0]), self._within(g + d[1]), self._within(b + d[2])

    def one_of(self, *choices: int) -> int:
        """A style by number."""
        return choices[int(self.rng.integers(len(choices)))]

    def uniform(self, low: float, high: float) -> float:
        """A measure."""
        return float(self.rng.uniform(low, high))

    def wood(self) -> Finish:
        """Boards of one tree."""
        return finish("wood", self.pick(WOODS), 0.6, self.one_of(0, 1, 2))

    def body(self) -> Finish:
        """What cabinets are made of: wood more often than paint."""
        return self.wood() if self.rng.random() < 0.65 else self.paint()

    def paint(self) -> Finish:
        """Lacquer."""
        return finish("plain", self.pick(PAINTS))

    def cloth(self) -> Finish:
        """Upholstery: weave, or leather now and then."""
        kind = "leather" if self.rng.random() < 0.2 else "fabric"
        return finish(kind, self.pick(FABRICS), 0.25, self.one_of(0, 1))

    def bright(self) -> Finish:
        """Coloured plastic or glaze."""
        return finish("plain", self.pick(BRIGHTS))

    @staticmethod
    def _within(value: float) -> float:
        return min(max(float(value), 0.04), 0.97)


def steel() -> Finish:
    """Brushed metal."""
    return finish("metal", STEEL, 0.4)


def dark() -> Finish:
    """Black plastic, rubber, iron."""
    return finish("plain", DARK)


def white() -> Finish:
    """Porcelain, enamel."""
    return finish("plain", WHITE)
