"""Pre-training through Ray Train, or in this process: the same loop, the same batches, the same bits.

    tst pretrain pretrain.yaml

A pre-training may mix stores, `mix` naming each with its share of the samples; transfer houses may be among
them, never their labels. The driver ships tickets (which frames make which batch) as a Ray Dataset; each
worker decodes its own from the stores, which all of them must be able to reach, as they must `out`. A run
that was killed goes on when started again, with or without Ray."""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ray.train
import torch
from pydantic import Field
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device
from tqdm import tqdm

from engine.cluster import check_gpu, has_gpu, ray_session
from engine.store.access import UnlabelledRole, unlabelled
from engine.stream.mixture import MixedFrames
from engine.stream.order import View
from engine.stream.ray_stream import shard_tickets, ticket_data_config, ticket_dataset
from scenes.config import Config
from training.common.checkpoint import METRICS, STATE, load_tensors, read_json, write_json
from training.common.optimiser import pick_device, use_threads
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import Tickets
from training.pretrain.pretrain import World, pretrain
from training.pretrain.warm_start import continue_from

PROGRESS = "progress.json"


class Source(Config):
    """A store that a pre-training reads, alone or in a mixture."""

    store: Path
    """The store."""
    share: float = Field(default=1.0, gt=0)
    """Share of the samples, in proportion to the other sources'."""
    role: UnlabelledRole = "pretrain"
    """Which of its frames; of transfer houses never the labels (the transfer mix-in)."""
    modalities: tuple[str, ...] | None = Field(default=None, min_length=1)
    """What it shows of the pre-training's modalities: nothing else of it is seen or predicted, and its store
    need not hold more. None: all of them."""


class PretrainCommand(Config):
    """What `tst pretrain` needs to know."""

    store: Path
    """The store; its pre-training frames are used, and for mm their tokens."""
    mix: tuple[Source, ...] = ()
    """Further stores with their shares of the samples (in YAML); `store` has the rest."""
    start_from: Path | None = None
    """Folder of a finished pre-training of ours to go on from; its model must be the same."""
    out: Path
    """Folder of the run."""
    tokenizers: dict[str, Path] = {}
    """Folder of the tokenizer of each modality (mm)."""
    pretrain: PretrainConfig = PretrainConfig()
    """The pre-training."""
    ray: bool = True
    """Through Ray Train; false runs in this process."""
    workers: int = Field(default=1, ge=1)
    """Ray Train workers; the batch is divided among them."""
    min_workers: int | None = Field(default=None, ge=1)
    """Go on with as few as these where there is no room for more (elastic); none: with all or not at all."""
    retries: int = Field(default=0, ge=0)
    """Times that workers are started again, at the last checkpoint, after one or its machine was lost."""


def pretrain_command(config: PretrainCommand) -> None:
    """Runs `launch_pretrain` and prints the metrics. Raises ValueError for shares of 1 or more."""
    rest = 1.0 - sum(s.share for s in config.mix)
    if rest <= 0:
        raise ValueError(f"the shares in mix leave nothing for {config.store}: let them sum to less than 1")
    metrics = launch_pretrain(
        config.pretrain,
        [Source(store=config.store, share=rest), *config.mix],
        config.tokenizers,
        config.out,
        use_ray=config.ray,
        workers=config.workers,
        start_from=config.start_from,
        min_workers=config.min_workers,
        retries=config.retries,
    )
    shown = {k: v for k, v in metrics.items() if k != "curve"}
    print(json.dumps(shown, indent=1))


def launch_pretrain(
    config: PretrainConfig,
    sources: Sequence[Source],
    tokenizers: dict[str, Path],
    out: Path,
    *,
    use_ray: bool = True,
    workers: int = 1,
    start_from: Path | None = None,
    min_workers: int | None = None,
    retries: int = 0,
) -> dict[str, Any]:
    """`training.pretrain.pretrain.pretrain` on the stores of `sources`; returns its metrics.

    `min_workers`, `retries`: with Ray, workers that are lost are started again so often, `workers` of them or
    as many as there is room for but no fewer than `min_workers`; they go on at the last checkpoint.

    Raises what that raises; what a worker raised comes back as the cause of Ray's error.
    """
    # Absolute paths, so that workers elsewhere find them.
    sources = [s.model_copy(update={"store": s.store.absolute()}) for s in sources]
    frames = _frames(sources)
    if not use_ray:
        return pretrain(config, frames, tokenizers, out, start_from=start_from)
    config.split.check(workers)
    if min_workers is not None and min_workers > workers:
        raise ValueError(f"min_workers {min_workers} must not be above workers {workers}")
    # What does not fit is said here, not from within a worker.
    objective = build_objective(config, frames, tokenizers)
    if start_from is not None:
        start_from = Path(start_from).absolute()
        continue_from(config, objective, start_from)
    if config.warm_start is not None and Path(config.warm_start).exists():  # else a hub id
        config = config.model_copy(update={"warm_start": str(Path(config.warm_start).absolute())})
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    (out / METRICS).unlink(missing_ok=True)
    done = load_tensors(out / STATE)[1]["step"] if (out / STATE).exists() else 0
    settings = {
        "config": config.model_dump(mode="json"),
        "sources": [s.model_dump(mode="json") for s in sources],
        "start_from": None if start_from is None else str(start_from),
        "tokenizers": {k: str(Path(v).absolute()) for k, v in tokenizers.items()},
        "out": str(out),
        "first_batch": done,
    }
    with ray_session(workers + 1), _watch(out / PROGRESS, config, done):
        scaling = ScalingConfig(
            num_workers=workers if min_workers is None else (min_workers, workers),
            use_gpu=_on_gpu(config.runtime.device),
        )
        tickets = ticket_dataset(config.split.order(frames), config.steps, done)
        _trainer(settings, tickets, scaling, retries).fit()
    shutil.rmtree(out / "ray", ignore_errors=True)  # Ray's own notes; the weights are in `out`
    return read_json(out / METRICS)


def _on_gpu(device: str) -> bool:
    """Whether workers claim a GPU each. What this process sees does not tell: it may have claimed none, or be
    on a head without one."""
    if device == "auto":
        return has_gpu()
    if torch.device(device).type == "cuda":
        check_gpu(f"runtime.device {device}", "set it to cpu or auto")
        return True
    return False


def _trainer(settings: dict[str, Any], tickets: Any, scaling: ScalingConfig, retries: int) -> TorchTrainer:
    return TorchTrainer(
        _worker,
        train_loop_config=settings,
        datasets={"tickets": tickets},
        dataset_config=ticket_data_config(),
        scaling_config=scaling,
        run_config=RunConfig(
            name="ray", storage_path=settings["out"], failure_config=FailureConfig(max_failures=retries)
        ),
    )


def _frames(sources: Sequence[Source]) -> View:
    views = [unlabelled(s.store, s.role) for s in sources]
    shows = [s.modalities for s in sources]
    return MixedFrames(views, [s.share for s in sources], shows) if len(views) > 1 or shows[0] else views[0]


def _worker(settings: dict[str, Any]) -> None:
    context = ray.train.get_context()
    config = PretrainConfig.model_validate(settings["config"])
    if not config.runtime.threads and context.get_local_world_size() > 1:
        # Workers of one machine share its cores; more threads than cores wait for each other at every sum.
        threads = max(1, use_threads(0) // context.get_local_world_size())
        runtime = config.runtime.model_copy(update={"threads": threads})
        config = config.model_copy(update={"runtime": runtime})
    rank, size, out = context.get_world_rank(), context.get_world_size(), Path(settings["out"])

    def tickets(lanes: Sequence[int], step: int) -> Tickets:
        return shard_tickets(ray.train.get_dataset_shard("tickets"), lanes, step - settings["first_batch"])

    if pick_device(config.runtime.device).type == "cuda":
        torch.cuda.set_device(get_device())
    report = partial(_report, out / PROGRESS, [0.0]) if rank == 0 else lambda step, loss: None
    world = World(rank, size, tickets, report)
    tokenizers = {k: Path(v) for k, v in settings["tokenizers"].items()}
    frames = _frames([Source.model_validate(s) for s in settings["sources"]])
    start_from = settings["start_from"]
    pretrain(config, frames, tokenizers, out, world, None if start_from is None else Path(start_from))


def _report(path: Path, last: list[float], step: int, loss: float) -> None:
    """Let the driver know, at most once a second."""
    if time.monotonic() - last[0] > 1.0:
        last[0] = time.monotonic()
        write_json(path, {"step": step, "loss": loss})


@contextmanager
def _watch(path: Path, config: PretrainConfig, done: int) -> Iterator[None]:
    """A progress bar in the driver, fed by what the worker reports into a file."""
    path.unlink(missing_ok=True)
    stop = threading.Event()
    bar = tqdm(initial=done, total=config.steps, desc=f"pretrain {config.objective} (Ray)", unit="step")

    def follow() -> None:
        while not stop.wait(1.0):
            if path.exists():
                facts = read_json(path)
                bar.set_postfix(loss=f"{facts['loss']:.3f}", refresh=False)
                bar.update(facts["step"] - bar.n)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
        bar.update(config.steps - bar.n)
    finally:
        stop.set()
        thread.join()
        bar.close()
        path.unlink(missing_ok=True)
