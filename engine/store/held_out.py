"""Checks between views of stores: what a model is evaluated on was never used before, pose or label.

Evaluation frames that were held out of a capture (`engine/importers/division.py`) carry how far they are from
learned ones, which whoever evaluates them proves again, from the poses of both.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engine.store.access import EvalFrames, Frames, PretrainFrames
from engine.store.apart import Apart, least_alike
from engine.store.errors import LeakError
from engine.store.store import Store


def check_never_labelled(frames: Frames, learned: Iterable[Mapping[str, str]]) -> None:
    """`learned`: id, house_digest and layout_digest of every space whose labels a model was tuned on.

    Raises LeakError if the frames are of one of them, or of one on another day: the score would be of labels
    it has seen.
    """
    known = list(learned)
    ids = {s["id"] for s in known}
    digests = {s[name] for s in known for name in ("house_digest", "layout_digest") if s.get(name)}
    for space in frames.spaces:
        if space.id in ids or space.digests & digests:
            raise LeakError(
                f"space {space.id!r} was labelled in the transfer of this model: evaluate it in another space"
            )


def check_held_out(train: Frames, held_out: Frames) -> float:
    """The least distance [m] between camera positions of the two views in a space that both have.

    Infinite if they share no space. Raises LeakError if any pose occurs in both.
    """
    least = math.inf
    train_poses, held_poses = _poses_by_house(train), _poses_by_house(held_out)
    for digest in train_poses.keys() & held_poses.keys():
        seen, unseen = train_poses[digest], held_poses[digest]
        tree = KDTree(seen[:, :3, 3])
        distance, _ = tree.query(unseen[:, :3, 3])
        for row in np.flatnonzero(distance < 1e-6):
            near = seen[tree.query_ball_point(unseen[row, :3, 3], 1e-6)]
            if (np.abs(near - unseen[row]).max(axis=(1, 2)) < 1e-6).any():
                raise LeakError(
                    f"a held-out pose of house {digest[:12]} at {unseen[row, :3, 3].round(4).tolist()} was "
                    f"seen in role {train.role!r}: collect the held-out frames with another seed"
                )
        least = min(least, float(distance.min()))
    return least


def least_distances(held_out: EvalFrames, learned: Iterable[Frames]) -> dict[str, float]:
    """How far evaluation frames are from those that a model has learned from, for its row.

    `least_distance_to_learned_m`: between positions, where a space is in both. Of frames held out of a
    capture also `least_distance_looking_alike_m`: of cameras whose lines of sight are within the angle that
    was stated; `apart_m`, `apart_degrees`, `apart_seconds`: what was stated; `least_seconds_to_learned`:
    between times; `frames_between`: those dropped for it. What is infinite or not known is left out.

    Raises LeakError for a pose that was seen, or is nearer to a learned one than stated.
    """
    views = list(learned)
    least = min((check_held_out(view, held_out) for view in views), default=math.inf)
    found: dict[str, float | None] = {"least_distance_to_learned_m": least}
    stated = _division(held_out)
    if stated is not None:
        apart = Apart(**{name: stated[name] for name in Apart.model_fields})
        alike = min((_check_apart(view, held_out, apart) for view in views), default=math.inf)
        found |= {
            "least_distance_looking_alike_m": alike,
            "least_seconds_to_learned": stated["least_s"] if least < math.inf else None,
            "apart_m": apart.metres,
            "apart_degrees": apart.degrees,
            "apart_seconds": apart.seconds,
            "frames_between": float(stated["between"]),
        }
    return {name: value for name, value in found.items() if value is not None and value != math.inf}


def learned_beside(held_out: EvalFrames) -> list[Frames]:
    """The frames of pre-training that lie in the same store and have poses, where there are."""
    store = Store.open(held_out.store_path)
    if not any(run.role == PretrainFrames.role for run in store.runs):
        return []
    frames = PretrainFrames(store)
    return [frames] if "pose" in frames.modalities and "pose" in held_out.modalities else []


def _division(frames: EvalFrames) -> dict[str, Any] | None:
    """What was stated when the frames were held out of captures, of all captures together; None: they were
    not. Raises ValueError where captures were divided by different rules."""
    every = [seed for seeds in frames.seeds for seed in seeds if "held_out" in seed]
    found = {repr(seed): seed["held_out"] for seed in every}  # once, however many parts it has
    if not found:
        return None
    rules = {tuple(stated[name] for name in Apart.model_fields) for stated in found.values()}
    if len(rules) > 1:
        raise ValueError(
            f"{frames.store_path} has evaluation frames held out by {len(rules)} rules: import captures that "
            "are evaluated together with the same --apart"
        )
    times = [stated["least_s"] for stated in found.values() if stated["least_s"] is not None]
    between = sum(stated["between"] for stated in found.values())
    return dict(zip(Apart.model_fields, rules.pop(), strict=True)) | {
        "least_s": min(times, default=None),
        "between": between,
    }


def _check_apart(learned: Frames, held_out: Frames, apart: Apart) -> float:
    """The least distance [m] of cameras that look alike, of a house that both have. Raises LeakError."""
    least = math.inf
    learned_poses, held_poses = _poses_by_house(learned), _poses_by_house(held_out)
    for digest in learned_poses.keys() & held_poses.keys():
        alike = least_alike(held_poses[digest], learned_poses[digest], apart.degrees)
        if near := int((alike <= apart.metres).sum()):
            place = held_poses[digest][int(alike.argmin()), :3, 3].round(2).tolist()
            raise LeakError(
                f"{near} of {len(alike)} held-out cameras of house {digest[:12]} are within "
                f"{apart.metres:g} m and {apart.degrees:g} degrees of one that was learned from; the "
                f"nearest, at {place}, {alike.min():.3f} m: divide the capture again (tst import --held-out)"
            )
        least = min(least, float(alike.min()))
    return least


def _poses_by_house(frames: Frames) -> dict[str, Float[np.ndarray, "_ 4 4"]]:
    """Camera-to-world matrices by digest of the house."""
    poses = frames.read(np.arange(len(frames)), ["pose"])["pose"]
    digests = {s.id: s.house_digest for s in frames.spaces}
    found: dict[str, list[np.ndarray]] = {}
    for space, first, count in frames.runs:
        found.setdefault(digests[space], []).append(poses[first : first + count])
    return {digest: np.concatenate(blocks) for digest, blocks in found.items()}
