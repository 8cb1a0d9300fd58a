"""What loading houses costs: `tst bench load HOUSES`.

The houses are loaded one after another in a fresh process, three times: without the cache of compiled assets,
with an empty one, and with the one that the run before filled. Loading is reading the file, compiling it to
geometry, putting that on the device and baking its light. Seconds are of processor time; kernels are compiled
beforehand. The cache is a temporary folder: the user's own is neither read nor filled.
"""

import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import tyro
from pydantic import Field

from agents.raycast.device_scene import DeviceScene
from agents.raycast.light_probes import bake
from scenes.config import Config
from scenes.disk_cache import FOLDER_VARIABLE
from scenes.house.files.references import each_house
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry

STAGES = ("read", "compile", "device", "light")
LATER = 10
"""Houses of which the last ones' mean is given, when most assets are in the process's memory."""


class BenchLoadConfig(Config):
    """Load houses in fresh processes, without and with a cache of compiled assets."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """House files, folders, JSON lines or parts of them (docs/house-format.md)."""
    device: str = "cpu"
    """Warp device: cpu, cuda:0, ..."""


def bench_load(config: BenchLoadConfig) -> None:
    """Print seconds a house as JSON. Raises ValueError for a file that is no house."""
    houses = [str(house) for house in each_house(config.houses)]
    with tempfile.TemporaryDirectory(prefix="testspace-bench-") as folder:
        runs = {
            "no_cache": _in_fresh_process(houses, config.device, ""),
            "empty_cache": _in_fresh_process(houses, config.device, folder),
            "warm_cache": _in_fresh_process(houses, config.device, folder),
        }
        files = [path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()]
    print(
        json.dumps(
            {
                "houses": len(houses),
                "device": config.device,
                "seconds_per_house": runs,
                "cache_files": len(files),
                "cache_bytes": sum(files),
            },
            indent=1,
        )
    )


def _in_fresh_process(houses: list[str], device: str, cache: str) -> dict[str, float]:
    kept = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = cache
    try:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(load_seconds, houses, device).result()
    finally:
        if kept is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = kept


def load_seconds(houses: list[str], device: str) -> dict[str, float]:
    """Load houses in this process and return processor seconds a house, in all and by stage.

    `last` is the mean of the last LATER houses. Raises ValueError for a file that is no house.
    """
    bake(DeviceScene(SceneGeometry("nothing", "", (), (), (), ()), device))  # compiles the kernels
    times = []
    for name in houses:
        marks = [time.process_time()]
        house = House.load(name)
        marks.append(time.process_time())
        geometry = compile_house(house)
        marks.append(time.process_time())
        scene = DeviceScene(geometry, device)
        marks.append(time.process_time())
        bake(scene)
        marks.append(time.process_time())
        times.append([after - before for before, after in pairwise(marks)])
    later = times[-LATER:]
    means = {stage: sum(t[k] for t in times) / len(times) for k, stage in enumerate(STAGES)}
    means = {"all": sum(means.values()), **means, "last": sum(map(sum, later)) / len(later)}
    return {name: round(value, 4) for name, value in means.items()}
