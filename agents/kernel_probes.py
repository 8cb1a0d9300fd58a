# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
"""Kernels that find out how light goes about in a space, once, when it is loaded (see `light_probes.py`)."""

import warp as wp

from agents.kernel_shade import LIFT, ambient, arriving, direct, lit, room_at, sky, surface
from agents.kernel_trace import FAR, Rooms, Space, first_solid, nudged, through_glass

wp.set_module_options({"enable_backward": False})


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
    """What each probe sees in each direction, before light has bounced."""
    probe, ray = wp.tid()
    direction = nudged(directions[ray])
    hit = first_solid(space, probes[probe], direction, FAR)
    clear = through_glass(space, probes[probe], direction, hit.t)
    if hit.part < 0:
        emitted[probe, ray] = wp.cw_mul(clear, sky(space, direction))
        albedo[probe, ray] = wp.vec3(0.0, 0.0, 0.0)
        room[probe, ray] = -1
    else:
        # A wide footprint: the mean colour of what is there, not of one thread of a carpet.
        s = surface(space, space.solid_parts[hit.part], hit, probes[probe], direction, 0.2)
        lifted = s.position + LIFT * s.face_normal
        where = room_at(rooms, s.position + 0.1 * s.face_normal)
        light = direct(space, rooms, where, lifted, s.normal, 1)
        emitted[probe, ray] = wp.cw_mul(clear, s.emission + wp.cw_mul(s.albedo, light))
        albedo[probe, ray] = wp.cw_mul(clear, s.albedo)
        at[probe, ray] = lifted
        normal[probe, ray] = s.normal
        room[probe, ray] = where
        inside[probe, ray] = 1 - s.facing


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
    mean: wp.array(dtype=wp.vec3),  # [probe] mean radiance over all directions
):
    """One more bounce: light on the six faces of each probe's cube, from the cubes as they were."""
    probe = wp.tid()
    rays = directions.shape[0]
    for face in range(6):
        out[probe, face] = wp.vec3(0.0, 0.0, 0.0)
    total = wp.vec3(0.0, 0.0, 0.0)
    for ray in range(rays):
        light = emitted[probe, ray]
        if wp.max(albedo[probe, ray]) > 0.0:
            around = ambient(space, rooms, room[probe, ray], at[probe, ray], normal[probe, ray])
            light = light + wp.cw_mul(albedo[probe, ray], around)
        total = total + light
        for axis in range(3):
            cos = directions[ray][axis]
            face = 2 * axis
            if cos < 0.0:
                face = face + 1
            out[probe, face] = out[probe, face] + (4.0 * wp.abs(cos) / float(rays)) * light
    mean[probe] = total / float(rays)


@wp.kernel
def probe_lights(
    space: Space,
    probes: wp.array(dtype=wp.vec3),
    strength: wp.array2d(dtype=float),  # [probe, light]
):
    """How much of each lamp's light arrives at each probe."""
    probe, k = wp.tid()
    light = wp.cw_mul(arriving(space.lights[k], probes[probe]), lit(space, space.lights[k], probes[probe], 1))
    strength[probe, k] = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]
