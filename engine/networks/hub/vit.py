"""`vit` and `mae`: patch features of plain vision transformers, trained on labels of ImageNet-21k
(Dosovitskiy et al., arXiv:2010.11929), and as masked autoencoders (He et al., arXiv:2111.06377)."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from engine.networks.hub.loading import HubConfig, whole_patches
from engine.networks.network import Network, Output
from engine.networks.torch_network import IMAGENET_MEAN, IMAGENET_STD, Preparation, build_network


class VitConfig(HubConfig):
    """Patch features of a vision transformer that was trained on labels."""

    model_class: ClassVar[str] = "ViTModel"
    options: ClassVar[Mapping[str, Any]] = {"add_pooling_layer": False}
    hub_id: ClassVar[str] = "google/vit-base-patch16-224-in21k"
    licences: ClassVar[Mapping[str, str]] = {
        f"google/vit-{size}-224-in21k": "Apache-2.0" for size in ("base-patch16", "large-patch16")
    }
    mean: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)
    std: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)

    image: int = Field(default=224, ge=16)
    """Height and width that frames are resized to [pixels], a multiple of the patch."""

    def random_config(self, transformers: Any) -> Any:
        """B/16, or one of two layers."""
        tiny = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
        return transformers.ViTConfig(**(tiny if self.shape == "tiny" else {}))

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`, and where `image` is no multiple of the model's patch."""
        model = self.build()
        config = model.module.config
        grid = whole_patches(self.image, config.patch_size)
        return build_network(
            self,
            VitFeatures(model.module, grid),
            Output("features", (grid, grid, config.hidden_size), "float16"),
            Preparation(self.image, self.mean, self.std, resize="bilinear"),
            source=model.source,
            licence=model.licence,
        )


class MaeConfig(VitConfig):
    """Patch features of a masked autoencoder's encoder, all patches seen."""

    hub_id: ClassVar[str] = "facebook/vit-mae-base"
    licences: ClassVar[Mapping[str, str]] = {
        f"facebook/vit-mae-{size}": "Apache-2.0" for size in ("base", "large", "huge")
    }
    mean: ClassVar[tuple[float, float, float]] = IMAGENET_MEAN
    std: ClassVar[tuple[float, float, float]] = IMAGENET_STD


class VitFeatures(nn.Module):
    """The patch tokens after the last norm, positions resized to the images."""

    def __init__(self, model: Any, grid: int):
        """`grid`: patches along a side."""
        super().__init__()
        self.model, self._grid = model, grid

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b grid grid channels"]:
        """Features, without the class token's."""
        tokens = self.model(pixel_values=images, interpolate_pos_encoding=True).last_hidden_state
        return tokens[:, 1:].unflatten(1, (self._grid, -1))
