"""`mask2former`: a map of COCO's 133 classes by Mask2Former (Cheng et al., arXiv:2112.01527) with Swin-B, as
4M labels images."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.hub.loading import HubConfig, class_names
from engine.networks.network import Network, Output
from engine.networks.torch_network import Preparation, build_network


class Mask2FormerConfig(HubConfig):
    """Label maps by Mask2Former."""

    model_class: ClassVar[str] = "Mask2FormerForUniversalSegmentation"
    hub_id: ClassVar[str] = "facebook/mask2former-swin-base-coco-panoptic"
    licences: ClassVar[Mapping[str, str]] = {
        f"facebook/mask2former-swin-{kind}": "other (as its page says; the code is MIT)"
        for kind in ("base-coco-panoptic", "large-coco-panoptic", "large-ade-semantic")
    }

    image: int = Field(default=384, ge=64, multiple_of=32)
    """Height and width that frames are resized to [pixels]."""

    def random_config(self, transformers: Any) -> Any:
        """With Swin-B, or a small one."""
        stages = [f"stage{i}" for i in range(1, 5)]
        if self.shape == "published":
            backbone = transformers.SwinConfig(
                image_size=384,
                embed_dim=128,
                depths=[2, 2, 18, 2],
                num_heads=[4, 8, 16, 32],
                window_size=12,
                out_features=stages,
            )
            return transformers.Mask2FormerConfig(backbone_config=backbone, num_labels=133)
        backbone = transformers.SwinConfig(
            image_size=64, embed_dim=8, depths=[1] * 4, num_heads=[1, 2, 2, 2], out_features=stages
        )
        widths = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32}
        inner = {"encoder_feedforward_dim": 32, "dim_feedforward": 32, "num_attention_heads": 2}
        return transformers.Mask2FormerConfig(
            backbone_config=backbone,
            num_labels=5,
            num_queries=8,
            encoder_layers=1,
            decoder_layers=2,
            **widths,
            **inner,
        )

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`, and for a model of more than 255 classes."""
        model = self.build()
        classes = class_names(model.module.config)
        if len(classes) > 255:
            raise ValueError(f"{model.source} knows {len(classes)} classes, a label map holds 255")
        return build_network(
            self,
            ClassMap(model.module, size),
            Output("labels", (size, size), "uint8", classes),
            Preparation(self.image, resize="bilinear"),
            source=model.source,
            licence=model.licence,
        )


class ClassMap(nn.Module):
    """The class of each pixel: masks weighted by what their queries say of the class."""

    def __init__(self, model: Any, size: int):
        """`size`: height and width of the map [pixels]."""
        super().__init__()
        self.model, self._size = model, size

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Int64[Tensor, "b size size"]:
        """Classes from 1; every pixel has one."""
        out = self.model(pixel_values=images)
        classes = out.class_queries_logits.softmax(-1)[..., :-1]  # the last is `no object`
        masks = functional.interpolate(
            out.masks_queries_logits, (self._size, self._size), mode="bilinear", align_corners=False
        )
        return torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid()).argmax(1) + 1
