"""`clip`: patch features of CLIP's image encoder (Radford et al., arXiv:2103.00020) in the space that it
shares with text, as 4M tokenizes them: B/16, 14 × 14 × 512 of a frame of 224 pixels."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from engine.networks.hub.loading import HubConfig, whole_patches
from engine.networks.network import Network, Output
from engine.networks.torch_network import Preparation, build_network

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipConfig(HubConfig):
    """Patch features of CLIP."""

    model_class: ClassVar[str] = "CLIPVisionModelWithProjection"
    hub_id: ClassVar[str] = "openai/clip-vit-base-patch16"
    licences: ClassVar[Mapping[str, str]] = {
        "openai/clip-vit-base-patch16": "MIT (of OpenAI's repository)",
        "openai/clip-vit-base-patch32": "MIT (of OpenAI's repository)",
        "openai/clip-vit-large-patch14": "MIT (of OpenAI's repository)",
    }

    image: int = Field(default=224, ge=16)
    """Height and width that frames are resized to [pixels], a multiple of the patch."""

    def random_config(self, transformers: Any) -> Any:
        """B/16, or one of two layers."""
        if self.shape == "tiny":
            small = {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2}
            return transformers.CLIPVisionConfig(
                **small, num_hidden_layers=2, patch_size=16, projection_dim=16
            )
        return transformers.CLIPVisionConfig(patch_size=16)

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`, and where `image` is no multiple of the model's patch."""
        model = self.build()
        config = model.module.config
        grid = whole_patches(self.image, config.patch_size)
        return build_network(
            self,
            ClipFeatures(model.module, grid),
            Output("features", (grid, grid, config.projection_dim), "float16"),
            Preparation(self.image, MEAN, STD),
            source=model.source,
            licence=model.licence,
        )


class ClipFeatures(nn.Module):
    """Patch tokens, each through the norm and the projection that CLIP has for its class token."""

    def __init__(self, model: Any, grid: int):
        """`grid`: patches along a side."""
        super().__init__()
        self.model, self._grid = model, grid

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b grid grid channels"]:
        """Features, not normalised."""
        inner = self.model.vision_model
        tokens = inner(pixel_values=images, interpolate_pos_encoding=True).last_hidden_state[:, 1:]
        return self.model.visual_projection(inner.post_layernorm(tokens)).unflatten(1, (self._grid, -1))
