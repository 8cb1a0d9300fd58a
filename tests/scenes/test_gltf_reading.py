"""glTF's features, one by one: a room written by hand comes back at its size, and a wall at its distance."""

from collections.abc import Callable
from pathlib import Path

import DracoPy
import numpy as np
import pytest

from agents.cameras import Cameras, look_pose
from agents.raycast.simulator import RaycastSimulator
from scenes.formats.scan.read import read_scan
from scenes.formats.spaces import identify
from scenes.meshes.geometry import SceneGeometry
from tests.scenes.format_kit import ROOM, extent
from tests.scenes.gltf_by_hand import Gltf, plain, room

AT = np.array([[-1.2, 1.25, 0.0]])
"""A camera here looks along -z at a wall 1.5 m away, past the table."""


def seen(scan: SceneGeometry, modality: str = "depth") -> np.ndarray:
    """What a camera at AT sees: the wall and nothing else."""
    still = np.zeros(1)
    simulator = RaycastSimulator()
    simulator.load(scan)
    cameras = Cameras.same(look_pose(AT, still, still, still), 40.0, 16, 16)
    return simulator.render(cameras, [modality])[modality][0]


def buffer_inside(folder: Path) -> Path:
    return plain().save(folder / "room.gltf")


def buffer_beside(folder: Path) -> Path:
    return plain().save(folder / "room.gltf", "beside")


def binary(folder: Path) -> Path:
    return plain().save(folder / "room.glb")


def without_indices(folder: Path) -> Path:
    points, faces = room()
    document = Gltf()
    document.mesh({"attributes": {"POSITION": document.array(points[faces.ravel()], "<f4")}})
    return document.save(folder / "room.glb")


def interleaved(folder: Path) -> Path:
    """Positions and normals in turns, in one buffer view with a stride."""
    points, faces = room()
    document = Gltf()
    rows = np.zeros((len(points), 7), "<f4")
    rows[:, :3], rows[:, 3:6], rows[:, 6] = points, (0, 1, 0), np.nan
    view = document.view(rows.tobytes(), byteStride=28)
    places = {
        "POSITION": document.accessor(points, view),
        "NORMAL": document.accessor(points, view, byteOffset=12),
    }
    document.mesh({"attributes": places, "indices": document.array(faces.ravel(), "<u4")})
    return document.save(folder / "room.glb")


def sparse(folder: Path) -> Path:
    """Half of the points are elsewhere in the buffer, and are put right by the sparse values."""
    points, faces = room()
    document = Gltf()
    wrong = points.copy()
    some = np.arange(0, len(points), 2)
    wrong[some] *= 9
    view, fresh = document.view(wrong.tobytes()), document.view(points[some].tobytes())
    indices = {"bufferView": document.view(some.astype("<u2").tobytes()), "componentType": 5123}
    entry = {"count": len(some), "indices": indices, "values": {"bufferView": fresh}}
    position = document.accessor(points, view, sparse=entry)
    document.mesh({"attributes": {"POSITION": position}, "indices": document.array(faces.ravel(), "<u2")})
    return document.save(folder / "room.glb")


def sparse_without_a_buffer(folder: Path) -> Path:
    points, faces = room()
    document = Gltf()
    fresh = document.view(points.tobytes())
    where = {
        "bufferView": document.view(np.arange(len(points), dtype="<u1").tobytes()),
        "componentType": 5121,
    }
    entry = {"count": len(points), "indices": where, "values": {"bufferView": fresh}}
    position = document.accessor(points, None, sparse=entry)
    document.mesh({"attributes": {"POSITION": position}, "indices": document.array(faces.ravel(), "<u1")})
    return document.save(folder / "room.glb")


def quantised(folder: Path) -> Path:
    """KHR_mesh_quantization: normalised 16-bit positions, brought to size by the node."""
    points, faces = room()
    document = Gltf()
    whole = np.round(points / 4.0 * 32767)
    places = {"POSITION": document.array(np.pad(whole, ((0, 0), (0, 1))), "<i2")}
    document.json["bufferViews"][-1]["byteStride"] = 8
    document.json["accessors"][-1] |= {"type": "VEC3", "normalized": True}
    document.mesh({"attributes": places, "indices": document.array(faces.ravel(), "<u2")})
    document.json["nodes"] = [{"mesh": 0, "scale": [4, 4, 4]}]
    document.json |= {"extensionsRequired": ["KHR_mesh_quantization"]}
    return document.save(folder / "room.glb")


def draco(folder: Path) -> Path:
    points, faces = room()
    document = Gltf()
    packed = DracoPy.encode(points, faces, quantization_bits=16, preserve_order=True)
    position = document.accessor(points, None)
    index = document.accessor(faces.ravel().astype("<u4"), None)
    extension = {"bufferView": document.view(packed), "attributes": {"POSITION": 0}}
    extensions = {"KHR_draco_mesh_compression": extension}
    document.mesh({"attributes": {"POSITION": position}, "indices": index, "extensions": extensions})
    document.json["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    return document.save(folder / "room.glb")


def _sides(mode: int, order: list[int]) -> Gltf:
    """Each pair of triangles as a quad of its own, its corners in an order that makes a strip or a fan."""
    points, faces = room()
    document = Gltf()
    primitives = []
    corner = points[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    plane = np.column_stack([normal, np.einsum("fx,fx->f", normal, corner[:, 0])])
    by_plane = faces[np.lexsort(np.round(plane, 3).T)]
    for first, second in zip(by_plane[::2], by_plane[1::2], strict=True):
        last = next(k for k in second if k not in first)
        start = next(k for k in range(3) if first[k] not in second)
        ring = [first[start], first[(start + 1) % 3], last, first[(start + 2) % 3]]
        places = document.array(points[[ring[k] for k in order]], "<f4")
        primitives.append({"attributes": {"POSITION": places}, "mode": mode})
    document.mesh(*primitives)
    return document


def strips(folder: Path) -> Path:
    return _sides(5, [0, 1, 3, 2]).save(folder / "room.glb")


def fans(folder: Path) -> Path:
    return _sides(6, [0, 1, 2, 3]).save(folder / "room.glb")


def mirrored(folder: Path) -> Path:
    """A negative scale: the room was written mirrored, and the node turns it right."""
    points, _ = room()
    document = plain(points * (-1, 1, 1))
    document.json["nodes"] = [{"mesh": 0, "scale": [-1, 1, 1]}]
    return document.save(folder / "room.glb")


def nested(folder: Path) -> Path:
    """Below a turned, shifted and scaled parent that holds a camera."""
    points, _ = room()
    x, y, z = points.T
    document = plain(np.stack([x, -z, y], 1) * 10 + (0, 0, 5))  # z up, in decimetres, half a metre too high
    turn = [-np.sqrt(0.5), 0, 0, np.sqrt(0.5)]
    lens = {"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}}
    document.json["cameras"] = [lens]
    parent = {"rotation": turn, "scale": [0.1] * 3, "translation": [0, -0.5, 0], "children": [1], "camera": 0}
    document.json["nodes"] = [parent, {"mesh": 0}]
    return document.save(folder / "room.glb")


def by_a_matrix(folder: Path) -> Path:
    points, _ = room()
    document = plain(points - np.float32([7, 0, 0]))
    matrix = np.eye(4)
    matrix[0, 3] = 7
    document.json["nodes"] = [{"mesh": 0, "matrix": matrix.T.ravel().tolist()}]
    return document.save(folder / "room.glb")


def second_scene(folder: Path) -> Path:
    """The file says which of its scenes is meant; the other one has a room ten times as large."""
    document = plain()
    document.json["nodes"] = [{"mesh": 0, "scale": [10, 10, 10]}, {"mesh": 0}]
    document.json["scenes"], document.json["scene"] = [{"nodes": [0]}, {"nodes": [1]}], 1
    return document.save(folder / "room.glb")


def morphed(folder: Path) -> Path:
    """A target that moves every point, at half its weight."""
    points, faces = room()
    document = Gltf()
    shift = np.float32([0.4, -0.2, 0.6])
    target = {"POSITION": document.array(np.tile(2 * shift, (len(points), 1)), "<f4")}
    attributes = {"POSITION": document.array(points - shift, "<f4")}
    document.mesh(
        {"attributes": attributes, "indices": document.array(faces.ravel(), "<u2"), "targets": [target]}
    )
    document.json["meshes"][0]["weights"] = [0.5]
    return document.save(folder / "room.glb")


def skinned(folder: Path) -> Path:
    """All points hang on one joint, which stands where it was bound but for a metre; the mesh's node is no
    matter."""
    points, faces = room()
    document = Gltf()
    joints, weights = np.zeros((len(points), 4)), np.tile([1.0, 0, 0, 0], (len(points), 1))
    attributes = {
        "POSITION": document.array(points - np.float32([0, 1, 0]), "<f4"),
        "JOINTS_0": document.array(joints, "<u1"),
        "WEIGHTS_0": document.array(weights, "<f4"),
    }
    document.mesh({"attributes": attributes, "indices": document.array(faces.ravel(), "<u2")})
    bind = np.eye(4)
    bind[:3, 3] = (-2, 0, 0)
    matrices = document.array(bind.T.reshape(1, 16), "<f4")
    document.json["skins"] = [{"joints": [1], "inverseBindMatrices": matrices}]
    document.json["nodes"] = [{"mesh": 0, "skin": 0, "translation": [50, 0, 0]}, {"translation": [2, 1, 0]}]
    document.json["scenes"] = [{"nodes": [0, 1]}]
    return document.save(folder / "room.glb")


def instanced(folder: Path) -> Path:
    """EXT_mesh_gpu_instancing: the room's two halves are one half, put twice."""
    points, faces = room()
    half = points * (0.5, 1, 1)
    document = Gltf()
    attributes = {"POSITION": document.array(half, "<f4")}
    document.mesh({"attributes": attributes, "indices": document.array(faces.ravel(), "<u2")})
    places = document.array(np.array([[-1, 0, 0], [1, 0, 0]]), "<f4")
    several = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places}}}
    document.json["nodes"] = [{"mesh": 0, "extensions": several}]
    document.json["extensionsRequired"] = ["EXT_mesh_gpu_instancing"]
    return document.save(folder / "room.glb")


def hidden_node_left_out(folder: Path) -> Path:
    document = plain()
    hidden = {"KHR_node_visibility": {"visible": False}}
    document.json["nodes"] += [{"mesh": 0, "scale": [9, 9, 9], "extensions": hidden}]
    document.json["scenes"] = [{"nodes": [0, 1]}]
    return document.save(folder / "room.glb")


ROOMS: list[Callable[[Path], Path]] = [
    *(buffer_inside, buffer_beside, binary, without_indices, interleaved, sparse, sparse_without_a_buffer),
    *(
        quantised,
        draco,
        strips,
        fans,
        mirrored,
        nested,
        by_a_matrix,
        second_scene,
        morphed,
        skinned,
        instanced,
    ),
    hidden_node_left_out,
]


@pytest.mark.parametrize("write", ROOMS, ids=lambda f: f.__name__)
def test_a_room_has_its_size_and_its_wall_its_distance(write: Callable[[Path], Path], tmp_path: Path):
    path = write(tmp_path)
    scan = read_scan(path)
    np.testing.assert_allclose(extent(scan), ROOM, atol=2e-3)
    depth = seen(scan).astype(int)
    # The half that is put twice is half as wide, and its table stands nearer.
    np.testing.assert_allclose(depth, 1500, atol=2)
    normals = seen(scan, "normals").astype(int)
    if write is not interleaved:  # whose own normals all point up
        np.testing.assert_allclose(normals, np.broadcast_to((128, 128, 255), normals.shape), atol=1)
    assert identify(path) == (scan.digest, scan.space)


def test_given_normals_are_kept_through_a_node_that_stretches(tmp_path: Path):
    points, faces = room()
    document = Gltf()
    tilted = np.tile([0.6, 0.8, 0.0], (len(points), 1))
    attributes = {"POSITION": document.array(points, "<f4"), "NORMAL": document.array(tilted, "<f4")}
    document.mesh({"attributes": attributes, "indices": document.array(faces.ravel(), "<u2")})
    document.json["nodes"] = [{"mesh": 0, "scale": [-2, 1, 1]}]
    (mesh,) = read_scan(document.save(tmp_path / "room.glb")).meshes
    want = np.array([0.6 / -2, 0.8, 0.0])  # by the inverse transpose
    np.testing.assert_allclose(
        mesh.normals, np.tile(want / np.linalg.norm(want), (len(points), 1)), atol=1e-6
    )
