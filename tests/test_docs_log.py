"""The page about the log names every logger of the sources, and its lines are those that are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT

import sidebooks_core

SOURCES = Path(sidebooks_core.__file__).parent
PAGE = (ROOT / "docs" / "how-to" / "deploy" / "logging.md").read_text(encoding="utf-8")
BY_METHOD = {"exception": "error", "error": "error", "warning": "warning", "info": "info", "debug": "debug"}


def trees() -> Iterator[ast.Module]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, str]]:
    """Level and text of each line; what is filled in is `…`. The level is "" if it depends."""
    for tree in trees():
        for one in ast.walk(tree):
            if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and ast.unparse(one.func.value) == "_log":
                texts = [arg.value for arg in one.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                if texts:
                    yield BY_METHOD.get(one.func.attr, ""), re.sub(r"%[rsd]", "…", texts[0])


def loggers() -> set[str]:
    """The names of all loggers."""
    return {
        one.args[0].value
        for tree in trees()
        for one in ast.walk(tree)
        if isinstance(one, ast.Call)
        and ast.unparse(one.func) == "logging.getLogger"
        and one.args
        and isinstance(one.args[0], ast.Constant)
    } - {"sidebooks_core"}


def test_every_logger_is_on_the_page() -> None:
    named = set(re.findall(r"^\| `(sidebooks_core[\w.]*)` \|", PAGE, re.M))
    ours = {name for name in loggers() if isinstance(name, str) and name.startswith("sidebooks_core")}
    assert named == ours


def test_every_line_on_the_page_is_written() -> None:
    written = list(calls())
    assert len(written) > 80
    rows = re.findall(r"- `([^`]+)` \((\w+)\): ", " ".join(PAGE.split()))
    assert len(rows) > 15
    for line, level in rows:
        parts = [part.strip() for part in line.split("…") if part.strip(" ()")]
        pattern = re.compile(".*".join(map(re.escape, parts)))
        found = {one for one, text in written if pattern.search(text.replace("(…)", "(signal 9)"))}
        assert found & {level, ""}, (line, level, found)
