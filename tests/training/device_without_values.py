"""A GPU that is not there: stages run on it, shapes, types and devices are checked, no value is computed.

In a block of `pretend(kind)` the device "cuda" (or "meta") works on any machine. Tensors on the CPU stay what
they are. Tensors on the device are PyTorch's `FakeTensor`s of CUDA, or tensors of its device `meta`. An
operation on tensors of both raises, as on a GPU. What is read back to the CPU is ones of its shape, and of a
question no. Reads are counted: on a GPU each waits for the device.

Two things are missing in a build of PyTorch without CUDA, and `install_cuda_guard` and `pretend` make up for
them: a device guard, and streams in the backward pass."""

import ctypes
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.nn.utils import clip_grad
from torch.optim import optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_ATEN = torch.ops.aten
_META = torch.device("meta")


class DeviceWithoutValues(TorchDispatchMode):
    """Answers operations on a device of the type `kind`, and lets the CPU do all others."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind
        self.backward = False
        """Whether a backward pass runs."""
        self.reads: Counter[str] = Counter()
        """Reads of values, by what was read: a number, an array, or a count that a shape depends on."""
        self.made: Counter[torch.dtype] = Counter()
        """Results of operations on the device by type."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.ops.prim.device.default and isinstance(args[0], FakeTensor):
            # Autograd asks for the current stream of what is on an accelerator: there is none.
            return _META if self.backward else args[0].fake_device
        if self.backward and kwargs.get("device") == _META:
            kwargs["device"] = torch.device(self.kind)
        leaves = tree_leaves((args, kwargs))
        there = [x for x in leaves if isinstance(x, Tensor) and x.device.type == self.kind]
        to = kwargs.get("device")
        if not there and (to is None or torch.device(to).type != self.kind):
            with unset_fake_temporarily():
                return func(*args, **kwargs)
        if any(isinstance(x, torch.Generator) and x.device.type != self.kind for x in leaves):
            raise RuntimeError(f"{func}: a generator of another device draws no numbers on {self.kind}")
        found = self._read(func, args, to) if there else None
        if found is None:
            found = func(*args, **kwargs)
            self.made.update(x.dtype for x in tree_leaves(found) if isinstance(x, Tensor))
        return found

    def _read(self, func: Any, args: Any, to: Any) -> Any:
        """What an operation tells the CPU; None for one that stays on the device."""
        first: Tensor = args[0]
        if func is _ATEN._local_scalar_dense.default:
            self.reads["number"] += 1
            return False if first.dtype == torch.bool else 1.0 if first.is_floating_point() else 1
        if func is _ATEN.nonzero.default:
            self.reads["count"] += 1
            return torch.zeros(1, first.dim(), dtype=torch.int64, device=self.kind)
        if func is _ATEN._unique2.default:
            self.reads["count"] += 1
            return tuple(
                torch.zeros(1, dtype=t, device=self.kind) for t in (first.dtype, torch.int64, torch.int64)
            )
        arrives = to is not None and torch.device(to).type == "cpu"
        with unset_fake_temporarily():
            if func is _ATEN._to_copy.default and arrives:
                self.reads["array"] += 1
                return torch.ones(first.shape, dtype=first.dtype)
            if func is _ATEN.copy_.default and first.device.type == "cpu":
                self.reads["array"] += 1
                return first.fill_(1)
        return None


@contextmanager
def pretend(kind: str) -> Iterator[DeviceWithoutValues]:
    """A device of the type "cuda" or "meta" for the length of a block; for CUDA, `install_cuda_guard` goes
    before."""
    device = DeviceWithoutValues(kind)
    engine = torch.autograd._engine_run_backward

    def run_backward(*args: Any, **kwargs: Any) -> Any:
        device.backward = True
        try:
            return engine(*args, **kwargs)
        finally:
            device.backward = False

    driver = {
        "is_bf16_supported": lambda *_: True,
        "get_device_name": lambda *_: "NVIDIA H100",
        "max_memory_allocated": lambda *_: 0,
        "synchronize": lambda *_: None,
    }
    with ExitStack() as stack:
        if kind == "cuda":
            stack.enter_context(patch.multiple(torch.cuda, **driver))
            stack.enter_context(
                patch.object(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
            )
            stack.enter_context(patch.object(torch.autograd, "_engine_run_backward", run_backward))
        else:  # it has no autocast, and what the loops ask for is fused or by lists
            stack.enter_context(patch.object(clip_grad, "_device_has_foreach_support", lambda _: True))
            stack.enter_context(patch.object(torch, "autocast", lambda *_, **__: nullcontext()))
            known = [*optimizer._get_fused_kernels_supported_devices(), kind]
            stack.enter_context(
                patch.object(optimizer, "_get_fused_kernels_supported_devices", lambda: known)
            )
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(device)


_CUDA = 1  # c10::DeviceType
_GUARDS = "_ZN3c104impl26device_guard_impl_registryE"  # c10::impl::device_guard_impl_registry
_kept: list[Any] = []  # what the table points to


def install_cuda_guard() -> None:
    """Give this process the CUDA guard that does nothing, before its first backward pass and for good.

    Builds with CUDA take that guard where there is no GPU: `_ensureCUDADeviceGuardSet` puts it where a guard
    says that it has no device. A build without CUDA has none, so one that says 0 to everything is put there
    first."""
    library = ctypes.CDLL(str(next((Path(torch.__file__).parent / "lib").glob("libc10.*"))))
    guards = (ctypes.c_void_p * (_CUDA + 1)).in_dll(library, _GUARDS)
    if guards[_CUDA]:
        return
    zero = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(lambda _: 0)
    methods = (ctypes.c_void_p * 64)(*[ctypes.cast(zero, ctypes.c_void_p)] * 64)
    guard = (ctypes.c_void_p * 1)(ctypes.addressof(methods))
    _kept.extend([zero, methods, guard])
    guards[_CUDA] = ctypes.addressof(guard)
    torch._C._ensureCUDADeviceGuardSet()
    assert guards[_CUDA] != ctypes.addressof(guard), "this version of PyTorch sets its guard in another way"
