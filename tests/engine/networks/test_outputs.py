"""What is made of a model's output: as transformers' own processors make it, and as it is defined."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from engine.networks.boxes import best_boxes, kept_boxes
from engine.networks.hub import clip
from engine.networks.hub.detector import Detections, RtdetrV2Config
from engine.networks.hub.mask2former import ClassMap, Mask2FormerConfig
from engine.networks.hub.sam import MaskEdges
from engine.networks.torch_network import Preparation

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")
RGB = np.random.default_rng(0).integers(60, 190, (8, 8, 3), np.uint8).repeat(30, 0).repeat(30, 1)


@pytest.mark.parametrize(
    ("processor", "options", "prepare"),
    [
        ("CLIPImageProcessorPil", {}, Preparation(224, clip.MEAN, clip.STD)),
        (
            "BitImageProcessorPil",  # DINOv2's, with the fields of its page
            {
                "size": {"height": 224, "width": 224},
                "do_center_crop": False,
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
            },
            Preparation(224),
        ),
        ("SamImageProcessorPil", {}, Preparation(1024, resize="bilinear")),
        ("RTDetrImageProcessorPil", {}, Preparation(640, (0, 0, 0), (1, 1, 1), resize="bilinear")),
        (
            "Mask2FormerImageProcessorPil",
            {"size": {"height": 384, "width": 384}},
            Preparation(384, resize="bilinear"),
        ),
    ],
)
def test_frames_are_prepared_as_by_transformers(processor: str, options: dict, prepare: Preparation):
    theirs = getattr(transformers, processor)(**options)(RGB, return_tensors="np")["pixel_values"]
    ours = prepare(torch.from_numpy(RGB)[None]).numpy()
    level = 1 / 255 / min(prepare.std)
    assert np.abs(ours - np.asarray(theirs)).max() < 1.6 * level  # theirs are whole levels after each axis


def test_boxes_are_those_of_transformers():
    config = RtdetrV2Config(weights="untrained", shape="tiny", image=64)
    module = config.build().module.eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = Detections(module, 8, 0.0)(images)
        out = module(pixel_values=images)
    processor = transformers.RTDetrImageProcessorPil()
    for rows, expected in zip(ours, processor.post_process_object_detection(out, threshold=0), strict=True):
        torch.testing.assert_close(rows[:, 5], expected["scores"][:8])
        torch.testing.assert_close(rows[:, 4], expected["labels"][:8] + 1.0)
        torch.testing.assert_close(rows[:, :4], expected["boxes"][:8].clamp(0, 1))


def test_label_maps_are_those_of_transformers():
    module = Mask2FormerConfig(weights="untrained", shape="tiny", image=64).build().module.eval()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = ClassMap(module, 384)(images)
        out = module(pixel_values=images)
    theirs = transformers.Mask2FormerImageProcessorPil().post_process_semantic_segmentation(out)
    torch.testing.assert_close(ours, torch.stack(theirs) + 1)
    assert len(ours.unique()) > 1


def test_best_boxes_come_by_falling_score_and_low_ones_are_left_out():
    corners = torch.tensor([[[0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 1.5, 0.9]]])
    scores = torch.tensor([[[0.2, 0.6], [0.9, 0.1]]])
    rows = best_boxes(corners, scores, 6, 0.2)
    expected = torch.zeros(1, 6, 6)
    expected[0, 0] = torch.tensor([0.5, 0.5, 1.0, 0.9, 1, 0.9])
    expected[0, 1] = torch.tensor([0.1, 0.1, 0.5, 0.5, 2, 0.6])
    expected[0, 2] = torch.tensor([0.1, 0.1, 0.5, 0.5, 1, 0.2])
    torch.testing.assert_close(rows, expected)


def test_a_box_within_a_better_one_of_the_same_place_is_dropped():
    corners = torch.tensor([[0.0, 0, 10, 10], [1, 0, 10, 10], [0, 0, 5, 10], [20, 20, 30, 30]])
    scores = torch.tensor([0.5, 0.9, 0.8, 0.1])
    assert kept_boxes(corners, scores, 0.7).tolist() == [1, 2, 3]
    assert kept_boxes(corners, scores, 0.95).tolist() == [1, 2, 0, 3]


class OneDisc(nn.Module):
    """Stands for SAM where it finds one disc whatever the point, the second mask poor and the third empty."""

    config = SimpleNamespace(vision_config=SimpleNamespace(image_size=64))

    def get_image_embeddings(self, images):
        return images

    def forward(self, image_embeddings, input_points):
        line = torch.arange(64) - 31.5
        far = (line[:, None] ** 2 + line[None] ** 2).sqrt()
        masks = torch.stack([20 * (20 - far), 0.5 * (10 - far), torch.full_like(far, -1.0)])
        count = input_points.shape[1]
        scores = torch.tensor([0.97, 0.95, 0.99])
        return SimpleNamespace(
            pred_masks=masks.expand(1, count, 3, 64, 64), iou_scores=scores.expand(1, count, 3)
        )


def test_edges_of_a_mask_are_its_outline():
    edges = MaskEdges(OneDisc(), 64, 4, choosy=True)(torch.zeros(1, 3, 64, 64))[0]
    line = torch.arange(64) - 31.5
    far = (line[:, None] ** 2 + line[None] ** 2).sqrt()
    assert edges[(far - 20).abs() < 0.5].min() > 100
    assert edges[(far - 20).abs() > 2].max() == 0
    careless = MaskEdges(OneDisc(), 64, 4, choosy=False)(torch.zeros(1, 3, 64, 64))[0]
    assert careless[(far - 10).abs() < 0.5].min() > 0, "the poor mask's outline too"


def test_no_mask_is_no_edge():
    model = OneDisc()
    model.forward = lambda image_embeddings, input_points: SimpleNamespace(
        pred_masks=torch.full((1, input_points.shape[1], 3, 64, 64), -1.0),
        iou_scores=torch.ones(1, input_points.shape[1], 3),
    )
    assert MaskEdges(model, 64, 4, choosy=True)(torch.zeros(2, 3, 64, 64)).abs().max() == 0
