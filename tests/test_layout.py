"""How the source is laid out: the length of functions and modules, the size of folders, docstrings."""

import ast
from collections import Counter

from tests.source_tree import ROOT, classes, functions, modules

LONGEST_FUNCTION = 60  # lines
LONGEST_MODULE = 320  # lines
MOST_MODULES = 15  # in a folder
WARP_KERNELS = {"agents/raycast/kernel_render.py render"}
"""Longer than other functions: Warp compiles one as a whole, and calls between them are no way to read it."""


def test_functions_are_short_enough_to_be_read_at_once():
    long = {
        f"{f.path} {f.name}"
        for f in functions()
        if (f.node.end_lineno or f.node.lineno) - f.node.lineno + 1 > LONGEST_FUNCTION
    }
    assert long == WARP_KERNELS


def test_modules_are_short():
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: n for path, n in lines.items() if n > LONGEST_MODULE} == {}


def test_folders_hold_few_modules():
    folders = Counter(path.rpartition("/")[0] for path in modules() if not path.endswith("__init__.py"))
    assert {folder: n for folder, n in folders.items() if n > MOST_MODULES} == {}


def test_public_functions_have_docstrings():
    """An override of a method that has one needs none of its own."""
    bases: dict[str, set[str]] = {}
    documented: dict[str, set[str]] = {}
    for _, node in classes():
        names = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}
        bases.setdefault(node.name, set()).update(names)
        methods = {f.name for f in node.body if isinstance(f, ast.FunctionDef) and ast.get_docstring(f)}
        documented.setdefault(node.name, set()).update(methods)

    def inherits(owner: str, method: str) -> bool:
        return any(
            method in documented.get(base, ()) or inherits(base, method)
            for base in bases.get(owner, set()) - {owner}
        )

    bare = [
        str(f)
        for f in functions()
        if f.public and not ast.get_docstring(f.node) and not inherits(f.owner, f.node.name)
    ]
    assert bare == []
