"""All kinds of stages, in the order in which they are counted and drawn.

A new kind is a file in this folder and its class here.
"""

from studies.run.stage import Stage
from studies.run.stages.capture import CaptureStage
from studies.run.stages.derive import DeriveStage
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.generalize import GeneralizeStage
from studies.run.stages.houses import HousesStage
from studies.run.stages.perceive import PerceiveStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.propagate import PropagateStage
from studies.run.stages.retrieve import RetrieveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.test_time.adapt import AdaptStage
from studies.run.stages.test_time.adapt_batches import AdaptBatchesStage
from studies.run.stages.test_time.choose_steps import ChooseStepsStage
from studies.run.stages.tokenizer import TokenizerStage
from studies.run.stages.tokens import TokensStage
from studies.run.stages.transfer import TransferStage

_ALL: tuple[type[Stage], ...] = (
    HousesStage,
    CaptureStage,
    StoreStage,
    DeriveStage,
    TokenizerStage,
    TokensStage,
    PretrainStage,
    TransferStage,
    PropagateStage,
    EvaluateStage,
    AdaptStage,
    ChooseStepsStage,
    AdaptBatchesStage,
    RetrieveStage,
    PerceiveStage,
    GeneralizeStage,
)
KINDS: dict[str, type[Stage]] = {stage.kind: stage for stage in _ALL}
