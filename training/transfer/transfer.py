"""Transfer: give an encoder a task, semantic segmentation, on labelled frames of other houses.

    tst transfer transfer.yaml

The encoder comes from a pre-training (TST-MM or TST-MAE: the same module) or from random weights (scratch).
It is tuned with a fresh head, or stays frozen under a probe (`protocol`); all come out as a folder that
`tst evaluate` judges alike. Only `TransferFrames` are taken, which refuse the test space.

The paper's fine-tuning (Tab. 11) is epochs 64, layer_decay 0.75, drop_path 0.1, flip, and a crop below 1."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from engine.store.access import PretrainFrames, TransferFrames, UpperBoundFrames
from training.common.checkpoint import CONFIG as CONFIG_FILE
from training.common.checkpoint import (
    METRICS,
    encoder_weights,
    load_tensors,
    load_training,
    read_json,
    save_model,
    save_training,
    write_json,
)
from training.common.checkpoint import WEIGHTS as WEIGHTS_FILE
from training.common.optimiser import (
    check_finite,
    clip,
    in_bf16,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    use_threads,
    warmup_cosine,
)
from training.models.blocks import initialise
from training.models.encoder import EncoderConfig, build_encoder
from training.models.knn import NeighbourHead
from training.models.metrics import VOID
from training.models.segmentation import LinearHead, SegmentationHead, Segmenter, drop_path
from training.transfer.config import TransferConfig
from training.transfer.frozen import Frozen
from training.transfer.labelled import (
    TRUTH,
    Labelled,
    Sources,
    class_table,
    class_weights,
    facts_of_spaces,
    image_batches,
    pseudo_labelled,
)

STATE = "training.safetensors"


def transfer(
    config: TransferConfig,
    frames: TransferFrames,
    checkpoint: Path | None,
    out: Path,
    *,
    pseudo: Path | None = None,
    pseudo_frames: PretrainFrames | None = None,
) -> dict[str, Any]:
    """Tune in `out` (or go on there) and return the metrics; `checkpoint`: folder of a pre-training, None
    for scratch.

    `pseudo`: folder of training/transfer/propagate.py with pseudo-labels of `pseudo_frames`, which are
    `config.pseudo_share` of every batch. The folder says `labelled_spaces`, whose labels the model, or the
    teacher of its pseudo-labels, was tuned on, and `pseudo_labelled_spaces`, of which it has seen what a
    teacher thought, and no label: it may be judged there.

    Raises ValueError when the encoder asked for is not the one that was pre-trained, or pseudo-labels are of
    other frames.
    """
    assert isinstance(frames, TransferFrames), "transfer sees frames of transfer spaces only"
    config = config.for_frames(len(frames))
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    image = frames.frame_shape("rgb")[0]
    classes, table = class_table(frames)
    source = Labelled(frames, table)
    sources, labelled, guessed = [(source, config.batch)], facts_of_spaces(frames), []
    if (pseudo is None) != (pseudo_frames is None):
        raise ValueError("give the folder of pseudo-labels and the frames that they are of, or neither")
    if pseudo is not None and pseudo_frames is not None:
        taught, about = pseudo_labelled(pseudo, pseudo_frames)
        if about["classes"] != classes or about["image"] != image:
            raise ValueError(
                f"{pseudo} has the classes {about['classes']} at {about['image']} px, the transfer frames "
                f"{classes} at {image} px: use stores of one label table and one size"
            )
        count = config.pseudo_count
        sources = [(source, config.batch - count), (taught, count)]
        labelled += [s for s in about["labelled_spaces"] if s not in labelled]
        guessed = about["pseudo_labelled_spaces"]
    model = build_segmenter(config, image, len(classes))
    if checkpoint is not None:
        trained = EncoderConfig.model_validate(read_json(checkpoint / CONFIG_FILE)["pretrain"]["encoder"])
        if trained != config.encoder:
            raise ValueError(
                f"{checkpoint} holds {trained!r}, the transfer asks for {config.encoder!r}: make them equal"
            )
        model.encoder.load_state_dict(encoder_weights(checkpoint))
    model.to(device)
    weight = class_weights(source, len(classes), config.balance)
    if config.protocol == "knn":
        model.head = Frozen(model, device, config.bf16).neighbours(
            source, config.knn, weight, config.draw_seed
        )
        metrics = {"entries": len(model.head.keys), "wall_seconds": time.monotonic() - started}
    else:
        metrics = _fit(config, model, sources, weight.to(device), out, started)
    metrics |= {
        "frames": len(frames),
        "classes": classes,
        "from": "scratch" if checkpoint is None else str(checkpoint),
        "parameters": sum(p.numel() for p in model.parameters()),
        "threads": threads,
        "device": str(device),
        "precision": "bf16" if in_bf16(device, config.bf16) else "fp32",
        "frames_digest": frames.digest(),
        "pseudo_frames": 0 if pseudo_frames is None else len(pseudo_frames),
    }
    facts = {"transfer": config.model_dump(mode="json"), "image": image, "classes": classes}
    facts |= {"labelled_spaces": labelled, "pseudo_labelled_spaces": guessed}
    save_model(out, model, {**facts, "upper_bound": isinstance(frames, UpperBoundFrames)})
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)
    return metrics


def _fit(
    config: TransferConfig,
    model: Segmenter,
    sources: Sources,
    weight: Tensor,
    out: Path,
    started: float,
) -> dict[str, Any]:
    """Train what the protocol trains, or go on with it; returns metrics of the training."""
    device = weight.device
    # What is tuned, and what is run on a batch of `_batches`.
    tuned, forward = (model, model) if config.protocol == "finetune" else (model.head, model.decode)
    optimiser = make_adamw(tuned, config.weight_decay, _rate_scale(config))
    done, curve, recent, seconds = 0, [], [], 0.0
    if (out / STATE).exists():
        facts = load_training(out / STATE, tuned, optimiser)
        done, curve, recent, seconds = (facts[k] for k in ("step", "curve", "recent", "seconds"))
    run = torch.compile(forward) if config.compile else forward
    parameters = list(tuned.parameters())
    batches = _batches(config, model, sources, device, done)
    every = max(1, config.steps // 100)
    fresh_start, waited = time.monotonic(), 0.0
    bar = tqdm(
        range(done, config.steps),
        initial=done,
        total=config.steps,
        desc=f"transfer {config.protocol}",
        unit="step",
        mininterval=1.0,
    )
    for step in bar:
        asked = time.monotonic()
        inputs, truth = next(batches)
        waited += time.monotonic() - asked
        set_rate(optimiser, warmup_cosine(step, config.steps, int(config.warmup * config.steps), config.lr))
        with precision(device, config.bf16):
            logits = run(*inputs)
        # Sum over counted pixels, so that a batch of nothing but void gives 0 and not a division by 0.
        loss = F.cross_entropy(logits, truth, weight, ignore_index=VOID, reduction="sum")
        loss = loss / (truth != VOID).sum().clamp_min(1)
        optimiser.zero_grad()
        loss.backward()
        norm = clip(parameters, config.clip)
        recent.append(loss.item())
        check_finite(recent[-1], norm.item(), step, "transfer")
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == config.steps:
            curve.append([step + 1, float(np.mean(recent))])
            bar.set_postfix(loss=f"{curve[-1][1]:.3f}", refresh=False)
            recent = []
        if (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps:
            spent = seconds + time.monotonic() - started
            facts = {"step": step + 1, "curve": curve, "recent": recent, "seconds": spent}
            save_training(out / STATE, tuned, optimiser, facts)
    this_time = time.monotonic() - fresh_start
    return {
        "loss": curve[-1][1],
        "curve": curve,
        "steps": config.steps,
        "wall_seconds": seconds + time.monotonic() - started,
        "samples_per_second": (config.steps - done) * config.batch / this_time,
        "data_wait_seconds": waited,  # with linear probes, what encoding takes
        "tuned_parameters": sum(p.numel() for p in parameters),
    }


def _batches(
    config: TransferConfig, model: Segmenter, sources: Sources, device: torch.device, done: int
) -> Iterator[tuple[tuple[Any, ...], Tensor]]:
    """From the `done`-th batch on: what the model takes (images, and what drop path keeps; or features of a
    frozen encoder), and int64 classes [b, h, w]. What is random is a function of (draws, step)."""
    if config.protocol == "finetune":
        batches = image_batches(sources, model.inputs, config.crop, config.flip, config.draw_seed, done)
        for step, images in enumerate(batches, done):
            truth = torch.from_numpy(images.pop(TRUTH)).to(device).long()
            rng = np.random.default_rng((config.draw_seed, step, 1))
            drop_path_scale = drop_path(config.drop_path, config.encoder.depth, len(truth), rng)
            given = {name: torch.from_numpy(v).to(device) for name, v in images.items()}
            yield (given, drop_path_scale if drop_path_scale is None else drop_path_scale.to(device)), truth
    frozen = Frozen(model, device, config.bf16)
    batches = frozen.batches(sources, config.crop, config.flip, config.draw_seed, done, config.keep_gb)
    for features, truth in batches:
        yield (features.to(device).float(),), truth.to(device).long()


def _rate_scale(config: TransferConfig) -> Any:
    """Layer decay as in BEiT: block i of n gets decay^(n-1-i), patches and embeddings below them
    decay^n."""
    depth = config.encoder.depth

    def scale(name: str) -> float:
        if not name.startswith("encoder.") or name.startswith("encoder.norm"):
            return 1.0
        if name.startswith("encoder.blocks."):
            return config.layer_decay ** (depth - 1 - int(name.split(".")[2]))
        return config.layer_decay**depth

    return scale


def build_segmenter(config: TransferConfig, image: int, classes: int, entries: int = 0) -> Segmenter:
    """A fresh model as the protocol has it; `entries`: size of the bank of a knn that is to be loaded."""
    encoder = build_encoder(config.encoder, image, config.seed)
    if config.protocol == "knn":
        return Segmenter(encoder, NeighbourHead(config.knn, config.encoder.dim, classes, entries))
    if config.protocol == "linear":
        head = LinearHead(config.encoder.dim, classes)
    else:
        head = SegmentationHead(config.encoder.dim, config.head, classes)
    head.initialise(torch.Generator().manual_seed(config.seed + 2))
    model = Segmenter(encoder, head, config.inputs)
    initialise(model.further, torch.Generator().manual_seed(config.seed + 3))
    return model


def load_segmenter(folder: Path) -> tuple[Segmenter, list[str], int]:
    """(model on the CPU, class names, image side [pixels]) of a finished transfer. Raises ValueError if it
    is not."""
    facts = read_json(folder / CONFIG_FILE)
    config = TransferConfig.model_validate(facts["transfer"])
    tensors, _ = load_tensors(folder / WEIGHTS_FILE)
    entries = len(tensors["head.keys"]) if config.protocol == "knn" else 0
    model = build_segmenter(config, facts["image"], len(facts["classes"]), entries)
    model.load_state_dict(tensors)
    return model.eval(), facts["classes"], facts["image"]
