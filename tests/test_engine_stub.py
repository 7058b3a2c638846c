"""The stub of PyMuPDF, by which mypy checks our calls, is true to the PyMuPDF that is installed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from sidebooks_core.engine.mupdf import mupdf, pymupdf

STUBS = Path(__file__).parents[1] / "typings" / "pymupdf"
WITHOUT_A_CLASS = {
    "__init__.pyi": {"Tools", "Character", "Span", "TextLine", "TextBlock", "TextDict", "ImageInfo"},
    "mupdf.pyi": {
        "opaque", "pointer", "address", "floats", "bytes_pointer", "fz_path", "pdf_annot", "pdf_function", "pdf_obj",
    },
}  # fmt: skip
"""Names of the stub's own: for dictionaries that PyMuPDF hands out, and for pointers that the binding shows without a class."""


def declared(name: str, kind: type[ast.AST]) -> list[ast.AST]:
    return [node for node in ast.parse((STUBS / name).read_text(encoding="utf-8")).body if isinstance(node, kind)]


@pytest.mark.parametrize(("name", "module"), [("__init__.pyi", pymupdf), ("mupdf.pyi", mupdf)])
class TestTheStub:
    def test_functions_take_what_it_says(self, name: str, module: ModuleType) -> None:
        checked, wrong = 0, []
        for node in declared(name, ast.FunctionDef):
            given = [one.arg for one in node.args.args]
            try:
                taken = list(inspect.signature(getattr(module, node.name)).parameters.values())
            except ValueError:
                continue  # written in C, which tells no parameters
            if any(one.kind is one.VAR_POSITIONAL for one in taken):
                continue  # the binding chooses among several functions of C++ by what it is given
            checked += 1
            is_enough = all(one.default is not one.empty for one in taken[len(given) :])
            if given != [one.name for one in taken][: len(given)] or not is_enough:
                wrong.append((node.name, given, [str(one) for one in taken]))
        assert wrong == []
        assert checked >= (1 if module is pymupdf else 200)

    def test_classes_are_there_with_their_methods(self, name: str, module: ModuleType) -> None:
        classes = {node.name: node for node in declared(name, ast.ClassDef)}
        assert {one for one in classes if not hasattr(module, one)} == WITHOUT_A_CLASS[name]
        missing = [
            f"{one}.{member.name}"
            for one, node in classes.items()
            if one not in WITHOUT_A_CLASS[name]
            for member in node.body
            if isinstance(member, ast.FunctionDef) and not hasattr(getattr(module, one), member.name)
        ]
        assert missing == []

    def test_constants_are_there(self, name: str, module: ModuleType) -> None:
        constants = [node.target.id for node in declared(name, ast.AnnAssign)]
        assert constants
        assert [one for one in constants if not hasattr(module, one)] == []
