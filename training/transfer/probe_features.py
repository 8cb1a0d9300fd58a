"""Features for probes of an encoder that is not trained: computed once per frame where nothing changes them.

Features are rounded to half precision, whether they are kept or computed anew for every batch."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from tqdm import tqdm

from engine.stream.augment import mirror
from engine.stream.stream import TicketReader
from training.common.optimiser import precision
from training.transfer.data import LabelledBatch, LabelledFrames, Sources, image_batches
from training.transfer.model import TaskModel
from training.transfer.task import Arrays

AT_ONCE = 128  # frames encoded together


class FeatureExtractor:
    """The encoder of a model, in evaluation mode and without gradients."""

    def __init__(self, model: TaskModel, device: torch.device, bf16: bool):
        self.model, self.device, self.bf16 = model, device, bf16
        model.encoder.eval()

    @torch.no_grad()
    def encode(self, images: Arrays) -> Float[Tensor, "b n d"]:
        """Half-precision features on the CPU of images as stored, by modality."""
        given = {name: torch.from_numpy(v).to(self.device) for name, v in images.items()}
        with precision(self.device, self.bf16):
            return self.model.features(given).half().cpu()

    def batches_in_order(
        self, source: LabelledFrames
    ) -> Iterator[tuple[LabelledBatch, Int64[np.ndarray, " b"]]]:
        """Images with their labels, and indices, of every frame once."""
        reader = TicketReader(source.frames, source.reads(self.model.inputs), AT_ONCE)
        for batch in tqdm(reader.evaluation(), desc="encode", unit="batch", mininterval=1.0):
            yield source.split(batch, self.model.inputs), batch["id"]

    def batches(
        self, sources: Sources, crop: float, flip: bool, seed: int, done: int, keep_gb: float
    ) -> Iterator[tuple[Float[Tensor, "b n d"], Arrays]]:
        """Features and labels, from the `done`-th batch on; what is random is a function of (seed, step).

        Kept in memory where nothing but mirrors changes a frame and all take no more than `keep_gb` [GB]."""
        if crop < 1 or sum(CachedFeatures.gigabytes(self.model, s, flip) for s, _ in sources) > keep_gb:
            for images, labels in image_batches(sources, self.model.inputs, crop, flip, seed, done):
                yield self.encode(images), labels
        cached = [CachedFeatures(self, source, flip) for source, _ in sources]
        ids = [_ids_of_batches(source, count, seed, done) for source, count in sources]
        for step in itertools.count(done):
            rng = np.random.default_rng((seed, step))
            parts = [k.take(next(i), rng) for k, i in zip(cached, ids, strict=True)]
            labels = {name: np.concatenate([part[name] for _, part in parts]) for name in parts[0][1]}
            yield torch.cat([f for f, _ in parts]), labels


class EncodedFrames:
    """Labels and features of a set of frames, as `Task.fit_head` takes them."""

    def __init__(self, extractor: FeatureExtractor, source: LabelledFrames):
        self.extractor, self.source = extractor, source

    def __len__(self) -> int:
        return len(self.source)

    def labels(self, at_once: int) -> Iterator[Arrays]:
        """Labels of all frames in order, so many frames at a time."""
        return self.source.labels(at_once)

    def features(self) -> Iterator[tuple[Int64[np.ndarray, " b"], Float[Tensor, "b n d"]]]:
        """Indices and features of all frames in order."""
        for batch, ids in self.extractor.batches_in_order(self.source):
            yield ids, self.extractor.encode(batch.images)


class CachedFeatures:
    """Features and labels of all frames of a source in memory, and with `flip` the features of their mirror
    images."""

    def __init__(self, extractor: FeatureExtractor, source: LabelledFrames, flip: bool):
        features, labels = [], []
        for batch, ids in extractor.batches_in_order(source):
            views = [batch.images]
            if flip:
                views.append(mirror(batch.images, np.ones(len(ids), dtype=bool)))
            features.append(torch.stack([extractor.encode(view) for view in views]))
            labels.append(batch.labels)
        self.features: Float[Tensor, "mirrors n patches d"] = torch.cat(features, dim=1)
        self.labels: Arrays = {name: np.concatenate([some[name] for some in labels]) for name in labels[0]}

    @staticmethod
    def gigabytes(model: TaskModel, source: LabelledFrames, flip: bool) -> float:
        """How much memory they take [GB]."""
        features = (1 + flip) * model.shape.grid**2 * model.shape.dim * 2
        (of_one,) = itertools.islice(source.labels(1), 1)
        return len(source) * (features + sum(v.nbytes for v in of_one.values())) / 1e9

    def take(
        self, ids: Int64[np.ndarray, " b"], rng: np.random.Generator
    ) -> tuple[Float[Tensor, "b patches d"], Arrays]:
        """Features and labels of these frames, mirrored half of the time where mirror images are kept."""
        mirrored = rng.integers(0, len(self.features), len(ids))
        features = self.features[torch.from_numpy(mirrored), torch.from_numpy(ids)]
        return features, mirror({name: v[ids] for name, v in self.labels.items()}, mirrored > 0)


def _ids_of_batches(
    source: LabelledFrames, batch: int, seed: int, done: int
) -> Iterator[Int64[np.ndarray, " b"]]:
    """Indices of the frames of each batch from the `done`-th on: the order in which images would be read."""
    reader = TicketReader(source.frames, ["rgb"], batch, seed=seed)
    for ticket, wanted in reader.order.from_batch(done):
        ids = reader.ids(ticket)
        for i in wanted:
            yield ids[i * batch : (i + 1) * batch]
