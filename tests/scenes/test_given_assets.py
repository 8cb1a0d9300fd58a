"""Assets from outside AI2-THOR's table: folders of GLBs and of ObjaTHOR's, lists, and what nobody knows."""

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import trimesh
from PIL import Image

from engine.collect.collect import CollectConfig, collect
from engine.store.access import EvalFrames
from engine.store.store import Store
from scenes.formats.assets.kinds import object_type
from scenes.formats.space_format import SpaceOptions
from scenes.formats.spaces import facts, load_space, told_of
from scenes.house.labels import class_id
from scenes.meshes.geometry import SceneGeometry
from tests.engine.bare_rooms import bare_house

UID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
"""As ObjaTHOR names assets."""


def _house(folder: Path, *items: dict[str, Any]) -> Path:
    """A room of 4 × 4 m with things in it, with the keys that Holodeck writes beside the schema's."""
    house = bare_house(40)
    house |= {
        "query": "a room",
        "wall_height": 2.6,
        "object_selection_plan": {},
        "floor_objects": list(items),
    }
    house["rooms"][0] |= {"id": "room|2", "vertices": [[0, 0], [0, 4], [4, 4], [4, 0]], "floor_design": "oak"}
    for wall in house["walls"]:
        wall |= {"direction": "west", "connected_rooms": [], "width": 4.0, "segment": [[0, 0], [0, 4]]}
    house["objects"] = list(items)
    (folder / "house.json").write_text(json.dumps(house))
    return folder / "house.json"


def _thing(asset: str, yaw: float = 0.0, y: float = 0.4, **more: Any) -> dict[str, Any]:
    return {
        "assetId": asset,
        "id": f"{asset} (room|2)",
        "kinematic": True,
        "position": {"x": 2.0, "y": y, "z": 1.5},
        "rotation": {"x": 0, "y": yaw, "z": 0},
        "material": None,
        "roomId": "room|2",
        "object_name": f"{asset}-0",
        **more,
    }


def _points(space: SceneGeometry, name: str) -> np.ndarray:
    """Vertices in the world of the instance of that name."""
    (thing,) = (i for i in space.instances if i.name == name)
    return space.meshes[thing.mesh].vertices @ thing.transform[:3, :3].T + thing.transform[:3, 3]


def _sofa() -> trimesh.Trimesh:
    """2 m wide, 0.8 m high, 0.9 m deep; y up, its low seat towards +z, its back at -z; off its own centre."""
    seat, back = trimesh.creation.box((2, 0.4, 0.7)), trimesh.creation.box((2, 0.8, 0.2))
    seat.apply_translation((5, 0.2, 0.35))
    back.apply_translation((5, 0.4, -0.1))
    return trimesh.util.concatenate([seat, back])


@pytest.mark.parametrize(("yaw", "back"), [(0, "-z"), (90, "-x"), (180, "+z"), (270, "+x")])
def test_a_glb_stands_at_its_size_and_faces_as_the_house_says(yaw: float, back: str, tmp_path: Path):
    _sofa().export(tmp_path / "red_leather_sofa.glb")
    house = _house(tmp_path, _thing("red_leather_sofa", yaw))
    space = load_space(house, SpaceOptions(assets=tmp_path))
    points = _points(space, "red_leather_sofa (room|2)") * (1, 1, -1)  # in the house's axes
    x, y, z = np.ptp(points, axis=0)
    assert (x, y, z) == pytest.approx((2, 0.8, 0.9) if yaw % 180 == 0 else (0.9, 0.8, 2), abs=1e-5)
    assert (points.min(0) + points.max(0)) / 2 == pytest.approx((2.0, 0.4, 1.5), abs=1e-5)
    axis, sign = "xyz".index(back[1]), 1 if back[0] == "+" else -1
    high = points[points[:, 1] > 0.7]
    assert (sign * (high[:, axis] - (2.0, 0.4, 1.5)[axis]) > 0.2).all(), "the back is where the front is not"
    (thing,) = (i for i in space.instances if i.name.startswith("red_leather"))
    assert thing.class_id == class_id("Sofa")


def _objathor(folder: Path, suffix: str, **more: Any) -> np.ndarray:
    """ObjaTHOR's layout: a block with one corner cut off, so that no turn or mirror image fits; its
    vertices."""
    ring = np.array([[0, 0], [0.6, 0], [0.6, 0.2], [0.2, 0.5], [0, 0.5]])
    points = np.array([[x, y, z] for y in (0.0, 0.3) for x, z in ring])
    faces = trimesh.convex.convex_hull(points)
    points, faces = np.asarray(faces.vertices), np.asarray(faces.faces)
    values = {
        "name": UID,
        "albedoTexturePath": f"/somewhere/else/{UID}/albedo.jpg",
        "vertices": [dict(zip("xyz", p, strict=True)) for p in points.tolist()],
        "normals": [],
        "uvs": [{"x": 0.5, "y": 0.5} for _ in points],
        "triangles": faces.ravel().tolist(),
        **more,
    }
    (folder / "assets" / UID).mkdir(parents=True)
    Image.new("RGB", (8, 8), (250, 10, 10)).save(folder / "assets" / UID / "albedo.jpg")
    packed = {
        "json": json.dumps(values).encode(),
        "msgpack": msgpack.packb(values),
        "pkl": pickle.dumps(values),
    }
    data = packed[suffix.split(".")[1]]
    file = folder / "assets" / UID / f"{UID}{suffix}"
    file.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    owner = {"creator_display_name": "A. Nyone", "license": "by", "uri": "https://example.org/1"}
    about = {UID: {"category": "wooden coffee table", "license_info": owner}}
    (folder / "annotations.json.gz").write_bytes(gzip.compress(json.dumps(about).encode()))
    return points


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".msgpack", ".msgpack.gz", ".pkl.gz"])
def test_objathor_s_assets_stand_as_in_ai2_thor(suffix: str, tmp_path: Path):
    given = _objathor(tmp_path, suffix, yRotOffset=30.0)
    house = _house(tmp_path, _thing(UID, 75, 0.15))
    space = load_space(house, SpaceOptions(assets=tmp_path))

    def turned(points: np.ndarray, degrees: float) -> np.ndarray:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))  # +z towards +x, as Unity turns
        x, y, z = points.T
        return np.stack([c * x + s * z, y, -s * x + c * z], 1)

    own = turned(given, 30.0)
    want = np.add(turned(own - (own.min(0) + own.max(0)) / 2, 75.0), (2.0, 0.15, 1.5))
    points = _points(space, f"{UID} (room|2)") * (1, 1, -1)
    distances = np.linalg.norm(points[:, None] - want[None], axis=2)
    assert distances.min(1).max() < 1e-5
    assert distances.min(0).max() < 1e-5
    (thing,) = (i for i in space.instances if i.name.startswith(UID))
    assert thing.class_id == class_id("CoffeeTable")
    assert [(c.author, c.license) for c in space.credits if c.model == UID] == [("A. Nyone", "by")]
    materials = space.meshes[thing.mesh].materials
    assert any(m.texture is not None and m.texture.mean((0, 1))[0] > 200 for m in materials)


def test_a_pickle_that_names_code_is_refused_and_not_run(tmp_path: Path):
    _objathor(tmp_path, ".pkl.gz")
    file = tmp_path / "assets" / UID / f"{UID}.pkl.gz"

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    file.write_bytes(gzip.compress(pickle.dumps({"vertices": Trap()})))
    house = _house(tmp_path, _thing(UID))
    with pytest.raises(ValueError, match=rf"{UID}\.pkl\.gz cannot be read: it names"):
        load_space(house, SpaceOptions(assets=tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_a_list_may_turn_stretch_and_name(tmp_path: Path):
    (tmp_path / "models").mkdir()
    _sofa().export(tmp_path / "models" / "thing.glb")
    entry = "- {id: x-17, file: models/thing.glb, type: Bed, turn: 90, size: [1.8, 0.6, 2.2]}\n"
    (tmp_path / "assets.yaml").write_text(entry)
    house = _house(tmp_path, _thing("x-17", 0, 0.3))
    space = load_space(house, SpaceOptions(assets=tmp_path / "assets.yaml"))
    points = _points(space, "x-17 (room|2)") * (1, 1, -1)
    assert np.ptp(points, axis=0) == pytest.approx((1.8, 0.6, 2.2), abs=1e-5)
    high = points[points[:, 1] > 0.55]
    # At -z of the file, after the turn at -x of the asset: +x of the house, where a front looks along +z.
    assert (high[:, 0] > 2.3).all()
    assert [i.class_id for i in space.instances if i.name.startswith("x-17")] == [class_id("Bed")]


def test_unknown_assets_are_refused_boxed_or_skipped(tmp_path: Path):
    corners = [[120, 100], [280, 100], [280, 200], [120, 200]]  # cm, as Holodeck writes them
    house = _house(tmp_path, _thing("nobody-knows", 90, 0.45, vertices=corners))
    with pytest.raises(ValueError, match=r"nobody-knows.*--assets.*--unknown-assets box or skip"):
        load_space(house)
    boxed = load_space(house, SpaceOptions(unknown_assets="box"))
    size = np.ptp(_points(boxed, "nobody-knows (room|2)"), axis=0)
    assert size == pytest.approx((1.6, 0.9, 1.0), abs=1e-5)
    (box,) = (i for i in boxed.instances if i.name.startswith("nobody"))
    assert box.class_id == class_id("OtherObject")
    skipped = load_space(house, SpaceOptions(unknown_assets="skip"))
    assert not [i for i in skipped.instances if i.name.startswith("nobody")]
    assert boxed.notes == ("1 objects of unknown assets are drawn as boxes: nobody-knows",)
    assert "left out: nobody-knows" in facts(skipped, house).provenance


def test_frames_know_the_assets_kind_and_the_store_its_author(tmp_path: Path):
    _objathor(tmp_path, ".json")
    house = _house(tmp_path, _thing(UID, 0, 0.15))
    asked = {"houses": [house], "store": tmp_path / "store", "role": "eval", "frames": 16, "size": 64}
    collect(CollectConfig.model_validate(asked | {"actors": 0, "device": "cpu", "assets": tmp_path}))
    store = Store.open(tmp_path / "store")
    assert "A. Nyone. by." in store.read_text("CREDITS.txt")
    assert class_id("CoffeeTable") in EvalFrames(store).read(range(16), ["semantic"])["semantic"]
    before = told_of(SpaceOptions(assets=tmp_path))
    assert before == told_of(SpaceOptions(assets=tmp_path)) != told_of(SpaceOptions(unknown_assets="box"))


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ("sofa", "Sofa"),
        ("red leather armchair", "ArmChair"),
        ("arm chair", "ArmChair"),
        ("chair cushion", "Pillow"),
        ("Dining_Table_12", "DiningTable"),
        ("mid-century TV stand", "TVStand"),
        ("refrigerator", "Fridge"),
        ("sports card", "OtherObject"),
        (UID, "OtherObject"),
    ],
)
def test_a_kind_is_told_by_the_words_of_a_category(words: str, want: str):
    assert object_type(words) == want


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("assets.yaml", "- {id: a, file: gone.glb}", "gone.glb, which is not there"),
        ("assets.yaml", "- {id: a, file: house.json, type: Sofar}", "'Sofar' is no object type"),
        ("assets.yaml", "- {id: a, fil: house.json}", "no list of assets"),
        ("assets.yaml", "a: [", "no list of assets"),
        ("kinds.csv", "asset,type\nred_sofa,Sofar\n", "'Sofar' is no object type"),
        ("kinds.csv", "name,kind\nred_sofa,Sofa\n", "columns are asset,type"),
        ("other.txt", "", "holds no asset"),
    ],
)
def test_lists_and_folders_that_are_wrong_are_refused_by_name(
    name: str, text: str, message: str, tmp_path: Path
):
    house = _house(tmp_path, _thing("a"))
    (tmp_path / name).write_text(text)
    if name == "kinds.csv":
        _sofa().export(tmp_path / "red_sofa.glb")
    given = tmp_path / name if name.endswith(".yaml") else tmp_path
    with pytest.raises(ValueError, match=message):
        load_space(house, SpaceOptions(assets=given))
