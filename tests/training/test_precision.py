"""Half precision only where the processor multiplies it faster than in plain loops."""

import pytest
import torch

from training.common.optimiser import in_bf16, peak_flops, precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("has", [True, False])
def test_a_cpu_without_kernels_computes_in_fp32(has, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    x = torch.ones(8, 8)
    with precision(CPU, True):
        assert (x @ x).dtype == (torch.bfloat16 if has else torch.float32)
    assert in_bf16(CPU, True) is has
    assert not in_bf16(CPU, False)
    assert in_bf16(torch.device("cuda"), True)


def test_what_a_product_is_said_to_reach_is_of_the_precision_computed_in(monkeypatch):
    seen = []
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *a, **k: seen.append(k["dtype"]) or ones(*a, **k))
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert peak_flops(CPU, True) > 0
    assert seen == [torch.float32]
