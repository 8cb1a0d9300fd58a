"""`tst doctor`: the capabilities of this machine, with the command that adds each missing one."""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

from agents.simulator import SIMULATORS, drawn_by
from scenes.config import Config
from scenes.disk_cache import FOLDER_VARIABLE, LIMIT_VARIABLE, default_cache
from scenes.machine import available_cores
from scenes.meshes.libraries.library import AssetLibrary, default_library

# (package, what it is for, the line that installs it).
PACKAGES = (
    ("torch", "training", "make clean setup"),
    ("warp-lang", "rendering", "make clean setup"),
    ("ray", "collection, training on several machines", "make clean setup"),
    ("zarr", "the store", "make clean setup"),
    ("tensorstore", "reading the store", "make clean setup"),
    (
        "ai2thor",
        "AI2-THOR's client (optional)",
        SIMULATORS["ai2thor"].install,
    ),
    ("prior", "ProcTHOR-10K houses (optional)", "pip install prior"),
    (
        "habitat-sim",
        "Habitat's simulator (optional)",
        SIMULATORS["habitat"].install,
    ),
)


class DoctorConfig(Config):
    """What to check. There is nothing to choose."""


def doctor(config: DoctorConfig) -> int:
    """Print a line per capability; 0 when everything needed is there, 1 otherwise."""
    missing = 0
    for state, name, text, fix in findings():
        print(f"{state:>8}  {name:<14} {text}" + (f"\n{'':26}fix: {fix}" if fix else ""))
        missing += state == "MISSING"
    return 1 if missing else 0


def findings() -> Iterator[tuple[str, str, str, str]]:
    """(state, name, what was found, the line that fixes it); state is ok, absent (optional) or MISSING."""
    v = sys.version_info
    good = (3, 11) <= v[:2] < (3, 13)
    yield (
        "ok" if good else "MISSING",
        "python",
        platform.python_version(),
        "" if good else "make clean setup PYTHON=python3.11",
    )
    free = shutil.disk_usage(".").free / 1e9
    yield "ok", "cores", f"{available_cores()} ({platform.machine()})", ""
    enough = free > 2
    yield (
        "ok" if enough else "MISSING",
        "disk",
        f"{free:.0f} GB free here",
        "" if enough else "free 2 GB: a demo run and its packages need them",
    )
    for package, use, fix in PACKAGES:
        try:
            yield "ok", package, f"{metadata.version(package)}: {use}", ""
        except metadata.PackageNotFoundError:
            optional = "(optional)" in use
            yield "absent" if optional else "MISSING", package, use, fix
    if importlib.util.find_spec("warp"):
        yield _gpu()
    if importlib.util.find_spec("ai2thor"):
        yield _unity()
    yield _library()
    yield _cache()
    address = os.environ.get("RAY_ADDRESS")
    yield (
        "ok",
        "ray cluster",
        address or "none: a local one is started when needed",
        "" if address else "export RAY_ADDRESS=auto  (on a node of a cluster)",
    )


def _gpu() -> tuple[str, str, str, str]:
    import warp as wp

    from agents.raycast.warp_runtime import start_warp

    start_warp()
    names = [d.name for d in wp.get_cuda_devices()] if wp.is_cuda_available() else []
    if names:
        return "ok", "gpu", ", ".join(names), ""
    return "absent", "gpu", "no CUDA device: rendering and training use the CPU", ""


def _unity() -> tuple[str, str, str, str]:
    if os.environ.get("TESTSPACE_AI2THOR_EXECUTABLE"):
        return "ok", "unity", drawn_by("ai2thor"), ""
    text = "none named: the client downloads Unity's build when first used"
    fix = "export TESTSPACE_AI2THOR_EXECUTABLE=standin  (draws without Unity, docs/simulators.md)"
    return "absent", "unity", text, fix


def _library() -> tuple[str, str, str, str]:
    library = default_library()
    if library.digest != AssetLibrary(None).digest:
        return "ok", "furniture", library.describe(), ""
    fix = "sudo apt-get install --no-install-recommends sweethome3d-furniture"
    return "absent", "furniture", library.describe(), fix


def _cache() -> tuple[str, str, str, str]:
    kept = default_cache()
    if kept.folder is None:
        return "absent", "asset cache", "off: every process compiles its assets", f"unset {FOLDER_VARIABLE}"
    count, held = kept.size()
    bound = f"of at most {kept.limit_bytes / 1e9:g} GB ({LIMIT_VARIABLE})"
    return "ok", "asset cache", f"{held / 1e9:.2f} GB in {count} files, {bound}, in {kept.folder}", ""
