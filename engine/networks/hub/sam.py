"""`sam_edges`: edges by SAM (Kirillov et al., arXiv:2304.02643), as its authors draw them: masks of a grid of
points, of each the slope of its probability along its outline, over all masks the steepest."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from engine.networks.boxes import kept_boxes
from engine.networks.hub.loading import HubConfig
from engine.networks.network import Network, Output
from engine.networks.torch_network import Preparation, build_network

_SURE = 0.88
"""Least overlap with the truth that SAM predicts of a kept mask; as its authors choose, like the rest."""
_STABLE = 0.95
"""Least overlap of a mask with itself where its logits are cut at 1 and at -1."""
_TWICE = 0.7
"""Masks whose boxes overlap more than this are the same."""
_POINTS_AT_ONCE = 64


class SamEdgesConfig(HubConfig):
    """Edges of SAM's masks."""

    model_class: ClassVar[str] = "SamModel"
    hub_id: ClassVar[str] = "facebook/sam-vit-base"
    licences: ClassVar[Mapping[str, str]] = {
        f"facebook/sam-vit-{size}": "Apache-2.0" for size in ("base", "large", "huge")
    }

    points: int = Field(default=16, ge=1)
    """Points along a side of the grid of prompts; each gives three masks."""

    def random_config(self, transformers: Any) -> Any:
        """ViT-B, or one of two layers."""
        if self.shape == "published":
            vision = {"initializer_range": 0.02}  # transformers' own, 1e-10, gives one output for all images
            return transformers.SamConfig(vision_config=vision)
        vision = {
            "hidden_size": 32,
            "output_channels": 32,
            "num_pos_feats": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "mlp_dim": 128,
            "image_size": 64,
            "window_size": 14,
            "global_attn_indexes": [1],
            "initializer_range": 0.02,
        }
        return transformers.SamConfig(
            vision_config=vision,
            prompt_encoder_config={"hidden_size": 32, "image_size": 64, "image_embedding_size": 4},
            mask_decoder_config={
                "hidden_size": 32,
                "mlp_dim": 64,
                "num_attention_heads": 2,
                "iou_head_hidden_dim": 32,
            },
        )

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`."""
        model = self.build()
        return build_network(
            self,
            MaskEdges(model.module, size, self.points, choosy=self.weights != "untrained"),
            Output("edges", (size, size), "uint8"),
            Preparation(model.module.config.vision_config.image_size, resize="bilinear"),
            source=model.source,
            licence=model.licence,
        )


class MaskEdges(nn.Module):
    """Masks of a grid of points, and their outlines."""

    grid: Float[Tensor, "points 1 2"]
    """Prompts: x and y [pixels]."""

    def __init__(self, model: Any, size: int, points: int, *, choosy: bool):
        """`size`: height and width of the edge map [pixels]. `choosy`: whether masks that the model itself
        holds for bad are left out."""
        super().__init__()
        self.model, self._size, self._choosy = model, size, choosy
        side = model.config.vision_config.image_size
        line = (torch.arange(points) + 0.5) / points * side
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1).reshape(-1, 1, 2)
        self.register_buffer("grid", grid, persistent=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b size size"]:
        """Edges, 0 to 255: the steepest of a frame is 255."""
        return torch.stack([self._edges(image[None]) for image in images])

    def _edges(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "size size"]:
        embedding = self.model.get_image_embeddings(image)
        masks, scores = [], []
        for points in self.grid.split(_POINTS_AT_ONCE):
            out = self.model(image_embeddings=embedding, input_points=points[None])
            logits, score = out.pred_masks[0].flatten(0, 1), out.iou_scores[0].flatten()
            kept = self._good(logits, score)
            masks.append(logits[kept])
            scores.append(score[kept])
        logits = torch.cat(masks)
        if not len(logits):
            return image.new_zeros(self._size, self._size)
        logits = logits[kept_boxes(_bounds(logits > 0), torch.cat(scores), _TWICE)]
        probability = functional.interpolate(
            logits[:, None], (self._size, self._size), mode="bilinear", align_corners=False
        ).sigmoid()
        steep = (_slope(probability) * _outline(probability > 0.5)).amax((0, 1))
        return (steep / steep.max().clamp(min=1e-6) * 255).round()

    def _good(self, logits: Float[Tensor, "n h w"], score: Float[Tensor, " n"]) -> Bool[Tensor, " n"]:
        """Masks that are not empty, that SAM is sure of and that do not hang on where they are cut."""
        inner, outer = (logits > 1).sum((1, 2)), (logits > -1).sum((1, 2))
        some = (logits > 0).any(-1).any(-1)
        return some & (score > _SURE) & (inner > _STABLE * outer) if self._choosy else some


def _bounds(masks: Bool[Tensor, "n h w"]) -> Float[Tensor, "n 4"]:
    """Boxes of masks, none of them empty: x0, y0, x1, y1 [pixels]."""
    sides = []
    for seen in (masks.any(1), masks.any(2)):
        ones = seen.int()
        sides += [ones.argmax(1), ones.shape[1] - ones.flip(1).argmax(1)]
    return torch.stack([sides[0], sides[2], sides[1], sides[3]], 1).float()


def _slope(maps: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Length of the gradient by Sobel's filters; the border is continued."""
    across = maps.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    kernels = torch.stack([across, across.T])[:, None]
    return functional.conv2d(functional.pad(maps, (1, 1, 1, 1), mode="replicate"), kernels).norm(
        dim=1, keepdim=True
    )


def _outline(masks: Bool[Tensor, "n 1 h w"]) -> Bool[Tensor, "n 1 h w"]:
    """Pixels of a mask that touch what is outside of it, and those outside that touch it."""
    inside = functional.max_pool2d(masks.float(), 3, 1, 1)
    return inside != -functional.max_pool2d(-masks.float(), 3, 1, 1)
