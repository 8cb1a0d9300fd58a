# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046  (int(0) and float(0.0) declare variables that a loop may change)
"""What a surface looks like: textures, light that falls on it, and the sky.

Light is carried in linear radiance, with the factor pi of a diffuse surface folded into the lamps: a
surface of reflectance a in irradiance E shows a·E. Direct light comes from the few lamps that reach a room,
each with a shadow ray; indirect light from the room's probes, darkened where surfaces stand close.
"""

import warp as wp

from agents.raycast.kernel_trace import (
    OPTIONS,
    DeviceLight,
    Hit,
    Part,
    Rooms,
    Space,
    Texture,
    blocked,
    nudged,
    through_glass,
)

wp.set_module_options(OPTIONS)

LIGHTS = wp.constant(4)  # of the house's own that a room's surfaces ask, each a shadow ray
LAMPS = wp.constant(2)  # floor and desk lamps besides
LIFT = wp.constant(2.0e-3)  # metres off the surface at which secondary rays start
SOURCE = wp.constant(0.5)  # metres: size of a lamp, which keeps light finite near it
DISC = wp.constant(0.13)  # metres: radius of a lamp that casts soft shadows
AGREE = wp.constant(5)  # of its rays, after which the others are taken to say the same
# A house's intensities are Unity's, whose lamps fade less with distance than real ones: with this gain a
# lamp of range 15 m lights a face about 2.5 m away, as across a room, as much as Unity's does.
LAMP = wp.constant(4.0)


@wp.struct
class Surface:
    position: wp.vec3
    face_normal: wp.vec3  # both unit, towards the viewer
    normal: wp.vec3
    area: float  # twice the triangle's, m²
    facing: int  # 1 where the ray met the outside of the triangle
    albedo: wp.vec3
    emission: wp.vec3


@wp.func
def unpacked(space: Space, packed: int):
    """Linear colour of three sRGB bytes."""
    return wp.vec3(
        space.linear[packed & 255], space.linear[(packed >> 8) & 255], space.linear[(packed >> 16) & 255]
    )


@wp.func
def texel(space: Space, texture: Texture, level: int, column: int, row: int):
    w = wp.max(texture.width >> level, 1)
    h = wp.max(texture.height >> level, 1)
    c = column % w
    r = row % h
    if c < 0:
        c = c + w
    if r < 0:
        r = r + h
    return unpacked(space, int(texture.texels[texture.starts[level] + r * w + c]))


@wp.func
def bilinear(space: Space, texture: Texture, level: int, uv: wp.vec2):
    w = float(wp.max(texture.width >> level, 1))
    h = float(wp.max(texture.height >> level, 1))
    # Repeat first: the numbers stay small, and float keeps its fine steps.
    x = (uv[0] - wp.floor(uv[0])) * w - 0.5
    y = (1.0 - (uv[1] - wp.floor(uv[1]))) * h - 0.5
    c = int(wp.floor(x))
    r = int(wp.floor(y))
    fx = x - wp.floor(x)
    fy = y - wp.floor(y)
    top = wp.lerp(texel(space, texture, level, c, r), texel(space, texture, level, c + 1, r), fx)
    low = wp.lerp(texel(space, texture, level, c, r + 1), texel(space, texture, level, c + 1, r + 1), fx)
    return wp.lerp(top, low, fy)


@wp.func
def sample(space: Space, texture: Texture, uv: wp.vec2, texels_per_pixel: float):
    """Linear colour, from the two mip levels about the size of a pixel's footprint."""
    lod = wp.clamp(wp.log2(wp.max(texels_per_pixel, 1.0e-6)), 0.0, float(texture.levels - 1))
    level = int(lod)
    colour = bilinear(space, texture, level, uv)
    share = lod - float(level)
    if share > 0.0:
        colour = wp.lerp(colour, bilinear(space, texture, level + 1, uv), share)
    return colour


@wp.func
def shape(space: Space, part: Part, hit: Hit, start: wp.vec3, direction: wp.vec3):
    """Place and normals of the surface at a hit."""
    s = Surface()
    s.position = start + hit.t * direction
    i = space.meshes[part.row].indices[3 * hit.face]
    j = space.meshes[part.row].indices[3 * hit.face + 1]
    k = space.meshes[part.row].indices[3 * hit.face + 2]
    p = space.meshes[part.row].points[i]
    cross = wp.cross(space.meshes[part.row].points[j] - p, space.meshes[part.row].points[k] - p)
    # A cross product, and any normal, goes to the world by the inverse transpose.
    across = wp.transpose(part.inverse) * cross
    n = wp.normalize(across)
    s.area = wp.length(across) * wp.abs(part.volume)
    w = 1.0 - hit.u - hit.v
    smooth = wp.normalize(
        wp.transpose(part.inverse)
        * (
            hit.u * space.meshes[part.row].normals[i]
            + hit.v * space.meshes[part.row].normals[j]
            + w * space.meshes[part.row].normals[k]
        )
    )
    # A model whose vertex normals and winding disagree is lit by its vertex normals' line, not their sign.
    if wp.dot(smooth, n) < 0.0:
        smooth = -smooth
    s.facing = 1
    if wp.dot(n, direction) > 0.0:
        s.facing = 0
        n = -n
        smooth = -smooth
    # Interpolation can tip a normal over the horizon of the viewer; the triangle's own never does.
    if wp.dot(smooth, direction) >= 0.0 or wp.length_sq(smooth) < 0.5:
        smooth = n
    s.face_normal = n
    s.normal = smooth
    return s


@wp.func
def vertex_colour(space: Space, row: int, hit: Hit):
    """Linear colour at a hit, between those of the triangle's corners."""
    i = space.meshes[row].indices[3 * hit.face]
    j = space.meshes[row].indices[3 * hit.face + 1]
    k = space.meshes[row].indices[3 * hit.face + 2]
    return (
        hit.u * unpacked(space, int(space.meshes[row].colors[i]))
        + hit.v * unpacked(space, int(space.meshes[row].colors[j]))
        + (1.0 - hit.u - hit.v) * unpacked(space, int(space.meshes[row].colors[k]))
    )


@wp.func
def coloured(space: Space, part: Part, hit: Hit, s: Surface, direction: wp.vec3, spread: float):
    """A surface whose shape is known, with colours."""
    m = part.first_material + space.meshes[part.row].face_material[hit.face]
    s.albedo = space.materials[m].color
    s.emission = space.materials[m].emission
    if space.materials[m].texture.levels > 0:
        i = space.meshes[part.row].indices[3 * hit.face]
        j = space.meshes[part.row].indices[3 * hit.face + 1]
        k = space.meshes[part.row].indices[3 * hit.face + 2]
        a = space.meshes[part.row].uvs[i]
        b = space.meshes[part.row].uvs[j]
        c = space.meshes[part.row].uvs[k]
        e = b - a
        f = c - a
        uv_area = wp.abs(e[0] * f[1] - e[1] * f[0])
        texels = uv_area * float(space.materials[m].texture.width * space.materials[m].texture.height)
        area = wp.max(s.area, 1.0e-12)
        slope = wp.max(-wp.dot(s.face_normal, wp.normalize(direction)), 0.1)
        # The geometric mean of a footprint's long and short side: neither as sharp nor as blurred as it
        # could be.
        footprint = spread * hit.t / wp.sqrt(slope)
        uv = hit.u * a + hit.v * b + (1.0 - hit.u - hit.v) * c
        pattern = sample(space, space.materials[m].texture, uv, footprint * wp.sqrt(texels / area))
        s.albedo = wp.cw_mul(s.albedo, pattern)
        s.emission = wp.cw_mul(s.emission, pattern)
    if space.meshes[part.row].colors.shape[0] > 0:
        s.albedo = wp.cw_mul(s.albedo, vertex_colour(space, part.row, hit))
    return s


@wp.func
def surface(space: Space, part: Part, hit: Hit, start: wp.vec3, direction: wp.vec3, spread: float):
    """The surface at a hit, with colours; `spread` is the width of a pixel [m] at t = 1 along the ray."""
    return coloured(space, part, hit, shape(space, part, hit, start, direction), direction, spread)


@wp.func
def sky(space: Space, direction: wp.vec3):
    up = wp.normalize(direction)[1]
    colour = wp.lerp(space.horizon, space.zenith, wp.sqrt(wp.max(up, 0.0)))
    if up < 0.0:
        colour = wp.lerp(space.horizon, space.ground, wp.min(-up * 8.0, 1.0))
    return colour


@wp.func
def room_of(rooms: Rooms, s: Surface, direction: wp.vec3):
    """Room that a seen surface faces; -1 outside.

    Asked off the surface and a little back towards the viewer, where there must be free space: in a corner,
    the map's cells would else take the wall's other side for the nearer one.
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
def cube(rooms: Rooms, probe: int, n: wp.vec3):
    """Light on a face with normal n at a probe: the ambient cube of McTaggart (2004)."""
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
def ambient(space: Space, rooms: Rooms, room: int, at: wp.vec3, n: wp.vec3):
    """Indirect light on a face with normal n, from the eight probes about the point."""
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
                total = total + weight * cube(rooms, probe, n)
    return total


@wp.func
def arriving(light: DeviceLight, at: wp.vec3):
    """Unshadowed light on a face turned to the lamp; zero beyond its range or cone."""
    strength = float(1.0)
    if light.kind != 2:
        to = light.position - at
        d2 = wp.length_sq(to)
        strength = LAMP / (d2 + SOURCE * SOURCE)
        if light.reach > 0.0:
            # Inverse square, brought smoothly to zero at the range (Karis, 2013).
            q = d2 / (light.reach * light.reach)
            fade = wp.max(1.0 - q * q, 0.0)
            strength = strength * fade * fade
        if light.kind == 1:
            cos = -wp.dot(wp.normalize(to), light.direction)
            edge = wp.clamp((cos - light.cos_outer) / (0.15 * (1.0 - light.cos_outer) + 1.0e-4), 0.0, 1.0)
            strength = strength * edge * edge * (3.0 - 2.0 * edge)
    return strength * light.color


@wp.func
def lit(space: Space, light: DeviceLight, at: wp.vec3, shadows: int):
    """What part of a lamp's light, by colour, reaches a point; `shadows` rays are asked, 0: all of it."""
    direction = -light.direction
    reach = float(1.0e4)
    if light.kind != 2:
        direction = light.position - at
        # Lamps hang in their own shades: the last bit of the way casts no shadow.
        reach = wp.max(1.0 - light.shade / wp.max(wp.length(direction), 1.0e-3), 0.0)
    direction = nudged(direction)
    share = wp.vec3(1.0, 1.0, 1.0)
    if shadows > 0 and light.shadows == 1:
        open = float(0.0)
        rays = int(1)
        if light.kind == 2 or shadows == 1:
            if not blocked(space, at, direction, reach):
                open = 1.0
        else:
            # Points of a disc that faces the surface, in a sunflower's order from the rim inwards (Vogel,
            # 1979); where the first few agree, so will the rest.
            side = wp.normalize(wp.cross(direction, wp.vec3(0.3, 0.9, 0.31)))
            up = wp.normalize(wp.cross(direction, side))
            rays = int(0)
            while rays < shadows:
                radius = DISC * wp.sqrt(1.0 - float(rays) / float(shadows))
                angle = 2.3999632 * float(rays)
                point = direction + radius * (wp.cos(angle) * side + wp.sin(angle) * up)
                rays = rays + 1
                if not blocked(space, at, nudged(point), reach):
                    open = open + 1.0
                if rays == AGREE and (open == 0.0 or open == float(AGREE)):
                    open = open * float(shadows) / float(AGREE)
                    rays = shadows
        if open > 0.0:
            share = through_glass(space, at, direction, reach) * (open / float(rays))
        else:
            share = wp.vec3(0.0, 0.0, 0.0)
    return share


@wp.func
def direct(space: Space, rooms: Rooms, room: int, at: wp.vec3, n: wp.vec3, least: float, shadows: int):
    """Light on a face from the lamps that reach its room; one that could add no more than `least` is not
    asked."""
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
                light = cos * arriving(space.lights[k], at)
                if wp.max(light) > least:
                    total = total + wp.cw_mul(light, lit(space, space.lights[k], at, shadows))
    return total


@wp.func
def room_left(rooms: Rooms, at: wp.vec3):
    """Distance to the nearest surface [m], NEAR at most, between the grid's points."""
    q = (at - rooms.near_origin) / rooms.near_cell
    nx = rooms.near.shape[2]
    ny = rooms.near.shape[1]
    nz = rooms.near.shape[0]
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
    low = wp.lerp(
        wp.lerp(rooms.near[k, j, i], rooms.near[k, j, i1], x),
        wp.lerp(rooms.near[k, j1, i], rooms.near[k, j1, i1], x),
        y,
    )
    high = wp.lerp(
        wp.lerp(rooms.near[k1, j, i], rooms.near[k1, j, i1], x),
        wp.lerp(rooms.near[k1, j1, i], rooms.near[k1, j1, i1], x),
        y,
    )
    return wp.lerp(low, high, z)


@wp.func
def openness(rooms: Rooms, at: wp.vec3, n: wp.vec3):
    """Share of indirect light that nearby surfaces let pass, from distances to them along the normal.

    After Evans (2006), "Fast approximations for global illumination on dynamic scenes". Unlike rays at
    random it brings no noise, which edges, and tokens learnt from so few pixels, could not bear.
    """
    near = wp.min(room_left(rooms, at + 0.13 * n) / 0.13, 1.0)
    wide = wp.min(room_left(rooms, at + 0.35 * n) / 0.35, 1.0)
    return (0.45 + 0.55 * near) * (0.5 + 0.5 * wide)
