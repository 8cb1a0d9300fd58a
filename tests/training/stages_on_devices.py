"""Every stage of training on a device without values (tests/training/test_fake_cuda.py).

`STAGES` names them all, by the tables of objectives, tokenizers and tasks: an entry that no code here can run
fails."""

import copy
import os
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.store import Store
from tests.training.conftest import ONE_THREAD, TINY_ENCODER, TINY_PRETRAIN, TINY_TRANSFER, mm
from tests.training.device_without_values import install_cuda_guard, pretend
from tests.training.test_features_and_labels import with_features
from tests.training.test_fourm_images import GOLDEN as FOURM_TOKENIZERS
from tests.training.test_fourm_images import HEADS
from tests.training.test_fourm_oracle import CASES, batch_of, case
from training.bench.train import CODES, BenchTrainConfig, time_steps
from training.common.checkpoint import STATE
from training.common.config import RuntimeConfig
from training.common.optimiser import clip, make_adamw, precision, set_rate, to_device
from training.fourm.codebooks import EmaCodebook
from training.fourm.images import import_4m
from training.models.blocks import Block
from training.models.encoder import SIZES, Size
from training.models.modality_transforms import IMAGE_OUTPUTS
from training.pretrain.dino.dino import DinoConfig
from training.pretrain.multimodal.multimodal import weigh
from training.pretrain.objectives import OBJECTIVES
from training.pretrain.pretrain import World, pretrain
from training.tokenizers.autoencoder import Residual, TokenizerConfig
from training.tokenizers.feature_codebook import FeatureConfig, fit_features
from training.tokenizers.label_map import LabelMap, make_label_map
from training.tokenizers.registry import TOKENIZERS, load_tokenizer
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import train_tokenizer
from training.tokenizers.vq import CosineVQ
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.propagate import PropagateConfig, propagate
from training.transfer.task import TaskConfig
from training.transfer.tasks.registry import TASKS
from training.transfer.transfer import transfer


class Place(NamedTuple):
    """Where a stage runs."""

    store: Path
    tokenizers: dict[str, Path]
    out: Path
    kind: str
    """Type of the device."""
    steps: int = 1
    """Of a pre-training."""

    @property
    def runtime(self) -> RuntimeConfig:
        return RuntimeConfig(threads=1, device=self.kind)

    @property
    def bf16(self) -> bool:
        """Autocast knows CUDA and not PyTorch's `meta`."""
        return self.kind == "cuda"

    @property
    def pretrain(self) -> PretrainFrames:
        return PretrainFrames(Store.open(self.store))


class Case(NamedTuple):
    """A stage, and a function of its networks in which a stray tensor is planted to see that it is found."""

    run: Callable[[Place], object]
    planted: tuple[type, str] = (Block, "forward")


def _pretrain(at: Place, objective: str, **fields: Any) -> None:
    """Some steps, and the weights of them."""
    own = {"objective": objective, "samples": 16 * at.steps, "checkpoint_every": 100}
    config = TINY_PRETRAIN.model_copy(update=own | fields | {"runtime": at.runtime, "bf16": at.bf16})
    pretrain(config, at.pretrain, at.tokenizers, at.out / objective)


def _pretrain_in_parts(at: Place) -> None:
    """A pre-training that is killed after two steps, and goes on; and one that begins with its weights."""

    def kill(step: int, loss: float) -> None:
        if step == 2:
            raise InterruptedError

    config = TINY_PRETRAIN.model_copy(
        update={"samples": 48, "checkpoint_every": 1, "runtime": at.runtime, "bf16": at.bf16}
        | {"micro_batch": 8, **mm(weighting="token", tied=True)}
    )
    given = (config, at.pretrain, at.tokenizers)
    with suppress(InterruptedError):
        pretrain(*given, at.out / "first", World(report=kill))
    assert (at.out / "first" / STATE).exists()
    assert len(pretrain(*given, at.out / "first")["curve"]) == 3
    pretrain(*given, at.out / "second", start_from=at.out / "first")


def _train_tokenizer(at: Place, quantiser: str, modality: str) -> None:
    config = TokenizerConfig.model_validate(
        {"patch": 4, "codes": 16, "quantiser": quantiser, "width": 16, "depth": 1, "steps": 3, "batch": 16}
        | {"check_frames": 16, "checkpoint_every": 1, "runtime": at.runtime, "bf16": at.bf16}
    )
    train_tokenizer(at.pretrain, modality, config, at.out / "tokenizer")


def _tokenize(at: Place, kind: str) -> None:
    """Tokens of a store by a tokenizer of a kind of the table; and those of images on the device."""
    store, folder = with_features(at.out / "store", size=64), at.out / "tokenizer"
    modality = {"features": "feature", "labels": "edges"}.get(kind, "normals")
    if kind == "tokenizer":
        small = {
            "patch": 4,
            "codes": 16,
            "width": 16,
            "depth": 1,
            "steps": 1,
            "batch": 16,
            "check_frames": 16,
        }
        config = TokenizerConfig.model_validate(small | {"runtime": ONE_THREAD})
        train_tokenizer(PretrainFrames(store), modality, config, folder)
    elif kind == "features":
        fit_features(PretrainFrames(store), modality, FeatureConfig(codes=6, rounds=1), folder)
    elif kind == "labels":
        make_label_map(modality, 256, 4, folder)
    else:
        assert kind == "fourm", f"give {kind} a tokenizer here"
        import_4m(str(FOURM_TOKENIZERS / "rgb_vit.weights.safetensors"), modality, HEADS, folder)
    tokenize(store, modality, folder, threads=1, device=at.kind)
    model, device = load_tokenizer(folder), torch.device(at.kind)
    model.to(device)
    images = PretrainFrames(store).read([0, 1], [modality])[modality]
    tokens = model.encode(torch.from_numpy(images).to(device))
    assert tokens.device.type == at.kind
    decoded = model.decode(tokens)
    assert (decoded.shape, decoded.dtype) == (images.shape, images.dtype)


def _transfer(at: Place, task: str, protocol: str, **fields: Any) -> None:
    """A transfer, its evaluation, and pseudo-labels where the task has any, with a student of them."""
    own = {"task": task, "protocol": protocol, "samples": 32, "checkpoint_every": 1, "bf16": at.bf16} | fields
    if task == "captioning":  # a device without values ends no sentence: every caption has its full length
        own |= {"captioning": {"decoder": {"length": 6}}}
    config = TransferConfig.model_validate(TINY_TRANSFER.model_dump() | own)
    config = config.model_copy(update={"runtime": at.runtime})
    store = Store.open(at.store)
    labelled, tuned = TransferFrames(store, [at.pretrain]), at.out / "tuned"
    transfer(config, labelled, None, tuned)
    scoring = {"runtime": at.runtime, "batch": 16, "bf16": at.bf16}
    evaluate(EvaluateConfig(**scoring), EvalFrames(store), tuned, at.out / "scores")
    if task == "segmentation":
        propagate(PropagateConfig(**scoring), tuned, at.pretrain, at.out / "guessed")
    if task == "segmentation" and protocol != "knn":
        given: Any = {"pseudo": at.out / "guessed", "pseudo_frames": at.pretrain}
        transfer(config, labelled, None, at.out / "student", **given)


def _step(at: Place, module: nn.Module, loss: Callable[[nn.Module, Any], Tensor], batch: Any) -> None:
    """Forward, backward and optimiser as the loops have them."""
    device = torch.device(at.kind)
    module.to(device)
    optimiser = make_adamw(module, 0.05)
    set_rate(optimiser, 1e-3)
    with precision(device, at.bf16):
        value = loss(module, to_device(batch, device))
    value.backward()
    clip(module.parameters(), 1.0)
    optimiser.step()
    assert all(p.grad is None or p.grad.device.type == at.kind for p in module.parameters())


def _fourm_checkpoint(at: Place, name: str) -> None:
    """A step of the model of a checkpoint of 4M's, with all kinds of modalities that it has."""
    model = copy.deepcopy(case(name)[0])

    def by_token(module: nn.Module, batch: Any) -> Tensor:
        return weigh(module(batch), batch, "token", model.codes)

    _step(at, model.train(), by_token, batch_of(name))


def _fourm_codebook(at: Place) -> None:
    """A step of the moving averages of 4M's codebook."""
    latents = load_file(FOURM_TOKENIZERS / "rgb_vit.expected.safetensors")["quant_in"]
    project = nn.Conv2d(latents.shape[1], latents.shape[1], 1)
    both = nn.Sequential(project, EmaCodebook(32, latents.shape[1]))

    def commitment(module: nn.Module, z: Any) -> Tensor:
        rows, _, loss = module(z)
        return loss + rows.float().mean()

    _step(at, both, commitment, latents)


def _bench(at: Place) -> None:
    config = BenchTrainConfig(image=32, batch=4, rounds=1, threads=1, device=at.kind)
    small = patch.dict(SIZES, {"Ti": Size(TINY_ENCODER, 1)}), patch.dict(CODES, dict.fromkeys(CODES, 32))
    with small[0], small[1]:
        time_steps(config, "Ti", 16, "bf16" if at.bf16 else "fp32")


def _can_be_done(task: type[TaskConfig]) -> bool:
    """Whether the packages that a task needs are installed."""
    with suppress(ValueError):
        task().check_installed()
        return True
    return False


STAGES: dict[str, Case] = {
    **{f"pretrain {name}": Case(lambda at, n=name: _pretrain(at, n)) for name in OBJECTIVES},
    "pretrain mm, in two passes, killed and continued": Case(_pretrain_in_parts),
    "pretrain dino, centred": Case(lambda at: _pretrain(at, "dino", dino=DinoConfig(centring="softmax"))),
    **{
        f"train tokenizer {q} {m}": Case(
            lambda at, q=q, m=m: _train_tokenizer(at, q, m), (Residual, "forward")
        )
        for q, m in (("vq", "rgb"), ("fsq", "depth"), ("fsq", "normals"), ("vq", "edges"))
    },
    **{
        f"tokenize {kind}": Case(lambda at, k=kind: _tokenize(at, k))
        for kind in TOKENIZERS
        # Of a network's images the model is that of `tokenizer`; boxes and text take arithmetic alone.
        if kind not in (*IMAGE_OUTPUTS, "boxes", "text")
    },
    **{
        f"transfer {task} {protocol}": Case(lambda at, t=task, p=protocol: _transfer(at, t, p))
        for task, config in TASKS.items()
        if _can_be_done(config)
        for protocol in config.protocols
    },
    "transfer segmentation finetune, of four modalities": Case(
        lambda at: _transfer(
            at,
            "segmentation",
            "finetune",
            inputs=("rgb", "depth", "normals", "edges"),
            **{"drop_path": 0.3, "layer_decay": 0.7, "crop": 0.7},
        )
    ),
    "transfer segmentation linear, of crops": Case(
        lambda at: _transfer(at, "segmentation", "linear", crop=0.7)
    ),
    **{f"checkpoint of 4M {name}": Case(lambda at, n=name: _fourm_checkpoint(at, n)) for name in CASES},
    "codebook of 4M": Case(_fourm_codebook, (EmaCodebook, "ids")),
    "bench train": Case(_bench),
}
if _can_be_done(TASKS["detection"]):
    with_masks = {"detection": {"head": {"masks": {}}}}
    STAGES["transfer detection finetune, with masks"] = Case(
        lambda at: _transfer(at, "detection", "finetune", **with_masks)
    )
STAGES["tokenize tokenizer"] = STAGES["tokenize tokenizer"]._replace(planted=(Residual, "forward"))
STAGES["tokenize features"] = STAGES["tokenize features"]._replace(planted=(CosineVQ, "ids"))
STAGES["tokenize labels"] = STAGES["tokenize labels"]._replace(planted=(LabelMap, "encode"))


class Facts(NamedTuple):
    """What a device without values saw of a stage."""

    operations: int
    """Results of operations on it."""
    types: set[str]
    """Of these results."""
    reads: dict[str, int]
    """Of values, see `DeviceWithoutValues.reads`."""


def prepare() -> None:
    """Make this process one that has no GPU, whatever the machine has, and can pretend to have one."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    warnings.simplefilter("error", UserWarning)
    warnings.filterwarnings("ignore", "for .*: copying from a non-meta parameter")  # there is nothing to copy
    torch.set_num_threads(1)
    install_cuda_guard()


class StageError(Exception):
    """A stage failed; the message is the traceback."""


def run(name: str, at: Place, planted: bool = False) -> Facts:
    """Run a stage; `planted`: with a tensor that was made on the CPU in the middle of its network. Raises
    StageError."""
    stage = STAGES[name]
    owner, method = stage.planted
    kept = getattr(owner, method)

    def stray(*args: Any, **kwargs: Any) -> Tensor:
        return kept(*args, **kwargs) + torch.zeros(1, dtype=torch.int64)

    with patch.object(owner, method, stray if planted else kept), pretend(at.kind) as device:
        try:
            stage.run(at)
        except Exception as error:  # not every error of PyTorch's goes from process to process
            raise StageError("".join(traceback.format_exception(error))) from None
    return Facts(device.made.total(), {str(t) for t in device.made}, dict(device.reads))
