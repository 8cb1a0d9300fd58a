"""Networks of transformers: each from a tiny random configuration; trained weights from a folder."""

import pytest

from engine.networks.hub.clip import ClipConfig
from engine.networks.hub.depth_anything import DepthAnythingConfig
from engine.networks.hub.detector import RtdetrV2Config
from engine.networks.hub.dino import Dinov2Config, Dinov3Config
from engine.networks.hub.mask2former import Mask2FormerConfig
from engine.networks.hub.sam import SamEdgesConfig
from engine.networks.hub.vit import MaeConfig, VitConfig

from .network_kit import NetworkKit

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")


class TestClip(NetworkKit):
    config = ClipConfig(weights="untrained", shape="tiny", image=64)


class TestDinov2(NetworkKit):
    config = Dinov2Config(weights="untrained", shape="tiny", image=56)


class TestDinov3(NetworkKit):
    config = Dinov3Config(weights="untrained", shape="tiny", image=64)


class TestDepthAnything(NetworkKit):
    config = DepthAnythingConfig(weights="untrained", shape="tiny", image=56)


class TestDetector(NetworkKit):
    config = RtdetrV2Config(weights="untrained", shape="tiny", image=64, most=10)


class TestMask2Former(NetworkKit):
    config = Mask2FormerConfig(weights="untrained", shape="tiny", image=64)


class TestSamEdges(NetworkKit):
    config = SamEdgesConfig(weights="untrained", shape="tiny", points=4)


class TestVit(NetworkKit):
    config = VitConfig(weights="untrained", shape="tiny", image=64)


class TestMae(NetworkKit):
    config = MaeConfig(weights="untrained", shape="tiny", image=64)
