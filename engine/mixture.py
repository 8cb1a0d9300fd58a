"""Several views as one, in proportion: how much of an epoch is of which space or role.

    own = PretrainFrames(store, spaces=["flat-1"])
    others = TransferFrames(elsewhere, test_spaces=own.spaces)
    TicketReader(MixedFrames([own, others], [0.9, 0.1]), ["rgb", "depth"], batch_size=64)

Each view keeps its own guard: what one of them must not show, the mixture cannot. Evaluation frames are not
for mixing. An epoch has each view's share of its frames to within a chunk, however small the view: it is then
sampled more than once.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from engine.access import Chunk, EvalFrames, Frames
from engine.errors import LeakError
from engine.schema import Space


class MixedFrames:
    """Frames of several views. Ids count from 0 through the first view, then the next. Pickles."""

    def __init__(self, views: Sequence[Frames], ratios: Sequence[float]):
        """`ratios`: share of an epoch that is of each view; scaled to sum to 1.

        Raises ValueError for ratios that do not fit, LeakError for evaluation frames.
        """
        if not views or len(views) != len(ratios):
            raise ValueError(f"give one ratio for each view: {len(views)} views, {len(ratios)} ratios")
        if min(ratios) <= 0:
            raise ValueError(f"every ratio must be above 0, not {list(ratios)}: leave such a view out")
        if any(isinstance(v, EvalFrames) for v in views):
            raise LeakError("evaluation frames are never learnt from: leave them out of the mixture")
        self.views = tuple(views)
        self.ratios = tuple(float(r / sum(ratios)) for r in ratios)
        self._starts = np.cumsum([0, *(len(v) for v in views)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def modalities(self) -> tuple[str, ...]:
        """What every view has and may show."""
        return tuple(m for m in self.views[0].modalities if all(m in v.modalities for v in self.views))

    @property
    def spaces(self) -> tuple[Space, ...]:
        """The spaces of all views."""
        return tuple(sorted({s for v in self.views for s in v.spaces}, key=lambda s: (s.id, repr(s))))

    @property
    def weights(self) -> tuple[float, ...]:
        """How often a frame of each chunk is seen, relative."""
        return tuple(
            ratio / len(view)
            for view, ratio in zip(self.views, self.ratios, strict=True)
            for _ in view.chunks()
        )

    def frame_shape(self, modality: str) -> tuple[int, ...]:
        """Shape of one frame. Raises ValueError if views differ in it, MissingModalityError, LeakError."""
        shapes = {v.frame_shape(modality) for v in self.views}
        if len(shapes) > 1:
            raise ValueError(
                f"{modality!r} has frames of shapes {sorted(shapes)} here: mix views of one size"
            )
        return shapes.pop()

    def chunks(self) -> list[Chunk]:
        """The chunks of every view, one view after the other."""
        return [
            Chunk(start + c.first, c.count)
            for view, start in zip(self.views, self._starts.tolist(), strict=False)
            for c in view.chunks()
        ]

    def view_of(self, ids: Sequence[int] | Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Which view each frame is of."""
        return np.searchsorted(self._starts, np.asarray(ids, dtype=np.int64), side="right") - 1

    def digest(self) -> str:
        """sha256 of the views' digests and their ratios, hex."""
        text = " ".join(f"{v.digest()}:{r}" for v, r in zip(self.views, self.ratios, strict=True))
        return hashlib.sha256(text.encode()).hexdigest()

    def read(
        self, ids: Sequence[int] | Int64[np.ndarray, " n"], modalities: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Frames by id, rows in their order: `{modality: [n, ...]}`. Raises what the views raise, IndexError,
        ValueError where they hold frames of different sizes."""
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"ids run from 0 to {len(self) - 1}, asked for {wanted.min()} to {wanted.max()}")
        for name in modalities:
            self.frame_shape(name)
        out: dict[str, np.ndarray] = {}
        view_of = self.view_of(wanted)
        for index, view in enumerate(self.views):
            rows = np.flatnonzero(view_of == index)
            # A view without rows is asked too: what it must not show is refused, not left to chance.
            for name, values in view.read(wanted[rows] - self._starts[index], modalities).items():
                if name not in out:
                    out[name] = np.empty((len(wanted), *values.shape[1:]), values.dtype)
                out[name][rows] = values
        return out
