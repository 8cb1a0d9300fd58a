"""`rtdetr_v2`: boxes of COCO's 80 classes by RT-DETRv2 (Lv et al., arXiv:2407.17140). The paper's detector is
ViTDet, of which transformers has the backbone alone."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from engine.networks.boxes import best_boxes
from engine.networks.hub.loading import HubConfig, class_names
from engine.networks.network import BOX_COLUMNS, Network, Output
from engine.networks.torch_network import Preparation, build_network


class RtdetrV2Config(HubConfig):
    """Boxes by RT-DETRv2."""

    model_class: ClassVar[str] = "RTDetrV2ForObjectDetection"
    hub_id: ClassVar[str] = "PekingU/rtdetr_v2_r50vd"
    licences: ClassVar[Mapping[str, str]] = {
        f"PekingU/rtdetr_v2_{size}": "Apache-2.0" for size in ("r18vd", "r34vd", "r50vd", "r101vd")
    }

    image: int = Field(default=640, ge=64, multiple_of=32)
    """Height and width that frames are resized to [pixels]."""
    most: int = Field(default=32, ge=1)
    """Boxes of a frame."""
    score: float = Field(default=0.5, ge=0, le=1)
    """Boxes of a lower score are left out, but for untrained weights, whose scores are all low."""

    def random_config(self, transformers: Any) -> Any:
        """With a ResNet-50, or a small one."""
        if self.shape == "published":
            return transformers.RTDetrV2Config(num_labels=80)
        backbone = transformers.RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 16, 16],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        )
        widths = {"encoder_hidden_dim": 16, "d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_layers": 2}
        return transformers.RTDetrV2Config(
            backbone_config=backbone,
            encoder_in_channels=[16, 16, 16],
            decoder_in_channels=[16, 16, 16],
            num_labels=5,
            num_queries=20,
            **widths,
            **heads,
        )

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`."""
        model = self.build()
        least = 0.0 if self.weights == "untrained" else self.score
        return build_network(
            self,
            Detections(model.module, self.most, least),
            Output("boxes", (self.most, len(BOX_COLUMNS)), "float32", class_names(model.module.config)),
            Preparation(self.image, mean=(0, 0, 0), std=(1, 1, 1), resize="bilinear"),
            source=model.source,
            licence=model.licence,
        )


class Detections(nn.Module):
    """The best boxes of a detector whose scores are sigmoids, without suppression."""

    def __init__(self, model: Any, most: int, least: float):
        """`most` rows; below a score of `least` they are 0."""
        super().__init__()
        self.model, self._most, self._least = model, most, least

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b most 6"]:
        """Rows of `BOX_COLUMNS`."""
        out = self.model(pixel_values=images)
        centre, sides = out.pred_boxes.split(2, dim=-1)
        corners = torch.cat([centre - sides / 2, centre + sides / 2], -1)
        return best_boxes(corners, out.logits.sigmoid(), self._most, self._least)
