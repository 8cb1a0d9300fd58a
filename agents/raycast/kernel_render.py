# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046, SIM102  (int(0) and float(0.0) declare variables that a loop may change)
"""The kernel that draws: one thread a pixel, a batch of cameras in one launch.

It is the same code on a CPU and on a CUDA device. On a CPU Warp runs a launch on the one thread that asks
for it, in order, so a process uses one core; more cores are used by more processes, which is what
collectors are. Compiled kernels are kept in Warp's cache directory; processes that start at once may each
compile, and the first to finish wins by an atomic rename.
"""

import warp as wp

from agents.raycast.kernel_shade import (
    LIFT,
    Surface,
    ambient,
    coloured,
    direct,
    openness,
    room_of,
    shape,
    sky,
    surface,
)
from agents.raycast.kernel_trace import (
    FAR,
    FILM_END,
    LAYERS,
    OPTIONS,
    Hit,
    Part,
    Rooms,
    Space,
    first_glass,
    first_solid,
    nudged,
    part_material,
)

wp.set_module_options(OPTIONS)


@wp.func
def colour_of(space: Space, rooms: Rooms, s: Surface, direction: wp.vec3, shadows: int):
    """Light that leaves a surface towards the viewer."""
    lifted = s.position + LIFT * s.face_normal
    room = room_of(rooms, s, direction)
    around = ambient(space, rooms, room, lifted, s.normal) * openness(rooms, s.position, s.face_normal)
    light = direct(space, rooms, room, lifted, s.normal, 0.03 * wp.max(around), shadows)
    return s.emission + wp.cw_mul(s.albedo, light + around)


@wp.func
def seen(
    space: Space,
    rooms: Rooms,
    start: wp.vec3,
    direction: wp.vec3,
    hit: Hit,
    met: Surface,
    spread: float,
    shadows: int,
):
    """Radiance along a ray whose first opaque surface is `hit`, of shape `met`, with the glass before it."""
    colour = sky(space, direction)
    if hit.part >= 0:
        part = space.solid_parts[hit.part]
        colour = colour_of(
            space, rooms, coloured(space, part, hit, met, direction, spread), direction, shadows
        )
    # Layers of glass are met nearest first: each adds its own sheen, dimmed by those before it.
    sheen = wp.vec3(0.0, 0.0, 0.0)
    left = wp.vec3(1.0, 1.0, 1.0)
    at = float(0.0)
    layer = int(0)
    while layer < LAYERS:
        layer = layer + 1
        pane = first_glass(space, start + at * direction, direction, hit.t - at)
        if pane.part < 0:
            break
        part = space.glass_parts[pane.part]
        s = surface(space, part, pane, start + at * direction, direction, spread)
        opacity = space.materials[part_material(space, part, pane.face)].opacity
        room = room_of(rooms, s, direction)
        view = wp.normalize(direction)
        facing = wp.max(-wp.dot(view, s.normal), 0.0)
        # Schlick's Fresnel term for glass; what is mirrored is only known as blurred as the probes know it.
        mirrored = 0.04 + 0.96 * wp.pow(1.0 - facing, 5.0)
        bounced = view + 2.0 * facing * s.normal
        glow = s.emission + opacity * wp.cw_mul(s.albedo, ambient(space, rooms, room, s.position, s.normal))
        glow = (1.0 - mirrored) * glow + mirrored * ambient(space, rooms, room, s.position, bounced)
        sheen = sheen + wp.cw_mul(left, glow)
        left = wp.cw_mul(left, space.materials[part_material(space, part, pane.face)].color)
        left = left * ((1.0 - mirrored) * (1.0 - opacity))
        at = at + pane.t + 1.0e-4
    return sheen + wp.cw_mul(left, colour)


@wp.func
def recorded(space: Space, start: wp.vec3, direction: wp.vec3, hit: Hit, spread: float):
    """Colour along a ray through a scan: what was captured, with the glass before it, and no light of
    ours."""
    colour = wp.vec3(0.0, 0.0, 0.0)
    if hit.part >= 0:
        s = surface(space, space.solid_parts[hit.part], hit, start, direction, spread)
        colour = s.albedo + s.emission
    over = wp.vec3(0.0, 0.0, 0.0)
    left = float(1.0)
    at = float(0.0)
    layer = int(0)
    while layer < LAYERS:
        layer = layer + 1
        pane = first_glass(space, start + at * direction, direction, hit.t - at)
        if pane.part < 0:
            break
        part = space.glass_parts[pane.part]
        s = surface(space, part, pane, start + at * direction, direction, spread)
        opacity = space.materials[part_material(space, part, pane.face)].opacity
        over = over + left * opacity * s.albedo
        left = left * (1.0 - opacity)
        at = at + pane.t + 1.0e-4
    return over + left * colour


@wp.func
def encoded(x: float):
    """sRGB of linear light, both in [0, 1] (IEC 61966-2-1)."""
    y = wp.clamp(x, 0.0, 1.0)
    if y <= 0.0031308:
        return 12.92 * y
    return 1.055 * wp.pow(y, 1.0 / 2.4) - 0.055


@wp.func
def film(film: wp.array(dtype=float), x: float):
    """sRGB of light on film, in [0, 1]; see `device_scene.film_curve`."""
    last = film.shape[0] - 1
    at = wp.min(wp.sqrt(wp.max(x, 0.0)) / FILM_END, 1.0) * float(last)
    i = wp.min(int(at), last - 1)
    return wp.lerp(film[i], film[i + 1], at - float(i))


@wp.func
def on_edge(
    pixel: int,
    row: int,
    column: int,
    height: int,
    width: int,
    depth: wp.array(dtype=wp.uint16),
    normals: wp.array2d(dtype=wp.uint8),
    instance: wp.array(dtype=wp.uint16),
):
    """Whether a pixel beside, above or below shows another thing, another side, or another distance."""
    for k in range(4):
        other = int(-1)
        if k == 0 and column > 0:
            other = pixel - 1
        if k == 1 and column < width - 1:
            other = pixel + 1
        if k == 2 and row > 0:
            other = pixel - width
        if k == 3 and row < height - 1:
            other = pixel + width
        if other >= 0:
            if instance[other] != instance[pixel]:
                return True
            turn = int(0)
            for c in range(3):
                turn = turn + wp.abs(int(normals[other, c]) - int(normals[pixel, c]))
            if turn > 40:
                return True
            if 20 * wp.abs(int(depth[other]) - int(depth[pixel])) > int(depth[pixel]):
                return True
    return False


@wp.kernel
def render(
    space: Space,
    rooms: Rooms,
    turn: wp.array(dtype=wp.mat33),  # camera to world
    place: wp.array(dtype=wp.vec3),
    lens: wp.array(dtype=wp.vec4),  # fx, fy, cx, cy
    exposure: wp.array(dtype=float),
    height: int,
    width: int,
    grid: int,  # grid × grid samples of colour a pixel; 0 = no colour
    shadows: int,  # rays to each lamp; 0 = no shadows
    again: int,  # 1: colour alone, and only of pixels that an edge passes; what is drawn already says which
    rgb: wp.array2d(dtype=wp.uint8),  # [camera·height·width, 3]
    depth: wp.array(dtype=wp.uint16),
    normals: wp.array2d(dtype=wp.uint8),
    semantic: wp.array(dtype=wp.uint8),
    instance: wp.array(dtype=wp.uint16),
):
    pixel = wp.tid()
    camera = pixel / (height * width)
    row = float((pixel / width) % height)
    column = float(pixel % width)
    f = lens[camera]
    start = place[camera]
    if again == 1:  # `and` would ask both
        if not on_edge(pixel, int(row), int(column), height, width, depth, normals, instance):
            return

    # In camera axes every direction has z = 1, so that t is z-depth in metres.
    along = wp.vec3((column + 0.5 - f[2]) / f[0], (row + 0.5 - f[3]) / f[1], 1.0)
    direction = nudged(turn[camera] * along)
    hit = Hit()
    hit.part = -1
    if again == 0 or grid == 1:
        hit = first_solid(space, start, direction, FAR)

    # Depth, normals and labels are of the first opaque surface. A ray that passes glass and then meets
    # nothing is the glass's: a window on the sky is a window, and not a hole.
    shown = hit
    glassy = int(0)
    if hit.part < 0 and again == 0:
        shown = first_glass(space, start, direction, FAR)
        glassy = int(1)
    s = Surface()
    if shown.part >= 0 and again == 0:
        part = Part()
        if glassy == 1:
            part = space.glass_parts[shown.part]
        else:
            part = space.solid_parts[shown.part]
        s = shape(space, part, shown, start, direction)
        n = wp.transpose(turn[camera]) * s.normal
        depth[pixel] = wp.uint16(wp.clamp(int(wp.floor(shown.t * 1000.0 + 0.5)), 1, 65535))
        normals[pixel, 0] = wp.uint8(int(wp.floor((n[0] * 0.5 + 0.5) * 255.0 + 0.5)))
        normals[pixel, 1] = wp.uint8(int(wp.floor((-n[1] * 0.5 + 0.5) * 255.0 + 0.5)))
        normals[pixel, 2] = wp.uint8(int(wp.floor((-n[2] * 0.5 + 0.5) * 255.0 + 0.5)))
        semantic[pixel] = wp.uint8(part.class_id)
        instance[pixel] = wp.uint16(part.instance_id)

    if grid > 0:
        total = wp.vec3(0.0, 0.0, 0.0)
        cell = 1.0 / float(grid)
        for k in range(grid * grid):
            if grid > 1:
                x = column + (float(k % grid) + 0.5) * cell
                y = row + (float(k / grid) + 0.5) * cell
                direction = nudged(turn[camera] * wp.vec3((x - f[2]) / f[0], (y - f[3]) / f[1], 1.0))
                hit = first_solid(space, start, direction, FAR)
            # Each sample passes the film before they are averaged: a lamp's edge is then as smooth as any
            # other.
            if space.captured == 1:
                light = recorded(space, start, direction, hit, cell / f[0])
                total = total + wp.vec3(encoded(light[0]), encoded(light[1]), encoded(light[2]))
            else:
                if grid > 1:
                    if hit.part >= 0:
                        s = shape(space, space.solid_parts[hit.part], hit, start, direction)
                light = exposure[camera] * seen(space, rooms, start, direction, hit, s, cell / f[0], shadows)
                total = total + wp.vec3(
                    film(space.film, light[0]), film(space.film, light[1]), film(space.film, light[2])
                )
        total = total * (255.0 / float(grid * grid))
        rgb[pixel, 0] = wp.uint8(int(total[0] + 0.5))
        rgb[pixel, 1] = wp.uint8(int(total[1] + 0.5))
        rgb[pixel, 2] = wp.uint8(int(total[2] + 0.5))
