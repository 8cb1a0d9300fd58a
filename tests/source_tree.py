"""The rooms' source as syntax trees, for tests of how it is written."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("scenes", "agents", "engine", "training", "studies", "viewer")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Defined:
    """A function or method. `owner` is the class that it is a method of, "" for a function."""

    path: str
    name: str  # with the classes and functions around it
    node: Function
    owner: str
    public: bool  # no name on the way to it begins with _, and it is not inside a function

    def __str__(self) -> str:
        return f"{self.path}:{self.node.lineno} {self.name}"


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree by path."""
    paths = [ROOT / "tst.py", *(path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))]
    return {p.relative_to(ROOT).as_posix(): ast.parse(p.read_text(encoding="utf-8")) for p in paths}


@cache
def functions() -> tuple[Defined, ...]:
    """All functions, also those inside others."""
    return tuple(found for path, tree in modules().items() for found in _within(tree, path, "", "", True))


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """All classes outside functions, each with its path."""
    for path, tree in modules().items():
        waiting: list[ast.AST] = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.ClassDef):
                yield path, node
            waiting += [c for c in ast.iter_child_nodes(node) if not isinstance(c, (ast.expr, Function))]


def _within(node: ast.AST, path: str, around: str, owner: str, public: bool) -> Iterator[Defined]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            known = public and (not child.name.startswith("_") or child.name == "__call__")
            yield Defined(path, around + child.name, child, owner, known)
            yield from _within(child, path, f"{around}{child.name}.", "", False)
        elif isinstance(child, ast.ClassDef):
            shown = public and not child.name.startswith("_")
            yield from _within(child, path, f"{around}{child.name}.", child.name, shown)
        elif not isinstance(child, ast.expr):  # which holds no definition
            yield from _within(child, path, around, owner, public)
