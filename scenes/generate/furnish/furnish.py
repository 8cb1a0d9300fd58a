"""Furniture on the floor of a room: against walls, in corners, in the middle, and in groups.

Groups are what makes a room read as a room: chairs face their table, a sofa faces the television, a side
table stands at the head of the bed, a chair at the desk, a lamp beside the armchair.
"""

import numpy as np

from scenes.generate.furnish.groups import at_bed, at_desk, at_table, before_television, beside
from scenes.generate.furnish.placed_pieces import PlacedPieces
from scenes.generate.furnish.room_space import Piece
from scenes.generate.furnish.rules import RULES, Place, candidates, essentials
from scenes.house.asset_table import Asset
from scenes.house.boxes import contains_rect

TRIES = 20  # places tried for one asset
ASSETS = 3  # assets tried for one piece
WALL_GAP = 0.03  # m between furniture and the wall behind it
TURNED = ("HousePlant", "BasketBall", "RoomDecor", "GarbageBag")  # look well at any angle


class Furnisher(PlacedPieces):
    """Furnishes one room; the result is `space.pieces` on the floor and `pieces`, grouped, in order."""

    def furnish(self, counts: dict[str, int]) -> None:
        """Place these numbers of each type, in the order of the rules, where they fit."""
        left = dict(counts)
        for kind in RULES:
            while left.get(kind, 0) > 0:
                left[kind] -= 1
                piece = self.place(kind)
                if piece is None:
                    break
                self._arrange(piece, left)

    def lacks(self, counts: dict[str, int]) -> int:
        """How many kinds of essential furniture are drawn, but found no place."""
        have = {piece.asset.type for piece in self.space.pieces}
        return len(essentials(self.space.type, self.family) & counts.keys() - have)

    def place(self, kind: str) -> Piece | None:
        """Put one of a type somewhere its rule allows, or nowhere."""
        rule = RULES[kind]
        limit = rule.share * self.space.area
        assets = [a for a in candidates(kind, self.family.pool) if a.size[0] * a.size[2] <= limit]
        if not assets:
            return None
        order = self.rng.permutation(len(assets))[:ASSETS].tolist()
        # if none of them fits, the smallest may
        order.append(min(range(len(assets)), key=lambda i: assets[i].size[0] * assets[i].size[2]))
        for index in order:
            for place in rule.places:
                for _ in range(TRIES if place == "wall" else TRIES // 2):
                    piece = self._spot(assets[index], place)
                    if piece is not None and self.space.fits(piece, rule.front):
                        self.put(piece, rule.front)
                        return piece
        return None

    def _arrange(self, piece: Piece, left: dict[str, int]) -> None:
        kind = piece.asset.type
        if kind == "Bed" and left.get("SideTable", 0) > 0:
            left["SideTable"] -= at_bed(self, piece)
        elif kind == "DiningTable" and left.get("Chair", 0) > 0:
            left["Chair"] -= at_table(self, piece, left["Chair"])
        elif kind == "Desk" and left.get("Chair", 0) > 0:
            left["Chair"] -= at_desk(self, piece)
        elif kind == "TVStand":
            for seat in ("Sofa", "ArmChair"):
                if left.get(seat, 0) > 0 and before_television(self, piece, seat, left):
                    left[seat] -= 1
                    break
        elif kind in ("ArmChair", "Sofa") and left.get("FloorLamp", 0) > 0:
            left["FloorLamp"] -= beside(self, piece, "FloorLamp")

    def _spot(self, asset: Asset, place: Place) -> Piece | None:
        if place == "middle":
            return self._middle(asset)
        sides = self.space.sides
        shape = asset.id.split("_")[1] if asset.type == "CounterTop" else ""
        if shape == "Island":
            return self._middle(asset)
        width, depth = asset.size[0], asset.size[2]
        sides = [side for side in sides if side.length - width - 2 * WALL_GAP >= 0]
        if not sides:
            return None
        lengths = np.array([side.length for side in sides])
        side = sides[int(self.rng.choice(len(sides), p=lengths / lengths.sum()))]
        free = side.length - width - 2 * WALL_GAP
        along = width / 2 + WALL_GAP + free * float(self.rng.random())
        if shape == "L":  # its short arm is at its +x end, which is p0's
            along = width / 2 + WALL_GAP
        elif place == "corner":
            near = width / 2 + WALL_GAP
            along = near if self.rng.random() < 0.5 else side.length - near
        (ax, az), (nx, nz) = side.along, side.inward
        off = depth / 2 + WALL_GAP
        x, z, yaw = side.p0[0] + ax * along + nx * off, side.p0[1] + az * along + nz * off, side.yaw
        if asset.type in TURNED:
            # at an angle it is wider: further from the wall by half a diagonal
            extra = np.hypot(width, depth) / 2 - depth / 2
            yaw = float(self.rng.uniform(0, 360))
            x, z = x + nx * extra, z + nz * extra
        return Piece(asset, round(float(x), 4), round(float(z), 4), round(yaw, 2))

    def _middle(self, asset: Asset) -> Piece | None:
        rects = self.space.rects
        weights = np.array([rect.width * rect.depth for rect in rects])
        rect = rects[int(self.rng.choice(len(rects), p=weights / weights.sum()))]
        (x, z), reach = rect.center, 0.3
        x += float(self.rng.uniform(-reach, reach)) * rect.width
        z += float(self.rng.uniform(-reach, reach)) * rect.depth
        yaw = 90.0 * float(self.rng.integers(4))
        piece = Piece(asset, round(x, 4), round(z, 4), yaw)
        clear = [part.grown(0.55) for part in piece.parts()]
        return piece if all(contains_rect(rects, part) for part in clear) else None
