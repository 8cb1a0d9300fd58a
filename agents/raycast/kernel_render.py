# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046, SIM102  (int(0) and float(0.0) declare variables that a loop may change)
"""The kernel that renders: one thread per pixel, a batch of cameras per launch.

The code is the same on a CPU and on a CUDA device. On a CPU Warp runs a launch on the calling thread, pixel
by pixel, so a process uses one core; collectors use more cores by more processes. Compiled kernels are kept
in Warp's cache directory. Processes that start at once may each compile them; the first to finish puts its
result there by an atomic rename, and the others use that.
"""

import warp as wp

from agents.raycast.kernel_light import (
    RAY_OFFSET,
    ambient_visibility,
    direct_irradiance,
    indirect_irradiance,
    room_index,
    sky_radiance,
)
from agents.raycast.kernel_surface import Surface, apply_material, hit_geometry, hit_surface
from agents.raycast.kernel_trace import (
    closest_glass_hit,
    closest_opaque_hit,
    material_index,
    nonzero_direction,
)
from agents.raycast.kernel_types import (
    GLASS_LAYERS,
    OPTIONS,
    RAY_MAX,
    TONE_CURVE_END,
    DeviceSpace,
    Hit,
    Part,
    Rooms,
)

wp.set_module_options(OPTIONS)


@wp.func
def outgoing_radiance(space: DeviceSpace, rooms: Rooms, s: Surface, direction: wp.vec3, shadow_rays: int):
    """Radiance that a diffuse surface sends towards the viewer."""
    origin = s.position + RAY_OFFSET * s.face_normal
    room = room_index(rooms, s, direction)
    indirect = indirect_irradiance(space, rooms, room, origin, s.normal) * ambient_visibility(
        rooms, s.position, s.face_normal
    )
    light = direct_irradiance(space, rooms, room, origin, s.normal, 0.03 * wp.max(indirect), shadow_rays)
    return s.emission + wp.cw_mul(s.albedo, light + indirect)


@wp.func
def radiance(
    space: DeviceSpace,
    rooms: Rooms,
    start: wp.vec3,
    direction: wp.vec3,
    hit: Hit,
    primary: Surface,
    spread: float,
    shadow_rays: int,
):
    """Radiance along a ray whose closest opaque hit is `hit`, with the glass before it.

    `primary` is the surface there as `hit_geometry` returns it.
    """
    color = sky_radiance(space, direction)
    if hit.part >= 0:
        part = space.opaque_parts[hit.part]
        color = outgoing_radiance(
            space, rooms, apply_material(space, part, hit, primary, direction, spread), direction, shadow_rays
        )
    # Panes are composited front to back: each adds its own light, attenuated by those before it.
    glass_radiance = wp.vec3(0.0, 0.0, 0.0)
    transmittance = wp.vec3(1.0, 1.0, 1.0)
    t = float(0.0)
    layer = int(0)
    while layer < GLASS_LAYERS:
        layer = layer + 1
        pane = closest_glass_hit(space, start + t * direction, direction, hit.t - t)
        if pane.part < 0:
            break
        part = space.glass_parts[pane.part]
        s = hit_surface(space, part, pane, start + t * direction, direction, spread)
        opacity = space.materials[material_index(space, part, pane.face)].opacity
        room = room_index(rooms, s, direction)
        view = wp.normalize(direction)
        cos_view = wp.max(-wp.dot(view, s.normal), 0.0)
        # Fresnel reflectance of glass (Schlick, 1994). The reflected light is the probes', so it is blurred.
        reflectance = 0.04 + 0.96 * wp.pow(1.0 - cos_view, 5.0)
        mirror_direction = view + 2.0 * cos_view * s.normal
        pane_radiance = s.emission + opacity * wp.cw_mul(
            s.albedo, indirect_irradiance(space, rooms, room, s.position, s.normal)
        )
        pane_radiance = (1.0 - reflectance) * pane_radiance + reflectance * indirect_irradiance(
            space, rooms, room, s.position, mirror_direction
        )
        glass_radiance = glass_radiance + wp.cw_mul(transmittance, pane_radiance)
        transmittance = wp.cw_mul(
            transmittance, space.materials[material_index(space, part, pane.face)].color
        )
        transmittance = transmittance * ((1.0 - reflectance) * (1.0 - opacity))
        t = t + pane.t + 1.0e-4
    return glass_radiance + wp.cw_mul(transmittance, color)


@wp.func
def captured_radiance(space: DeviceSpace, start: wp.vec3, direction: wp.vec3, hit: Hit, spread: float):
    """Radiance along a ray through a scan, as captured, with the glass before it; no light is added."""
    color = wp.vec3(0.0, 0.0, 0.0)
    if hit.part >= 0:
        s = hit_surface(space, space.opaque_parts[hit.part], hit, start, direction, spread)
        color = s.albedo + s.emission
    glass_radiance = wp.vec3(0.0, 0.0, 0.0)
    transmittance = float(1.0)
    t = float(0.0)
    layer = int(0)
    while layer < GLASS_LAYERS:
        layer = layer + 1
        pane = closest_glass_hit(space, start + t * direction, direction, hit.t - t)
        if pane.part < 0:
            break
        part = space.glass_parts[pane.part]
        s = hit_surface(space, part, pane, start + t * direction, direction, spread)
        opacity = space.materials[material_index(space, part, pane.face)].opacity
        glass_radiance = glass_radiance + transmittance * opacity * s.albedo
        transmittance = transmittance * (1.0 - opacity)
        t = t + pane.t + 1.0e-4
    return glass_radiance + transmittance * color


@wp.func
def srgb_encode(x: float):
    """sRGB of linear light, both in [0, 1] (IEC 61966-2-1); light outside is clamped."""
    y = wp.clamp(x, 0.0, 1.0)
    if y <= 0.0031308:
        return 12.92 * y
    return 1.055 * wp.pow(y, 1.0 / 2.4) - 0.055


@wp.func
def tone_map(curve: wp.array(dtype=float), x: float):
    """sRGB in [0, 1] of exposed radiance, interpolated in the table of `device_scene.tone_curve`."""
    last = curve.shape[0] - 1
    at = wp.min(wp.sqrt(wp.max(x, 0.0)) / TONE_CURVE_END, 1.0) * float(last)
    i = wp.min(int(at), last - 1)
    return wp.lerp(curve[i], curve[i + 1], at - float(i))


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
    """Whether one of the four neighbours differs in instance, in normal, or by 5 % in depth."""
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
            difference = int(0)
            for c in range(3):
                difference = difference + wp.abs(int(normals[other, c]) - int(normals[pixel, c]))
            if difference > 40:
                return True
            if 20 * wp.abs(int(depth[other]) - int(depth[pixel])) > int(depth[pixel]):
                return True
    return False


@wp.kernel
def render(
    space: DeviceSpace,
    rooms: Rooms,
    rotations: wp.array(dtype=wp.mat33),  # camera to world
    positions: wp.array(dtype=wp.vec3),
    intrinsics: wp.array(dtype=wp.vec4),  # fx, fy, cx, cy
    exposure: wp.array(dtype=float),
    height: int,
    width: int,
    grid: int,  # grid × grid colour samples per pixel; 0 = no colour
    shadow_rays: int,  # per lamp; 0 = no shadows
    edges_only: int,  # 1: draw the colour of edge pixels alone, by depth, normals, instance as they are
    rgb: wp.array2d(dtype=wp.uint8),  # [camera·height·width, 3]
    depth: wp.array(dtype=wp.uint16),
    normals: wp.array2d(dtype=wp.uint8),
    semantic: wp.array(dtype=wp.uint8),
    instance: wp.array(dtype=wp.uint16),
):
    """Render one pixel of one camera into the arrays; pixels that hit nothing keep their zeros."""
    pixel = wp.tid()
    camera = pixel / (height * width)
    row = float((pixel / width) % height)
    column = float(pixel % width)
    f = intrinsics[camera]
    start = positions[camera]
    if edges_only == 1:  # nested: `and` evaluates both sides
        if not on_edge(pixel, int(row), int(column), height, width, depth, normals, instance):
            return

    # In camera axes every direction has z = 1, so that t is z-depth [m].
    along = wp.vec3((column + 0.5 - f[2]) / f[0], (row + 0.5 - f[3]) / f[1], 1.0)
    direction = nonzero_direction(rotations[camera] * along)
    hit = Hit()
    hit.part = -1
    if edges_only == 0 or grid == 1:
        hit = closest_opaque_hit(space, start, direction, RAY_MAX)

    # Depth, normals and labels are those of the closest opaque surface. A ray that passes glass and then hits
    # nothing has those of the glass: a window on the sky is labelled a window.
    visible = hit
    is_glass = int(0)
    if hit.part < 0 and edges_only == 0:
        visible = closest_glass_hit(space, start, direction, RAY_MAX)
        is_glass = int(1)
    s = Surface()
    if visible.part >= 0 and edges_only == 0:
        part = Part()
        if is_glass == 1:
            part = space.glass_parts[visible.part]
        else:
            part = space.opaque_parts[visible.part]
        s = hit_geometry(space, part, visible, start, direction)
        n = wp.transpose(rotations[camera]) * s.normal
        depth[pixel] = wp.uint16(wp.clamp(int(wp.floor(visible.t * 1000.0 + 0.5)), 1, 65535))
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
                direction = nonzero_direction(
                    rotations[camera] * wp.vec3((x - f[2]) / f[0], (y - f[3]) / f[1], 1.0)
                )
                hit = closest_opaque_hit(space, start, direction, RAY_MAX)
            # Samples are tone-mapped before they are averaged: the edge of a bright lamp is then as smooth as
            # any other.
            if space.captured == 1:
                light = captured_radiance(space, start, direction, hit, cell / f[0])
                total = total + wp.vec3(srgb_encode(light[0]), srgb_encode(light[1]), srgb_encode(light[2]))
            else:
                if grid > 1:
                    if hit.part >= 0:
                        s = hit_geometry(space, space.opaque_parts[hit.part], hit, start, direction)
                light = exposure[camera] * radiance(
                    space, rooms, start, direction, hit, s, cell / f[0], shadow_rays
                )
                total = total + wp.vec3(
                    tone_map(space.tone_curve, light[0]),
                    tone_map(space.tone_curve, light[1]),
                    tone_map(space.tone_curve, light[2]),
                )
        total = total * (255.0 / float(grid * grid))
        rgb[pixel, 0] = wp.uint8(int(total[0] + 0.5))
        rgb[pixel, 1] = wp.uint8(int(total[1] + 0.5))
        rgb[pixel, 2] = wp.uint8(int(total[2] + 0.5))
