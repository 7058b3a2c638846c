"""On documents that nobody here wrote: pages with equal ids are drawn equal, and no edit that shows goes unnoticed.

The documents are read in other processes: an engine that dies must not take the tests along. The whole corpus is too much
for every run: `python tests/test_identity_corpus.py draw 0 FILE…` draws all pages, `… edit 120 FILE…` makes 120 edits.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

CORPUS = (Path(__file__).parents[1] / ".." / "shared" / "corpus").resolve()
HERE = Path(__file__).parent
PAGES_A_DOCUMENT = 12
SMALL_BYTES = 1_200_000
LONG_SIDE_PX = 300

needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no corpus at {CORPUS}")


def peak_kib() -> int:
    """Most memory this process held, in KiB. Not `ru_maxrss`: a child inherits that from the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def documents(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (CORPUS / folder).glob("*.pdf"))


def in_a_process(task: str, paths: list[Path], *, timeout_s: float, option: int = 0) -> list[dict[str, Any]]:
    """Runs `task` on each path in one process; raises if it dies or takes too long."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    arguments = [sys.executable, __file__, task, str(option), *map(str, paths)]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout_s, cwd=HERE.parent, env=environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    results: list[dict[str, Any]] = [json.loads(line[7:]) for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    return results


@needs_corpus
@pytest.mark.timeout(180)
def test_pages_with_equal_ids_are_drawn_equal() -> None:
    chosen = [path for path in documents("text", "japanese", "geometry", "transparency", "forms") if small(path)]
    results = in_a_process("draw", chosen, timeout_s=170, option=PAGES_A_DOCUMENT)
    assert sum(len(result["ids"]) for result in results) > 100
    assert clashes(results) == []


@needs_corpus
@pytest.mark.timeout(120)
def test_no_edit_that_shows_goes_unnoticed() -> None:
    """Random edits of real objects, whatever they are."""
    names = ("160F-2019.pdf", "stamps.pdf", "blendmode.pdf", "vertical.pdf", "test_3842.pdf", "habibi.pdf")
    chosen = [path for path in documents("forms", "transparency", "japanese", "text") if path.name in names]
    results = in_a_process("edit", chosen, timeout_s=110, option=25)
    assert sum(result["shown"] for result in results) > 10, "hardly an edit showed: the test is void"
    assert [found for result in results for found in result["unnoticed"]] == []


@needs_corpus
@pytest.mark.parametrize("path", documents("slow", "broken") if CORPUS.is_dir() else [], ids=lambda path: path.name)
@pytest.mark.timeout(60)
def test_slow_and_broken_documents_have_ids_soon(path: Path) -> None:
    """Many of these hang or fail when they are drawn."""
    for result in in_a_process("identify", [path], timeout_s=50):
        assert all(len(content_id) == 32 for content_id in result["ids"])
        assert result["slowest_ms"] < 10_000
        assert result["peak_mib"] < 500


def small(path: Path) -> bool:
    return path.stat().st_size < SMALL_BYTES


def clashes(results: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Ids that stand for more than one picture, with where."""
    pictures: dict[str, dict[str, str]] = defaultdict(dict)
    for result in results:
        for index, (content_id, picture) in enumerate(zip(result["ids"], result["pictures"], strict=True)):
            if picture is not None:
                pictures[content_id].setdefault(picture, f"{result['path']} page {index + 1}")
    return [(content_id, list(places.values())) for content_id, places in pictures.items() if len(places) > 1]


def identify(path: Path, _option: int) -> dict[str, Any]:

    import pymupdf

    from sidebooks_core.engine.identity.pages import PageIdentifier

    try:
        document = pymupdf.open(path)
    except pymupdf.FileDataError:
        return {"path": path.name, "ids": [], "slowest_ms": 0, "peak_mib": 0}
    identifier = PageIdentifier(document, path.name, "pdf")
    ids, times_ms = [], [0.0]
    for index in range(document.page_count):
        start = time.perf_counter()
        ids.append(identifier.content_id(index))
        times_ms.append((time.perf_counter() - start) * 1000)
    peak_mib = peak_kib() / 1024
    return {"path": path.name, "ids": ids, "slowest_ms": max(times_ms), "times_ms": times_ms[1:], "peak_mib": peak_mib}


def draw(path: Path, most_pages: int) -> dict[str, Any]:
    """Ids and pictures of the pages, of all of them if `most_pages` is 0."""
    import pymupdf
    from identity_documents import drawn

    from sidebooks_core.engine.identity.pages import PageIdentifier

    document = pymupdf.open(path)
    identifier = PageIdentifier(document, path.name, "pdf")
    pages = range(min(document.page_count, most_pages or document.page_count))
    ids = [identifier.content_id(index) for index in pages]
    pictures = []
    for index in pages:
        try:
            scale = min(1.0, LONG_SIDE_PX / max(*document[index].rect[2:], 1))
            pictures.append(drawn(document, index, scale).hex())
        except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
            pictures.append(None)
    return {"path": path.name, "ids": ids, "pictures": pictures}


def edit(path: Path, edits: int) -> dict[str, Any]:
    """Edits one random object at a time; each page whose picture changes must change its id."""
    import pymupdf
    from identity_documents import drawn

    from sidebooks_core.engine.identity.pages import PageIdentifier

    original = path.read_bytes()
    chance = random.Random(path.name)
    before = pymupdf.open("pdf", original)
    pages = range(min(before.page_count, 3))
    pictures = [drawn(before, index) for index in pages]
    identifier = PageIdentifier(before, "digest", "pdf")
    ids = [identifier.content_id(index) for index in pages]
    shown, unnoticed = 0, []
    for _ in range(edits):
        edited = pymupdf.open("pdf", original)
        done = edit_one(edited, chance)
        if done is None:
            continue
        try:
            identifier = PageIdentifier(edited, "digest", "pdf")
            for index in range(min(edited.page_count, len(pages))):
                if drawn(edited, index) != pictures[index]:
                    shown += 1
                    if identifier.content_id(index) == ids[index]:
                        unnoticed.append(f"{path.name} page {index + 1}: {done}")
        except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
            continue
    return {"path": path.name, "shown": shown, "unnoticed": unnoticed}


def edit_one(document: Any, chance: random.Random) -> str | None:
    """Changes a number, a name, a flag or a byte of some object; returns what it did."""
    import pymupdf

    xref = chance.randrange(1, document.xref_length())
    try:
        return edit_object(document, xref, chance)
    except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
        return None  # no such object, or an edit that the engine refuses


def edit_object(document: Any, xref: int, chance: random.Random) -> str | None:
    if document.xref_is_stream(xref) and chance.random() < 0.4:
        data = bytearray(document.xref_stream(xref) or b"")
        digits = [place for place, byte in enumerate(data) if 48 <= byte <= 57]
        if not digits:
            return None
        place = chance.choice(digits)
        data[place] = 48 + (data[place] - 48 + chance.randrange(1, 10)) % 10
        document.update_stream(xref, bytes(data))
        return f"byte {place} of stream {xref}"
    text = document.xref_object(xref, compressed=True)
    tokens = list(re.finditer(r"(?<![\d.])-?\d*\.?\d+(?! \d+ R)(?![\d.])(?! R)|/[A-Za-z]\w*|true|false|\d+ 0 R", text))
    if not tokens:
        return None
    token = chance.choice(tokens)
    old = token[0]
    if old in ("true", "false"):
        new = "false" if old == "true" else "true"
    elif old.startswith("/"):
        new = chance.choice(["/Edited", chance.choice(tokens)[0]])
    elif old.endswith("R"):
        new = chance.choice(["null", f"{chance.randrange(1, document.xref_length())} 0 R"])
    else:
        new = chance.choice(["0", "1", "7", str(float(old) * 2), str(-float(old)), str(float(old))])
    document.update_object(xref, text[: token.start()] + new + text[token.end() :])
    return f"{old} -> {new} in object {xref} at {token.start()}"


if __name__ == "__main__":
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    task = {"identify": identify, "draw": draw, "edit": edit}[sys.argv[1]]
    for argument in sys.argv[3:]:
        print("RESULT " + json.dumps(task(Path(argument), int(sys.argv[2]))), flush=True)
