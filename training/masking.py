"""Which tokens are seen and which are predicted: budgets in tokens, shared out by Dirichlet draws.

As in 4M (Mizrahi et al., arXiv:2312.06647): each sample draws, for inputs and for targets, how a fixed
budget of tokens falls to the modalities, Dirichlet(alpha), then which tokens of each, uniformly and without
overlap between inputs and targets. Mixtures draw a component per sample first. One thing differs on
purpose: what a modality has no room for goes on to the others, so that every sample has exactly the budget
and nothing is ever padded."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

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
"""4M-21's all-to-all mixture (arXiv:2406.09406): from one modality at a time to an even share of each."""
RGB_TO_ALL = Component(weight=4.0, inputs={"rgb": 1000.0}, targets=1.0)
"""Only RGB in: what transfer will meet. Same weight as the four all-to-all components together."""


class MaskingConfig(Config):
    inputs: int = Field(default=48, ge=1)
    """Visible tokens per sample."""
    targets: int = Field(default=64, ge=1)
    """Predicted tokens per sample."""
    mixture: tuple[Component, ...] = Field(default=(*ALL_TO_ALL, RGB_TO_ALL), min_length=1)
    """Components; one is drawn per sample."""


@dataclass(frozen=True)
class Mask:
    """Slots (see `training.model`) in ascending order: inputs [b, i], targets [b, t], and the modality of
    each target."""

    inputs: Int[np.ndarray, "b i"]
    targets: Int[np.ndarray, "b t"]
    target_modality: Int[np.ndarray, "b t"]


class Masker:
    """Draws masks for modalities `names` with `slots` tokens each.

    Raises ValueError when a mixture names a modality that is not there, or a budget cannot be met.
    """

    def __init__(self, config: MaskingConfig, names: tuple[str, ...], slots: tuple[int, ...]):
        self.config = config
        self.slots = np.asarray(slots, dtype=np.int64)
        self.owner = np.repeat(np.arange(len(slots)), self.slots)
        self.starts = np.cumsum(self.slots) - self.slots
        weights = np.array([c.weight for c in config.mixture])
        self.weights = weights / weights.sum()
        self.input_alphas = np.array([_alphas(c.inputs, names) for c in config.mixture])
        self.target_alphas = np.array([_alphas(c.targets, names) for c in config.mixture])
        for component, a_in, a_out in zip(config.mixture, self.input_alphas, self.target_alphas, strict=True):
            room = int(self.slots[a_in > 0].sum())
            if room < config.inputs:
                raise ValueError(
                    f"{config.inputs} input tokens do not fit {component}: its modalities hold {room}; "
                    "lower masking.inputs or give more modalities an alpha"
                )
            # Inputs may take what they like from the target modalities: the worst case must still leave the
            # budget.
            room = int(self.slots[a_out > 0].sum()) - min(
                config.inputs, int(self.slots[(a_in > 0) & (a_out > 0)].sum())
            )
            if room < config.targets:
                raise ValueError(
                    f"{config.targets} target tokens do not fit {component}: {room} may be left after the "
                    "inputs; lower masking.targets or masking.inputs, or give more modalities an alpha"
                )

    def draw(self, batch: int, rng: np.random.Generator) -> Mask:
        component = rng.choice(len(self.weights), size=batch, p=self.weights)
        room = np.broadcast_to(self.slots, (batch, len(self.slots)))
        n_in = share_out(self.config.inputs, self.input_alphas[component], room, rng)
        n_out = share_out(self.config.targets, self.target_alphas[component], room - n_in, rng)
        # A uniform order within each modality: rank of every slot among its own.
        keys = rng.random((batch, len(self.owner)), dtype=np.float32) + self.owner
        order = np.argsort(keys, axis=1)
        rank = np.empty_like(order)
        np.put_along_axis(rank, order, np.arange(len(self.owner))[None], axis=1)
        rank -= self.starts[self.owner]
        seen = rank < n_in[:, self.owner]
        wanted = ~seen & (rank < (n_in + n_out)[:, self.owner])
        inputs = np.nonzero(seen)[1].reshape(batch, self.config.inputs)
        targets = np.nonzero(wanted)[1].reshape(batch, self.config.targets)
        return Mask(inputs, targets, self.owner[targets])


def _alphas(alphas: float | dict[str, float], names: tuple[str, ...]) -> list[float]:
    if not isinstance(alphas, dict):
        return [float(alphas)] * len(names)
    unknown = sorted(set(alphas) - set(names))
    if unknown:
        raise ValueError(f"masking names {unknown}, but the modalities are {list(names)}")
    return [float(alphas.get(name, 0.0)) for name in names]


def dirichlet(alphas: Float[np.ndarray, "b m"], rng: np.random.Generator) -> Float[np.ndarray, "b m"]:
    """One Dirichlet draw per row; alpha 0 gets exactly 0.

    Gamma(a) is drawn as Gamma(a+1)·U^(1/a) in logarithms: at alpha 0.01 plain gamma draws underflow to 0
    together."""
    alive = alphas > 0
    safe = np.where(alive, alphas, 1.0)
    log_gamma = np.log(rng.standard_gamma(safe + 1.0)) + np.log1p(-rng.random(alphas.shape)) / safe
    log_gamma = np.where(alive, log_gamma, -np.inf)
    share = np.exp(log_gamma - log_gamma.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


def share_out(
    budget: int, alphas: Float[np.ndarray, "b m"], room: Int[np.ndarray, "b m"], rng: np.random.Generator
) -> Int[np.ndarray, "b m"]:
    """Tokens per modality: rows sum to `budget`, none above `room`, none where alpha is 0.

    A Dirichlet share, rounded by largest remainder; what exceeds a modality's room is shared out again
    among those with room left, in the same proportions."""
    room = np.where(alphas > 0, room, 0)
    assert (room.sum(axis=1) >= budget).all()
    share = dirichlet(alphas, rng)
    given = np.zeros(room.shape, dtype=np.int64)
    left = np.full(len(room), budget, dtype=np.int64)
    # Each round either spends what is left or fills a modality to its room, so there are at most m + 1
    # rounds.
    for _ in range(room.shape[1] + 1):
        # The tiny constant lets a modality whose share underflowed take tokens once the others are full.
        weight = np.where(room > given, share + 1e-12, 0.0)
        weight /= np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
        exact = weight * left[:, None]
        whole = np.floor(exact).astype(np.int64)
        rank = np.argsort(np.argsort(-(exact - whole), axis=1, kind="stable"), axis=1, kind="stable")
        whole += (rank < (left - whole.sum(axis=1))[:, None]) & (weight > 0)
        given = np.minimum(given + whole, room)
        left = budget - given.sum(axis=1)
    assert not left.any()
    return given
