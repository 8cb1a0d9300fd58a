"""glTF files written by hand, a feature of the format at a time, so that what a reader should find is
known."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.scenes.format_kit import room_z_up

_COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
_KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def room() -> tuple[np.ndarray, np.ndarray]:
    """Points float32 [v, 3], y up, and faces [f, 3] of the room of `format_kit`."""
    made = room_z_up()
    x, y, z = made.vertices.T
    return np.stack([x, z, -y], 1).astype(np.float32), np.asarray(made.faces, np.int64)


class Gltf:
    """A document that grows: accessors of arrays, then meshes, nodes and whatever is put into `json`."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"name": "room", "mesh": 0}],
            "meshes": [],
            "accessors": [],
            "bufferViews": [],
        }
        self.buffer = b""

    def view(self, data: bytes, **more: Any) -> int:
        self.buffer += b"\0" * (-len(self.buffer) % 4)
        place = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": len(data)}
        self.json["bufferViews"].append(place | more)
        self.buffer += data
        return len(self.json["bufferViews"]) - 1

    def array(self, values: np.ndarray, dtype: str, **more: Any) -> int:
        """An accessor of values [n] or [n, columns]."""
        given = np.ascontiguousarray(values, dtype)
        return self.accessor(given, self.view(given.tobytes()), **more)

    def accessor(self, values: np.ndarray, view: int | None, **more: Any) -> int:
        columns = 1 if values.ndim == 1 else values.shape[1]
        entry = {
            "componentType": _COMPONENTS[values.dtype.str[1:]],
            "count": len(values),
            "type": _KINDS[columns],
        }
        self.json["accessors"].append(entry | ({} if view is None else {"bufferView": view}) | more)
        return len(self.json["accessors"]) - 1

    def mesh(self, *primitives: dict[str, Any]) -> int:
        self.json["meshes"].append({"primitives": list(primitives)})
        return len(self.json["meshes"]) - 1

    def texture(self, pixels: np.ndarray, **sampler: Any) -> int:
        """A texture of uint8 pixels [h, w, 3 or 4], PNG within the file."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.json.setdefault("images", []).append(
            {"bufferView": self.view(file.getvalue()), "mimeType": "image/png"}
        )
        self.json.setdefault("samplers", []).append(sampler)
        number = len(self.json["images"]) - 1
        self.json.setdefault("textures", []).append({"source": number, "sampler": number})
        return number

    def save(self, path: Path, where: str = "inside") -> Path:
        """Write a .glb, or a .gltf whose buffer is "inside" as a data URI, or "beside" it as a file."""
        document = self.json | {"buffers": [{"byteLength": len(self.buffer)}]}
        if path.suffix == ".glb":
            text = json.dumps(document).encode()
            text += b" " * (-len(text) % 4)
            data = self.buffer + b"\0" * (-len(self.buffer) % 4)
            chunks = struct.pack("<I4s", len(text), b"JSON") + text
            chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
            path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
            return path
        if where == "beside":
            (path.parent / "my buffer.bin").write_bytes(self.buffer)
            document["buffers"][0]["uri"] = "my%20buffer.bin"
        else:
            text = base64.b64encode(self.buffer).decode()
            document["buffers"][0]["uri"] = f"data:application/octet-stream;base64,{text}"
        path.write_text(json.dumps(document))
        return path


def plain(points: np.ndarray | None = None) -> Gltf:
    """The room as one node of one mesh; `points` in place of its own."""
    own, faces = room()
    document = Gltf()
    attributes = {"POSITION": document.array(own if points is None else points, "<f4")}
    document.mesh({"attributes": attributes, "indices": document.array(faces.ravel(), "<u2")})
    return document
