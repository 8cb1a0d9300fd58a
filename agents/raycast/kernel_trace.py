# type: ignore  (Warp compiles these functions itself: they are Python in syntax only)
# ruff: noqa: UP018, RUF046, SIM102  (int(0) declares a variable that a loop may change; `and` asks both
# sides)
"""Rays and distances in a space of two levels (see `kernel_types.py`), for every kernel of the renderer.

A ray is carried into a part's own coordinates without renormalising its direction. Its parameter t then means
the same in both, and the closest t found in one part bounds the search in the next.
"""

import warp as wp

from agents.raycast.kernel_types import GLASS_LAYERS, OPTIONS, DeviceSpace, Hit, Part

wp.set_module_options(OPTIONS)


@wp.func
def nonzero_direction(direction: wp.vec3):
    """The direction with zeros replaced by 1e-9: a box test multiplies by reciprocals, and 0 · inf is NaN."""
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
def closest_hit(bvh: wp.uint64, parts: wp.array(dtype=Part), start: wp.vec3, direction: wp.vec3, hit: Hit):
    """Closest hit of the ray in any of the parts, if it is closer than `hit`; else `hit`."""
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
def closest_opaque_hit(space: DeviceSpace, start: wp.vec3, direction: wp.vec3, max_t: float):
    """Closest opaque hit with t < max_t; part = -1 and t = max_t where there is none.

    The merged mesh is asked first: walls have few triangles and fill most of a picture, so that their hit
    bounds the search in everything else.
    """
    hit = Hit()
    hit.part = -1
    hit.t = max_t
    if space.merged_mesh != wp.uint64(0):
        merged = wp.mesh_query_ray(space.merged_mesh, start, direction, max_t)
        if merged.result:
            hit.part = space.merged_part[merged.face]
            hit.face = space.merged_face[merged.face]
            hit.u = merged.u
            hit.v = merged.v
            hit.t = merged.t
    if space.large_count > 0:
        hit = closest_hit(space.opaque_bvh, space.opaque_parts, start, direction, hit)
    return hit


@wp.func
def closest_glass_hit(space: DeviceSpace, start: wp.vec3, direction: wp.vec3, max_t: float):
    """Closest glass hit with t < max_t; part = -1 and t = max_t where there is none."""
    hit = Hit()
    hit.part = -1
    hit.t = max_t
    if space.glass_count > 0:
        hit = closest_hit(space.glass_bvh, space.glass_parts, start, direction, hit)
    return hit


@wp.func
def occluded(space: DeviceSpace, start: wp.vec3, direction: wp.vec3, max_t: float):
    """Whether any opaque surface lies on the ray before t = max_t."""
    if space.merged_mesh != wp.uint64(0):
        if wp.mesh_query_ray_anyhit(space.merged_mesh, start, direction, max_t):
            return True
    if space.large_count == 0:
        return False
    item = int(0)
    query = wp.bvh_query_ray(space.opaque_bvh, start, direction)
    while wp.bvh_query_next(query, item, max_t):
        inverse = space.opaque_parts[item].inverse
        if wp.mesh_query_ray_anyhit(
            space.opaque_parts[item].mesh,
            inverse * start + space.opaque_parts[item].offset,
            inverse * direction,
            max_t,
        ):
            return True
    return False


@wp.func
def material_index(space: DeviceSpace, part: Part, face: int):
    """Index into DeviceSpace.materials of the material of a face."""
    return part.first_material + space.meshes[part.mesh_index].face_material[face]


@wp.func
def glass_transmittance(space: DeviceSpace, start: wp.vec3, direction: wp.vec3, max_t: float):
    """Transmittance by colour of the glass on the ray before t = max_t."""
    transmittance = wp.vec3(1.0, 1.0, 1.0)
    t = float(0.0)
    layer = int(0)
    while layer < GLASS_LAYERS:
        layer = layer + 1
        hit = closest_glass_hit(space, start + t * direction, direction, max_t - t)
        if hit.part < 0:
            break
        k = material_index(space, space.glass_parts[hit.part], hit.face)
        transmittance = wp.cw_mul(transmittance, space.materials[k].color) * (
            1.0 - space.materials[k].opacity
        )
        t = t + hit.t + 1.0e-4
    return transmittance


@wp.func
def closest_surface_distance(space: DeviceSpace, at: wp.vec3, max_distance: float):
    """Distance to the closest opaque surface [m], `max_distance` at most.

    An unevenly scaled part gives the distance to the point that is closest in its own coordinates, which may
    be a little more. `kernel_distances.point_clearance` is exact.
    """
    best = float(max_distance)
    if space.merged_mesh != wp.uint64(0):
        merged = wp.mesh_query_point_no_sign(space.merged_mesh, at, best)
        if merged.result:
            best = wp.length(wp.mesh_eval_position(space.merged_mesh, merged.face, merged.u, merged.v) - at)
    if space.large_count > 0:
        item = int(0)
        half = wp.vec3(best, best, best)
        query = wp.bvh_query_aabb(space.opaque_bvh, at - half, at + half)
        while wp.bvh_query_next(query, item):
            local = space.opaque_parts[item].inverse * at + space.opaque_parts[item].offset
            nearest = wp.mesh_query_point_no_sign(
                space.opaque_parts[item].mesh, local, best / space.opaque_parts[item].min_scale
            )
            if nearest.result:
                point = wp.mesh_eval_position(
                    space.opaque_parts[item].mesh, nearest.face, nearest.u, nearest.v
                )
                best = wp.min(best, wp.length(space.opaque_parts[item].forward * (point - local)))
    return best
