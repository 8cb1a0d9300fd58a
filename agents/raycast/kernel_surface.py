# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
"""The surface at a hit: its place, normals and colours.

Texture filtering is bilinear within a mip level and linear between the two levels about the size of a pixel's
footprint.
"""

import warp as wp

from agents.raycast.kernel_types import OPTIONS, DeviceSpace, Hit, Part, Texture

wp.set_module_options(OPTIONS)


@wp.struct
class Surface:
    """The surface at a hit. Both normals are unit vectors towards the viewer."""

    position: wp.vec3
    face_normal: wp.vec3  # of the triangle
    normal: wp.vec3  # interpolated between the triangle's corners
    double_area: float  # twice the triangle's area [m²]
    front: int  # 1 where the ray hit the front of the triangle
    albedo: wp.vec3
    emission: wp.vec3


@wp.func
def linear_color(space: DeviceSpace, packed: int):
    """Linear colour of three sRGB bytes packed 0x00BBGGRR."""
    return wp.vec3(
        space.srgb_to_linear[packed & 255],
        space.srgb_to_linear[(packed >> 8) & 255],
        space.srgb_to_linear[(packed >> 16) & 255],
    )


@wp.func
def texel(space: DeviceSpace, texture: Texture, level: int, column: int, row: int):
    """Linear colour of a texel of a mip level; the texture repeats."""
    w = wp.max(texture.width >> level, 1)
    h = wp.max(texture.height >> level, 1)
    c = column % w
    r = row % h
    if c < 0:
        c = c + w
    if r < 0:
        r = r + h
    return linear_color(space, int(texture.texels[texture.starts[level] + r * w + c]))


@wp.func
def bilinear(space: DeviceSpace, texture: Texture, level: int, uv: wp.vec2):
    """Linear colour between the four texels of a mip level about uv."""
    w = float(wp.max(texture.width >> level, 1))
    h = float(wp.max(texture.height >> level, 1))
    # Wrapped before scaling: small numbers keep their precision in float32.
    x = (uv[0] - wp.floor(uv[0])) * w - 0.5
    y = (1.0 - (uv[1] - wp.floor(uv[1]))) * h - 0.5
    c = int(wp.floor(x))
    r = int(wp.floor(y))
    fx = x - wp.floor(x)
    fy = y - wp.floor(y)
    top = wp.lerp(texel(space, texture, level, c, r), texel(space, texture, level, c + 1, r), fx)
    bottom = wp.lerp(texel(space, texture, level, c, r + 1), texel(space, texture, level, c + 1, r + 1), fx)
    return wp.lerp(top, bottom, fy)


@wp.func
def sample_texture(space: DeviceSpace, texture: Texture, uv: wp.vec2, texels_per_pixel: float):
    """Linear colour between the two mip levels about the size of a pixel's footprint."""
    lod = wp.clamp(wp.log2(wp.max(texels_per_pixel, 1.0e-6)), 0.0, float(texture.levels - 1))
    level = int(lod)
    color = bilinear(space, texture, level, uv)
    fraction = lod - float(level)
    if fraction > 0.0:
        color = wp.lerp(color, bilinear(space, texture, level + 1, uv), fraction)
    return color


@wp.func
def hit_geometry(space: DeviceSpace, part: Part, hit: Hit, start: wp.vec3, direction: wp.vec3):
    """Position and normals of the surface at a hit; colours are left zero (see `apply_material`)."""
    s = Surface()
    s.position = start + hit.t * direction
    i = space.meshes[part.mesh_index].indices[3 * hit.face]
    j = space.meshes[part.mesh_index].indices[3 * hit.face + 1]
    k = space.meshes[part.mesh_index].indices[3 * hit.face + 2]
    p = space.meshes[part.mesh_index].points[i]
    edge_cross = wp.cross(
        space.meshes[part.mesh_index].points[j] - p, space.meshes[part.mesh_index].points[k] - p
    )
    # Normals, and cross products of edges, are carried to the world by the inverse transpose.
    normal_area = wp.transpose(part.inverse) * edge_cross
    n = wp.normalize(normal_area)
    s.double_area = wp.length(normal_area) * wp.abs(part.determinant)
    w = 1.0 - hit.u - hit.v
    smooth = wp.normalize(
        wp.transpose(part.inverse)
        * (
            hit.u * space.meshes[part.mesh_index].normals[i]
            + hit.v * space.meshes[part.mesh_index].normals[j]
            + w * space.meshes[part.mesh_index].normals[k]
        )
    )
    # Where vertex normals and winding disagree, the winding decides the sign.
    if wp.dot(smooth, n) < 0.0:
        smooth = -smooth
    s.front = 1
    if wp.dot(n, direction) > 0.0:
        s.front = 0
        n = -n
        smooth = -smooth
    # An interpolated normal may point away from the viewer; the triangle's then takes its place.
    if wp.dot(smooth, direction) >= 0.0 or wp.length_sq(smooth) < 0.5:
        smooth = n
    s.face_normal = n
    s.normal = smooth
    return s


@wp.func
def vertex_color(space: DeviceSpace, mesh_index: int, hit: Hit):
    """Linear colour at a hit, interpolated between the vertices of the triangle."""
    i = space.meshes[mesh_index].indices[3 * hit.face]
    j = space.meshes[mesh_index].indices[3 * hit.face + 1]
    k = space.meshes[mesh_index].indices[3 * hit.face + 2]
    return (
        hit.u * linear_color(space, int(space.meshes[mesh_index].colors[i]))
        + hit.v * linear_color(space, int(space.meshes[mesh_index].colors[j]))
        + (1.0 - hit.u - hit.v) * linear_color(space, int(space.meshes[mesh_index].colors[k]))
    )


@wp.func
def apply_material(space: DeviceSpace, part: Part, hit: Hit, s: Surface, direction: wp.vec3, spread: float):
    """The surface `s` of `hit_geometry` with its material's albedo and emission.

    `spread` is the width of a pixel [m] at t = 1 along the ray.
    """
    m = part.first_material + space.meshes[part.mesh_index].face_material[hit.face]
    s.albedo = space.materials[m].color
    s.emission = space.materials[m].emission
    if space.materials[m].texture.levels > 0:
        i = space.meshes[part.mesh_index].indices[3 * hit.face]
        j = space.meshes[part.mesh_index].indices[3 * hit.face + 1]
        k = space.meshes[part.mesh_index].indices[3 * hit.face + 2]
        a = space.meshes[part.mesh_index].uvs[i]
        b = space.meshes[part.mesh_index].uvs[j]
        c = space.meshes[part.mesh_index].uvs[k]
        e = b - a
        f = c - a
        uv_area = wp.abs(e[0] * f[1] - e[1] * f[0])
        texels = uv_area * float(space.materials[m].texture.width * space.materials[m].texture.height)
        area = wp.max(s.double_area, 1.0e-12)
        slope = wp.max(-wp.dot(s.face_normal, wp.normalize(direction)), 0.1)
        # Isotropic filtering of an elliptical footprint by the geometric mean of its axes: a compromise
        # between aliasing along the long axis and blur along the short one.
        footprint = spread * hit.t / wp.sqrt(slope)
        uv = hit.u * a + hit.v * b + (1.0 - hit.u - hit.v) * c
        texture_color = sample_texture(
            space, space.materials[m].texture, uv, footprint * wp.sqrt(texels / area)
        )
        s.albedo = wp.cw_mul(s.albedo, texture_color)
        s.emission = wp.cw_mul(s.emission, texture_color)
    if space.meshes[part.mesh_index].colors.shape[0] > 0:
        s.albedo = wp.cw_mul(s.albedo, vertex_color(space, part.mesh_index, hit))
    return s


@wp.func
def hit_surface(space: DeviceSpace, part: Part, hit: Hit, start: wp.vec3, direction: wp.vec3, spread: float):
    """The surface at a hit with its colours; `spread` is the width of a pixel [m] at t = 1 along the ray."""
    return apply_material(
        space, part, hit, hit_geometry(space, part, hit, start, direction), direction, spread
    )
