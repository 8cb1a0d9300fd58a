"""Colour per vertex instead of per texel: faces with a texture cut fine, and what the texture shows about
each corner."""

import numpy as np
from jaxtyping import Float
from PIL import Image

from scenes.meshes.geometry import Material, Mesh
from scenes.srgb import to_linear, to_srgb

_PARTS = 1 << 16  # triangles that one may become: a wall of 100 m² at 6 cm


def bake_colors(
    mesh: Mesh, points: Float[np.ndarray, "v 3"], normals: Float[np.ndarray, "v 3"], edge: float
) -> Float[np.ndarray, "f 3 10"]:
    """Corners of the faces of a mesh whose vertices stand at `points` [m]: position, normal, then red, green,
    blue and opacity in [0, 255].

    Only faces whose colour varies are cut, until no edge is longer than `edge` [m].
    """
    whole = np.concatenate([points, normals, mesh.uvs], 1)
    if mesh.colors is not None:
        whole = np.concatenate([whole, mesh.colors], 1)
    out = []
    for slot, material in enumerate(mesh.materials):
        corners = whole[mesh.faces[mesh.material_ids == slot]]
        if not len(corners):
            continue
        if material.texture is not None:
            corners = _cut(corners, edge)
        color = _color(corners, material, edge)
        opacity = np.full((*color.shape[:2], 1), max(1, round(255 * material.opacity)))
        out.append(np.concatenate([corners[..., :6], np.round(255 * color), opacity], 2))
    return np.concatenate(out)


def _cut(corners: np.ndarray, edge: float) -> np.ndarray:
    """Triangles [f, 3, k] halved at their longest edge until it is short enough; halves follow each other."""
    for _ in range(_PARTS.bit_length()):
        ahead = np.roll(corners, -1, axis=1)
        length = np.linalg.norm((ahead - corners)[..., :3], axis=2)
        longest = length.argmax(1)
        long = length.max(1) > edge
        if not long.any():
            break
        rows = np.arange(len(corners))
        a, b, c = (corners[rows, (longest + k) % 3] for k in range(3))
        middle = (a + b) / 2
        halves = np.stack([np.stack([c, a, middle], 1), np.stack([c, middle, b], 1)], 1)
        count = np.where(long, 2, 1)
        out = np.repeat(corners, count, axis=0)
        at = (np.cumsum(count) - count)[long]
        out[at], out[at + 1] = halves[long, 0], halves[long, 1]
        corners = out
    return corners


def _color(corners: np.ndarray, material: Material, edge: float) -> np.ndarray:
    """sRGB [f, 3, 3] in [0, 1] of a material at corners; what it emits is added."""
    linear = np.broadcast_to(to_linear(np.array(material.color)), (*corners.shape[:2], 3))
    shines = np.array(material.emission)
    if material.texture is not None:
        pattern = _sample(material.texture, corners, edge)
        linear, shines = linear * pattern, shines * pattern
    if corners.shape[2] > 8:
        linear = linear * to_linear(corners[..., 8:] / 255)
    return to_srgb(linear + shines)


def _sample(texture: np.ndarray, corners: np.ndarray, edge: float) -> np.ndarray:
    """Linear colour [f, 3, 3] of a texture at corners, blurred to about an edge's length."""
    height, width = texture.shape[:2]
    across = np.cross(corners[:, 1, :3] - corners[:, 0, :3], corners[:, 2, :3] - corners[:, 0, :3])
    e, f = corners[:, 1, 6:8] - corners[:, 0, 6:8], corners[:, 2, 6:8] - corners[:, 0, 6:8]
    density = np.abs(e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]).sum() / max(
        np.linalg.norm(across, axis=1).sum(), 1e-12
    )
    texels = np.sqrt(density * width * height) * edge  # per edge
    shrink = max(1.0, texels)
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    small = np.stack(
        [
            np.asarray(Image.fromarray(channel.astype(np.float32)).resize(size, Image.Resampling.BOX))
            for channel in np.moveaxis(to_linear(texture / 255), 2, 0)
        ],
        2,
    )
    u, v = corners[..., 6], corners[..., 7]
    x, y = (u - np.floor(u)) * size[0] - 0.5, (1 - (v - np.floor(v))) * size[1] - 0.5
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - column)[..., None], (y - row)[..., None]
    c0, c1, r0, r1 = column % size[0], (column + 1) % size[0], row % size[1], (row + 1) % size[1]
    top = small[r0, c0] * (1 - fx) + small[r0, c1] * fx
    return top * (1 - fy) + (small[r1, c0] * (1 - fx) + small[r1, c1] * fx) * fy
