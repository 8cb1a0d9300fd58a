"""Houses: a set of them as JSON files, in `<folder>/houses`, on the last of their days."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

from PIL import Image
from pydantic import Field

from scenes.generate.family import Family, load_family
from scenes.generate.generate import GENERATOR, generate_house
from scenes.generate.perturb.perturb import perturb_house
from scenes.house.schema import House
from scenes.plan import draw_plan
from studies.run.drawing import Drawing, Picture, StageRecord
from studies.run.stage import Stage, changed
from studies.spec.config import MachineConfig
from studies.spec.houses import Houses

SECTION = "The houses it is evaluated in"


class HousesStage(Stage):
    """House JSON files of one set of houses."""

    kind = "houses"
    rank = 0
    unit = "houses"

    name: str = Field(exclude=True)
    """Name of the set in its study."""
    houses: Houses
    """Which houses."""
    generator: int = GENERATOR
    """Version of the generator."""
    distribution: Family
    """What the family was when the stage was planned."""

    @classmethod
    def of(cls, name: str, houses: Houses) -> Self:
        """The stage of a set of houses; all of a house is made, whatever `area_m2`, `sampler` and `phone` say
        of its frames.

        Raises ValueError for a family that there is not.
        """
        whole = changed(houses, area_m2=None, sampler=None, phone=None)
        return cls(name=name, houses=whole, distribution=load_family(houses.family))

    @property
    def label(self) -> str:
        days = f", day {len(self.houses.days)}" if self.houses.days else ""
        return f"houses {self.name}: {self.houses.count} of {self.houses.family}{days}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        folder = self.folder(root) / "houses"
        folder.mkdir(exist_ok=True)
        digests = []
        for seed in range(self.houses.seed, self.houses.seed + self.houses.count):
            house = generate_house(seed, self.houses.family)
            for day in self.houses.days:
                house = perturb_house(house, day.seed, day.strength, day.lights, day.objects)
            house.save(folder / f"{house.space_id}.json")
            digests.append(house.digest())
        return {"houses": self.houses.count, "digests": digests}

    def files(self, root: Path) -> list[Path]:
        """The JSON files of the finished stage, sorted by name."""
        return sorted((self.folder(root) / "houses").glob("*.json"))

    @property
    def units(self) -> int:
        return self.houses.count

    @property
    def cost_settings(self) -> dict[str, Any]:
        return {"family": self.houses.family, "days": len(self.houses.days)}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"houses": self.houses.model_copy(update={"count": 1})}

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        if record.evaluation_sets & set(record.label.partition(":")[0].split()):
            for file in sorted((record.folder / "houses").glob("*.json")):
                yield Picture(SECTION, file.stem, partial(_plan, file), width=480)


def _plan(file: Path) -> Image.Image:
    return draw_plan(House.load(file), 700)
