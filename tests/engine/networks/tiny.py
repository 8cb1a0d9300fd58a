"""A network of two convolutions, for tests of what runs networks: every kind of output, every way to fail."""

import hashlib
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from engine.networks.network import Network, NetworkConfig, Origin, Output, OutputKind

CLASSES = ("chair", "table", "lamp")


class TinyConfig(NetworkConfig):
    """Random weights; those of seed 1234 stand for trained ones."""

    kind: OutputKind = "features"
    channels: int = 4
    darkest: float = 0
    """Mean of the darkest frame that it takes."""
    dark: Literal["error", "nan", "class", "shape"] = "error"
    """What a darker frame gives."""
    most: int = 1000
    """Frames that it takes at a time."""
    threads: int = 0
    """Threads that it insists on; 0: any."""
    labelled: str = ""
    """Digest of a house whose labels it learned."""
    access: Literal["none", "pseudolabels"] = "pseudolabels"
    wait: float = 0
    """Seconds that a call takes at least."""

    def load(self, size: int) -> Network:
        """Raises ValueError where weights are a folder without weights."""
        seed, untrained = (self.seed, True) if self.weights == "untrained" else (1234, False)
        if self.weights not in ("trained", "untrained"):
            file = Path(self.weights) / "seed.txt"
            if not file.exists():
                raise ValueError(
                    f"{file} is missing: get it from https://example.org/tiny, or --weights untrained"
                )
            seed = int(file.read_text())
        return _Tiny(self, size, seed, untrained)


class _Tiny(Network):
    def __init__(self, config: TinyConfig, size: int, seed: int, untrained: bool):
        kind, channels = config.kind, config.channels
        shapes = {
            "features": ((size // 8, size // 8, channels), "float16", ()),
            "labels": ((size, size), "uint8", CLASSES),
            "edges": ((size, size), "uint8", ()),
            "depth": ((size, size), "uint16", ()),
            "boxes": ((2, 6), "float32", CLASSES),
            "vector": ((channels,), "float32", ()),
            "text": ((5,), "uint16", CLASSES),
        }
        shape, dtype, classes = shapes[kind]
        generator = torch.Generator().manual_seed(seed)
        self._weight = torch.randn(channels, 3, 8, 8, generator=generator) * 0.1
        digest = hashlib.sha256(self._weight.numpy().tobytes())
        digest.update(f"{kind} {size}".encode())
        self.output = Output(kind, shape, dtype, classes)
        self.origin = Origin(
            external_access="none" if untrained else config.access,
            source=f"untrained, seed {seed}" if untrained else f"tiny, {config.weights}",
            licence="" if untrained else "MIT",
            digest=digest.hexdigest(),
            labelled_houses=(config.labelled,) if config.labelled else (),
        )
        self._config = config

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        config = self._config
        time.sleep(config.wait)
        if len(rgb) > config.most:
            raise MemoryError(f"{len(rgb)} frames are too many")
        if config.threads and torch.get_num_threads() != config.threads:
            raise RuntimeError(f"{torch.get_num_threads()} threads")
        images = torch.from_numpy(rgb.astype(np.float32) / 255).permute(0, 3, 1, 2)
        maps = functional.conv2d(images, self._weight, stride=8).permute(0, 2, 3, 1).numpy()
        out = self._of_maps(maps, rgb.shape[1])
        dark = rgb.mean(axis=(1, 2, 3)) < config.darkest
        if dark.any():
            if config.dark == "error":
                raise RuntimeError("too dark")
            if config.dark == "shape":
                return out[..., :1]
            out[dark] = np.nan if config.dark == "nan" else len(CLASSES) + 1
        return out

    def _of_maps(self, maps: np.ndarray, size: int) -> np.ndarray:
        kind, dtype = self.output.kind, self.output.dtype
        cells = np.arange(size) * maps.shape[1] // size
        large = maps[:, cells][:, :, cells]
        if kind == "features":
            return maps.astype(dtype)
        if kind == "vector":
            return maps.mean(axis=(1, 2)).astype(dtype)
        if kind == "labels":
            return (large[..., : len(CLASSES)].argmax(axis=-1) + 1).astype(dtype)
        if kind == "edges":
            return np.clip(large[..., 0] * 255, 0, 255).astype(dtype)
        if kind == "depth":
            return np.clip(large[..., 0] * 1000 + 2000, 0, 60000).astype(dtype)
        if kind == "text":
            words = maps[..., : len(CLASSES)].mean(axis=1).argmax(axis=-1)[:, :4] + 1
            return np.pad(words, ((0, 0), (0, 5 - words.shape[1]))).astype(dtype)
        x, y = (1 / (1 + np.exp(-maps[..., i].mean(axis=(1, 2)))) for i in (0, 1))
        nothing = np.zeros_like(x)
        box = np.stack([x / 2, y / 2, x / 2 + 0.4, y / 2 + 0.4, nothing + 2, nothing + 0.7], axis=-1)
        return np.stack([box, np.zeros_like(box)], axis=1).astype(dtype)
