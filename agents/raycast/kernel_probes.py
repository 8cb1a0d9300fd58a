# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018  (float(0.0) declares a variable that a loop may change)
"""Kernels that bake a space's distance field and light probes, once a space (see `light_probes.py`)."""

import warp as wp

from agents.raycast.kernel_light import (
    RAY_OFFSET,
    indirect_irradiance,
    light_visibility,
    room_index,
    sky_radiance,
    unshadowed_irradiance,
)
from agents.raycast.kernel_surface import hit_surface
from agents.raycast.kernel_trace import (
    closest_opaque_hit,
    closest_surface_distance,
    glass_transmittance,
    nonzero_direction,
)
from agents.raycast.kernel_types import DISTANCE_MAX, OPTIONS, RAY_MAX, DeviceSpace, Rooms

wp.set_module_options(OPTIONS)

SCOUT = wp.constant(4)  # of so many directions of a probe, one asks all lights
LUMINANCE = wp.constant(wp.vec3(0.2126, 0.7152, 0.0722))  # of linear sRGB


@wp.kernel
def fill_distance_field(space: DeviceSpace, rooms: Rooms):
    """Fill the distance field [z, y, x] with distances to the closest opaque surface [m]."""
    k, j, i = wp.tid()
    at = rooms.distance_origin + rooms.distance_cell * wp.vec3(float(i), float(j), float(k))
    rooms.distance_field[k, j, i] = closest_surface_distance(space, at, DISTANCE_MAX)


@wp.kernel
def trace_probe_rays(
    space: DeviceSpace,
    rooms: Rooms,
    probes: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    emitted: wp.array2d(dtype=wp.vec3),  # [probe, direction], as are all outputs
    albedo: wp.array2d(dtype=wp.vec3),
    position: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    room: wp.array2d(dtype=wp.int32),
    back_facing: wp.array2d(dtype=wp.int32),
):
    """The surface that each probe sees in each direction, and what it emits; the sky where there is none."""
    probe, ray = wp.tid()
    direction = nonzero_direction(directions[ray])
    hit = closest_opaque_hit(space, probes[probe], direction, RAY_MAX)
    clear = glass_transmittance(space, probes[probe], direction, hit.t)
    if hit.part < 0:
        emitted[probe, ray] = wp.cw_mul(clear, sky_radiance(space, direction))
        room[probe, ray] = -1
    else:
        # A wide footprint gives the mean colour of a texture rather than of one texel.
        s = hit_surface(space, space.opaque_parts[hit.part], hit, probes[probe], direction, 0.2)
        emitted[probe, ray] = wp.cw_mul(clear, s.emission)
        albedo[probe, ray] = wp.cw_mul(clear, s.albedo)
        position[probe, ray] = s.position + RAY_OFFSET * s.face_normal
        normal[probe, ray] = s.normal
        room[probe, ray] = room_index(rooms, s, direction)
        back_facing[probe, ray] = 1 - s.front


@wp.kernel
def add_lights(
    space: DeviceSpace,
    albedo: wp.array2d(dtype=wp.vec3),  # [probe, direction], as are all arrays of surfaces
    position: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    room: wp.array2d(dtype=wp.int32),
    valid: wp.array(dtype=wp.int32),  # [probe]
    scouts: int,  # 1: every SCOUT-th direction, by all lights; 0: the others
    emitted: wp.array2d(dtype=wp.vec3),
    brightest: wp.array2d(dtype=float),  # [room, light]; the last row is of the outside
):
    """Add all lights to the radiance that probes see, in two launches: `scouts`, then the others.

    `brightest` becomes the largest luminance of each light on the surfaces of a room that valid probes see. A
    lamp that lights none of a room's scouts lights nothing there: most lamps are in other rooms, and their
    shadow rays would be most of all. The sun, whose patches are small, is asked everywhere.
    """
    probe, ray = wp.tid()
    if (ray % SCOUT == 0) != (scouts == 1):
        return
    color = albedo[probe, ray]
    if wp.max(color) > 0.0:
        at = position[probe, ray]
        n = normal[probe, ray]
        row = room[probe, ray]
        if row < 0:
            row = brightest.shape[0] - 1
        for k in range(space.lights.shape[0]):
            to = -space.lights[k].direction
            if space.lights[k].kind != 2:
                to = wp.normalize(space.lights[k].position - at)
            cos = wp.dot(n, to)
            if cos > 0.0 and (scouts == 1 or space.lights[k].kind == 2 or brightest[row, k] > 0.0):
                light = cos * unshadowed_irradiance(space.lights[k], at)
                if wp.max(light) > 1.0e-3:
                    light = wp.cw_mul(light, light_visibility(space, space.lights[k], at, 1))
                    emitted[probe, ray] = emitted[probe, ray] + wp.cw_mul(color, light)
                    if valid[probe] == 1:
                        wp.atomic_max(brightest, row, k, wp.dot(LUMINANCE, light))


@wp.kernel
def gather_probes(
    space: DeviceSpace,
    rooms: Rooms,
    directions: wp.array(dtype=wp.vec3),
    emitted: wp.array2d(dtype=wp.vec3),
    albedo: wp.array2d(dtype=wp.vec3),
    position: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    room: wp.array2d(dtype=wp.int32),
    out: wp.array2d(dtype=wp.vec3),  # [probe, 6]
    meter: wp.array2d(dtype=float),  # [probe, 2] sum of log brightness of the surfaces seen; their number
):
    """One more bounce: each probe's ambient cube, from surfaces lit by the cubes of the bounce before."""
    probe = wp.tid()
    rays = directions.shape[0]
    for face in range(6):
        out[probe, face] = wp.vec3(0.0, 0.0, 0.0)
    total = float(0.0)
    count = float(0.0)
    for ray in range(rays):
        light = emitted[probe, ray]
        if wp.max(albedo[probe, ray]) > 0.0:
            indirect = indirect_irradiance(
                space, rooms, room[probe, ray], position[probe, ray], normal[probe, ray]
            )
            light = light + wp.cw_mul(albedo[probe, ray], indirect)
            # Halfway between a reflected and an incident light meter: dark walls are to look dark, though not
            # black. The sky does not count.
            total = total + wp.log(wp.max(wp.dot(LUMINANCE, light), 1.0e-4))
            total = total - 0.5 * wp.log(wp.max(wp.dot(LUMINANCE, albedo[probe, ray]), 0.02) / 0.4)
            count = count + 1.0
        for axis in range(3):
            cos = directions[ray][axis]
            face = 2 * axis
            if cos < 0.0:
                face = face + 1
            out[probe, face] = out[probe, face] + (4.0 * wp.abs(cos) / float(rays)) * light
    meter[probe, 0] = total
    meter[probe, 1] = count
