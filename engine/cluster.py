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
_HIDE_GPUS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
"""With this Ray shows a task or an actor the GPUs that it claimed, and one that claimed none no GPU."""
_EXCLUDES = [".git", ".venv", "runs", "**/__pycache__", "*.egg-info"]


def ensure_ray(num_cpus: int | None = None) -> bool:
    """Makes sure that Ray runs; True if this call started or joined it. `num_cpus`: on offer locally."""
    if ray.is_initialized():
        return False
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.update(_HIDE_GPUS)
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    address = os.environ.get("RAY_ADDRESS")
    if address:
        root = Path(__file__).resolve().parent.parent
        env = {"working_dir": str(root), "excludes": _EXCLUDES, "env_vars": _HIDE_GPUS}
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


def has_gpu(resource: str = "") -> bool:
    """Whether the Ray that runs has a GPU to give, on a machine that offers `resource` where one is named."""
    offers = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(o.get("GPU", 0) > 0 and (not resource or resource in o) for o in offers)


def check_gpu(what: str, remedy: str) -> None:
    """Raises ValueError where `what` needs a GPU and Ray, started on this machine, has none: it would wait
    without end. A cluster that was joined may grow."""
    if not os.environ.get("RAY_ADDRESS") and not has_gpu():
        raise ValueError(f"{what} needs a GPU, and Ray finds none on this machine: {remedy}")


@contextmanager
def ray_session(num_cpus: int | None = None) -> Iterator[None]:
    """Ray for the length of a block. What runs already is used and left running."""
    started = ensure_ray(num_cpus)
    try:
        yield
    finally:
        if started:
            ray.shutdown()
