# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046  (int(0) and float(0.0) declare variables that a loop may change)
"""Kernels of free space: clearance, enclosure and line of sight (see `free_space.py`)."""

import warp as wp

from agents.raycast.kernel_trace import closest_glass_hit, closest_opaque_hit, nonzero_direction
from agents.raycast.kernel_types import OPTIONS, RAY_MAX, DeviceSpace, Part

BLOCK_DIM = 128
"""Threads of a block on a GPU. Each has two stacks of 128 bytes in shared memory, of the query of a space and
of that of a mesh in it; a block has 48 KB, too little for Warp's 256 threads."""
wp.set_module_options(OPTIONS | {"block_dim": BLOCK_DIM})


@wp.func
def edge_distance(a: wp.vec3, b: wp.vec3):
    """Distance from the origin to a segment."""
    e = b - a
    t = wp.clamp(-wp.dot(a, e) / wp.max(wp.length_sq(e), 1.0e-20), 0.0, 1.0)
    return wp.length(a + t * e)


@wp.func
def triangle_distance(a: wp.vec3, b: wp.vec3, c: wp.vec3):
    """Distance from the origin to a triangle: to its plane if it projects inside, else to its edges."""
    n = wp.cross(b - a, c - a)
    size = wp.length(n)
    best = wp.min(edge_distance(a, b), wp.min(edge_distance(b, c), edge_distance(c, a)))
    if size > 1.0e-14:
        within = wp.dot(wp.cross(a, b), n) >= 0.0 and wp.dot(wp.cross(b, c), n) >= 0.0
        if within and wp.dot(wp.cross(c, a), n) >= 0.0:
            best = wp.abs(wp.dot(a, n)) / size
    return best


@wp.func
def scaled_distance(space: DeviceSpace, part: Part, local: wp.vec3, max_distance: float):
    """Distance in the world to an unevenly scaled part, by testing every triangle within `max_distance`."""
    best = float(max_distance)
    face = int(0)
    r = max_distance / part.min_scale
    half = wp.vec3(r, r, r)
    query = wp.mesh_query_aabb(part.mesh, local - half, local + half)
    while wp.mesh_query_aabb_next(query, face):
        i = space.meshes[part.mesh_index].indices[3 * face]
        j = space.meshes[part.mesh_index].indices[3 * face + 1]
        k = space.meshes[part.mesh_index].indices[3 * face + 2]
        a = part.forward * (space.meshes[part.mesh_index].points[i] - local)
        b = part.forward * (space.meshes[part.mesh_index].points[j] - local)
        c = part.forward * (space.meshes[part.mesh_index].points[k] - local)
        best = wp.min(best, triangle_distance(a, b, c))
    return best


@wp.kernel
def point_clearance(
    space: DeviceSpace, points: wp.array(dtype=wp.vec3), max_distance: float, out: wp.array(dtype=float)
):
    """Distance to the closest triangle, glass included [m], exact also for unevenly scaled parts."""
    i = wp.tid()
    best = float(max_distance)
    if space.merged_mesh != wp.uint64(0):
        merged = wp.mesh_query_point_no_sign(space.merged_mesh, points[i], best)
        if merged.result:
            point = wp.mesh_eval_position(space.merged_mesh, merged.face, merged.u, merged.v)
            best = wp.length(point - points[i])
    for kind in range(2):
        bvh = space.opaque_bvh
        count = space.large_count
        parts = space.opaque_parts
        if kind == 1:
            bvh = space.glass_bvh
            count = space.glass_count
            parts = space.glass_parts
        if count > 0:
            item = int(0)
            half = wp.vec3(max_distance, max_distance, max_distance)
            query = wp.bvh_query_aabb(bvh, points[i] - half, points[i] + half)
            while wp.bvh_query_next(query, item):
                part = parts[item]
                local = part.inverse * points[i] + part.offset
                if part.uniform == 1:
                    nearest = wp.mesh_query_point_no_sign(part.mesh, local, best / part.min_scale)
                    if nearest.result:
                        point = wp.mesh_eval_position(part.mesh, nearest.face, nearest.u, nearest.v)
                        best = wp.min(best, wp.length(point - local) * part.min_scale)
                else:
                    best = wp.min(best, scaled_distance(space, part, local, best))
    out[i] = best


@wp.kernel
def point_enclosed(
    space: DeviceSpace,
    points: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    shell_volume: wp.array(dtype=float),  # [m³]; a part whose box is larger is a shell of the room
    out: wp.array(dtype=float),
):
    """Largest fraction of the directions that hit one and the same part; shells of a room do not count."""
    i = wp.tid()
    worst = float(0.0)
    item = int(0)
    rays = directions.shape[0]
    if space.opaque_count == 0:
        return
    query = wp.bvh_query_aabb(space.all_opaque_bvh, points[i], points[i])
    while wp.bvh_query_next(query, item):
        part = space.opaque_parts[item]
        if part.box_volume < shell_volume[i]:
            local = part.inverse * points[i] + part.offset
            hits = int(0)
            for ray in range(rays):
                if wp.mesh_query_ray_anyhit(
                    part.mesh, local, part.inverse * nonzero_direction(directions[ray]), RAY_MAX
                ):
                    hits = hits + 1
            worst = wp.max(worst, float(hits) / float(rays))
    out[i] = worst


@wp.kernel
def ray_distance(
    space: DeviceSpace,
    points: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    max_distance: float,
    out: wp.array(dtype=float),
):
    """Distance along each ray to the closest surface, glass included [m]; `max_distance` where none is."""
    i = wp.tid()
    direction = nonzero_direction(wp.normalize(directions[i]))
    out[i] = closest_opaque_hit(space, points[i], direction, max_distance).t
    out[i] = closest_glass_hit(space, points[i], direction, out[i]).t
