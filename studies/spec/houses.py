"""Sets of houses that a run is about."""

from pydantic import Field

from scenes.config import Config
from scenes.generate.family import load_family


class Day(Config):
    """One step of a perturbation (`tst houses perturb`)."""

    seed: int = 0
    """Seed of the changes."""
    strength: float = Field(default=0.5, ge=0, le=1)
    """Share of small objects that move, and how far the light changes (`perturb_house`)."""
    lights: bool = True
    """Lamps, sky and switches."""
    objects: bool = True
    """Small objects."""


class Houses(Config):
    """A set of houses."""

    family: str
    """Distribution the houses are drawn from."""
    seed: int
    """Seed of the first house; the others have the seeds after it."""
    count: int = Field(default=1, ge=1)
    """Number of houses."""
    days: tuple[Day, ...] = ()
    """Perturbations, applied in order: the same houses on a later day."""
    area_m2: float | None = Field(default=None, gt=0)
    """The space is a rectangle of each house with this floor area: frames of all roles are sampled in it
    alone (sampler `ring`); None: the whole house [m²]."""

    def shares_a_house(self, other: "Houses") -> bool:
        """Whether a house is in both sets, on any day."""
        first, last = max(self.seed, other.seed), min(self.seed + self.count, other.seed + other.count)
        return self.family == other.family and first < last

    def shares_assets(self, other: "Houses") -> bool:
        """Whether furniture and materials are drawn from one pool (`scenes/generate/family.py`)."""
        return load_family(self.family).pool == load_family(other.family).pool
