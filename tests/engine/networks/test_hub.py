"""Networks of transformers: each from a tiny random configuration; trained weights from a folder."""

import pytest

from engine.networks.hub.clip import ClipConfig
from engine.networks.hub.dino import Dinov2Config, Dinov3Config

from .network_kit import NetworkKit

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")


class TestClip(NetworkKit):
    config = ClipConfig(weights="untrained", shape="tiny", image=64)


class TestDinov2(NetworkKit):
    config = Dinov2Config(weights="untrained", shape="tiny", image=56)


class TestDinov3(NetworkKit):
    config = Dinov3Config(weights="untrained", shape="tiny", image=64)
