"""Reads the imports of every module, without importing any, and holds the architecture.

All imports count: those inside functions, those under TYPE_CHECKING, and `importlib.import_module("…")`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "sidebooks_core"
ROOT = Path(__file__).parents[1] / PACKAGE

Sources = Mapping[str, str]
"""Source text by dotted module name; a package goes by its own name."""

# A unit is a folder or a file of the package. What may import what, beside itself; all may import COMMON.
COMMON = {"errors", "settings", "statistics"}
PARTS = {
    "dispatch", "document", "flights", "identification", "opener", "prerendering", "rasters", "records", "registry", "tile",
    "tile_making",
}  # fmt: skip
SERVICE = PARTS | {"service"}
"""The meeting place; it is one layer in several files."""
BELOW_SERVICE = {"tiling", "documents", "scheduling", "caching", "keys", "rendering"}
COMMAND_LINE = {"cli", "flipping", "terminal"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "statistics": set(),
    "tiling": set(),
    "documents": {"tiling"},
    "scheduling": {"tiling"},
    "caching": {"tiling"},
    "keys": {"tiling"},
    "rendering": {"documents", "tiling"},
    **dict.fromkeys(SERVICE, SERVICE | BELOW_SERVICE),
    # A reader is made by the service, which it knows by a protocol: it stands between the service's parts and the service.
    "view": PARTS | BELOW_SERVICE,
    "screen": PARTS | BELOW_SERVICE | {"view"},
    "reader_loop": set(),
    "reader": PARTS | BELOW_SERVICE | {"view", "screen", "reader_loop"},
    "service": SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view"},
    "": SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view"},
    "testing": SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view", ""},
    **dict.fromkeys(COMMAND_LINE, COMMAND_LINE | SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view", ""}),
    "cli": COMMAND_LINE | SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view", "", "server"},
    "server": SERVICE | BELOW_SERVICE | {"reader", "reader_loop", "screen", "view", ""},
    "__main__": {"cli"},
}

SOLE_IMPORTERS: dict[str, tuple[str, ...]] = {
    "pymupdf": ("documents",),
    "fitz": ("documents",),
    "PIL": ("documents", "rendering"),
    "pypdfium2": ("documents.second_engine",),
    "resvg_py": ("documents",),
    "diskcache": ("caching.disk",),
    "fcntl": ("caching", "rendering.worker_process", "server.slow_clients"),
}
"""Which modules may import a library: those named, and what lies under them."""

PURE = ("tiling", "scheduling")
PURE_IMPORTS = {
    "__future__", "bisect", "collections", "enum", "functools", "heapq", "itertools", "math", "msgspec", "typing",
}  # fmt: skip
"""All that pure units take from outside: nothing that reads, waits, starts or guesses."""
IMPURE_CALLS = {"open", "print", "input", "exec", "eval"}

ENGINE = {"pymupdf", "fitz"}
ENGINE_SIDE = (
    *(f"documents.{name}" for name in (
        "engine", "messages", "opening", "inspection", "drawing", "grey", "thin_lines",
        "page_faults", "transfer", "transfer_curves", "transfer_images", "glyph_boxes", "layers", "resources",
        "mending", "object_search", "rereading", "text", "actual_text",
        "fonts", "font_mending", "font_settling", "form_appearances", "form_fonts",
        "images", "image_decoding", "image_lengths", "image_mending", "image_pages", "second_engine",
        "page_labels", "comics", "epub_contents", "epub_pages", "placed_pages", "sequence", "svg", "identity",
    )),
    *(f"documents.pdf_{name}" for name in ("attachments", "links", "objects", "outline", "pages", "targets")),
)  # fmt: skip
"""Modules that live in worker processes, all that reach the engine; with `documents.identity…`."""
HOST_DOCUMENTS = tuple(
    f"documents.{name}"
    for name in (
        "model", "sniffing", "fingerprint", "font_discovery", "page_ids",
        "folding", "folding_tables", "folded_pages", "natural_order", "page_text", "text_lines", "ruby_style", "jbig2",
    )
)  # fmt: skip
HOST_ROOTS = (
    "",
    *sorted(SERVICE),
    "keys",
    "reader",
    "reader_loop",
    "screen",
    "view",
    *sorted(COMMAND_LINE),
    "server",
    "rendering.pool",
    *HOST_DOCUMENTS,
)
"""Where the embedding application's own process comes in."""
DOORS = {("rendering.bulk", "rendering.desk")}
"""(importer, imported): functions that the host must be able to name, and that run in other processes. They import what
they need when called; importing the module must not."""


def read_sources(root: Path = ROOT) -> dict[str, str]:
    sources = {}
    for path in sorted(root.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def imports_of(module: str, sources: Sources, *, at_import: bool = False) -> set[str]:
    """Dotted names of the modules that a module imports, `from package import submodule` resolved to the submodule.

    With `at_import` only what importing the module imports: nothing inside functions.
    """
    is_package = module == PACKAGE or any(name.startswith(module + ".") for name in sources)
    tree = ast.parse(sources[module])
    found: set[str] = set()
    for node in _outside_functions(tree) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parents = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parents, *([base] if base else [])])
            members = {f"{base}.{alias.name}" for alias in node.names}
            submodules = members & set(sources)
            found |= submodules
            if submodules != members or base not in sources:
                found.add(base)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found.add(name.value)
    return found


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _outside_functions(child)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def violations(sources: Sources) -> list[str]:
    """Every breach of the architecture, in words."""
    imports = {module: imports_of(module, sources) for module in sources}
    found: list[str] = []
    for module, imported in imports.items():
        found += _layer_breaches(module, imported)
        found += _importer_breaches(module, imported)
        if _inner(module).split(".")[0] in PURE:
            found += _impurities(module, imported, sources[module])
    found += _engine_in_host(imports, sources)
    return found


def _inner(module: str) -> str:
    """The name inside the package: "" for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".")


def _layer_breaches(module: str, imported: set[str]) -> Iterator[str]:
    unit = _inner(module).split(".")[0]
    if unit not in ALLOWED:
        yield f"{module}: is in no layer; give {unit!r} one in this test"
        return
    for name in sorted(imported):
        if name.split(".")[0] == PACKAGE:
            other = _inner(name).split(".")[0]
            if other != unit and other not in ALLOWED[unit] | COMMON:
                yield f"{module}: imports {name}, which is not below it"


def _importer_breaches(module: str, imported: set[str]) -> Iterator[str]:
    for name in sorted(imported):
        importers = SOLE_IMPORTERS.get(name.split(".")[0])
        if importers is not None and not any(_is_under(_inner(module), importer) for importer in importers):
            yield f"{module}: imports {name}, which only {' and '.join(importers)} may"


def _impurities(module: str, imported: set[str], source: str) -> Iterator[str]:
    for name in sorted(imported):
        if name.split(".")[0] not in PURE_IMPORTS | {PACKAGE}:
            yield f"{module}: is pure and imports {name}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS:
            yield f"{module}: is pure and calls {_called(node)}"


def _engine_in_host(imports: Mapping[str, set[str]], sources: Sources) -> Iterator[str]:
    """Chains of imports from the host to the engine. Importing a module imports the packages around it too."""
    chains = {root: [root] for root in (f"{PACKAGE}.{name}".rstrip(".") for name in HOST_ROOTS) if root in imports}
    waiting = list(chains)
    while waiting:
        module = waiting.pop(0)
        for name in sorted(imports[module] | _parents(module)):
            chain = [*chains[module], name]
            if (_inner(module), _inner(name)) in DOORS and name not in imports_of(module, sources, at_import=True):
                continue
            if name.split(".")[0] in ENGINE or _is_engine_side(_inner(name)):
                yield f"{chain[0]}: is of the host and reaches the engine: {' -> '.join(chain)}"
            elif name in imports and name not in chains:
                chains[name] = chain
                waiting.append(name)


def _parents(module: str) -> set[str]:
    parts = module.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts))}


def _is_engine_side(inner: str) -> bool:
    return inner.startswith("documents.identity") or any(_is_under(inner, name) for name in ENGINE_SIDE)


def _is_under(inner: str, name: str) -> bool:
    return inner == name or inner.startswith(name + ".")


def test_the_architecture_holds() -> None:
    sources = read_sources()
    assert {f"{PACKAGE}.tiling.pyramid", f"{PACKAGE}.errors", PACKAGE} <= set(sources)
    assert violations(sources) == []


def test_all_modules_that_reach_the_engine_are_listed() -> None:
    sources = read_sources()
    imports = {module: imports_of(module, sources) for module in sources if _inner(module).startswith("documents.")}
    reaching: set[str] = set()
    while found := {module for module, names in imports.items() if names & (ENGINE | reaching)} - reaching:
        reaching |= found
    assert {_inner(module) for module in reaching} == {
        _inner(module) for module in imports if _is_engine_side(_inner(module))
    }, "ENGINE_SIDE"


BAD_SOURCES: list[tuple[str, dict[str, str], str]] = [
    ("caching to scheduling", {"caching.disk": "from sidebooks_core.scheduling import queue"}, "not below it"),
    ("caching to rendering", {"caching.disk": "import sidebooks_core.rendering.jobs"}, "not below it"),
    ("scheduling to caching", {"scheduling.queue": "from sidebooks_core import caching", "caching": ""}, "not below it"),
    ("rendering to caching", {"rendering.pool": "from ..caching import memory"}, "not below it"),
    ("tiling to documents", {"tiling.pyramid": "from sidebooks_core.documents.model import X"}, "not below it"),
    ("tiling to the top", {"tiling.pyramid": "import sidebooks_core"}, "not below it"),
    ("reader to service", {"reader": "def f():\n    from sidebooks_core.service import TileService"}, "not below it"),
    ("reader to cli", {"reader": "from . import cli", "cli": ""}, "not below it"),
    ("flipping to server", {"flipping": "import importlib\nimportlib.import_module('sidebooks_core.server')"}, "not below it"),
    ("the top to server", {"": "from sidebooks_core.server import app"}, "not below it"),
    ("errors to tiling", {"errors": "from sidebooks_core.tiling import geometry"}, "not below it"),
    ("type checking counts", {
        "keys": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sidebooks_core.service import S"
    }, "not below it"),
    ("no layer", {"helpers": ""}, "in no layer"),
    ("engine outside documents", {"rendering.desk": "import pymupdf.mupdf"}, "only documents may"),
    ("diskcache elsewhere in caching", {"caching.memory": "from diskcache import Disk"}, "only caching.disk may"),
    ("fcntl elsewhere", {"service": "def f():\n    import fcntl"}, "rendering.worker_process and server.slow_clients may"),
    ("PIL in the service", {"service": "from PIL import Image"}, "only documents and rendering may"),
    ("threads in tiling", {"tiling.slabs": "from threading import Lock"}, "is pure and imports threading"),
    ("clock in scheduling", {"scheduling.queue": "def f():\n    import time"}, "is pure and imports time"),
    ("file in tiling", {"tiling.slabs": "open('x')"}, "is pure and calls open"),
    ("engine in model", {"documents.model": "from . import engine", "documents.engine": ""}, "reaches the engine"),
    ("engine in service", {"service": "from sidebooks_core.documents.grey import is_grey"}, "reaches the engine"),
    ("engine in pool", {"rendering.pool": "from .worker import main", "rendering.worker":
        "def main():\n    from sidebooks_core.rendering.desk import Desk",
        "rendering.desk": "from sidebooks_core.documents.opening import x"}, "pool -> sidebooks_core.rendering.worker"),
    ("engine at a door", {"rendering.bulk": "from .desk import Desk", "rendering.desk": "import pymupdf",
        "service": "from .rendering.bulk import f"}, "bulk -> sidebooks_core.rendering.desk -> pymupdf"),
    ("engine around model", {"documents": "from .opening import x", "documents.model": ""}, "reaches the engine"),
    ("engine by an unlisted module", {"documents.new": "import pymupdf", "keys":
        "from sidebooks_core.documents.new import x"}, "documents.new -> pymupdf"),
    ("engine in the later identity modules", {"service": "import sidebooks_core.documents.identity_fonts"},
        "reaches the engine"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "breach"), [row[1:] for row in BAD_SOURCES], ids=[row[0] for row in BAD_SOURCES])
def test_a_breach_is_found(bad: dict[str, str], breach: str) -> None:
    sources = {f"{PACKAGE}.{name}".rstrip("."): source for name, source in {"": "", **bad}.items()}
    found = violations(sources)
    assert found, "nothing found"
    assert any(breach in violation for violation in found), found


def test_what_is_allowed_is_not_called_a_breach() -> None:
    good = {
        "": "from sidebooks_core.service import TileService",
        "cli": "import sidebooks_core as sb\nfrom sidebooks_core.reader import Reader",
        "reader": "from sidebooks_core.records import Records",
        "service": "from . import keys, reader\nfrom .rendering import pool\nfrom sidebooks_core.documents.model import X",
        "keys": "import hashlib",
        "rendering": "",
        "rendering.pool": "import subprocess",
        "rendering.worker": "from sidebooks_core.documents import engine\nfrom PIL import Image",
        "rendering.desk": "from sidebooks_core.documents import engine",
        "rendering.bulk": "def f():\n    from sidebooks_core.rendering.desk import Desk",
        "prerendering": "from sidebooks_core.rendering.bulk import f",
        "documents": "",
        "documents.engine": "import pymupdf",
        "documents.model": "from sidebooks_core.tiling.geometry import RectPt",
        "caching.disk": "import diskcache, fcntl",
        "tiling.geometry": "import math\nfrom sidebooks_core.errors import RequestError",
    }
    assert violations({f"{PACKAGE}.{name}".rstrip("."): source for name, source in good.items()}) == []


def test_importing_the_package_loads_no_engine() -> None:
    heavy = ["pymupdf", "fitz", "numpy", "PIL", "diskcache", "sqlite3"]
    code = f"import sys, sidebooks_core; print(*[name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT.parent)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []
