# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046  (int(0) and float(0.0) declare variables that a loop may change)
"""Light that falls on a surface: direct from lamps and the sun, indirect from the room's probes, and the sky.

Light is carried in linear radiance, with the factor pi of a diffuse surface folded into the lamps: a
surface of albedo a in irradiance E has radiance a·E. Direct light comes from the few lamps that reach a room,
each with a shadow ray; indirect light from the room's probes, attenuated where other surfaces are close.
"""

import warp as wp

from agents.raycast.kernel_surface import Surface
from agents.raycast.kernel_trace import glass_transmittance, nonzero_direction, occluded
from agents.raycast.kernel_types import OPTIONS, DeviceLight, DeviceSpace, Rooms

wp.set_module_options(OPTIONS)

LIGHTS_PER_ROOM = wp.constant(4)  # of the house's own that a room's surfaces ask, each a shadow ray
LAMPS_PER_ROOM = wp.constant(2)  # floor and desk lamps in addition
RAY_OFFSET = wp.constant(2.0e-3)  # distance from the surface at which secondary rays start [m]
LAMP_SOFTENING = wp.constant(0.5)  # added in quadrature to a lamp's distance: light near it stays finite [m]
LAMP_RADIUS = wp.constant(0.13)  # of a lamp that casts soft shadows [m]
EARLY_SHADOW_RAYS = wp.constant(5)  # to a lamp; if all agree, the remaining rays are not cast
# A house's intensities are Unity's, whose lamps fade less with distance than the inverse square: with this
# gain a lamp of range 15 m lights a face 2.5 m away, as across a room, about as much as Unity's does.
LAMP_GAIN = wp.constant(4.0)


@wp.func
def sky_radiance(space: DeviceSpace, direction: wp.vec3):
    """Radiance of the sky, or of the ground below the horizon."""
    up = wp.normalize(direction)[1]
    color = wp.lerp(space.horizon, space.zenith, wp.sqrt(wp.max(up, 0.0)))
    if up < 0.0:
        color = wp.lerp(space.horizon, space.ground, wp.min(-up * 8.0, 1.0))
    return color


@wp.func
def room_index(rooms: Rooms, s: Surface, direction: wp.vec3):
    """Index of the room that a visible surface faces; -1 outside.

    The map is asked at a point off the surface and towards the viewer, which is in free space: at the surface
    itself, in a corner, a cell may belong to the room behind the wall.
    """
    at = s.position + 0.06 * s.face_normal - 0.1 * wp.normalize(direction)
    room = int(-1)
    if rooms.count > 0:
        x = int(wp.floor((at[0] - rooms.map_origin[0]) / rooms.map_cell))
        z = int(wp.floor((at[2] - rooms.map_origin[1]) / rooms.map_cell))
        if x >= 0 and z >= 0 and x < rooms.map.shape[1] and z < rooms.map.shape[0]:
            room = rooms.map[z, x]
    return room


@wp.func
def ambient_cube(rooms: Rooms, probe: int, n: wp.vec3):
    """Irradiance of a face with normal n at a probe, from its ambient cube (McTaggart, 2004)."""
    x = int(0)
    y = int(2)
    z = int(4)
    if n[0] < 0.0:
        x = int(1)
    if n[1] < 0.0:
        y = int(3)
    if n[2] < 0.0:
        z = int(5)
    return (
        n[0] * n[0] * rooms.ambient[probe, x]
        + n[1] * n[1] * rooms.ambient[probe, y]
        + n[2] * n[2] * rooms.ambient[probe, z]
    )


@wp.func
def indirect_irradiance(space: DeviceSpace, rooms: Rooms, room: int, at: wp.vec3, n: wp.vec3):
    """Indirect irradiance of a face with normal n, trilinear between the eight probes about the point."""
    total = wp.vec3(0.0, 0.0, 0.0)
    if room < 0:
        above = wp.lerp(space.horizon, space.zenith, 0.5)
        total = wp.lerp(space.ground, above, 0.5 + 0.5 * n[1])
    else:
        q = wp.cw_div(at - rooms.origin[room], rooms.step[room])
        nx = rooms.size[room, 0]
        ny = rooms.size[room, 1]
        nz = rooms.size[room, 2]
        fx = wp.clamp(q[0], 0.0, float(nx - 1))
        fy = wp.clamp(q[1], 0.0, float(ny - 1))
        fz = wp.clamp(q[2], 0.0, float(nz - 1))
        ix = wp.min(int(fx), wp.max(nx - 2, 0))
        iy = wp.min(int(fy), wp.max(ny - 2, 0))
        iz = wp.min(int(fz), wp.max(nz - 2, 0))
        for corner in range(8):
            dx = corner & 1
            dy = (corner >> 1) & 1
            dz = (corner >> 2) & 1
            tx = fx - float(ix)
            ty = fy - float(iy)
            tz = fz - float(iz)
            weight = (1.0 - tx) * float(1 - dx) + tx * float(dx)
            weight = weight * ((1.0 - ty) * float(1 - dy) + ty * float(dy))
            weight = weight * ((1.0 - tz) * float(1 - dz) + tz * float(dz))
            if weight > 0.0:
                probe = rooms.first[room] + ((iz + dz) * ny + iy + dy) * nx + ix + dx
                total = total + weight * ambient_cube(rooms, probe, n)
    return total


@wp.func
def unshadowed_irradiance(light: DeviceLight, at: wp.vec3):
    """Irradiance without shadows of a face turned to the lamp; zero beyond its range or cone."""
    strength = float(1.0)
    if light.kind != 2:
        to = light.position - at
        d2 = wp.length_sq(to)
        strength = LAMP_GAIN / (d2 + LAMP_SOFTENING * LAMP_SOFTENING)
        if light.max_range > 0.0:
            # Inverse square, windowed to reach zero at the range (Karis, 2013).
            q = d2 / (light.max_range * light.max_range)
            fade = wp.max(1.0 - q * q, 0.0)
            strength = strength * fade * fade
        if light.kind == 1:
            cos = -wp.dot(wp.normalize(to), light.direction)
            edge = wp.clamp((cos - light.cos_outer) / (0.15 * (1.0 - light.cos_outer) + 1.0e-4), 0.0, 1.0)
            strength = strength * edge * edge * (3.0 - 2.0 * edge)
    return strength * light.color


@wp.func
def light_visibility(space: DeviceSpace, light: DeviceLight, at: wp.vec3, shadow_rays: int):
    """Fraction of a lamp's light, by colour, that reaches a point, by that many shadow rays; 0 rays: all."""
    direction = -light.direction
    max_t = float(1.0e4)
    if light.kind != 2:
        direction = light.position - at
        # A lamp hangs in its own shade: within that radius nothing casts a shadow.
        max_t = wp.max(1.0 - light.shade / wp.max(wp.length(direction), 1.0e-3), 0.0)
    direction = nonzero_direction(direction)
    visibility = wp.vec3(1.0, 1.0, 1.0)
    if shadow_rays > 0 and light.shadows == 1:
        unoccluded = float(0.0)
        rays = int(1)
        if light.kind == 2 or shadow_rays == 1:
            if not occluded(space, at, direction, max_t):
                unoccluded = 1.0
        else:
            # Points of a disc that faces the surface, on a Fermat spiral from the rim inwards (Vogel, 1979).
            # If the first EARLY_SHADOW_RAYS agree, the others are taken to agree as well.
            side = wp.normalize(wp.cross(direction, wp.vec3(0.3, 0.9, 0.31)))
            up = wp.normalize(wp.cross(direction, side))
            rays = int(0)
            while rays < shadow_rays:
                radius = LAMP_RADIUS * wp.sqrt(1.0 - float(rays) / float(shadow_rays))
                angle = 2.3999632 * float(rays)
                point = direction + radius * (wp.cos(angle) * side + wp.sin(angle) * up)
                rays = rays + 1
                if not occluded(space, at, nonzero_direction(point), max_t):
                    unoccluded = unoccluded + 1.0
                if rays == EARLY_SHADOW_RAYS and (
                    unoccluded == 0.0 or unoccluded == float(EARLY_SHADOW_RAYS)
                ):
                    unoccluded = unoccluded * float(shadow_rays) / float(EARLY_SHADOW_RAYS)
                    rays = shadow_rays
        if unoccluded > 0.0:
            visibility = glass_transmittance(space, at, direction, max_t) * (unoccluded / float(rays))
        else:
            visibility = wp.vec3(0.0, 0.0, 0.0)
    return visibility


@wp.func
def direct_irradiance(
    space: DeviceSpace,
    rooms: Rooms,
    room: int,
    at: wp.vec3,
    n: wp.vec3,
    min_irradiance: float,
    shadow_rays: int,
):
    """Direct irradiance of a face with normal n from the lamps that reach its room.

    A lamp whose irradiance without shadows is at most `min_irradiance` casts no ray and adds nothing.
    """
    total = wp.vec3(0.0, 0.0, 0.0)
    row = room
    if row < 0:
        row = rooms.count
    for slot in range(rooms.lights.shape[1]):
        k = rooms.lights[row, slot]
        if k >= 0:
            to = -space.lights[k].direction
            if space.lights[k].kind != 2:
                to = wp.normalize(space.lights[k].position - at)
            cos = wp.dot(n, to)
            if cos > 0.0:
                light = cos * unshadowed_irradiance(space.lights[k], at)
                if wp.max(light) > min_irradiance:
                    total = total + wp.cw_mul(
                        light, light_visibility(space, space.lights[k], at, shadow_rays)
                    )
    return total


@wp.func
def surface_distance(rooms: Rooms, at: wp.vec3):
    """Distance to the closest surface [m], DISTANCE_MAX at most, trilinear in the distance field."""
    q = (at - rooms.distance_origin) / rooms.distance_cell
    nx = rooms.distance_field.shape[2]
    ny = rooms.distance_field.shape[1]
    nz = rooms.distance_field.shape[0]
    x = wp.clamp(q[0], 0.0, float(nx - 1))
    y = wp.clamp(q[1], 0.0, float(ny - 1))
    z = wp.clamp(q[2], 0.0, float(nz - 1))
    i = wp.min(int(x), wp.max(nx - 2, 0))
    j = wp.min(int(y), wp.max(ny - 2, 0))
    k = wp.min(int(z), wp.max(nz - 2, 0))
    i1 = wp.min(i + 1, nx - 1)
    j1 = wp.min(j + 1, ny - 1)
    k1 = wp.min(k + 1, nz - 1)
    x = x - float(i)
    y = y - float(j)
    z = z - float(k)
    below = wp.lerp(
        wp.lerp(rooms.distance_field[k, j, i], rooms.distance_field[k, j, i1], x),
        wp.lerp(rooms.distance_field[k, j1, i], rooms.distance_field[k, j1, i1], x),
        y,
    )
    above = wp.lerp(
        wp.lerp(rooms.distance_field[k1, j, i], rooms.distance_field[k1, j, i1], x),
        wp.lerp(rooms.distance_field[k1, j1, i], rooms.distance_field[k1, j1, i1], x),
        y,
    )
    return wp.lerp(below, above, z)


@wp.func
def ambient_visibility(rooms: Rooms, at: wp.vec3, n: wp.vec3):
    """Fraction of indirect light that nearby surfaces let pass, from distances to them along the normal.

    Ambient occlusion by a distance field, after Evans (2006), "Fast approximations for global illumination on
    dynamic scenes". Unlike occlusion by random rays it has no noise, which would show in edges and in the
    tokens of small images.
    """
    narrow = wp.min(surface_distance(rooms, at + 0.13 * n) / 0.13, 1.0)
    wide = wp.min(surface_distance(rooms, at + 0.35 * n) / 0.35, 1.0)
    return (0.45 + 0.55 * narrow) * (0.5 + 0.5 * wide)
