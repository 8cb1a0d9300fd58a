"""Warp's kernels compile for GPUs where there is none: NVRTC is in Warp's wheel and needs no driver."""

import ast
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warp as wp

from agents.cameras import Cameras
from agents.raycast.warp_runtime import start_warp
from agents.simulator import make_simulator
from tests.agents.simulator_kit import POSES, furnished

ROOT = Path(__file__).parents[2]
ARCHITECTURES = (80, 90)  # A100; H100 and H200


def kernels_in(path: Path) -> set[str]:
    """Names of the functions of a file that are decorated as Warp's kernels."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    return {f.name for f in functions if any("wp.kernel" in ast.unparse(d) for d in f.decorator_list)}


def kernel_modules() -> dict[str, set[str]]:
    """All kernels of the project by module."""
    found = {}
    for path in sorted(p for room in ("scenes", "agents", "engine") for p in (ROOT / room).rglob("*.py")):
        if names := kernels_in(path):
            found[".".join(path.relative_to(ROOT).with_suffix("").parts)] = names
    return found


MODULES = kernel_modules()


def test_every_kernel_is_launched_in_blocks_of_the_size_it_is_compiled_for(monkeypatch):
    """On a GPU; `test_every_kernel_compiles` is of that size."""
    launched: dict[str, set[int]] = {}
    launch = wp.launch

    def noted(kernel: wp.Kernel, *args: Any, **kwargs: Any) -> None:
        on_gpu = kwargs.get("block_dim") or 256
        launched.setdefault(kernel.key, set()).add(on_gpu)
        assert on_gpu == kernel.module.options["block_dim"], kernel.key
        launch(kernel, *args, **kwargs)

    monkeypatch.setattr(wp, "launch", noted)
    simulator = make_simulator("raycast", "cpu")
    simulator.load(furnished())
    simulator.render(Cameras.same(POSES, 80.0, 16, 16), ("rgb", "depth"))
    free, points = simulator.free_space(), np.full((2, 3), 1.0)
    free.contains(points)
    free.clearance(points, 1.0)
    free.sight(points, points, 1.0)
    assert launched.keys() == set.union(*MODULES.values())


@pytest.mark.slow
@pytest.mark.parametrize("use_ptx", [True, False], ids=["ptx", "cubin"])
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("name", MODULES)
def test_every_kernel_compiles(tmp_path: Path, name: str, arch: int, use_ptx: bool):
    """To PTX, which the driver of any later GPU takes, and to the machine code of the architecture itself."""
    start_warp()
    importlib.import_module(name)
    module = wp.get_module(name)
    assert set(module.kernels) == MODULES[name]
    (path,) = wp.compile_aot_module(module, arch=arch, module_dir=tmp_path, use_ptx=use_ptx)
    code = path.read_bytes()
    if use_ptx:
        assert f".target sm_{arch}".encode() in code
    for kernel in module.kernels.values():
        entry = f"{kernel.get_mangled_name()}_cuda_kernel_forward"
        assert (f".visible .entry {entry}(" if use_ptx else f".text.{entry}\0").encode() in code
