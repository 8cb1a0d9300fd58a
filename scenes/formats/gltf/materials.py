"""Materials of a glTF file as far as a picture without gloss shows them: base colour, opacity, emission.

Specification: glTF 2.0, section 3.9; KHR_texture_transform; KHR_materials_pbrSpecularGlossiness,
_transmission, _emissive_strength.
"""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from PIL import Image, UnidentifiedImageError

from scenes.formats.gltf.document import REFUSED, GltfDocument
from scenes.meshes.geometry import Material
from scenes.srgb import to_srgb

_CLAMP, _MIRROR = 33071, 33648
MOST_TILES = 2
_CLEAREST = 0.1  # opacity of what lets all light through: a pane still shows


@dataclass(frozen=True, eq=False)
class Surface:
    """A material, and how its texture lies on a mesh."""

    material: Material
    uv_set: int = 0  # of TEXCOORD_n
    to_uv: Float64[np.ndarray, "3 3"] | None = None  # of (u, v, 1) in glTF's image axes; None: as they are
    clamp: tuple[bool, bool] = (False, False)  # along u and v; else the texture repeats
    mirror: tuple[bool, bool] = (False, False)
    cutout: Bool[np.ndarray, "h w"] | None = None  # texels that are there, where a mask cuts others out

    def uvs(self, given: Float[np.ndarray, "v 2"]) -> Float[np.ndarray, "v 2"]:
        """Our uvs (v = 0 at the bottom of the image) of glTF's (v = 0 at its top)."""
        uv = np.asarray(given, np.float64)
        if self.to_uv is not None:
            uv = uv @ self.to_uv[:2, :2].T + self.to_uv[:2, 2]
        # A mirrored texture is kept with its mirror image beside it, and is then as wide as two.
        uv = uv / np.where(self.mirror, 2.0, 1.0)
        return np.stack([uv[:, 0], 1.0 - uv[:, 1]], 1)


def unrolled(
    material: Material, uvs: Float[np.ndarray, "v 2"], clamp: tuple[bool, bool]
) -> tuple[Material, Float64[np.ndarray, "v 2"]]:
    """A material and uvs (v = 0 at the bottom) that show a clamped texture where the renderer repeats:
    beyond its edges, up to `MOST_TILES` times its size, the texture goes on with its last texels."""
    uvs = np.array(uvs, np.float64)
    if material.texture is None or not len(uvs) or not any(clamp):
        return material, uvs
    low, high = np.zeros(2, int), np.ones(2, int)
    for axis in range(2):
        if clamp[axis]:
            uvs[:, axis] = np.clip(uvs[:, axis], -MOST_TILES, 1 + MOST_TILES)
            low[axis] = min(int(np.floor(uvs[:, axis].min() + 1e-6)), 0)
            high[axis] = max(int(np.ceil(uvs[:, axis].max() - 1e-6)), 1)
    if not low.any() and (high == 1).all():
        return material, uvs
    height, width = material.texture.shape[:2]
    rows, columns = ((high[1] - 1) * height, -low[1] * height), (-low[0] * width, (high[0] - 1) * width)
    wider = np.pad(material.texture, (rows, columns, (0, 0)), mode="edge")
    return replace(material, texture=wider), (uvs - low) / (high - low)


class GltfMaterials:
    """The surfaces of a document, each made when first asked for."""

    def __init__(self, document: GltfDocument) -> None:
        self._document = document
        self._surfaces: dict[int | None, Surface] = {}
        self._images: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}

    def surface(self, index: int | None) -> Surface:
        """The surface of `materials[index]`; None: glTF's default, white.

        Raises ValueError for a texture that is missing or of a kind that is not read.
        """
        if index not in self._surfaces:
            entry = {} if index is None else self._document.item("materials", index)
            self._surfaces[index] = self._make(entry)
        return self._surfaces[index]

    def _make(self, entry: dict[str, Any]) -> Surface:
        extensions = entry.get("extensions", {})
        gloss = extensions.get("KHR_materials_pbrSpecularGlossiness")
        if gloss is not None:
            factor, base = gloss.get("diffuseFactor", [1, 1, 1, 1]), gloss.get("diffuseTexture")
        else:
            metal = entry.get("pbrMetallicRoughness", {})
            factor, base = metal.get("baseColorFactor", [1, 1, 1, 1]), metal.get("baseColorTexture")
        factor = np.clip(np.asarray(factor, np.float64), 0.0, 1.0)
        strength = extensions.get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0)
        shine = np.asarray(entry.get("emissiveFactor", [0, 0, 0]), np.float64) * float(strength)
        glow = entry.get("emissiveTexture")
        if glow is not None:
            if base is None and shine.any():
                # Baked light: the picture is all in what the surface emits.
                base, factor = glow, np.append(np.clip(shine, 0.0, 1.0), factor[3])
            if base is None or glow.get("index") != base.get("index") or base is glow:
                shine = np.zeros(3)  # a texture of its own, which has no place here
        texture, alpha, placed = (None, None, {}) if base is None else self._texture(base)
        opacity, cutout = 1.0, None
        if entry.get("alphaMode") == "BLEND":
            opacity = float(factor[3]) * (1.0 if alpha is None else float(alpha.mean()) / 255)
        elif entry.get("alphaMode") == "MASK" and alpha is not None:
            cutout = alpha * factor[3] >= 255 * float(entry.get("alphaCutoff", 0.5))
        passed = extensions.get("KHR_materials_transmission", {}).get("transmissionFactor", 0.0)
        opacity = float(np.clip(opacity * (1.0 - float(passed)), _CLEAREST if passed else 1 / 255, 1.0))
        r, g, b = to_srgb(factor[:3]).tolist()
        name = str(entry.get("name", "captured"))
        glowing = (float(shine[0]), float(shine[1]), float(shine[2]))
        material = Material(name, (r, g, b), texture, glowing, 1.0 if opacity > 0.98 else opacity)
        return Surface(material, cutout=cutout, **placed)

    def _texture(self, info: dict[str, Any]) -> tuple[np.ndarray, np.ndarray | None, dict[str, Any]]:
        """sRGB [h, w, 3], alpha [h, w] where the image has one, and how the texture lies."""
        entry = self._document.item("textures", info.get("index"))
        extensions = entry.get("extensions", {})
        source = entry.get("source")
        for name in ("EXT_texture_webp", "EXT_texture_avif"):
            source = extensions.get(name, {}).get("source", source)
        if source is None:
            names = [name for name in extensions if name in REFUSED]
            if names:
                raise ValueError(
                    f"{self._document.path} has textures by {names[0]}, which is not read: "
                    f"{REFUSED[names[0]]}"
                )
            raise ValueError(f"{self._document.path}: textures[{info.get('index')}] names no image")
        if source not in self._images:
            self._images[source] = self._image(source)
        pixels, alpha = self._images[source]
        moved = info.get("extensions", {}).get("KHR_texture_transform", {})
        sampler = self._document.item("samplers", entry["sampler"]) if "sampler" in entry else {}
        wraps = (sampler.get("wrapS"), sampler.get("wrapT"))
        mirror = (wraps[0] == _MIRROR, wraps[1] == _MIRROR)
        for axis, mirrored in ((1, mirror[0]), (0, mirror[1])):
            if mirrored:
                pixels = np.concatenate([pixels, np.flip(pixels, axis)], axis)
                alpha = None if alpha is None else np.concatenate([alpha, np.flip(alpha, axis)], axis)
        placed = {
            "uv_set": int(moved.get("texCoord", info.get("texCoord", 0))),
            "to_uv": _transform(moved) if moved else None,
            "clamp": (wraps[0] == _CLAMP, wraps[1] == _CLAMP),
            "mirror": mirror,
        }
        return np.ascontiguousarray(pixels), alpha, placed

    def _image(self, index: Any) -> tuple[np.ndarray, np.ndarray | None]:
        entry = self._document.item("images", index)
        if "bufferView" in entry:
            data = self._document.buffer_view(entry["bufferView"])[0]
        elif "uri" in entry:
            data = self._document.resource(entry["uri"], f"image {index}")
        else:
            raise ValueError(
                f"{self._document.path}: images[{index}] is neither in the file nor named by a uri"
            )
        if data[:7] == b"\xabKTX 20":
            raise ValueError(
                f"{self._document.path}: image {index} is KTX2, which is not read: "
                f"{REFUSED['KHR_texture_basisu']}"
            )
        return read_image(data, f"{self._document.path}: image {index}")


def read_image(data: bytes, what: str) -> tuple[UInt8[np.ndarray, "h w 3"], UInt8[np.ndarray, "h w"] | None]:
    """Pixels, sRGB, and alpha where the image has one that varies or is below 255.

    Raises ValueError, naming `what`, for data that is no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode.startswith(("I", "F")):
                grey = np.asarray(image, np.float64)
                image = Image.fromarray((255 * grey / max(float(grey.max()), 255.0)).astype(np.uint8))
            pixels = np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{what} cannot be read: {error}. Save it as PNG or JPEG") from error
    alpha = pixels[..., 3]
    return np.ascontiguousarray(pixels[..., :3]), None if (alpha == 255).all() else alpha


def _transform(moved: dict[str, Any]) -> np.ndarray:
    """The matrix of KHR_texture_transform: translation · rotation · scale."""
    (x, y), (sx, sy) = moved.get("offset", (0, 0)), moved.get("scale", (1, 1))
    c, s = np.cos(moved.get("rotation", 0.0)), np.sin(moved.get("rotation", 0.0))
    return np.array([[c * sx, s * sy, x], [-s * sx, c * sy, y], [0, 0, 1]], np.float64)
