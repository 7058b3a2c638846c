"""What each program does in a round, how long its steps take, and what comes of it. The same for ours and for its peers.

A trial is made in a process of its own, which has imported the program before anything is timed. In each round the cache and
the folder of the output are new, or the size of the pages is.
"""

from __future__ import annotations

import ast
import http.client
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymupdf
from PIL import Image

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
SEEN_PX = 48
"""Images are compared at so many pixels, which forgives another antialiasing and shows another page."""
WIDTH_PX = 700
"""The width of a page that `library` is asked for. It is none of its screens'."""
LOGIN = {"x-member": "yamada:open sesame"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a trial is made."""

    program: Path
    document: Path
    folder: Path
    """No other candidate uses the folder."""


@dataclass(slots=True)
class Round:
    """What came of one round."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    """The times of each step."""
    images: dict[str, tuple[tuple[int, int], bytes]] = field(default_factory=dict)
    """Width and height in pixels, and `SEEN_PX` x `SEEN_PX` shades of grey."""
    facts: dict[str, str] = field(default_factory=dict)

    def timed(self, step: str, work: Callable[[], Any]) -> Any:
        started_s = time.perf_counter()
        done = work()
        self.ms.setdefault(step, []).append((time.perf_counter() - started_s) * 1000)
        return done

    def see(self, name: str, image: Image.Image) -> None:
        self.images[name] = image.size, image.convert("L").resize((SEEN_PX, SEEN_PX), Image.Resampling.BOX).tobytes()


Trial = Callable[[int], Round]
"""Does the round of a number."""


def page_count(document: Path) -> int:
    with pymupdf.open(document) as opened:
        return len(opened)


def loaded(program: Path) -> Any:
    """A module that is loaded anew."""
    spec = importlib.util.spec_from_file_location(program.stem, program)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _all_pages(found: Round, step: str, get: Callable[[int], bytes], pages: int) -> None:
    """Ask for the images of so many pages, from 1 on."""
    for page in range(1, pages + 1):
        started_s = time.perf_counter()
        data = get(page)
        found.ms.setdefault(step, []).append((time.perf_counter() - started_s) * 1000)
        with Image.open(io.BytesIO(data)) as image:
            found.see(f"page {page}", image)


@contextmanager
def thumbnails(setting: Setting) -> Iterator[Trial]:
    """The function of the program, twice; and the whole command, with the start of Python and all imports."""
    main = loaded(setting.program).main

    def once(number: int) -> Round:
        found, folder = Round(), setting.folder / str(number)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        found.timed("nothing is stored", lambda: main(folder / "first", setting.document))
        found.timed("again", lambda: main(folder / "second", setting.document))
        command = [sys.executable, str(setting.program), str(folder / "third"), str(setting.document)]
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "other cache")}
        found.timed("as a command", lambda: subprocess.run(command, check=True, env=environment))
        for path in sorted((folder / "first").iterdir()):
            with Image.open(path) as image:
                found.see(path.name, image)
        found.facts["files"] = " ".join(str(len(list((folder / name).iterdir()))) for name in ("first", "second", "third"))
        shutil.rmtree(folder)
        return found

    yield once


@contextmanager
def library(setting: Setting) -> Iterator[Trial]:
    """Pages drawn ahead for two screens, and pages in another size, asked by Flask's own client."""
    papers = setting.folder / "papers"
    papers.mkdir(parents=True)
    shutil.copy(setting.document, papers / "paper.pdf")
    os.environ["LIBRARY"] = str(papers)
    pages = page_count(setting.document)

    def once(number: int) -> Round:
        found, folder = Round(), setting.folder / str(number)
        os.environ["XDG_CACHE_HOME"] = str(folder)
        program = loaded(setting.program)
        client, runner = program.app.test_client(), program.app.test_cli_runner()

        def page(index: int, width_px: int) -> Any:
            """From 1 on."""
            return client.get(f"/papers/paper.pdf/{index}?width={width_px}")

        def fill() -> None:
            done = runner.invoke(args=["fill"])
            if done.exit_code or "paper.pdf" not in done.output:
                raise RuntimeError(done.output)

        try:
            page(1, 40)
            found.timed("fill for two screens", fill)
            found.timed("fill again", fill)
            for step in ("a page of another size", "that page again"):
                _all_pages(found, step, lambda index: page(index, WIDTH_PX).data, pages)
            found.facts["after the last page"] = str(page(len(found.images) + 1, WIDTH_PX).status_code)
        finally:
            if hasattr(program, "service"):
                program.service().close()
        shutil.rmtree(folder)
        return found

    yield once


@contextmanager
def books_with_login(setting: Setting) -> Iterator[Trial]:
    """Pages over HTTP, one after the other, in a size that nobody has asked for in another round."""
    papers = setting.folder / "papers"
    papers.mkdir(parents=True)
    shutil.copy(setting.document, papers / "paper.pdf")
    environment = {
        **os.environ,
        "PAPERS": str(papers),
        "YAMADA_SECRET": "open sesame",
        "SATO_SECRET": "not used",
        "XDG_CACHE_HOME": str(setting.folder / "cache"),
    }
    command = [sys.executable, "-m", "uvicorn", f"{setting.program.stem}:app", "--app-dir", str(setting.program.parent)]
    command += ["--port", "0", "--no-access-log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stderr is not None
            port = next(
                (int(told[1]) for line in server.stderr if (told := re.search(r"running on http://[\d.]+:(\d+)", line))), 0
            )
            if not port:
                raise RuntimeError("the server did not start")
            pages = page_count(setting.document)
            yield lambda number: _pages_read(port, f"{1000 - 7 * number}x1400", pages)
        finally:
            server.terminate()


def _pages_read(port: int, size: str, pages: int) -> Round:
    found = Round()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def get(path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        connection.request("GET", f"/books/documents{path}", headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read()

    found.facts["without a login"] = str(get("", {})[0])
    [document] = json.loads(get("", LOGIN)[1])["documents"]
    for step in ("a page that nobody has seen", "that page again"):
        _all_pages(found, step, lambda page: get(f"/{document['id']}/pages/{page}/{size}", LOGIN)[1], pages)
    found.facts["after the last page"] = str(get(f"/{document['id']}/pages/{len(found.images) + 1}/{size}", LOGIN)[0])
    connection.close()
    return found


@contextmanager
def notebook(setting: Setting) -> Iterator[Trial]:
    """All cells, with what a notebook makes of the last line of each."""
    text = setting.program.read_text(encoding="utf-8")
    cells = ["".join(one["source"]) for one in json.loads(text)["cells"] if one["cell_type"] == "code"]
    os.chdir(ROOT)

    def once(_: int) -> Round:
        found = Round()
        shown: list[Any] = []
        found.timed("all cells", lambda: shown.extend(_run_cells(cells)))
        for number, value in enumerate(shown, 1):
            image = value.image() if hasattr(value, "_repr_mimebundle_") and hasattr(value, "image") else value
            if isinstance(image, Image.Image):
                found.see(f"cell {number}", image)
            elif isinstance(image, tuple):
                found.facts[f"cell {number}"] = repr([one for one in image if not isinstance(one, float)])
        return found

    yield once


def _run_cells(cells: list[str]) -> list[Any]:
    """The values of their last lines, made ready to be shown."""
    names: dict[str, Any] = {}
    values = []
    for cell in cells:
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            for way in ("_repr_mimebundle_", "_repr_png_", "__repr__"):
                if hasattr(value, way):
                    getattr(value, way)()
                    break
            values.append(value)
    return values
