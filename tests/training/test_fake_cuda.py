"""Training on a GPU that is not there: every stage runs on a CUDA device without values, and on `meta`."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.training import stages_on_devices
from tests.training.conftest import World
from tests.training.stages_on_devices import STAGES, Facts, Place, StageError, prepare
from training.pretrain.objectives import OBJECTIVES

Run = Callable[..., Facts]
# All of it once more where PyTorch's own meta device takes the place of CUDA: half a minute.
kinds = pytest.mark.parametrize("kind", ["cuda", pytest.param("meta", marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """One process for all of them: what `prepare` changes, it changes for good."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare) as pool:
        yield pool


@pytest.fixture
def run(process: ProcessPoolExecutor, world: World, tmp_path: Path) -> Run:
    def call(name: str, kind: str, steps: int = 1, planted: bool = False) -> Facts:
        at = Place(world.store.path, world.tokenizers, tmp_path / str(steps), kind, steps)
        return process.submit(stages_on_devices.run, name, at, planted).result()

    return call


@kinds
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_runs_through(run: Run, name: str, kind: str):
    found = run(name, kind)
    assert found.operations > 0
    if kind == "cuda" and not name.startswith(("tokenize", "codebook")):
        assert "torch.bfloat16" in found.types


@kinds
@pytest.mark.parametrize("name", STAGES)
def test_a_tensor_left_on_the_cpu_is_found(run: Run, name: str, kind: str):
    with pytest.raises(StageError, match=r"two different devices|same device|not on the expected device"):
        run(name, kind, planted=True)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_of_pretraining_waits_for_the_device_twice(run: Run, objective: str):
    """For all losses together and for the norm of the gradient."""
    short, long = (Counter(run(f"pretrain {objective}", "cuda", steps).reads) for steps in (1, 4))
    assert long - short == {"array": 3, "number": 3}
