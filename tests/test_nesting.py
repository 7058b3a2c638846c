"""Things in things in things: the engine's own bounds hold, its refusal is one of our errors, and no worker is lost to it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from asgi import ask

import sidebooks_core as sb
from sidebooks_core.server import Application, Shelf

PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]%s>>"


def pdf(objects: dict[int, bytes]) -> bytes:
    made = bytearray(b"%PDF-1.7\n")
    offsets = {}
    for number, content in objects.items():
        offsets[number] = len(made)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, count = len(made), max(objects) + 1
    made += b"xref\n0 %d\n0000000000 65535 f \n" % count
    made += b"".join(b"%010d 00000 n \n" % offsets[number] for number in range(1, count))
    return bytes(made + b"trailer <</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, start))


def stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (more, len(content), content)


def with_page(page: bytes, more: dict[int, bytes] | None = None, catalog: bytes = b"") -> bytes:
    return pdf(
        {
            1: b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            3: PAGE % page,
            **(more or {}),
        }
    )


def forms(depth: int) -> bytes:
    """Each draws the next."""
    more = {4: stream(b"/X Do")}
    for number in range(5, 5 + depth):
        resources = b"/Resources<</XObject<</X %d 0 R>>>>" % (number + 1) if number < 4 + depth else b""
        content = b"/X Do" if resources else b"10 10 90 90 re f"
        more[number] = stream(content, b"/Type/XObject/Subtype/Form/BBox[0 0 200 200]" + resources)
    return with_page(b"/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>", more)


def arrays(depth: int) -> bytes:
    return with_page(b"/X " + b"[" * depth + b"]" * depth)


def clips(depth: int) -> bytes:
    return with_page(b"/Contents 4 0 R", {4: stream(b"q 0 0 100 100 re W n " * depth + b"0 0 50 50 re f")})


def page_tree(depth: int) -> bytes:
    objects = {1: b"<</Type/Catalog/Pages 2 0 R>>"}
    for number in range(2, 2 + depth):
        parent = b"/Parent %d 0 R" % (number - 1) if number > 2 else b""
        objects[number] = b"<</Type/Pages/Kids[%d 0 R]/Count 1%s>>" % (number + 1, parent)
    objects[2 + depth] = b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 200 200]>>" % (1 + depth)
    return pdf(objects)


def outline(depth: int) -> bytes:
    more = {4: b"<</First 5 0 R/Last 5 0 R/Count 1>>"}
    for number in range(5, 5 + depth):
        inner = b"/First %d 0 R/Last %d 0 R/Count 1" % (number + 1, number + 1) if number < 4 + depth else b""
        more[number] = b"<</Title(entry)/Parent %d 0 R/Dest[3 0 R/Fit]%s>>" % (number - 1, inner)
    return with_page(b"", more, b"/Outlines 4 0 R")


def groups(depth: int) -> bytes:
    start = b'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90">'
    return start + b'<g opacity="0.5">' * depth + b'<rect width="50" height="50"/>' + b"</g>" * depth + b"</svg>"


def chapter(depth: int) -> bytes:
    made = io.BytesIO()
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    body = "<div>" * depth + "x" + "</div>" * depth
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("mimetype", "application/epub+zip")
        file.writestr("META-INF/container.xml", container)
        file.writestr("a.opf", package)
        file.writestr("a.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>')
    return made.getvalue()


@pytest.mark.parametrize("depth", [10, 500, 20_000])
@pytest.mark.parametrize("make", [forms, arrays, clips, page_tree, outline, groups, chapter])
def test_however_deep_it_is_drawn_or_refused(make: Callable[[int], bytes], depth: int, sample: Path) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, open_timeout_s=20, render_timeout_s=20)) as service:
        try:
            document = service.open(make(depth))
            drawn = service.page_image(document, 0, width_px=100).width_px == 100
            service.text(document, 0)
        except sb.SidebooksError:
            drawn = False
        assert drawn or depth > 10, "what is ordinary is drawn"
        assert service.statistics().worker_deaths == 0
        assert service.page_image(service.open(sample), 0, width_px=100).data


@pytest.mark.parametrize("depth", [10, 40, 800, 5000])
def test_an_outline_is_made_flatter_and_says_so(depth: int) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, outline_depth=12)) as service:
        document = service.open(outline(depth))
        assert max((item.level for item in document.outline), default=0) <= 12
        assert any("outline_depth" in what for what in document.info.repaired) == (depth > 12)
        shelf = Shelf(service)
        shelf.register(outline(depth))
        application = Application(shelf)
        assert ask(application, f"/presentation/3/{document.id}/manifest.json").status == 200
        assert ask(application, f"/documents/{document.id}").status == 200
        application.close()
        shelf.close()
