"""Which tokens are seen and which are predicted: budgets in tokens, shared out by Dirichlet draws.

As in 4M (Mizrahi et al., arXiv:2312.06647): each sample draws, for inputs and for targets, how a fixed
budget of tokens falls to the modalities, Dirichlet(alpha), then which tokens of each, uniformly and without
overlap between inputs and targets. Mixtures draw a component per sample first. What a modality has no room
for goes to the others, so that every sample has exactly the budget and nothing is padded, unless
`overflow` says otherwise.

Samples may come from several sources of which some show certain modalities alone. A sample then draws among
the components that have inputs and targets among these, and nothing else is drawn. Where they hold fewer
tokens than both budgets, all of them are used, seen and predicted as the budgets are to each other, and the
rest is padded: of RGB alone, 64 tokens, 48 and 64 become 27 and 37.

4M-21's mixture (Bachmann et al., arXiv:2406.09406) has seven components: all to all at alpha .01, .1, 1 and
10, RGB to all at 1000/0, and two, of half the weight, that see captions above all. A store has no captions.
Without them those two would be all to all at input alpha .05, which lies between two that are there; they
are left out, and the weights of the other five stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Int
from pydantic import BeforeValidator, Field

from scenes.config import Config
from training.pretrain.multimodal.budgets import clamp_out, share_out
from training.pretrain.objective import SourceModalities


class Component(Config):
    """One element of a mixture."""

    weight: float = Field(default=1.0, gt=0)
    """Share of the samples, relative to the other components."""
    inputs: float | dict[str, float] = 1.0
    """Dirichlet alpha of inputs: one for all modalities, or by name (missing names: 0, never drawn)."""
    targets: float | dict[str, float] = 1.0
    """Dirichlet alpha of targets, likewise."""


ALL_TO_ALL = tuple(Component(inputs=a, targets=a) for a in (0.01, 0.1, 1.0, 10.0))
"""4M-21's all-to-all mixture: from one modality at a time to an even share of each."""
RGB_TO_ALL = Component(weight=4.0, inputs={"rgb": 1000.0}, targets=1.0)
"""Only RGB in: what transfer will meet. Same weight as the four all-to-all components together."""
FOURM21 = (*ALL_TO_ALL, Component(inputs={"rgb": 1000.0}, targets=0.5))
"""4M-21's mixture without its caption components: RGB to all weighs as much as one of the others."""


MIXTURES: dict[str, tuple[Component, ...]] = {
    "balanced": (*ALL_TO_ALL, RGB_TO_ALL),
    "all-to-all": ALL_TO_ALL,
    "fourm21": FOURM21,
}
"""Mixtures by the names that a configuration may give."""


def _by_name(mixture: Any) -> Any:
    if not isinstance(mixture, str):
        return mixture
    if mixture not in MIXTURES:
        raise ValueError(
            f"no mixture is called {mixture!r}; choose from {', '.join(MIXTURES)}, or list components"
        )
    return MIXTURES[mixture]


class MaskingConfig(Config):
    inputs: int = Field(default=48, ge=1)
    """Visible tokens per sample."""
    targets: int = Field(default=64, ge=1)
    """Predicted tokens per sample."""
    mixture: Annotated[tuple[Component, ...], BeforeValidator(_by_name)] = Field(
        default=MIXTURES["balanced"], min_length=1
    )
    """Components, of which one is drawn per sample, or the name of a mixture (balanced, all-to-all,
    fourm21)."""
    overflow: Literal["refuse", "pad", "lose"] = "refuse"
    """A component whose modalities hold less than a budget: refuse it, or pad its samples (4M-21's RGB to
    all sees 196 patches where the budget is 256); with pad, both budgets shrink in proportion where all
    modalities together hold less. lose: as 4M, lose also what a single modality has no room for, though
    others have."""
    repeats: int = Field(default=1, ge=1)
    """Samples made of each frame that is read, each with a mask of its own (4M: 4). The batch counts
    samples."""


@dataclass(frozen=True)
class Mask:
    """Slots (see `training.models.modality`) in ascending order, 0 where padded: inputs [b, i], targets [b,
    t]. Of grids alone: which tokens of a sequence are seen is known when its length is, so `spans` has, for
    each sequence, how many at most are seen, how many predicted, and a seed [b, sequences, 3]."""

    inputs: Int[np.ndarray, "b i"]
    targets: Int[np.ndarray, "b t"]
    input_valid: Bool[np.ndarray, "b i"]
    target_valid: Bool[np.ndarray, "b t"]
    spans: Int[np.ndarray, "b s 3"] | None = None


class Masker:
    """Draws masks for modalities `names` with `slots` tokens each, those of `seen` as inputs and those of
    `predicted` as targets (all by default). `sources`: by default one, which shows all. `sequences`: of
    those that are, the most tokens that a frame has; a sample whose frame has fewer is padded.

    Raises ValueError when a mixture names a modality that is not there, or a budget cannot be met.
    """

    def __init__(
        self,
        config: MaskingConfig,
        names: tuple[str, ...],
        slots: tuple[int, ...],
        seen: tuple[str, ...] | None = None,
        predicted: tuple[str, ...] | None = None,
        sources: SourceModalities | None = None,
        sequences: Mapping[str, int] = MappingProxyType({}),
    ):
        self.config, self.names = config, names
        self.slots = np.asarray(slots, dtype=np.int64)
        self.sequences = np.array([name in sequences for name in names])
        room = [sequences.get(name, n) for name, n in zip(names, slots, strict=True)]
        self.room = np.minimum(self.slots, np.asarray(room, dtype=np.int64))
        self.modality_ids = np.repeat(np.arange(len(slots)), self.slots)
        self.starts = np.cumsum(self.slots) - self.slots
        sources = sources or SourceModalities((names,), (1.0,))
        self.shares = np.array(sources.shares) / sum(sources.shares)
        self.shown = np.array([[name in shown for name in names] for shown in sources.shown])
        self.budget = np.array([self._budget(shown) for shown in self.shown])
        self.input_alphas = np.array([_alphas(c.inputs, names, seen) for c in config.mixture])
        self.target_alphas = np.array([_alphas(c.targets, names, predicted) for c in config.mixture])
        both = [self.shown @ (a > 0).T for a in (self.input_alphas, self.target_alphas)]
        possible = np.logical_and(*both)  # [source, component]
        for source, shown in enumerate(self.shown):
            whole = shown.all()
            if not whole and not possible[source].any():
                raise ValueError(
                    f"a source shows {[n for n, s in zip(names, shown, strict=True) if s]}, and no component "
                    "of the mixture has both inputs and targets among them: add one, or let it show more"
                )
            for number in range(len(config.mixture)):
                if whole or possible[source, number]:
                    self._check(number, source)
        weights = np.array([c.weight for c in config.mixture]) * (
            possible | self.shown.all(axis=1, keepdims=True)
        )
        self.weights = weights / weights.sum(axis=1, keepdims=True)  # [source, component]

    def _budget(self, shown: Bool[np.ndarray, " m"]) -> tuple[int, int]:
        """Inputs and targets of a sample of which these modalities are shown."""
        inputs, targets = self.config.inputs, self.config.targets
        room = int(self.room[shown].sum())
        whole = shown.all() and self.config.overflow != "pad"
        if whole or room >= inputs + targets:
            return inputs, targets
        seen = max(1, room * inputs // (inputs + targets))
        return seen, room - seen

    def _check(self, number: int, source: int) -> None:
        config, shown = self.config, self.shown[source]
        component = config.mixture[number]
        a_in, a_out = self.input_alphas[number] * shown, self.target_alphas[number] * shown
        strict = config.overflow == "refuse" and shown.all()
        inputs, targets = self.budget[source].tolist()
        room = int(self.room[a_in > 0].sum())
        if room < (inputs if strict else 1):
            raise ValueError(
                f"{inputs} input tokens do not fit {component}: its modalities hold {room}; "
                "lower masking.inputs, give more modalities an alpha, or set masking.overflow to pad"
            )
        # Inputs may take what they like from the target modalities: the worst case must still leave the
        # budget.
        room = int(self.room[a_out > 0].sum()) - min(inputs, int(self.room[(a_in > 0) & (a_out > 0)].sum()))
        if room < (targets if strict else 1):
            raise ValueError(
                f"{targets} target tokens do not fit {component}: {room} may be left after the "
                "inputs; lower masking.targets or masking.inputs, or give more modalities an alpha"
            )

    def budgets(
        self,
        batch: int,
        rng: np.random.Generator,
        component: int | None = None,
        source: Int[np.ndarray, " b"] | None = None,
    ) -> tuple[Int[np.ndarray, "b m"], Int[np.ndarray, "b m"]]:
        """Inputs and targets per modality of `batch` samples, of one component of the mixture or of all, of
        the first source or each of its own."""
        source = np.zeros(batch, dtype=np.int64) if source is None else source
        below = self.weights.cumsum(axis=1)
        chosen = (below / below[:, -1:])[source] <= rng.random(batch)[:, None]  # as rng.choice draws
        chosen = chosen.sum(axis=1) if component is None else np.full(batch, component)
        shown, (inputs, targets) = self.shown[source], self.budget[source].T
        room = self.room * shown
        share = clamp_out if self.config.overflow == "lose" else share_out
        n_in = share(inputs, self.input_alphas[chosen] * shown, room, rng)
        return n_in, share(targets, self.target_alphas[chosen] * shown, room - n_in, rng)

    def draw(self, batch: int, rng: np.random.Generator, source: Int[np.ndarray, " b"] | None = None) -> Mask:
        """Masks of `batch` samples; `source`: the number of the source of each, of the first if not given."""
        n_in, n_out = self.budgets(batch, rng, source=source)
        spans = None
        if self.sequences.any():
            both = np.stack([n_in, n_out], axis=2)[:, self.sequences]
            seeds = rng.integers(2**63, size=(*both.shape[:2], 1))
            spans = np.concatenate([both, seeds], axis=2)
            n_in, n_out = n_in * ~self.sequences, n_out * ~self.sequences
        # A uniform order within each modality: rank of every slot among its own.
        keys = rng.random((batch, len(self.modality_ids)), dtype=np.float32) + self.modality_ids
        order = np.argsort(keys, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(self.modality_ids))[None], axis=1)
        rank -= self.starts[self.modality_ids]
        seen = rank < n_in[:, self.modality_ids]
        wanted = ~seen & (rank < (n_in + n_out)[:, self.modality_ids])
        most_seen, most_wanted = self.budget.max(axis=0).tolist()
        inputs, input_valid = _slots(seen, most_seen)
        targets, target_valid = _slots(wanted, most_wanted)
        return Mask(inputs, targets, input_valid, target_valid, spans)

    def mean_counts(self) -> tuple[dict[str, float], dict[str, float]]:
        """Inputs and targets of a sample by modality, over ten thousand draws of each source."""
        totals = np.zeros((2, len(self.names)))
        for number, share in enumerate(self.shares):
            source = np.full(10_000, number)
            drawn = self.budgets(10_000, np.random.default_rng(0), source=source)
            totals += share * np.stack([n.mean(axis=0) for n in drawn])
        n_in, n_out = (dict(zip(self.names, mean, strict=True)) for mean in totals.tolist())
        return n_in, n_out


def _slots(
    taken: Bool[np.ndarray, "b slots"], budget: int
) -> tuple[Int[np.ndarray, "b n"], Bool[np.ndarray, "b n"]]:
    counts = taken.sum(axis=1)
    if (counts == budget).all():
        return np.nonzero(taken)[1].reshape(-1, budget), np.ones((len(taken), budget), dtype=bool)
    slots = np.zeros((len(taken), budget), dtype=np.int64)
    valid = np.arange(budget) < counts[:, None]
    slots[valid] = np.nonzero(taken)[1]
    return slots, valid


def _alphas(
    alphas: float | dict[str, float], names: tuple[str, ...], able: tuple[str, ...] | None
) -> list[float]:
    able = names if able is None else able
    if not isinstance(alphas, dict):
        return [float(alphas) if name in able else 0.0 for name in names]
    unknown = sorted(set(alphas) - set(able))
    if unknown:
        raise ValueError(f"masking names {unknown}, but the modalities are {list(able)}")
    return [float(alphas.get(name, 0.0)) for name in names]
