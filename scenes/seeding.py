"""One random stream per purpose, from a seed and a path of names.

    rng(7, "procthor", "furniture", "room|2")

A stage that draws more or less leaves the draws of all others alone, on every platform and in every
process: the path is hashed by SHA-256, not by Python's salted `hash`.
"""

import hashlib

import numpy as np


def rng(seed: int, *path: str | int) -> np.random.Generator:
    """The generator at `path` under `seed` (any integer)."""
    key = "/".join([str(int(seed)), *(f"{type(part).__name__}:{part}" for part in path)])
    words = np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype="<u4")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words.tolist())))
