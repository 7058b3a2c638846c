"""Bounds of the code that a reader feels: sizes, parameters, untyped values, and what is private to a module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sidebooks_core"
MODULE_LINES = 400
CLASS_LINES = 300
PARAMETERS = 6
ANY = 80
"""In the whole package. The word stands where nothing can be said of a type, or a checker cannot follow."""
OTHERS_PRIVATE = {"os._exit", "sys._getframe", "pymupdf._make_PdfFilterOptions", "parser._actions"}
"""Private names of other projects that have no public way; each use says why."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def long_modules() -> list[str]:
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in PACKAGE.rglob("*.py")}
    return [f"{path.relative_to(ROOT)}: {count} lines" for path, count in lines.items() if count > MODULE_LINES]


def long_classes() -> list[str]:
    found = []
    for where, tree in trees("sidebooks_core"):
        for node in ast.walk(tree):
            lines = (node.end_lineno or 0) - node.lineno + 1 if isinstance(node, ast.ClassDef) else 0
            if isinstance(node, ast.ClassDef) and lines > CLASS_LINES:
                found.append(f"{where}: {node.name} has {lines} lines")
    return found


def many_parameters() -> list[str]:
    found = []
    for where, tree in trees("sidebooks_core"):
        for node in ast.walk(tree):
            if not isinstance(node, Function):
                continue
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            count = len([one for one in named if one.arg not in ("self", "cls")])
            if count > PARAMETERS:
                found.append(f"{where}: {node.name} has {count} parameters")
    return found


def private_uses(*folders: str) -> list[str]:
    """Uses of names that begin with an underscore, of anything but the module or the object itself."""
    found = []
    for where, tree in trees(*folders):
        own = {node.name for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef)}
        own |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_self(node.value)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                found += [f"{where}:{node.lineno}: {one.name}" for one in node.names if _is_private(one.name)]
            elif isinstance(node, ast.Attribute) and _is_private(node.attr) and not _is_self(node.value):
                used = ast.unparse(node)
                if node.attr not in own and used not in OTHERS_PRIVATE:
                    found.append(f"{where}:{node.lineno}: {used}")
    return found


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_no_module_is_too_long() -> None:
    assert long_modules() == []


def test_no_class_is_too_long() -> None:
    assert long_classes() == []


def test_no_function_has_too_many_parameters() -> None:
    assert many_parameters() == []


def test_few_values_are_untyped() -> None:
    found = {path: len(re.findall(r"\bAny\b", path.read_text(encoding="utf-8"))) for path in PACKAGE.rglob("*.py")}
    assert sum(found.values()) <= ANY, {path.name: count for path, count in found.items() if count}


@pytest.mark.parametrize("folder", ["sidebooks_core", "tests", "benchmarks"])
def test_what_is_private_stays_so(folder: str) -> None:
    assert private_uses(folder) == []
