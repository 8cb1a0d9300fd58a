"""The same frames through other loaders: torch's DataLoader, WebDataset, LitData.

Each maker writes the format that its loader reads, where that is not the store, and returns a function that
yields the batch sizes of an epoch. Formats are those in common use: PNG or plain arrays in tar files for
WebDataset, arrays in binary chunks for LitData, all lossless. Raises ImportError where a loader is not
installed.
"""

import importlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Shaped

from engine.store.access import Frames

Arrays = Mapping[str, Shaped[np.ndarray, "n ..."]]
Frame = dict[str, Shaped[np.ndarray, "..."]]
Way = Callable[[int], Iterator[int]]
_SHARD = 2048  # frames in a tar file; the store's parts have as many


class _OverStore:
    """A map-style data set over a view, read in batches as the DataLoader's fetcher allows."""

    def __init__(self, frames: Frames, modalities: Sequence[str]):
        self.frames, self.modalities = frames, modalities

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Frame:
        return {name: v[0] for name, v in self.frames.read([index], self.modalities).items()}

    def __getitems__(self, indices: list[int]) -> Arrays:
        return self.frames.read(indices, self.modalities)


def _torch_loader(shuffle: bool) -> Callable[..., Way]:
    def make(frames: Frames, modalities: Sequence[str], batch: int, workers: int, folder: Path) -> Way:
        loader = importlib.import_module("torch.utils.data").DataLoader(
            _OverStore(frames, modalities),
            batch_size=batch,
            shuffle=shuffle,
            num_workers=workers,
            collate_fn=_as_tensors,
            multiprocessing_context="spawn"
            if workers
            else None,  # threads of the store do not survive a fork
        )
        return lambda epoch: (len(b[modalities[0]]) for b in loader)

    return make


def _as_tensors(values: Arrays) -> dict[str, Any]:
    torch = importlib.import_module("torch")
    return {name: torch.from_numpy(v) for name, v in values.items()}


def _write_tar(values: Arrays, path: Path, png: bool) -> None:
    wds = importlib.import_module("webdataset")
    with wds.TarWriter(str(path)) as writer:
        for row in range(len(next(iter(values.values())))):
            sample = {_key(name, v, png): _encoded(v[row], png) for name, v in values.items()}
            writer.write({"__key__": f"{row:08d}", **sample})


def _write_chunks(blocks: Iterable[Arrays], folder: Path) -> None:
    writer = importlib.import_module("litdata.streaming.writer").BinaryWriter(str(folder), chunk_bytes="64MB")
    number = 0
    for values in blocks:
        for row in range(len(next(iter(values.values())))):
            writer[number] = {name: np.ascontiguousarray(v[row]) for name, v in values.items()}
            number += 1
    writer.done()
    writer.merge(1)


def _blocks(frames: Frames, modalities: Sequence[str]) -> Iterator[Arrays]:
    for first in range(0, len(frames), _SHARD):
        yield frames.read(range(first, min(first + _SHARD, len(frames))), modalities)


def _webdataset(png: bool) -> Callable[..., Way]:
    def make(frames: Frames, modalities: Sequence[str], batch: int, workers: int, folder: Path) -> Way:
        wds = importlib.import_module("webdataset")
        place = folder / f"webdataset-{'png' if png else 'npy'}"
        place.mkdir()
        urls = []
        for number, values in enumerate(_blocks(frames, modalities)):
            urls.append(str(place / f"{number:06d}.tar"))
            _write_tar(values, Path(urls[-1]), png)

        def epoch(number: int) -> Iterator[int]:
            data = wds.WebDataset(urls, shardshuffle=len(urls), seed=number, empty_check=False)
            data = data.shuffle(_SHARD // 2).map(_decoded).batched(batch, collation_fn=_stacked)
            processes = min(workers, len(urls))
            loader = wds.WebLoader(
                data,
                batch_size=None,
                num_workers=processes,
                multiprocessing_context="spawn" if processes else None,
            )
            return (len(b[modalities[0]]) for b in loader)

        return epoch

    return make


def _key(name: str, values: Shaped[np.ndarray, "n ..."], png: bool) -> str:
    image = values.ndim in (3, 4) and values.dtype in (np.uint8, np.uint16)
    return f"{name}.{'png' if png and image else 'npy'}"


def _encoded(value: Shaped[np.ndarray, "..."], png: bool) -> bytes:
    if png and value.ndim in (2, 3) and value.dtype in (np.uint8, np.uint16):
        return cv2.imencode(".png", value)[1].tobytes()
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def _decoded(sample: dict[str, Any]) -> Frame:
    out = {}
    for key, data in sample.items():
        name, _, kind = key.partition(".")
        if kind == "png":
            out[name] = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        elif kind == "npy":
            out[name] = np.load(io.BytesIO(data))
    return out


def _stacked(samples: list[Frame]) -> dict[str, Any]:
    return _as_tensors(
        {name: np.stack([s[name] for s in samples]) for name in samples[0] if name[:2] != "__"}
    )


def _litdata(frames: Frames, modalities: Sequence[str], batch: int, workers: int, folder: Path) -> Way:
    lit = importlib.import_module("litdata")
    place = folder / "litdata"
    _write_chunks(_blocks(frames, modalities), place)

    def epoch(number: int) -> Iterator[int]:
        data = lit.StreamingDataset(str(place), shuffle=True, seed=number)
        loader = lit.StreamingDataLoader(data, batch_size=batch, num_workers=workers)
        return (len(b[modalities[0]]) for b in loader)

    return epoch


PEERS: dict[str, Callable[..., Way]] = {
    "torch DataLoader, shuffled": _torch_loader(True),
    "torch DataLoader, in order": _torch_loader(False),
    "WebDataset, PNG": _webdataset(True),
    "WebDataset, npy": _webdataset(False),
    "LitData": _litdata,
}

WRITERS: dict[str, Callable[[Arrays, Path], None]] = {
    "WebDataset, PNG": lambda values, path: _write_tar(values, path, png=True),
    "WebDataset, npy": lambda values, path: _write_tar(values, path, png=False),
    "LitData": lambda values, path: _write_chunks([values], path),
}
