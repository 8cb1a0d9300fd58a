"""The actions that the AI2-THOR stand-in serves, by AI2-THOR's names, and its errors for other actions.

An action takes the world and the arguments of a step and returns its `actionReturn`. It fails by raising
`ActionError`, with the error code by which the client knows whether to raise a ValueError.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

from agents.ai2thor.standin_world import Agent, Camera, Shown, World
from agents.ai2thor.unity_camera import Place
from scenes.generate.perturb.perturb import perturb_house
from scenes.house.schema import House

NO_ARGUMENTS = ("action", "sequenceId", "agentId", "renderImage", "visibilityDistance")
"""Keys that the client adds to every step."""
LOWEST, HIGHEST = 60.0, -30.0  # degrees; of the agent's horizon


class ActionError(Exception):
    """An action that failed, in AI2-THOR's words."""

    def __init__(self, message: str, code: str = "Undefined") -> None:
        super().__init__(message)
        self.code = code


def act(world: World, step: dict[str, Any]) -> Any:
    """Carries out a step and returns its `actionReturn`. Raises ActionError."""
    name = step.get("action", "")
    if name not in ACTIONS:
        raise ActionError(f"Invalid action: {name}", "InvalidAction")
    arguments = {k: v for k, v in step.items() if k not in NO_ARGUMENTS and v is not None}
    function, needed = ACTIONS[name]
    missing = [n for n in needed if n not in arguments]
    if missing:
        raise ActionError(
            f"action: {name} is missing the following arguments: {','.join(missing)}", "MissingArguments"
        )
    try:
        inspect.signature(function).bind(world, **arguments)
    except TypeError as error:
        raise ActionError(f"action: {name} has an invalid argument: {error}", "InvalidArgument") from error
    try:
        return function(world, **arguments)
    except ActionError:
        raise
    except Exception as error:  # as AI2-THOR: whatever goes wrong in an action is that action's failure
        raise ActionError(f"{type(error).__name__}: {error}") from error


def _reset(world: World, sceneName: str = "Procedural", **_: Any) -> None:
    if sceneName != "Procedural":
        raise ActionError(f"Scene '{sceneName}' is not in the stand-in; it has 'Procedural' alone")
    world.reset(sceneName)


def _initialize(world: World, **settings: Any) -> dict[str, float]:
    world.shown = Shown(
        depth=bool(settings.get("renderDepthImage")),
        normals=bool(settings.get("renderNormalsImage")),
        instances=bool(settings.get("renderInstanceSegmentation") or settings.get("renderObjectImage")),
        classes=bool(settings.get("renderSemanticSegmentation") or settings.get("renderClassImage")),
    )
    world.grid = float(settings.get("gridSize", world.grid))
    world.snap = bool(settings.get("snapToGrid", world.snap))
    world.visibility = float(settings.get("visibilityDistance", world.visibility))
    world.agent = dataclasses.replace(world.agent, fov=_fov(settings.get("fieldOfView", 90.0)))
    eye = world.agent.camera
    return {"cameraNearPlane": eye.near, "cameraFarPlane": eye.far}


def _create_house(world: World, house: dict[str, Any], **_: Any) -> None:
    try:
        world.build(House.from_json(house))
    except ValueError as error:
        raise ActionError(f"CreateHouse: {error}") from error


def _change_resolution(world: World, x: int, y: int) -> None:
    if x < 1 or y < 1:
        raise ActionError(f"ChangeResolution: an image needs at least one pixel, got {x} × {y}")
    world.width, world.height = int(x), int(y)


def _nothing(world: World, **_: Any) -> None:
    """An action without effect here."""


def _scenes(world: World) -> list[str]:
    return ["Procedural"]


def _reachable(world: World, gridSize: float | None = None, **_: Any) -> list[Place]:
    if gridSize:
        world.grid = float(gridSize)
    return world.reachable()


def _teleport(
    world: World,
    position: Place | None = None,
    x: float | None = None,
    y: float | None = None,
    z: float | None = None,
    rotation: Place | None = None,
    horizon: float | None = None,
    standing: bool | None = None,
    forceAction: bool = False,
) -> None:
    given = {k: v for k, v in {"x": x, "y": y, "z": z}.items() if v is not None}
    place = _place(world.agent.position | given, position)
    if not forceAction and not world.can_stand(place):
        raise ActionError(f"({place['x']}, {place['y']}, {place['z']}) is not a place the agent has room at")
    agent = dataclasses.replace(world.agent, position=place)
    if rotation is not None:
        agent.yaw = float(rotation.get("y", 0.0)) % 360
    if horizon is not None:
        agent.horizon = _horizon(float(horizon))
    if standing is not None:
        agent.standing = bool(standing)
    world.agent = agent


def _move(angle: float) -> Callable[..., None]:
    def move(world: World, moveMagnitude: float | None = None, forceAction: bool = False) -> None:
        length = world.grid if moveMagnitude is None else float(moveMagnitude)
        turn = math.radians(world.agent.yaw + angle)
        p = world.agent.position
        target = p | {"x": p["x"] + length * math.sin(turn), "z": p["z"] + length * math.cos(turn)}
        if not forceAction and not world.can_walk(target):
            raise ActionError("Something is blocking the agent from moving there")
        world.agent = dataclasses.replace(world.agent, position=target)

    return move


def _turn(sign: float) -> Callable[..., None]:
    def turn(world: World, degrees: float = 90.0, forceAction: bool = False) -> None:
        world.agent = dataclasses.replace(world.agent, yaw=(world.agent.yaw + sign * degrees) % 360)

    return turn


def _look(sign: float) -> Callable[..., None]:
    def look(world: World, degrees: float = 30.0, forceAction: bool = False) -> None:
        world.agent = dataclasses.replace(world.agent, horizon=_horizon(world.agent.horizon + sign * degrees))

    return look


def _posture(standing: bool) -> Callable[..., None]:
    def change(world: World) -> None:
        world.agent = dataclasses.replace(world.agent, standing=standing)

    return change


def _add_camera(
    world: World,
    position: Place,
    rotation: Place,
    fieldOfView: float = 90.0,
    nearClippingPlane: float | None = None,
    farClippingPlane: float | None = None,
    **_: Any,
) -> None:
    camera = Camera(_place(None, position), _place(None, rotation), _fov(fieldOfView))
    world.cameras.append(_clipped(camera, nearClippingPlane, farClippingPlane))


def _update_camera(
    world: World,
    thirdPartyCameraId: int = 0,
    position: Place | None = None,
    rotation: Place | None = None,
    fieldOfView: float | None = None,
    nearClippingPlane: float | None = None,
    farClippingPlane: float | None = None,
    **_: Any,
) -> None:
    count = len(world.cameras)
    if not 0 <= thirdPartyCameraId < count:
        raise ActionError(f"thirdPartyCameraId: {thirdPartyCameraId} is none of the {count} cameras")
    old = world.cameras[thirdPartyCameraId]
    fov = old.fov if fieldOfView is None else _fov(fieldOfView)
    camera = Camera(_place(old.position, position), _place(old.rotation, rotation), fov)
    world.cameras[thirdPartyCameraId] = _clipped(camera, nearClippingPlane, farClippingPlane)


def _object_filter(world: World, objectIds: list[str]) -> None:
    world.object_filter = set(objectIds)


def _no_filter(world: World) -> None:
    world.object_filter = None


def _randomize_lighting(world: World, randomSeed: int | None = None, **_: Any) -> None:
    """AI2-THOR's draws are its own; here the n-th since Reset has seed n where none is given."""
    world.lightings += 1
    _perturb(world, world.lightings if randomSeed is None else int(randomSeed), lights=True, objects=False)


def _random_spawn(world: World, randomSeed: int = 0, **_: Any) -> None:
    _perturb(world, int(randomSeed), lights=False, objects=True)


def _perturb(world: World, seed: int, *, lights: bool, objects: bool) -> None:
    if world.house is None:
        raise ActionError("There is no house: call CreateHouse first")
    world.build(perturb_house(world.house, seed, strength=1.0, lights=lights, objects=objects))


def _place(old: Place | None, new: Place | None) -> Place:
    """x, y, z of `new`, missing ones from `old`. Raises ActionError for other keys and numbers not finite."""
    merged = (old or {}) | {k: float(v) for k, v in (new or {}).items()}
    if sorted(merged) != ["x", "y", "z"] or not all(map(math.isfinite, merged.values())):
        raise ActionError(f"expected finite x, y and z, got {new}", "InvalidArgument")
    return merged


def _fov(degrees: float) -> float:
    if not 0 < degrees < 180:
        raise ActionError(f"fieldOfView: {degrees} must lie between 0 and 180")
    return float(degrees)


def _horizon(degrees: float) -> float:
    if not HIGHEST <= round(degrees, 3) <= LOWEST:
        raise ActionError(f"horizon must be between {HIGHEST:g} and {LOWEST:g}, got {degrees:g}")
    return degrees


def _clipped(camera: Camera, near: float | None, far: float | None) -> Camera:
    """With clipping planes [m]; the agent's where none are given, as AI2-THOR has it."""
    eye = Agent().camera
    return dataclasses.replace(
        camera,
        near=eye.near if near is None else float(near),
        far=eye.far if far is None else float(far),
    )


_Action = tuple[Callable[..., Any], tuple[str, ...]]
ACTIONS: dict[str, _Action] = {  # function, required arguments
    "Reset": (_reset, ()),
    "Initialize": (_initialize, ()),
    "CreateHouse": (_create_house, ("house",)),
    "ChangeResolution": (_change_resolution, ("x", "y")),
    "ChangeQuality": (_nothing, ()),
    "GetScenesInBuild": (_scenes, ()),
    "GetReachablePositions": (_reachable, ()),
    "Teleport": (_teleport, ()),
    "TeleportFull": (_teleport, ("rotation", "horizon", "standing")),
    "MoveAhead": (_move(0), ()),
    "MoveRight": (_move(90), ()),
    "MoveBack": (_move(180), ()),
    "MoveLeft": (_move(270), ()),
    "RotateRight": (_turn(1), ()),
    "RotateLeft": (_turn(-1), ()),
    "LookDown": (_look(1), ()),
    "LookUp": (_look(-1), ()),
    "Stand": (_posture(True), ()),
    "Crouch": (_posture(False), ()),
    "AddThirdPartyCamera": (_add_camera, ("position", "rotation")),
    "UpdateThirdPartyCamera": (_update_camera, ()),
    "SetObjectFilter": (_object_filter, ("objectIds",)),
    "ResetObjectFilter": (_no_filter, ()),
    "RandomizeLighting": (_randomize_lighting, ()),
    "InitialRandomSpawn": (_random_spawn, ()),
    "Pass": (_nothing, ()),
    "Done": (_nothing, ()),
}
