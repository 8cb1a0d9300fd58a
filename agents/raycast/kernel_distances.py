# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046  (int(0) and float(0.0) declare variables that a loop may change)
"""Kernels that answer questions about free space (see `free_space.py`)."""

import warp as wp

from agents.raycast.kernel_trace import FAR, OPTIONS, Part, Space, first_glass, first_solid, nudged

wp.set_module_options(OPTIONS)


@wp.func
def edge_distance(a: wp.vec3, b: wp.vec3):
    """Distance from the origin to a segment."""
    e = b - a
    t = wp.clamp(-wp.dot(a, e) / wp.max(wp.length_sq(e), 1.0e-20), 0.0, 1.0)
    return wp.length(a + t * e)


@wp.func
def triangle_distance(a: wp.vec3, b: wp.vec3, c: wp.vec3):
    """Distance from the origin to a triangle: to its plane where the foot lies within, else to its edges."""
    n = wp.cross(b - a, c - a)
    size = wp.length(n)
    best = wp.min(edge_distance(a, b), wp.min(edge_distance(b, c), edge_distance(c, a)))
    if size > 1.0e-14:
        within = wp.dot(wp.cross(a, b), n) >= 0.0 and wp.dot(wp.cross(b, c), n) >= 0.0
        if within and wp.dot(wp.cross(c, a), n) >= 0.0:
            best = wp.abs(wp.dot(a, n)) / size
    return best


@wp.func
def scaled_distance(space: Space, part: Part, local: wp.vec3, reach: float):
    """Distance in the world to a part whose own coordinates are stretched: every triangle near is asked."""
    best = float(reach)
    face = int(0)
    r = reach / part.least_scale
    half = wp.vec3(r, r, r)
    query = wp.mesh_query_aabb(part.mesh, local - half, local + half)
    while wp.mesh_query_aabb_next(query, face):
        i = space.meshes[part.row].indices[3 * face]
        j = space.meshes[part.row].indices[3 * face + 1]
        k = space.meshes[part.row].indices[3 * face + 2]
        a = part.forward * (space.meshes[part.row].points[i] - local)
        b = part.forward * (space.meshes[part.row].points[j] - local)
        c = part.forward * (space.meshes[part.row].points[k] - local)
        best = wp.min(best, triangle_distance(a, b, c))
    return best


@wp.kernel
def point_clearance(space: Space, points: wp.array(dtype=wp.vec3), reach: float, out: wp.array(dtype=float)):
    """Distance to the nearest triangle of glass or anything else, exact also in unevenly scaled parts."""
    i = wp.tid()
    best = float(reach)
    if space.merged != wp.uint64(0):
        wall = wp.mesh_query_point_no_sign(space.merged, points[i], best)
        if wall.result:
            best = wp.length(wp.mesh_eval_position(space.merged, wall.face, wall.u, wall.v) - points[i])
    for kind in range(2):
        bvh = space.solid
        count = space.large_count
        parts = space.solid_parts
        if kind == 1:
            bvh = space.glass
            count = space.glass_count
            parts = space.glass_parts
        if count > 0:
            item = int(0)
            half = wp.vec3(reach, reach, reach)
            query = wp.bvh_query_aabb(bvh, points[i] - half, points[i] + half)
            while wp.bvh_query_next(query, item):
                part = parts[item]
                local = part.inverse * points[i] + part.offset
                if part.uniform == 1:
                    near = wp.mesh_query_point_no_sign(part.mesh, local, best / part.least_scale)
                    if near.result:
                        point = wp.mesh_eval_position(part.mesh, near.face, near.u, near.v)
                        best = wp.min(best, wp.length(point - local) * part.least_scale)
                else:
                    best = wp.min(best, scaled_distance(space, part, local, best))
    out[i] = best


@wp.kernel
def point_enclosed(
    space: Space,
    points: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    ceiling: wp.array(dtype=float),  # volume of a part's box above which it is a shell of the room
    out: wp.array(dtype=float),
):
    """Largest share of the directions that end on one and the same part, shells of a room apart."""
    i = wp.tid()
    worst = float(0.0)
    item = int(0)
    rays = directions.shape[0]
    if space.solid_count == 0:
        return
    query = wp.bvh_query_aabb(space.every, points[i], points[i])
    while wp.bvh_query_next(query, item):
        part = space.solid_parts[item]
        if part.box_volume < ceiling[i]:
            local = part.inverse * points[i] + part.offset
            hits = int(0)
            for ray in range(rays):
                if wp.mesh_query_ray_anyhit(part.mesh, local, part.inverse * nudged(directions[ray]), FAR):
                    hits = hits + 1
            worst = wp.max(worst, float(hits) / float(rays))
    out[i] = worst


@wp.kernel
def ray_distance(
    space: Space,
    points: wp.array(dtype=wp.vec3),
    directions: wp.array(dtype=wp.vec3),
    reach: float,
    out: wp.array(dtype=float),
):
    """Distance along each ray to the first surface, glass or not; `reach` where there is none nearer."""
    i = wp.tid()
    direction = nudged(wp.normalize(directions[i]))
    out[i] = first_solid(space, points[i], direction, reach).t
    out[i] = first_glass(space, points[i], direction, out[i]).t
