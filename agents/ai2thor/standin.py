"""A stand-in for AI2-THOR's Unity program. It is not AI2-THOR: it draws with Testspace's own renderer.

AI2-THOR's Python client starts it as it starts Unity, and speaks to it by the same named pipes:

    Controller(local_executable_path="agents/ai2thor/standin.sh", x_display=":0", scene=house)

It lets the real client, and code that uses it, run where Unity cannot: without a GPU, a display or a
download. It serves the actions of `agents/ai2thor/standin_actions.py` and answers any other as AI2-THOR
answers one that it does not know. There is no physics: nothing falls, opens or breaks. Started without pipes
it says so and ends.
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import msgpack

from agents.ai2thor import pipes
from agents.ai2thor.standin_actions import ActionError, act
from agents.ai2thor.standin_events import Events
from agents.ai2thor.standin_world import World

_PATIENCE = 300.0  # seconds that the client may take to open its pipes


def main() -> int:
    """Serves one client until it closes its pipe or ends."""
    parser = argparse.ArgumentParser(
        description="A stand-in for AI2-THOR's Unity program, to be started by AI2-THOR's Python client."
    )
    parser.add_argument("-screen-width", type=int, default=300)
    parser.add_argument("-screen-height", type=int, default=300)
    parser.add_argument("--device", default="cpu", help="Warp device to draw on")
    arguments, _ = parser.parse_known_args()  # Unity's other switches have no meaning here
    paths = [os.environ.get(f"AI2THOR_FIFO_{side}_PIPE_PATH") for side in ("SERVER", "CLIENT")]
    if not paths[0] or not paths[1]:
        print("AI2-THOR's Python client starts this: Controller(local_executable_path=...)", file=sys.stderr)
        return 2
    world = World(arguments.screen_width, arguments.screen_height)
    # Once the client is gone there is no reason to be.
    with contextlib.suppress(pipes.PeerEnded, KeyboardInterrupt):
        serve(world, Events(world, arguments.device), paths[0], paths[1])
    return 0


def serve(world: World, events: Events, server_pipe: str, client_pipe: str) -> None:
    """Sends a first event, then answers step by step. Raises PeerEnded when the client is gone."""
    parent = os.getppid()

    def alive() -> bool:
        return os.getppid() == parent

    reader = pipes.open_reader(client_pipe)
    writer = pipes.open_writer(server_pipe, alive, _PATIENCE)
    step: dict[str, Any] = {"action": "", "sequenceId": 0}
    outcome = _outcome(step, None)
    while True:
        metadata, images = events.event(step, outcome)
        fields = [(int(pipes.Field.METADATA), msgpack.packb(metadata)), *images, (int(pipes.Field.END), b"")]
        pipes.write_all(writer, b"".join(pipes.frame(kind, body) for kind, body in fields))
        step = _next_step(reader, alive)
        try:
            outcome = _outcome(step, act(world, step))
        except ActionError as error:
            outcome = _outcome(step, None, str(error), error.code)


def _next_step(reader: int, alive: Callable[[], bool]) -> dict[str, Any]:
    for kind, body in pipes.read_message(reader, alive, None):
        if kind == pipes.Field.ACTION:
            return json.loads(body)
    raise pipes.PeerEnded


def _outcome(step: dict[str, Any], value: Any, error: str = "", code: str = "Undefined") -> dict[str, Any]:
    return {
        "lastAction": step["action"],
        "lastActionSuccess": not error,
        "errorMessage": error,
        "errorCode": code if error else "",
        "actionReturn": value,
    }


if __name__ == "__main__":
    sys.exit(main())
