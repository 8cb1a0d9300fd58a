"""What a tuned model costs an image: FLOPs are those of its encoder and its head, whatever the batch."""

import pytest
import torch

from training.models.encoder import EncoderConfig, build_encoder
from training.transfer.deployment import deployment_cost
from training.transfer.model import TaskModel
from training.transfer.task import Targets, TaskHead


class LinearHead(TaskHead):
    """64 numbers in, 10 out, at each patch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 10)

    def forward(self, features: torch.Tensor, targets: Targets | None = None) -> torch.Tensor:
        return self.linear(features)

    def initialise(self, generator: torch.Generator) -> None:
        torch.nn.init.normal_(self.linear.weight, generator=generator)


@pytest.mark.parametrize("batch", [1, 3])
def test_flops_are_those_of_encoder_and_head(batch: int) -> None:
    encoder = build_encoder(EncoderConfig(dim=64, depth=2, patch=8), 32, 0)
    model = TaskModel(encoder, LinearHead()).eval()
    images = {"rgb": torch.zeros(batch, 32, 32, 3, dtype=torch.uint8)}
    cost = deployment_cost(model, images, torch.device("cpu"), bf16=False)
    patches = 16
    known = sum(encoder.flops(patches, patches).values()) + 2 * 64 * 10 * patches
    assert cost["gflop_per_image"] == pytest.approx(known / 1e9)
    assert min(cost.values()) > 0
