"""Checks between views of stores: what a model is evaluated on was never used before, pose or label."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from engine.store.access import Frames
from engine.store.errors import LeakError


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


def _poses_by_house(frames: Frames) -> dict[str, Float[np.ndarray, "_ 4 4"]]:
    """Camera-to-world matrices by digest of the house."""
    poses = frames.read(np.arange(len(frames)), ["pose"])["pose"]
    digests = {s.id: s.house_digest for s in frames.spaces}
    found: dict[str, list[np.ndarray]] = {}
    for space, first, count in frames.runs:
        found.setdefault(digests[space], []).append(poses[first : first + count])
    return {digest: np.concatenate(blocks) for digest, blocks in found.items()}
