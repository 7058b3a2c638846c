"""Type 0 fonts that the engine gives up or misreads. The text is encoded here, by Python's codecs, and so known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pdf_parts import difference, ink_of, stream, text_of, write_pdf

from sidebooks_core import Settings, TileService
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.source import Source
from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.opening import open_document

JAPANESE, CHINESE, TAIWANESE, KOREAN = (
    "議会だより令和八年",
    "市民大会会议记录",
    "市議會會議紀錄",
    "시의회 회의록".replace(" ", ""),
)
TEXTS = {"Japan1": JAPANESE, "GB1": CHINESE, "CNS1": TAIWANESE, "Korea1": KOREAN}
KNOWN = {"Japan1": "UniJIS-UTF16", "GB1": "UniGB-UTF16", "CNS1": "UniCNS-UTF16", "Korea1": "UniKS-UTF16"}
"""An encoding of each collection that the engine has."""


@pytest.fixture(scope="module")
def quick() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None)) as running:
        yield running


def jis(text: str) -> bytes:
    """ISO-2022-JP without its escapes."""
    return text.encode("iso2022_jp").removeprefix(b"\x1b$B").removesuffix(b"\x1b(B")


def page_with_font(
    path: Path, codes: bytes, encoding: str, *, font: str = "", descendant: str = "", extra: list[bytes] = ()
) -> Path:
    """One line of text. encoding: what stands behind /Encoding; descendant: entries of the CIDFont, besides its Type."""
    vertical = encoding.endswith("V") and not encoding[0].isdigit()
    at = b"150 180" if vertical else b"20 60"
    return write_pdf(
        path,
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(b"BT /F 18 Tf %s Td <%s> Tj ET" % (at, codes.hex().encode())),
            f"<</Type/Font/Subtype/Type0/Encoding {encoding} /DescendantFonts[6 0 R]{font or '/BaseFont/MS-Mincho'}>>".encode(),
            f"<</Type/Font{descendant}>>".encode(),
            *extra,
        ],
    )


def plain(path: Path, collection: str, text: str, *, vertical: bool = False, base: str = "MS-Mincho") -> Path:
    """The same text by a font that lacks nothing but its file."""
    return page_with_font(
        path,
        text.encode("utf-16-be"),
        f"/{KNOWN[collection]}-{'V' if vertical else 'H'}",
        font=f"/BaseFont/{base}",
        descendant=f"/Subtype/CIDFontType2/BaseFont/{base}{system(collection)}/FontDescriptor 7 0 R",
        extra=[f"<</Type/FontDescriptor/FontName/{base}/Flags 4>>".encode()],
    )


def system(collection: str) -> str:
    return f"/CIDSystemInfo<</Registry(Adobe)/Ordering({collection})/Supplement 2>>"


def assert_same(quick: TileService, made: Path, other: Path, text: str) -> None:
    assert text_of(quick, made) == text
    assert text_of(quick, other) == text
    assert ink_of(quick, other).any()
    assert difference(ink_of(quick, made), ink_of(quick, other)) < 0.01
    assert not quick.inspect(quick.open(made)).pages[0].warnings


@pytest.mark.parametrize(
    ("collection", "encoding", "codec"),
    [
        ("Japan1", "90ms-RKSJ-H", "cp932"),
        ("Japan1", "90msp-RKSJ-V", "cp932"),
        ("Japan1", "UniJIS-UCS2-H", "utf-16-be"),
        ("Japan1", "EUC-H", "euc_jp"),
        ("Japan1", "EUC-V", "euc_jp"),
        ("Japan1", "H", "jis"),
        ("Japan1", "V", "jis"),
        ("GB1", "GBK-EUC-H", "gbk"),
        ("GB1", "UniGB-UCS2-V", "utf-16-be"),
        ("CNS1", "ETen-B5-H", "big5"),
        ("CNS1", "UniCNS-UTF16-H", "utf-16-be"),
        ("Korea1", "KSCms-UHC-H", "cp949"),
        ("Korea1", "KSC-EUC-V", "euc_kr"),
    ],
)
@pytest.mark.parametrize("lacks", ["descriptor", "descriptor and collection", "collection", "ordering", "registry"])
def test_a_cid_font_that_lacks_an_entry(
    tmp_path: Path, quick: TileService, collection: str, encoding: str, codec: str, lacks: str
) -> None:
    text = TEXTS[collection]
    codes = jis(text) if codec == "jis" else text.encode(codec)
    descendant = "/Subtype/CIDFontType2/BaseFont/MS-Mincho"
    if lacks == "descriptor":
        descendant += system(collection)
    elif lacks == "ordering":
        descendant += "/CIDSystemInfo<</Registry(Adobe)/Supplement 2>>/FontDescriptor<</Type/FontDescriptor/Flags 4>>"
    elif lacks == "registry":
        descendant += f"/CIDSystemInfo<</Ordering({collection})>>/FontDescriptor<</Type/FontDescriptor/Flags 4>>"
    elif lacks == "collection":
        descendant += "/FontDescriptor<</Type/FontDescriptor/Flags 4>>"
    made = page_with_font(tmp_path / "made.pdf", codes, f"/{encoding}", descendant=descendant)
    other = plain(tmp_path / "other.pdf", collection, text, vertical=encoding.endswith("V"))
    assert_same(quick, made, other, text)


@pytest.mark.parametrize(
    ("collection", "encoding", "codec"),
    [
        ("Japan1", "UniJIS2004-UTF16-H", "utf-16-be"),
        ("Japan1", "UniJIS2004-UTF16-V", "utf-16-be"),
        ("Japan1", "UniJIS2004-UTF8-H", "utf-8"),
        ("Japan1", "UniJIS2004-UTF32-V", "utf-32-be"),
        ("Japan1", "UniJIS-UTF32-H", "utf-32-be"),
        ("Japan1", "UniJIS-UTF8-V", "utf-8"),
        ("Japan1", "UniJISX0213-UTF32-H", "utf-32-be"),
        ("Japan1", "UniJISX02132004-UTF32-V", "utf-32-be"),
        ("Japan1", "UniJISPro-UCS2-V", "utf-16-be"),
        ("Japan1", "RKSJ-H", "shift_jis"),
        ("Japan1", "RKSJ-V", "shift_jis"),
        ("Japan1", "Ext-H", "jis"),
        ("Japan1", "Add-V", "jis"),
        ("Japan1", "78-H", "jis"),
        ("Japan1", "78-RKSJ-H", "shift_jis"),
        ("Japan1", "78ms-RKSJ-V", "cp932"),
        ("Japan1", "78-EUC-H", "euc_jp"),
        ("GB1", "UniGB-UTF8-H", "utf-8"),
        ("GB1", "UniGB-UTF32-V", "utf-32-be"),
        ("CNS1", "B5-H", "big5"),
        ("CNS1", "UniCNS-UTF8-V", "utf-8"),
        ("CNS1", "UniCNS-UTF32-H", "utf-32-be"),
        ("CNS1", "ETHK-B5-H", "big5"),
        ("Korea1", "UniKS-UTF8-H", "utf-8"),
        ("Korea1", "UniKS-UTF32-V", "utf-32-be"),
        ("Korea1", "KSC-Johab-H", "johab"),
    ],
)
@pytest.mark.parametrize("has_descriptor", [True, False])
def test_an_encoding_that_the_engine_lacks(
    tmp_path: Path, quick: TileService, collection: str, encoding: str, codec: str, has_descriptor: bool
) -> None:
    text = TEXTS[collection]
    codes = jis(text) if codec == "jis" else text.encode(codec)
    descendant = f"/Subtype/CIDFontType2/BaseFont/MS-Mincho{system(collection)}"
    descendant += "/FontDescriptor<</Type/FontDescriptor/Flags 4>>" if has_descriptor else ""
    made = page_with_font(tmp_path / "made.pdf", codes, f"/{encoding}", descendant=descendant)
    other = plain(tmp_path / "other.pdf", collection, text, vertical=encoding.endswith("V"))
    assert_same(quick, made, other, text)


@pytest.mark.parametrize("how", ["entry", "operator"])
def test_an_embedded_encoding_that_adds_to_one_that_the_engine_lacks(tmp_path: Path, quick: TileService, how: str) -> None:
    operator = b"/RKSJ-H usecmap\n" if how == "operator" else b""
    cmap = stream(
        operator + b"/CMapName /Own def\n1 begincidrange\n<f040> <f040> 1200\nendcidrange\nendcmap\n",
        b"/Type/CMap/CMapName/Own" + (b"/UseCMap/RKSJ-H" if how == "entry" else b""),
    )
    made = page_with_font(
        tmp_path / "made.pdf",
        JAPANESE.encode("shift_jis"),
        "7 0 R",
        descendant=f"/Subtype/CIDFontType2/BaseFont/MS-Mincho{system('Japan1')}/FontDescriptor<</Flags 4>>",
        extra=[cmap],
    )
    assert_same(quick, made, plain(tmp_path / "other.pdf", "Japan1", JAPANESE), JAPANESE)


def test_two_fonts_that_differ_in_their_encodings_only(tmp_path: Path, quick: TileService) -> None:
    font = "<</Type/Font/Subtype/Type0/BaseFont/MS-Gothic/Encoding/%s/DescendantFonts[7 0 R]>>"
    shown = b"BT /F 18 Tf 20 100 Td <%s> Tj ET BT /G 18 Tf 20 60 Td <%s> Tj ET"
    path = write_pdf(
        tmp_path / "two.pdf",
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R/G 6 0 R>>>>>>",
            stream(shown % ("予算".encode().hex().encode(), "決算".encode("shift_jis").hex().encode())),
            (font % "UniJIS2004-UTF8-H").encode(),
            (font % "RKSJ-H").encode(),
            f"<</Type/Font/Subtype/CIDFontType0/BaseFont/MS-Gothic{system('Japan1')}>>".encode(),
        ],
    )
    assert text_of(quick, path) == "予算決算"


FAULTY = f"<</Type/Font/Subtype/Type0/BaseFont/MS-Mincho/Encoding/RKSJ-H/DescendantFonts[<<%s{system('Japan1')}>>]>>"


@pytest.mark.parametrize("place", ["page", "form", "pattern", "annotation"])
@pytest.mark.parametrize("stands", ["in line", "apart"])
def test_wherever_the_font_is_named(tmp_path: Path, quick: TileService, place: str, stands: str) -> None:
    font = FAULTY % "/Subtype/CIDFontType2/BaseFont/MS-Mincho"
    named = f"/Resources<</Font<</F {font if stands == 'in line' else '5 0 R'}>>>>".encode()
    shown = b"BT /F 18 Tf 20 60 Td <%s> Tj ET" % JAPANESE.encode("shift_jis").hex().encode()
    box = b"/BBox[0 0 300 200]" + named
    in_form = stream(shown, b"/Type/XObject/Subtype/Form" + box)
    in_pattern = stream(shown, b"/PatternType 1/PaintType 1/TilingType 1/XStep 300/YStep 200" + box)
    stamp = b"/Type/Annot/Subtype/Stamp/F 4/Rect[0 0 300 200]/AP<</N 6 0 R>>"
    parts = {
        "page": (named, shown, in_form),
        "form": (b"/Resources<</XObject<</X 6 0 R>>>>", b"/X Do", in_form),
        "pattern": (b"/Resources<</Pattern<</P 6 0 R>>>>", b"/Pattern cs /P scn 0 0 300 200 re f", in_pattern),
        "annotation": (b"/Annots[<<%s>>]/Resources<<>>" % stamp, b"", in_form),
    }
    entries, content, other = parts[place]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R%s>>" % entries
    made = write_pdf(tmp_path / "made.pdf", [page, stream(content), font.encode(), other])
    assert_same(quick, made, plain(tmp_path / "other.pdf", "Japan1", JAPANESE), JAPANESE)


def test_what_else_the_engine_says_of_the_page_is_still_told(tmp_path: Path) -> None:
    font = FAULTY % "/Subtype/CIDFontType2/BaseFont/MS-Mincho"
    other = (
        b"<</Type/Font/Subtype/TrueType/BaseFont/ABCDEF+Own/FontDescriptor<</Type/FontDescriptor/Flags 4/FontFile2 7 0 R>>>>"
    )
    text = b"BT /F 18 Tf 20 60 Td <%s> Tj ET BT /G 18 Tf 20 20 Td (a) Tj ET" % JAPANESE.encode("shift_jis").hex().encode()
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R/G 6 0 R>>>>>>"
    path = write_pdf(tmp_path / "made.pdf", [page, stream(text), font.encode(), other, stream(b"no font at all")])
    document = open_document(Source(path.read_bytes()), password=None, name="made", limits=Limits())
    take_warnings()
    document.display_list(0)
    told = take_warnings()
    document.close()
    assert any("embedded font" in one for one in told)
    assert not any("cmap" in one for one in told)


@pytest.mark.parametrize("fault", ["not in an array", "no kind", "another kind", "no name"])
def test_a_descendant_that_is_otherwise_damaged(tmp_path: Path, quick: TileService, fault: str) -> None:
    descendant = f"/Type/Font/BaseFont/MS-Mincho{system('Japan1')}/FontDescriptor<</Flags 4>>"
    descendant = f"/Subtype/TrueType{descendant}" if fault == "another kind" else descendant
    descendant = descendant if fault in ("no kind", "another kind") else f"/Subtype/CIDFontType0{descendant}"
    descendant = descendant.replace("/BaseFont/MS-Mincho", "") if fault == "no name" else descendant
    font = f"<</Type/Font/Subtype/Type0/BaseFont/MS-Mincho/Encoding/90ms-RKSJ-H/DescendantFonts[<<{descendant}>>]>>"
    font = font.replace("[", "", 1).replace("]>>", ">>", 1) if fault == "not in an array" else font
    path = write_pdf(
        tmp_path / "made.pdf",
        [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(b"BT /F 18 Tf 20 60 Td <%s> Tj ET" % JAPANESE.encode("cp932").hex().encode()),
            font.encode(),
        ],
    )
    assert text_of(quick, path) == JAPANESE
    assert ink_of(quick, path).any()


@pytest.mark.parametrize(
    ("encoding", "codec", "text"), [("UniAKR-UTF16-H", "utf-16-be", KOREAN), ("UniHojo-UTF8-H", "utf-8", "丂丄丅")]
)
def test_collections_that_the_engine_does_not_know_are_read(
    tmp_path: Path, quick: TileService, encoding: str, codec: str, text: str
) -> None:
    collection = "KR" if encoding.startswith("UniAKR") else "Japan2"
    descendant = f"/Subtype/CIDFontType0/BaseFont/Some{system(collection)}/FontDescriptor<</Flags 4>>"
    path = page_with_font(tmp_path / "made.pdf", text.encode(codec), f"/{encoding}", descendant=descendant)
    assert text_of(quick, path) == text
    assert ink_of(quick, path).any()


def test_content_ids_do_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    path = page_with_font(tmp_path / "made.pdf", JAPANESE.encode("shift_jis"), "/RKSJ-H", descendant="/Subtype/CIDFontType2")
    with TileService(Settings(cache_dir=None, workers=1)) as first, TileService(Settings(cache_dir=None, workers=1)) as second:
        assert text_of(first, path) == JAPANESE
        assert first.open(path).pages[0].content_id == second.open(path).pages[0].content_id
