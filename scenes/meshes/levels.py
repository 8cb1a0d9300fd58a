"""At what height a mesh carries what is put on it, and the bend of it that brings that to a given height."""

import numpy as np
from jaxtyping import Float, Int

from scenes.house.asset_table import Asset
from scenes.house.surfaces import surfaces

SAMPLES = 9  # along each side of the part of a seat that is looked at
BEND = 2.2  # the most by which what is below a seat is stretched or squeezed upright
ABOVE = (0.05, 3.0)  # the same of a back or a headboard, which may be as low as one likes
BIN = 0.02  # m; heights this near are of one surface
CLEAR = 0.006  # m by which a seat may be off before anything is bent


def seen_from_above(
    points: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"], at: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n"]:
    """Height of the first surface under each place (x, z) [m]; minus infinity where there is none."""
    corner = points[faces]
    flat = corner[..., (0, 2)]
    low, high = flat.min(1), flat.max(1)
    found = np.full(len(at), -np.inf)
    for i, place in enumerate(at):
        near = np.flatnonzero(((low <= place) & (place <= high)).all(1))
        a, b, c = (flat[near, k] for k in range(3))
        area = _cross(b - a, c - a)
        kept = np.abs(area) > 1e-12
        near, a, b, c, area = near[kept], a[kept], b[kept], c[kept], area[kept]
        u, v = _cross(place - a, c - a) / area, _cross(b - a, place - a) / area
        inside = (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9)
        if inside.any():
            y = corner[near[inside], :, 1]
            height = y[:, 0] + u[inside] * (y[:, 1] - y[:, 0]) + v[inside] * (y[:, 2] - y[:, 0])
            found[i] = height.max()
    return found


def seat_bend(
    asset: Asset, points: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> tuple[list[float], list[float]] | None:
    """Heights [m] over a mesh's bottom and what they become so that its seat is where the asset's things lie.

    The mesh fills the asset's box, its bottom at 0, its front to +z. None for an asset without a seat, and
    where the seat is not found, is right as it is, or could be brought there only by a bend that shows.
    """
    seats = [board for board in surfaces(asset) if board.kind == "seat"]
    if not seats:
        return None
    seat = max(seats, key=lambda board: board.seen)
    sy, rect = asset.size[1], seat.rects[0]
    x = np.linspace(-rect.x1, -rect.x0, SAMPLES + 2)[1:-1]  # a mesh's x is minus the asset's
    z = np.linspace(rect.z0, rect.z1, SAMPLES + 2)[1:-1]
    heights = seen_from_above(points, faces, np.stack(np.meshgrid(x, z), -1).reshape(-1, 2))
    heights = heights[np.isfinite(heights)]
    if len(heights) < SAMPLES:
        return None
    # Cushions lie on some seats and more of the seat shows.
    near = np.abs(heights[:, None] - heights[None]) <= BIN
    have = float(np.median(heights[near[near.sum(1).argmax()]]))
    if abs(have - seat.height) < CLEAR or not 0.1 * sy < have < 0.97 * sy:
        return None
    below, above = seat.height / have, (sy - seat.height) / (sy - have)
    if not (1 / BEND <= below <= BEND and ABOVE[0] <= above <= ABOVE[1]):
        return None
    return [0.0, have, sy], [0.0, seat.height, sy]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
