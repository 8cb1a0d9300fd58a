"""The furniture of a room while it is being placed: what stands, and where something may still go."""

import numpy as np

from scenes.generate.family import Family
from scenes.generate.furnish.room_space import Piece, RoomSpace
from scenes.generate.furnish.rules import RULES, candidates
from scenes.house.asset_table import Asset


class PlacedPieces:
    """Furniture of one room: `space.pieces` on the floor, and `pieces`, the leaders of groups, in order."""

    def __init__(self, space: RoomSpace, family: Family, rng: np.random.Generator) -> None:
        self.space, self.family, self.rng = space, family, rng
        self.pieces: list[Piece] = []

    def put(self, piece: Piece, front: float = 0.0) -> None:
        """Add a piece of its own to the room."""
        piece.kinematic = RULES[piece.asset.type].kinematic
        self.space.add(piece, front)
        self.pieces.append(piece)

    def join(self, leader: Piece, piece: Piece, front: float = 0.0) -> None:
        """Add a piece to another one's group."""
        piece.kinematic = RULES[piece.asset.type].kinematic
        self.space.add(piece, front)
        leader.group.append(piece)

    def pick(self, kind: str) -> Asset | None:
        """Any asset of a type."""
        assets = candidates(kind, self.family.pool)
        return assets[int(self.rng.integers(len(assets)))] if assets else None
