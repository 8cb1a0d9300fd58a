"""Small things on furniture: as many and of such types as ProcTHOR's statistics count on each receptacle."""

import numpy as np

from scenes.asset_table import Asset, assets_of_type
from scenes.boxes import Rect, footprint
from scenes.family import Family
from scenes.furniture_rules import FLOOR_PLANT, statistics
from scenes.roomspace import Piece, RoomSpace
from scenes.surfaces import surface

GAP = 0.01  # m between small things
TRIES = 12
TALLEST = 0.6  # m; taller things stand on the floor
LOOKS_OUT = ("Laptop", "Television", "CoffeeMachine", "Microwave", "Toaster", "AlarmClock", "TeddyBear")
SQUARE = ("Box", "TissueBox", "Pillow", "Faucet")  # with the furniture's edges, any way round


def scatter(space: RoomSpace, family: Family, rng: np.random.Generator) -> None:
    """Fill the `children` of every piece in the room."""
    for piece in space.pieces:
        if piece.asset.type == "TVStand":
            _television(piece, family, rng)
        if piece.asset.type == "Sink":
            _faucet(piece, family, rng)
        _small(piece, space, family, rng)


def _small(piece: Piece, space: RoomSpace, family: Family, rng: np.random.Generator) -> None:
    kinds = statistics()["child_types_of_receptacle"].get(piece.asset.type)
    level = surface(piece.asset)
    if kinds is None or level is None or not level.rects:
        return
    names = sorted(kinds)
    weights = np.array([kinds[name] for name in names], float)
    mean = statistics()["children_per_receptacle_mean"][piece.asset.type] * family.clutter
    for kind in rng.choice(len(names), size=int(rng.poisson(mean)), p=weights / weights.sum()):
        assets = small_assets(names[int(kind)], family)
        if names[int(kind)] in ("Television", "Faucet") or not assets:
            continue
        asset = assets[int(rng.integers(len(assets)))]
        if piece.bottom + level.height + asset.size[1] < space.ceiling - 0.05:
            _rest(piece, asset, rng)


def small_assets(kind: str, family: Family) -> list[Asset]:
    """The assets of a type that are small enough to lie on furniture."""
    tallest = FLOOR_PLANT if kind == "HousePlant" else TALLEST
    return [asset for asset in assets_of_type(kind, family.pool) if asset.size[1] < tallest]


def _rest(piece: Piece, asset: Asset, rng: np.random.Generator) -> bool:
    """Lay the asset somewhere free on the piece, if there is such a place."""
    level = surface(piece.asset)
    assert level is not None
    rects = _head_end(piece, level.rects) if asset.type == "Pillow" else level.rects
    areas = np.array([rect.width * rect.depth for rect in rects])
    for _ in range(TRIES):
        turn = _turn(asset, rng)
        size = footprint(asset, turn, 0.0, 0.0)
        rect = rects[int(rng.choice(len(rects), p=areas / areas.sum()))]
        free_x, free_z = rect.width - size.width, rect.depth - size.depth
        if free_x < 0 or free_z < 0:
            continue
        x = rect.x0 + size.width / 2 + float(rng.uniform(0, free_x))
        z = rect.z0 + size.depth / 2 + float(rng.uniform(0, free_z))
        if _lay(piece, asset, x, z, turn):
            return True
    return False


def _lay(piece: Piece, asset: Asset, x: float, z: float, turn: float, kinematic: bool = False) -> bool:
    """Put the asset at (x, z) of the piece's coordinates, unless something lies there."""
    level = surface(piece.asset)
    assert level is not None
    world_x, world_z = piece.to_world(x, z)
    yaw = (piece.yaw + turn) % 360.0
    child = Piece(asset, round(world_x, 4), round(world_z, 4), round(yaw, 2), kinematic=kinematic)
    child.bottom = piece.bottom + level.height
    wide = child.parts()[0].grown(GAP)
    if any(wide.overlaps(other) for sibling in piece.children for other in sibling.parts()):
        return False
    piece.children.append(child)
    return True


def _turn(asset: Asset, rng: np.random.Generator) -> float:
    if asset.type in LOOKS_OUT:
        return float(rng.uniform(-15, 15))
    if asset.type in SQUARE:
        return 90.0 * float(rng.integers(4)) if asset.type != "Pillow" else 0.0
    return float(rng.uniform(0, 360))


def _head_end(piece: Piece, rects: tuple[Rect, ...]) -> tuple[Rect, ...]:
    """The part of a bed or sofa where pillows lie: towards its back."""
    return tuple(Rect(r.x0, r.z0, r.x1, r.z0 + max(0.45, 0.25 * r.depth)) for r in rects)


def _television(stand: Piece, family: Family, rng: np.random.Generator) -> None:
    """A television in the middle of its stand, looking the same way."""
    width, depth = stand.asset.size[0], stand.asset.size[2]
    fits = [a for a in assets_of_type("Television", family.pool) if a.size[0] <= width and a.size[2] <= depth]
    if fits:
        _lay(stand, fits[int(rng.integers(len(fits)))], 0.0, 0.0, 0.0, kinematic=True)
        stand.children[-1].state["is_on"] = bool(rng.random() < 0.3)


def _faucet(sink: Piece, family: Family, rng: np.random.Generator) -> None:
    """A faucet at the back of the bowl."""
    level = surface(sink.asset)
    assert level is not None
    strip = level.rects[0]
    fits = [
        asset
        for asset in assets_of_type("Faucet", family.pool)
        if asset.id.startswith("Bathroom") and asset.size[0] <= strip.width and asset.size[2] <= strip.depth
    ]
    asset = fits[int(rng.integers(len(fits)))]
    _lay(sink, asset, 0.0, strip.z0 + asset.size[2] / 2, 0.0, kinematic=True)
