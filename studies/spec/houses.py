"""Sets of houses that a run is about."""

from collections.abc import Mapping

from pydantic import Field, model_validator

from agents.samplers.registry import SamplerName
from scenes.config import Config
from scenes.generate.family import load_family
from studies.spec.phone import Phone, check_phone


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

    sampler: SamplerName | None = Field(default=None, exclude_if=lambda sampler: sampler is None)
    """Sampler of the camera poses of frames of all roles; none: the run's for pre-training, dense for other
    roles."""

    phone: Phone | None = Field(default=None, exclude_if=lambda phone: phone is None)
    """Frames of pre-training and of evaluation are of a phone's walk through the one house, at one division;
    `sensing` says their size and the seed of the walk. None: bodies sense the houses."""

    @model_validator(mode="after")
    def _is_sampled_one_way(self) -> "Houses":
        check_phone(self.phone, self.count, (self.area_m2, self.sampler))
        if self.sampler is not None and self.area_m2 is not None:
            raise ValueError("area_m2 is for the sampler ring, and sampler names another: leave one out")
        return self

    def shares_a_house(self, other: "Houses") -> bool:
        """Whether a house is in both sets, on any day."""
        first, last = max(self.seed, other.seed), min(self.seed + self.count, other.seed + other.count)
        return self.family == other.family and first < last

    def shares_assets(self, other: "Houses") -> bool:
        """Whether furniture and materials are drawn from one pool (`scenes/generate/family.py`)."""
        return load_family(self.family).pool == load_family(other.family).pool


def check_rectangles(houses: Mapping[str, Houses], sampler: str) -> None:
    """`houses`: sets that a run is pre-trained in, by name; `sampler`: the run's. Raises ValueError where one
    is a rectangle, which is sampled densely, and the run has another sampler."""
    for name, one in houses.items():
        if one.area_m2 is not None and sampler != "dense":
            raise ValueError(
                f"houses.{name}.area_m2 is for frames that are sampled densely, and sensing.sampler is "
                f"{sampler!r}: leave one of them out"
            )
