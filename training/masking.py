"""Which tokens are seen and which are predicted: budgets in tokens, shared out by Dirichlet draws.

As in 4M (Mizrahi et al., arXiv:2312.06647): each sample draws, for inputs and for targets, how a fixed
budget of tokens falls to the modalities, Dirichlet(alpha), then which tokens of each, uniformly and without
overlap between inputs and targets. Mixtures draw a component per sample first. What a modality has no room
for goes to the others, so that every sample has exactly the budget and nothing is padded, unless
`overflow` says otherwise.

4M-21's mixture (Bachmann et al., arXiv:2406.09406) has seven components: all to all at alpha .01, .1, 1 and
10, RGB to all at 1000/0, and two, of half the weight, that see captions above all. A store has no captions.
Without them those two would be all to all at input alpha .05, which lies between two that are there; they
are left out, and the weights of the other five stay as they are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int
from pydantic import Field

from training.budgets import clamp_out, share_out
from training.config import Config


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


class MaskingConfig(Config):
    inputs: int = Field(default=48, ge=1)
    """Visible tokens per sample."""
    targets: int = Field(default=64, ge=1)
    """Predicted tokens per sample."""
    mixture: tuple[Component, ...] = Field(default=(*ALL_TO_ALL, RGB_TO_ALL), min_length=1)
    """Components; one is drawn per sample."""
    overflow: Literal["refuse", "pad", "lose"] = "refuse"
    """A component whose modalities hold less than a budget: refuse it, or pad its samples (4M-21's RGB to
    all sees 196 patches where the budget is 256). lose: as 4M, lose also what a single modality has no room
    for, though others have."""
    repeats: int = Field(default=1, ge=1)
    """Samples made of each frame that is read, each with a mask of its own (4M: 4). The batch counts
    samples."""


@dataclass(frozen=True)
class Mask:
    """Slots (see `training.modality`) in ascending order, 0 where padded: inputs [b, i], targets [b, t]."""

    inputs: Int[np.ndarray, "b i"]
    targets: Int[np.ndarray, "b t"]
    input_valid: Bool[np.ndarray, "b i"]
    target_valid: Bool[np.ndarray, "b t"]


class Masker:
    """Draws masks for modalities `names` with `slots` tokens each, those of `seen` as inputs and those of
    `predicted` as targets (all by default).

    Raises ValueError when a mixture names a modality that is not there, or a budget cannot be met.
    """

    def __init__(
        self,
        config: MaskingConfig,
        names: tuple[str, ...],
        slots: tuple[int, ...],
        seen: tuple[str, ...] | None = None,
        predicted: tuple[str, ...] | None = None,
    ):
        self.config, self.names = config, names
        self.slots = np.asarray(slots, dtype=np.int64)
        self.owner = np.repeat(np.arange(len(slots)), self.slots)
        self.starts = np.cumsum(self.slots) - self.slots
        weights = np.array([c.weight for c in config.mixture])
        self.weights = weights / weights.sum()
        self.input_alphas = np.array([_alphas(c.inputs, names, seen) for c in config.mixture])
        self.target_alphas = np.array([_alphas(c.targets, names, predicted) for c in config.mixture])
        for component, a_in, a_out in zip(config.mixture, self.input_alphas, self.target_alphas, strict=True):
            self._check(component, a_in, a_out)

    def _check(self, component: Component, a_in: np.ndarray, a_out: np.ndarray) -> None:
        config, strict = self.config, self.config.overflow == "refuse"
        room = int(self.slots[a_in > 0].sum())
        if room < (config.inputs if strict else 1):
            raise ValueError(
                f"{config.inputs} input tokens do not fit {component}: its modalities hold {room}; "
                "lower masking.inputs, give more modalities an alpha, or set masking.overflow to pad"
            )
        # Inputs may take what they like from the target modalities: the worst case must still leave the
        # budget.
        room = int(self.slots[a_out > 0].sum()) - min(
            config.inputs, int(self.slots[(a_in > 0) & (a_out > 0)].sum())
        )
        if room < (config.targets if strict else 1):
            raise ValueError(
                f"{config.targets} target tokens do not fit {component}: {room} may be left after the "
                "inputs; lower masking.targets or masking.inputs, or give more modalities an alpha"
            )

    def budgets(
        self, batch: int, rng: np.random.Generator, component: int | None = None
    ) -> tuple[Int[np.ndarray, "b m"], Int[np.ndarray, "b m"]]:
        """Inputs and targets per modality of `batch` samples, of one component of the mixture or of all."""
        chosen = rng.choice(len(self.weights), size=batch, p=self.weights)
        if component is not None:
            chosen = np.full(batch, component)
        room = np.broadcast_to(self.slots, (batch, len(self.slots)))
        share = clamp_out if self.config.overflow == "lose" else share_out
        n_in = share(self.config.inputs, self.input_alphas[chosen], room, rng)
        return n_in, share(self.config.targets, self.target_alphas[chosen], room - n_in, rng)

    def draw(self, batch: int, rng: np.random.Generator) -> Mask:
        n_in, n_out = self.budgets(batch, rng)
        # A uniform order within each modality: rank of every slot among its own.
        keys = rng.random((batch, len(self.owner)), dtype=np.float32) + self.owner
        order = np.argsort(keys, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(self.owner))[None], axis=1)
        rank -= self.starts[self.owner]
        seen = rank < n_in[:, self.owner]
        wanted = ~seen & (rank < (n_in + n_out)[:, self.owner])
        inputs, input_valid = _slots(seen, self.config.inputs)
        targets, target_valid = _slots(wanted, self.config.targets)
        return Mask(inputs, targets, input_valid, target_valid)

    def mean_counts(self) -> tuple[dict[str, float], dict[str, float]]:
        """Inputs and targets of a sample by modality, over ten thousand draws."""
        means = (n.mean(axis=0).tolist() for n in self.budgets(10_000, np.random.default_rng(0)))
        n_in, n_out = (dict(zip(self.names, mean, strict=True)) for mean in means)
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
