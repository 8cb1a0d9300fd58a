"""A compiled house: everything stands where the house says, walls are closed but for their holes."""

import numpy as np
import pytest
import shapely

from scenes.generate.generate import generate_house
from scenes.house.asset_table import asset_table
from scenes.house.labels import class_id, label_table
from scenes.house.schema import House
from scenes.meshes.building.assembly import world_point
from scenes.meshes.building.walls import room_shape
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Instance, SceneGeometry
from scenes.meshes.libraries.library import AssetLibrary
from tests.scenes.rays import first_hits, world_triangles

STRUCTURE = {class_id(name) for name in ("Wall", "Floor", "Ceiling")}
OPENINGS = {class_id(name) for name in ("Window", "Doorway", "Doorframe")}
HEIGHT = 2.7


def vec(x: float, y: float, z: float) -> dict[str, float]:
    return {"x": x, "y": y, "z": z}


def wall(name: str, room: str, p0: tuple[float, float], p1: tuple[float, float], material: str) -> dict:
    corners = [vec(p[0], y, p[1]) for y in (0, HEIGHT) for p in (p0, p1)]
    return {"id": name, "roomId": room, "polygon": corners, "material": {"name": material}}


def l_shaped_house() -> dict:
    """An L of 4 x 4 less 2 x 2, clockwise; a door in its west wall, a window in its south wall; a bed."""
    ring = [(0, 0), (0, 4), (2, 4), (2, 2), (4, 2), (4, 0)]
    walls = []
    for i, (a, b) in enumerate(zip(ring, ring[1:] + ring[:1], strict=True)):
        walls.append(wall(f"wall|2|{i}", "room|2", a, b, "RedBrick"))
        walls.append(wall(f"wall|exterior|{i}", "exterior", b, a, "ConcreteFloor"))

    def opening(
        name: str, asset: str, number: int, hole: tuple[float, float, float, float], **more: object
    ) -> dict:
        x0, y0, x1, y1 = hole
        return {
            "id": name, "assetId": asset, "assetPosition": vec((x0 + x1) / 2, (y0 + y1) / 2, 0),
            "holePolygon": [vec(x0, y0, 0), vec(x1, y1, 0)], "room0": "room|2", "room1": "room|2",
            "wall0": f"wall|2|{number}", "wall1": f"wall|exterior|{number}", **more,
        }  # fmt: skip

    bed = asset_table()["Bed_1"]
    return {
        "rooms": [{
            "id": "room|2", "roomType": "Bedroom", "ceilings": [], "children": [],
            "floorPolygon": [vec(x, 0, z) for x, z in ring], "floorMaterial": {"name": "WoodGrain_Tan"},
        }],
        "walls": walls,
        "doors": [opening("door|1|2", "Doorway_1", 0, (0.5, 0, 1.5, 2.1), openable=True, openness=1.0)],
        "windows": [opening("window|2|0", "Window_Hung_48x44", 5, (1.0, 1.0, 2.2, 2.2))],
        "objects": [{
            "id": "bed|2", "assetId": "Bed_1", "kinematic": True, "children": [],
            "position": vec(1.2, bed.size[1] / 2, 1.0), "rotation": vec(0, 90, 0),
        }],
        "proceduralParameters": {
            "ceilingMaterial": {"name": "PureWhite"}, "skyboxId": "Sky1", "reflections": [],
            "floorColliderThickness": 1.0, "receptacleHeight": 0.7,
            "lights": [
                {"id": "sun", "type": "directional", "position": vec(0, 0, 0), "rotation": vec(66, 75, 0),
                 "rgb": {"r": 1.0, "g": 1.0, "b": 1.0}, "intensity": 1.0},
                {"id": "lamp", "type": "point", "position": vec(1, HEIGHT - 0.2, 1), "range": 15.0,
                 "rgb": {"r": 1.0, "g": 0.5, "b": 0.0}, "intensity": 0.75},
            ],
        },
        "metadata": {"schema": "1.0.0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def shapes() -> AssetLibrary:
    return AssetLibrary(None)


@pytest.fixture(scope="module")
def small(shapes: AssetLibrary) -> SceneGeometry:
    return compile_house(House.from_json(l_shaped_house()), shapes)


@pytest.fixture(scope="module")
def house() -> House:
    return generate_house(3)


@pytest.fixture(scope="module")
def scene(house: House, shapes: AssetLibrary) -> SceneGeometry:
    return compile_house(house, shapes)


def corners(scene: SceneGeometry, instance: Instance) -> tuple[np.ndarray, np.ndarray]:
    points = scene.meshes[instance.mesh].vertices.astype(np.float64)
    points = points @ instance.transform[:3, :3].T + instance.transform[:3, 3]
    return points.min(0), points.max(0)


def sphere(count: int, seed: int) -> np.ndarray:
    d = np.random.default_rng(seed).normal(size=(count, 3))
    return d / np.linalg.norm(d, axis=1, keepdims=True)


def test_ids_are_unique_and_every_object_is_there(house: House, scene: SceneGeometry):
    ids = [i.instance_id for i in scene.instances]
    assert ids == list(range(1, len(ids) + 1))
    names = [i.name for i in scene.instances]
    assert len(set(names)) == len(names)
    for item, _ in house.all_objects():
        instance = scene.instances[names.index(item.id)]
        assert label_table()[instance.class_id].name == asset_table()[item.asset_id].type
    assert {d.id for d in house.doors} | {w.id for w in house.windows} <= set(names)
    keys = [m.key for m in scene.meshes]
    assert len(set(keys)) == len(keys)


def test_objects_fill_their_boxes_in_the_mirrored_world(house: House, scene: SceneGeometry):
    by_name = {i.name: i for i in scene.instances}
    checked = 0
    for item, _ in house.all_objects():
        matrix = by_name[item.id].transform
        np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
        assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)
        if item.rotation.y % 90 == 0 and item.rotation.x % 360 == item.rotation.z % 360 == 0:
            low, high = corners(scene, by_name[item.id])
            np.testing.assert_allclose((low + high) / 2, world_point(item.position), atol=1e-3)
            x, y, z = asset_table()[item.asset_id].size
            size = (z, y, x) if item.rotation.y % 180 == 90 else (x, y, z)
            np.testing.assert_allclose(high - low, size, atol=1e-3)
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(("yaw", "front"), [(0, (0, -1)), (90, (1, 0)), (180, (0, 1)), (270, (-1, 0))])
def test_a_bed_faces_where_its_yaw_says(yaw: int, front: tuple[int, int], shapes: AssetLibrary):
    """At yaw 0 an object faces the house's +z, which is the world's -z; at 90 it faces +x in both."""
    values = l_shaped_house()
    values["objects"][0]["rotation"]["y"] = yaw
    scene = compile_house(House.from_json(values), shapes)
    bed = next(i for i in scene.instances if i.name == "bed|2")
    points = scene.meshes[bed.mesh].vertices @ bed.transform[:3, :3].T
    head = points[points[:, 1] > 0.3 * np.ptp(points[:, 1])].mean(0)  # the headboard is behind
    assert np.dot(head[[0, 2]], front) < -0.3


def test_rotations_are_unitys(shapes: AssetLibrary):
    """R = Ry Rx Rz, left-handed: pitch tips the front down, then yaw turns it towards +x."""
    values = l_shaped_house()
    values["objects"][0]["rotation"] = vec(30, 90, 0)
    scene = compile_house(House.from_json(values), shapes)
    bed = next(i for i in scene.instances if i.name == "bed|2")
    front = bed.transform[:3, :3] @ (0, 0, 1)  # of the mesh
    np.testing.assert_allclose(front, (np.cos(np.radians(30)), -np.sin(np.radians(30)), 0), atol=1e-9)


def test_a_room_is_closed_but_for_its_holes(small: SceneGeometry):
    """Rays from within an L-shaped room leave it through its door and its window, and nowhere else."""
    triangles, _ = world_triangles(small, STRUCTURE)
    inside = np.array([[1.0, 1.3, -1.0], [3.4, 1.0, -1.7], [1.6, 2.0, -3.7]])
    for k, origin in enumerate(inside):
        rays = sphere(1500, k)
        start = np.tile(origin, (len(rays), 1))
        distance, _ = first_hits(triangles, start, rays)
        for direction in rays[np.isinf(distance)]:
            west, south = (0 - origin[0]) / direction[0], (0 - origin[2]) / direction[2]
            door, window = origin + west * direction, origin + south * direction
            through_door = west > 0 and -1.5 <= door[2] <= -0.5 and 0 <= door[1] <= 2.1
            # The window's wall runs from (4, 0) to (0, 0): its hole lies 1.0 to 2.2 from x = 4.
            through_window = south > 0 and 1.8 <= window[0] <= 3.0 and 1.0 <= window[1] <= 2.2
            assert through_door or through_window
    start = np.array([[1.0, 1.0, -1.0], [2.4, 1.6, -1.0]])
    distance, _ = first_hits(triangles, start, np.array([[-1.0, 0, 0], [0, 0, 1.0]]))
    assert np.isinf(distance).all(), "door and window are truly open"


def test_openings_are_filled_by_glass_and_leaf(small: SceneGeometry):
    triangles, owners = world_triangles(small, OPENINGS)
    _, hit = first_hits(triangles, np.array([[2.4, 1.3, -1.0]]), np.array([[0, 0, 1.0]]))
    window = small.instances[owners[hit[0]] - 1]
    assert window.name == "window|2|0"
    mesh = small.meshes[window.mesh]
    assert any(mesh.materials[m].opacity < 1 for m in mesh.material_ids)
    # The leaf is open by 90 degrees, away from the room: outside, and off the hole's middle.
    door = next(i for i in small.instances if i.name == "door|1|2")
    low, high = corners(small, door)
    assert low[0] < -0.9
    assert high[0] < 0.15
    assert high[1] == pytest.approx(2.1, abs=0.1)


def test_a_closed_leaf_fills_the_hole(shapes: AssetLibrary):
    values = l_shaped_house()
    values["doors"][0]["openness"] = 0.0
    scene = compile_house(House.from_json(values), shapes)
    triangles, _ = world_triangles(scene, OPENINGS)
    y, z = np.meshgrid(np.linspace(0.1, 1.9, 5), np.linspace(-0.6, -1.4, 5))
    start = np.column_stack([np.ones(25), y.ravel(), z.ravel()])
    distance, _ = first_hits(triangles, start, np.tile([-1.0, 0, 0], (25, 1)))
    assert np.isfinite(distance).all()


def test_each_side_of_a_wall_shows_its_own_material(small: SceneGeometry):
    triangles, owners = world_triangles(small, {class_id("Wall")})
    start = np.array([[1.0, 0.5, -3.0], [1.0, 0.5, -9.0]])
    _, hit = first_hits(triangles, start, np.array([[0, 0, -1.0], [0, 0, 1.0]]))
    inner, outer = (small.meshes[small.instances[owners[h] - 1].mesh].materials[0].name for h in hit)
    assert inner.startswith("RedBrick")
    assert outer.startswith("ConcreteFloor")


def test_rooms_of_a_generated_house_are_seen_from_within(house: House, scene: SceneGeometry):
    """What a ray meets first of a room's structure is the room's own, unless it left by an opening."""
    triangles, owners = world_triangles(scene, STRUCTURE | OPENINGS)
    sides = {w.id: w.room_id for w in house.walls}
    openings = {i.instance_id for i in scene.instances if i.class_id in OPENINGS}
    frames = [o.hole_polygon for o in (*house.doors, *house.windows)]
    assert frames
    for region in scene.floor:
        polygon = shapely.Polygon(region.polygon)
        point = polygon.buffer(-0.4).representative_point()
        start = np.tile([point.x, region.floor_y + 1.2, point.y], (150, 1))
        _, hit = first_hits(triangles, start, sphere(150, 5))
        met = [scene.instances[owners[h] - 1] for h in hit if h >= 0]
        own = {region.room_id, f"ceiling|{region.room_id}"}
        belongs = [
            i.name in own or sides.get(i.name) == region.room_id or i.instance_id in openings for i in met
        ]
        assert np.mean(belongs) > 0.75  # the rest was seen through doors
        assert len(met) > 110


def test_floors_cover_rooms_of_any_outline(house: House, scene: SceneGeometry, small: SceneGeometry):
    for compiled, source in ((scene, house), (small, House.from_json(l_shaped_house()))):
        for room in source.rooms:
            floor = next(i for i in compiled.instances if i.name == room.id)
            mesh = compiled.meshes[floor.mesh]
            a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
            cross = np.cross(b - a, c - a)
            assert (cross[:, 1] > 0).all(), "a floor looks up"
            assert cross[:, 1].sum() / 2 == pytest.approx(room_shape(room).area, rel=1e-5)


def test_regions_say_where_a_body_may_be(house: House, scene: SceneGeometry):
    assert [r.room_id for r in scene.floor] == [r.id for r in house.rooms]
    for region, room in zip(scene.floor, house.rooms, strict=True):
        np.testing.assert_allclose(region.polygon, [(x, -z) for x, z in room.polygon])
        assert region.ceiling_y - region.floor_y == pytest.approx(max(w.height for w in house.walls))


def test_lights_come_over_in_linear_colour(small: SceneGeometry):
    sun, lamp = small.lights
    assert sun.kind == "directional"
    # Rotation (66, 75) looks 66 degrees down; its way along z is mirrored.
    down, yaw = np.radians(66), np.radians(75)
    expected = (np.cos(down) * np.sin(yaw), -np.sin(down), -np.cos(down) * np.cos(yaw))
    np.testing.assert_allclose(sun.direction, expected, atol=1e-9)
    assert lamp.kind == "point"
    assert lamp.position == (1.0, HEIGHT - 0.2, -1.0)
    np.testing.assert_allclose(lamp.color, (0.75, 0.75 * 0.21404, 0.0), atol=1e-4)
    assert any(i.name == "fixture|lamp" for i in small.instances)


def test_a_lamps_fixture_does_not_shade_it(small: SceneGeometry):
    lamp = np.array([small.lights[1].position])
    triangles, owners = world_triangles(small)
    rays = sphere(300, 1)
    rays[:, 1] = -np.abs(rays[:, 1])
    distance, hit = first_hits(triangles, lamp.repeat(300, 0), rays)
    assert not any("fixture" in small.instances[owners[h] - 1].name for h in hit if h >= 0)
    assert distance.min() > 0.5


def test_meshes_of_assets_are_shared_by_houses(house: House, scene: SceneGeometry, shapes: AssetLibrary):
    again = compile_house(house, shapes)
    mine = {m.key: m for m in scene.meshes}
    shared = [m for m in again.meshes if m.key.startswith("asset:")]
    assert shared
    assert all(mine[m.key] is m for m in shared)


def test_same_house_same_geometry(house: House, scene: SceneGeometry):
    again = compile_house(house, AssetLibrary(None))
    assert scene.digest == again.digest == house.digest()
    for one, two in zip(scene.meshes, again.meshes, strict=True):
        assert one.key == two.key
        np.testing.assert_array_equal(one.vertices, two.vertices)
        np.testing.assert_array_equal(one.faces, two.faces)
        np.testing.assert_array_equal(one.uvs, two.uvs)


def test_an_unknown_asset_is_refused_by_name(shapes: AssetLibrary):
    values = l_shaped_house()
    values["objects"][0]["assetId"] = "Unicorn_1"
    with pytest.raises(ValueError, match=r"'bed\|2' has asset 'Unicorn_1'"):
        compile_house(House.from_json(values), shapes)
