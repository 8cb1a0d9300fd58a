"""AI2-THOR's Python client (`ai2thor` 5.0.0), guarded against what makes it hang or fail unclearly.

- Without an X display it hands `DISPLAY=None` to the child, a TypeError: `display_for` says what is missing.
- With `CUDA_VISIBLE_DEVICES` set, as by Ray, it asks `vulkaninfo` which GPU that is, and fails where that is
  not installed, though only the platform CloudRendering has a use for the answer.
- A child that dies in the middle leaves it reading an empty pipe until `server_timeout`.
- A child that ends before it opens its pipe leaves it waiting for ever.

Client and child stay as they are: `GuardedController` is the client's own class, with a pipe reader that
looks whether the child lives.
"""

import os
import shlex
import shutil
import signal
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.ai2thor import pipes

VERSION = "5.0.0"
INSTALL = "pip install -e '.[ai2thor]' && pip install --no-deps ai2thor==5.0.0"
STANDIN = "standin"
"""The executable's name that means Testspace's own stand-in, `agents/ai2thor/standin.py`."""


class AI2ThorError(RuntimeError):
    """AI2-THOR's process ended, or did not answer."""


def check_installed() -> None:
    """Raises ValueError, with the line that installs it, where the client is not there."""
    if find_spec("ai2thor") is None:
        raise ValueError(f"the simulator ai2thor needs AI2-THOR's Python client: {INSTALL}")


def command_for(executable: str | None, device: str) -> str | None:
    """What the client is to start: None for the Unity build that it downloads, else a command line.

    ValueError for a file that is not there or cannot be run.
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
    """Which of its builds the client downloads: that which is asked for, else what can draw here."""
    return platform or (None if os.environ.get("DISPLAY") else "CloudRendering")


def display_for(executable: str | None, platform: str | None) -> str | None:
    """The X display to draw on. RuntimeError, saying what to do, where Unity needs one and there is none."""
    if executable and (executable == STANDIN or platform == "CloudRendering"):
        return ":0"  # it draws on none, but the client hands one on
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
    """A `GuardedController` with a house in it. `size`: width, height [pixels]; timeouts in seconds.

    AI2ThorError where there is no program, where it ends or stays silent.
    """
    check_installed()
    wanted = None if command else platform_for(platform)
    # By name the client takes it too, but then fails at its own error message.
    build = import_module("ai2thor.platform").STR_PLATFORM_MAP[wanted] if wanted else None
    try:
        return guarded_controller()(
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


def _can_match_gpus() -> bool:
    return bool(shutil.which("vulkaninfo") and shutil.which("nvidia-smi"))


@cache
def guarded_controller() -> type[Any]:
    """The client's `Controller`, guarded. Imported late: it takes half a second, and is optional."""
    Controller: Any = import_module("ai2thor.controller").Controller
    FifoServer: Any = import_module("ai2thor.fifo_server").FifoServer
    CloudRendering: Any = import_module("ai2thor.platform").CloudRendering

    class GuardedServer(FifoServer):
        """The client's end of the pipes."""

        doing = "start"

        def start(self) -> None:
            super().start()
            # Opened before there is a child, so that no open can wait for one that never comes.
            self.server_pipe = os.fdopen(pipes.open_reader(self.server_pipe_path), "rb", buffering=0)

        def send(self, action: dict[str, Any]) -> None:
            self.doing = action["action"]
            super().send(action)

        def _alive(self) -> bool:
            return self.unity_proc is None or self.unity_proc.poll() is None

        def _read_with_timeout(self, server_pipe: Any, message_size: int, timeout: float | None) -> bytes:
            try:
                return pipes.read_exactly(server_pipe.fileno(), message_size, self._alive, timeout)
            except pipes.PeerEnded:
                raise self._ended() from None
            except TimeoutError as error:
                raise AI2ThorError(f"AI2-THOR: {error} to {self.doing}") from None

        def _send_message(self, message_type: int, body: bytes) -> None:
            try:
                if self.client_pipe is None:
                    fd = pipes.open_writer(self.client_pipe_path, self._alive, self.timeout or 100.0)
                    self.client_pipe = os.fdopen(fd, "wb", buffering=0)
                data = pipes.frame(message_type, body) + self.eom_header
                pipes.write_all(self.client_pipe.fileno(), data)
            except pipes.PeerEnded:
                raise self._ended() from None

        def _ended(self) -> AI2ThorError:
            code = self.unity_proc.wait(timeout=5) if self.unity_proc else 0
            how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
            return AI2ThorError(
                f"AI2-THOR's process ended ({how}) at {self.doing}; "
                f"what it said is in ~/.ai2thor/log/unity.log"
            )

    class GuardedController(Controller):
        """See the top of this file."""

        def __init__(self, **arguments: Any) -> None:
            self.server = None
            try:
                super().__init__(**arguments)
            except BaseException:
                self.close()
                raise

        def start(self, *positional: Any, **named: Any) -> Any:
            if self.server is None:  # where there is one, the client takes it
                self.server = GuardedServer(
                    width=self.width,
                    height=self.height,
                    timeout=self.server_timeout,
                    depth_format=self.depth_format,
                )
            return super().start(*positional, **named)

        def unity_command(self, *positional: Any, **named: Any) -> list[str]:
            if self._build.platform is not CloudRendering or not _can_match_gpus():
                self.gpu_device = None
            return super().unity_command(*positional, **named)

        def step(self, action: Any = None, **arguments: Any) -> Any:
            try:
                return super().step(action, **arguments)
            except (RuntimeError, TimeoutError) as error:
                # The client's own error quotes the step, with a whole house in it where there is one.
                if isinstance(error.__context__, AI2ThorError):
                    raise error.__context__ from None
                raise

        def close(self) -> None:
            """Ends the child, closes the pipes and removes them. May be called again."""
            server, self.last_event = self.server, None
            if server is None:
                return
            server.stop()
            if server.unity_proc is not None:
                server.unity_proc.wait()
            server.tmp_dir.cleanup()

    return GuardedController
