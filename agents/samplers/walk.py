"""The sampler `walk`: a body's camera on a smooth walk through all rooms, as a video would have it.

Tour after tour: each goes to some places of every room, nearest first and room by room, along the shortest
way that a body of 0.2 m can take. Floor that cannot be reached on foot is walked by itself: there the video
has a cut. A frame is taken every `step_m`; the camera looks where it goes, and about.
"""

import numpy as np
from jaxtyping import Float
from pydantic import Field
from scipy.ndimage import gaussian_filter1d

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.floor_cells import CELL, FloorCells, floor_cells
from agents.samplers.sampling import Views, check_floor, good_places, no_place
from scenes.config import Config

BODY = 0.2
"""Radius of a body, and least distance of its camera from any surface [m]."""
_HIPS = (0.3, 0.8)  # metres above the floor, where the body needs its room besides at the eyes
_ISLAND = 1.0  # m²; smaller pieces of floor are not worth a walk of their own
_PLACES_EVERY = 4.0  # m² of free floor for each place to go to
_FINE = 0.02  # m between the points of a way while it is made smooth
_ROUNDS = 400  # of smoothing, each of which moves a point halfway to the middle of its neighbours
_TURN = 0.8  # m of way over which the camera turns
_ABOUT = (np.radians(35.0), np.radians(8.0), np.radians(2.0))  # most of yaw, pitch, roll that swing
_DOWN = np.radians(-5.0)


class WalkOptions(Config):
    """Options of the sampler `walk`."""

    step_m: float = Field(default=0.1, gt=0.005, le=1)
    """walk: distance between two frames [m]."""
    eyes_m: float = Field(default=1.45, gt=0.2)
    """walk: height of the camera above the floor [m]."""


def walk(space: FreeSpace, count: int, rng: np.random.Generator, options: WalkOptions) -> Views:
    """Frames of a walk; ValueError where nothing is wide enough for a body."""
    check_floor(space)
    lowest = min(r.ceiling_y - r.floor_y for r in space.floor)
    eyes = min(options.eyes_m, 0.75 * lowest)
    # Between the middles of two cells that touch, the eyes come nearer to things than at either.
    heights = [(h, BODY) for h in _HIPS if h < eyes - 0.1] + [(eyes, BODY + 0.75 * CELL)]
    cells = floor_cells(space, heights, every=True)
    islands = cells.islands() if len(cells) else np.zeros(0, int)
    sizes = np.bincount(islands)
    walked = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] * CELL**2 >= _ISLAND]
    walked = walked or list(np.argsort(-sizes, kind="stable")[:1])
    if not walked and count:
        raise no_place(space, len(cells) + 1)
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
    """Cells one after another on a round through the rooms of an island, and the last of them."""
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
    """A finer, rounder way between the same ends; a point that would come too near to something stays."""
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
        if k % 10 == 9:  # the way between two checks is too short to cross anything
            good = good_places(space, trial, BODY)
            good[[0, -1]] = True
            stuck |= ~good
            trial[~good] = kept[~good]
            kept = trial
        line = trial
    return kept


def _resampled(line: Float[np.ndarray, "n 3"], step: float) -> Float[np.ndarray, "m 3"]:
    """Points every `step` [m] along a line; its first always, its last to within a step."""
    along = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    at = np.arange(0.0, along[-1] + 1e-9, step)
    return np.stack([np.interp(at, along, line[:, k]) for k in range(3)], axis=1)


def _frames(
    line: np.ndarray, step: float, from_yaw: float | None, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Poses every `step` along a line, turning on from a yaw where there is one, and the last yaw."""
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
    for most in _ABOUT:  # three slow waves each, of 6 to 15 m of way
        waves = rng.uniform(2 * np.pi / 15, 2 * np.pi / 6, 3)
        phases = rng.uniform(0, 2 * np.pi, 3)
        swing.append(most / 3 * np.sin(np.outer(length, waves) + phases).sum(1))
    yaw = course + swing[0]
    if from_yaw is not None:
        off = np.remainder(from_yaw - yaw[0] + np.pi, 2 * np.pi) - np.pi
        fade = np.clip(1 - length / (3 * _TURN), 0.0, 1.0)
        yaw = yaw + off * fade * fade * (3 - 2 * fade)
    return look_pose(places, yaw, _DOWN + swing[1], swing[2]), float(yaw[-1])
