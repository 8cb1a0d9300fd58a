"""Indirect light, found once when a space is loaded.

Each room has a coarse grid of probes (an irradiance volume: Greger, Shirley, Hubbard and Greenberg, 1998).
A probe casts a fixed fan of rays; light bounces between what they meet and the probes themselves a few
times, and what arrives is kept on the six faces of a cube. A grid belongs to one room, so no light leaks
through a wall. The same probes tell which lamps reach a room, which bounds the shadow rays of a pixel, and
how bright the room is, which sets the exposure.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp
from jaxtyping import Float
from scipy.spatial import KDTree

from agents.raycast import kernel_probes as kp
from agents.raycast import kernel_trace as kt
from agents.raycast.device_scene import DeviceScene
from agents.raycast.kernel_shade import LAMPS, LIGHTS
from agents.raycast.room_map import CELL, RoomMap
from scenes.meshes.geometry import FloorRegion

SPACING = 0.9
"""Most distance between probes along x and z [m]."""
MARGIN = 0.3
"""Distance of the outermost probes from the walls, floor and ceiling [m]."""
LAYERS = 3
RAYS = 96
BOUNCES = 3
KEY = 0.34
"""What a room's meter reads is exposed to this, before the film's curve."""
WEAKEST = 0.04
"""Share of a room's strongest lamp below which another, at its brightest spot there, is left out."""
NEAR_CELL = 0.12
"""Spacing of the grid of distances to surfaces [m]; wider where a space would need more than NEAR_CELLS."""
NEAR_CELLS = 2_000_000
ADAPTATION = 0.6
"""How far exposure follows the room (1) rather than the whole house (0), where a dim room stays dim."""
MOST_GAIN = 40.0
"""A house at night with no lamp stays dark."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass
class LightProbes:
    """`rooms` is what kernels take; `exposure` [rooms + 1] the camera's gain by room, the last outside."""

    rooms: Any  # kernel_trace.Rooms
    map: RoomMap | None
    exposure: Float[np.ndarray, "r"]
    brightness: Float[np.ndarray, "r"]  # what a meter reads in each room

    def exposure_at(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n"]:
        """Gain of a camera at each point."""
        if self.map is None:
            return np.full(len(points), self.exposure[-1])
        return self.exposure[self.map.at(points)]  # -1, outside, is the last


def bake(scene: DeviceScene) -> LightProbes:
    """Find the indirect light of a space: a fraction of a second for a house, the same numbers every time."""
    device, lights = scene.device, scene.geometry.lights
    floor = scene.geometry.floor
    rooms = kt.Rooms()
    rooms.count = len(floor)
    outside = sorted(
        (k for k in range(len(lights)) if not lights[k].thing),
        key=lambda k: (lights[k].kind != "directional", -_luminance(lights[k].color)),
    )
    table = np.full((len(floor) + 1, LIGHTS + LAMPS), -1, np.int32)
    table[-1, : min(len(outside), LIGHTS)] = outside[:LIGHTS]
    _measure_distances(rooms, scene)
    if not floor:
        _place_grids(rooms, [], device)
        rooms.lights = wp.array(table, dtype=wp.int32, device=device)
        return LightProbes(rooms, None, np.ones(1), np.zeros(0))
    plan = RoomMap(floor)
    grids = [_grid(region) for region in floor]
    probes = np.concatenate([g[0] for g in grids])
    room_of = np.concatenate([np.full(len(g[0]), i) for i, g in enumerate(grids)])
    _place_grids(rooms, grids, device)
    rooms.map = wp.array(plan.cells, dtype=wp.int32, device=device)
    rooms.map_origin = wp.vec2(*plan.origin.tolist())
    rooms.map_cell = CELL
    rooms.lights = wp.array(table, dtype=wp.int32, device=device)

    points = wp.array(probes, dtype=wp.vec3, device=device)
    directions = wp.array(fibonacci_sphere(RAYS), dtype=wp.vec3, device=device)
    shape = (len(probes), RAYS)
    emitted, albedo, at, normal = (wp.zeros(shape, dtype=wp.vec3, device=device) for _ in range(4))
    where, inside = (wp.zeros(shape, dtype=wp.int32, device=device) for _ in range(2))
    met = [emitted, albedo, at, normal, where]
    wp.launch(kp.probe_rays, shape, [scene.space, rooms, points, directions], [*met, inside], device=device)
    # A probe of an L-shaped room's box may stand in its neighbour; one that sees the backs of most of what
    # it sees stands inside something.
    valid = (plan.at(probes) == room_of) & (inside.numpy().mean(1) < 0.5)
    stand_in = _nearest_valid(probes, room_of, valid)
    _light_up(scene, table, met, valid)
    rooms.lights = wp.array(table, dtype=wp.int32, device=device)

    meter = wp.zeros((len(probes), 2), dtype=float, device=device)
    gathered = wp.zeros((len(probes), 6), dtype=wp.vec3, device=device)
    known = [scene.space, rooms, directions, *met]
    for _ in range(BOUNCES):
        wp.launch(kp.probe_gather, len(probes), known, [gathered, meter], device=device)
        rooms.ambient = wp.array(gathered.numpy()[stand_in], dtype=wp.vec3, device=device)

    read = meter.numpy()[stand_in]
    brightness = np.array([_geometric_mean(read[room_of == i]) for i in range(len(floor))])
    return LightProbes(rooms, plan, _exposure(brightness), brightness)


def _light_up(scene: DeviceScene, table: np.ndarray, met: list[wp.array], valid: np.ndarray) -> None:
    """Light what probes see by each lamp, and give each room's row in `table` the lamps that count there."""
    emitted, albedo, at, normal, where = met
    rooms: np.ndarray = where.numpy()
    believed = valid[:, None] & (rooms >= 0)
    most = np.zeros((len(table) - 1, len(scene.geometry.lights)))
    strength = wp.zeros(rooms.shape, dtype=float, device=scene.device)
    for k in range(len(scene.geometry.lights)):
        inputs = [scene.space, k, albedo, at, normal]
        wp.launch(kp.lamp_on, rooms.shape, inputs, [emitted, strength], device=scene.device)
        np.maximum.at(most[:, k], rooms[believed].astype(np.intp), strength.numpy()[believed])
    lamp = np.array([bool(light.thing) for light in scene.geometry.lights], bool)
    for room, light in enumerate(most):
        order = [k for k in np.argsort(-light, kind="stable") if light[k] > WEAKEST * light.max()]
        # A lamp is bright where it stands: by rank alone a few would put out the light of the room.
        chosen = [k for k in order if not lamp[k]][:LIGHTS] + [k for k in order if lamp[k]][:LAMPS]
        table[room, : len(chosen)] = chosen


def _geometric_mean(read: np.ndarray) -> float:
    total, count = read.sum(0)
    return float(np.exp(total / max(count, 1.0)))


def fibonacci_sphere(count: int) -> Float[np.ndarray, "n 3"]:
    """Directions spread evenly, by the golden angle."""
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
    return np.minimum(KEY / level, MOST_GAIN)


def _grid(region: FloorRegion) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int, int]]:
    """Probes [n, 3] in the order z, y, x, then origin, step and counts along x, y, z."""
    low = np.array([region.polygon[:, 0].min(), region.floor_y, region.polygon[:, 1].min()])
    high = np.array([region.polygon[:, 0].max(), region.ceiling_y, region.polygon[:, 1].max()])
    inset = np.minimum(MARGIN, (high - low) / 4)
    low, high = low + inset, high - inset
    extent = high - low
    nx, _, nz = (int(np.ceil(e / SPACING)) + 1 for e in extent)
    counts = (nx, LAYERS, nz)
    step = extent / (np.array(counts) - 1)
    z, y, x = np.meshgrid(*(np.arange(counts[a]) for a in (2, 1, 0)), indexing="ij")
    probes = low + np.stack([x, y, z], axis=-1).reshape(-1, 3) * step
    return probes, low, step, counts


def _measure_distances(rooms: Any, scene: DeviceScene) -> None:
    low, high = scene.bounds()
    cell = max(NEAR_CELL, float(np.cbrt(np.prod(high - low) / NEAR_CELLS)))
    nx, ny, nz = (int(n) for n in np.ceil((high - low) / cell) + 1)
    counts = (nz, ny, nx)
    rooms.near = wp.zeros(counts, dtype=float, device=scene.device)
    rooms.near_origin = wp.vec3(*low.tolist())
    rooms.near_cell = cell
    wp.launch(kp.fill_near, counts, [scene.space, rooms], device=scene.device)


def _place_grids(rooms: Any, grids: list, device: str) -> None:
    """Write the grids into a kernel's struct; with none, arrays of one row that are never read."""
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


def _nearest_valid(probes: np.ndarray, room_of: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """For each probe the nearest one of its room that can be believed: itself, mostly."""
    stand_in = np.arange(len(probes))
    for room in np.unique(room_of):
        here = np.flatnonzero(room_of == room)
        good = here[valid[here]]
        if len(good):
            stand_in[here] = good[KDTree(probes[good]).query(probes[here])[1]]
    return stand_in
