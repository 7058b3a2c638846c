"""The programs of docs/examples: what they do, and that type checkers find nothing in them."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pikepdf
import pytest
from asgi import ask_async
from PIL import Image

import sidebooks_core as sb

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
MOST_LINES = {"thumbnails": 19, "books_with_login": 41, "flipper": 51, "library": 34, "notebook": 24}
"""Half of what the same programs took when an outsider first wrote them; empty lines do not count."""
YAMADA = {"x-member": "yamada:open sesame"}


def linked(path: Path) -> Path:
    """Two pages; a link on the first one leads to the other."""
    with pikepdf.new() as pdf:
        for _ in range(2):
            pdf.add_blank_page(page_size=(300, 400))
        destination = pikepdf.Array([pdf.pages[1].obj, pikepdf.Name("/Fit")])
        link = {"/Type": "/Annot", "/Subtype": "/Link", "/Rect": [100, 100, 200, 150], "/Dest": destination}
        names = {key: pikepdf.Name(value) if isinstance(value, str) else value for key, value in link.items()}
        pdf.pages[0].obj["/Annots"] = pikepdf.Array([pdf.make_indirect(pikepdf.Dictionary(names))])
        pdf.save(path)
    return path


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells() -> list[str]:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_they_are_short() -> None:
    lines = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in PROGRAMS}
    lines["notebook"] = "\n".join(cells()).splitlines()
    counted = {name: sum(bool(line.strip()) for line in found) for name, found in lines.items()}
    assert set(counted) == set(MOST_LINES)
    assert {name: count for name, count in counted.items() if count > MOST_LINES[name]} == {}


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_type_checkers_find_nothing(checker: str, tmp_path: Path) -> None:
    pytest.importorskip(checker, reason=f"needs {checker}", exc_type=ImportError)
    paths = [Path(shutil.copy(path, tmp_path)) for path in PROGRAMS]
    paths.append(tmp_path / "notebook.py")
    paths[-1].write_text("\n".join(cells()), encoding="utf-8")
    rules = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "reportUnusedExpression": "none"}  # a notebook shows them
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(rules))
    options = ["--strict", "--cache-dir", "cache"] if checker == "mypy" else ["--pythonpath", sys.executable]
    command = [sys.executable, "-m", checker, *options, *(path.name for path in paths)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr


def test_thumbnails_of_all_pages_and_a_bad_file_is_told(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7\n")
    command = [sys.executable, EXAMPLES / "thumbnails.py", tmp_path / "out", tmp_path / "bad.pdf", tmp_path / "no", sample]
    environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=environment)
    assert done.returncode == 0, done.stderr
    assert "bad.pdf" in done.stderr
    made = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in made] == [f"{sample.stem}-{number:04d}.webp" for number in range(1, 23)]
    with Image.open(made[0]) as first:
        assert max(first.size) == 256


def test_books_are_behind_the_login(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    shutil.copy(sample, papers)
    monkeypatch.setenv("PAPERS", os.fspath(papers))
    monkeypatch.setenv("YAMADA_SECRET", "open sesame")
    monkeypatch.setenv("SATO_SECRET", "open barley")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    app: Any = loaded("books_with_login").app

    async def run() -> None:
        async with app.router.lifespan_context(app):
            assert (await ask_async(app, "/books/documents")).status == 401
            assert (await ask_async(app, "/books/documents", headers={"x-member": "yamada:guess"})).status == 401
            reply = await ask_async(app, "/books/documents", headers=YAMADA)
            assert [one["name"] for one in reply.json()["documents"]] == [sample.name]
            document_id = reply.json()["documents"][0]["id"]
            image = await ask_async(app, f"/books/documents/{document_id}/pages/1/200x200", headers=YAMADA)
            assert image.status == 200
            assert "private" in image.headers["cache-control"]
            for member, status in ((YAMADA, 200), ({"x-member": "sato:open barley"}, 403)):
                assert (await ask_async(app, f"/books/documents/{document_id}", headers=member)).status == 200
                assert (await ask_async(app, f"/books/documents/{document_id}/original", headers=member)).status == status

    asyncio.run(run())


def test_a_library_is_filled_and_shown(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flask", reason="needs Flask", exc_type=ImportError)
    papers = tmp_path / "papers"
    papers.mkdir()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        service.open(sample)[0].image(width_px=300, image_format="png").save(papers / "a.png")
    (papers / "folder").mkdir()
    (papers / "bad.pdf").write_bytes(b"%PDF-1.7\n")
    monkeypatch.setenv("LIBRARY", os.fspath(papers))
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    library: Any = loaded("library")
    assert library.made == [], "a service that is made while the module is imported is lost in a fork"
    try:
        filled = library.app.test_cli_runner().invoke(args=["fill"])
        assert filled.exit_code == 0, filled.output
        assert "a.png 3 images" in filled.output
        assert "bad.pdf" in filled.output
        client = library.app.test_client()
        assert client.get("/papers/a.png/1?width=120").mimetype == "image/png"
        assert client.get("/papers/a.png/2").status_code == 404
        assert client.get("/papers/none.pdf/1").status_code == 404
        assert client.get("/papers/a.png/0").status_code == 404
        assert client.get("/papers/%2e%2e/1").status_code == 404
        assert client.get("/papers/a.png/1?width=0").status_code == 400
    finally:
        library.service().close()


def test_threads_that_come_first_at_once_have_one_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flask", reason="needs Flask", exc_type=ImportError)
    monkeypatch.setenv("LIBRARY", os.fspath(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    library: Any = loaded("library")
    together = threading.Barrier(4)

    def first(_: int) -> sb.TileService:
        together.wait(60)
        made: sb.TileService = library.service()
        return made

    try:
        with ThreadPoolExecutor(4) as threads:
            assert len(set(threads.map(first, range(4)))) == 1
    finally:
        library.service().close()


def test_the_notebook_runs_and_shows_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parents[1])
    names: dict[str, Any] = {}
    shown = []
    for cell in cells():
        *before, last = cell.splitlines()
        exec("\n".join(before), names)
        shown.append(eval(last, names) if "=" not in last.split("(")[0] else exec(last, names))
    assert any(hasattr(one, "_repr_mimebundle_") for one in shown)
    [picture] = [one for one in shown if isinstance(one, Image.Image)]
    assert names["hits"]
    for hit in names["hits"]:
        for box_pt in hit.boxes:
            x0, y0, *_ = (round(side * names["scale"]) for side in box_pt)
            assert picture.getpixel((x0, y0)) == (255, 0, 0)


@pytest.fixture
def screen() -> Iterator[str]:
    if shutil.which("Xvfb") is None:
        pytest.skip("needs Xvfb")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x1200x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as process, os.fdopen(read) as told:
        os.close(write)
        yield f":{told.readline().strip()}"
        process.kill()


def test_the_flipper_turns_zooms_and_follows_links(screen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter", reason="needs Tk", exc_type=ImportError)
    import tkinter as tk

    monkeypatch.setenv("DISPLAY", screen)
    flipper: Any = loaded("flipper")
    window = tk.Tk()
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        document = service.open(linked(tmp_path / "linked.pdf"))
        [link] = document[0].links()
        with service.reader(document, flipper.SCREEN) as reader:
            canvas = flipper.Flipper(window, reader)
            window.update()
            canvas.turn(1, None)
            assert reader.page == 1
            canvas.turn(-1, None)
            x0, y0, x1, y1 = reader.view().to_view(0, (link.x0_pt, link.y0_pt, link.x1_pt, link.y1_pt))
            pointer = SimpleNamespace()
            pointer.x, pointer.y = round((x0 + x1) / 2), round((y0 + y1) / 2)
            canvas.magnify(1.25, pointer)
            assert reader.view().zoom == 1.25
            canvas.paint(reader.zoom(1.0))
            canvas.follow(pointer)
            assert reader.page == link.page
            deadline_s = time.monotonic() + 60

            def look() -> None:
                is_painted = reader.view().is_sharp and len(canvas.find_all()) == len(canvas.shown) > 0
                if is_painted or time.monotonic() > deadline_s:
                    window.quit()
                window.after(20, look)

            look()
            window.mainloop()  # what comes from the reader's thread is painted here
            assert reader.view().is_sharp
            assert len(canvas.shown) == len(canvas.find_all()) > 0
    window.destroy()
