"""Other files of the kinds in `checks_pdf.py`: other writers, encodings and places."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asgi import ask
from pikepdf import Array, Dictionary, Name, String

from sidebooks_core import OutlineItem, PageNotFound, RequestError, TileService
from sidebooks_core.documents import addresses, passwords
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.shown_text import shown
from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import legacy_text, pdf_text, xmp
from sidebooks_core.engine.opening import OpenDocument, open_document
from sidebooks_core.errors import PasswordRequired
from sidebooks_core.server import Application, Shelf

Change = Callable[[pikepdf.Pdf], None]


def made(change: Change | None = None, pages: int = 3, **saving: Any) -> bytes:
    """A PDF of blank pages, changed, as bytes."""
    pdf = pikepdf.new()
    for _ in range(pages):
        pdf.add_blank_page(page_size=(300, 400))
    if change is not None:
        change(pdf)
    out = io.BytesIO()
    pdf.save(out, **saving)
    return out.getvalue()


@contextmanager
def opened(data: bytes, password: str | None = None) -> Iterator[OpenDocument]:
    document = open_document(Source(data), password=password, name="made", limits=Limits())
    try:
        yield document
    finally:
        document.close()


def link(pdf: pikepdf.Pdf, **entries: Any) -> pikepdf.Object:
    return pdf.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([40, 100, 120, 130]), **entries))


def with_links(*entries: dict[str, Any], names: Change | None = None) -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        if names is not None:
            names(pdf)
        pdf.pages[0].Annots = Array([link(pdf, **one) for one in entries])

    return made(change)


def targets(data: bytes, page: int = 0) -> list[tuple[int | None, str | None]]:
    with opened(data) as document:
        return [(one.page, one.uri) for one in document.links(page)]


def with_outline(*entries: dict[str, Any], names: Change | None = None) -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        if names is not None:
            names(pdf)
        items = [pdf.make_indirect(Dictionary(**one)) for one in entries]
        pdf.Root.Outlines = pdf.make_indirect(Dictionary(Type=Name.Outlines, First=items[0], Last=items[-1], Count=len(items)))
        for item, following in pairwise(items):
            item.Next, following.Prev = following, item
        for item in items:
            item.Parent = pdf.Root.Outlines

    return made(change)


def outline(data: bytes) -> tuple[OutlineItem, ...]:
    with opened(data) as document:
        return document.info.outline


# Text

TITLES = [
    "第1号議案",
    "予算書",
    "令和8年度　一般会計予算",
    "会議録（案）",
    "1 はじめに",
    "議会だより No.3",
    "表",
    "図1",
    "目次",
]
LATIN = [
    "Résumé", "Générale Prévôté", "l’été d’Été", "Council’s and mayor’s", "“A” plan", "CRÉÉ", "Škoda", "ﬁnance deﬁcit", "Łódź",
    "¿Ñandú?", "Straße Größe", "Budget – 2026 —", "MÜNCHEN ÖÄ", "RÉSUMÉ’S", "São João", "© 2026 Foo™", "naïve café",
]  # fmt: skip
IN_PDF_DOC = {pdf_text.doc_decoded(bytes([code])): code for code in range(256)}


@pytest.mark.parametrize("encoding", ["cp932", "euc-jp", "iso2022_jp", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_read_in_the_encoding_that_it_is_in(title: str, encoding: str) -> None:
    data = made(lambda pdf: pdf.docinfo.__setitem__("/Title", String(title.encode(encoding))))
    with opened(data) as document:
        assert document.info.title == title


@pytest.mark.parametrize("title", LATIN)
def test_latin_text_stays_as_it_is(title: str) -> None:
    raw = bytes(IN_PDF_DOC[c] for c in title if c in IN_PDF_DOC)
    assert pdf_text.decoded(raw) == "".join(c for c in title if c in IN_PDF_DOC)
    assert legacy_text.east_asian(title.encode("cp1252", "ignore")) is None


def test_shift_jis_that_was_widened_to_unicode_is_read() -> None:
    widened = b"\xfe\xff" + "第1号議案".encode("cp932").decode("latin-1").encode("utf-16-be")
    assert pdf_text.decoded(widened) == "第1号議案"


def test_bytes_without_a_character_in_pdf_doc_encoding_do_not_end_a_title() -> None:
    raw = "様式・軍手".encode("cp932")
    assert b"\xad" in "誌".encode("cp932") + raw + b"\xad"
    with opened(made(lambda pdf: pdf.docinfo.__setitem__("/Title", String(b"A\xadB")))) as document:
        assert document.info.title == "AB"
    with opened(made(lambda pdf: pdf.docinfo.__setitem__("/Title", String("商売の秋".encode("cp932"))))) as document:
        assert document.info.title == "商売の秋"


@pytest.mark.parametrize("encoding", ["cp932", "euc-jp"])
def test_bookmarks_and_labels_are_read_in_their_encoding(encoding: str) -> None:
    def labelled(pdf: pikepdf.Pdf) -> None:
        pdf.Root.PageLabels = Dictionary(Nums=Array([0, Dictionary(P=String("別表　".encode(encoding)), S=Name.D)]))

    data = with_outline({"Title": String("説明書".encode(encoding))}, names=labelled)
    assert [item.title for item in outline(data)] == ["説明書"]
    with opened(data) as document:
        assert [page.label for page in document.info.pages] == ["別表　1", "別表　2", "別表　3"]


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("第１章　総則", "第１章　総則"),
        ("Annual\u00a0Report", "Annual Report"),
        ("Annual\tReport", "Annual Report"),
        ("Annual\r\n Report", "Annual Report"),
        ("Annual\u2028Report", "Annual Report"),
        ("em\u2003space", "em space"),
        ("bell\x07rings", "bell rings"),
        ("exe\u202etxt.fdp", "exetxt.fdp"),
        ("\u2066isolate\u2069", "isolate"),
        ("soft\u00adhyphen", "softhyphen"),
        ("lone\ud842surrogate", "lone\ufffdsurrogate"),
        ("\U00020bb7野\u3000花子", "\U00020bb7野\u3000花子"),
        ("padded\0\0", "padded"),
    ],
)
def test_what_does_not_print_is_shown_as_a_space_or_not_at_all(given: str, right: str) -> None:
    assert shown(given) == right


XMP = (
    '<?xpacket begin="{mark}" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"{attribute}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
ALT = "<dc:title><rdf:Alt>{}</rdf:Alt></dc:title>"
ENGLISH, JAPANESE = '<rdf:li xml:lang="en">Budget</rdf:li>', '<rdf:li xml:lang="ja-JP">予算書</rdf:li>'
DEFAULT = '<rdf:li xml:lang="x-default">議案 &amp; &#x4E88;算</rdf:li>'


def packet(inside: str = "", attribute: str = "", encoding: str = "utf-8", mark: str = "\ufeff") -> bytes:
    return XMP.format(mark=mark, attribute=attribute, inside=inside).encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_title_is_found_in_xmp(encoding: str, packed: bool) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Metadata = pdf.make_stream(packet(ALT.format(ENGLISH + DEFAULT), encoding=encoding))

    saving = {"compress_streams": packed, "fix_metadata_version": False}
    with opened(made(change, **saving)) as document:
        assert document.info.title == "議案 & 予算"


@pytest.mark.parametrize(
    ("inside", "attribute", "right"),
    [
        (ALT.format(ENGLISH + JAPANESE), "", "予算書"),
        (ALT.format(ENGLISH), "", "Budget"),
        (ALT.format('<rdf:li xml:lang="x-default"> </rdf:li>' + JAPANESE), "", "予算書"),
        ("<dc:title>予算書</dc:title>", "", "予算書"),
        ("", ' dc:title="予算書"', "予算書"),
        ("<dc:creator><rdf:Seq><rdf:li>市長</rdf:li></rdf:Seq></dc:creator>", "", ""),
        (ALT.format(DEFAULT) + "<broken", "", "議案 & 予算"),
    ],
)
def test_titles_stand_in_xmp_in_several_ways(inside: str, attribute: str, right: str) -> None:
    assert xmp.title(packet(inside, attribute)) == right


def test_entities_of_xmp_are_neither_expanded_nor_fetched() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    inside = ALT.format('<rdf:li xml:lang="x-default">&b;&f;</rdf:li>')
    assert xmp.title(bomb.encode() + packet(inside, mark="")[60:]) == ""


def test_a_long_packet_is_read_to_a_bound() -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.Root.Metadata = pdf.make_stream(packet(ALT.format(DEFAULT)) + b" " * (64 << 20))

    with opened(made(change, compress_streams=True, fix_metadata_version=False)) as document:
        assert document.info.title == "議案 & 予算"


# Where links and bookmarks lead


def in_tree(*names: bytes) -> Change:
    """Destinations in a tree of two leaves: the first name is page 2, the next 3."""

    def change(pdf: pikepdf.Pdf) -> None:
        leaves = [
            pdf.make_indirect(
                Dictionary(
                    Limits=Array([String(one), String(one)]),
                    Names=Array([String(one), pdf.make_indirect(Dictionary(D=Array([pdf.pages[place].obj, Name.Fit])))]),
                )
            )
            for place, one in enumerate(names, 1)
        ]
        pdf.Root.Names = Dictionary(Dests=pdf.make_indirect(Dictionary(Kids=Array(leaves))))

    return change


NAMES = {
    "UTF-16": [b"\xfe\xff" + text.encode("utf-16-be") for text in ("第１章", "第２章")],
    "UTF-8 with its mark": [b"\xef\xbb\xbf" + text.encode() for text in ("第１章", "第２章")],
    "UTF-8": [text.encode() for text in ("第１章", "第２章")],
    "Shift-JIS": [text.encode("cp932") for text in ("第１章", "第２章")],
    "PDFDocEncoding": [b"R\xe9sum\xe9", b"\x8dquoted\x8e"],
    "with NUL and parentheses": [b"a\0(b", b"a\0)c\\"],
    "UTF-16 of Latin letters": ["Chapter1".encode("utf-16"), "Chapter2".encode("utf-16")],
    "out of order": [b"b", b"a"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_links_and_bookmarks_find_names_in_any_encoding(names: list[bytes]) -> None:
    links = [{"A": Dictionary(S=Name.GoTo, D=String(names[0]))}, {"Dest": String(names[1])}]
    assert targets(with_links(*links, names=in_tree(*names))) == [(1, None), (2, None)]
    entries = [{"Title": "one", **links[0]}, {"Title": "two", **links[1]}]
    assert [item.page for item in outline(with_outline(*entries, names=in_tree(*names)))] == [1, 2]


def test_a_name_is_found_in_another_encoding_than_it_is_asked_for_in() -> None:
    asked, kept = NAMES["UTF-16"], NAMES["Shift-JIS"]
    assert targets(with_links({"Dest": String(asked[1])}, names=in_tree(*kept))) == [(2, None)]


def test_names_are_found_in_both_places_and_by_either_kind() -> None:
    def names(pdf: pikepdf.Pdf) -> None:
        in_tree(b"new", b"\xfe\xff\x7b\x2c")(pdf)
        pdf.Root.Dests = Dictionary({"/old": Array([pdf.pages[1].obj, Name.Fit]), "/古い": Array([pdf.pages[2].obj, Name.Fit])})

    entries = [{"Dest": Name("/old")}, {"Dest": String("new")}, {"Dest": String("old")}, {"Dest": Name("/new")}]
    entries += [{"A": Dictionary(S=Name.GoTo, D=Name("/古い"))}, {"Dest": String("nowhere")}]
    found = outline(with_outline(*({"Title": "x", **one} for one in entries), names=names))
    assert [item.page for item in found] == [1, 1, 1, 1, 2, None]
    assert targets(with_links(*entries, names=names)) == [(1, None), (1, None), (1, None), (1, None), (2, None)]


def to_file(name: Any, destination: Any = None, kind: Name = Name.GoToR) -> dict[str, Any]:
    action = Dictionary(S=kind, F=name)
    if destination is not None:
        action.D = destination
    return {"A": action}


def to_uri(uri: str | bytes) -> dict[str, Any]:
    return {"A": Dictionary(S=Name.URI, URI=String(uri))}


FOURTH = Array([3, Name.Fit])
OUTSIDE: list[tuple[dict[str, Any], str | None]] = [
    (to_file(String("budget.pdf"), FOURTH), "budget.pdf#page=4"),
    (to_file(String("予算 書.pdf"), FOURTH), "予算 書.pdf#page=4"),
    (to_file(String("予算書.pdf".encode("cp932")), FOURTH), "予算書.pdf#page=4"),
    (to_file(Dictionary(Type=Name.Filespec, F=String("a.pdf"), UF=String("資料.pdf")), FOURTH), "資料.pdf#page=4"),
    (to_file(String("budget.pdf"), String("第１章")), "budget.pdf#nameddest=第１章"),
    (to_file(String("budget.pdf"), Name("/chapter1")), "budget.pdf#nameddest=chapter1"),
    (to_file(String("50%.pdf"), FOURTH), "50%.pdf#page=4"),
    (to_file(String("no#1.pdf"), FOURTH), "no%231.pdf#page=4"),
    (to_file(String("%E8%B3%87%E6%96%99%201.pdf"), FOURTH), "資料 1.pdf#page=4"),
    (to_file(String("資%E6%96%99.pdf"), FOURTH), "資料.pdf#page=4"),
    (to_file(String("a%20b.pdf"), FOURTH), "a%20b.pdf#page=4"),
    (to_file(String("%FF%E8.pdf"), FOURTH), "%FF%E8.pdf#page=4"),
    (to_file(String("javascript%3Aalert(%E8%B3%87)")), None),
    (to_file(String("../papers/a.pdf")), "../papers/a.pdf"),
    (to_file(String("..\\papers\\a.pdf")), "../papers/a.pdf"),
    (to_file(String("/etc/passwd")), "passwd"),
    (to_file(String("C:\\papers\\a.pdf"), FOURTH), "a.pdf#page=4"),
    (to_file(String("\\\\server\\share\\a.pdf")), "a.pdf"),
    (to_file(String("javascript:alert(1)")), None),
    (to_file(String("budget.pdf"), kind=Name.Launch), "budget.pdf"),
    (to_file(String("budget.pdf#page=4"), kind=Name.Launch), "budget.pdf#page=4"),
    ({"A": Dictionary(S=Name.Launch, Win=Dictionary(F=String("a.exe"), P=String("/quiet")))}, "a.exe"),
    (to_file(Dictionary(FS=Name.URL, F=String("https://example.jp/a.pdf")), FOURTH), "https://example.jp/a.pdf#page=4"),
    (to_uri("https://example.jp/a%20b?c#d"), "https://example.jp/a%20b?c#d"),
    (to_uri("mailto:gikai@example.jp"), "mailto:gikai@example.jp"),
    (to_uri("www.example.jp"), "http://www.example.jp"),
    (to_uri("budget.pdf#page=4"), "budget.pdf#page=4"),
    (to_uri("%E8%B3%87%E6%96%99.pdf#page=7"), "資料.pdf#page=7"),
    (to_uri("資料%20.pdf#page=7"), "資料 .pdf#page=7"),
    (to_uri("file:///home/clerk/a.pdf#page=2"), "a.pdf#page=2"),
    (to_uri("file:///etc/passwd"), "passwd"),
    (to_uri("javascript:alert(1)"), None),
    (to_uri("java\nscript:alert(1)"), None),
    (to_uri("\x01 JavaScript:alert(1)"), None),
    (to_uri("javascript%3Aalert(1)"), None),
    (to_uri("java%0Ascript%3Aalert(1)"), None),
    (to_uri("data:text/html,x"), None),
    (to_uri("vbscript:x"), None),
    ({"A": Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))}, None),
    ({"A": Dictionary(S=Name.JavaScript, JS=String("1"), Next=to_uri("https://example.jp/")["A"])}, "https://example.jp/"),
]


@pytest.mark.parametrize(("entry", "right"), OUTSIDE, ids=[str(place) for place in range(len(OUTSIDE))])
def test_where_links_and_bookmarks_lead_out_of_the_document(entry: dict[str, Any], right: str | None) -> None:
    assert targets(with_links(entry)) == ([(None, right)] if right else [])
    assert [(item.page, item.uri) for item in outline(with_outline({"Title": "x", **entry}))] == [(None, right)]


def test_addresses_are_joined_to_the_base_that_the_document_gives() -> None:
    def based(pdf: pikepdf.Pdf) -> None:
        pdf.Root.URI = Dictionary(Base=String("https://example.jp/minutes/"))

    assert targets(with_links(to_uri("a.html"), names=based)) == [(None, "https://example.jp/minutes/a.html")]
    assert addresses.address("alert(1)", "javascript:") == "alert(1)"


def test_other_ways_to_pages_of_the_document() -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        third = pdf.pages[2].obj
        entries = [
            {"Dest": Array([third, Name.XYZ, 0, 0, 0])},
            {"Dest": pdf.make_indirect(Array([third, Name.Fit]))},
            {"Dest": Array([2, Name.Fit])},
            {"A": pdf.make_indirect(Dictionary(S=Name.GoTo, D=pdf.make_indirect(Array([third, Name.Fit]))))},
            {"A": Dictionary(S=Name.Named, N=Name.LastPage)},
            to_uri("#page=3"),
            {"Dest": Array([99, Name.Fit])},
            {"Dest": Array([Dictionary(Type=Name.Page), Name.Fit])},
        ]
        pdf.pages[0].Annots = Array([link(pdf, **one) for one in entries])
        pdf.pages[1].Annots = Array([link(pdf, A=Dictionary(S=Name.Named, N=name)) for name in (Name.NextPage, Name.PrevPage)])

    data = made(change)
    assert targets(data) == [(2, None)] * 6
    assert targets(data, 1) == [(2, None), (0, None)]


def test_an_outline_that_runs_in_a_circle_ends() -> None:
    def circle(pdf: pikepdf.Pdf) -> None:
        first, second = (pdf.make_indirect(Dictionary(Title=title)) for title in ("one", "two"))
        first.Next, second.Next, second.First = second, first, first
        pdf.Root.Outlines = Dictionary(First=first)

    assert [item.title for item in outline(made(circle))] == ["one", "two"]


# Page trees


def raw_pdf(*objects: str) -> bytes:
    body = "".join(f"{number} 0 obj{text}endobj\n" for number, text in enumerate(objects, 1))
    return f"%PDF-1.7\n{body}trailer<</Root 1 0 R/Size {len(objects) + 1}>>\n%%EOF".encode()


PAGE = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]>>"
TREES = {
    "no count": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R 4 0 R]>>", PAGE, PAGE), 2),
    "count too large": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 9/Kids[3 0 R 4 0 R]>>", PAGE, PAGE), 2),
    "count too small": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R 4 0 R]>>", PAGE, PAGE), 2),
    "negative": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count -2/Kids[3 0 R 4 0 R]>>", PAGE, PAGE), 2),
    "empty node": (
        ("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 3/Kids[4 0 R 3 0 R]>>", PAGE, "<</Type/Pages/Count 2/Kids[]>>"),
        1,
    ),
    "nothing has a type": (  # which the engine reads as it is
        ("<</Pages 2 0 R>>", "<</Count 2/Kids[3 0 R 4 0 R]>>", PAGE.replace("/Type/Page", ""), PAGE.replace("/Type/Page", "")),
        2,
    ),
    "no tree": (("<</Type/Catalog>>", "<<>>", PAGE, PAGE), 2),
    "in a circle": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 2/Kids[3 0 R 2 0 R 4 0 R]>>", PAGE, PAGE), 2),
    "null counted": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 3/Kids[null 3 0 R 88 0 R]>>", PAGE), 1),
    "a page called a node": (
        (
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>",
            PAGE.replace("/Type/Page", "/Type/Pages/Contents 5 0 R"),
            PAGE,
            "<</Length 0>>stream\n\nendstream ",
        ),
        2,
    ),
    "null among the kids": (("<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[null 3 0 R]>>", PAGE), 1),
}


@pytest.mark.parametrize(("objects", "count"), TREES.values(), ids=TREES)
def test_the_pages_that_are_there_are_opened(objects: tuple[str, ...], count: int, service: TileService) -> None:
    document = service.open(raw_pdf(*objects))
    assert document.page_count == count
    assert any("page tree" in what for what in document.info.repaired) or objects[0] == "<</Pages 2 0 R>>"
    for page in document:
        assert (page.width_pt, page.height_pt) == (300, 100)
        assert service.page_image(document, page.index, width_px=30).width_px == 30


def test_a_second_worker_rebuilds_the_same_tree() -> None:
    objects, count = TREES["count too large"]
    with opened(raw_pdf(*objects)) as first:
        chapters = first.info.chapters
    again = open_document(Source(raw_pdf(*objects)), password=None, name="made", limits=Limits(), chapters=chapters)
    assert again.page_count == count
    assert again.page(count - 1).rect.width == 300
    again.close()


def test_a_sound_tree_is_left_alone() -> None:
    with opened(made()) as document:
        assert document.info.chapters == ()
        assert document.info.repaired == ()


# Passwords and attachments


@pytest.mark.parametrize(
    ("password", "prepared"),
    [("I\u00adX", "IX"), ("I\u200bX", "IX"), ("a\u00a0b", "a b"), ("\u2168", "IX"), ("パスワード", "パスワード"), ("é", "é")],
)
@pytest.mark.parametrize("revision", [5, 6])
@pytest.mark.filterwarnings("ignore:Encryption R=5 is deprecated")
def test_a_password_opens_as_given_and_as_prepared(password: str, prepared: str, revision: int) -> None:
    assert passwords.saslprep(password) == prepared
    encryption = pikepdf.Encryption(user=prepared, owner="owner", R=revision)
    with opened(made(encryption=encryption), password) as document:
        assert document.info.needs_password
    with pytest.raises(PasswordRequired), opened(made(encryption=encryption), "another"):
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "latin-1"])
def test_older_documents_open_in_the_encoding_of_their_writer(encoding: str) -> None:
    password = "größe" if encoding == "latin-1" else "予算"
    forms = passwords.forms(password, 4)
    as_engine_digests = [bytes(IN_PDF_DOC[c] for c in form if c in IN_PDF_DOC) for form in forms]
    assert password.encode(encoding) in as_engine_digests
    assert passwords.forms(password, 6) == [password]


def test_an_older_document_opens_with_the_bytes_of_utf_8() -> None:
    password = "予算"
    as_given = pdf_text.doc_decoded(password.encode())  # what a program digests that takes bytes as they come
    encryption = pikepdf.Encryption(user=as_given, owner="owner", R=4, aes=True)
    with opened(made(encryption=encryption), password) as document:
        assert document.page_count == 3


LOCKED = (
    "<</Filter/Standard/V 4/R 4/Length 128/P -4/O<{0}>/U<{0}>{1}/CF<</StdCF<</CFM/AESV2/AuthEvent/EFOpen/Length 16>>"
    ">>/EFF/StdCF>>"
)


@pytest.mark.parametrize(
    ("filters", "opens"),
    [
        ("", True),
        ("/StmF/Identity/StrF/Identity", True),
        ("/StmF/StdCF/StrF/Identity", False),
        ("/StmF/Identity/StrF/StdCF", False),
    ],
)
def test_a_password_is_asked_for_where_pages_or_strings_are_encrypted(filters: str, opens: bool) -> None:
    plain = raw_pdf(
        "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]>>", PAGE, LOCKED.format("41" * 32, filters)
    )
    data = plain.replace(b"trailer<<", b"trailer<</Encrypt 4 0 R/ID[<41><41>]/Info<</Title(budget)>>")
    if opens:
        with opened(data) as document:
            assert (document.info.title, document.info.needs_password) == ("budget", False)
    else:
        with pytest.raises(PasswordRequired), opened(data):
            pass


def attached(pdf: pikepdf.Pdf) -> None:
    pdf.attachments["資料.docx"] = pikepdf.AttachedFileSpec(pdf, b"words", filename="folder/資料.docx", mime_type="")
    pinned = pikepdf.AttachedFileSpec(pdf, b"a,b", filename="table.csv", mime_type="text/csv")
    pdf.pages[2].Annots = Array(
        [Dictionary(Type=Name.Annot, Subtype=Name.FileAttachment, Rect=Array([0, 0, 9, 9]), FS=pinned.obj)]
    )
    pdf.Root.AF = Array([pinned.obj])


ATTACHED = [("資料.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"), ("table.csv", "text/csv")]


@pytest.mark.parametrize("packed", [False, True])
def test_files_in_a_document_and_on_its_pages_are_told(packed: bool) -> None:
    mode = pikepdf.ObjectStreamMode.generate if packed else pikepdf.ObjectStreamMode.disable
    with opened(made(attached, object_stream_mode=mode)) as document:
        assert [(one.name, one.media_type) for one in document.info.attachments] == ATTACHED
        assert [one.size_bytes for one in document.info.attachments] == [5, 3]


def test_a_file_that_is_only_pinned_to_a_page_is_told() -> None:
    def pin(pdf: pikepdf.Pdf) -> None:
        attached(pdf)
        del pdf.Root.AF
        del pdf.Root.Names

    with opened(made(pin)) as document:
        assert [one.name for one in document.info.attachments] == ["table.csv"]


def test_files_of_equal_contents_are_told_each_by_its_name() -> None:
    """As Acrobat and qpdf leave them: equal contents are kept once."""

    def pack(pdf: pikepdf.Pdf) -> None:
        for name in ("議案.pdf", "資料.pdf"):
            pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, b"%PDF-", filename=name)
        first, second = (pdf.attachments[name].obj for name in ("議案.pdf", "資料.pdf"))
        second.EF = first.EF
        pdf.Root.AF = Array([first])

    with opened(made(pack)) as document:
        assert [one.name for one in document.info.attachments] == ["議案.pdf", "資料.pdf"]


def test_a_file_that_belongs_to_a_page_is_told() -> None:
    def associate(pdf: pikepdf.Pdf) -> None:
        table = pikepdf.AttachedFileSpec(pdf, b"a,b", filename="table.csv", mime_type="text/csv")
        pdf.pages[1].AF = Array([table.obj])

    with opened(made(associate)) as document:
        assert [(one.name, one.media_type) for one in document.info.attachments] == [("table.csv", "text/csv")]


# What a paper is called


def stale(title: str = "議案書（ひな形）") -> bytes:
    return made(lambda pdf: pdf.docinfo.__setitem__("/Title", String(title)))


def test_papers_with_one_stale_title_have_the_names_of_their_files(service: TileService, tmp_path: Path) -> None:
    shelf = Shelf(service)
    for number in range(3):
        path = tmp_path / f"議案第{number}号.pdf"
        path.write_bytes(made(lambda pdf: pdf.docinfo.__setitem__("/Title", String("ひな形")), pages=number + 1))
        shelf.register(path)
    application = Application(shelf)
    names = [f"議案第{number}号.pdf" for number in range(3)]
    listed = ask(application, "/documents").json()["documents"]
    assert [one["name"] for one in listed] == names
    assert {one["title"] for one in listed} == {"ひな形"}
    manifest = ask(application, f"/presentation/3/{listed[0]['id']}/manifest.json").json()
    assert manifest["label"] == {"none": [names[0]]}
    assert ask(application, f"/documents/{listed[0]['id']}/pages.json").json()["name"] == names[0]
    application.close()
    shelf.close()


def test_a_name_that_is_given_is_the_name(service: TileService, tmp_path: Path) -> None:
    path = tmp_path / "x1.pdf"
    path.write_bytes(stale())
    document, other, plain = service.open(path, name="令和8年度\n予算書"), service.open(path, name="other"), service.open(path)
    assert (document.name, other.name, plain.name) == ("令和8年度 予算書", "other", "x1.pdf")
    assert document.title == plain.title == "議案書（ひな形）"
    assert document.id == other.id == plain.id
    assert service.open(path, name="other") is other
    with pytest.raises(PageNotFound, match="令和8年度"):
        service.page_image(document, 99, width_px=10)
    assert service.open(made(), name="untitled").title == "untitled"
    for nonsense in ("\u202e ", 5, b"x"):
        with pytest.raises(RequestError):
            service.open(path, name=nonsense)  # type: ignore[arg-type]
    for nonsense in ("", "up"):
        with pytest.raises(RequestError):
            service.open(path, direction=nonsense)


def test_bytes_without_a_name_are_called_by_kind_and_id(service: TileService) -> None:
    document = service.open(made())
    assert document.name == f"pdf {document.id[:8]}"


def test_a_document_opens_from_a_pipe_that_gives_what_has_come(service: TileService) -> None:
    class Pipe(io.RawIOBase):
        """Without a buffer, as `open(…, buffering=0)`: a read gives less than was asked for."""

        def __init__(self, data: bytes) -> None:
            self.rest = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.rest.readinto(memoryview(buffer)[:100])

    data = stale()
    assert service.open(Pipe(data)).id == service.open(data).id  # type: ignore[arg-type]


def test_a_region_is_four_numbers(service: TileService) -> None:
    document = service.open(made())
    for region in ((math.nan, 0, 5, 5), (0, 0, 5, math.nan), (0, 0, 5)):
        with pytest.raises(RequestError, match="no region"):
            service.region_image(document, 0, region, 50)  # type: ignore[arg-type]
    with pytest.raises(RequestError):
        service.region_image(document, 0, (0, 0, 5, 5), 10.5)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match="fit_px"):
        service.page_image(document, 0, fit_px=(5,))  # type: ignore[arg-type]


def test_a_document_opens_from_bytes_of_all_kinds_and_from_file_objects(service: TileService, tmp_path: Path) -> None:
    data = stale()
    path = tmp_path / "budget.pdf"
    path.write_bytes(data)
    buffer = io.BytesIO(data)
    buffer.seek(0, io.SEEK_END)
    with path.open("rb") as file:
        opened_ones = [service.open(given) for given in (data, bytearray(data), memoryview(data), buffer, file)]
    assert len({document.id for document in opened_ones}) == 1
    assert opened_ones[-1].name == "budget.pdf"
    document = opened_ones[0]
    assert len(document) == document.page_count == 3
    assert [page.index for page in document] == [0, 1, 2]
    assert document[-1].index == 2
    assert [page.index for page in document[1:]] == [1, 2]
    with pytest.raises(PageNotFound):
        document[3]
    with pytest.raises(TypeError):
        service.open(io.StringIO("%PDF-"))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        service.open(3)  # type: ignore[arg-type]


def test_outline_addresses_and_attachments_are_told_over_http(service: TileService) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        attached(pdf)
        pdf.Root.Outlines = Dictionary(First=pdf.make_indirect(Dictionary(Title="x", **to_file(String("budget.pdf"), FOURTH))))

    shelf = Shelf(service)
    document = shelf.register(made(change), name="board pack")
    application = Application(shelf)
    told = ask(application, f"/documents/{document.id}").json()
    assert told["name"] == "board pack"
    assert told["outline"] == [{"level": 1, "title": "x", "page": None, "uri": "budget.pdf#page=4"}]
    assert [(one["name"], one["media_type"]) for one in told["attachments"]] == ATTACHED
    manifest = ask(application, f"/presentation/3/{document.id}/manifest.json").json()
    assert "資料.docx" in json.dumps(manifest["metadata"], ensure_ascii=False)
    assert "attached file: table.csv (text/csv, 3 bytes)" in document.inspect().report()
    application.close()
    shelf.close()
