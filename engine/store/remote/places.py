"""Locations of stores: a folder or an object store, written the same way in every command.

    tst collect houses --store s3://bucket/flat ...        also gs://, az://, file:///; needs obstore

For a store in an object store, the index and everything read are cached under `$TESTSPACE_CACHE`
(by default `testspace` in the user's cache folder). That folder may be deleted at any time; nothing that
was read from an object store is deleted automatically.
"""

import re
from pathlib import Path

from scenes import disk_cache

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
    return disk_cache.cache_folder() / "objects" / scheme / rest.strip("/")
