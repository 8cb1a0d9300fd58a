"""Starts or joins Ray: all its settings are here.

With `RAY_ADDRESS` set, join that cluster and send it this repository. Otherwise start Ray on this machine
without dashboard and usage reports, with a small object store, since it never carries pixels.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from scenes.machine import available_cores

_OBJECT_STORE = 128 << 20  # bytes; tickets, plans and results are all that travels
_EXCLUDES = [".git", ".venv", "runs", "**/__pycache__", "*.egg-info"]


def ensure_ray(num_cpus: int | None = None) -> bool:
    """Makes sure that Ray runs; True if this call started or joined it. `num_cpus`: on offer locally."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray 2.60 warns about the future default of this; it is what we want now: no GPU is hidden from anyone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        root = Path(__file__).resolve().parent.parent
        env = {"working_dir": str(root), "excludes": _EXCLUDES}
        ray.init(address=address, runtime_env=env, **quiet)
        return True
    ray.init(
        address="local",
        num_cpus=max(available_cores(), num_cpus or 1),
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE,
        **quiet,
    )
    return True


def has_gpu() -> bool:
    """Whether the Ray that runs has a GPU to give."""
    return ray.cluster_resources().get("GPU", 0) > 0


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Ray for the length of a block. What runs already is used and left running."""
    started = ensure_ray(num_cpus)
    try:
        yield
    finally:
        if started:
            ray.shutdown()
