"""The mesh cache shares and forgets; the benchmark's figures are there and make sense."""

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.bench.render import bench_render
from agents.cameras import Cameras
from agents.raycast.device_meshes import MeshCache, mesh_cache
from agents.raycast.simulator import RaycastSimulator
from scenes.meshes.geometry import Material
from tests.agents.rooms_by_hand import cube, pose, room
from tests.array_shapes import unchecked

CHECKS = np.tile(np.array([[[255] * 3, [0] * 3]], np.uint8), (64, 32, 1))


def test_meshes_of_one_key_are_shared_between_spaces() -> None:
    cache = mesh_cache("cpu")
    assert cache.get(cube("shared")) is cache.get(cube("shared"))


def test_textures_of_the_same_content_are_shared_between_meshes() -> None:
    cache = MeshCache("cpu")
    a, b = (cache.get(cube(key, Material(key, texture=CHECKS.copy()))) for key in ("a", "b"))
    assert a.textures[0] is b.textures[0]
    assert cache.get(cube("c", Material("c", texture=255 - CHECKS))).textures[0] is not a.textures[0]


def test_the_longest_unused_goes_first() -> None:
    cache = MeshCache("cpu")
    first, second, third = (cache.get(cube(key)) for key in ("one", "two", "three"))
    assert cache.get(cube("one")) is first
    cache.limit_bytes = first.bytes + third.bytes
    cache.trim()
    assert cache.held_bytes <= cache.limit_bytes
    assert cache.get(cube("one")) is first
    assert cache.get(cube("three")) is third
    assert cache.get(cube("two")) is not second


def test_a_space_outlives_its_place_in_the_cache() -> None:
    cameras = Cameras.same(pose((2, 1.25, 5), (1, 0, 0), (0, -1, 0))[None], 90.0, 32, 32)
    simulator = RaycastSimulator()
    simulator.load(room())
    before = simulator.render(cameras, ["rgb"])["rgb"]
    cache = mesh_cache("cpu")
    kept, cache.limit_bytes = cache.limit_bytes, 0
    try:
        cache.trim()
        other = RaycastSimulator()
        other.load(room(surface=Material("other", (0.2, 0.9, 0.2))))
        other.render(cameras, ["rgb"])
        np.testing.assert_array_equal(simulator.render(cameras, ["rgb"])["rgb"], before)
    finally:
        cache.limit_bytes = kept


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faces": np.zeros((0, 3), np.int32)}, "no faces"),
        ({"faces": np.full((12, 3), 99, np.int32)}, "outside 0 to 23"),
        ({"uvs": np.zeros((3, 2), np.float32)}, "normals and uvs go with vertices"),
        ({"material_ids": np.full(12, 5, np.int32)}, "outside its 1 materials"),
        ({"vertices": np.full((24, 3), np.nan, np.float32)}, "not finite"),
    ],
)
def test_words_for_meshes_that_are_none(change: dict, message: str) -> None:
    with unchecked(), pytest.raises(ValueError, match=f"mesh 'bad'.*{message}"):
        MeshCache("cpu").get(replace(cube("bad"), **change))


def test_benchmark_tells_what_it_measured() -> None:
    figures = bench_render(room(), size=32, frames=3)
    assert json.loads(json.dumps(figures)) == figures
    assert figures["triangles"] == 72
    assert figures["frames"] == 3
    assert figures["samples_per_pixel"] == 4
    for name in ("frames_per_s", "frames_per_s_no_shadows", "frames_per_s_geometry_only"):
        assert figures[name] > 0
    with_peers = bench_render(room(), size=32, frames=1, with_peers=True)["peers"]
    assert set(with_peers) == {"embreex", "open3d", "pyrender", "moderngl"}
    assert all(p.get("frames_per_s", 0) > 0 or p["failed"] for p in with_peers.values())
    with pytest.raises(ValueError, match="at least one frame"):
        bench_render(room(), frames=0)
