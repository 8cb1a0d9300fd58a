"""Transfer: tune an encoder and a fresh head to semantic segmentation, on labelled frames of other houses.

    tst transfer transfer.yaml

The encoder comes from a pre-training (TST-MM or TST-MAE: the same module) or from random weights (scratch).
Only `TransferFrames` are taken, which refuse the test space. Classes are the groups of the store's label
table; the group "void" is ignored."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import UInt8
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from engine.access import Frames, TransferFrames, UpperBoundFrames
from engine.stream import TicketReader
from training.checkpoint import CONFIG as CONFIG_FILE
from training.checkpoint import (
    METRICS,
    encoder_weights,
    load_tensors,
    load_training,
    read_json,
    save_model,
    save_training,
    write_json,
)
from training.checkpoint import WEIGHTS as WEIGHTS_FILE
from training.config import LoopConfig
from training.encoder import EncoderConfig, build_encoder
from training.metrics import VOID
from training.optimiser import (
    check_finite,
    clip,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    use_threads,
    warmup_cosine,
)
from training.segmentation import HeadConfig, Segmenter

STATE = "training.safetensors"


class TransferConfig(LoopConfig):
    encoder: EncoderConfig = EncoderConfig()
    """The encoder; must be that of the pre-training where there is one."""
    head: HeadConfig = HeadConfig()
    """The segmentation head."""
    samples: int = Field(default=16384, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    batch: int = Field(default=32, ge=1)
    """Images per step."""
    lr: float = Field(default=5e-4, gt=0)
    """Peak learning rate of the head and of the encoder's last block."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor of the learning rate from each encoder block to the one below it; 1: full rate everywhere."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Exponent of the inverse frequency by which a class's pixels weigh in the loss; 0: all pixels alike,
    0.5: a class a hundred times rarer weighs ten times as much."""
    flip: bool = True
    """Mirror half of the images left to right."""
    crop: float = Field(default=1.0, gt=0, le=1)
    """Smallest side of a random square crop, as a share of the image, scaled back to full size; 1: no
    crops."""
    seed: int = 0
    """Of head and scratch weights, augmentation and order."""


def class_table(frames: Frames) -> tuple[list[str], UInt8[np.ndarray, "256"]]:
    """Names of the classes (groups of the label table in order of appearance) and the map from label id to
    class.

    Void, and ids that are in no table, map to VOID.
    """
    names = [g for g in dict.fromkeys(row["group"] for row in frames.labels) if g != "void"]
    table = np.full(256, VOID, dtype=np.uint8)
    for row in frames.labels:
        if row["group"] != "void":
            table[row["id"]] = names.index(row["group"])
    return names, table


def transfer(
    config: TransferConfig, frames: TransferFrames, checkpoint: Path | None, out: Path
) -> dict[str, Any]:
    """Tune in `out` (or go on there) and return the metrics; `checkpoint`: folder of a pre-training, None
    for scratch.

    Raises ValueError when the encoder asked for is not the one that was pre-trained.
    """
    assert isinstance(frames, TransferFrames), "transfer sees frames of transfer spaces only"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    image = frames.frame_shape("rgb")[0]
    classes, table = class_table(frames)
    encoder = build_encoder(config.encoder, image, config.seed)
    if checkpoint is not None:
        trained = EncoderConfig.model_validate(read_json(checkpoint / CONFIG_FILE)["pretrain"]["encoder"])
        if trained != config.encoder:
            raise ValueError(
                f"{checkpoint} holds {trained!r}, the transfer asks for {config.encoder!r}: make them equal"
            )
        encoder.load_state_dict(encoder_weights(checkpoint))
    model = Segmenter(encoder, config.head, len(classes), config.seed).to(device)
    optimiser = make_adamw(model, config.weight_decay, _rate_scale(config))
    done, curve, recent, seconds = 0, [], [], 0.0
    if (out / STATE).exists():
        facts = load_training(out / STATE, model, optimiser)
        done, curve, recent, seconds = (facts[k] for k in ("step", "curve", "recent", "seconds"))
    run = torch.compile(model) if config.compile else model
    parameters = list(model.parameters())
    weight = class_weights(frames, table, len(classes), config.balance).to(device)
    batches = TicketReader(frames, ["rgb", "semantic"], config.batch, seed=config.seed).batches(done)
    every = max(1, config.steps // 100)
    fresh_start, waited = time.monotonic(), 0.0
    bar = tqdm(
        range(done, config.steps),
        initial=done,
        total=config.steps,
        desc="transfer",
        unit="step",
        mininterval=1.0,
    )
    for step in bar:
        asked = time.monotonic()
        arrays = next(batches)
        waited += time.monotonic() - asked
        rng = np.random.default_rng((config.seed, step))
        rgb, truth = augment(arrays["rgb"], table[arrays["semantic"]], config, rng)
        rgb, truth = rgb.to(device), truth.to(device)
        set_rate(optimiser, warmup_cosine(step, config.steps, int(config.warmup * config.steps), config.lr))
        with precision(device, config.bf16):
            logits = run(rgb)
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
            save_training(out / STATE, model, optimiser, facts)
    this_time = time.monotonic() - fresh_start
    metrics = {
        "loss": curve[-1][1],
        "curve": curve,
        "steps": config.steps,
        "frames": len(frames),
        "classes": classes,
        "from": "scratch" if checkpoint is None else str(checkpoint),
        "wall_seconds": seconds + time.monotonic() - started,
        "samples_per_second": (config.steps - done) * config.batch / this_time,
        "data_wait_seconds": waited,
        "parameters": sum(p.numel() for p in parameters),
        "threads": threads,
        "device": str(device),
        "frames_digest": frames.digest(),
    }
    labelled = [
        {"id": s.id, "house_digest": s.house_digest, "layout_digest": s.layout_digest} for s in frames.spaces
    ]
    facts = {"transfer": config.model_dump(mode="json"), "image": image, "classes": classes}
    upper_bound = isinstance(frames, UpperBoundFrames)
    save_model(out, model, {**facts, "labelled_spaces": labelled, "upper_bound": upper_bound})
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)
    return metrics


def class_weights(
    frames: TransferFrames, table: UInt8[np.ndarray, "256"], classes: int, balance: float
) -> Tensor:
    """Weight of each class, float32 [classes]: frequency^-balance, scaled so that the mean pixel weighs 1.

    A class that no frame shows weighs as much as one with a single pixel; it has none to weigh.
    """
    counts = np.zeros(256, dtype=np.int64)
    for first in range(0, len(frames), 512):
        ids = np.arange(first, min(first + 512, len(frames)))
        counts += np.bincount(table[frames.read(ids, ["semantic"])["semantic"]].ravel(), minlength=256)
    share = np.maximum(counts[:classes], 1) / max(1, counts[:classes].sum())
    weight = share**-balance
    return torch.from_numpy(weight / (share * weight).sum()).float()


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


def augment(
    rgb: UInt8[np.ndarray, "b h w 3"],
    truth: UInt8[np.ndarray, "b h w"],
    config: TransferConfig,
    rng: np.random.Generator,
) -> tuple[UInt8[Tensor, "b h w 3"], Tensor]:
    """Random mirrors and crops, the same for image (bilinear) and classes (nearest). Returns uint8 and
    int64 tensors."""
    flip = rng.random(len(rgb)) < 0.5 if config.flip else np.zeros(len(rgb), dtype=bool)
    images, classes = torch.from_numpy(rgb), torch.from_numpy(truth)
    if flip.any():
        chosen = torch.from_numpy(flip)[:, None, None]
        images = torch.where(chosen[..., None], images.flip(2), images)
        classes = torch.where(chosen, classes.flip(2), classes)
    if config.crop < 1:
        side = rng.uniform(config.crop, 1.0, len(rgb))
        shift = (rng.random((len(rgb), 2)) * 2 - 1) * (1 - side)[:, None]
        matrix = torch.zeros(len(rgb), 2, 3)
        matrix[:, 0, 0] = matrix[:, 1, 1] = torch.from_numpy(side)
        matrix[:, :, 2] = torch.from_numpy(shift)
        grid = F.affine_grid(matrix, [len(rgb), 1, *rgb.shape[1:3]], align_corners=False)
        sampled = F.grid_sample(
            images.permute(0, 3, 1, 2).float(),
            grid,
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        images = sampled.round().byte().permute(0, 2, 3, 1)
        nearest = F.grid_sample(
            classes[:, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
        )
        classes = nearest[:, 0]
    return images, classes.long()


def load_segmenter(folder: Path) -> tuple[Segmenter, list[str], int]:
    """(model on the CPU, class names, image side [pixels]) of a finished transfer. Raises ValueError if it
    is not."""
    facts = read_json(folder / CONFIG_FILE)
    config = TransferConfig.model_validate(facts["transfer"])
    encoder = build_encoder(config.encoder, facts["image"], config.seed)
    model = Segmenter(encoder, config.head, len(facts["classes"]), config.seed)
    model.load_state_dict(load_tensors(folder / WEIGHTS_FILE)[0])
    return model.eval(), facts["classes"], facts["image"]
