"""Writes docs/tutorial/forty-tasks.md from the tasks that the tests of the viewer do.

python docs/render_tasks.py [--check]
SIDEBOOKS_TASK_PICTURES=docs/explanation/images/tasks python -m pytest tests/test_viewer_tasks.py

The second line takes the pictures anew. The texts are those of the decorator `task` of each function; they are read from
the source, so that no browser is needed.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from wrapping import wrapped

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "tutorial" / "forty-tasks.md"
PICTURES = ROOT / "docs" / "explanation" / "images" / "tasks"
PARTS = [
    ("tasks_of_members.py", "読む人", "For those who read"),
    ("tasks_of_clerks.py", "事務局", "For the office"),
]
INTRODUCTION = """\
This page has forty tasks of somebody who has never used the viewer, with what they press. The tests of the viewer do each of
them in a real browser, only by what the screen says."""
IN_JAPANESE = """\
初めて使う人の40の用事と、その手順です。
どれも、画面に書いてあることだけを頼りにできることを、実際のブラウザーで確かめています。"""
HOW = """\
`docs/render_tasks.py` writes the page from the tests; its first lines say how the pictures are taken anew."""
FIELDS = ("device", "who", "ja", "en", "press")


def tasks(name: str) -> Iterator[dict[str, str]]:
    """The tasks of a file of tests, in order: FIELDS, and `name` of the function."""
    tree = ast.parse((ROOT / "tests" / name).read_text(encoding="utf-8"))
    for one in tree.body:
        for decorator in one.decorator_list if isinstance(one, ast.FunctionDef) else []:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "task":
                given = zip(FIELDS, map(ast.literal_eval, decorator.args), strict=False)
                yield {"name": one.name, **dict(given)}


def rendered() -> str:
    """The page."""
    lines = ["# Forty tasks", *wrapped(INTRODUCTION), "", *wrapped(IN_JAPANESE), "", *wrapped(HOW)]
    number = 0
    images = []
    for name, title, gloss in PARTS:
        lines += ["", f"## {title}", f"{gloss}."]
        for one in tasks(name):
            number += 1
            images.append(f"[{number}]: ../explanation/images/tasks/{one['name'].replace('_', '-')}.png")
            lines += ["", f"### {number} {one['ja']}"]
            lines += [*wrapped(f"{one['en']} ({one['device']})."), "", *wrapped(one["press"]), ""]
            lines += [f"![{one['ja']}][{number}]"]
    return "\n".join([*lines, "", *images]) + "\n"


def main() -> None:
    """Write the page, or see whether it is what it should be."""
    parser = argparse.ArgumentParser(description="Writes docs/tutorial/forty-tasks.md from the tests.")
    parser.add_argument("--check", action="store_true", help="only see whether the page is what the tests say")
    if parser.parse_args().check:
        if TARGET.read_text(encoding="utf-8") != rendered():
            sys.exit(f"{TARGET} is not what the tests say: run {sys.argv[0]}")
        known = {one["name"].replace("_", "-") for name, *_ in PARTS for one in tasks(name)}
        if wrong := {one.stem for one in PICTURES.glob("*.png")} ^ known:
            sys.exit(f"{PICTURES} has no picture of a task, or one of no task: {sorted(wrong)}")
    else:
        TARGET.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
