"""The table of tasks: segmentation by the kit, and a task from outside through transfer and evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor, nn

from tests.training.conftest import World
from tests.training.task_kit import CPU, TaskKit
from training.common.checkpoint import write_json
from training.transfer.config import TransferConfig
from training.transfer.evaluate import evaluate
from training.transfer.task import (
    Arrays,
    EvaluatedBatch,
    Evaluator,
    Facts,
    FeatureShape,
    LabelledData,
    LabelReader,
    LabelTable,
    Targets,
    Task,
    TaskConfig,
    TaskHead,
    TrainingProtocol,
)
from training.transfer.tasks.registry import TASKS
from training.transfer.transfer import transfer


class DepthReader(LabelReader):
    reads = ("depth",)

    def __call__(self, arrays: Arrays) -> Arrays:
        return {"depth": arrays["depth"]}


class MeanDepthConfig(TaskConfig):
    """Regression of the mean depth of a frame [m]."""

    protocols: ClassVar[tuple[TrainingProtocol, ...]] = ("finetune", "linear")

    bias: bool = True
    """Whether the layer has one."""

    def label_reader(self, label_table: LabelTable) -> DepthReader:
        return DepthReader()

    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        means = np.concatenate([mean_depth(some["depth"]) for some in data.labels(32)])
        return {"mean": float(means.mean()), "deviation": float(means.std())}

    def build(self, facts: Facts) -> "MeanDepth":
        return MeanDepth(self, facts)


def mean_depth(depth: np.ndarray) -> np.ndarray:
    """[m] of each frame, over pixels that hit something."""
    return (depth / 1000.0).sum((1, 2)) / (depth > 0).sum((1, 2))


class PooledLinear(TaskHead):
    def __init__(self, dim: int, bias: bool):
        super().__init__()
        self.out = nn.Linear(dim, 1, bias=bias)

    def forward(
        self, features: Float[Tensor, "b n d"], targets: Targets | None = None
    ) -> Float[Tensor, " b"]:
        return self.out(features.mean(1))[:, 0].float()

    def initialise(self, generator: torch.Generator) -> None:
        nn.init.normal_(self.out.weight, std=0.01, generator=generator)
        if self.out.bias is not None:
            nn.init.zeros_(self.out.bias)


class StandardScoreLoss(nn.Module):
    def forward(self, output: Float[Tensor, " b"], targets: Targets) -> Float[Tensor, ""]:
        return nn.functional.mse_loss(output, targets["score"])


class DepthErrors(Evaluator):
    def __init__(self) -> None:
        self.squares: list[float] = []

    def add(self, batch: EvaluatedBatch) -> None:
        self.squares += ((batch.prediction - mean_depth(batch.labels["depth"])) ** 2).tolist()

    def metrics(self) -> dict[str, Any]:
        return {"rmse": float(np.sqrt(np.mean(self.squares)))}

    def save(self, out: Path) -> None:
        write_json(out / "squares.json", self.squares)


class MeanDepth(Task):
    def __init__(self, config: MeanDepthConfig, facts: Facts):
        super().__init__(facts)
        self.config = config

    def check(self, label_table: LabelTable, where: str) -> None:
        """It needs no label table."""

    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        return PooledLinear(shape.dim, self.config.bias)

    def targets(self, labels: Arrays) -> Targets:
        scores = (mean_depth(labels["depth"]) - self.facts["mean"]) / self.facts["deviation"]
        return {"score": torch.from_numpy(scores).float()}

    def criterion(self, data: LabelledData) -> nn.Module:
        return StandardScoreLoss()

    def predict(self, output: Float[Tensor, " b"]) -> np.ndarray:
        return output.cpu().numpy() * self.facts["deviation"] + self.facts["mean"]

    def evaluator(self, pictured: frozenset[int]) -> DepthErrors:
        return DepthErrors()


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "mean_depth", MeanDepthConfig)
        yield


class TestSegmentation(TaskKit):
    name = "segmentation"
    metric = "miou"


class TestMeanDepth(TaskKit):
    name = "mean_depth"
    metric = "rmse"
    higher_is_better = False

    def test_it_is_better_than_the_mean_of_the_transfer_frames(self, world: World, tmp_path):
        config = self.config("finetune", samples=960)
        transfer(config, world.transfer, None, tmp_path / "tuned")
        metrics = evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "scores")
        truth = mean_depth(world.eval.read(np.arange(32), ["depth"])["depth"])
        other_houses = mean_depth(world.transfer.read(np.arange(64), ["depth"])["depth"]).mean()
        chance = np.sqrt(np.mean((truth - other_houses) ** 2))
        assert metrics["rmse"] < 0.8 * chance


def test_fields_of_a_task_from_outside_stand_under_its_name():
    config = TransferConfig.model_validate({"task": "mean_depth", "mean_depth": {"bias": False}})
    assert config.own == MeanDepthConfig(bias=False)
    assert TransferConfig.model_validate(config.model_dump()) == config
    assert TransferConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="beams"):
        TransferConfig.model_validate({"task": "mean_depth", "mean_depth": {"beams": 4}})


def test_keys_of_the_release_before_mean_those_of_segmentation(capsys):
    config = TransferConfig.model_validate({"balance": 0.25, "head": {"depth": 2}, "knn": {"k": 3}})
    own = config.segmentation
    assert (own.balance, own.head.depth, own.knn.k) == (0.25, 2, 3)
    assert "balance is now segmentation.balance" in capsys.readouterr().err


def test_unknown_tasks_and_protocols_that_a_task_lacks_are_refused():
    with pytest.raises(ValidationError, match=r"choose from segmentation, .*mean_depth"):
        TransferConfig.model_validate({"task": "telepathy"})
    with pytest.raises(ValidationError, match="mean_depth has no protocol knn; it has: finetune, linear"):
        TransferConfig.model_validate({"task": "mean_depth", "protocol": "knn"})
