"""Speed of the renderer on a space: `tst bench render`.

Figures are of one process, after compilation and one warm-up frame; poses are the dense sampler's with seed
0, so that two machines render the same images. On a CPU, seconds are processor time over all threads, so
other work on the machine does not count. On a CUDA device they are by the clock.
"""

import sys
import time
from typing import Any

import numpy as np
import warp as wp
from jaxtyping import Float64

from agents.bench.peers import peers
from agents.cameras import Cameras
from agents.raycast.device_meshes import mesh_cache
from agents.raycast.simulator import RaycastConfig, RaycastSimulator
from agents.samplers.registry import sample_poses
from scenes.meshes.geometry import SceneGeometry

ALL = ("rgb", "depth", "normals", "edges", "semantic", "instance")
GEOMETRY = ("depth", "normals", "semantic", "instance")
BATCH = 16
"""Cameras in a launch; fewer where fewer frames are asked for."""


def bench_render(
    geometry: SceneGeometry, size: int = 224, frames: int = 64, device: str = "cpu", with_peers: bool = False
) -> dict[str, Any]:
    """Measure frames per second of square images of `size` pixels, 90° wide.

    Frames are measured with shadows, without them, and without colour. Also returned: the size of the space
    (`triangles`, `instances`, `lights`), seconds to load it and to bake its light with an empty mesh cache,
    seconds per 1,000 sampled poses, and bytes of the mesh cache. `with_peers` measures other renderers too
    (`peers.py`), one pose per call. Raises ValueError for no frames.
    """
    if frames < 1:
        raise ValueError(f"a benchmark needs at least one frame, got {frames}")
    RaycastSimulator(device).load(geometry)  # compiles the kernels
    mesh_cache.cache_clear()
    simulator = RaycastSimulator(device)
    load_s = _seconds(lambda: simulator.load(geometry))
    space = simulator.free_space()
    sample_poses("dense", space, 1, np.random.default_rng(0))
    sample_s = _seconds(lambda: sample_poses("dense", space, 1000, np.random.default_rng(0)))
    poses = sample_poses("dense", space, frames, np.random.default_rng(0))
    one = Cameras.same(poses[:1], 90.0, size, size)
    warm = RaycastSimulator(device)
    warm.load(geometry)
    warm.render(one, ALL)
    bake_s = _seconds(lambda: simulator.render(one, ALL)) - _seconds(lambda: simulator.render(one, ALL))
    plain = RaycastSimulator(device, RaycastConfig(shadows=False))
    plain.load(geometry)
    plain.render(one, ALL)
    rate = _rate(simulator, poses, size, ALL)
    figures = {
        "simulator": "raycast",
        "device": simulator.device,
        "size": size,
        "frames": frames,
        "samples_per_pixel": simulator.samples(one),
        "triangles": geometry.triangles,
        "instances": len(geometry.instances),
        "lights": len(geometry.lights),
        "load_s": round(load_s, 3),
        "bake_s": round(bake_s, 3),
        "sample_1000_poses_s": round(sample_s, 3),
        "mesh_cache_bytes": mesh_cache(simulator.device).held_bytes,
        "frames_per_s": rate,
        "primary_rays_per_s": round(rate * size * size * simulator.samples(one)),
        "frames_per_s_no_shadows": _rate(plain, poses, size, ALL),
        "frames_per_s_geometry_only": _rate(simulator, poses, size, GEOMETRY),
        "process_bytes": _process_bytes(),
    }
    if with_peers:
        cameras = Cameras.same(poses, 90.0, size, size)
        figures["peers"] = {name: measure(geometry, cameras) for name, measure in peers(_seconds).items()}
    return figures


def _rate(
    simulator: RaycastSimulator, poses: Float64[np.ndarray, "n 4 4"], size: int, modalities: tuple[str, ...]
) -> float:
    def draw() -> None:
        for start in range(0, len(poses), BATCH):
            simulator.render(Cameras.same(poses[start : start + BATCH], 90.0, size, size), modalities)

    return round(len(poses) / _seconds(draw), 2)


def _seconds(act: Any) -> float:
    clock = time.perf_counter if wp.is_cuda_available() else time.process_time
    start = clock()
    act()
    return clock() - start


def _process_bytes() -> int | None:
    """Peak resident memory of this process [bytes]; None where the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
