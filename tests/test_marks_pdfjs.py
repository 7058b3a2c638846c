"""Marks in a PDF as pdf.js shows them, which is what Firefox and many readers in browsers draw with."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from file_origin import origin_of
from marked_pages import BOXES, ROTATIONS, SCALE, marks, misplaced, page, pixels, places
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.marks import PlacedMark
from sidebooks_core.marks.files import export_marks
from sidebooks_core.marks.replacing import MarksToWrite

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NPM = shutil.which("npm")
sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(NPM is None, reason="needs npm, which fetches pdf.js"),
]
PDFJS = "pdfjs-dist-5.4.149"
PAGE = b"""<!doctype html><body><script type="module">
import * as pdfjs from "./pdf.mjs";
pdfjs.GlobalWorkerOptions.workerSrc = "./pdf.worker.mjs";
window.draw = async (encoded, scale) => {
  const data = Uint8Array.from(atob(encoded), one => one.charCodeAt(0));
  const page = await (await pdfjs.getDocument({ data }).promise).getPage(1);
  const viewport = page.getViewport({ scale });
  const canvas = Object.assign(document.createElement("canvas"), { width: viewport.width, height: viewport.height });
  await page.render({ canvas, viewport, annotationMode: pdfjs.AnnotationMode.ENABLE }).promise;
  return canvas.toDataURL("image/png").split(",")[1];
};
document.body.dataset.ready = "yes";
</script>"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The program as its makers publish it, and a page that uses it."""
    folder = tmp_path_factory.mktemp("npm")
    assert NPM is not None
    command = [NPM, "pack", "--silent", "@".join(PDFJS.rsplit("-", 1))]
    subprocess.run(command, cwd=folder, check=True, timeout=240, stdout=subprocess.DEVNULL)
    found = {"/": PAGE}
    with tarfile.open(folder / f"{PDFJS}.tgz") as archive:
        for name in ("pdf.mjs", "pdf.worker.mjs"):
            file = archive.extractfile(f"package/legacy/build/{name}")
            assert file is not None
            found[f"/{name}"] = file.read()
    return found


@pytest.fixture(scope="module")
def origin(files: dict[str, bytes]) -> Iterator[str]:
    with origin_of(files) as address:
        yield f"{address}/"


@pytest.fixture(scope="module")
def tab(origin: str) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page()
        made.set_default_timeout(120_000)
        made.goto(origin)
        made.wait_for_selector("body[data-ready=yes]", state="attached")
        yield made
        browser.close()


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(workers=1)) as running:
        yield running


@pytest.mark.parametrize("flattened", [False, True], ids=["annotations", "flattened"])
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("rotation", ROTATIONS)
def test_pdfjs_shows_marks_where_they_are(
    service: sb.TileService, tab: Any, rotation: int, box: str, flattened: bool
) -> None:  # fmt: skip
    document = service.open(page(rotation, box))
    placed = [PlacedMark(one, "exact", 0) for one in marks()]
    file = export_marks(service.parts.questions, document, MarksToWrite(placed, {}), flattened=flattened)
    encoded = base64.b64encode(b"".join(file.pieces())).decode()
    drawn = base64.b64decode(tab.evaluate("given => draw(...given)", [encoded, SCALE]))
    assert misplaced(pixels(Image.open(io.BytesIO(drawn))), places(document.pages[0].width_pt)) == {}
