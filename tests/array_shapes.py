"""Array shapes checked while tests run: jaxtyping's annotations of arrays, at every call, and nothing else.

`install()` adds an import hook. Modules of the rooms that are imported after it have each function, method,
property and `__init__` of a dataclass wrapped whose hints hold a jaxtyping array: arguments that are arrays,
and the result, are held against the hints with one binding of dimension names a call. Lists, tuples and
mappings are searched for arrays, iterators are not. Arguments of any other kind are pyright's to check:
beartype and typeguard would check them too, and refuse NumPy's integers where an int is asked for.

`tests/conftest.py` installs it, so every test is checked; a wrong array raises ArrayShapeError. Left out are
Warp's kernels, which Warp compiles from their source, all that torch compiles, and processes that tests start
(commands, Ray's workers and actors): these import no conftest. Tests of a function that refuses wrong arrays
itself pass them within `unchecked()`.
"""

import functools
import importlib.abc
import importlib.machinery
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import AbstractArray, jaxtyped

ROOMS = ("scenes", "agents", "engine", "training", "studies", "viewer")
KERNELS = "agents.raycast.kernel"
"""How the names of modules of Warp kernels begin."""

Check = Callable[[Any], str]
"""What is wrong with a value, empty if nothing."""


class ArrayShapeError(TypeError):
    """An array whose dtype or shape is not what the annotation says."""


_switched_off = False


@contextmanager
def unchecked() -> Iterator[None]:
    """No array is checked within: for wrong ones that are passed on purpose."""
    global _switched_off
    _switched_off = True
    try:
        yield
    finally:
        _switched_off = False


def install() -> None:
    """Checks modules of the rooms imported from now on. Raises RuntimeError if one was imported already."""
    early = sorted(name for name in sys.modules if name.partition(".")[0] in ROOMS)
    if early:
        raise RuntimeError(f"imported before array shapes could be checked: {', '.join(early)}")
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOMS or fullname.startswith(KERNELS):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return spec
        spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        check_module(module)


def check_module(module: ModuleType) -> None:
    """Wraps what a module defines and annotates with arrays."""
    compiling = _is_compiling(module.__name__)
    for name, value in list(vars(module).items()):
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if isinstance(value, types.FunctionType):
            setattr(module, name, checked(value, compiling))
        elif isinstance(value, type):
            _check_class(value, compiling)


def _check_class(cls: type, compiling: Callable[[], bool]) -> None:
    if getattr(cls, "_is_protocol", False):
        return
    for name, value in list(vars(cls).items()):
        if isinstance(value, types.FunctionType):
            if value.__module__ == cls.__module__:  # not what a decorator put there
                setattr(cls, name, checked(value, compiling))
        elif isinstance(value, classmethod | staticmethod):
            if getattr(value.__func__, "__module__", None) == cls.__module__:
                setattr(cls, name, type(value)(checked(value.__func__, compiling)))
        elif isinstance(value, property) and value.fget is not None:
            setattr(
                cls, name, property(checked(value.fget, compiling), value.fset, value.fdel, value.__doc__)
            )
        elif isinstance(value, functools.cached_property):
            value.func = checked(value.func, compiling)


def _is_compiling(module: str) -> Callable[[], bool]:
    """Says whether torch is compiling the calling function: a question for rooms that torch compiles."""
    if module.partition(".")[0] not in ("training", "studies"):
        return bool
    import torch

    return torch.compiler.is_compiling


def checked(function: Callable[..., Any], compiling: Callable[[], bool] = bool) -> Callable[..., Any]:
    """The function with its arrays checked, unless `compiling()`; itself if it annotates no array.

    Hints are resolved at the first call, when all that they name is defined.
    """
    if not _mentions_arrays(function):
        return function
    checks: _Checks | None = None

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        nonlocal checks
        if _switched_off or compiling():
            return function(*args, **kwargs)
        if checks is None:
            checks = _Checks(function)
        with jaxtyped("context"):
            checks.arguments(args, kwargs)
            result = function(*args, **kwargs)
            checks.result(result)
        return result

    return wrapper


class _Checks:
    """The checks of one function, its hints resolved."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.hints = typing.get_type_hints(function, include_extras=True)
        self._returns = _check_of(self.hints.get("return"))
        self._arguments: list[tuple[int, str, Check]] = []
        for index, parameter in enumerate(inspect.signature(function).parameters.values()):
            check = _check_of(self.hints.get(parameter.name))
            if check is not None and parameter.kind in (
                parameter.POSITIONAL_OR_KEYWORD,
                parameter.KEYWORD_ONLY,
            ):
                place = index if parameter.kind == parameter.POSITIONAL_OR_KEYWORD else sys.maxsize
                self._arguments.append((place, parameter.name, check))

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for index, name, check in self._arguments:
            wrong = check(args[index] if index < len(args) else kwargs.get(name))
            if wrong:
                raise ArrayShapeError(f"{self.name}: argument {name} is {self.hints[name]}: {wrong}")

    def result(self, value: Any) -> None:
        wrong = "" if self._returns is None else self._returns(value)
        if wrong:
            raise ArrayShapeError(f"{self.name}: returns {self.hints['return']}: {wrong}")


def _mentions_arrays(function: Callable[..., Any]) -> bool:
    """Whether a hint may hold a jaxtyping array: a quick look, before names can be resolved."""
    return any(isinstance(h, str) or _check_of(h) for h in getattr(function, "__annotations__", {}).values())


def _check_of(hint: Any) -> Check | None:
    """The check of a hint, or None for one without a jaxtyping array in a place that is searched."""
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return functools.partial(_check_array, (hint,))
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _check_of(parts[0])
    if origin in (typing.Union, types.UnionType):
        return _check_of_union(parts)
    if origin is tuple and parts[-1:] != (...,):
        checks = [_check_of(part) for part in parts]
        return functools.partial(_check_tuple, checks) if any(checks) else None
    if isinstance(origin, type) and issubclass(origin, Mapping | Sequence) and parts:
        check = _check_of(parts[-1] if issubclass(origin, Mapping) else parts[0])
        return check and functools.partial(_check_items, check)
    return None


def _check_of_union(parts: Sequence[Any]) -> Check | None:
    """Of several hints: an array must be one of the arrays named, containers are searched as named."""
    arrays = tuple(p for p in parts if isinstance(p, type) and issubclass(p, AbstractArray))
    others = [check for p in parts if p not in arrays and (check := _check_of(p))]
    if (not arrays and not others) or any(p in (np.ndarray, Any) for p in parts):
        return None

    def check(value: Any) -> str:
        if _is_array(value):
            return _check_array(arrays, value) if arrays else ""
        return next((wrong for other in others if (wrong := other(value))), "")

    return check


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _check_array(hints: Sequence[type], value: Any) -> str:
    if not _is_array(value) or any(isinstance(value, hint) for hint in hints):
        return ""
    return f"this is {type(value).__name__} {value.dtype} {list(value.shape)}"


def _check_tuple(checks: Sequence[Check | None], value: Any) -> str:
    if not isinstance(value, tuple) or len(value) != len(checks):
        return ""
    return next((wrong for c, v in zip(checks, value, strict=True) if c and (wrong := c(v))), "")


def _check_items(check: Check, value: Any) -> str:
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next((wrong for item in items if (wrong := check(item))), "")
