"""A glTF 2.0 file opened: its JSON, its buffers and images, and what it asks of a reader.

    document = open_gltf(Path("room.gltf"))       # or .glb
    document.json["nodes"], document.buffer_view(3)

Specification: Khronos glTF 2.0 (ISO/IEC 12113:2022). An extension that the file requires and that is not
read is refused by name, with a command that converts the file.
"""

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_UPGRADE = "`npx gltf-pipeline -i {} -o NEW.glb` converts it"
_CONVERTED = "`npx @gltf-transform/cli {command}` writes such a file anew"
REFUSED = {
    "EXT_meshopt_compression": _CONVERTED.format(command="copy IN.glb OUT.glb"),
    "KHR_meshopt_compression": _CONVERTED.format(command="copy IN.glb OUT.glb"),
    "MESHOPT_compression": _CONVERTED.format(command="copy IN.glb OUT.glb"),
    "KHR_texture_basisu": _CONVERTED.format(command="ktxdecompress IN.glb OUT.glb"),
    "MSFT_texture_dds": "save the textures as PNG or JPEG, say with Blender",
}
"""Extensions that hold data which is not decoded here, and what to do."""
READ = frozenset(
    [
        "KHR_draco_mesh_compression",
        "KHR_mesh_quantization",
        "KHR_texture_transform",
        "KHR_lights_punctual",
        "KHR_node_visibility",
        "EXT_mesh_gpu_instancing",
        "EXT_texture_webp",
        "EXT_texture_avif",
        "EXT_mesh_manifold",
        "MSFT_lod",
        "KHR_xmp",
        "KHR_xmp_json_ld",
        "KHR_animation_pointer",
    ]
)
"""Extensions that are read, or that change nothing in a still picture. Of KHR_materials_* base colours,
transmission and emission are read; the rest is gloss, which a scan's picture does without."""


@dataclass(frozen=True, eq=False)
class GltfDocument:
    """An opened file. All errors are ValueErrors that name the file."""

    path: Path
    json: dict[str, Any]
    binary: bytes | None = None  # the GLB's own buffer
    files: list[Path] = field(default_factory=list)  # read so far, the file itself first

    @cached_property
    def buffers(self) -> list[bytes]:
        """The buffers' bytes. Raises ValueError for one that is missing or too short."""
        found = []
        for index, buffer in enumerate(self.items("buffers")):
            if "uri" in buffer:
                data = self.resource(buffer["uri"], f"buffer {index}")
            elif index == 0 and self.binary is not None:
                data = self.binary
            elif any("meshopt" in name for name in buffer.get("extensions", {})):
                data = b""  # the place of a fallback; its views are refused where they are read
            else:
                raise ValueError(f"{self.path}: buffer {index} is neither in the file nor named by a uri")
            if len(data) < buffer.get("byteLength", 0):
                raise ValueError(
                    f"{self.path}: buffer {index} was cut off: "
                    f"it has {len(data)} of {buffer['byteLength']} bytes"
                )
            found.append(data)
        return found

    def items(self, name: str) -> list[dict[str, Any]]:
        """A list of the document, empty where it has none. Raises ValueError for what is no list of
        objects."""
        values = self.json.get(name, [])
        if not isinstance(values, list) or not all(isinstance(v, dict) for v in values):
            raise ValueError(f"{self.path}: `{name}` is no list of objects")
        return values

    def item(self, name: str, index: Any) -> dict[str, Any]:
        """An entry of a list. Raises ValueError for an index that it does not have."""
        values = self.items(name)
        if not isinstance(index, int) or not 0 <= index < len(values):
            raise ValueError(f"{self.path} names {name}[{index}], and has {len(values)} of them")
        return values[index]

    def buffer_view(self, index: Any) -> tuple[bytes, int]:
        """Bytes of a buffer view, and the stride it sets [bytes], 0 where it sets none."""
        view = self.item("bufferViews", index)
        for name in view.get("extensions", {}):
            if name in REFUSED:
                raise ValueError(f"{self.path} is compressed by {name}, which is not read: {REFUSED[name]}")
        start, length = int(view.get("byteOffset", 0)), int(view.get("byteLength", 0))
        buffer = view.get("buffer")
        if not isinstance(buffer, int) or not 0 <= buffer < len(self.buffers):
            raise ValueError(f"{self.path} names buffers[{buffer}], and has {len(self.buffers)} of them")
        data = self.buffers[buffer][start : start + length]
        if len(data) < length or start < 0:
            raise ValueError(f"{self.path}: bufferViews[{index}] reaches beyond its buffer's end")
        return data, int(view.get("byteStride", 0))

    def resource(self, uri: str, what: str) -> bytes:
        """Bytes of a data URI or of a file beside this one. Raises ValueError for any other."""
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=False)
            except binascii.Error as error:
                raise ValueError(f"{self.path}: {what} is no base64: {error}") from error
        if "://" in uri:
            raise ValueError(f"{self.path}: {what} is at {uri}: fetch it, and name it by its file's name")
        folder = self.path.parent.resolve()
        file = (folder / unquote(uri)).resolve()
        if not file.is_relative_to(folder):
            raise ValueError(
                f"{self.path}: {what} is {uri!r}, outside the file's folder: put it beside the file"
            )
        if not file.is_file():
            raise ValueError(
                f"{self.path}: {what} is {unquote(uri)}, which is missing: put it beside the file"
            )
        if file not in self.files:
            self.files.append(file)
        return file.read_bytes()


def resource_files(document: GltfDocument) -> list[Path]:
    """The file itself and all files that its buffers and images name and that are there."""
    folder = document.path.parent.resolve()
    uris = [str(e["uri"]) for name in ("buffers", "images") for e in document.items(name) if "uri" in e]
    named = [(folder / unquote(u)).resolve() for u in uris if not u.startswith("data:") and "://" not in u]
    return [document.path, *sorted({f for f in named if f.is_file() and f.is_relative_to(folder)})]


def open_gltf(path: Path) -> GltfDocument:
    """Open a `.glb` or `.gltf` file.

    Raises ValueError for one that is cut off, of another version, or that requires what is not read.
    """
    data = path.read_bytes()
    binary = None
    if data[:4] == b"glTF":
        text, binary = _chunks(path, data)
    else:
        text = data
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as glTF: {error}. It may be cut off") from error
    if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
        raise ValueError(f"{path} is no glTF file: it has no `asset`")
    version = str(document["asset"].get("version", "1.0"))
    if not version.startswith("2"):
        raise ValueError(f"{path} is glTF {version}, and 2.0 is read: {_UPGRADE.format(path.name)}")
    _check_extensions(path, document)
    return GltfDocument(path, document, binary, [path])


def _chunks(path: Path, data: bytes) -> tuple[bytes, bytes | None]:
    """The JSON chunk of a GLB, and its binary chunk where it has one."""
    if len(data) >= 8 and struct.unpack_from("<I", data, 4)[0] == 1:
        raise ValueError(f"{path} is glTF 1.0, and 2.0 is read: {_UPGRADE.format(path.name)}")
    if len(data) < 20 or struct.unpack_from("<I", data, 8)[0] > len(data):
        raise ValueError(f"{path} cannot be read: the file was cut off")
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        size, kind = struct.unpack_from("<I4s", data, at)
        found.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 8 + size
    if b"JSON" not in found:
        raise ValueError(f"{path} cannot be read: a GLB file without its JSON chunk")
    return found[b"JSON"], found.get(b"BIN\0")


def _check_extensions(path: Path, document: dict[str, Any]) -> None:
    for name in document.get("extensionsRequired", []):
        if name in REFUSED:
            raise ValueError(f"{path} requires {name}, which is not read: {REFUSED[name]}")
        if name not in READ and not str(name).startswith(("KHR_materials_", "EXT_materials_")):
            raise ValueError(
                f"{path} requires the extension {name}, which is not read: save it without, say from Blender"
            )
