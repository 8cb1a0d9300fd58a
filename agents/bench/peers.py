"""Other renderers on the same house and poses, where installed: `tst bench render --peers`.

    pip install embreex open3d pyrender moderngl        # Debian: libegl1 libgl1 libgl1-mesa-dri, libusb-1.0-0

`embreex` and `open3d` cast one ray per pixel for depth, instance and the triangle's normal; `pyrender` and
`moderngl` rasterise textured rgb and depth through EGL (Mesa's llvmpipe where there is no GPU), with one
light and without shadows, every triangle of the house drawn once per frame. Set-up is timed separately. A
peer that is missing or fails is reported as such.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8

from agents.cameras import Cameras
from scenes.meshes.geometry import SceneGeometry

Draw = Callable[[Cameras], Any]
Measure = Callable[[SceneGeometry, Cameras], dict[str, Any]]


def peers(seconds: Callable[[Callable[[], Any]], float]) -> dict[str, Measure]:
    """Return a function of (house, cameras) to figures for each peer by name; `seconds` times a call."""

    def timed(draws: str, setup: Callable[[SceneGeometry, int], Draw]) -> Measure:
        def measure(geometry: SceneGeometry, cameras: Cameras) -> dict[str, Any]:
            made: list[Draw] = []
            try:
                load = seconds(lambda: made.append(setup(geometry, cameras.height)))
                made[0](_one(cameras, 0))
                took = seconds(lambda: [made[0](_one(cameras, i)) for i in range(len(cameras))])
            except Exception as error:  # a third-party library may raise anything
                return {"draws": draws, "failed": f"{type(error).__name__}: {error}"[:200]}
            return {"draws": draws, "load_s": round(load, 3), "frames_per_s": round(len(cameras) / took, 2)}

        return measure

    rays = "depth, instance, normals of triangles"
    raster = "textured rgb and depth, no shadows"
    return {
        "embreex": timed(rays, _embreex),
        "open3d": timed(rays, _open3d),
        "pyrender": timed(raster, _pyrender),
        "moderngl": timed(raster, _moderngl),
    }


def _one(cameras: Cameras, i: int) -> Cameras:
    return Cameras(cameras.poses[i : i + 1], cameras.intrinsics[i : i + 1], cameras.height, cameras.width)


def _world(
    geometry: SceneGeometry,
) -> tuple[Float32[np.ndarray, "v 3"], Int[np.ndarray, "f 3"], Int[np.ndarray, " f"]]:
    """Vertices, faces and the faces' instance ids of the whole house."""
    vertices, faces, owner = [], [], []
    first = 0
    for instance in geometry.instances:
        mesh, matrix = geometry.meshes[instance.mesh], instance.transform
        vertices.append(mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3])
        faces.append(mesh.faces + first)
        owner.append(np.full(len(mesh.faces), instance.instance_id))
        first += len(mesh.vertices)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(faces), np.concatenate(owner)


def _rays(cameras: Cameras) -> Float32[np.ndarray, "pixels 6"]:
    """Start and direction of each pixel's ray; directions have z-depth 1."""
    fx, fy, cx, cy = cameras.intrinsics[0].astype(float)
    y, x = np.meshgrid(np.arange(cameras.height) + 0.5, np.arange(cameras.width) + 0.5, indexing="ij")
    rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1).reshape(-1, 3)
    rays = rays @ cameras.poses[0, :3, :3].T
    start = np.broadcast_to(cameras.poses[0, :3, 3], rays.shape)
    return np.concatenate([start, rays], axis=1).astype(np.float32)


def _embreex(geometry: SceneGeometry, size: int) -> Draw:
    scenes, meshes = import_module("embreex.rtcore_scene"), import_module("embreex.mesh_construction")
    vertices, faces, owner = _world(geometry)
    scene = scenes.EmbreeScene()
    meshes.TriangleMesh(scene, vertices[faces])

    def draw(cameras: Cameras) -> Any:
        rays = _rays(cameras)
        hit = scene.run(np.ascontiguousarray(rays[:, :3]), np.ascontiguousarray(rays[:, 3:]), output=1)
        return hit["tfar"], owner[np.maximum(hit["primID"], 0)], hit["Ng"]

    return draw


def _open3d(geometry: SceneGeometry, size: int) -> Draw:
    open3d = import_module("open3d")
    vertices, faces, owner = _world(geometry)
    core = open3d.core
    scene = open3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(core.Tensor(vertices), core.Tensor(faces.astype(np.uint32)))

    def draw(cameras: Cameras) -> Any:
        hit = scene.cast_rays(core.Tensor(_rays(cameras)))
        face = hit["primitive_ids"].numpy()
        seen = owner[np.where(face < len(owner), face, 0)]
        return hit["t_hit"].numpy(), seen, hit["primitive_normals"].numpy()

    return draw


def _pyrender(geometry: SceneGeometry, size: int) -> Draw:
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    pyrender = import_module("pyrender")
    scene = pyrender.Scene(ambient_light=(0.3, 0.3, 0.3))
    meshes = [pyrender.Mesh(_primitives(pyrender, mesh)) for mesh in geometry.meshes]
    for instance in geometry.instances:
        scene.add(meshes[instance.mesh], pose=instance.transform)
    camera = scene.add(pyrender.PerspectiveCamera(yfov=np.pi / 2, znear=0.05, zfar=60.0))
    light = scene.add(pyrender.DirectionalLight(intensity=3.0))
    renderer = pyrender.OffscreenRenderer(size, size)

    def draw(cameras: Cameras) -> Any:
        pose = cameras.poses[0] @ np.diag([1.0, -1.0, -1.0, 1.0])
        scene.set_pose(camera, pose)
        scene.set_pose(light, pose)
        return renderer.render(scene)

    return draw


def _primitives(pyrender: Any, mesh: Any) -> list[Any]:
    found = []
    for slot in np.unique(mesh.material_ids):
        material = mesh.materials[slot]
        texture = material.texture
        found.append(
            pyrender.Primitive(
                positions=mesh.vertices,
                normals=mesh.normals,
                texcoord_0=mesh.uvs,
                indices=mesh.faces[mesh.material_ids == slot],
                material=pyrender.MetallicRoughnessMaterial(
                    baseColorFactor=(*material.color, 1.0),
                    baseColorTexture=None
                    if texture is None
                    else pyrender.Texture(source=texture, source_channels="RGB"),
                    metallicFactor=0.0,
                ),
            )
        )
    return found


_VERTEX = """#version 330
uniform mat4 to_clip; in vec3 place; in vec3 facing; in vec2 uv; out vec3 n; out vec2 st;
void main() { gl_Position = to_clip * vec4(place, 1.0); n = facing; st = uv; }"""
_FRAGMENT = """#version 330
uniform vec3 tint; uniform vec3 ahead; uniform sampler2D image; in vec3 n; in vec2 st; out vec4 colour;
void main() {
  float light = 0.3 + 0.7 * abs(dot(normalize(n), ahead));
  colour = vec4(tint * texture(image, st).rgb * light, 1.0); }"""


def _moderngl(geometry: SceneGeometry, size: int) -> Draw:
    moderngl = import_module("moderngl")
    context = moderngl.create_standalone_context(backend="egl")
    context.enable(moderngl.DEPTH_TEST)
    program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
    white = _texture(context, np.full((1, 1, 3), 255, np.uint8))
    images = {
        id(material): _texture(context, material.texture)
        for mesh in geometry.meshes
        for material in mesh.materials
        if material.texture is not None
    }
    batches = []
    for data, tint, key in _by_material(geometry):
        corners = [(context.buffer(data), "3f 3f 2f", "place", "facing", "uv")]
        batches.append((context.vertex_array(program, corners), tint, images.get(key, white)))
    distance = context.depth_texture((size, size))
    target = context.framebuffer(context.renderbuffer((size, size), 3), distance)
    target.use()
    near, far = 0.05, 60.0

    def draw(cameras: Cameras) -> Any:
        fx, fy, _, _ = cameras.intrinsics[0].astype(float)
        lens = np.zeros((4, 4))
        lens[0, 0], lens[1, 1] = 2 * fx / size, 2 * fy / size
        lens[2, 2], lens[2, 3], lens[3, 2] = -(far + near) / (far - near), -2 * far * near / (far - near), -1
        view = np.linalg.inv(cameras.poses[0] @ np.diag([1.0, -1.0, -1.0, 1.0]))
        program["to_clip"].write((lens @ view).T.astype("f4").tobytes())
        program["ahead"].value = tuple(cameras.poses[0, :3, 2])
        context.clear(0.7, 0.8, 0.9, depth=1.0)
        for batch, tint, image in batches:
            image.use(0)
            program["tint"].value = tint
            batch.render()
        rgb = np.frombuffer(target.read(components=3), np.uint8).reshape(size, size, 3)[::-1]
        depth = np.frombuffer(distance.read(), np.float32).reshape(size, size)[::-1]
        return rgb, 2 * far * near / (far + near - (2 * depth - 1) * (far - near))

    return draw


def _texture(context: Any, image: UInt8[np.ndarray, "h w 3"]) -> Any:
    texture = context.texture(image.shape[1::-1], 3, np.ascontiguousarray(image[::-1]).tobytes(), alignment=1)
    texture.build_mipmaps()
    return texture


def _by_material(geometry: SceneGeometry) -> list[tuple[bytes, tuple[float, float, float], int]]:
    """All triangles of a material in the world as one run of corners: place, normal, uv."""
    runs: dict[int, list[np.ndarray]] = {}
    tints: dict[int, tuple[float, float, float]] = {}
    for instance in geometry.instances:
        mesh, matrix = geometry.meshes[instance.mesh], instance.transform
        place = mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3]
        facing = mesh.normals @ np.linalg.inv(matrix[:3, :3])
        whole = np.concatenate([place, facing, mesh.uvs], axis=1).astype(np.float32)
        for slot in np.unique(mesh.material_ids):
            material = mesh.materials[slot]
            tints[id(material)] = material.color
            corners = mesh.faces[mesh.material_ids == slot].ravel()
            runs.setdefault(id(material), []).append(whole[corners])
    return [(np.concatenate(some).tobytes(), tints[key], key) for key, some in runs.items()]
