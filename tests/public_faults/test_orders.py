"""A page looks the same whatever its worker has read before it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import sidebooks_core as sb

_CONTAINER = '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
_PACKAGE = (
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
    '<item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>'
)


def book(path: Path, body: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", _CONTAINER)
        archive.writestr("p.opf", _PACKAGE)
        archive.writestr("a.xhtml", f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>')
    return path


def drawn(folder: Path, *paths: Path) -> bytes:
    """The first page of the last, by one worker that has drawn those before it."""
    with sb.TileService(sb.Settings(cache_dir=folder, workers=1)) as service:
        return [service.page_image(service.open(path), 0, width_px=400).data for path in paths][-1]


def test_a_book_looks_the_same_after_another_whose_first_characters_are_bold_or_slanted(tmp_path: Path) -> None:
    plain = book(tmp_path / "plain.epub", "<p>本文です。カナ、안녕。</p>")
    alone = drawn(tmp_path / "1", plain)
    for number, tags in enumerate(("<h1>{}</h1>", "<p><i>{}</i></p>", "<p><b><i>{}</i></b></p>"), 2):
        other = book(tmp_path / f"{number}.epub", tags.format("第一章 かな、カナ、안녕"))
        assert drawn(tmp_path / f"{number}", other, plain) == alone
