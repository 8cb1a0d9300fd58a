"""A viewer that serves, and requests to it as they are written on the line."""

import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.engine.conftest import build
from viewer.opened import Opened
from viewer.server import Server


@dataclass
class Served:
    """A running server."""

    server: Server

    def request(self, target: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by name in lower case and body of the answer to a request for `target`, as it is;
        Host is the server's own unless it is given."""
        port = self.server.guard.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in ({"Host": f"127.0.0.1:{port}"} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body

    def get(self, path: str, **fields: Any) -> tuple[int, dict[str, str], bytes]:
        """The answer to a request for a path behind the token."""
        query = f"?{urlencode(fields)}" if fields else ""
        return self.request(f"/{self.server.guard.token}/{path}{query}")


Serve = Callable[..., Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves places until the test ends."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(*places: Path) -> Served:
        server = Server(Opened([str(place) for place in places]), "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return Served(server)

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of frames of all roles, not to be changed."""
    return build(tmp_path_factory.mktemp("viewed") / "store").path
