"""`depth_anything`: depth in metres by Depth Anything V2 (Yang et al., arXiv:2406.09414), for captures that
have none. Weights that give relative depth alone are refused."""

from collections.abc import Mapping
from typing import Any, ClassVar

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.hub.loading import HubConfig, whole_patches
from engine.networks.network import Network, Output
from engine.networks.torch_network import Preparation, build_network

_FARTHEST = 65535  # millimetres that a uint16 holds


class DepthAnythingConfig(HubConfig):
    """Depth by Depth Anything V2, the models trained indoors (Hypersim)."""

    model_class: ClassVar[str] = "DepthAnythingForDepthEstimation"
    hub_id: ClassVar[str] = "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf"
    licences: ClassVar[Mapping[str, str]] = {
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf": "Apache-2.0",
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Base-hf": "CC-BY-NC-4.0",
        "depth-anything/Depth-Anything-V2-Metric-Indoor-Large-hf": "CC-BY-NC-4.0",
    }

    image: int = Field(default=518, ge=14)
    """Height and width that frames are resized to [pixels], a multiple of the patch."""

    def random_config(self, transformers: Any) -> Any:
        """Small, or one of four layers."""
        stages = range(1, 5) if self.shape == "tiny" else (3, 6, 9, 12)
        widths = {"hidden_size": 384, "num_attention_heads": 6}
        # By transformers' own range, 0.02, all depths of random weights are equal.
        neck = {"reassemble_hidden_size": 384, "initializer_range": 0.06}
        if self.shape == "tiny":
            widths = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 4, "mlp_ratio": 2}
            neck = {
                "reassemble_hidden_size": 32,
                "neck_hidden_sizes": [8, 8, 16, 16],
                "fusion_hidden_size": 8,
                "head_hidden_size": 8,
                "initializer_range": 0.2,
            }
        backbone = transformers.Dinov2Config(
            image_size=518, out_indices=list(stages), reshape_hidden_states=False, **widths
        )
        return transformers.DepthAnythingConfig(
            backbone_config=backbone, depth_estimation_type="metric", max_depth=20, **neck
        )

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`, for weights of relative depth, and where `image` is no multiple of
        the model's patch."""
        model = self.build()
        config = model.module.config
        if config.depth_estimation_type != "metric":
            raise ValueError(
                f"{model.source} gives {config.depth_estimation_type} depth, not metres: take one of "
                f"{', '.join(self.licences)}"
            )
        whole_patches(self.image, config.patch_size)
        return build_network(
            self,
            Millimetres(model.module, size),
            Output("depth", (size, size), "uint16"),
            Preparation(self.image),
            source=model.source,
            licence=model.licence,
        )


class Millimetres(nn.Module):
    """Depth as a sensor gives it."""

    def __init__(self, model: Any, size: int):
        """`size`: height and width of the depth map [pixels]."""
        super().__init__()
        self.model, self._size = model, size

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b size size"]:
        """z-depth in whole millimetres, at least 1."""
        depth = self.model(pixel_values=images).predicted_depth[:, None]
        depth = functional.interpolate(
            depth, (self._size, self._size), mode="bilinear", align_corners=False, antialias=True
        )
        return (depth[:, 0] * 1000).round().clamp(1, _FARTHEST)
