"""The sampler `walk`: a camera on a smooth walk through all rooms, as in a video.

The walk consists of tours. A tour visits some points of every room, the closest first and room by room, along
shortest paths for a body of radius 0.2 m. Floor that is not connected has tours of its own, between which the
video has a cut. A frame is taken every `step_m`; the camera looks ahead, swinging slowly to the sides.
"""

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.ndimage import gaussian_filter1d

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.floor_cells import CELL, FloorCells, floor_cells
from agents.samplers.sampling import Views, check_floor, free_places, no_free_place
from scenes.config import Config

BODY = 0.2
"""Radius of the body, and smallest distance of its camera from any surface [m]."""
_HIPS = (0.3, 0.8)  # heights above the floor at which the body must be clear, besides that of the eyes [m]
_ISLAND = 1.0  # smallest component of the floor that has tours of its own [m²]
_PLACES_EVERY = 4.0  # free floor per point to visit [m²]
_FINE = 0.02  # distance between the points of a path while it is smoothed [m]
_ROUNDS = 400  # of smoothing, each of which moves a point halfway to the mean of its neighbours
_TURN = 0.8  # standard deviation of the smoothing of yaw [m of path]
_ABOUT = (np.radians(35.0), np.radians(8.0), np.radians(2.0))  # largest swing of yaw, pitch, roll
_DOWN = np.radians(-5.0)  # mean pitch


class WalkOptions(Config):
    """Options of the sampler `walk`."""

    step_m: float = Field(default=0.1, gt=0.005, le=1)
    """walk: distance between two frames [m]."""
    eyes_m: float = Field(default=1.45, gt=0.2)
    """walk: height of the camera above the floor [m]."""


def walk(space: FreeSpace, count: int, rng: np.random.Generator, options: WalkOptions) -> Views:
    """Draw the first `count` frames. Raises ValueError where no floor is wide enough for the body."""
    check_floor(space)
    lowest = min(r.ceiling_y - r.floor_y for r in space.floor)
    eyes = min(options.eyes_m, 0.75 * lowest)
    # Between two cell centres the eyes come closer to surfaces than at either.
    heights = [(h, BODY) for h in _HIPS if h < eyes - 0.1] + [(eyes, BODY + 0.75 * CELL)]
    cells = floor_cells(space, heights, every=True)
    islands = cells.islands() if len(cells) else np.zeros(0, int)
    sizes = np.bincount(islands)
    walked = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] * CELL**2 >= _ISLAND]
    walked = walked or list(np.argsort(-sizes, kind="stable")[:1])
    if not walked and count:
        raise no_free_place(space, len(cells) + 1)
    frames = [np.zeros((0, 4, 4))]
    end: dict[int, tuple[int, float]] = {}  # of the last tour of an island: cell and yaw
    found = 0
    while found < count:
        for island in walked:
            here = np.flatnonzero(islands == island)
            start, yaw = end.get(int(island), (int(here[rng.integers(len(here))]), None))
            way, last = _tour(cells, here, start, rng)
            line = _smooth(space, cells.places[way] + (0.0, eyes, 0.0))
            poses, last_yaw = _frames(line, options.step_m, yaw, rng)
            end[int(island)] = last, last_yaw
            frames.append(poses)
            found += len(poses)
    return Views(np.concatenate(frames)[:count])


def _tour(cells: FloorCells, here: np.ndarray, start: int, rng: np.random.Generator) -> tuple[list[int], int]:
    """Cells of a tour through the rooms of a component, and the last of them."""
    targets: list[int] = []
    for room in np.unique(cells.rooms[here]):
        floor = here[cells.rooms[here] == room]
        places = max(1, round(len(floor) * CELL**2 / _PLACES_EVERY))
        targets += rng.choice(floor, min(places, len(floor)), replace=False).tolist()
    at, path, left = start, [start], np.array(targets)
    while len(left):
        way, before = cells.ways_from(at)
        same = left[cells.rooms[left] == cells.rooms[at]]
        pool = same if len(same) else left
        goal = int(pool[np.argmin(way[pool])])
        leg = [goal]
        while leg[-1] != at:
            leg.append(int(before[leg[-1]]))
        path += leg[-2::-1]
        left = left[left != goal]
        at = goal
    return path, at


def _smooth(space: FreeSpace, corners: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    """Resample and smooth a path; its ends, and points that would come too close to a surface, stay."""
    line = _resampled(corners, _FINE)
    if len(line) < 3:
        return line
    kept = line
    stuck = np.zeros(len(line), bool)
    stuck[[0, -1]] = True
    for k in range(_ROUNDS):
        middle = 0.5 * line
        middle[1:-1] += 0.25 * (line[:-2] + line[2:])
        trial = np.where(stuck[:, None], line, middle)
        if k % 10 == 9:  # ten rounds move a point too little to cross a surface
            good = free_places(space, trial, BODY)
            good[[0, -1]] = True
            stuck |= ~good
            trial[~good] = kept[~good]
            kept = trial
        line = trial
    return kept


def _resampled(line: Float[np.ndarray, "n 3"], step: float) -> Float[np.ndarray, "m 3"]:
    """Points every `step` [m] along a path, from its first point."""
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    at = np.arange(0.0, along[-1] + 1e-9, step)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(3)], axis=1)


def _frames(
    line: np.ndarray, step: float, from_yaw: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Poses every `step` [m] along a path, and the last yaw; the first blends from `from_yaw` where given."""
    places = _resampled(line, step)
    n = len(places)
    length = np.arange(n) * step
    if n > 1:
        ahead = np.diff(places[:, [0, 2]], axis=0)
        ahead = np.concatenate([ahead, ahead[-1:]])
        course = np.unwrap(np.arctan2(-ahead[:, 0], -ahead[:, 1]))
    else:
        course = np.zeros(n)
    course = gaussian_filter1d(course, _TURN / step, mode="nearest")
    swing = []
    for most in _ABOUT:  # three waves each, of wavelength 6 to 15 m
        waves = rng.uniform(2 * np.pi / 15, 2 * np.pi / 6, 3)
        phases = rng.uniform(0, 2 * np.pi, 3)
        swing.append(most / 3 * np.sin(np.outer(length, waves) + phases).sum(1))
    yaw = course + swing[0]
    if from_yaw is not None:
        off = np.remainder(from_yaw - yaw[0] + np.pi, 2 * np.pi) - np.pi
        fade = np.clip(1 - length / (3 * _TURN), 0.0, 1.0)
        yaw = yaw + off * fade * fade * (3 - 2 * fade)
    return look_pose(places, yaw, _DOWN + swing[1], swing[2]), float(yaw[-1])
