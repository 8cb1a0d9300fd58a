"""Which room of its house each frame was taken in, by the house's floor plan and the camera's position."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import shapely

from engine.store.access import Frames
from scenes.house.schema import House


def rooms_of(frames: Frames, files: Iterable[Path]) -> list[int]:
    """The number of the room in its house by frame, -1 for a camera that is in none; `files`: the houses,
    each named after its space. Reads poses alone.

    Raises ValueError where a house has no file."""
    plans = {file.stem: file for file in files}
    poses = frames.read(np.arange(len(frames)), ["pose"])["pose"]
    found = np.full(len(frames), -1)
    for space, first, count in frames.runs:
        if space not in plans:
            raise ValueError(f"no floor plan of {space}: batches of rooms need one of every house")
        here = slice(first, first + count)
        # The world is right-handed: z runs against that of the house.
        x, z = poses[here, 0, 3], -poses[here, 2, 3]
        for number, room in enumerate(House.load(plans[space]).rooms):
            found[here][shapely.contains_xy(shapely.Polygon(room.polygon), x, z)] = number
    return found.tolist()
