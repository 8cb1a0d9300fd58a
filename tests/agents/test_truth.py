"""Depth, instance ids and normals of furnished houses against Embree on the exported GLB."""

from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from agents.cameras import Cameras
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.registry import sample_views
from scenes.formats.glb import export_glb
from scenes.generate.generate import generate_house
from scenes.meshes.compile import compile_house
from tests.agents.embree import EmbreeHouse

pytest.importorskip("embreex")
WINDOW = 7


def compared(family: str, seed: int, views: int, size: int, folder: Path) -> dict[str, float]:
    """Shares of pixels of one house that agree; see the names of what is measured."""
    scene = compile_house(generate_house(seed, family))
    export_glb(scene, folder / "house.glb")
    simulator = RaycastSimulator()
    simulator.load(scene)
    poses = sample_views("dense", simulator.free_space(), views, np.random.default_rng(seed)).poses
    cameras = Cameras.same(poses, 90.0, size, size)
    ours = simulator.render(cameras, ["depth", "normals", "instance"])
    truth = EmbreeHouse(folder / "house.glb").look(cameras)

    seen = np.isfinite(truth["depth"])
    apart = ~_silhouettes(np.where(seen, truth["depth"], 1e3), truth["instance"])
    off = np.abs(ours["depth"] / 1000.0 - np.where(seen, truth["depth"], 0.0))
    normals = ours["normals"] / 255.0 * 2 - 1
    plane = _planes(truth, cameras, apart & seen)
    fitted = _normals_of_depth(ours["depth"], cameras)
    return {
        "inner": float(apart.mean()),
        "depth within 2 mm": float((off < 0.002)[apart].mean()),
        "same instance": float((ours["instance"] == truth["instance"])[apart].mean()),
        "same instance, silhouettes too": float((ours["instance"] == truth["instance"]).mean()),
        "normals within 2 degrees": float((_angle(normals, truth["smooth"]) < 2)[apart & seen].mean()),
        "planar": float(plane.mean()),
        "normals of depth within 2 degrees": float((_angle(fitted, truth["flat"]) < 2)[plane].mean()),
    }


def _silhouettes(depth: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """Where a neighbour is another thing, or a step of 5 % lies between."""
    shape = (1, 3, 3)
    other = ndimage.maximum_filter(instance, shape) != ndimage.minimum_filter(instance, shape)
    return other | (ndimage.maximum_filter(depth, shape) > 1.05 * ndimage.minimum_filter(depth, shape))


def _planes(truth: dict[str, np.ndarray], cameras: Cameras, inner: np.ndarray) -> np.ndarray:
    """Where a window of WINDOW pixels lies within one plane: same normal, same distance from the camera."""
    shape = (1, WINDOW, WINDOW)
    spread = np.zeros(inner.shape)
    x, y = _picture(cameras)
    points = np.where(inner, truth["depth"], 0.0)[..., None] * np.stack([x, -y, -np.ones_like(x)], axis=-1)
    offset = (points * truth["flat"]).sum(-1)
    for values in (*np.moveaxis(truth["flat"], -1, 0), 5 * offset):  # 2 mm weigh as much as 0.6 degrees
        step = ndimage.maximum_filter(values, shape) - ndimage.minimum_filter(values, shape)
        spread = np.maximum(spread, step)
    border = np.zeros(inner.shape, bool)
    r = WINDOW // 2
    border[:, r:-r, r:-r] = True
    return border & (spread < 0.01) & ndimage.minimum_filter(inner, shape)


def _normals_of_depth(depth: np.ndarray, cameras: Cameras) -> np.ndarray:
    """Of the plane through each pixel's window: 1/z is linear in the picture's coordinates on a plane."""
    r = WINDOW // 2
    padded = np.pad(1000.0 / np.maximum(depth, 1), ((0, 0), (r, r), (r, r)), mode="edge")
    windows = sliding_window_view(padded, (WINDOW, WINDOW), (1, 2))
    step = np.arange(-r, r + 1)
    weight = (step**2).sum() * WINDOW
    fx, fy = cameras.intrinsics[0, :2].astype(float)
    a = (windows * step).sum((-1, -2)) / weight * fx
    b = (windows * step[:, None]).sum((-1, -2)) / weight * fy
    x, y = _picture(cameras)
    c = windows.mean((-1, -2)) - a * x - b * y
    # a·X + b·Y + c·Z = 1 on the plane, which is to be turned to the viewer and into x right, y up.
    normal = np.stack([-a, b, c], axis=-1)
    return normal / np.linalg.norm(normal, axis=-1, keepdims=True)


def _picture(cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """x / z and y / z of each pixel [h, w], y down; all cameras have the same lens."""
    fx, fy, cx, cy = cameras.intrinsics[0].astype(float)
    y, x = np.meshgrid(np.arange(cameras.height) + 0.5, np.arange(cameras.width) + 0.5, indexing="ij")
    return (x - cx) / fx, (y - cy) / fy


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1)))


def agrees(shares: dict[str, float]) -> None:
    assert shares["inner"] > 0.5, shares
    assert shares["depth within 2 mm"] >= 0.999, shares
    assert shares["same instance"] >= 0.999, shares
    assert shares["normals within 2 degrees"] >= 0.99, shares
    assert shares["planar"] > 0.2, shares
    assert shares["normals of depth within 2 degrees"] >= 0.99, shares


def test_a_house_is_what_embree_says_it_is(tmp_path: Path) -> None:
    agrees(compared("apartment", 3, 6, 96, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "seed"),
    [("apartment", 3), ("procthor", 4), ("procthor", 7), ("studio", 1), ("apartment-heldout", 5)],
)
def test_five_houses_of_40_views_each(family: str, seed: int, tmp_path: Path) -> None:
    agrees(compared(family, seed, 40, 128, tmp_path))
