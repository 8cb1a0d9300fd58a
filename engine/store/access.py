"""Guarded views of a store: a view cannot return what its stage must not see.

A view holds frames of one role, checks the role at every read, and:

* `PretrainFrames` never returns a label;
* `UnlabelledTransferFrames`, for mixing into pre-training, never returns a label of other spaces either;
* `TransferFrames` must be given the test spaces, and raises if one of its own is among them, by id or by
  digest of the house;
* `EvalFrames` is for evaluation.

`engine/store/held_out.py` checks that a model has seen no pose or label of its evaluation before.

No view spans roles, and no function here iterates over a whole store.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Int64, Shaped

from engine.store.errors import LeakError, MissingModalityError
from engine.store.schema import ArrayOrigin, FrameRange, LabelRow, ModalitySpec, Role, Space
from engine.store.store import Store


@dataclass(frozen=True)
class Chunk:
    """Consecutive ids whose frames are decoded together: at most one inner chunk of the store."""

    first: int
    count: int


class Frames:
    """Frames of one role. Ids count from 0 in the order of the store's runs. Pickles."""

    role: ClassVar[Role]

    def __init__(self, store: Store | Path | str, spaces: Iterable[Space | str] | None = None):
        """`spaces` narrows the view to these (ids). Raises ValueError if it would be empty."""
        self._store = store if isinstance(store, Store) else Store.open(store)
        wanted = None if spaces is None else {s if isinstance(s, str) else s.id for s in spaces}
        self._store.check_whole(self.role)
        runs = [r for r in self._store.runs if r.role == self.role]
        held = {r.space for r in runs}
        if wanted is not None and wanted - held:
            raise ValueError(
                f"{self._store.path} has no {self.role} frames of {sorted(wanted - held)}; it has them of "
                f"{sorted(held)[:8]}"
            )
        self._runs: tuple[FrameRange, ...] = tuple(r for r in runs if wanted is None or r.space in wanted)
        if not self._runs:
            raise ValueError(f"{self._store.path} has no frames of role {self.role!r}: collect some")
        self._starts = np.cumsum([0, *(r.count for r in self._runs)])
        self._check_role(range(len(self._runs)))

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def labels(self) -> tuple[LabelRow, ...]:
        """The classes behind the indices of `semantic`."""
        return self._store.labels

    @property
    def spaces(self) -> tuple[Space, ...]:
        """The spaces of this view, as their collections described them."""
        ids = {r.space for r in self._runs}
        parts = {r.part for r in self._runs}
        found = {s: None for p in parts for s in self._store.part(p).spaces if s.id in ids}
        return tuple(sorted(found, key=lambda s: (s.id, repr(s))))

    @property
    def modalities(self) -> tuple[str, ...]:
        """What every frame of the view has and may show."""
        common: dict[str, int] = {}
        parts = {r.part for r in self._runs}
        for part in parts:
            for manifest in (self._store.part(part), *self._store.derived(part)):
                for spec in manifest.modalities:
                    if self._allowed(spec.kind):
                        common[spec.name] = common.get(spec.name, 0) + 1
        return tuple(m.name for m in self._store.modalities if common.get(m.name) == len(parts))

    @property
    def store_modalities(self) -> tuple[ModalitySpec, ...]:
        """What the store knows of, whether every frame of the view has it and may show it or not."""
        return self._store.modalities

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Of a view on its own, every frame weighs the same. `engine/stream/mixture.py` weighs views."""
        return None

    @property
    def seeds(self) -> tuple[list[dict[str, Any]], ...]:
        """What each part of the view was made from, as its maker wrote it."""
        return tuple(self._store.part(part).seeds for part in sorted({r.part for r in self._runs}))

    @property
    def store_path(self) -> Path:
        """Where the store is."""
        return self._store.path

    def frame_shape(self, modality: str) -> tuple[int, ...]:
        """Shape of one frame. Raises MissingModalityError, LeakError."""
        self._check_modalities([modality])
        return next(m.shape for m in self._store.modalities if m.name == modality)

    def origin_of(self, modality: str) -> ArrayOrigin | None:
        """The network that made an array, or that made what its tokens are of; None: no network had a part in
        it. Raises MissingModalityError, LeakError, ValueError where parts differ in it."""
        self._check_modalities([modality])
        manifests = [d for p in {r.part for r in self._runs} for d in self._store.derived(p)]
        origins = {spec.origin for d in manifests if (spec := d.modality(modality))}
        if len(origins) > 1:
            raise ValueError(f"{self._store.path}: different networks made {modality!r}: remove those of one")
        return origins.pop() if origins else None

    def parts(self) -> dict[str, range]:
        """Ids by part, for those parts that the view holds whole: what can be tokenized and written back."""
        ids: dict[str, range] = {}
        for run, first in zip(self._runs, self._starts[:-1].tolist(), strict=True):
            start = ids[run.part].start if run.part in ids else first
            ids[run.part] = range(start, first + run.count)
        return {p: r for p, r in ids.items() if len(r) == self._store.part(p).frames}

    def chunks(self) -> list[Chunk]:
        """The view cut where the store's chunks end, in order of ids."""
        size = self._store.facts.chunk_frames
        cuts: list[Chunk] = []
        place: tuple[str, int] | None = None  # part and chunk of the last cut
        end = -1  # frame in the part where the last cut ended
        for run, first in zip(self._runs, self._starts[:-1].tolist(), strict=True):
            at = run.start
            while at < run.start + run.count:
                stop = min((at // size + 1) * size, run.start + run.count)
                here = (run.part, at // size)
                if here == place and at == end:  # two runs share a chunk
                    cuts[-1] = Chunk(cuts[-1].first, cuts[-1].count + stop - at)
                else:
                    cuts.append(Chunk(first + at - run.start, stop - at))
                place, end, at = here, stop, stop
        return cuts

    @property
    def runs(self) -> tuple[tuple[str, int, int], ...]:
        """Frames of one space whose ids follow each other: the space's id, the first id and their number."""
        firsts = self._starts[:-1].tolist()
        return tuple((run.space, first, run.count) for run, first in zip(self._runs, firsts, strict=True))

    def space_of(self, ids: Sequence[int] | Int64[np.ndarray, " n"]) -> list[str]:
        """Id of the space that each frame is of."""
        run_of = np.searchsorted(self._starts, np.asarray(ids, dtype=np.int64), side="right") - 1
        return [self._runs[i].space for i in run_of.tolist()]

    def digest(self) -> str:
        """sha256 of which frames the view shows and of every byte behind them, hex."""
        digest = hashlib.sha256(self.role.encode())
        for run in self._runs:
            seal = self._store.part(run.part).seal
            digest.update(f"{run.space} {run.part} {run.start} {run.count} {seal}\n".encode())
        return digest.hexdigest()

    def read(
        self, ids: Sequence[int] | Int64[np.ndarray, " n"], modalities: Sequence[str]
    ) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """Frames by id, in any order, repeats too, by modality, rows in the order of `ids`.

        Raises LeakError, IndexError, MissingModalityError, DamagedPartError.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"ids run from 0 to {len(self) - 1}, asked for {wanted.min()} to {wanted.max()}")
        self._check_modalities(modalities)
        run_of = np.searchsorted(self._starts, wanted, side="right") - 1
        touched = np.unique(run_of)
        self._check_role(touched)
        starts = np.asarray([r.start for r in self._runs])
        frame = starts[run_of] + wanted - self._starts[run_of]
        by_part: dict[str, list[int]] = {}
        for index in touched.tolist():
            by_part.setdefault(self._runs[index].part, []).append(index)
        groups = [(part, np.flatnonzero(np.isin(run_of, runs))) for part, runs in by_part.items()]
        waits = [
            (name, rows, self._store.reader(part, name).start(name, frame[rows]))
            for part, rows in groups
            for name in modalities
        ]
        out: dict[str, np.ndarray] = {}
        for name, rows, wait in waits:
            values = wait()
            if len(groups) == 1:
                out[name] = values
                continue
            if name not in out:
                out[name] = np.empty((len(wanted), *values.shape[1:]), values.dtype)
            out[name][rows] = values
        if not groups:
            shapes = {m.name: m for m in self._store.modalities}
            return {m: np.empty((0, *shapes[m].shape), shapes[m].dtype) for m in modalities}
        return out

    def _allowed(self, kind: str) -> bool:
        return True

    def _check_modalities(self, modalities: Sequence[str]) -> None:
        specs = {m.name: m for m in self._store.modalities}
        for name in modalities:
            if name not in specs:
                raise MissingModalityError(
                    f"{self._store.path} has no modality {name!r}, only {', '.join(specs)}"
                )
            if not self._allowed(specs[name].kind):
                raise LeakError(f"{type(self).__name__} gives no {specs[name].kind}s, and {name!r} is one")

    def _check_role(self, runs: Iterable[int]) -> None:
        for index in runs:
            run = self._runs[index]
            if run.role != self.role or self._store.part(run.part).role != self.role:
                raise LeakError(
                    f"part {run.part!r} is not of role {self.role!r}: {type(self).__name__} refuses it"
                )


class PretrainFrames(Frames):
    """What a specialist may learn from, unlabelled: frames of role `pretrain`, never a label."""

    role: ClassVar[Role] = "pretrain"

    def _allowed(self, kind: str) -> bool:
        return kind != "label"


class UnlabelledTransferFrames(Frames):
    """Frames of other spaces as a specialist may meet them in pre-training (the transfer mix-in): role
    `transfer`, never a label."""

    role: ClassVar[Role] = "transfer"

    def _allowed(self, kind: str) -> bool:
        return kind != "label"


Unlabelled = PretrainFrames | UnlabelledTransferFrames
"""What pre-training may see."""
UnlabelledRole = Literal["pretrain", "transfer"]
"""Roles of the frames that pre-training may see."""


def unlabelled(store: Store | Path | str, role: UnlabelledRole = "pretrain") -> Unlabelled:
    """The frames of a role without their labels."""
    return PretrainFrames(store) if role == "pretrain" else UnlabelledTransferFrames(store)


class TransferFrames(Frames):
    """Labelled frames of other spaces, to learn a task from."""

    role: ClassVar[Role] = "transfer"

    def __init__(
        self,
        store: Store | Path | str,
        test_spaces: Iterable["Space | Frames"],
        spaces: Iterable[Space | str] | None = None,
    ):
        """`test_spaces`: every space that the task will be evaluated in, or views of them.

        Raises LeakError if this view would hold one of them, by id or by digest of the house, or the same
        house on another day, by digest of its layout.
        """
        tests = [s for t in test_spaces for s in (t.spaces if isinstance(t, Frames) else (t,))]
        if not tests:
            raise ValueError("name the test spaces (test_spaces), so that their labels can be kept out")
        self._test_ids = frozenset(s.id for s in tests)
        self._test_digests = frozenset().union(*(s.digests for s in tests))
        super().__init__(store, spaces)

    def _check_role(self, runs: Iterable[int]) -> None:
        runs = list(runs)
        super()._check_role(runs)
        for index in runs:
            run = self._runs[index]
            digests = {s.id: s.digests for s in self._store.part(run.part).spaces}
            if run.space in self._test_ids or digests[run.space] & self._test_digests:
                raise LeakError(
                    f"space {run.space!r} (part {run.part!r}) is a test space: its labels must not reach "
                    "transfer. Collect transfer frames from other houses, or leave it out with spaces=..."
                )


class UpperBoundFrames(TransferFrames):
    """Labelled frames without a guard: what supervision in the test space itself would give, a bound to draw
    above specialists. A model tuned on them says so, and is evaluated as such or not at all."""

    def __init__(self, store: Store | Path | str, spaces: Iterable[Space | str] | None = None):
        self._test_ids = self._test_digests = frozenset()
        Frames.__init__(self, store, spaces)


class EvalFrames(Frames):
    """Labelled frames of evaluation. Never learned from."""

    role: ClassVar[Role] = "eval"


def spaces_under_test(store: Store | Path | str) -> tuple[Space, ...]:
    """The spaces of a store with frames of pre-training or evaluation: no transfer may see their labels.

    Shows no frame.
    """
    opened = store if isinstance(store, Store) else Store.open(store)
    roles = {PretrainFrames.role, EvalFrames.role}
    ids = {r.space for r in opened.runs if r.role in roles}
    return tuple(s for s in opened.spaces if s.id in ids)
