# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046, SIM102  (int(0) declares a variable that a loop may change; `and` asks both
# sides)
"""Rays and distances in a space of two levels: what every kernel of the renderer stands on.

A space on a device is a `Space`: a bounding volume hierarchy over the boxes of its parts, and in each part
a mesh with a hierarchy of its own, shared by all spaces that hold the same mesh. A part is the opaque or
the glass half of an instance; the two halves live in two hierarchies, so that a ray for depth or shadow
never has to ask a triangle whether it is glass.

A ray is carried into a part's own coordinates without renormalising its direction: its parameter t then
means the same in both, and a nearest t found in one part bounds the search in the next.
"""

import warp as wp

# Nothing here is differentiated; without the backward pass the kernels compile several times faster.
#
# Fast arithmetic lets a processor's own min and max do the box tests, which half of the time goes to; no ray
# of ours has a NaN (see `nudged`), and infinity still counts. With everything inlined as well, a house is
# drawn half again as fast as with Warp's defaults. Each module of kernels sets these options.
CPU_FLAGS = (
    "-march=native -menable-no-nans -fno-signed-zeros -freciprocal-math -ffp-contract=fast"
    " -Wno-nan-infinity-disabled -mllvm=-inline-threshold=100000"
    " -mllvm=-inline-cold-callsite-threshold=30000 -mllvm=-slp-recursion-max-depth=4"
)
OPTIONS = {"enable_backward": False, "cpu_compiler_flags": CPU_FLAGS}
wp.set_module_options(OPTIONS)

FAR = wp.constant(1.0e6)  # metres
NEAR = wp.constant(0.4)  # metres: how far surfaces darken each other
FILM_END = wp.constant(4.0)  # square root of the light that is white on film
LAYERS = wp.constant(6)  # of glass that a ray passes before the rest is taken for clear


@wp.struct
class DeviceMesh:
    """One half of a mesh; every field but the first is indexed as in `scenes.meshes.geometry.Mesh`."""

    id: wp.uint64
    points: wp.array(dtype=wp.vec3)
    indices: wp.array(dtype=wp.int32)
    normals: wp.array(dtype=wp.vec3)
    uvs: wp.array(dtype=wp.vec2)
    face_material: wp.array(dtype=wp.int32)
    colors: wp.array(dtype=wp.uint32)  # of vertices, packed as texels are; empty = white


@wp.struct
class Part:
    """An instance's opaque or glass half: local = inverse · world + offset."""

    mesh: wp.uint64
    inverse: wp.mat33
    offset: wp.vec3
    forward: wp.mat33
    volume: float  # det(forward)
    least_scale: float  # smallest singular value of forward
    box_volume: float  # of the box about it in the world, m³
    uniform: int  # 1 where forward keeps angles, and so local distances times least_scale are the world's
    row: int  # into Space.meshes
    first_material: int  # of the mesh, into Space.materials
    class_id: int
    instance_id: int


@wp.struct
class Texture:
    """A mip chain in one run of texels, packed 0x00BBGGRR, sRGB; row 0 is the top."""

    texels: wp.array(dtype=wp.uint32)
    starts: wp.array(dtype=wp.int32)  # of each level in `texels`
    width: int  # of level 0; each further level halves, rounding down, to 1 at least
    height: int
    levels: int  # 0 = no texture


@wp.struct
class DeviceMaterial:
    color: wp.vec3  # linear
    emission: wp.vec3
    opacity: float
    texture: Texture


@wp.struct
class DeviceLight:
    kind: int  # 0 point, 1 spot, 2 directional
    color: wp.vec3
    position: wp.vec3
    direction: wp.vec3
    reach: float  # 0 = no limit
    cos_outer: float
    shadows: int
    shade: float


@wp.struct
class Rooms:
    """Which room a point is in, and each room's grid of light probes (see `light_probes.py`)."""

    count: int
    map: wp.array2d(dtype=wp.int32)  # [z, x] cell -> room, -1 outside
    map_origin: wp.vec2  # x, z
    map_cell: float
    origin: wp.array(dtype=wp.vec3)
    step: wp.array(dtype=wp.vec3)
    size: wp.array2d(dtype=wp.int32)  # [room, 3] probes along x, y, z
    first: wp.array(dtype=wp.int32)
    lights: wp.array2d(dtype=wp.int32)  # [room + 1, LIGHTS + LAMPS], -1 where none; the last row is outside
    near: wp.array3d(dtype=float)  # [z, y, x] distance to the nearest opaque surface, NEAR at most
    near_origin: wp.vec3
    near_cell: float
    ambient: wp.array2d(dtype=wp.vec3)  # [probe, 6]: light on faces towards +x, -x, +y, -y, +z, -z


@wp.struct
class Space:
    solid: wp.uint64  # over the boxes of the first `large_count` of the solid parts
    large_count: int
    solid_parts: wp.array(dtype=Part)
    every: wp.uint64  # over the boxes of all solid parts
    solid_count: int
    merged: wp.uint64  # the small solid parts (walls, mostly) as one mesh in world coordinates, 0 = none
    merged_part: wp.array(dtype=wp.int32)  # of each of its faces: whose it is, and which face there
    merged_face: wp.array(dtype=wp.int32)
    glass: wp.uint64
    glass_count: int
    glass_parts: wp.array(dtype=Part)
    meshes: wp.array(dtype=DeviceMesh)
    materials: wp.array(dtype=DeviceMaterial)
    lights: wp.array(dtype=DeviceLight)
    linear: wp.array(dtype=float)  # [256], sRGB byte to linear
    film: wp.array(dtype=float)  # [n], see `device_scene.film_curve`
    zenith: wp.vec3
    horizon: wp.vec3
    ground: wp.vec3
    captured: int  # 1: colours are shown as they are, unlit


@wp.struct
class Hit:
    part: int  # -1 = nothing
    face: int
    u: float
    v: float
    t: float


@wp.func
def nudged(direction: wp.vec3):
    """The direction without exact zeros, whose reciprocals would make a box test compare with NaN."""
    x = direction[0]
    y = direction[1]
    z = direction[2]
    if wp.abs(x) < 1.0e-9:
        x = float(1.0e-9)
    if wp.abs(y) < 1.0e-9:
        y = float(1.0e-9)
    if wp.abs(z) < 1.0e-9:
        z = float(1.0e-9)
    return wp.vec3(x, y, z)


@wp.func
def nearer(bvh: wp.uint64, parts: wp.array(dtype=Part), start: wp.vec3, direction: wp.vec3, hit: Hit):
    """The hit, or a surface of the parts that stands before it."""
    best = float(hit.t)
    item = int(0)
    query = wp.bvh_query_ray(bvh, start, direction)
    while wp.bvh_query_next(query, item, best):
        inverse = parts[item].inverse
        local = wp.mesh_query_ray(
            parts[item].mesh, inverse * start + parts[item].offset, inverse * direction, best
        )
        if local.result:
            best = local.t
            hit.part = item
            hit.face = local.face
            hit.u = local.u
            hit.v = local.v
    hit.t = best
    return hit


@wp.func
def first_solid(space: Space, start: wp.vec3, direction: wp.vec3, reach: float):
    """First opaque surface along the ray with t < reach.

    What is small in triangles is large in a picture: the merged walls, asked first, bound what follows.
    """
    hit = Hit()
    hit.part = -1
    hit.t = reach
    if space.merged != wp.uint64(0):
        wall = wp.mesh_query_ray(space.merged, start, direction, reach)
        if wall.result:
            hit.part = space.merged_part[wall.face]
            hit.face = space.merged_face[wall.face]
            hit.u = wall.u
            hit.v = wall.v
            hit.t = wall.t
    if space.large_count > 0:
        hit = nearer(space.solid, space.solid_parts, start, direction, hit)
    return hit


@wp.func
def first_glass(space: Space, start: wp.vec3, direction: wp.vec3, reach: float):
    hit = Hit()
    hit.part = -1
    hit.t = reach
    if space.glass_count > 0:
        hit = nearer(space.glass, space.glass_parts, start, direction, hit)
    return hit


@wp.func
def blocked(space: Space, start: wp.vec3, direction: wp.vec3, reach: float):
    """Whether anything opaque stands on the ray before t = reach."""
    if space.merged != wp.uint64(0):
        if wp.mesh_query_ray_anyhit(space.merged, start, direction, reach):
            return True
    if space.large_count == 0:
        return False
    item = int(0)
    query = wp.bvh_query_ray(space.solid, start, direction)
    while wp.bvh_query_next(query, item, reach):
        inverse = space.solid_parts[item].inverse
        if wp.mesh_query_ray_anyhit(
            space.solid_parts[item].mesh,
            inverse * start + space.solid_parts[item].offset,
            inverse * direction,
            reach,
        ):
            return True
    return False


@wp.func
def part_material(space: Space, part: Part, face: int):
    """Index of the material of a face."""
    return part.first_material + space.meshes[part.row].face_material[face]


@wp.func
def through_glass(space: Space, start: wp.vec3, direction: wp.vec3, reach: float):
    """What part of the light, by colour, passes the glass on the ray before t = reach."""
    left = wp.vec3(1.0, 1.0, 1.0)
    at = float(0.0)
    layer = int(0)
    while layer < LAYERS:
        layer = layer + 1
        hit = first_glass(space, start + at * direction, direction, reach - at)
        if hit.part < 0:
            break
        k = part_material(space, space.glass_parts[hit.part], hit.face)
        left = wp.cw_mul(left, space.materials[k].color) * (1.0 - space.materials[k].opacity)
        at = at + hit.t + 1.0e-4
    return left


@wp.func
def open_distance(space: Space, at: wp.vec3, reach: float):
    """Distance to the nearest opaque surface, `reach` at most; near an unevenly scaled part a little more."""
    best = float(reach)
    if space.merged != wp.uint64(0):
        wall = wp.mesh_query_point_no_sign(space.merged, at, best)
        if wall.result:
            best = wp.length(wp.mesh_eval_position(space.merged, wall.face, wall.u, wall.v) - at)
    if space.large_count > 0:
        item = int(0)
        half = wp.vec3(best, best, best)
        query = wp.bvh_query_aabb(space.solid, at - half, at + half)
        while wp.bvh_query_next(query, item):
            local = space.solid_parts[item].inverse * at + space.solid_parts[item].offset
            near = wp.mesh_query_point_no_sign(
                space.solid_parts[item].mesh, local, best / space.solid_parts[item].least_scale
            )
            if near.result:
                point = wp.mesh_eval_position(space.solid_parts[item].mesh, near.face, near.u, near.v)
                best = wp.min(best, wp.length(space.solid_parts[item].forward * (point - local)))
    return best
