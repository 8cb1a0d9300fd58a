"""AI2-THOR's own `Controller` and pipe server, changed so that neither waits for a process that has ended.

Importing this module imports `ai2thor`; `agents/ai2thor/client.py` says what the client does otherwise.
"""

import os
import shutil
import signal
from importlib import import_module
from typing import Any

from agents.ai2thor import pipes
from agents.ai2thor.errors import AI2ThorError

Controller: Any = import_module("ai2thor.controller").Controller
FifoServer: Any = import_module("ai2thor.fifo_server").FifoServer
CloudRendering: Any = import_module("ai2thor.platform").CloudRendering


class GuardedServer(FifoServer):
    """The client's end of the pipes: its reads and writes fail with AI2ThorError once the child has ended."""

    doing = "start"

    def start(self) -> None:
        """Makes the pipes and opens the one to read from, before there is a child."""
        super().start()
        # Opened before there is a child, so that no open can wait for one that never comes.
        self.server_pipe = os.fdopen(pipes.open_reader(self.server_pipe_path), "rb", buffering=0)

    def send(self, action: dict[str, Any]) -> None:
        """Sends an action, which errors name from now on. Raises AI2ThorError if the child has ended."""
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
            f"AI2-THOR's process ended ({how}) at {self.doing}; what it said is in ~/.ai2thor/log/unity.log"
        )


class GuardedController(Controller):
    """The client's controller with a `GuardedServer`; `close` always ends the child and removes the pipes."""

    def __init__(self, **arguments: Any) -> None:
        self.server = None
        try:
            super().__init__(**arguments)
        except BaseException:
            self.close()
            raise

    def start(self, *positional: Any, **named: Any) -> Any:
        """Starts the child behind a `GuardedServer`; the arguments are those of the client's `start`."""
        if self.server is None:  # where there is one, the client takes it
            self.server = GuardedServer(
                width=self.width,
                height=self.height,
                timeout=self.server_timeout,
                depth_format=self.depth_format,
            )
        return super().start(*positional, **named)

    def unity_command(self, *positional: Any, **named: Any) -> list[str]:
        """The command line of the child; without a GPU's number where none can be told."""
        if self._build.platform is not CloudRendering or not _can_match_gpus():
            self.gpu_device = None
        return super().unity_command(*positional, **named)

    def step(self, action: Any = None, **arguments: Any) -> Any:
        """Takes a step and returns the client's event. Raises AI2ThorError if the child has ended."""
        try:
            return super().step(action, **arguments)
        except (RuntimeError, TimeoutError) as error:
            # The client's own error quotes the step, with a whole house in it where there is one.
            if isinstance(error.__context__, AI2ThorError):
                raise error.__context__ from None
            raise

    def close(self) -> None:
        """End the child, close the pipes and remove them. A second call does nothing."""
        server, self.last_event = self.server, None
        if server is None:
            return
        server.stop()
        if server.unity_proc is not None:
            server.unity_proc.wait()
        server.tmp_dir.cleanup()


def _can_match_gpus() -> bool:
    return bool(shutil.which("vulkaninfo") and shutil.which("nvidia-smi"))
