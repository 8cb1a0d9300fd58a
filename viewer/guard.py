"""Who is answered: requests to read, made of this address by its own name, that know the token.

The token is the first part of every path (`http://127.0.0.1:8000/TOKEN/`), so that pages name each other
relatively and no cookie is sent that another page of the browser could use. A page of another site that has
its name lead to this address (DNS rebinding) sends its own name as Host, and is refused by that.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

# Names of routes and of files that come along; none has a percent sign, a backslash or a leading dot.
_SAFE = re.compile(r"([A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)?")
READING = ("GET", "HEAD")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    reason: str


@dataclass(frozen=True)
class Guard:
    """Of a server at one address. `host`: an IP address or a name; `port`: where it listens."""

    host: str
    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def hosts(self) -> frozenset[str]:
        """Names under which a browser may reach the server, as in the header Host."""
        loopback = self.host in ("127.0.0.1", "localhost", "::1")
        names = {"127.0.0.1", "localhost", "[::1]"} if loopback else set()
        names.add(f"[{self.host}]" if ":" in self.host else self.host)
        return frozenset(f"{name}:{self.port}" for name in names)

    @property
    def url(self) -> str:
        """Of the first page, with the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/{self.token}/"

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> Refusal | str:
        """What lies behind the token in the path of a request (without its query), or why not.

        `headers` by name in lower case.
        """
        if method not in READING:
            return Refusal(405, "this server only reads: GET and HEAD")
        if headers.get("host", "").lower() not in self.hosts:
            return Refusal(403, "the request names another host")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in self.hosts}:
            return Refusal(403, "the request comes from a page of another origin")
        head, slash, rest = path.removeprefix("/").partition("/")
        if not path.startswith("/") or not hmac.compare_digest(head.encode(), self.token.encode()):
            return Refusal(403, "the token is wrong: open the address that `tst view` printed")
        if not slash or not _SAFE.fullmatch(rest):
            return Refusal(404, "there is no such page")
        return rest
