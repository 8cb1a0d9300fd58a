# type: ignore  (Warp compiles these structs itself: they are Python in syntax only)
"""Structs and constants of the renderer's kernels.

A space on a device is a `DeviceSpace`: a bounding volume hierarchy (BVH) over the world boxes of its parts,
and in each part a mesh with a BVH of its own, which all spaces that hold the same mesh share. A part is the
opaque or the glass sub-mesh of an instance. The two kinds have separate hierarchies, so that a ray for depth
or shadow never tests whether a triangle is glass.

Lengths are in metres, angles in radians, colours in linear sRGB unless a field says otherwise.
"""

import warp as wp

# Nothing here is differentiated; without the backward pass the kernels compile several times faster.
#
# Half of the time goes to box tests. Fast arithmetic lets them use the processor's own min and max; this is
# safe because no ray has a NaN (see `kernel_trace.nonzero_direction`), and infinities still count. Inlining
# everything as well, a house is drawn 1.5 times as fast as with Warp's defaults. Each module of kernels sets
# these options.
CPU_FLAGS = (
    "-march=native -menable-no-nans -fno-signed-zeros -freciprocal-math -ffp-contract=fast"
    " -Wno-nan-infinity-disabled -mllvm=-inline-threshold=100000"
    " -mllvm=-inline-cold-callsite-threshold=30000 -mllvm=-slp-recursion-max-depth=4"
)
OPTIONS = {"enable_backward": False, "cpu_compiler_flags": CPU_FLAGS}
wp.set_module_options(OPTIONS)

RAY_MAX = wp.constant(1.0e6)  # largest t of a ray [m]
DISTANCE_MAX = wp.constant(0.4)  # largest value in the distance field [m]
TONE_CURVE_END = wp.constant(4.0)  # square root of the radiance at the end of the tone curve
GLASS_LAYERS = wp.constant(6)  # panes that a ray passes at most; those behind are taken for clear


@wp.struct
class DeviceMesh:
    """A sub-mesh; every field but the first is indexed as in `scenes.meshes.geometry.Mesh`."""

    id: wp.uint64
    points: wp.array(dtype=wp.vec3)
    indices: wp.array(dtype=wp.int32)
    normals: wp.array(dtype=wp.vec3)
    uvs: wp.array(dtype=wp.vec2)
    face_material: wp.array(dtype=wp.int32)
    colors: wp.array(dtype=wp.uint32)  # sRGB of vertices, packed as texels are; empty = white


@wp.struct
class Part:
    """The opaque or glass sub-mesh of an instance: local = inverse · world + offset."""

    mesh: wp.uint64
    inverse: wp.mat33
    offset: wp.vec3
    forward: wp.mat33
    determinant: float  # of forward
    min_scale: float  # smallest singular value of forward
    box_volume: float  # of its bounding box in the world [m³]
    uniform: int  # 1 where forward keeps angles: a distance in the world is then min_scale · local distance
    mesh_index: int  # into DeviceSpace.meshes
    first_material: int  # of the mesh, into DeviceSpace.materials
    class_id: int
    instance_id: int


@wp.struct
class Texture:
    """A mip chain in one array of texels, packed 0x00BBGGRR, sRGB; row 0 is the top."""

    texels: wp.array(dtype=wp.uint32)
    starts: wp.array(dtype=wp.int32)  # index in `texels` at which each level begins
    width: int  # of level 0; each further level halves, rounding down, to 1 at least
    height: int
    levels: int  # 0 = no texture


@wp.struct
class DeviceMaterial:
    """A `scenes.meshes.geometry.Material` with linear colours."""

    color: wp.vec3
    emission: wp.vec3
    opacity: float
    texture: Texture


@wp.struct
class DeviceLight:
    """A `scenes.meshes.geometry.Light`."""

    kind: int  # 0 point, 1 spot, 2 directional
    color: wp.vec3
    position: wp.vec3
    direction: wp.vec3
    max_range: float  # 0 = no limit
    cos_outer: float  # cosine of half the spot's angle
    shadows: int  # 1: casts shadows
    shade: float  # radius of the lamp's own shade, within which nothing shadows it


@wp.struct
class Rooms:
    """Which room a point is in, and each room's grid of light probes (see `light_probes.py`)."""

    count: int
    map: wp.array2d(dtype=wp.int32)  # [z, x] cell -> room, -1 outside
    map_origin: wp.vec2  # x, z
    map_cell: float
    origin: wp.array(dtype=wp.vec3)  # of each room's first probe
    step: wp.array(dtype=wp.vec3)  # between neighbouring probes of a room
    size: wp.array2d(dtype=wp.int32)  # [room, 3] probes along x, y, z
    first: wp.array(dtype=wp.int32)  # index of each room's first probe
    lights: wp.array2d(dtype=wp.int32)  # [room + 1, slot] light or -1; the last row is of the outside
    distance_field: wp.array3d(dtype=float)  # [z, y, x] to the nearest opaque surface, at most DISTANCE_MAX
    distance_origin: wp.vec3
    distance_cell: float
    ambient: wp.array2d(dtype=wp.vec3)  # [probe, 6] irradiance of faces towards +x, -x, +y, -y, +z, -z


@wp.struct
class DeviceSpace:
    """Everything that a kernel asks of a space. Opaque parts of few faces are merged into one mesh."""

    opaque_bvh: wp.uint64  # over the boxes of the first `large_count` opaque parts, those not merged
    large_count: int
    opaque_parts: wp.array(dtype=Part)
    all_opaque_bvh: wp.uint64  # over the boxes of all opaque parts
    opaque_count: int
    merged_mesh: wp.uint64  # the merged parts (walls, mostly) in world coordinates; 0 = none
    merged_part: wp.array(dtype=wp.int32)  # of each face of the merged mesh: its part, and the face there
    merged_face: wp.array(dtype=wp.int32)
    glass_bvh: wp.uint64
    glass_count: int
    glass_parts: wp.array(dtype=Part)
    meshes: wp.array(dtype=DeviceMesh)
    materials: wp.array(dtype=DeviceMaterial)
    lights: wp.array(dtype=DeviceLight)
    srgb_to_linear: wp.array(dtype=float)  # [256]
    tone_curve: wp.array(dtype=float)  # [n], see `device_scene.tone_curve`
    zenith: wp.vec3  # radiance of the sky
    horizon: wp.vec3
    ground: wp.vec3
    captured: int  # 1: textures hold captured radiance, which is shown unlit


@wp.struct
class Hit:
    """Where a ray meets a part: position = start + t · direction; u, v weigh the face's first two corners."""

    part: int  # -1 = nothing
    face: int
    u: float
    v: float
    t: float
