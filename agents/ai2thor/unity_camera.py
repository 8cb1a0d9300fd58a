"""Cameras as Unity has them: a place, three angles, and the vertical field of view.

Unity is left-handed like the house's JSON: y up, metres, degrees, R = Ry · Rx · Rz; a camera looks along its
own +z, x to its right, y up. A positive x angle looks down, a positive y angle turns from +z towards +x, a
positive z angle raises the right side of the camera. Image centre and optical centre are one, pixels square.
"""

import math

import numpy as np
from jaxtyping import Float, Float32, Float64

from scenes.house.elements import Vec3
from scenes.meshes.building.assembly import MIRROR_Z, world_point, world_rotation

_FLIP_Y = np.diag([1.0, -1.0, 1.0])  # OpenCV's camera has y down, Unity's y up
_CLEAN = 1e-12
Place = dict[str, float]


def to_unity(pose: Float[np.ndarray, "4 4"]) -> tuple[Place, Place]:
    """Position [m] and Euler angles [degrees], each as x, y, z, of a camera-to-world pose."""
    x, y, z = (float(v) for v in MIRROR_Z @ pose[:3, 3])
    r = MIRROR_Z @ pose[:3, :3] @ _FLIP_Y
    level = math.hypot(r[1, 0], r[1, 1])
    pitch = math.atan2(-r[1, 2], level)
    if level > 1e-9:
        yaw, roll = math.atan2(r[0, 2], r[2, 2]), math.atan2(r[1, 0], r[1, 1])
    else:  # straight up or down yaw and roll are one turn
        yaw, roll = math.atan2(-r[2, 0], r[0, 0]), 0.0
    angles = {"x": math.degrees(pitch), "y": math.degrees(yaw), "z": math.degrees(roll)}
    return {"x": x, "y": y, "z": z}, angles


def from_unity(position: Place, rotation: Place) -> Float64[np.ndarray, "4 4"]:
    """The camera-to-world pose of a place [m] and Euler angles [degrees]."""
    pose = np.eye(4)
    turn = world_rotation(Vec3(**rotation)) @ MIRROR_Z @ _FLIP_Y
    whole = np.round(turn)
    pose[:3, :3] = np.where(np.abs(turn - whole) < _CLEAN, whole, turn)  # the cosine of 90° is not quite 0
    pose[:3, 3] = world_point(Vec3(**position))
    return pose


def vertical_fov(intrinsics: Float32[np.ndarray, "4"], height: int, width: int) -> float:
    """Unity's field of view [degrees] of fx, fy, cx, cy [px]. ValueError for what Unity cannot have."""
    fx, fy, cx, cy = (float(v) for v in intrinsics)
    if abs(fx - fy) > 1e-5 * fy:
        raise ValueError(f"Unity's pixels are square, got fx = {fx:g} and fy = {fy:g}; make them equal")
    if abs(cx - width / 2) > 1e-3 or abs(cy - height / 2) > 1e-3:
        raise ValueError(
            f"Unity's cameras look through the middle of the image, got cx = {cx:g} and cy = {cy:g} for "
            f"{width} × {height} pixels; use cx = {width / 2:g} and cy = {height / 2:g}"
        )
    return math.degrees(2 * math.atan2(height / 2, fy))


def fov_intrinsics(fov: float, height: int, width: int) -> Float32[np.ndarray, "4"]:
    """fx, fy, cx, cy [px] of a vertical field of view [degrees]."""
    f = 0.5 * height / math.tan(math.radians(fov) / 2)
    return np.array([f, f, width / 2, height / 2], np.float32)
