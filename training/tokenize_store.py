"""Tokens of a store, computed once and kept beside the frames, so that pre-training reads tokens.

Parts of role `pretrain` are tokenized, or for the transfer mix-in those of role `transfer`, through views
that show no label.
"""

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from tqdm import tqdm

from engine.access import Unlabelled, unlabelled
from engine.store import ModalitySpec, Store
from training.optimiser import pick_device, use_threads
from training.tokenizer import load_tokenizer, token_array


def tokenize(
    store: Store | Path,
    modality: str,
    tokenizer: Path,
    threads: int = 0,
    device: str = "auto",
    batch: int = 256,
    role: Literal["pretrain", "transfer"] = "pretrain",
) -> dict[str, Any]:
    """Add the tokens of `modality` to every part of `role` that lacks them, as uint16 [grid, grid] per
    frame.

    Killed and run again, it goes on with the part it was at. Returns metrics; `array` names the tokens in
    the store. Raises ValueError when the tokenizer in the folder `tokenizer` is for another modality."""
    started = time.monotonic()
    use_threads(threads)
    model = load_tokenizer(tokenizer)
    if model.modality != modality:
        raise ValueError(f"{tokenizer} holds a tokenizer for {model.modality}, not for {modality}")
    model.to(pick_device(device))
    name = token_array(tokenizer)
    store = store if isinstance(store, Store) else Store.open(store)
    frames = unlabelled(store, role)
    done = 0
    bar = tqdm(total=len(frames), desc=f"tokens {modality}", unit="frame", mininterval=1.0)
    for part, ids in frames.parts().items():
        if not any(d.modality(name) for d in store.derived(part)):
            tokens = [
                _encode(model, frames, modality, range(i, min(i + batch, ids.stop)))
                for i in range(ids.start, ids.stop, batch)
            ]
            array = np.concatenate(tokens)
            spec = ModalitySpec(
                name, "uint16", array.shape[1:], f"index into {model.config.codes} codes", "token"
            )
            store.add_derived(part, name, {name: array}, [spec], config_hash=name.rsplit("_", 1)[1])
            done += len(ids)
        bar.update(len(ids))
    bar.close()
    seconds = time.monotonic() - started
    return {
        "array": name,
        "frames": len(frames),
        "wall_seconds": seconds,
        "samples_per_second": done / seconds,
    }


@torch.no_grad()
def _encode(model: Any, frames: Unlabelled, modality: str, ids: range) -> np.ndarray:
    images = frames.read(np.arange(ids.start, ids.stop), [modality])[modality]
    return model.encode(images).cpu().numpy().astype(np.uint16)
