"""Search over the shelf: exact as a search of each document, without a worker, and of what the principal may see."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.documents.model import PackedStream, PackedText, Word
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf import PageHit, Paper, Shelf, Where
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.search import index, page_texts
from sidebooks_core.shelf.search.grams import grams_of_query
from sidebooks_core.shelf.search.searching import Searcher
from sidebooks_core.shelf.search.storing import packed, unpacked
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage
from sidebooks_core.text.folding import fold, query_pattern
from sidebooks_core.text.packing import pack, unpack
from sidebooks_core.text.pages import PageText, Stream
from sidebooks_core.workers.jobs import Search


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def shelf(engine: FakeEngine, tmp_path: Path) -> Iterator[Shelf]:
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=engine.pool) as service,
        Shelf(tmp_path / "data", service) as made,
    ):
        yield made


def page(number: int, *texts: str) -> FakePage:
    words = tuple(Word(10.0, 20.0 * line, 110.0, 20.0 * line + 12, text, 0, line) for line, text in enumerate(texts))
    return FakePage(colour=(number, 0, 0), words=words)


def text_of(*lines: str) -> PackedText:
    written = "".join(line + "\n" for line in lines)
    numbers = tuple(number for number, line in enumerate(lines) for _ in line + "\n")
    return pack(PageText(Stream(written, tuple((float(at), 0.0, at + 1.0, 9.0) for at in range(len(written))), numbers), None))


def hits_of(shelf: Shelf, query: str, where: Where | None = None) -> list[PageHit]:
    """All hits, however many steps they take: on a busy machine, the time of a step may be over early."""
    step = shelf.search(query, where, limit=1000)
    hits = list(step.pages)
    while step.next is not None:
        step = shelf.search(query, where, before=step.next, limit=1000)
        hits += step.pages
    return hits


def found(shelf: Shelf, query: str, where: Where | None = None) -> list[tuple[str, int]]:
    return [(hit.paper.name, hit.page) for hit in hits_of(shelf, query, where)]


def test_words_of_any_length_are_found_in_all_papers_without_a_worker(shelf: Shelf, engine: FakeEngine) -> None:
    shelf.register(FakeDocument(pages=(page(1, "令和8年度 一般会計", "予算書"), page(2, "歳入"))).to_bytes(), name="予算")
    shelf.register(
        FakeDocument(pages=(page(3, "補正予", "算案"), page(4, "Section A-1, inter-", "national"))).to_bytes(), name="補正"
    )
    assert shelf.wait_prepared(30)
    expected = {
        "予": [("補正", 0), ("予算", 0)],
        "算": [("補正", 0), ("予算", 0)],
        "予算": [("補正", 0), ("予算", 0)],
        "予算書": [("予算", 0)],
        "一般会計 予算書": [("予算", 0)],
        "令和８年度": [("予算", 0)],
        "歳入": [("予算", 1)],
        "a-1": [("補正", 1)],
        "INTERNATIONAL": [("補正", 1)],
        "1,": [("補正", 1)],
        "national": [("補正", 1)],
        "歳出": [],
        "": [],
        "  ": [],
    }
    assert {query: found(shelf, query) for query in expected} == expected
    [hit] = hits_of(shelf, "予算書")
    assert (hit.hits[0].boxes, hit.hits[0].text) == (((10.0, 20.0, 110.0, 32.0),), "令和8年度 一般会計予算書")
    assert engine.count(Search) == 0


def test_a_page_of_several_papers_is_a_hit_in_each_that_may_be_seen(shelf: Shelf) -> None:
    folder, other = shelf.make_folder("A"), shelf.make_folder("B")
    shared = page(1, "予算")
    shelf.register(FakeDocument(pages=(shared,), note="1").to_bytes(), folder, name="a")
    secret = shelf.register(FakeDocument(pages=(page(2, "歳入"), shared), note="2").to_bytes(), other, name="b")
    assert shelf.wait_prepared(30)
    assert sorted(found(shelf, "予算")) == [("a", 0), ("b", 1)]
    assert found(shelf, "予算", Where(folders=frozenset([folder.id]))) == [("a", 0)]
    asked: list[Paper] = []
    assert found(shelf, "予算", Where(is_visible=lambda paper: asked.append(paper) or paper.id != secret.id)) == [("a", 0)]  # type: ignore[func-returns-value]
    assert len(asked) == 2, "each paper once"
    shelf.withdraw(secret.id)
    assert found(shelf, "予算") == [("a", 0)]


def test_papers_are_searched_by_their_time(shelf: Shelf) -> None:
    for name, from_s, until_s in (("past", None, 100.0), ("now", 50.0, 200.0), ("future", 150.0, None), ("always", None, None)):
        shelf.register(FakeDocument(pages=(page(1, "予算"),), note=name).to_bytes(), name=name, from_s=from_s, until_s=until_s)
    assert shelf.wait_prepared(30)
    assert {name for name, _ in found(shelf, "予算", Where(from_s=120.0, until_s=140.0))} == {"now", "always"}


def test_only_the_present_revision_is_searched_and_only_its_new_page_is_indexed(shelf: Shelf) -> None:
    pages = [page(number, f"頁{number}") for number in range(20)]
    paper = shelf.register(FakeDocument(pages=tuple(pages)).to_bytes(), name="a")
    assert shelf.wait_prepared(30)
    pages[7] = page(99, "差し替え")
    shelf.replace(paper.id, FakeDocument(pages=tuple(pages)).to_bytes())
    assert shelf.wait_prepared(30)
    assert (found(shelf, "頁7"), found(shelf, "差し替え"), found(shelf, "頁8")) == ([], [("a", 7)], [("a", 8)])
    with shelf.database.reading() as reading:
        assert reading.number("SELECT count(*) FROM page_text") == 21


def test_a_purged_paper_leaves_no_word(shelf: Shelf) -> None:
    kept = shelf.register(FakeDocument(pages=(page(1, "予算"),), note="1").to_bytes(), name="kept")
    gone = shelf.register(FakeDocument(pages=(page(1, "予算"), page(2, "極秘事項"))).to_bytes(), name="gone")
    assert shelf.wait_prepared(30)
    assert found(shelf, "極秘") == [("gone", 1)]
    shelf.purge(gone.id)
    assert (found(shelf, "極秘"), found(shelf, "予算")) == ([], [("kept", 0)])
    assert shelf.verify().is_whole
    with shelf.database.reading() as reading:
        assert candidates(reading, "極秘") == candidates(reading, "秘") == []
        assert len(candidates(reading, "予")) == 1
    assert shelf.paper(kept.id).name == "kept"


def catalogue_of(texts: Sequence[PackedText]) -> Database:
    """A shelf in memory with one paper, which has a page for each text."""
    database = Database(None, SHELF)
    with database.writing() as writing:
        writing.run("INSERT INTO original (digest, bytes) VALUES ('d', 1)")
        writing.run("INSERT INTO paper (id, name, note, level, place, revision) VALUES ('p', 'paper', '', 'open', 0, 1)")
        writing.run(
            "INSERT INTO revision (paper, number, original, shown, file_name, registered_s, registered_by, note, state, "
            "reason, page_count, is_prepared) VALUES ('p', 1, 'd', 'd', '', 0, '', '', 'ready', '', ?, 1)",
            len(texts),
        )
        for number, text in enumerate(texts):
            writing.run("INSERT INTO page VALUES ('p', 1, ?, ?)", number, f"id {number}")
            page_texts.add(writing, {f"id {number}": page_texts.made_ready(text)})
    return database


def candidates(reading: Reading, query: str) -> list[str]:
    """The content ids of the pages that may match, the newest first."""
    grams = grams_of_query(fold(query))
    rows = [int(text) for block in index.blocks(reading, 1 << 60) for text in index.texts_with(reading, block, grams)[::-1]]
    return [row.content_id for one in rows if (row := page_texts.text_row(reading, one)) is not None]


def test_a_long_search_goes_on_where_it_stopped() -> None:
    database = catalogue_of([text_of(f"予算 {number}") for number in range(300)])
    searcher = Searcher(database)
    seen: list[int] = []
    step = searcher.search("予算", Where(), limit=40)
    while True:
        assert len(step.pages) <= 40
        pages = [hit.page for hit in step.pages]
        assert pages == sorted(pages)
        seen += pages[::-1]
        if step.next is None:
            break
        step = searcher.search("予算", Where(), before=step.next, limit=40)
    assert seen == list(range(299, -1, -1))
    database.close()


ALPHABET = "予算案一二AaBb12-.\u00ad ガカ\u3099戸戶⼾國国"
lines = st.lists(st.text(ALPHABET, min_size=1, max_size=8), min_size=1, max_size=5)


@given(lines, st.text(ALPHABET, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_the_index_misses_no_match(texts: list[str], query: str) -> None:
    """What the text has, the index has, too: for each query that matches."""
    pattern = query_pattern(query)
    if pattern is None or pattern.search(fold("".join(line + "\n" for line in texts))) is None:
        return
    database = catalogue_of([text_of(*texts)])
    with database.reading() as reading:
        assert candidates(reading, query) == ["id 0"]
    database.close()


@given(lines)
def test_a_text_is_stored_as_it_is(texts: list[str]) -> None:
    text = text_of(*texts)
    assert unpacked(packed(text)) == text
    assert unpack(text).written.text == text.written.text


def test_boxes_far_away_and_nowhere_are_stored() -> None:
    far = 1e8
    stream = Stream("abc", ((0.0, 0.0, 1.0, 1.0), (-far, -far, far, far), (float("nan"), 0.0, float("inf"), 1.0)), (0, 0, 0))
    stored = unpack(unpacked(packed(pack(PageText(stream, stream))))).written
    assert stored.boxes == ((0.0, 0.0, 1.0, 1.0), (-far, -far, far, far), (0.0, 0.0, 0.0, 0.0))


def test_the_text_of_a_page_that_was_purged_meanwhile_is_not_kept() -> None:
    database = catalogue_of([])
    with database.writing() as writing:
        page_texts.add(writing, {"purged": page_texts.made_ready(text_of("極秘"))})
        assert writing.number("SELECT count(*) FROM page_text") == 0
        assert candidates(writing, "極秘") == []
    database.close()


@pytest.mark.parametrize("damaged", [b"", b"nothing", packed(text_of("abc"))[:-9]])
def test_a_damaged_text_is_told(damaged: bytes) -> None:
    with pytest.raises(StorageDamaged, match="damaged"):
        unpacked(damaged)


def test_the_index_is_made_again_as_it_was() -> None:
    chance = random.Random(3)
    database = catalogue_of([text_of("".join(chance.choices("予算案歳入", k=20))) for _ in range(300)])
    with database.writing() as writing:
        before = candidates(writing, "予算")
        assert before
        index.clear(writing)
        assert (candidates(writing, "予算"), page_texts.is_index_right(writing)) == ([], False)
        assert page_texts.rebuild(writing) == 300
        assert candidates(writing, "予算") == before
        assert page_texts.is_index_right(writing)
    database.close()


def test_the_hits_are_those_of_the_document(tmp_path: Path, sample: Path) -> None:
    """Of a real document with ruby and columns."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service, Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(sample)
        assert shelf.wait_prepared(120)
        document = shelf.document(paper.id)
        for query in ("行", "文字", "ルビ", "の", "処理の", "「", "1"):
            expected = service.search(document, query)
            assert expected or query == "1"
            told = {hit.page: [(one.text, len(one.boxes)) for one in hit.hits] for hit in hits_of(shelf, query)}
            by_page: dict[int, list[tuple[str, int]]] = {}
            for one in expected:
                by_page.setdefault(one.page, []).append((one.text, len(one.boxes)))
            assert told == by_page, query


def test_a_packed_stream_must_be_complete() -> None:
    with pytest.raises(ValueError, match="one box"):
        unpack(PackedText(PackedStream("ab", bytes(16), bytes(8)), None))
