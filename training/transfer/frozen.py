"""Probing a frozen encoder: its features, computed once per frame where nothing changes them.

Features are rounded to half precision, whether they are kept or computed anew for every batch."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from engine.stream.stream import Batch, TicketReader
from training.common.optimiser import precision
from training.models.knn import NeighbourConfig, NeighbourHead, choose_entries, patch_classes
from training.models.segmentation import Segmenter
from training.transfer.labelled import TRUTH, Labelled, Sources, image_batches

AT_ONCE = 128  # frames encoded together


class Frozen:
    """The encoder of a model, in evaluation mode and without gradients."""

    def __init__(self, model: Segmenter, device: torch.device, bf16: bool):
        self.model, self.device, self.bf16 = model, device, bf16
        model.encoder.eval()

    @torch.no_grad()
    def encode(self, images: Batch) -> Float[Tensor, "b n d"]:
        """Half-precision features on the CPU of what is in `images` beside the truth."""
        given = {name: torch.from_numpy(v).to(self.device) for name, v in images.items() if name != TRUTH}
        with precision(self.device, self.bf16):
            return self.model.features(given).half().cpu()

    def all_of(self, source: Labelled) -> Iterator[tuple[Batch, Int64[np.ndarray, " b"]]]:
        """Images with their truth, and ids, of every frame once, in order."""
        reader = TicketReader(source.frames, source.reads(self.model.inputs), AT_ONCE)
        for batch in tqdm(reader.evaluation(), desc="encode", unit="batch", mininterval=1.0):
            yield source.named(batch), batch["id"]

    def batches(
        self, sources: Sources, crop: float, flip: bool, seed: int, done: int, keep_gb: float
    ) -> Iterator[tuple[Float[Tensor, "b n d"], UInt8[Tensor, "b h w"]]]:
        """Features and classes, from the `done`-th batch on; what is random is a function of (seed, step).

        Kept in memory where nothing but mirrors changes a frame and all take no more than `keep_gb` [GB]."""
        if crop < 1 or sum(Kept.gigabytes(self.model, s, flip) for s, _ in sources) > keep_gb:
            for images in image_batches(sources, self.model.inputs, crop, flip, seed, done):
                yield self.encode(images), torch.from_numpy(images[TRUTH])
        kept = [Kept(self, source, flip) for source, _ in sources]
        ids = [_ids_of_batches(source, count, seed, done) for source, count in sources]
        for step in itertools.count(done):
            rng = np.random.default_rng((seed, step))
            parts = [k.take(next(i), rng) for k, i in zip(kept, ids, strict=True)]
            yield torch.cat([f for f, _ in parts]), torch.cat([t for _, t in parts])

    def neighbours(
        self, source: Labelled, config: NeighbourConfig, weight: Float[Tensor, " k"], seed: int
    ) -> NeighbourHead:
        """A bank of the patches of all frames, thinned out by lot."""
        encoder = self.model.encoder
        labels = np.concatenate(
            [patch_classes(t, encoder.config.patch, len(weight)) for t in source.truths(AT_ONCE)]
        )
        chosen = choose_entries(labels, config.entries, np.random.default_rng(seed))
        if not len(chosen):
            raise ValueError("no patch has a label other than void: nothing to compare with")
        frame, patch = np.divmod(chosen, labels.shape[1])
        keys = []
        for images, ids in self.all_of(source):
            here = slice(*np.searchsorted(frame, [ids[0], ids[-1] + 1]))
            keys.append(self.encode(images)[frame[here] - ids[0], patch[here]])
        head = NeighbourHead(config, encoder.config.dim, len(weight), len(chosen))
        head.fill(torch.cat(keys), torch.from_numpy(labels.ravel()[chosen]), weight)
        return head


class Kept:
    """Features and classes of all frames of a source in memory, and with `flip` the features of their mirror
    images."""

    def __init__(self, frozen: Frozen, source: Labelled, flip: bool):
        features, truth = [], []
        for images, _ in frozen.all_of(source):
            views = [images]
            if flip:
                views.append({name: np.ascontiguousarray(v[:, :, ::-1]) for name, v in images.items()})
            features.append(torch.stack([frozen.encode(view) for view in views]))
            truth.append(images[TRUTH])
        self.features: Float[Tensor, "mirrors n patches d"] = torch.cat(features, dim=1)
        self.truth: UInt8[Tensor, "n h w"] = torch.from_numpy(np.concatenate(truth))

    @staticmethod
    def gigabytes(model: Segmenter, source: Labelled, flip: bool) -> float:
        """How much memory they take."""
        patches, side = model.encoder.grid**2, model.encoder.grid * model.encoder.config.patch
        each = (1 + flip) * patches * model.encoder.config.dim * 2 + side * side
        return len(source.frames) * each / 1e9

    def take(
        self, ids: Int64[np.ndarray, " b"], rng: np.random.Generator
    ) -> tuple[Float[Tensor, "b patches d"], UInt8[Tensor, "b h w"]]:
        """Features and classes of these frames, mirrored half of the time where mirror images are kept."""
        some = torch.from_numpy(ids)
        mirrored = torch.from_numpy(rng.integers(0, len(self.features), len(ids)))
        truth = self.truth[some]
        return self.features[mirrored, some], torch.where(mirrored[:, None, None] > 0, truth.flip(2), truth)


def _ids_of_batches(source: Labelled, batch: int, seed: int, done: int) -> Iterator[Int64[np.ndarray, " b"]]:
    """Ids of the frames of each batch from the `done`-th on: the order in which images would be read."""
    reader = TicketReader(source.frames, ["rgb"], batch, seed=seed)
    for ticket, wanted in reader.order.from_batch(done):
        ids = reader.ids(ticket)
        for i in wanted:
            yield ids[i * batch : (i + 1) * batch]
