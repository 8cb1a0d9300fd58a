"""AI2-THOR's Python client (`ai2thor` 5.0.0), with remedies for what makes it hang or fail unclearly.

- Without an X display it hands `DISPLAY=None` to the child, a TypeError: `display_for` says what is missing.
- With `CUDA_VISIBLE_DEVICES` set, as by Ray, it runs `vulkaninfo` to find that GPU and fails where that is
  not installed, though only the platform CloudRendering uses the result.
- When the child ends during a step, the client reads an empty pipe until `server_timeout`.
- When the child ends before it opens its pipe, the client waits for ever.

Neither client nor child is modified: `agents/ai2thor/guarded.py` subclasses the client's controller. It
imports `ai2thor`, which takes half a second and is optional, so only `start_controller` imports it.
"""

import os
import shlex
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.ai2thor.errors import AI2ThorError

VERSION = "5.0.0"
INSTALL = "pip install -e '.[ai2thor]' && pip install --no-deps ai2thor==5.0.0"
STANDIN = "standin"
"""The executable's name that means Testspace's own stand-in, `agents/ai2thor/standin.py`."""


def check_installed() -> None:
    """Raises ValueError, with the line that installs it, where the client is not there."""
    if find_spec("ai2thor") is None:
        raise ValueError(f"the simulator ai2thor needs AI2-THOR's Python client: {INSTALL}")


def command_for(executable: str | None, device: str) -> str | None:
    """Return the command line that the client starts; None for the Unity build that it downloads.

    Raises ValueError for a file that does not exist or is not executable.
    """
    if executable is None:
        return None
    if executable == STANDIN:
        script = Path(__file__).with_name("standin.sh")
        python = f"TESTSPACE_PYTHON={sys.executable}"
        return shlex.join(["env", python, "sh", str(script), "--device", device])
    path = Path(executable).expanduser()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise ValueError(f"AI2-THOR's executable {executable!r} is not a file that can be run")
    return shlex.quote(str(path.absolute()))  # the client splits it as a shell would


def platform_for(platform: str | None) -> str | None:
    """Return the build that the client downloads: `platform`, else one that can render on this machine."""
    return platform or (None if os.environ.get("DISPLAY") else "CloudRendering")


def display_for(executable: str | None, platform: str | None) -> str | None:
    """Return the X display to render on. Raises RuntimeError where Unity needs one and there is none."""
    if executable and (executable == STANDIN or platform == "CloudRendering"):
        return ":0"  # unused, but the client requires a value
    display = os.environ.get("DISPLAY")
    if display or sys.platform != "linux" or (not executable and platform_for(platform) == "CloudRendering"):
        return display
    raise RuntimeError(
        "AI2-THOR draws on an X display, and DISPLAY is not set. Start one, say "
        "`Xvfb :1 -screen 0 1280x1024x24 &`, and `export DISPLAY=:1`; or, for a build that draws by Vulkan, "
        "`export TESTSPACE_AI2THOR_PLATFORM=CloudRendering`"
    )


def start_controller(
    scene: dict[str, Any],
    *,
    command: str | None,
    display: str | None,
    platform: str | None,
    size: tuple[int, int],
    start_timeout: float,
    step_timeout: float,
    **initialization: Any,
) -> Any:
    """Start a `GuardedController` with a house in it. `size` is width, height [pixels]; timeouts are in s.

    Raises AI2ThorError where there is no executable, where it ends, or where it does not answer in time.
    """
    check_installed()
    wanted = None if command else platform_for(platform)
    # By name the client takes it too, but then fails at its own error message.
    build = import_module("ai2thor.platform").STR_PLATFORM_MAP[wanted] if wanted else None
    try:
        return import_module("agents.ai2thor.guarded").GuardedController(
            local_executable_path=command,
            scene=scene,
            width=size[0],
            height=size[1],
            x_display=display,
            platform=build,
            server_start_timeout=start_timeout,
            server_timeout=step_timeout,
            **initialization,
        )
    except ValueError as error:
        if command:
            raise
        raise AI2ThorError(
            f"AI2-THOR's client found no Unity build to download ({error}). Name one that is here, or the "
            f"stand-in: export TESTSPACE_AI2THOR_EXECUTABLE={STANDIN}"
        ) from error
