"""Batches for the model out of frames and masks: what is seen and what is predicted, and nothing else.

`pack_frames` takes arrays of a store and a mask drawn by `training.pretrain.multimodal.masking`, and draws
the spans of sequences; `pack_samples` takes samples in the form that 4M's loaders give (Mizrahi et al.,
arXiv:2312.06647). Both run on the CPU in numpy and give torch tensors
(`training.models.multimodal.PackedBatch`)."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Bool, Int, Integer, Shaped
from torch import Tensor

from training.models.encoder import patchify
from training.models.modality import TokenSpec, slot_modality_ids, starts_of
from training.models.multimodal import PackedBatch
from training.pretrain.multimodal.masking import Mask
from training.pretrain.multimodal.spans import draw_spans
from training.pretrain.objective import Arrays


def pack_frames(
    arrays: Arrays,
    mask: Mask,
    specs: tuple[TokenSpec, ...],
    patch: int,
) -> PackedBatch:
    """Batch of frames: `arrays` holds "rgb", uint8 [f, h, w, 3], and the tokens of each modality, [f, height,
    width] of a grid and [f, length] of a sequence, padded with 0.

    The mask may have several rows for a frame, one after another (repeated sampling). Its rows have places
    for the tokens of sequences behind those of grids; a frame may have fewer than the mask has drawn."""
    frames = len(arrays["rgb"])
    assert len(mask.inputs) % frames == 0
    repeats = len(mask.inputs) // frames
    modality_ids, starts = slot_modality_ids(specs), starts_of(specs)
    sequences = draw_sequences(arrays, mask, specs)
    if sequences:
        mask = _with_sequences(mask, sequences, starts)
    content, rows = {}, []
    of_input = _modalities_at(mask.inputs, mask.input_valid, modality_ids)
    of_target = _modalities_at(mask.targets, mask.target_valid, modality_ids)
    truth, target_rows, before = {}, {}, {}
    for number, spec in enumerate(specs):
        at, drawn = np.flatnonzero(of_input == number), sequences.get(number)
        where = (at // mask.inputs.shape[1] // repeats, mask.inputs.ravel()[at] - starts[number])
        if spec.pixels:
            patches = patchify(torch.from_numpy(arrays["rgb"]), patch)
            content[spec.name] = patches[torch.from_numpy(where[0]), torch.from_numpy(where[1])]
        elif drawn is not None:
            content[spec.name] = _ids(_joined(seen for seen, _ in drawn))
        else:
            content[spec.name] = _ids(arrays[spec.array].reshape(frames, -1)[where])
        rows.append(at)
        if spec.predicted:
            at = np.flatnonzero(of_target == number)
            where = (at // mask.targets.shape[1] // repeats, mask.targets.ravel()[at] - starts[number])
            target_rows[spec.name] = torch.from_numpy(at)
            if drawn is not None:
                truth[spec.name] = _ids(_joined(wanted[1:] for _, wanted in drawn))
                before[spec.name] = _ids(_joined(wanted[:-1] for _, wanted in drawn))
            else:
                truth[spec.name] = _ids(arrays[spec.array].reshape(frames, -1)[where])
    batch: PackedBatch = {
        "inputs": torch.from_numpy(mask.inputs),
        "targets": torch.from_numpy(mask.targets),
        "content": content,
        "input_rows": torch.from_numpy(np.concatenate(rows)),
        "truth": truth,
        "target_rows": target_rows,
    }
    if before:
        batch["shown"] = before
    if not mask.input_valid.all():
        batch["input_valid"] = torch.from_numpy(mask.input_valid)
    if not mask.target_valid.all():
        batch["target_valid"] = torch.from_numpy(mask.target_valid)
    return batch


Spans = tuple[Int[np.ndarray, " _i"], Int[np.ndarray, " _t"]]
"""What is seen of a sequence, and what is predicted one token after another, the first of them shown."""


def draw_sequences(arrays: Arrays, mask: Mask, specs: tuple[TokenSpec, ...]) -> dict[int, list[Spans]]:
    """Of each sequence, by its number among `specs`, the spans of every sample: a pure function of the tokens
    and of the mask's `spans`. Of a frame without any token nothing is seen or predicted."""
    numbers = [number for number, spec in enumerate(specs) if spec.kind == "sequence"]
    found: dict[int, list[Spans]] = {}
    for place, number in enumerate(numbers):
        assert mask.spans is not None
        spec, drawn = specs[number], mask.spans[:, place].tolist()
        tokens = arrays[spec.array].astype(np.int64)
        repeats = len(drawn) // len(tokens)
        found[number] = []
        for sample, (inputs, targets, seed) in enumerate(drawn):
            own = tokens[sample // repeats]
            chunks = own[own > 0].reshape(-1, spec.chunk).tolist()
            # One target is shown and not predicted: the budget is of those that are predicted.
            both = (
                draw_spans(chunks, inputs, targets + 1, np.random.default_rng(seed)) if chunks else ([], [])
            )
            found[number].append((np.array(both[0], np.int64), np.array(both[1], np.int64)))
    return found


def _with_sequences(mask: Mask, sequences: dict[int, list[Spans]], starts: Int[np.ndarray, " m"]) -> Mask:
    """The mask with the slots of sequences behind those of grids, sample by sample."""
    inputs, targets = mask.inputs.copy(), mask.targets.copy()
    input_valid, target_valid = mask.input_valid.copy(), mask.target_valid.copy()
    for sample in range(len(inputs)):
        seen, wanted = int(input_valid[sample].sum()), int(target_valid[sample].sum())
        for number, drawn in sequences.items():
            of_input, of_target = len(drawn[sample][0]), max(0, len(drawn[sample][1]) - 1)
            inputs[sample, seen : seen + of_input] = starts[number] + np.arange(of_input)
            targets[sample, wanted : wanted + of_target] = starts[number] + np.arange(of_target)
            seen, wanted = seen + of_input, wanted + of_target
        input_valid[sample, :seen], target_valid[sample, :wanted] = True, True
    return Mask(inputs, targets, input_valid, target_valid)


def _joined(parts: Iterable[Int[np.ndarray, " _k"]]) -> Int[np.ndarray, " k"]:
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _modalities_at(
    slots: Int[np.ndarray, "b n"], valid: Bool[np.ndarray, "b n"], modality_ids: Int[np.ndarray, " slots"]
) -> Int[np.ndarray, " places"]:
    return np.where(valid, modality_ids[slots], -1).ravel()


def _ids(values: Integer[np.ndarray, " k"]) -> Int[Tensor, " k"]:
    return torch.from_numpy(values.astype(np.int64))


Samples = dict[str, dict[str, Shaped[Tensor, "b ..."]]]
"""Fields of b samples by modality, as 4M's loaders give them."""


def pack_samples(
    samples: Samples,
    specs: tuple[TokenSpec, ...],
    patch: int,
    inputs: int,
    targets: int,
) -> PackedBatch:
    """Batch of `inputs` and `targets` places a sample, padded where a sample has fewer and cut, last
    modality first, where it has more.

    `samples[modality]` holds, for b samples of n places (a sequence: its tokens to see, then anywhere after
    them its tokens to predict):

    - tensor: ids [b, n]; vectors [b, n, w]; of RGB float pixels [b, 3, h, w], normalised already
    - input_mask, target_mask: bool [b, n], false at what is seen, and at what is predicted
    - decoder_attention_mask: int [b, n]; on a grid the number of targets, at the first of them and 0
      elsewhere; in a sequence 1 at every target

    A sequence's token at a target predicts the one after it. Padded places come out as in 4M: they still
    look at the targets of the modality they were taken from."""
    seen, wanted = _candidates(samples, specs, patch)
    seen.keep(inputs)
    wanted.keep(targets)
    batch: PackedBatch = {
        "inputs": torch.from_numpy(seen.slots),
        "targets": torch.from_numpy(wanted.slots),
        "content": {},
        "truth": {},
        "target_rows": {},
        "shown": {},
    }
    rows = []
    for number, spec in enumerate(specs):
        at, values, _ = seen.of(number)
        batch["content"][spec.name] = torch.from_numpy(values)
        rows.append(at)
        if spec.predicted:
            at, values, before = wanted.of(number)
            batch["truth"][spec.name] = torch.from_numpy(values)
            batch["target_rows"][spec.name] = torch.from_numpy(at)
            if spec.kind == "sequence":
                batch["shown"][spec.name] = torch.from_numpy(before)
    batch["input_rows"] = torch.from_numpy(np.concatenate(rows))
    if not seen.valid.all():
        batch["input_valid"] = torch.from_numpy(seen.valid)
    if not wanted.valid.all():
        batch["target_valid"] = torch.from_numpy(wanted.valid)
        batch["target_modality_ids"] = torch.from_numpy(wanted.number)
        batch["target_reach"] = torch.from_numpy(np.cumsum(wanted.reach, axis=1))
    return batch


def _candidates(samples: Samples, specs: tuple[TokenSpec, ...], patch: int) -> tuple["_Line", "_Line"]:
    """What may be seen and what may be predicted of samples, modality after modality."""
    starts = starts_of(specs)
    seen, wanted = _Line(), _Line()
    for number, spec in enumerate(specs):
        fields = {k: v.numpy() for k, v in samples[spec.name].items()}
        taken = ~fields["input_mask"].astype(bool)
        values = fields["tensor"]
        if spec.pixels:
            values = patchify(samples[spec.name]["tensor"].permute(0, 2, 3, 1), patch).numpy()
        seen.add(number, starts[number] + _place(spec, taken), taken, values)
        if spec.predicted:
            taken = ~fields["target_mask"].astype(bool)
            slots = starts[number] + _place(spec, taken)
            reach = fields["decoder_attention_mask"]
            if spec.kind == "sequence":
                both = taken[:, 1:] & taken[:, :-1]
                wanted.add(number, slots[:, :-1], both, values[:, 1:], values[:, :-1], reach[:, :-1])
            else:
                wanted.add(number, slots, taken, values, reach=reach)
    return seen, wanted


def _place(spec: TokenSpec, taken: Bool[np.ndarray, "b n"]) -> Int[np.ndarray, "b n"]:
    """Place within the modality: where it stands on a grid, which of those taken it is in a sequence."""
    if spec.kind == "grid":
        return np.broadcast_to(np.arange(taken.shape[1]), taken.shape)
    return np.maximum(np.cumsum(taken, axis=1) - 1, 0)


Values = Shaped[np.ndarray, "b n *w"]


class _Line:
    """Candidates of all modalities, of which the taken ones are kept, in order, up to a budget."""

    def __init__(self) -> None:
        self.values: dict[int, tuple[Values, Values]] = {}
        self.parts: list[Int[np.ndarray, "5 b n"]] = []  # number, slot, taken, reach, index

    def add(
        self,
        number: int,
        slots: Int[np.ndarray, "b n"],
        taken: Bool[np.ndarray, "b n"],
        values: Values,
        before: Values | None = None,
        reach: Int[np.ndarray, "b n"] | None = None,
    ) -> None:
        index = np.broadcast_to(np.arange(slots.shape[1]), slots.shape)
        reach = np.zeros_like(slots) if reach is None else reach
        self.parts.append(np.stack([np.full_like(slots, number), slots, taken, reach, index]))
        self.values[number] = (values, values if before is None else before)

    def keep(self, budget: int) -> None:
        line = np.concatenate(self.parts, axis=2)
        order = np.argsort(1 - line[2], axis=1, kind="stable")[:, :budget]
        self.number, slots, taken, self.reach, self.index = np.take_along_axis(line, order[None], axis=2)
        self.valid = taken.astype(bool)
        self.slots = np.where(self.valid, slots, 0)

    def of(
        self, number: int
    ) -> tuple[Int[np.ndarray, " k"], Shaped[np.ndarray, "k *w"], Shaped[np.ndarray, "k *w"]]:
        """(rows among all places, values, values before) of what is kept of a modality."""
        at = np.flatnonzero(self.valid & (self.number == number))
        where = (at // self.slots.shape[1], self.index.ravel()[at])
        values, before = self.values[number]
        return at, values[where], before[where]
