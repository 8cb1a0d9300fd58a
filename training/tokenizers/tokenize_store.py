"""Tokens of a store, computed once and kept beside the frames, so that pre-training reads tokens.

    tst tokenize --store STORE --tokenizers RGB DEPTH ... --crops.count 9

Parts of role `pretrain` are tokenized, or for the transfer mix-in those of role `transfer`, through views
that show no label. With crops, the boxes are kept beside the tokens (`training.tokenizers.token_crops`), and
pre-training with the same `crops` takes one of them for each sample.
"""

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int16, UInt16
from tqdm import tqdm

from engine.store.access import Frames, Unlabelled, UnlabelledRole, unlabelled
from engine.store.errors import PartExistsError
from engine.store.schema import ArrayOrigin, ExternalAccess
from engine.store.store import ModalitySpec, Store
from training.common.external_access import largest, sources_of_folder
from training.common.optimiser import pick_device, use_threads
from training.models.modality_transforms import MODALITY_TRANSFORMS
from training.tokenizers.image_tokenizer import ImageTokenizer
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.token_crops import WHOLE, TokenCropConfig, crop, draw_boxes


def tokenize(
    store: Store | Path,
    modality: str,
    tokenizer: Path,
    threads: int = 0,
    device: str = "auto",
    batch: int = 256,
    role: UnlabelledRole = "pretrain",
    crops: TokenCropConfig = WHOLE,
) -> dict[str, Any]:
    """Add the tokens of `modality` to every part of `role` that lacks them, per frame as uint16 [grid, grid]
    or [length], with an axis of crops before it where there are random ones, the whole frame first.

    Killed and run again, it goes on with the part it was at. Returns metrics; `array` names the tokens in
    the store. Raises ValueError when the tokenizer in the folder `tokenizer` is for another modality, and
    for crops of a sensed modality whose images are not as large as frames."""
    started = time.monotonic()
    use_threads(threads)
    model = load_tokenizer(tokenizer)
    if model.modality != modality:
        raise ValueError(f"{tokenizer} holds a tokenizer for {model.modality}, not for {modality}")
    model.to(pick_device(device))
    name = token_array(tokenizer, crops)
    store = store if isinstance(store, Store) else Store.open(store)
    frames = unlabelled(store, role)
    origin = _origin_of_tokens(frames.origin_of(modality), tokenizer)
    height, width = _frame_size(frames, modality, origin) if crops.count else (1, 1)
    done = 0
    bar = tqdm(total=len(frames), desc=f"tokens {modality}", unit="frame", mininterval=1.0)
    for part, ids in frames.parts().items():
        held = {m.name for d in store.derived(part) for m in d.modalities}
        boxes = draw_boxes(crops, part, len(ids), height, width)
        if crops.count and crops.array not in held:
            unit = "top, left, height, width [pixels], mirrored"
            spec = ModalitySpec(crops.array, "int16", boxes.shape[1:], unit, "camera")
            with suppress(PartExistsError):  # another modality, tokenized meanwhile, put the same boxes there
                store.add_derived(part, crops.array, {crops.array: boxes}, [spec], config_hash=crops.digest)
        if name not in held:
            cuts = [range(i, min(i + batch, ids.stop)) for i in range(ids.start, ids.stop, batch)]
            tokens = [_encode(model, frames, c, boxes[c.start - ids.start :][:batch], origin) for c in cuts]
            array = np.concatenate(tokens) if crops.count else np.concatenate(tokens)[:, 0]
            unit = f"index into {model.codes} codes"
            spec = ModalitySpec(name, "uint16", array.shape[1:], unit, "token", origin)
            store.add_derived(
                part, name, {name: array}, [spec], config_hash=name.removeprefix(f"tok_{modality}_")
            )
            done += len(ids)
        bar.update(len(ids))
    bar.close()
    seconds = time.monotonic() - started
    return {
        "array": name,
        "frames": len(frames),
        "crops": 1 + crops.count,
        "wall_seconds": seconds,
        "samples_per_second": done / seconds,
    }


def _origin_of_tokens(origin: ArrayOrigin | None, tokenizer: Path) -> ArrayOrigin | None:
    """That of what they are tokens of, with what the tokenizer knows besides."""
    if origin is None:
        return None
    own: list[ExternalAccess] = [s.external_access for s in sources_of_folder(tokenizer)]
    return replace(origin, external_access=largest([origin.external_access, *own]))


def check_tokens(view: Frames, tokenizer: Path, crops: TokenCropConfig = WHOLE) -> None:
    """Raises ValueError where frames lack the tokens of the tokenizer in a folder, of whole frames or of
    these crops, and says which they have."""
    wanted = token_array(tokenizer, crops)
    if wanted in view.modalities and (not crops.count or crops.array in view.modalities):
        return
    whole = token_array(tokenizer)
    held = [m.removeprefix(f"{whole}_") for m in view.modalities if m.startswith(f"{whole}_")]
    held = ["whole frames"] * (whole in view.modalities) + [f"crops {digest}" for digest in held]
    raise ValueError(
        f"{view.store_path} has no tokens of {tokenizer} ({wanted}) for all its frames of role {view.role}: "
        "tokenize it first"
        + (f", with crops {crops.model_dump_json()}" if crops.count else "")
        + (f"; those that it has are of {', '.join(held)}" if held else "")
    )


def _frame_size(frames: Unlabelled, modality: str, origin: ArrayOrigin | None) -> tuple[int, int]:
    """Height and width that crops are of. Raises ValueError where images of a sensed `modality` and of the
    first sensory modality differ in size."""
    if origin is not None:
        height, width, *_ = frames.frame_shape("rgb")
        return height, width
    height, width = frames.frame_shape(modality)[:2]
    for sensed in [m for m in MODALITY_TRANSFORMS if m in frames.modalities][:1]:
        tall, wide = frames.frame_shape(sensed)[:2]
        if (tall, wide) != (height, width):
            raise ValueError(
                f"crops are of frames of {tall}x{wide} px, and {modality} has {height}x{width}: "
                "tokenize it without crops"
            )
    return height, width


@torch.no_grad()
def _encode(
    model: ImageTokenizer,
    frames: Unlabelled,
    ids: range,
    boxes: Int16[np.ndarray, "n crops 5"],
    origin: ArrayOrigin | None,
) -> UInt16[np.ndarray, "n crops *places"]:
    images = frames.read(np.arange(ids.start, ids.stop), [model.modality])[model.modality]
    output = None if origin is None else origin.output
    height, width = boxes[0, 0, 2:4].tolist()  # the whole frame comes first
    random = [boxes[:, i] for i in range(1, boxes.shape[1])]
    every = [images, *(crop(images, box, model.modality, (height, width), output) for box in random)]
    return np.stack([model.encode(v).cpu().numpy().astype(np.uint16) for v in every], axis=1)
