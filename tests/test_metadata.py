"""What a document says of itself: of PDFs by both kinds of metadata, of EPUBs, in the library, the command and over HTTP."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from asgi import ask

import sidebooks_core as sb
from sidebooks_core.cli.commands import main
from sidebooks_core.documents.dates import written_date
from sidebooks_core.server import Application, Shelf

PACKET = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmp:CreateDate="2026-03" pdf:Producer="Press">
<dc:title><rdf:Alt><rdf:li xml:lang="en">Budget</rdf:li><rdf:li xml:lang="x-default">予算書</rdf:li></rdf:Alt></dc:title>
<dc:creator><rdf:Seq><rdf:li>山田</rdf:li><rdf:li>Sato</rdf:li></rdf:Seq></dc:creator>
<xmp:ModifyDate>2026-03-31T09:00:00+09:00</xmp:ModifyDate><pdf:Keywords>tax</pdf:Keywords>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier><dc:title>A book</dc:title>
<dc:language>en</dc:language><dc:creator>Anna</dc:creator><dc:creator>Ben</dc:creator><dc:date>2024</dc:date>
<dc:publisher>Town</dc:publisher><dc:subject>tax</dc:subject><meta property="dcterms:modified">2025-01-02T03:04:05Z</meta>
</metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="a"/></spine></package>"""


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as running:
        yield running


def pdf(path: Path, packet: str = "", **info: str) -> Path:
    with pikepdf.new() as made:
        made.add_blank_page()
        for key, value in info.items():
            made.docinfo[f"/{key}"] = value
        if packet:
            made.Root.Metadata = made.make_stream(packet.encode())
        made.save(path)
    return path


def test_of_a_pdf(service: sb.TileService, tmp_path: Path) -> None:
    path = pdf(
        tmp_path / "a.pdf", Title="予算書", Author="山田\n太郎", Keywords="a, b", Creator="Writer",
        CreationDate="D:20260331090000+09'00'", ModDate="D:20260401",
    )  # fmt: skip
    told = service.open(path).metadata
    assert told == sb.Metadata(
        title="予算書",
        author="山田 太郎",
        keywords="a, b",
        creator="Writer",
        created=datetime(2026, 3, 31, 0, 0, 0, tzinfo=UTC),
        modified=datetime(2026, 4, 1),
    )


def test_of_a_pdf_that_has_the_newer_kind_alone(service: sb.TileService, tmp_path: Path) -> None:
    document = service.open(pdf(tmp_path / "b.pdf", PACKET))
    assert document.title == "予算書"
    assert document.metadata == sb.Metadata(
        title="予算書",
        author="山田, Sato",
        keywords="tax",
        producer="Press",
        created=datetime(2026, 3, 1),
        modified=datetime(2026, 3, 31, 0, 0, 0, tzinfo=UTC),
    )


def test_the_newer_kind_fills_what_the_older_one_leaves_empty(service: sb.TileService, tmp_path: Path) -> None:
    packet = PACKET.replace(
        "<pdf:Keywords>", "<dc:description><rdf:Alt><rdf:li>Taxes</rdf:li></rdf:Alt></dc:description><pdf:Keywords>"
    )
    told = service.open(pdf(tmp_path / "n.pdf", packet, Title="Old", Author="Anna")).metadata
    assert (told.title, told.author, told.subject, told.keywords) == ("Old", "Anna", "Taxes", "tax")


def test_of_an_epub(service: sb.TileService, tmp_path: Path) -> None:
    path = tmp_path / "c.epub"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("mimetype", "application/epub+zip")
        made.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="p.opf" media-type="application/oebps-package+xml"/></rootfiles></container>',
        )
        made.writestr("p.opf", PACKAGE)
        made.writestr("a.xhtml", '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>x</p></body></html>')
    told = service.open(path).metadata
    assert (told.title, told.author, told.producer, told.keywords) == ("A book", "Anna, Ben", "Town", "tax")
    assert told.created == datetime(2024, 1, 1)
    assert told.modified == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_of_what_says_nothing(service: sb.TileService, tmp_path: Path) -> None:
    assert service.open(pdf(tmp_path / "d.pdf")).metadata == sb.Metadata()


@pytest.mark.parametrize(
    "text",
    ["", "D:", "D:20261331", "yesterday", "D:00010101000000+23'00'", "D:00000101", "D:2026010125", "2026-13", "2026-03-31 x"],
)
def test_what_is_no_date(text: str) -> None:
    assert written_date(text) is None


def test_dates() -> None:
    assert written_date("20260331090000Z") == datetime(2026, 3, 31, 9, tzinfo=UTC)
    assert written_date("D:20260331090000-0500") == datetime(2026, 3, 31, 14, tzinfo=UTC)
    assert written_date("D:2026") == datetime(2026, 1, 1)
    assert written_date("D:20260101000000+99'99'") == datetime(2026, 1, 1)
    assert written_date("2026-03-31T09:00-05:00") == datetime(2026, 3, 31, 14, tzinfo=UTC)


def test_it_is_remembered(tmp_path: Path) -> None:
    path, settings = (
        pdf(tmp_path / "e.pdf", Author="Anna", CreationDate="D:20260331090000+09'00'"),
        sb.Settings(cache_dir=tmp_path),
    )
    with sb.TileService(settings) as service:
        told = service.open(path).metadata
    with sb.TileService(settings) as service:
        assert service.open(path).metadata == told


def test_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pdf(tmp_path / "f.pdf", Author="Anna", CreationDate="D:20260331090000+09'00'")
    with pytest.raises(SystemExit):
        main(["info", str(path)])
    out = capsys.readouterr().out
    assert "author: Anna\n" in out
    assert "created: 2026-03-31 00:00:00+00:00\n" in out
    with pytest.raises(SystemExit):
        main(["info", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["metadata"]["created"] == "2026-03-31T00:00:00Z"


def test_over_http(service: sb.TileService, tmp_path: Path) -> None:
    shelf = Shelf(service)
    document = shelf.register(pdf(tmp_path / "g.pdf", Author="Anna", CreationDate="D:20260331090000+09'00'"))
    application = Application(shelf)
    told = json.loads(ask(application, f"/documents/{document.id}").body)["metadata"]
    assert (told["author"], told["created"], told["modified"]) == ("Anna", "2026-03-31T00:00:00Z", None)
    application.close()
    shelf.close()
