"""Which benchmarks there are, and what each says of itself: read from the docstrings of their modules, and from nowhere else.

A benchmark is a module of this package, or of a package in it, with a function `main`. Its docstring begins with one line, the
question that it answers. One paragraph begins with "What the numbers do not say:". Nothing is imported, so that listing takes
no time.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
LIMITS = "What the numbers do not say:"


class NoBenchmark(LookupError):
    """There is none of that name."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One of them."""

    name: str
    """The word behind `python -m benchmarks`."""
    question: str
    """One line."""
    limits: str
    """What the numbers do not say: one paragraph in one line. Empty: the docstring has none."""


def benchmarks() -> list[Benchmark]:
    """All, by name."""
    paths = [*FOLDER.glob("*.py"), *FOLDER.glob("*/*.py")]
    found = [_described(path) for path in paths if path != FOLDER / "__main__.py"]
    return sorted((one for one in found if one is not None), key=lambda one: one.name)


def benchmark(name: str) -> Benchmark:
    """The one of a name. Raises NoBenchmark, which names those that there are."""
    known = {one.name: one for one in benchmarks()}
    if name not in known:
        raise NoBenchmark(f"there is no benchmark {name}; there are {', '.join(known)}")
    return known[name]


def _described(path: Path) -> Benchmark | None:
    """None: the module is no benchmark."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body):
        return None
    parts = path.relative_to(FOLDER).with_suffix("").parts
    first, *paragraphs = [" ".join(one.split()) for one in (ast.get_docstring(tree) or "").split("\n\n")]
    limits = next((one.removeprefix(LIMITS).strip() for one in paragraphs if one.startswith(LIMITS)), "")
    return Benchmark(".".join(part for part in parts if part != "__main__"), first, limits)
