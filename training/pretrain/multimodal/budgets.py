"""How a budget of tokens falls to the modalities: Dirichlet draws, rounded, within what each has room for.

As in 4M (Mizrahi et al., arXiv:2312.06647) a sample's shares are Dirichlet(alpha). `share_out` differs in
one thing on purpose: what a modality has no room for goes on to the others. `clamp_out` is 4M's own way,
where it is lost, so that samples have fewer tokens than the budget."""

import numpy as np
from jaxtyping import Float, Int


def dirichlet(alphas: Float[np.ndarray, "*b m"], rng: np.random.Generator) -> Float[np.ndarray, "*b m"]:
    """One Dirichlet draw per row; alpha 0 gets exactly 0.

    Gamma(a) is drawn as Gamma(a+1)·U^(1/a) in logarithms: at alpha 0.01 plain gamma draws underflow to 0
    together."""
    alive = alphas > 0
    safe = np.where(alive, alphas, 1.0)
    log_gamma = np.log(rng.standard_gamma(safe + 1.0)) + np.log1p(-rng.random(alphas.shape)) / safe
    log_gamma = np.where(alive, log_gamma, -np.inf)
    share = np.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
    return share / share.sum(axis=-1, keepdims=True)


def share_out(
    budget: int | Int[np.ndarray, " b"],
    alphas: Float[np.ndarray, "b m"],
    room: Int[np.ndarray, "b m"],
    rng: np.random.Generator,
) -> Int[np.ndarray, "b m"]:
    """Tokens per modality: rows sum to `budget`, or to all the room there is; none where alpha is 0.

    A Dirichlet share, rounded by largest remainder; what exceeds a modality's room is shared out again
    among those with room left, in the same proportions."""
    room = np.where(alphas > 0, room, 0)
    total = np.minimum(budget, room.sum(axis=1))
    share = dirichlet(alphas, rng)
    given = np.zeros(room.shape, dtype=np.int64)
    left = total.copy()
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
        left = total - given.sum(axis=1)
    assert not left.any()
    return given


def clamp_out(
    budget: int | Int[np.ndarray, " b"],
    alphas: Float[np.ndarray, "b m"],
    room: Int[np.ndarray, "b m"],
    rng: np.random.Generator,
) -> Int[np.ndarray, "b m"]:
    """Tokens per modality as 4M has them: rows sum to `budget` or less, and to at least 1 where there is
    room.

    Shares are rounded down; each token that is left goes to the largest share of another draw; then every
    modality is cut to its room. A row that is left with nothing is drawn again, a hundred times at most."""
    budget = np.broadcast_to(budget, len(room))
    given = np.zeros(room.shape, dtype=np.int64)
    again = np.arange(len(room))
    for _ in range(100):
        a = alphas[again]
        drawn = np.floor(dirichlet(a, rng) * budget[again, None]).astype(np.int64)
        left = budget[again] - drawn.sum(axis=1)
        most = int(left.max(initial=0))
        winners = dirichlet(np.repeat(a[:, None], most, axis=1), rng).argmax(axis=-1)
        counted = (np.arange(most) < left[:, None])[..., None] & (winners[..., None] == np.arange(a.shape[1]))
        given[again] = np.minimum(drawn + counted.sum(axis=1), room[again])
        again = again[(given[again] == 0).all(axis=1)]
        if not len(again):
            break
    return given
