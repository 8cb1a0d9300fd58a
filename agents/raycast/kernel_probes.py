# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018  (float(0.0) declares a variable that a loop may change)
"""Kernels that find out how light goes about in a space, once, when it is loaded (see `light_probes.py`)."""

import warp as wp

from agents.raycast.kernel_shade import LIFT, ambient, arriving, lit, room_of, sky, surface
from agents.raycast.kernel_trace import (
    FAR,
    NEAR,
    OPTIONS,
    Rooms,
    Space,
    first_solid,
    nudged,
    open_distance,
    through_glass,
)

wp.set_module_options(OPTIONS)

LUMINANCE = wp.constant(wp.vec3(0.2126, 0.7152, 0.0722))  # of linear sRGB


@wp.kernel
def fill_near(space: Space, rooms: Rooms):
    """Distance to the nearest surface at every point of the grid."""
    k, j, i = wp.tid()
    at = rooms.near_origin + rooms.near_cell * wp.vec3(float(i), float(j), float(k))
    rooms.near[k, j, i] = open_distance(space, at, NEAR)


@wp.kernel
def probe_rays(
    space: Space,
    rooms: Rooms,
    probes: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    emitted: wp.array2d(dtype=wp.vec3),  # [probe, direction] all outputs
    albedo: wp.array2d(dtype=wp.vec3),
    at: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    room: wp.array2d(dtype=wp.int32),
    inside: wp.array2d(dtype=wp.int32),
):
    """What each probe sees in each direction, where no lamp burns."""
    probe, ray = wp.tid()
    direction = nudged(directions[ray])
    hit = first_solid(space, probes[probe], direction, FAR)
    clear = through_glass(space, probes[probe], direction, hit.t)
    if hit.part < 0:
        emitted[probe, ray] = wp.cw_mul(clear, sky(space, direction))
        room[probe, ray] = -1
    else:
        # A wide footprint: the mean colour of what is there, not of one thread of a carpet.
        s = surface(space, space.solid_parts[hit.part], hit, probes[probe], direction, 0.2)
        emitted[probe, ray] = wp.cw_mul(clear, s.emission)
        albedo[probe, ray] = wp.cw_mul(clear, s.albedo)
        at[probe, ray] = s.position + LIFT * s.face_normal
        normal[probe, ray] = s.normal
        room[probe, ray] = room_of(rooms, s, direction)
        inside[probe, ray] = 1 - s.facing


@wp.kernel
def lamp_on(
    space: Space,
    k: int,
    albedo: wp.array2d(dtype=wp.vec3),
    at: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    emitted: wp.array2d(dtype=wp.vec3),
    strength: wp.array2d(dtype=float),
):
    """Add what lamp k sends to the surfaces that probes see, and note its luminance there."""
    probe, ray = wp.tid()
    strength[probe, ray] = 0.0
    if wp.max(albedo[probe, ray]) > 0.0:
        to = -space.lights[k].direction
        if space.lights[k].kind != 2:
            to = wp.normalize(space.lights[k].position - at[probe, ray])
        cos = wp.dot(normal[probe, ray], to)
        if cos > 0.0:
            light = cos * arriving(space.lights[k], at[probe, ray])
            if wp.max(light) > 1.0e-3:
                light = wp.cw_mul(light, lit(space, space.lights[k], at[probe, ray], 1))
                strength[probe, ray] = wp.dot(LUMINANCE, light)
                emitted[probe, ray] = emitted[probe, ray] + wp.cw_mul(albedo[probe, ray], light)


@wp.kernel
def probe_gather(
    space: Space,
    rooms: Rooms,
    directions: wp.array(dtype=wp.vec3),
    emitted: wp.array2d(dtype=wp.vec3),
    albedo: wp.array2d(dtype=wp.vec3),
    at: wp.array2d(dtype=wp.vec3),
    normal: wp.array2d(dtype=wp.vec3),
    room: wp.array2d(dtype=wp.int32),
    out: wp.array2d(dtype=wp.vec3),  # [probe, 6]
    meter: wp.array2d(dtype=float),  # [probe, 2] sum over what is seen of log brightness, and how many
):
    """One more bounce: light on the six faces of each probe's cube, from the cubes as they were."""
    probe = wp.tid()
    rays = directions.shape[0]
    for face in range(6):
        out[probe, face] = wp.vec3(0.0, 0.0, 0.0)
    total = float(0.0)
    count = float(0.0)
    for ray in range(rays):
        light = emitted[probe, ray]
        if wp.max(albedo[probe, ray]) > 0.0:
            around = ambient(space, rooms, room[probe, ray], at[probe, ray], normal[probe, ray])
            light = light + wp.cw_mul(albedo[probe, ray], around)
            # Half as a meter reads what comes off things, half as one reads what falls on them: dark walls
            # shall look dark, though not black. The sky is no part of the room.
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
