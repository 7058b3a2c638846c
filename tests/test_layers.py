"""Holds the architecture: reads the imports of every module, without importing any.

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

ROOMS: dict[str, str] = {
    # A folder or file of the package, and what it may import beside itself: rows above it only, so there is no circle.
    "errors": "",
    "statistics": "",
    "spreadsheet": "",
    "logs": "errors",
    "tiling": "errors",
    "scheduling": "tiling",
    "keys": "tiling",
    "documents": "errors tiling",
    "text": "documents",
    "fonts": "documents",
    "encoding": "errors documents",
    "settings": "errors encoding",
    "stores": "errors",
    "workers": "errors tiling documents fonts encoding",
    "engine": "errors documents text fonts",
    "worker": "errors documents text fonts encoding engine workers",
    "images": "errors settings statistics tiling scheduling keys documents fonts encoding stores workers",
    "databases": "errors stores",
    "library": "errors settings scheduling keys documents stores databases workers images",
    "reading": "errors settings tiling scheduling keys documents encoding stores images",
    "assembly": "errors settings scheduling keys documents fonts stores workers images library reading",
    "service": "errors settings statistics tiling scheduling documents encoding stores images library reading assembly",
    "marks": "errors documents databases",
    "shelf": "errors settings scheduling documents text images service databases stores marks",
    "access": "errors databases spreadsheet",
    "meeting": "errors databases spreadsheet",
    "shelf_audit": "errors databases shelf access",
    "guest_marks": "errors databases access",
    "aio": "errors settings documents images library service",
    PACKAGE: "errors settings statistics tiling scheduling documents encoding stores images library reading service",
    "testing": "errors settings tiling documents encoding stores workers service",
    "server": "errors logs settings statistics tiling scheduling keys documents encoding stores images library reading service "
    f"marks shelf access shelf_audit guest_marks meeting {PACKAGE}",
    "cli": f"{PACKAGE} errors logs settings statistics documents encoding stores library service marks shelf access "
    "shelf_audit meeting server",
    "__main__": "cli",
}
WORKER_ONLY = ("engine", "worker")
"""Rooms that only worker processes may load. `DOORS` names the one function of the host that leads to them."""
DOORS = {("workers.bulk", "worker.desk")}
"""(importer, imported): runs in an executor's process, and imports when it is called. Importing the module must not."""

SOLE_IMPORTERS: dict[str, tuple[str, ...]] = {
    "pymupdf": ("engine",),
    "fitz": ("engine",),
    "PIL": ("engine", "encoding", "worker"),
    "pypdfium2": ("engine.second_engine",),
    "resvg_py": ("engine.svg",),
    "diskcache": ("stores.pooled_cache",),
    "apsw": ("databases", "library.facts_file"),
    "fcntl": ("stores", "databases", "workers.process", "server.slow_clients", "server.unix_socket"),
    "watchfiles": ("shelf.watched",),
    "starlette": ("server",),
    "uvicorn": ("server.command", "server.slow_clients", "server.slow_sockets"),
    "websockets": ("meeting.client", "server.slow_sockets"),
    "httptools": ("server.slow_clients",),
    "rjsmin": ("server.viewer_files",),
    "argon2": ("access.passwords",),
    "segno": ("access.qr",),
    "joserfc": ("access.oidc",),
    "redis": ("meeting.redis_hub",),
}
"""Which modules may import a library: those named, and what lies under them."""

OF_MEETINGS = "attendance commands compiled following messages model rights session state votes voting"
OF_MARKS = "answers clock device merge model placing visibility"
PURE = (
    "tiling",
    "scheduling",
    *(f"meeting.{name}" for name in OF_MEETINGS.split()),
    *(f"marks.{name}" for name in OF_MARKS.split()),
)
"""Rooms and modules that are arithmetic and policy. A pure module of a room that is not pure imports only its pure ones."""
PURE_IMPORTS = {
    "__future__", "bisect", "collections", "enum", "functools", "heapq", "itertools", "math", "msgspec", "typing",
}  # fmt: skip
"""All that they take from outside: nothing that reads, waits, starts or guesses."""
IMPURE_CALLS = {"open", "print", "input", "exec", "eval"}


def read_sources(root: Path = ROOT) -> dict[str, str]:
    sources = {}
    for path in sorted(root.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
        sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return sources


def imports_of(module: str, sources: Sources, *, at_import: bool = False) -> set[str]:
    """Dotted names of the modules that a module imports, `from package import submodule` resolved to the submodule.

    With `at_import` only what importing the module imports: nothing inside functions, nor for type checkers alone.
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
        is_for_types = isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
        if not is_for_types and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _outside_functions(child)


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def violations(sources: Sources) -> list[str]:
    """Every breach of the architecture, in words."""
    found: list[str] = []
    for module in sources:
        found += _room_breaches(module, sources)
        found += _importer_breaches(module, imports_of(module, sources))
        if _is_pure(module):
            found += _impurities(module, imports_of(module, sources), sources[module])
    return found


def _inner(module: str) -> str:
    """The name inside the package: "" for the package itself."""
    return module.removeprefix(PACKAGE).removeprefix(".")


def _room(module: str) -> str:
    return _inner(module).split(".")[0] or PACKAGE


def _room_breaches(module: str, sources: Sources) -> Iterator[str]:
    room = _room(module)
    if room not in ROOMS:
        yield f"{module}: is in no room; give {room!r} a row in this test"
        return
    for name in sorted(imports_of(module, sources)):
        if name.split(".")[0] != PACKAGE or (other := _room(name)) == room:
            continue
        if (_inner(module), _inner(name)) in DOORS:
            if name in imports_of(module, sources, at_import=True):
                yield f"{module}: imports {name} when it is imported: it may only when it is called"
        elif other not in ROOMS[room].split():
            yield f"{module}: imports {name}, which is not below it"


def _importer_breaches(module: str, imported: set[str]) -> Iterator[str]:
    for name in sorted(imported):
        importers = SOLE_IMPORTERS.get(name.split(".")[0])
        if importers is not None and not any(_is_under(_inner(module), importer) for importer in importers):
            yield f"{module}: imports {name}, which only {' and '.join(importers)} may"


def _impurities(module: str, imported: set[str], source: str) -> Iterator[str]:
    for name in sorted(imported):
        is_beside = _room(name) == _room(module) and _inner(name) != _room(module)
        if name.split(".")[0] not in PURE_IMPORTS | {PACKAGE} or (is_beside and not _is_pure(name)):
            yield f"{module}: is pure and imports {name}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS:
            yield f"{module}: is pure and calls {_called(node)}"


def _is_pure(module: str) -> bool:
    return any(_is_under(_inner(module), one) for one in PURE)


def _is_under(inner: str, name: str) -> bool:
    return inner == name or inner.startswith(name + ".")


def test_the_architecture_holds() -> None:
    sources = read_sources()
    assert {f"{PACKAGE}.tiling.pyramid", f"{PACKAGE}.errors", PACKAGE} <= set(sources)
    assert violations(sources) == []


def test_the_table_has_no_circle_and_keeps_the_engine_out_of_the_host() -> None:
    rows = list(ROOMS)
    for number, (room, allowed) in enumerate(ROOMS.items()):
        assert set(allowed.split()) <= set(rows[:number]), room
        assert room in WORKER_ONLY or not set(allowed.split()) & set(WORKER_ONLY), room


BAD_SOURCES: list[tuple[str, dict[str, str], str]] = [
    ("stores to scheduling", {"stores.disk": "from sidebooks_core.scheduling import queue"}, "not below it"),
    ("stores to workers", {"stores.disk": "import sidebooks_core.workers.jobs"}, "not below it"),
    ("scheduling to stores", {"scheduling.queue": "from sidebooks_core import stores", "stores": ""}, "not below it"),
    ("workers to stores", {"workers.pool": "from ..stores import memory"}, "not below it"),
    ("tiling to documents", {"tiling.pyramid": "from sidebooks_core.documents.model import X"}, "not below it"),
    ("tiling to the top", {"tiling.pyramid": "import sidebooks_core"}, "not below it"),
    ("reader to service", {"reading.reader": "def f():\n    from sidebooks_core.service import TileService"}, "not below it"),
    ("reader to cli", {"reading.reader": "from .. import cli", "cli": ""}, "not below it"),
    ("service to server", {"service": "import importlib\nimportlib.import_module('sidebooks_core.server')"}, "not below it"),
    ("the top to server", {"": "from sidebooks_core.server import app"}, "not below it"),
    ("errors to tiling", {"errors": "from sidebooks_core.tiling import geometry"}, "not below it"),
    ("type checking counts", {
        "keys": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sidebooks_core.service import S"
    }, "not below it"),
    ("no room", {"helpers": ""}, "in no room"),
    ("engine in worker", {"worker.desk": "import pymupdf.mupdf"}, "only engine may"),
    ("diskcache elsewhere in stores", {"stores.memory": "from diskcache import Disk"}, "only stores.pooled_cache may"),
    ("SQL in a reader", {"reading.reader": "import apsw"}, "only databases and library.facts_file may"),
    ("fcntl elsewhere", {"service": "def f():\n    import fcntl"}, "server.slow_clients and server.unix_socket may"),
    ("starlette in the service", {"service": "from starlette.types import Scope"}, "only server may"),
    ("PIL in the service", {"service": "from PIL import Image"}, "only engine and encoding and worker may"),
    ("threads in tiling", {"tiling.slabs": "from threading import Lock"}, "is pure and imports threading"),
    ("clock in scheduling", {"scheduling.queue": "def f():\n    import time"}, "is pure and imports time"),
    ("file in tiling", {"tiling.slabs": "open('x')"}, "is pure and calls open"),
    ("clock in a meeting", {"meeting.session": "from time import monotonic"}, "is pure and imports time"),
    ("hub in a meeting", {
        "meeting.session": "from sidebooks_core.meeting.hub import X", "meeting.hub": "import threading"
    }, "is pure and imports sidebooks_core.meeting.hub"),
    ("redis in another hub", {"meeting.hub": "import redis"}, "only meeting.redis_hub may"),
    ("shelf in a meeting", {"meeting.records": "from sidebooks_core.shelf import Shelf", "shelf": ""}, "not below it"),
    ("engine in documents", {"documents.model": "from ..engine import x", "engine": ""}, "not below it"),
    ("engine in service", {"service": "from sidebooks_core.engine.grey import is_grey"}, "not below it"),
    ("worker in pool", {"workers.pool": "def f():\n    from ..worker.main import main", "worker.main": ""}, "not below it"),
    ("an open door", {"workers.bulk": "from ..worker.desk import Desk", "worker.desk": ""}, "only when it is called"),
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
        "cli.commands": "import sidebooks_core as sb\nfrom sidebooks_core.server.command import serve",
        "reading.reader": "from sidebooks_core.images.finding import Images",
        "service": "from . import assembly\nfrom sidebooks_core.documents.model import X",
        "keys": "import hashlib",
        "assembly": "from . import keys\nfrom .workers import pool",
        "workers.pool": "import subprocess",
        "workers.bulk": "def f():\n    from sidebooks_core.worker.desk import Desk",
        "worker.main": "from sidebooks_core.engine import mupdf\nfrom PIL import Image",
        "worker.desk": "from sidebooks_core.engine import mupdf",
        "engine.mupdf": "import pymupdf",
        "documents.model": "from sidebooks_core.tiling.geometry import RectPt",
        "stores.leases": "import fcntl",
        "stores.pooled_cache": "import diskcache",
        "library.facts_file": "import apsw",
        "meeting.hub": "import threading\nfrom sidebooks_core.meeting.session import X",
        "meeting.session": "from sidebooks_core.errors import X\nfrom sidebooks_core.meeting.votes import Y",
        "meeting.votes": "import msgspec",
        "tiling.geometry": "import math\nfrom sidebooks_core.errors import RequestError",
    }
    assert violations({f"{PACKAGE}.{name}".rstrip("."): source for name, source in good.items()}) == []


ENGINES = ["pymupdf", "fitz", "numpy", "PIL", "diskcache", "sqlite3", "apsw"]
SERVERS = ["starlette", "anyio", "uvicorn", "httptools"]
LATE = "engine.texts engine.svg engine.comics engine.epub engine.images.mending engine.transfer.applying engine.inspection"
OF_OTHER_JOBS = [*(f"{PACKAGE}.{name}" for name in f"{LATE} worker.annotating worker.searching".split()), "urllib.request"]
"""What the pages of most PDFs do not need: a worker imports it for the first job that does."""
WAYS_IN = ["argon2", "segno", "joserfc", "cryptography", "urllib.request"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        (PACKAGE, [*ENGINES, *SERVERS]),
        (f"{PACKAGE}.cli.commands", [*ENGINES, *SERVERS]),
        (f"{PACKAGE}.access", [*ENGINES, *SERVERS, *WAYS_IN]),
        (f"{PACKAGE}.access.access", ["pymupdf", "numpy", "PIL", *SERVERS, *WAYS_IN]),
        (f"{PACKAGE}.worker.desk", OF_OTHER_JOBS),
        (f"{PACKAGE}.meeting.hub", [*ENGINES, *SERVERS, *WAYS_IN, "redis"]),
        (
            f"{PACKAGE}.server.command",
            [*(one for one in ENGINES if one not in ("apsw", "numpy")), "webbrowser", "urllib.request"],
        ),
    ],
)
def test_importing_loads_nothing_that_only_some_uses_need(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT.parent)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []


LOADED = """
import importlib, sys
from pathlib import Path
import sidebooks_core.worker.confinement, sidebooks_core.worker.desk, sidebooks_core.worker.warming
from sidebooks_core.worker.fork_server import LATE
for name in LATE:
    importlib.import_module(f"sidebooks_core.{name}")
root = Path(sys.modules["sidebooks_core"].__file__).parent
for path in sorted(one for room in ("engine", "worker", "text") for one in (root / room).rglob("*.py")):
    name = ".".join(("sidebooks_core", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
    if name not in sys.modules:
        print(name)
"""


def test_whatever_workers_need_is_loaded_early_or_late_by_the_process_that_forks_them() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=60, cwd=ROOT.parent)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [], "each worker would load it by itself"
