"""`tst view`: a local page over houses, stores, trainings and runs of studies.

    tst view runs/demo                 a run: its stores, houses, predictions, curves and report
    tst view store houses              a store, and the houses of its spaces

It prints an address, of this machine alone and with a token, and serves until Ctrl-C. It writes nothing.
"""

from typing import Annotated

import tyro
from pydantic import Field

from scenes.config import Config
from viewer.opened import Opened
from viewer.routes import INSTALL_THREE, has_three
from viewer.server import Server


class ViewConfig(Config):
    """What to look at, and where the page is."""

    places: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PATH")]
    """Houses (.json, .glb), folders of houses, stores, folders of trainings, runs of studies."""
    host: str = "127.0.0.1"
    """Address to listen at, and the only one under which it answers: 127.0.0.1 is this machine alone."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port; 0: a free one."""


def view(config: ViewConfig) -> None:
    """Serve the page until interrupted. Raises ValueError where there is nothing to look at."""
    if not config.places:
        raise ValueError("give a house, a store, the folder of a training or that of a run of a study")
    if config.host in ("", "0.0.0.0", "::"):
        raise ValueError("--host: name one address of this machine, so that others can be refused")
    with Server(Opened(config.places), config.host, config.port) as server:
        if not has_three():
            print(f"houses are not drawn in 3-D without three.js: {INSTALL_THREE}")
        print(f"{server.guard.url}  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
