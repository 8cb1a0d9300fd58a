"""The check of array shapes: a wrong shape or dtype is refused, a right one passes."""

import ast
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Int64, UInt8

from engine.stream.augment import take_pixels
from tests import array_shapes
from tests.array_shapes import ArrayShapeError, check_module, checked, unchecked
from tests.source_tree import classes, functions, modules


def test_a_function_of_a_room_refuses_a_wrong_shape_and_takes_a_right_one():
    take = checked(take_pixels)
    images, rows, turned = np.zeros((3, 4, 4, 3), np.uint8), np.tile(np.arange(2), (3, 1)), np.zeros(3, bool)
    assert take(images, rows, rows, turned, normals=False).shape == (3, 2, 2, 3)
    with pytest.raises(ArrayShapeError, match=r"take_pixels: argument mirrored .*bool \[4\]"):
        take(images, rows, rows, np.zeros(4, bool), normals=False)
    with pytest.raises(ArrayShapeError, match=r"argument rows .*float64 \[3, 2\]"):
        take(images, rows.astype(float), rows, turned, normals=False)


@dataclass(frozen=True)
class _Frames:
    rgb: UInt8[np.ndarray, "n h w 3"]
    valid: Bool[np.ndarray, "n h w"]

    @classmethod
    def blank(cls, count: int, valid: Bool[np.ndarray, "n h w"]) -> "_Frames":
        return cls(np.zeros((count, *valid.shape[1:], 3), np.uint8), valid)

    @property
    def means(self) -> Float[np.ndarray, " n"]:
        return self.rgb.mean(axis=(1, 2)) if self.valid.all() else self.rgb.mean(axis=(1, 2, 3))


def test_so_do_dataclasses_class_methods_and_properties_of_a_module():
    module = types.ModuleType(__name__)
    module._Frames = _Frames
    check_module(module)
    valid = np.zeros((2, 4, 5), bool)
    assert _Frames.blank(2, valid).means.shape == (2,)
    with pytest.raises(ArrayShapeError, match=r"__init__: argument valid .*bool \[2, 4, 5\]"):
        _Frames.blank(3, valid)
    with pytest.raises(ArrayShapeError, match=r"blank: argument valid .*int64 \[2, 4, 5\]"):
        _Frames.blank(2, valid.astype(int))
    with pytest.raises(ArrayShapeError, match=r"means: returns .*float64 \[2, 3\]"):
        _ = _Frames.blank(2, ~valid).means


@checked
def _pooled(
    images: Mapping[str, Sequence[UInt8[np.ndarray, "h w"]]], ids: Sequence[int] | Int64[np.ndarray, " n"]
) -> tuple[Float[torch.Tensor, " h"], int]:
    height = len(images["a"][0])
    return torch.zeros(height if len(ids) else height + 1), len(ids)


def test_dimensions_are_bound_once_a_call_through_containers_and_the_result():
    small, large = np.zeros((2, 3), np.uint8), np.zeros((4, 3), np.uint8)
    assert _pooled({"a": [small]}, np.arange(5))[1] == 5
    assert _pooled({"a": [large]}, [np.int64(1)])[1] == 1  # another call binds anew; no array, no check
    with pytest.raises(ArrayShapeError, match=r"argument images .*uint8 \[4, 3\]"):
        _pooled({"a": [small, large]}, [1])
    with pytest.raises(ArrayShapeError, match=r"argument ids .*float64 \[5\]"):
        _pooled({"a": [small]}, np.zeros(5))
    with pytest.raises(ArrayShapeError, match=r"returns .*torch.float32 \[3\]"):
        _pooled({"a": [small]}, [])


def test_functions_without_arrays_are_left_as_they_are():
    def plain(count: int, images: np.ndarray) -> list[int]:
        return [count, len(images)]

    assert checked(plain) is plain


def test_wrong_arrays_can_be_passed_on_purpose():
    with unchecked():
        assert _pooled({"a": [np.zeros((2, 3), np.uint8)]}, [])[1] == 0
    with pytest.raises(ArrayShapeError):
        _pooled({"a": [np.zeros((2, 3), np.uint8)]}, [])


def test_what_torch_compiles_is_left_alone():
    """Traced whole, without a break at the check, though the module is one of the rooms'."""
    module = types.ModuleType("training.planted")

    def halved(x: Float[torch.Tensor, " n"]) -> Float[torch.Tensor, " n"]:
        return x / 2

    halved.__module__ = module.__name__
    module.halved = halved
    check_module(module)
    assert module.halved is not halved
    compiled = torch.compile(lambda x: module.halved(x) + 1, backend="eager", fullgraph=True)
    assert compiled(torch.ones(3)).tolist() == [1.5, 1.5, 1.5]
    with pytest.raises(ArrayShapeError):
        module.halved(torch.ones(2, 2))


def test_a_room_that_was_imported_before_is_named():
    assert "engine.stream.augment" in sys.modules
    with pytest.raises(RuntimeError, match=r"imported before .*engine"):
        array_shapes.install()


BARE = {"ndarray", "np.ndarray", "numpy.ndarray", "Tensor", "torch.Tensor"}


def _is_bare(annotation: ast.expr) -> bool:
    """Whether an array without dtype and shape occurs in an annotation."""
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        last = annotation.slice.elts[-1]
        if isinstance(last, ast.Constant) and isinstance(last.value, str):  # UInt8[np.ndarray, "h w 3"]
            return False
    return ast.unparse(annotation) in BARE or any(
        _is_bare(part) for part in ast.iter_child_nodes(annotation) if isinstance(part, ast.expr)
    )


def _annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [a for a in (*(x and x.annotation for x in arguments), function.returns) if a is not None]


def test_public_arrays_have_a_shape():
    """In arguments and results of public functions, in fields of public classes, and in names of types."""
    bare = [str(f) for f in functions() if f.public and any(map(_is_bare, _annotations(f.node)))]
    for path, tree in modules().items():
        bare += [
            f"{path}:{node.lineno} {ast.unparse(node.targets[0])}"
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and _is_bare(node.value)
        ]
    bare += [
        f"{path}:{field.lineno} {ast.unparse(field.target)}"
        for path, node in classes()
        for field in node.body
        if isinstance(field, ast.AnnAssign) and not node.name.startswith("_") and _is_bare(field.annotation)
    ]
    assert bare == []


def test_a_bare_array_is_found():
    code = "def f(a: dict[str, np.ndarray], b: Int[Tensor, 'n'], c: UInt8[np.ndarray, 'h w'] | None): ..."
    (function,) = ast.parse(code).body
    assert isinstance(function, ast.FunctionDef)
    assert [_is_bare(a) for a in _annotations(function)] == [True, False, False]
