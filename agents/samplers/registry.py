"""The table of samplers, which choose camera poses: to add one, add a line to `SAMPLERS`.

`sample_views("points", simulator.free_space(), 1000, np.random.default_rng(0))`

A sampler is a function of (space, count, generator, options). `tests/agents/sampler_kit.py` holds what every
sampler must fulfil: views of one generator state are equal, the first views of a longer request are those of
a shorter one, and no camera is inside an object.

| name | where the camera is | which way it looks |
|---|---|---|
| dense | anywhere in the rooms (TST-MM, ICLR 2026) | yaw uniform, within 30° of level, a little roll |
| points | places 0.5 m apart or more (Omnidata) | at points in line of sight; field of view differs |
| walk | along a smooth walk through the rooms, as a video | ahead, looking about |
| ring | as `dense`, within a rectangle of given floor area (TST-MM, appendix I) | as `dense` |
| poses | as a file says | as a file says |
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from pydantic import AfterValidator

from agents.raycast.free_space import FreeSpace
from agents.samplers.dense import dense
from agents.samplers.points import PointsOptions, points
from agents.samplers.poses import PosesOptions, pose_file, poses
from agents.samplers.ring import RingOptions, ring
from agents.samplers.sampling import Views
from agents.samplers.walk import WalkOptions, walk


class SamplerOptions(PosesOptions, WalkOptions, RingOptions, PointsOptions):
    """The options of all samplers; each field says whose it is, and other samplers ignore it."""


@dataclass(frozen=True)
class Sampler:
    """A sampler as the table lists it."""

    draw: Callable[[FreeSpace, int, np.random.Generator, SamplerOptions], Views]
    uses_generator: bool = True  # False: view i is the same however many views are drawn, and with any seed
    view_file: Callable[[SamplerOptions, str], Path] | None = None  # file that a space's views are read from


SAMPLERS: dict[str, Sampler] = {
    "dense": Sampler(dense),
    "points": Sampler(points),
    "walk": Sampler(walk),
    "ring": Sampler(ring),
    "poses": Sampler(poses, uses_generator=False, view_file=pose_file),
}


def known_sampler(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no sampler has it."""
    if name not in SAMPLERS:
        raise ValueError(f"unknown sampler {name!r}; choose from {', '.join(SAMPLERS)}")
    return name


SamplerName = Annotated[str, AfterValidator(known_sampler)]
"""The type of a configuration's field that names a sampler."""


def sample_views(
    sampler: str,
    space: FreeSpace,
    count: int,
    rng: np.random.Generator,
    options: SamplerOptions | None = None,
) -> Views:
    """Draw `count` views with the sampler of that name.

    Raises ValueError for an unknown name, where no free place is found, and for a file of poses that is
    missing, short or wrong.
    """
    if count < 0:
        raise ValueError(f"cannot sample {count} poses")
    return SAMPLERS[known_sampler(sampler)].draw(space, count, rng, options or SamplerOptions())


def sample_poses(
    sampler: str, space: FreeSpace, count: int, rng: np.random.Generator
) -> Float64[np.ndarray, "count 4 4"]:
    """Draw the poses of `sample_views`, for a caller with one field of view for all."""
    return sample_views(sampler, space, count, rng).poses
