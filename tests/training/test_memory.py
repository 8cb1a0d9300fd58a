"""Memory that a step frees is there for the next step."""

import resource

import pytest
import torch

from training.common.optimiser import keep_memory


def test_blocks_of_a_step_are_not_asked_of_the_system_again():
    if not keep_memory():
        pytest.skip("not glibc")

    def pages_of(steps: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(steps):
            blocks = [torch.ones(1 << 20) for _ in range(8)]  # 4 MB each
            del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages_of(2)
    assert pages_of(10) < 2000, "81,920 are written, some 9,000 are faults by default"
