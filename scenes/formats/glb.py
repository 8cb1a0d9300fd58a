"""A scene as glTF 2.0 (`.glb`), for any other tool: one named node an instance, meshes shared, textures
within.

    export_glb(compile_house(house), Path("house.glb"))   # and house.credits.txt beside it

Written here, not by a mesh library, because an instance of several materials should stay one node. Lights
go by the extension KHR_lights_punctual.
"""

import io
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scenes.house.labels import label_table
from scenes.meshes.geometry import Light, Material, Mesh, SceneGeometry
from scenes.meshes.libraries.credits import credits_text

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
LUMENS = 683.0 / (4 * np.pi)  # candela of a point light whose colour is 1: as Blender's glTF files have it


def export_glb(geometry: SceneGeometry, path: Path) -> None:
    """Writes the scene to `path` and, if it uses models of others, their credits to `<stem>.credits.txt`
    beside it.

    Nodes carry `extras`: instance id, class id and class name.
    """
    writer = _Writer()
    labels = label_table()
    meshes = [writer.mesh(mesh) for mesh in geometry.meshes]
    nodes: list[dict[str, Any]] = []
    for instance in geometry.instances:
        node: dict[str, Any] = {"name": instance.name, "mesh": meshes[instance.mesh]}
        if not np.array_equal(instance.transform, np.eye(4)):
            node["matrix"] = instance.transform.T.ravel().tolist()
        name = labels[instance.class_id].name
        node["extras"] = {"instance_id": instance.instance_id, "class_id": instance.class_id, "class": name}
        nodes.append(node)
    nodes += [_light_node(light, i) for i, light in enumerate(geometry.lights)]
    document = {
        "asset": {"version": "2.0", "generator": "testspace", "copyright": _copyright(geometry)},
        "scene": 0,
        "scenes": [{"name": geometry.space, "nodes": list(range(len(nodes)))}],
        "nodes": nodes,
        **writer.tables(),
    }
    extensions = []
    if geometry.lights:
        extensions.append("KHR_lights_punctual")
        document["extensions"] = {"KHR_lights_punctual": {"lights": [_light(li) for li in geometry.lights]}}
    if writer.bright:
        extensions.append("KHR_materials_emissive_strength")
    if extensions:
        document["extensionsUsed"] = extensions
    path.write_bytes(_glb(document, writer.binary()))
    if geometry.credits:
        path.with_suffix(".credits.txt").write_text(credits_text(geometry.credits), encoding="utf-8")


def _copyright(geometry: SceneGeometry) -> str:
    authors = sorted({credit.author for credit in geometry.credits})
    return f"Models by {', '.join(authors)}; see the credits file" if authors else "No models of others"


class _Writer:
    """Collects buffers, materials, textures and meshes, each content once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._materials: list[dict[str, Any]] = []
        self._material_index: dict[int, int] = {}
        self._images: list[dict[str, Any]] = []
        self._image_index: dict[int, int] = {}
        self._meshes: list[dict[str, Any]] = []
        self.bright = False

    def mesh(self, mesh: Mesh) -> int:
        """One mesh with a primitive for each material it shows."""
        attributes = {
            "POSITION": self._array(mesh.vertices, "VEC3", _FLOAT, _VERTICES, bounds=True),
            "NORMAL": self._array(_unit(mesh.normals), "VEC3", _FLOAT, _VERTICES),
        }
        if any(mesh.materials[slot].texture is not None for slot in np.unique(mesh.material_ids)):
            # glTF counts v from the top of an image, we from its bottom.
            uvs = mesh.uvs * (1, -1) + (0, 1)
            attributes["TEXCOORD_0"] = self._array(uvs, "VEC2", _FLOAT, _VERTICES)
        primitives = []
        plain = {name: accessor for name, accessor in attributes.items() if name != "TEXCOORD_0"}
        for slot in np.unique(mesh.material_ids):
            indices = mesh.faces[mesh.material_ids == slot].astype(np.uint32).ravel()
            primitives.append(
                {
                    "attributes": plain if mesh.materials[slot].texture is None else attributes,
                    "indices": self._array(indices, "SCALAR", _UINT, _INDICES),
                    "material": self._material(mesh.materials[slot]),
                }
            )
        self._meshes.append({"name": mesh.key, "primitives": primitives})
        return len(self._meshes) - 1

    def tables(self) -> dict[str, Any]:
        """The document's lists; empty ones are left out, as the format asks."""
        lists = {
            "meshes": self._meshes,
            "materials": self._materials,
            "textures": [{"source": i, "sampler": 0} for i in range(len(self._images))],
            "images": self._images,
            "samplers": [{"wrapS": 10497, "wrapT": 10497}] if self._images else [],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._size}] if self._size else [],
        }
        return {key: value for key, value in lists.items() if value}

    def binary(self) -> bytes:
        """All buffers, one after another."""
        return b"".join(self._chunks)

    def _view(self, data: bytes, target: int | None = None) -> int:
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": len(data)}
        self._views.append(view if target is None else {**view, "target": target})
        padded = data + b"\0" * (-len(data) % 4)
        self._chunks.append(padded)
        self._size += len(padded)
        return len(self._views) - 1

    def _array(self, array: np.ndarray, kind: str, component: int, target: int, bounds: bool = False) -> int:
        values = np.ascontiguousarray(array, "<f4" if component == _FLOAT else "<u4")
        accessor: dict[str, Any] = {
            "bufferView": self._view(values.tobytes(), target),
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1

    def _material(self, material: Material) -> int:
        if id(material) not in self._material_index:
            entry: dict[str, Any] = {
                "name": material.name,
                "doubleSided": True,
                "pbrMetallicRoughness": {
                    "baseColorFactor": [*_linear(material.color), material.opacity],
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.8,
                },
            }
            if material.texture is not None:
                entry["pbrMetallicRoughness"]["baseColorTexture"] = {"index": self._image(material.texture)}
            if material.opacity < 1:
                entry["alphaMode"] = "BLEND"
            peak = max(material.emission)
            if peak > 0:
                entry["emissiveFactor"] = [c / max(peak, 1.0) for c in material.emission]
                if material.texture is not None:
                    entry["emissiveTexture"] = {"index": self._image(material.texture)}
            if peak > 1:
                self.bright = True
                entry["extensions"] = {"KHR_materials_emissive_strength": {"emissiveStrength": peak}}
            self._material_index[id(material)] = len(self._materials)
            self._materials.append(entry)
        return self._material_index[id(material)]

    def _image(self, texture: np.ndarray) -> int:
        if id(texture) not in self._image_index:
            file = io.BytesIO()
            Image.fromarray(texture).save(file, "PNG")
            self._image_index[id(texture)] = len(self._images)
            self._images.append({"bufferView": self._view(file.getvalue()), "mimeType": "image/png"})
        return self._image_index[id(texture)]


def _light(light: Light) -> dict[str, Any]:
    strength = max(light.color)
    entry: dict[str, Any] = {
        "type": light.kind,
        "color": [c / strength for c in light.color],
        "intensity": strength * (LUMENS if light.kind != "directional" else 1.0),
    }
    if light.range > 0 and light.kind != "directional":
        entry["range"] = light.range
    if light.kind == "spot":
        entry["spot"] = {"outerConeAngle": float(np.radians(light.spot_angle / 2))}
    return entry


def _light_node(light: Light, index: int) -> dict[str, Any]:
    """glTF lights shine along their node's -z."""
    z = -np.asarray(light.direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.99 else [1.0, 0.0, 0.0], z)
    matrix = np.eye(4)
    matrix[:3, 0] = x / np.linalg.norm(x)
    matrix[:3, 1] = np.cross(z, matrix[:3, 0])
    matrix[:3, 2] = z
    matrix[:3, 3] = light.position
    return {
        "name": f"light {index}",
        "matrix": [float(v) for v in matrix.T.ravel()],
        "extensions": {"KHR_lights_punctual": {"light": index}},
    }


def _glb(document: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _linear(color: Sequence[float]) -> list[float]:
    c = np.asarray(color)
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).tolist()


def _unit(normals: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 1e-6, normals / np.maximum(length, 1e-6), (0.0, 1.0, 0.0))
