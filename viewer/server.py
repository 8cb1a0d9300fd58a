"""The HTTP server: one thread a connection, every request through the guard, nothing written.

The page may load what this server has and nothing else (content-security-policy). Its one inline script is
the import map by which three.js's modules find each other, and is allowed by its digest.
"""

import base64
import hashlib
import json
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from viewer.answers import Answer, BadQueryError, NotThereError
from viewer.guard import Guard, Refusal
from viewer.opened import Opened
from viewer.routes import PAGE, route

_SECONDS = 60  # that a connection may be idle
_SAME_FOR_ALL = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),  # the token stands in the address
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


def page_policy(page: Path) -> str:
    """The content-security-policy of the first page: its own files, and its one import map."""
    (imports,) = re.findall(r'<script type="importmap">(.*?)</script>', page.read_text(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; "
        "img-src 'self' blob: data:; connect-src 'self' blob:; frame-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Server(ThreadingHTTPServer):
    """Serves what was opened. `guard` knows the port once the server listens."""

    daemon_threads = True

    def __init__(self, opened: Opened, host: str, port: int):
        """Listens; `port` 0 takes a free one. Raises OSError where the address cannot be had."""
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self.opened = opened
        self.guard = Guard(host, self.server_address[1])
        self.policy = page_policy(PAGE)

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away in the middle of an answer is no fault."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tst-view", ""
    timeout = _SECONDS

    def _answer(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        found = self.server.guard.check(self.command, path, headers)
        if isinstance(found, Refusal):
            self.close_connection = True  # what else the request has is not read
            allow = (("Allow", "GET, HEAD"),) if found.status == 405 else ()
            self._send(found.status, Answer(found.reason.encode(), "text/plain; charset=utf-8", allow))
            return
        try:
            answer, status = route(self.server.opened, found, query), 200
        except NotThereError as error:
            answer, status = _error(error), 404
        except BadQueryError as error:
            answer, status = _error(error), 400
        except (ValueError, OSError) as error:  # what is damaged, gone or half written
            answer, status = _error(error), 500
        self._send(status, answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _answer

    def _send(self, status: int, answer: Answer) -> None:
        self.send_response(status)
        own = dict(answer.headers)
        own.setdefault("Content-Security-Policy", self.server.policy)
        own.setdefault("Cache-Control", "no-store")
        for name, value in (*own.items(), *_SAME_FOR_ALL):
            self.send_header(name, value)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: addresses hold the token."""


def _error(error: Exception) -> Answer:
    return Answer(json.dumps({"error": str(error)}).encode(), "application/json")
