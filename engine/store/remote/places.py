"""Where a store may be: a folder, or an object store, named alike wherever a command asks for a store.

    tst collect houses --store s3://bucket/flat ...        also gs://, az://, file:///; needs obstore

Of a store in an object store this machine keeps, under `$TESTSPACE_CACHE` (~/.cache/testspace), the index and
what was read. That folder can be deleted at any time; nothing is ever deleted from it by itself.
"""

import os
import re
from pathlib import Path

# A URL that went through pathlib has lost a slash, and may have been made absolute since.
_URL = re.compile(r"(?:^|/)(?P<scheme>s3|gs|az|file):/+(?P<rest>[^/].*?)/*$")


def url_of(place: Path | str) -> str | None:
    """The URL that a place names, None where it is a folder."""
    match = _URL.search(str(place))
    if match is None:
        return None
    return f"{match['scheme']}://{'/' * (match['scheme'] == 'file')}{match['rest']}"


def shown(place: Path | str) -> str:
    """A place as its user wrote it."""
    return url_of(place) or str(place)


def cache_folder(url: str) -> Path:
    """Where this machine keeps what it read from a URL."""
    scheme, _, rest = url.partition("://")
    root = Path(os.environ.get("TESTSPACE_CACHE") or "~/.cache/testspace").expanduser().absolute()
    return root / "objects" / scheme / rest.strip("/")
