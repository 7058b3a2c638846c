"""Ruby in books that flow: known by its element, whatever size it asks for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping

import pytest
from text_pages import ink, lines

from sidebooks_core import Settings, TileService
from sidebooks_core.documents.archives import Archive
from sidebooks_core.documents.epub_package import read_package
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.epub import ruby as epub_ruby
from sidebooks_core.engine.opening import open_document
from sidebooks_core.text.ruby_style import SHARE


@pytest.fixture(scope="module")
def service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None, workers=1)) as running:
        yield running


# EPUB

OPF = (
    '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">'
    '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="i">x</dc:identifier><dc:title>t</dc:title>'
    '<dc:language>ja</dc:language></metadata><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="c" href="c.css" media-type="text/css"/></manifest><spine><itemref idref="a"/></spine></package>'
)
CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def epub(body: str, css: str = "", files: Mapping[str, bytes] | None = None) -> bytes:
    """files: in place of those of that name."""
    head = '<head><title>t</title><link rel="stylesheet" type="text/css" href="c.css"/></head>'
    all_files = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": CONTAINER.encode(),
        "a.opf": OPF.encode(),
        "c.css": css.encode(),
        "a.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml">{head}<body>{body}</body></html>'.encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**all_files, **(files or {})}.items():
            archive.writestr(name, content)
    return out.getvalue()


RUBIES = [
    "<p>本日の<ruby>議員<rt>ぎいん</rt></ruby><ruby>提出<rt>ていしゅつ</rt></ruby>議案は三件</p>",
    "<p>本日の<ruby>議員<rp>（</rp><rt>ぎいん</rt><rp>）</rp>提出<rp>（</rp><rt>ていしゅつ</rt><rp>）</rp></ruby>議案は三件</p>",
    "<p>本日の<ruby><rb>議員</rb><rt>ぎいん</rt></ruby><ruby><rb>提出</rb><rt><span>ていしゅつ</span></rt></ruby>議案は三件</p>",
    "<h1>本日の<b><ruby>議員<rt>ぎいん</rt></ruby></b><ruby>提出<rt>ていしゅつ</rt></ruby>議案は三件</h1>",
]


@pytest.mark.parametrize(
    "css", ["", "rt { font-size: 50% }", "rt { font-size: 0.6em; color: red }", "ruby rt { font-size: 12px }"]
)
@pytest.mark.parametrize("body", RUBIES)
def test_ruby_of_a_reflowable_document_is_known_by_its_element(service: TileService, body: str, css: str) -> None:
    document = service.open(epub(body, css))
    assert len(service.search(document, "議員提出議案")) == 1
    [hit] = service.search(document, "ていしゅつ")
    dark = ink(service, document)
    for x0, y0, x1, y1 in hit.boxes:
        assert dark[round(y0 * 4) : round(y1 * 4), round(x0 * 4) : round(x1 * 4)].any()
    assert len(service.search(document, "本日のぎいんていしゅつ議案")) == 1
    assert "（" not in "".join(word.text for word in service.text(document, 0))
    assert lines(service, document)[0].startswith("本日の議員提出議案は三")


SIZED = [
    '<rt style="font-size:20px">{0}</rt>',
    "<rt style='color: red; font-size : 120%'>{0}</rt>",
    '<rt class="r" style="font: bold 14px serif;">{0}</rt>',
    "<rt style='font: bold 14px \"A; B\", serif; color: red'>{0}</rt>",
    '<rt style="font-family: &quot;A; B&quot;; font-size: 14px">{0}</rt>',
    '<rt style="/* large */ font-size: large;">{0}</rt>',
    '<rt style = "background: url(data:a;b);font-size:20px">{0}</rt>',
    '<rt style="font-size:20px;}}">{0}</rt>',
    '<rt title="a > b" style="font-size:20px">{0}</rt>',
    '<rt><span style="font-size: 1.5em">{0}</span></rt>',
    '<rt><b/><span><i style="font: 14px serif">{0}</i></span></rt>',
    '<h:rt style="font-size:20px"><h:span style="font-size:150%">{0}</h:span></h:rt>',
    "<RT STYLE=font-size:20px><br>{0}</RT>",
    "<rt style=font-size:20px>{0}",
    '<rt style="font&#45;size:20px">{0}</rt>',
    '<rt style="font-size/**/:20px">{0}</rt>',
    '<rt style="f\\6fnt-size:20px">{0}</rt>',
]
SIZED_BY_ELEMENTS = [
    "<rt><small>{0}</small></rt>",
    '<rt><span class="r">{0}</span></rt>',
    '<rt><font size="5">{0}</font></rt>',
]


@pytest.mark.parametrize("reading", [*SIZED, *SIZED_BY_ELEMENTS])
def test_ruby_with_a_size_of_its_own_is_known_too(service: TileService, reading: str) -> None:
    readings = [reading.format(text) for text in ("ぎいん", "ていしゅつ")]
    document = service.open(
        epub("<p>本日の<ruby>議員{}</ruby><ruby>提出{}</ruby>議案は三件</p>".format(*readings), ".r { font-size: 20px }")
    )
    assert len(service.search(document, "議員提出議案")) == 1
    assert len(service.search(document, "ていしゅつ")) == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_ruby_with_a_size_of_its_own_in_utf_16(service: TileService, encoding: str) -> None:
    body = '\ufeff<html><body><p>本日の<ruby>議員<rt style="font-size:20px">ぎいん</rt></ruby>提出</p></body></html>'
    document = service.open(epub("", files={"a.xhtml": body.encode(encoding)}))
    assert len(service.search(document, "議員提出")) == 1


NO_READINGS = [
    "<rt/>",
    "<rt style='font-size:20px' />",
    "<!-- <rt> -->",
    "<![CDATA[<rt>]]>",
    "<?a <rt> ?>",
    "<b title='<rt>'>議</b>",
    "<ruby>議員<rt>ぎいん</ruby>",
    "<ruby>議員<rt>ぎいん<br></ruby>",
    "<ruby>議員<rt>ぎいん<rp>)</rp></ruby>",
    "<ruby>議員<rtc><rt>ぎいん</rtc></ruby>",
    "<ruby>議員<rt>ぎいん</p><p>",
]


def sizes_of_characters(data: bytes) -> dict[str, float]:
    document = open_document(Source(data), password=None, name="book", limits=Limits())
    blocks = document.page(0).get_text("rawdict")["blocks"]
    spans = [span for block in blocks for line in block.get("lines", ()) for span in line["spans"]]
    sizes = {char["c"]: span["size"] for span in spans for char in span["chars"]}
    document.close()
    return sizes


@pytest.mark.parametrize("before", ["<ruby>議員<rt style='font-size:20px'>ぎいん</rt></ruby>", *NO_READINGS])
def test_sizes_of_other_elements_stay(before: str) -> None:
    large = "は<span style='font-size:40px'>大</span>きい"
    body = f"<p>本日の{before}{large}<ruby>提出<rt style='font-size:20px'>ていしゅつ</rt></ruby>議案</p>"
    sizes = sizes_of_characters(epub(body))
    assert sizes["大"] == 40
    assert sizes["て"] / sizes["提"] == pytest.approx(SHARE)


def own_sizes_overruled(data: bytes) -> dict[str, bytes] | None:
    """The files of the copy in which readings have no sizes of their own; None where none is made."""
    archive = Archive(Source(data))
    package = read_package(archive)
    assert package is not None
    copy = epub_ruby.without_own_sizes(archive, package)
    if copy is None:
        return None
    with zipfile.ZipFile(io.BytesIO(copy)) as copied:
        return {name: copied.read(name) for name in copied.namelist()}


@pytest.mark.parametrize("reading", SIZED)
def test_all_else_of_a_book_with_sized_ruby_stays(reading: str) -> None:
    data = epub(f"<p>本日の<ruby>議員{reading.format('ぎいん')}</ruby></p>", "p { color: red }")
    found = own_sizes_overruled(data)
    assert found is not None
    found["a.xhtml"] = found["a.xhtml"].replace(b";font-size:50.03%", b"").replace(b";font-size:1em", b"")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert list(found.items()) == [(name, archive.read(name)) for name in archive.namelist()]


@pytest.mark.parametrize(
    "style",
    ["font-family: serif", "font-weight: bold; color: red", "--x-font-size: 2px", "-x-font: a", "font", "x-font-size: 2px"],
)
def test_no_copy_is_made_of_a_book_whose_ruby_asks_for_no_size(style: str) -> None:
    reading = f"<rt style='{style}' title='style=font-size:9px' xstyle='font-size:9px' data-font-size='9px'>ぎ</rt>"
    assert own_sizes_overruled(epub(f"<p><b style='font-size:9px'>font: a;</b><ruby>議{reading}</ruby></p>")) is None


def test_a_chapter_in_the_book_a_thousand_times_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    read_member = Archive.read

    def counting(self: Archive, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
        read.append(member.filename)
        return read_member(self, member, most_bytes)

    monkeypatch.setattr(Archive, "read", counting)
    package = OPF.replace('<itemref idref="a"/>', '<itemref idref="a"/>' * 1000)
    assert own_sizes_overruled(epub("<ruby>議<rt>ぎ</rt></ruby>", files={"a.opf": package.encode()})) is None
    assert read.count("a.xhtml") == 1


def test_no_copy_is_made_of_a_book_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    data = epub("<ruby>議<rt style='font-size:9px'>ぎ</rt></ruby>", "a" * 5000)
    assert own_sizes_overruled(data) is not None
    monkeypatch.setattr(epub_ruby, "MOST_UNPACKED_BYTES", 5000)
    assert own_sizes_overruled(data) is None


def test_latin_ruby_of_a_reflowable_document(service: TileService) -> None:
    document = service.open(epub("<p>the <ruby>WHO<rt>World Health</rt></ruby> says</p>"))
    assert len(service.search(document, "the WHO says")) == 1
    assert len(service.search(document, "World Health")) == 1


def test_small_text_of_a_reflowable_document_is_no_ruby(service: TileService) -> None:
    document = service.open(epub("<p>本日の<span style='font-size:50%'>ぎいん</span>提出<sup>注</sup>議案</p>"))
    assert "".join(word.text for word in service.text(document, 0)) == "本日のぎいん提出注議案"
