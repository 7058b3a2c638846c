"""A worker that is told that a page tree counts rightly finds a late page without reading all pages. It finds the pages that
the describing worker found in its list of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.documents.source import Source
from sidebooks_core.engine import open_document as open_document_module
from sidebooks_core.engine.identity.pages import PageIdentifier
from sidebooks_core.engine.messages import messages_since
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, mupdf, pymupdf, raw_pdf, require_pdf
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.engine.opening import open_document
from sidebooks_core.engine.pdf import pages as pdf_pages
from sidebooks_core.engine.pdf import targets
from sidebooks_core.errors import RenderFailed, SidebooksError
from sidebooks_core.fonts.discovery import discover
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.worker.desk import Desk
from sidebooks_core.workers.jobs import Draw, Hold, Identify

CATALOG, ROOT, FONT, FIRST = 1, 2, 3, 10
"""Numbers of objects."""
Tree = Sequence["int | Tree"]
"""The kids of a node: numbers of pages, and nodes."""


class Written:
    """The objects of a PDF whose pages say their numbers from 0, by the numbers of the objects."""

    def __init__(self, tree: Tree) -> None:
        self.objects = {
            CATALOG: b"<</Type/Catalog/Pages %d 0 R>>" % ROOT,
            FONT: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        }
        self.page_objects: list[int] = []
        self._free = FIRST
        self._add_node(tree, ROOT, None)

    def _number(self) -> int:
        self._free += 1
        return self._free

    def _add_node(self, tree: Tree, number: int, parent: int | None) -> int:
        kids = []
        count = 0
        for kid in tree:
            own = self._number()
            kids.append(b"%d 0 R" % own)
            count += 1 if isinstance(kid, int) else self._add_node(kid, own, number)
            if isinstance(kid, int):
                self._add_page(kid, own, number)
        above = b"" if parent is None else b"/Parent %d 0 R" % parent
        self.objects[number] = b"<</Type/Pages/Count %d%s/Kids[%s]>>" % (count, above, b" ".join(kids))
        return count

    def _add_page(self, page: int, number: int, parent: int) -> None:
        content = self._number()
        drawn = b"BT /F1 24 Tf 72 700 Td (page %d) Tj ET" % page
        self.objects[content] = b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn)
        self.objects[number] = (
            b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 %d 0 R>>>>/Contents %d 0 R>>"
            % (parent, FONT, content)
        )
        self.page_objects.append(number)

    def change(self, number: int, old: bytes, new: bytes) -> Written:
        """Write one object in another way."""
        assert old in self.objects[number]
        self.objects[number] = self.objects[number].replace(old, new, 1)
        return self

    def content(self) -> bytes:
        """The file."""
        body = b"%PDF-1.7\n"
        places = {}
        for number, written in self.objects.items():
            places[number] = len(body)
            body += b"%d 0 obj\n%s\nendobj\n" % (number, written)
        size = max(places) + 1
        lines = [
            b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 65535 f \n" for number in range(size)
        ]
        table = b"xref\n0 %d\n%s" % (size, b"".join(lines))
        return body + table + b"trailer\n<</Size %d/Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, CATALOG, len(body))


def flat(count: int) -> Written:
    return Written(range(count))


def balanced(count: int, per_node: int = 8) -> Written:
    return Written([range(start, min(start + per_node, count)) for start in range(0, count, per_node)])


def deep(levels: int) -> Written:
    """One page and one node in each node."""
    tree: Tree = [levels]
    for page in reversed(range(levels)):
        tree = [page, tree]
    return Written(tree)


@contextmanager
def opened(content: bytes, info: DocumentInfo | None = None) -> Iterator[OpenDocument]:
    """As a worker opens it. info: what it is told."""
    chapters, has_true_counts = ((), False) if info is None else (info.chapters, info.has_true_counts)
    source = Source(content)
    with closing(
        open_document(source, password=None, name="x", limits=Limits(), chapters=chapters, has_true_counts=has_true_counts)
    ) as document:
        yield document


def described(content: bytes) -> DocumentInfo:
    with opened(content) as document:
        return document.info


def has_list(document: OpenDocument) -> bool:
    """Whether the engine has listed all pages."""
    return raw_pdf(require_pdf(document.handle)).fwd_page_map is not None


def texts(document: OpenDocument) -> list[str]:
    """The words of each page; why it has none."""
    found = []
    for page in range(document.page_count):
        try:
            found.append(" ".join(word.text for word in document.words(page)))
        except RenderFailed:
            found.append("cannot be read")
    return found


def numbers(document: OpenDocument) -> list[int | None]:
    """The object number of each page, as the engine finds it. None: it finds none."""
    pdf = raw_pdf(require_pdf(document.handle))
    found: list[int | None] = []
    for index in range(document.page_count):
        try:
            found.append(mupdf.ll_pdf_to_num(mupdf.ll_pdf_lookup_page_obj(pdf, index)))
        except ENGINE_ERRORS:
            found.append(None)
    return found


@pytest.mark.parametrize(
    "made", [flat(60), flat(1), flat(200), flat(1025), balanced(60), balanced(900, 30), balanced(800), deep(60)]
)
def test_all_pages_are_found_without_a_list_of_all(made: Written) -> None:
    content = made.content()
    info = described(content)
    assert info.has_true_counts
    with opened(content, info) as document:
        assert numbers(document) == made.page_objects
        assert texts(document) == [f"page {page}" for page in range(info.page_count)]
        assert not has_list(document)


def test_a_late_page_of_a_flat_tree_is_found_without_reading_the_others() -> None:
    made = flat(1000)
    content = made.content()
    info = described(content)
    with opened(content, info) as document:
        assert [word.text for word in document.words(900)] == ["page", "900"]
        pdf = raw_pdf(require_pdf(document.handle))
        read = [number for number in made.page_objects if mupdf.ll_pdf_get_xref_entry_no_null(pdf, number).obj]
        assert made.page_objects[900] in read
        assert len(read) <= 16


WIDE: dict[str, Tree] = {
    "a node below the root": [range(200), range(200, 400)],
    "a node far below": [[[range(200)]]],
    "a root with a node among its pages": [*range(100), [100, 101], *range(102, 200)],
}


@pytest.mark.parametrize("kind", WIDE)
def test_pages_of_a_node_with_many_are_found_by_the_list(kind: str) -> None:
    """By the counts, the engine would go through the pages of the node at each look-up."""
    made = Written(WIDE[kind])
    content = made.content()
    info = described(content)
    assert not info.has_true_counts
    with opened(content, info) as document:
        assert numbers(document) == made.page_objects
        assert texts(document) == [f"page {page}" for page in range(info.page_count)]
        assert has_list(document)


LIES = {
    "too many": balanced(40).change(ROOT, b"/Count 40", b"/Count 50"),
    "too few": balanced(40).change(ROOT, b"/Count 40", b"/Count 30"),
    "too many in a flat tree": flat(80).change(ROOT, b"/Count 80", b"/Count 90"),
    "too few in a flat tree": flat(80).change(ROOT, b"/Count 80", b"/Count 70"),
    "too many below": balanced(40).change(FIRST + 1, b"/Count 8", b"/Count 9"),
    "too few below": balanced(40).change(FIRST + 1, b"/Count 8", b"/Count 7"),
    "right in all, wrong below": balanced(24)
    .change(FIRST + 1, b"/Count 8", b"/Count 9")
    .change(FIRST + 18, b"/Count 8", b"/Count 7"),
    "negative": balanced(40).change(ROOT, b"/Count 40", b"/Count -40"),
    "negative below": balanced(40).change(FIRST + 1, b"/Count 8", b"/Count -8"),
    "none": balanced(40).change(ROOT, b"/Count 40", b""),
    "none below": balanced(40).change(FIRST + 1, b"/Count 8", b""),
    "no number": balanced(40).change(FIRST + 1, b"/Count 8", b"/Count/Eight"),
    "a loop": balanced(40).change(FIRST + 1, b"/Kids[", b"/Kids[%d 0 R " % ROOT),
    "a loop without pages": balanced(40)
    .change(FIRST + 1, b"/Count 8", b"/Count 0")
    .change(FIRST + 1, b"/Kids[", b"/Kids[2 0 R] /K["),
    "too deep": deep(300),
    "an empty node": flat(40).change(ROOT, b"/Kids[", b"/Kids[%d 0 R " % CATALOG),
    "a page without a type": flat(40).change(FIRST + 1, b"/Type/Page", b""),
    "a page that says it is a node": flat(40).change(FIRST + 1, b"/Type/Page", b"/Type/Pages"),
    "a node that says it is a page": balanced(40).change(FIRST + 1, b"/Type/Pages", b"/Type/Page"),
    "a node without a type": balanced(40).change(FIRST + 1, b"/Type/Pages", b""),
    "a missing page": balanced(40).change(FIRST + 1, b"/Kids[", b"/Kids[9999 0 R "),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_tree_that_does_not_hold_together_is_not_trusted(lie: str) -> None:
    content = LIES[lie].content()
    with opened(content) as first:
        info = first.info
        found = texts(first)
    assert not info.has_true_counts
    with opened(content, info) as second:
        assert texts(second) == found


@pytest.mark.parametrize("number", [5, 9])
def test_a_page_object_with_a_slip_of_syntax_is_read_by_every_worker(number: int) -> None:
    made = flat(10)
    content = made.change(made.page_objects[number], b"/Type/Page", b"/Type/Page slip").content()
    with opened(content) as first:
        info = first.info
        assert texts(first) == [f"page {page}" for page in range(10)]
    assert not info.has_true_counts
    with opened(content, info) as second:
        assert texts(second) == [f"page {page}" for page in range(10)]


def test_a_file_without_its_table_is_not_trusted() -> None:
    content = balanced(40).content()
    info = described(content[: content.index(b"xref\n0 ")])
    assert info.repaired
    assert not info.has_true_counts


FOUND_BY_COUNTS: dict[str, tuple[int, Sequence[int]]] = {
    "too many": (50, range(40)),
    "too few": (30, range(30)),
    "too many in a flat tree": (90, range(80)),
    "too few in a flat tree": (70, range(70)),
    "too many below": (40, range(39)),
    "too few below": (40, [*range(7), *range(8, 40)]),
    "right in all, wrong below": (24, [*range(15), *range(16, 24)]),
    "negative below": (40, range(16, 40)),
    "none below": (40, range(8, 40)),
    "no number": (40, range(8, 40)),
    "a loop": (40, range(8, 40)),
    "a loop without pages": (40, range(8, 40)),
    "too deep": (301, range(301)),
    "an empty node": (40, range(39)),
    "a page that says it is a node": (40, range(1, 40)),
    "a node that says it is a page": (40, range(8, 40)),
    "a missing page": (40, [*range(7), *range(8, 40)]),
}
"""The number of pages, and those that are found; of the other lies, all 40."""


@pytest.mark.parametrize("lie", LIES)
def test_whoever_is_told_a_lie_finds_other_pages_and_goes_on(lie: str) -> None:
    told = described(balanced(40).content())
    with opened(LIES[lie].content(), told) as document:
        count, pages = FOUND_BY_COUNTS.get(lie, (40, range(40)))
        found = texts(document)
        assert len(found) == count
        assert [text for text in found if text not in ("", "cannot be read")] == [f"page {page}" for page in pages]


LINK = b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]%s>>"
LINKS = {
    "destination": LINK % b"/Dest[%d 0 R/Fit]",
    "action": LINK % b"/A<</S/GoTo/D[%d 0 R/Fit]>>",
    "additional action": LINK % b"/AA<</U<</S/GoTo/D[%d 0 R/Fit]>>>>",
}


@pytest.mark.parametrize("kind", LINKS)
@pytest.mark.parametrize("made", [flat, balanced])
def test_a_page_with_links_to_pages_is_loaded_by_the_list(kind: str, made: type[Written]) -> None:
    written = made(100)
    target = written.page_objects[70]
    content = written.change(
        written.page_objects[1], b"/Type/Page", b"/Type/Page/Annots[%s]" % (LINKS[kind] % target)
    ).content()
    info = described(content)
    assert info.has_true_counts
    with opened(content, info) as document:
        document.page(0)
        assert not has_list(document)
        start = len(messages_since(0))
        document.page(1)
        assert has_list(document)
        assert [link.page for link in document.links(1)] == [70]
        assert messages_since(start) == []
    with opened(content, info) as document:
        identified = PageIdentifier(document.handle, "0" * 32, "pdf").content_id(1)
        assert has_list(document)
    with opened(content) as document:
        assert PageIdentifier(document.handle, "0" * 32, "pdf").content_id(1) == identified


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each time that the engine is told to find pages by the list."""
    told: list[str] = []
    really = pdf_pages.find_by_list

    def find_by_list(document: pymupdf.Document) -> None:
        told.append("listed")
        really(document)

    for module in (pdf_pages, targets):
        monkeypatch.setattr(module, "find_by_list", find_by_list)
    return told


@pytest.mark.parametrize("made", [flat, balanced])
def test_a_worker_that_holds_a_document_lists_nothing_at_a_page_with_links(made: type[Written], lists: list[str]) -> None:
    written = made(100)
    link = LINKS["destination"] % written.page_objects[70]
    content = written.change(written.page_objects[1], b"/Type/Page", b"/Type/Page/Annots[%s]" % link).content()
    info = described(content)
    assert info.has_true_counts
    ref = DocumentRef(token="x", name="x", path=None, file_state=None, has_true_counts=True)
    desk = Desk(discover([]), 4 << 20, opens_paths=False)
    desk.do(Hold(document=ref, timeout_s=60.0), content)
    assert lists == ["listed"]
    spec = RasterSpec.whole_page(0.5, 298, 421)
    desk.do(Draw(document=ref, timeout_s=60.0, page=1, spec=spec, image_format="auto", quality=85), None)
    desk.do(Identify(document=ref, timeout_s=60.0, page=1, stop=2, budget_s=0.0), None)
    assert lists == ["listed"]
    desk.forget_everything()


def test_the_pages_of_a_very_long_document_are_not_listed_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_document_module, "MOST_LISTED_AHEAD", 99)
    content = flat(100).content()
    with opened(content, described(content)) as document:
        document.find_last_page()
        assert not has_list(document)
        monkeypatch.setattr(open_document_module, "MOST_LISTED_AHEAD", 100)
        document.find_last_page()
        assert has_list(document)
        assert texts(document) == [f"page {page}" for page in range(100)]


def test_where_a_link_by_name_leads_is_looked_up_in_the_list() -> None:
    written = flat(100)
    written.change(
        CATALOG, b"/Pages", b"/Dests<</There[%d 0 R/Fit]/Nowhere[%d 0 R/Fit]>>/Pages" % (written.page_objects[70], FONT)
    )
    links = b"".join(LINK % b"/Dest/%s" % name for name in (b"There", b"Nowhere"))
    content = written.change(written.page_objects[1], b"/Type/Page", b"/Type/Page/Annots[%s]" % links).content()
    with opened(content, described(content)) as document:
        document.page(1)
        assert not has_list(document)
        assert [link.page for link in document.links(1)] == [70]


def test_both_ways_lead_to_the_same_pages(corpus: Path) -> None:
    """In all documents that are trusted: of the corpus, and of the documents with faults."""
    different, compared = [], 0
    for path in sorted(corpus.parent.rglob("*.pdf")):
        content = path.read_bytes()
        try:
            info = described(content)
        except SidebooksError:
            continue  # it has no pages, or needs a password
        if not info.has_true_counts:
            continue
        with opened(content, info) as by_counts, opened(content) as by_list:
            compared += 1
            if numbers(by_counts) != numbers(by_list) or len(numbers(by_counts)) != info.page_count:
                different.append(path.name)
            assert pdf_pages.read_tree(require_pdf(by_counts.handle), info.page_count).has_true_counts
    assert different == []
    assert compared > 50


def test_a_new_service_remembers_that_the_counts_are_right(tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(flat(200).content())
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(LIES["too many"].content())
    for _ in range(2):
        with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=1)) as service:
            assert service.open(path).ref.has_true_counts
            assert not service.open(broken).ref.has_true_counts
            assert [word.text for word in service.text(service.open(path), 150)] == ["page", "150"]
