"""Several views as one, in given proportions: the share of each space or role in an epoch.

    own = PretrainFrames(store, spaces=["flat-1"])
    others = TransferFrames(elsewhere, test_spaces=own.spaces)
    TicketReader(MixedFrames([own, others], [0.9, 0.1]), ["rgb", "depth"], batch_size=64)

Each view keeps its guard: the mixture cannot return what one of them must not. Evaluation frames cannot be
mixed. An epoch has each view's share of its frames to within a chunk; a small view is sampled more than once.

A view may be limited to some modalities, such as RGB. The others, and their tokens, are not read: their rows
are zeros, whether its store holds them or not, and whoever makes batches leaves them out (`view_of` gives the
view of each frame).
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, Shaped

from engine.store.access import Chunk, EvalFrames, Frames
from engine.store.errors import LeakError
from engine.store.schema import ArrayOrigin, Space

_TOKENS = re.compile(r"tok_(.+?)(_[0-9a-f]{8}){1,2}")
"""Names of tokens: of which sensor, by which tokenizer, of which crops."""


class MixedFrames:
    """Frames of several views. Ids count from 0 through the first view, then the next. Pickles."""

    def __init__(
        self,
        views: Sequence[Frames],
        ratios: Sequence[float],
        shows: Sequence[Sequence[str] | None] | None = None,
    ):
        """`ratios`: share of an epoch that is of each view; scaled to sum to 1. `shows`: the sensors that
        each view shows, None: all that it has.

        Raises ValueError for ratios that do not fit, LeakError for evaluation frames.
        """
        if not views or len(views) != len(ratios):
            raise ValueError(f"give one ratio for each view: {len(views)} views, {len(ratios)} ratios")
        if shows is not None and len(shows) != len(views):
            raise ValueError(f"say of each view what it shows: {len(views)} views, {len(shows)} given")
        if min(ratios) <= 0:
            raise ValueError(f"every ratio must be above 0, not {list(ratios)}: leave such a view out")
        if any(isinstance(v, EvalFrames) for v in views):
            raise LeakError("evaluation frames are never learnt from: leave them out of the mixture")
        self.views = tuple(views)
        self.ratios = tuple(float(r / sum(ratios)) for r in ratios)
        self.shows = tuple(None if s is None else tuple(s) for s in shows or [None] * len(views))
        self._starts = np.cumsum([0, *(len(v) for v in views)])
        self._kinds = {m.name: m.kind for v in self.views for m in v.store_modalities}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def modalities(self) -> tuple[str, ...]:
        """What every view has and may show."""
        return tuple(
            m
            for m in self.views[0].modalities
            if self.showing(m) == self.views and all(m in v.modalities for v in self.views)
        )

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
        shapes = {v.frame_shape(modality) for v in self.showing(modality)}
        if not shapes:
            raise ValueError(f"no view of the mixture shows {modality!r}: let one of them show it")
        if len(shapes) > 1:
            raise ValueError(
                f"{modality!r} has frames of shapes {sorted(shapes)} here: mix views of one size"
            )
        return shapes.pop()

    def origin_of(self, modality: str) -> ArrayOrigin | None:
        """As of each view. Raises ValueError if views differ in it, MissingModalityError, LeakError."""
        origins = {v.origin_of(modality) for v in self.showing(modality)}
        if len(origins) > 1:
            raise ValueError(f"{modality!r} was made by different networks here: derive it with one of them")
        return origins.pop() if origins else None

    def showing(self, modality: str) -> tuple[Frames, ...]:
        """The views that do not hide a modality; one that is a label they may still refuse."""
        return tuple(v for i, v in enumerate(self.views) if not self._hides(i, modality))

    def _hides(self, view: int, modality: str) -> bool:
        shown = self.shows[view]
        if shown is None or self._kinds.get(modality) not in ("sensory", "token", "pseudolabel"):
            return False
        tokens = _TOKENS.fullmatch(modality)
        return (tokens[1] if tokens else modality) not in shown

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
        """sha256 of the views' digests, their ratios and what they show, hex."""
        text = " ".join(
            f"{v.digest()}:{r}" + ("" if s is None else f":{','.join(s)}")
            for v, r, s in zip(self.views, self.ratios, self.shows, strict=True)
        )
        return hashlib.sha256(text.encode()).hexdigest()

    def read(
        self, ids: Sequence[int] | Int64[np.ndarray, " n"], modalities: Sequence[str]
    ) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """Frames by id and modality, rows in the order of `ids`. Raises what the views raise, IndexError,
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
            shown = [m for m in modalities if not self._hides(index, m)]
            # A view without rows is asked too: what it must not show is refused, not left to chance.
            for name, values in view.read(wanted[rows] - self._starts[index], shown).items():
                if name not in out:
                    out[name] = np.zeros((len(wanted), *values.shape[1:]), values.dtype)
                out[name][rows] = values
        return out
