"""Small objects on furniture: number and types per receptacle follow ProcTHOR's statistics."""

import math
from bisect import bisect
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

import numpy as np

from scenes.generate.family import Family
from scenes.generate.furnish.room_space import Piece, RoomSpace
from scenes.generate.furnish.rules import FLOOR_PLANT
from scenes.generate.random_numbers import one_of, uniform
from scenes.generate.statistics.statistics import recorded
from scenes.house.asset_table import Asset, Pool, assets_of_type
from scenes.house.boxes import Box, Rect, footprint
from scenes.house.surfaces import NOT_IN_DRAWERS, Surface, surface, surfaces

GAP = 0.01  # m between small things
HOUSE_SPREAD = 0.33  # standard deviation of the logarithm of how much lies about in a house
OTHERS = 5  # things drawn instead of one that finds no place
PLACES = 16  # places tried for one thing
LITTLE = 0.15  # m; larger things lie more or less square to the furniture
TALLEST = 0.6  # m; taller things stand on the floor
LOOKS_OUT = ("Laptop", "Television", "CoffeeMachine", "Microwave", "Toaster", "AlarmClock", "TeddyBear")
SQUARE = ("Box", "TissueBox", "Faucet")  # with the furniture's edges, any way round
# What belongs to a receptacle, one at most, in its place and not anywhere.
FIXED = {"TVStand": "Television", "Sink": "Faucet"}


def draw_untidiness(rng: np.random.Generator) -> float:
    """A factor on how much lies about in a house: some are tidier than others."""
    return math.exp(rng.normal(0.0, HOUSE_SPREAD))


def scatter(space: RoomSpace, family: Family, untidy: float, rng: np.random.Generator) -> None:
    """Fill the `children` of every piece in the room."""
    noise = uniform(rng)
    for piece in space.pieces:
        kinds, chances, fixed, mean = _habits(piece.asset.type, family.like)
        levels, top = surfaces(piece.asset), surface(piece.asset)
        if not levels or top is None:
            continue
        if next(noise) < fixed:
            put = _television if piece.asset.type == "TVStand" else _faucet
            put(piece, top if piece.asset.type == "Sink" else levels[-1], family.pool, noise)
        count = int(rng.poisson(mean * family.clutter * untidy))
        drawn = [_draw(kinds, chances, family.pool, noise) for _ in range(count)]
        for asset in sorted(drawn, key=_area, reverse=True):  # what is large finds no place later
            tried = [asset, *small_assets(asset.type, family.pool)[:1]]
            tried += [_draw(kinds, chances, family.pool, noise) for _ in range(OTHERS)]
            order = _in_turn(levels, noise)
            any(_rest(piece, level, one, space.ceiling, noise) for one in tried for level in order)


def _in_turn(levels: tuple[Surface, ...], noise: Iterator[float]) -> list[Surface]:
    """A board drawn as often as public houses have things on it, then the others, the commonest first."""
    ends = list(accumulate(max(level.seen, 1) for level in levels))
    first = levels[bisect(ends, next(noise) * ends[-1])]
    return [first, *sorted((x for x in levels if x is not first), key=lambda x: -x.seen)]


def _draw(kinds: tuple[str, ...], chances: list[float], pool: Pool, noise: Iterator[float]) -> Asset:
    kind = kinds[bisect(chances, next(noise) * chances[-1])]
    asset = one_of(small_assets(kind, pool), noise)
    # a pool need not have every type
    return asset if asset is not None else _draw(kinds, chances, pool, noise)


def _area(asset: Asset) -> float:
    return asset.size[0] * asset.size[2]


@cache
def _habits(receptacle: str, like: str) -> tuple[tuple[str, ...], list[float], float, float]:
    """Of a receptacle's type: what lies on it, cumulative numbers of each, the probability of its fixed
    thing, and how many others it has in the mean."""
    table = recorded("multi_room" if receptacle in ("Toilet", "Sink") else like)  # one room: no bathroom
    counts: dict[str, int] = table["child_types_of_receptacle"].get(receptacle, {})
    mean = table["children_per_receptacle_mean"].get(receptacle, 0.0)
    fixed = FIXED.get(receptacle, "")
    chance = min(0.99, mean * counts.get(fixed, 0) / max(sum(counts.values()), 1))
    kinds = tuple(sorted(kind for kind in counts if kind != fixed))
    return (
        kinds,
        list(accumulate(float(counts[kind]) for kind in kinds)),
        chance,
        mean - chance if kinds else 0.0,
    )


@cache
def small_assets(kind: str, pool: Pool) -> tuple[Asset, ...]:
    """The assets of a type that are small enough to lie on furniture, the smallest first."""
    tallest = FLOOR_PLANT if kind == "HousePlant" else TALLEST
    fitting = [asset for asset in assets_of_type(kind, pool) if asset.size[1] < tallest]
    return tuple(sorted(fitting, key=_area))


def _rest(piece: Piece, level: Surface, asset: Asset, ceiling: float, noise: Iterator[float]) -> bool:
    """Lay the asset somewhere free on the piece, if there is such a place."""
    above = min(level.height + level.clear, ceiling - 0.05 - piece.bottom)
    if level.height + asset.size[1] > above or (level.kind == "drawer" and asset.type in NOT_IN_DRAWERS):
        return False
    rects = _head_end(piece, level.rects) if asset.type == "Pillow" else level.rects
    ends = list(accumulate(rect.width * rect.depth for rect in rects))
    for _ in range(PLACES):
        turn = _turn(asset, noise)
        size = footprint(asset, turn, 0.0, 0.0)
        rect = rects[bisect(ends, next(noise) * ends[-1])]
        free_x, free_z = rect.width - size.width, rect.depth - size.depth
        if free_x < 0 or free_z < 0:
            continue
        x = rect.x0 + size.width / 2 + next(noise) * free_x
        z = rect.z0 + size.depth / 2 + next(noise) * free_z
        if _lay(piece, level, asset, x, z, turn):
            return True
    return False


def _lay(
    piece: Piece, level: Surface, asset: Asset, x: float, z: float, turn: float, kinematic: bool = False
) -> bool:
    """Put the asset at (x, z) of the piece's coordinates, unless something lies there."""
    world_x, world_z = piece.to_world(x, z)
    yaw = (piece.yaw + turn) % 360.0
    child = Piece(asset, round(world_x, 4), round(world_z, 4), round(yaw, 2), kinematic=kinematic)
    child.bottom = piece.bottom + level.height
    (own,) = child.boxes()
    wide = Box(own.rect.grown(GAP), own.y0, own.y1)
    if any(wide.overlap(other) > 1e-6 for sibling in piece.children for other in sibling.boxes()):
        return False
    piece.children.append(child)
    return True


def _turn(asset: Asset, noise: Iterator[float]) -> float:
    """Degrees from the receptacle's own yaw."""
    if asset.type == "Pillow":
        return 0.0
    if asset.type in LOOKS_OUT:
        return 30.0 * next(noise) - 15.0
    if asset.type in SQUARE:
        return 90.0 * math.floor(4 * next(noise))
    if max(asset.size[0], asset.size[2]) < LITTLE:
        return 360.0 * next(noise)
    return 90.0 * math.floor(4 * next(noise)) + 16.0 * next(noise) - 8.0


def _head_end(piece: Piece, rects: tuple[Rect, ...]) -> tuple[Rect, ...]:
    """The part of a bed or sofa where pillows lie: towards its back."""
    return tuple(Rect(r.x0, r.z0, r.x1, min(r.z1, r.z0 + max(0.45, 0.25 * r.depth))) for r in rects)


def _television(stand: Piece, level: Surface, pool: Pool, noise: Iterator[float]) -> None:
    """A television at the back of its stand, looking the same way."""
    width, depth = stand.asset.size[0], stand.asset.size[2]
    fits = [a for a in assets_of_type("Television", pool) if a.size[0] <= width and a.size[2] <= depth]
    asset = one_of(fits, noise)
    if asset is not None:
        _lay(stand, level, asset, 0.0, (asset.size[2] - depth) / 2, 0.0, kinematic=True)


def _faucet(sink: Piece, level: Surface, pool: Pool, noise: Iterator[float]) -> None:
    """A faucet at the back of the bowl."""
    strip = level.rects[0]
    fits = [
        asset
        for asset in assets_of_type("Faucet", pool)
        if asset.id.startswith("Bathroom") and asset.size[0] <= strip.width and asset.size[2] <= strip.depth
    ]
    asset = one_of(fits, noise)
    if asset is not None:
        _lay(sink, level, asset, 0.0, strip.z0 + asset.size[2] / 2, 0.0, kinematic=True)
