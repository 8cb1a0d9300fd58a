"""Faults to plant in a house: for each rule of `scenes/house/checks/check.py`, edits of its JSON values that
break it.

The house is one that `can_be_planted`; `planted(rule)` marks an edit that must be found by that rule.
"""

import copy
import math
from collections.abc import Callable
from typing import Any

from scenes.house.asset_table import asset_table, assets_of_type
from scenes.house.schema import House

Edit = Callable[[dict[str, Any]], None]
PLANTED: list[tuple[str, Edit]] = []
TABLES = ("DiningTable", "Dresser", "Desk")


def planted(rule: str) -> Callable[[Edit], Edit]:
    def mark(edit: Edit) -> Edit:
        PLANTED.append((rule, edit))
        return edit

    return mark


def can_be_planted(house: House) -> bool:
    """Whether a house has what the edits below ask for."""
    kinds = {asset_table()[item.asset_id].type for item in house.objects}
    return {"Bed", "Fridge", "Painting"} <= kinds and bool(kinds & set(TABLES)) and len(house.windows) > 0


def with_children(values):
    return next(item for item in values["objects"] if item.get("children"))


def standing(values):
    """Furniture that holds nothing."""
    return next(i for i in values["objects"] if i["position"]["y"] < 0.4 and not i.get("children"))


def kind(item) -> str:
    return asset_table()[item["assetId"]].type


def painting(values):
    return next(item for item in values["objects"] if kind(item) == "Painting")


def inner_door(values):
    return next(door for door in values["doors"] if door["room0"] != door["room1"])


def front_door(values):
    return next(door for door in values["doors"] if door["room0"] == door["room1"])


def wall(values, name):
    return next(wall for wall in values["walls"] if wall["id"] == name)


def inner_walls(values):
    return [wall for wall in values["walls"] if "exterior" not in wall["id"]]


def before(values, door, side: str, off: float) -> dict[str, float]:
    """The point [m] in front of a door's middle, `off` into the room of its `wall0` or `wall1`."""
    a, b = wall(values, door[side])["polygon"][:2]
    xs = [corner["x"] for corner in door["holePolygon"]]
    length = math.hypot(b["x"] - a["x"], b["z"] - a["z"])
    t = sum(xs) / 2 / length
    t = t if side == "wall0" else 1 - t
    ux, uz = (b["x"] - a["x"]) / length, (b["z"] - a["z"]) / length
    return {"x": a["x"] + ux * t * length + off * uz, "z": a["z"] + uz * t * length - off * ux}


def hinged(values) -> dict[str, Any]:
    """An inner door with a leaf."""
    door = inner_door(values)
    door["assetId"] = next(a.id for a in assets_of_type("Doorway") if "Double" not in a.id)
    door["openable"], door["openness"] = True, 1.0
    return door


@planted("structure")
def a_number_that_is_none(values):
    values["objects"][0]["position"]["x"] = math.nan


@planted("structure")
def a_lamp_at_infinity(values):
    values["proceduralParameters"]["lights"][1]["position"]["y"] = math.inf


@planted("structure")
def no_rooms(values):
    values["rooms"] = []


@planted("structure")
def a_floor_that_crosses_itself(values):
    polygon = values["rooms"][0]["floorPolygon"]
    polygon[0], polygon[1] = polygon[1], polygon[0]


@planted("structure")
def a_floor_of_two_corners(values):
    values["rooms"][0]["floorPolygon"] = values["rooms"][0]["floorPolygon"][:2]


@planted("structure")
def a_wall_without_length(values):
    polygon = values["walls"][0]["polygon"]
    for vertex in polygon:
        vertex.update(x=polygon[0]["x"], z=polygon[0]["z"])


@planted("structure")
def a_wall_of_no_room(values):
    values["walls"][0]["roomId"] = "room|99"


@planted("structure")
def a_door_in_no_wall(values):
    values["doors"][0]["wall1"] = "wall|gone"


@planted("structure")
def a_door_into_no_room(values):
    inner_door(values)["room1"] = "room|99"


@planted("structure")
def a_door_without_a_hole(values):
    values["doors"][0]["holePolygon"] = []


@planted("ids")
def one_id_for_two_things(values):
    values["objects"][1]["id"] = values["objects"][0]["id"]


@planted("ids")
def one_id_for_two_lights(values):
    lights = values["proceduralParameters"]["lights"]
    lights[2]["id"] = lights[1]["id"]


@planted("assets")
def an_unknown_asset(values):
    values["objects"][0]["assetId"] = "Throne_1"


@planted("assets")
def a_door_made_of_a_window(values):
    values["doors"][0]["assetId"] = values["windows"][0]["assetId"]


@planted("openness")
def a_door_open_the_wrong_way(values):
    inner_door(values)["openness"] = -1.5


@planted("openness")
def a_fridge_more_than_open(values):
    next(item for item in values["objects"] if kind(item) == "Fridge")["openness"] = 1.2


@planted("rooms")
def a_floor_above_zero(values):
    for vertex in values["rooms"][0]["floorPolygon"]:
        vertex["y"] = 0.1


@planted("rooms")
def a_floor_the_wrong_way_round(values):
    values["rooms"][0]["floorPolygon"].reverse()


@planted("rooms")
def a_room_in_another(values):
    values["rooms"].append(copy.deepcopy(values["rooms"][0]) | {"id": "room|9"})


@planted("rooms")
def a_room_that_reaches_3_cm_into_another(values):
    door = inner_door(values)
    one, two = wall(values, door["wall0"])["polygon"][:2]
    before_, after = (before(values, door, "wall0", off) for off in (0.0, -0.03))
    room = next(room for room in values["rooms"] if room["id"] == door["room0"])
    for vertex in room["floorPolygon"]:
        if any(math.dist((vertex["x"], vertex["z"]), (p["x"], p["z"])) < 0.005 for p in (one, two)):
            vertex["x"] += after["x"] - before_["x"]
            vertex["z"] += after["z"] - before_["z"]


@planted("walls")
def a_wall_lower_than_the_rest(values):
    for vertex in values["walls"][-1]["polygon"]:
        vertex["y"] *= 0.9


@planted("walls")
def a_wall_that_is_not_there(values):
    used = {door[side] for door in (*values["doors"], *values["windows"]) for side in ("wall0", "wall1")}
    gone = next(wall for wall in inner_walls(values) if wall["id"] not in used)
    values["walls"].remove(gone)


@planted("walls")
def an_outer_wall_that_is_not_there(values):
    used = {door[side] for door in (*values["doors"], *values["windows"]) for side in ("wall0", "wall1")}
    outer = [wall for wall in values["walls"] if "exterior" in wall["id"] and wall["id"] not in used]
    values["walls"].remove(outer[0])


@planted("walls")
def an_outer_wall_between_rooms(values):
    twin = copy.deepcopy(wall(values, inner_door(values)["wall0"]))
    values["walls"].append(twin | {"id": "wall|exterior|within"})


@planted("walls")
def a_wall_across_its_room(values):
    polygon = inner_walls(values)[0]["polygon"]
    for vertex in polygon:
        vertex["x"] += 0.3
        vertex["z"] += 0.3


@planted("walls")
def a_wall_that_turns_its_back_on_its_room(values):
    polygon = inner_walls(values)[0]["polygon"]
    polygon[0], polygon[1] = polygon[1], polygon[0]


@planted("walls")
def a_wall_that_is_empty_on_one_side(values):
    used = {door[side] for door in (*values["doors"], *values["windows"]) for side in ("wall0", "wall1")}
    next(wall for wall in inner_walls(values) if wall["id"] not in used)["empty"] = True


@planted("holes")
def holes_that_do_not_meet(values):
    for vertex in wall(values, values["doors"][0]["wall1"])["polygon"]:
        vertex["x"] += 0.05
        vertex["z"] += 0.05


@planted("holes")
def a_hole_beyond_its_wall(values):
    for vertex in values["windows"][0]["holePolygon"]:
        vertex["x"] += 5.0


@planted("holes")
def a_hole_above_its_wall(values):
    values["windows"][0]["holePolygon"][1]["y"] += 5.0


@planted("holes")
def two_holes_in_a_wall(values):
    values["windows"].append(copy.deepcopy(values["windows"][0]) | {"id": "window|twin"})


@planted("holes")
def a_hole_in_an_empty_wall(values):
    for side in ("wall0", "wall1"):
        wall(values, inner_door(values)[side])["empty"] = True


@planted("holes")
def a_door_that_names_the_wrong_room(values):
    door = inner_door(values)
    door["room0"] = next(r["id"] for r in values["rooms"] if r["id"] not in (door["room0"], door["room1"]))


@planted("holes")
def a_hole_without_size(values):
    corners = values["windows"][0]["holePolygon"]
    corners[1] = dict(corners[0])


@planted("holes")
def a_door_beside_its_hole(values):
    values["doors"][0]["assetPosition"]["x"] += 2.0


@planted("holes")
def a_threshold(values):
    values["doors"][0]["holePolygon"][0]["y"] = 0.2


@planted("holes")
def a_window_between_rooms(values):
    values["windows"].append(values["doors"].pop(values["doors"].index(inner_door(values))))


@planted("holes")
def an_inner_door_that_leads_outside(values):
    door = front_door(values)
    door["room1"] = next(room["id"] for room in values["rooms"] if room["id"] != door["room0"])


@planted("lights")
def two_suns(values):
    lights = values["proceduralParameters"]["lights"]
    lights.append(copy.deepcopy(lights[0]) | {"id": "second sun"})


@planted("lights")
def darkness(values):
    for light in values["proceduralParameters"]["lights"]:
        light["intensity"] = 0.0


@planted("lights")
def a_lamp_that_darkens(values):
    values["proceduralParameters"]["lights"][1]["intensity"] = -1.0


@planted("lights")
def a_lamp_in_the_garden(values):
    values["proceduralParameters"]["lights"][1]["position"]["x"] += 50.0


@planted("lights")
def a_lamp_above_the_ceiling(values):
    values["proceduralParameters"]["lights"][1]["position"]["y"] += 3.0


@planted("inside")
def furniture_in_the_garden(values):
    standing(values)["position"]["x"] += 30.0


@planted("inside")
def furniture_in_a_wall(values):
    bed = next(item for item in values["objects"] if kind(item) == "Bed")
    yaw = math.radians(bed["rotation"]["y"])
    bed["position"]["x"] -= 0.1 * math.sin(yaw)
    bed["position"]["z"] -= 0.1 * math.cos(yaw)


@planted("inside")
def furniture_with_its_feet_in_the_floor(values):
    standing(values)["position"]["y"] -= 0.02


@planted("inside")
def a_picture_through_the_ceiling(values):
    painting(values)["position"]["y"] += 2.0


@planted("inside")
def furniture_of_another_room(values):
    item = standing(values)
    room, rest = item["id"].split("|", 1)
    other = next(r["id"] for r in values["rooms"] if r["id"] != f"room|{room}")
    item["id"] = f"{other.removeprefix('room|')}|{rest}9"


@planted("standing")
def furniture_in_the_air(values):
    standing(values)["position"]["y"] += 0.5


@planted("standing")
def furniture_2_cm_above_the_floor(values):
    standing(values)["position"]["y"] += 0.02


@planted("hanging")
def a_picture_in_mid_air(values):
    item = painting(values)
    yaw = math.radians(item["rotation"]["y"])
    item["position"]["x"] += 0.3 * math.sin(yaw)
    item["position"]["z"] += 0.3 * math.cos(yaw)


@planted("hanging")
def a_picture_that_faces_the_wall(values):
    item = painting(values)
    item["rotation"]["y"] += 90.0


@planted("hanging")
def a_picture_over_a_window(values):
    item, window = painting(values), values["windows"][0]
    a, b = wall(values, window["wall0"])["polygon"][:2]
    yaw = math.degrees(math.atan2(b["z"] - a["z"], -(b["x"] - a["x"])))
    item["id"] = f"{window['room0'].removeprefix('room|')}|99"
    item["rotation"]["y"] = yaw
    off = asset_table()[item["assetId"]].size[2] / 2 + 0.018
    item["position"].update(before(values, window, "wall0", off))
    item["position"]["y"] = sum(corner["y"] for corner in window["holePolygon"]) / 2


@planted("overlaps")
def two_things_in_one_place(values):
    twin = copy.deepcopy(standing(values))
    twin["id"] += "9"
    values["objects"].append(twin)


@planted("overlaps")
def a_thing_2_cm_in_another(values):
    item = standing(values)
    twin = copy.deepcopy(item)
    twin["id"] += "9"
    sx, _, sz = asset_table()[item["assetId"]].size
    yaw = math.radians(item["rotation"]["y"])
    twin["position"]["x"] += abs(sx * math.cos(yaw)) + abs(sz * math.sin(yaw)) - 0.02
    values["objects"].append(twin)


@planted("overlaps")
def two_small_things_in_one_place(values):
    children = with_children(values)["children"]
    children.append(copy.deepcopy(children[0]) | {"id": children[0]["id"] + "9"})


@planted("resting")
def a_small_thing_that_floats(values):
    with_children(values)["children"][0]["position"]["y"] += 0.03


@planted("resting")
def a_small_thing_high_in_the_air(values):
    with_children(values)["children"][0]["position"]["y"] += 1.0


@planted("resting")
def a_small_thing_that_sank(values):
    with_children(values)["children"][0]["position"]["y"] -= 0.03


@planted("resting")
def a_small_thing_beside_its_receptacle(values):
    parent = with_children(values)
    parent["children"][0]["position"]["x"] = parent["position"]["x"] + 3.0


@planted("resting")
def a_small_thing_on_its_edge(values):
    with_children(values)["children"][0]["rotation"]["x"] = 35.0


@planted("resting")
def something_on_a_lamp(values):
    with_children(values)["assetId"] = assets_of_type("FloorLamp")[0].id


@planted("resting")
def a_large_thing_on_a_corner(values):
    table = next(i for i in values["objects"] if kind(i) in TABLES)
    asset = asset_table()[table["assetId"]]
    board = max(assets_of_type("Box"), key=lambda box: box.size[0] * box.size[2])
    yaw = math.radians(table["rotation"]["y"])
    x, z = asset.size[0] / 2 - 0.035, asset.size[2] / 2 - 0.035
    table["children"] = [
        {
            "id": "small|0|99",
            "assetId": board.id,
            "kinematic": False,
            "rotation": {"x": 0.0, "y": table["rotation"]["y"], "z": 0.0},
            "position": {
                "x": table["position"]["x"] + math.cos(yaw) * x + math.sin(yaw) * z,
                "y": asset.size[1] + board.size[1] / 2,
                "z": table["position"]["z"] - math.sin(yaw) * x + math.cos(yaw) * z,
            },
        }
    ]


@planted("resting")
def a_thing_taller_than_the_fridge_it_is_in(values):
    fridge = next(item for item in values["objects"] if kind(item) == "Fridge")
    lamp = max(assets_of_type("FloorLamp"), key=lambda lamp: lamp.size[1])
    shelf = 0.5 * asset_table()[fridge["assetId"]].size[1]
    fridge["children"] = [
        {
            "id": "small|0|99",
            "assetId": lamp.id,
            "kinematic": False,
            "rotation": dict(fridge["rotation"]),
            "position": fridge["position"] | {"y": shelf + lamp.size[1] / 2},
        }
    ]


@planted("swings")
def something_where_a_door_swings(values):
    standing(values)["position"].update(before(values, hinged(values), "wall1", 0.4))


@planted("swings")
def a_door_wider_than_the_room_it_opens_into(values):
    door = hinged(values)
    room = next(room for room in values["rooms"] if room["id"] == door["room1"])
    middle = before(values, door, "wall1", 0.4)
    away = before(values, door, "wall1", 0.0)
    far = before(values, door, "wall1", 0.3)
    normal = ((middle["x"] - away["x"]) / 0.4, (middle["z"] - away["z"]) / 0.4)
    for vertex in room["floorPolygon"]:  # all of it within 0.3 m of the door
        off = (vertex["x"] - far["x"]) * normal[0] + (vertex["z"] - far["z"]) * normal[1]
        if off > 0:
            vertex["x"] -= off * normal[0]
            vertex["z"] -= off * normal[1]


@planted("leaves")
def two_doors_that_open_into_each_other(values):
    values["doors"].append(copy.deepcopy(hinged(values)) | {"id": "door|twin"})


@planted("doorways")
def something_before_the_front_door(values):
    standing(values)["position"].update(before(values, front_door(values), "wall0", 0.1))


@planted("doorways")
def a_door_that_stays_shut(values):
    door = hinged(values)
    door["openable"], door["openness"] = False, 0.0


@planted("reachable")
def a_room_without_a_door(values):
    values["doors"] = [front_door(values)]
    for one in values["walls"]:
        one.pop("empty", None)


@planted("reachable")
def rooms_behind_doors_that_stay_shut(values):
    for door in values["doors"]:
        door["openable"], door["openness"] = False, 0.0


@planted("reachable")
def no_floor_at_all(values):
    item = standing(values)
    item["assetId"] = max(assets_of_type("Bed"), key=lambda bed: bed.size[0]).id
    kept = []
    for room in values["rooms"]:
        xs = [vertex["x"] for vertex in room["floorPolygon"]]
        zs = [vertex["z"] for vertex in room["floorPolygon"]]
        kept += [
            (x, z)
            for x in range(int(min(xs)), int(max(xs)) + 2)
            for z in range(int(min(zs)), int(max(zs)) + 2)
        ]
    for i, (x, z) in enumerate(kept):
        twin = copy.deepcopy(item) | {"id": f"9|{i}"}
        twin["position"].update(x=float(x), z=float(z))
        values["objects"].append(twin)


@planted("agent")
def an_agent_in_the_garden(values):
    values["metadata"]["agent"]["position"]["x"] = -5.0


@planted("agent")
def an_agent_in_a_wall(values):
    values["metadata"]["agent"]["position"].update(before(values, front_door(values), "wall0", 0.05))
