"""Indirect light, baked once when a space is loaded.

Each room has a coarse grid of probes, an irradiance volume (Greger, Shirley, Hubbard and Greenberg, 1998). A
probe casts a fixed fan of rays. Light bounces a few times between the surfaces that they hit and the probes,
and the irradiance is kept on the six faces of an ambient cube (McTaggart, 2004). A grid belongs to one room,
so that no light leaks through a wall. The same rays tell which lamps reach a room, which bounds the shadow
rays of a pixel, and how bright the room is, which sets the exposure.

The work is bounded by volume: a space with more than MAX_PROBES probes at PROBE_SPACING gets them farther
apart along x and z, one with more than MAX_DISTANCE_CELLS cells gets larger ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import warp as wp
from jaxtyping import Float, Float64
from scipy.spatial import KDTree

from agents.raycast import kernel_probes as kp
from agents.raycast import kernel_types as kt
from agents.raycast.device_scene import DeviceScene
from agents.raycast.kernel_light import LAMPS_PER_ROOM, LIGHTS_PER_ROOM
from agents.raycast.room_map import CELL, RoomMap
from scenes.meshes.geometry import FloorRegion

PROBE_SPACING = 0.9
"""Largest distance between neighbouring probes along x and z [m]; more where a space has many probes."""
MAX_PROBES = 800
"""Probes of a space, unless even SPARSEST leaves more."""
SPARSEST = 3.0
"""Largest distance between neighbouring probes, whatever the size of the space [m]."""
PROBE_MARGIN = 0.3
"""Distance of the outermost probes from the walls, floor and ceiling [m]."""
PROBE_LAYERS = 3
"""Probes along y."""
PROBE_RAYS = 96
BOUNCES = 3
EXPOSURE_KEY = 0.34
"""Radiance, before the tone curve, to which a room's brightness is exposed."""
MIN_LIGHT_FRACTION = 0.04
"""A room leaves out a light whose largest luminance there is below this fraction of the strongest light's."""
DISTANCE_CELL = 0.12
"""Cell of the distance field [m]; larger where a space would need more than MAX_DISTANCE_CELLS."""
MAX_DISTANCE_CELLS = 100_000
ADAPTATION = 0.6
"""Exponent of the room's brightness in its exposure; the rest is the house's: at 0 a dim room stays dim."""
MAX_GAIN = 40.0
"""Largest gain of exposure, so that a house at night without a lamp stays dark."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])

_Grid = tuple[
    Float64[np.ndarray, "_ 3"], Float64[np.ndarray, "3"], Float64[np.ndarray, "3"], tuple[int, int, int]
]


@dataclass
class LightProbes:
    """The baked light of a space; a room's index is that of its floor region."""

    rooms: Any  # the struct `kernel_types.Rooms` that kernels take
    map: RoomMap | None  # None without rooms
    exposure: Float[
        np.ndarray, "rooms_and_outside"
    ]  # a camera's gain by room; the last entry is the outside's
    brightness: Float[np.ndarray, "rooms"]  # geometric mean of the luminance in each room

    def exposure_at(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
        """Return the exposure gain of a camera at each point [m]."""
        if self.map is None:
            return np.full(len(points), self.exposure[-1])
        return self.exposure[self.map.at(points)]  # -1, outside, is the last


def bake(scene: DeviceScene) -> LightProbes:
    """Bake the distance field and the light probes of a space; deterministic."""
    device, lights = scene.device, scene.geometry.lights
    floor = scene.geometry.floor
    rooms = kt.Rooms()
    rooms.count = len(floor)
    outside = sorted(
        (k for k in range(len(lights)) if not lights[k].thing),
        key=lambda k: (lights[k].kind != "directional", -_luminance(lights[k].color)),
    )
    table = np.full((len(floor) + 1, LIGHTS_PER_ROOM + LAMPS_PER_ROOM), -1, np.int32)
    table[-1, : min(len(outside), LIGHTS_PER_ROOM)] = outside[:LIGHTS_PER_ROOM]
    _fill_distance_field(rooms, scene)
    if not floor:
        _write_grids(rooms, [], device)
        rooms.lights = wp.array(table, dtype=wp.int32, device=device)
        return LightProbes(rooms, None, np.ones(1), np.zeros(0))
    room_map = RoomMap(floor)
    grids = _grids(floor)
    probes = np.concatenate([g[0] for g in grids])
    room_of = np.concatenate([np.full(len(g[0]), i) for i, g in enumerate(grids)])
    _write_grids(rooms, grids, device)
    rooms.map = wp.array(room_map.cells, dtype=wp.int32, device=device)
    rooms.map_origin = wp.vec2(*room_map.origin.tolist())
    rooms.map_cell = CELL
    rooms.lights = wp.array(table, dtype=wp.int32, device=device)

    points = wp.array(probes, dtype=wp.vec3, device=device)
    directions = wp.array(fibonacci_sphere(PROBE_RAYS), dtype=wp.vec3, device=device)
    shape = (len(probes), PROBE_RAYS)
    emitted, albedo, position, normal = (wp.zeros(shape, dtype=wp.vec3, device=device) for _ in range(4))
    where, back_facing = (wp.zeros(shape, dtype=wp.int32, device=device) for _ in range(2))
    seen = [emitted, albedo, position, normal, where]
    wp.launch(
        kp.trace_probe_rays,
        shape,
        [scene.space, rooms, points, directions],
        [*seen, back_facing],
        device=device,
    )
    valid = _indoors(floor, grids) & (back_facing.numpy().mean(1) < 0.5)
    # A probe that is not in its room, or sees mostly back faces and so is inside an object, takes the values
    # of the closest valid one of its room.
    substitute = _nearest_valid(probes, room_of, valid)
    _add_lights(scene, table, seen, valid)
    rooms.lights = wp.array(table, dtype=wp.int32, device=device)

    meter = wp.zeros((len(probes), 2), dtype=float, device=device)
    gathered = wp.zeros((len(probes), 6), dtype=wp.vec3, device=device)
    known = [scene.space, rooms, directions, *seen]
    for _ in range(BOUNCES):
        wp.launch(kp.gather_probes, len(probes), known, [gathered, meter], device=device)
        rooms.ambient = wp.array(gathered.numpy()[substitute], dtype=wp.vec3, device=device)

    read = meter.numpy()[substitute]
    brightness = np.array([_geometric_mean(read[room_of == i]) for i in range(len(floor))])
    return LightProbes(rooms, room_map, _exposure(brightness), brightness)


def _add_lights(scene: DeviceScene, table: np.ndarray, seen: list[wp.array], valid: np.ndarray) -> None:
    """Light the surfaces that probes see by each lamp; fill each room's row of `table` with its lights."""
    emitted, albedo, position, normal, where = seen
    lights = len(scene.geometry.lights)
    brightest = wp.zeros((len(table), lights), dtype=float, device=scene.device)
    counted = wp.array(valid.astype(np.int32), dtype=wp.int32, device=scene.device)
    if lights:
        inputs = [scene.space, albedo, position, normal, where, counted]
        for scouts in (1, 0):
            outputs = [emitted, brightest]
            wp.launch(kp.add_lights, where.shape, [*inputs, scouts], outputs, device=scene.device)
    lamp = np.array([bool(light.thing) for light in scene.geometry.lights], bool)
    for room, light in enumerate(brightest.numpy()[:-1].astype(np.float64)):
        order = [k for k in np.argsort(-light, kind="stable") if light[k] > MIN_LIGHT_FRACTION * light.max()]
        # Floor and desk lamps are ranked apart: they are bright close by, and a few of them would displace
        # the room's own light.
        own, lamps = ([k for k in order if lamp[k] == kind] for kind in (False, True))
        chosen = own[:LIGHTS_PER_ROOM] + lamps[:LAMPS_PER_ROOM]
        table[room, : len(chosen)] = chosen


def _geometric_mean(read: np.ndarray) -> float:
    total, count = read.sum(0)
    return float(np.exp(total / max(count, 1.0)))


def fibonacci_sphere(count: int) -> Float[np.ndarray, "n 3"]:
    """`n` unit vectors spread evenly over the sphere by the golden angle (Fibonacci lattice)."""
    k = np.arange(count)
    y = 1 - (2 * k + 1) / count
    angle = k * np.pi * (3 - 5**0.5)
    ring = np.sqrt(1 - y * y)
    return np.stack([ring * np.cos(angle), y, ring * np.sin(angle)], axis=1)


def _luminance(color: tuple[float, float, float]) -> float:
    return float(np.array(color) @ LUMINANCE)


def _exposure(brightness: np.ndarray) -> np.ndarray:
    house = np.exp(np.log(np.maximum(brightness, 1e-4)).mean())
    level = np.append(np.maximum(brightness, 1e-4) ** ADAPTATION * house ** (1 - ADAPTATION), house)
    return np.minimum(EXPOSURE_KEY / level, MAX_GAIN)


def _grids(floor: tuple[FloorRegion, ...]) -> list[_Grid]:
    """A grid a room, at PROBE_SPACING or in steps of 5 % farther apart, up to MAX_PROBES or SPARSEST."""
    spacing = PROBE_SPACING
    while True:
        grids = [_grid(region, spacing) for region in floor]
        if spacing >= SPARSEST or sum(len(grid[0]) for grid in grids) <= MAX_PROBES:
            return grids
        spacing = min(1.05 * spacing, SPARSEST)


def _grid(region: FloorRegion, spacing: float) -> _Grid:
    """Probes of a room in the order z, y, x; origin, step and counts along x, y, z."""
    low = np.array([region.polygon[:, 0].min(), region.floor_y, region.polygon[:, 1].min()])
    high = np.array([region.polygon[:, 0].max(), region.ceiling_y, region.polygon[:, 1].max()])
    inset = np.minimum(PROBE_MARGIN, (high - low) / 4)
    low, high = low + inset, high - inset
    extent = high - low
    nx, _, nz = (int(np.ceil(e / spacing)) + 1 for e in extent)
    counts = (nx, PROBE_LAYERS, nz)
    step = extent / (np.array(counts) - 1)
    z, y, x = np.meshgrid(*(np.arange(counts[a]) for a in (2, 1, 0)), indexing="ij")
    probes = low + np.stack([x, y, z], axis=-1).reshape(-1, 3) * step
    return probes, low, step, counts


def _fill_distance_field(rooms: Any, scene: DeviceScene) -> None:
    low, high = scene.bounds()
    cell = max(DISTANCE_CELL, float(np.cbrt(np.prod(high - low) / MAX_DISTANCE_CELLS)))
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / cell) + 1)
    counts = (nz, ny, nx)
    rooms.distance_field = wp.zeros(counts, dtype=float, device=scene.device)
    rooms.distance_origin = wp.vec3(*low.tolist())
    rooms.distance_cell = cell
    wp.launch(kp.fill_distance_field, counts, [scene.space, rooms], device=scene.device)


def _write_grids(rooms: Any, grids: list, device: str) -> None:
    """Write the grids into the struct; without rooms, arrays of one row that no kernel reads."""
    count = max(len(grids), 1)
    firsts = np.cumsum([0, *(len(g[0]) for g in grids)])
    rooms.origin = wp.array(np.array([g[1] for g in grids] or np.zeros((1, 3))), dtype=wp.vec3, device=device)
    rooms.step = wp.array(np.array([g[2] for g in grids] or np.ones((1, 3))), dtype=wp.vec3, device=device)
    sizes = np.array([g[3] for g in grids] or np.ones((1, 3)), np.int32)
    rooms.size = wp.array(sizes, dtype=wp.int32, device=device)
    rooms.first = wp.array(firsts[:count].astype(np.int32), dtype=wp.int32, device=device)
    rooms.ambient = wp.zeros((max(int(firsts[-1]), 1), 6), dtype=wp.vec3, device=device)
    rooms.map = wp.full((1, 1), -1, dtype=wp.int32, device=device)
    rooms.map_cell = CELL


def _indoors(floor: tuple[FloorRegion, ...], grids: list[_Grid]) -> np.ndarray:
    """Whether each probe is above its room's polygon: one of an L-shaped room's box may be outdoors."""
    inside = [
        shapely.contains_xy(shapely.Polygon(region.polygon), probes[:, [0, 2]])
        for region, (probes, *_) in zip(floor, grids, strict=True)
    ]
    return np.concatenate(inside)


def _nearest_valid(probes: np.ndarray, room_of: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """For each probe the closest valid one of its room: itself where valid, or where the room has none."""
    substitute = np.arange(len(probes))
    for room in np.unique(room_of):
        here = np.flatnonzero(room_of == room)
        good = here[valid[here]]
        if len(good):
            substitute[here] = good[KDTree(probes[good]).query(probes[here])[1]]
    return substitute
