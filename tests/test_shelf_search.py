"""Search over the shelf: exact as a search of each document, without a worker, and of what the principal may see."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Reading, Writing
from sidebooks_core.documents.model import Matching, PackedStream, PackedText, SearchHit, Word
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf import PageHit, Paper, Revision, Shelf, Where
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.search import index, mending, page_texts, postings, stretches
from sidebooks_core.shelf.search.grams import Grams, grams_of_query
from sidebooks_core.shelf.search.paper_map import KnownPapers
from sidebooks_core.shelf.search.searching import Searcher
from sidebooks_core.shelf.search.storing import packed, readable, unpacked
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage
from sidebooks_core.text.folding import fold, query_pattern
from sidebooks_core.text.packing import pack, unpack
from sidebooks_core.text.pages import PageText, Stream
from sidebooks_core.workers.jobs import ReadText, Search


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


def test_a_folder_is_searched_with_all_that_lie_in_it(shelf: Shelf) -> None:
    council, other = shelf.make_folder("council"), shelf.make_folder("other")
    session = shelf.make_folder("session", shelf.make_folder("2026", council))
    for name, folder in (("top", None), ("council", council), ("session", session), ("other", other)):
        shelf.register(FakeDocument(pages=(page(1, "予算"),), note=name).to_bytes(), folder, name=name)
    assert shelf.wait_prepared(30)

    def names(*folders: str | None) -> set[str]:
        return {name for name, _ in found(shelf, "予算", Where(folders=frozenset(folders)))}

    assert names(council.id) == {"council", "session"}
    assert names(session.id, other.id) == {"session", "other"}
    assert (names(), names("no folder"), names(None)) == (set(), set(), {"top", "council", "session", "other"})


def test_only_papers_that_have_what_is_sought_are_asked_about(shelf: Shelf) -> None:
    """So neither the time of a search nor what the policy writes down tells of papers without it."""
    for name, text in (("a", "予算"), ("b", "歳入"), ("c", "決算")):
        shelf.register(FakeDocument(pages=(page(1, text),), note=name).to_bytes(), name=name)
    assert shelf.wait_prepared(30)
    asked: list[str] = []
    where = Where(is_visible=lambda paper: not asked.append(paper.name))  # type: ignore[func-returns-value]
    assert found(shelf, "歳入", where) == [("b", 0)]
    assert asked == ["b"]


def test_pages_that_may_not_be_read_count_nowhere(shelf: Shelf, engine: FakeEngine, tmp_path: Path) -> None:
    """Neither in the hits, nor in what is cut to a number of them, nor in where the next step begins."""
    data = FakeDocument(pages=(page(1, "公開"), page(2, "秘密の価格"), page(3, "公開"), page(4, "秘密の価格"))).to_bytes()
    paper = shelf.register(data, name="a")
    assert shelf.wait_prepared(30)
    where = Where(pages_of=lambda _: ((2, 2), (0, 0)))
    absent = shelf.search("存在", where, limit=1, budget_s=60)
    assert absent.pages == []
    assert shelf.search("秘密", where, limit=1, budget_s=60) == absent, "a text that is there, and one that is not"
    assert found(shelf, "公開", where) == [("a", 0), ("a", 2)]
    assert found(shelf, "公開", Where(pages_of=lambda _: ())) == []
    assert shelf.search_in(paper.id, "秘密", pages=((0, 0), (2, 2))) == []
    assert [hit.page for hit in shelf.search_in(paper.id, "公開", limit=1, pages=((1, 3),))] == [2]
    with Shelf(tmp_path / "other", shelf.service, prepares=False) as other:
        paper = other.register(data, name="a")
        assert [hit.page for hit in other.search_in(paper.id, "公開", pages=((2, 3), (1, 2)))] == [2]
        before = engine.count(Search)
        assert other.search_in(paper.id, "秘密", pages=((0, 0), (2, 2))) == []
        assert engine.count(Search) - before == 2, "the pages between are not read"


def test_a_search_says_what_is_still_being_read(shelf: Shelf, tmp_path: Path) -> None:
    data = FakeDocument(pages=(page(1, "予算"), page(2, "予算"))).to_bytes()
    with Shelf(tmp_path / "other", shelf.service, prepares=False) as other:
        folder = other.make_folder("A")
        one, _, withdrawn = (other.register(data, place, name="a") for place in (folder, None, None))
        other.withdraw(withdrawn.id)
        assert other.search("予算").unindexed == 2
        assert other.search("予算", Where(is_visible=lambda paper: paper.id == one.id)).unindexed == 1
        assert other.search("予算", Where(pages_of=lambda _: ())).unindexed == 0
        assert other.search("予算", Where(folders=frozenset([folder.id]))).unindexed == 1
    with Shelf(tmp_path / "other", shelf.service) as other:
        assert other.wait_prepared(30)
        assert other.search("予算").unindexed == 0
        other.replace(one.id, FakeDocument(pages=(page(9, "歳入"),), password="鍵").to_bytes())
        assert other.search("予算").unindexed == 0, "what is locked is read by nobody"


def test_a_search_sees_at_once_what_changes(shelf: Shelf, tmp_path: Path) -> None:
    """Also what another process does: what is known of papers is kept in memory."""
    folder = shelf.make_folder("A")
    paper = shelf.register(FakeDocument(pages=(page(1, "予算"), page(2, "歳入"))).to_bytes(), name="a")
    assert shelf.wait_prepared(30)
    with Shelf(tmp_path / "data", shelf.service, prepares=False) as other:
        assert found(other, "予算") == [("a", 0)]
        shelf.change(paper.id, name="b", folder=folder)
        assert found(other, "予算", Where(folders=frozenset([folder.id]))) == [("b", 0)]
        shelf.withdraw(paper.id)
        assert found(other, "予算") == []
        shelf.restore(paper.id)
        shelf.replace(paper.id, FakeDocument(pages=(page(3, "表紙"), page(1, "予算"))).to_bytes())
        assert shelf.wait_prepared(30)
        assert (found(other, "予算"), found(other, "歳入")) == ([("b", 1)], [])
        shelf.purge(paper.id)
        assert (found(other, "予算"), found(other, "表紙")) == ([], [])


def test_a_search_in_a_paper_asks_no_worker_if_all_is_indexed(shelf: Shelf, engine: FakeEngine) -> None:
    first = page(1, "予算 國")
    paper = shelf.register(FakeDocument(pages=(first, page(2, "歳入"), page(3, "予算"))).to_bytes(), name="a")
    assert shelf.wait_prepared(30)
    shelf.replace(paper.id, FakeDocument(pages=(page(4, "表紙"), first)).to_bytes())
    assert shelf.wait_prepared(30)
    read = engine.count(ReadText)

    def pages(query: str, revision: int | None = None, *, old_forms: bool = False) -> list[int]:
        return [hit.page for hit in shelf.search_in(paper.id, query, revision, old_forms=old_forms)]

    assert (pages("予算"), pages("予算", 1), pages("歳入"), pages("")) == ([1], [0, 2], [], [])
    assert (pages("国"), pages("国", old_forms=True)) == ([], [1])
    assert len(shelf.search_in(paper.id, "予算", 1, limit=1)) == 1
    assert (engine.count(Search), engine.count(ReadText)) == (0, read)
    with pytest.raises(sb.RequestError):
        shelf.search_in(paper.id, "予算", 3)
    with pytest.raises(sb.RequestError):
        shelf.search_in("nobody's", "予算")


def test_pages_that_are_not_indexed_are_searched_in_the_document(engine: FakeEngine, tmp_path: Path) -> None:
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=engine.pool) as service,
        Shelf(tmp_path / "data", service, prepares=False) as shelf,
    ):
        paper = shelf.register(FakeDocument(pages=tuple(page(one, f"予算{one}") for one in range(6))).to_bytes(), name="a")
        assert shelf.search("予算").pages == []
        assert [hit.page for hit in shelf.search_in(paper.id, "予算")] == list(range(6))
        assert [hit.page for hit in shelf.search_in(paper.id, "予算", limit=2)] == [0, 1]
        with shelf.database.writing() as writing:
            writing.run_each("INSERT INTO page VALUES (?, 1, ?, ?)", [(paper.id, one, f"id {one}") for one in (1, 2, 4)])
            texts = {f"id {one}": page_texts.made_ready(text_of(f"予算{one}")) for one in (1, 2, 4)}
            page_texts.add(writing, texts)
        searched = engine.count(Search)
        assert [hit.page for hit in shelf.search_in(paper.id, "予算")] == list(range(6))
        assert engine.count(Search) - searched == 3, "the pages 0, 3 and 5"


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


def never_asked(revision: Revision, query: str, pages: range, *, matching: Matching) -> list[SearchHit]:
    raise AssertionError("all pages are indexed")


def candidates(reading: Reading, query: str) -> list[str]:
    """The content ids of the pages that may match, the newest first."""
    grams = grams_of_query(fold(query))
    rows = [int(text) for block in index.blocks(reading, 1 << 60) for text in index.texts_with(reading, block, grams)[::-1]]
    return [row.content_id for one in rows if (row := page_texts.text_row(reading, one)) is not None]


def test_a_long_search_goes_on_where_it_stopped() -> None:
    database = catalogue_of([text_of(f"予算 {number}") for number in range(300)])
    searcher = Searcher(database, never_asked)
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


def test_a_page_of_many_papers_comes_in_steps(shelf: Shelf) -> None:
    """Each paper once, also if another one is withdrawn meanwhile, and never more at once than asked for."""
    papers = {shelf.register(FakeDocument(pages=(page(1, "予算"),)).to_bytes(), name=f"{at}").id for at in range(30)}
    shelf.register(FakeDocument(pages=(page(1, "予算"), page(2, "歳入"), page(1, "予算"))).to_bytes(), name="twice")
    assert shelf.wait_prepared(30)
    seen: list[tuple[str, int]] = []
    withdrawn = ""
    step = shelf.search("予算", limit=4, budget_s=5)
    while True:
        assert len(step.pages) <= 4
        seen += [(hit.paper.id, hit.page) for hit in step.pages]
        if step.next is None:
            break
        assert len(step.pages) == 4
        assert step.next < 2**53, "a browser keeps it exactly"
        if not withdrawn:
            withdrawn = next(iter(papers - {paper for paper, _ in seen}))
            shelf.withdraw(withdrawn)
        step = shelf.search("予算", before=step.next, limit=4, budget_s=5)
    assert len(seen) == len(set(seen)) == 31
    assert {paper for paper, _ in seen} > papers - {withdrawn}
    assert len(shelf.search("予算", limit=0).pages) == 1, "each step gets on"


def test_a_search_that_began_before_a_purge_does_not_bring_the_paper_back(shelf: Shelf) -> None:
    kept = shelf.register(FakeDocument(pages=(page(1, "予算"),)).to_bytes(), name="kept")
    purged = shelf.register(FakeDocument(pages=(page(1, "予算"), page(2, "歳入"))).to_bytes(), name="purged")
    assert shelf.wait_prepared(30)
    known = KnownPapers()
    with shelf.database.reading() as before:
        before.number("SELECT count(*) FROM paper")
        shelf.purge(purged.id)
        with shelf.database.reading() as after:
            assert {paper.id for paper in known.at(after).papers} == {kept.id}
        assert before.number("SELECT count(*) FROM paper") == 2, "it sees the shelf as it was"
        assert {paper.id for paper in known.at(before).papers} == {kept.id}
    with shelf.database.reading() as after:
        assert {paper.id for paper in known.at(after).papers} == {kept.id}


def test_papers_that_are_being_read_are_counted_without_a_look_at_all_others() -> None:
    database = catalogue_of([text_of("予算")])
    with database.reading() as reading:
        assert stretches.unindexed(reading, 10) == []
    with database.writing() as writing:
        writing.run("UPDATE revision SET is_prepared = 0, page_count = 2, failures = 1")
    plans: list[str] = []

    class Explained:
        """A transaction that explains its queries."""

        def all(self, kind: type, query: str, *values: object) -> list[str]:
            with database.reading() as reading:
                rows = reading.all(_PlanStep, f"EXPLAIN QUERY PLAN {query}", *values)
            plans.extend(row.detail for row in rows)
            return []

    stretches.unindexed(Explained(), 10)  # type: ignore[arg-type]
    assert any("revision_unindexed" in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN") and "revision_unindexed" not in plan] == []
    with database.reading() as reading:
        assert stretches.unindexed(reading, 10) == ["p"], "also if its preparing failed"
    database.close()


class _PlanStep(Struct, frozen=True, array_like=True):
    id: int
    parent: int
    unused: int
    detail: str


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


@given(lines)
def test_a_text_is_searched_as_it_is_stored(texts: list[str]) -> None:
    text = text_of(*texts)
    plain, lazy = unpack(text).written, readable(packed(text)).written
    assert (lazy.text, list(lazy.boxes), list(lazy.lines)) == (plain.text, list(plain.boxes), list(plain.lines))
    assert (lazy.boxes[1:2], lazy.lines[:2]) == ([*plain.boxes][1:2], [*plain.lines][:2])
    assert lazy.folded == fold(plain.text)


def test_a_page_without_text_is_stored() -> None:
    empty = PackedText(PackedStream("", b"", b""), None)
    assert unpacked(packed(empty)) == empty
    assert page_texts.made_ready(empty).grams.tolist() == []
    database = catalogue_of([empty, text_of("予算")])
    with database.reading() as reading:
        assert candidates(reading, "予算") == ["id 1"]
    assert mending.is_index_right(database)
    database.close()


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

    def found() -> list[str]:
        with database.reading() as reading:
            return candidates(reading, "予算")

    def is_right() -> bool:
        try:
            return mending.is_index_right(database)
        except StorageDamaged:
            return False

    before = found()
    assert before
    assert mending.is_index_right(database)
    for damage in (
        "DELETE FROM gram_block",
        "UPDATE gram_block SET last = last - 1, count = count - 1",
        "DELETE FROM gram_bucket",
        "UPDATE gram_block SET last = 1 << 61 WHERE first < 100",
        "UPDATE gram_block SET first = last + 5, count = 1",
        "DELETE FROM stretch",
    ):
        with database.writing() as writing:
            writing.run(damage)
        assert not is_right(), damage
        assert mending.rebuild(database) == 300
        assert found() == before
        assert mending.is_index_right(database)
        with database.reading() as reading:
            lost = "SELECT count(*) FROM gram_bucket WHERE place >> ? NOT IN (SELECT id FROM gram_block)"
            assert reading.number(lost, postings.MOST_BITS) == 0
    database.close()


def test_others_write_and_search_while_the_index_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits: each piece is made outside of the transaction, and what came meanwhile is indexed, too."""
    monkeypatch.setattr(index, "SIZES", (16, 64))
    database = catalogue_of([text_of(f"予算 {number}") for number in range(300)])
    with database.writing() as writing:
        writing.run("DELETE FROM gram_block WHERE first > 100")
    made, turns = index.made, 0

    def slow(grams: Sequence[Grams]) -> index.Made:
        nonlocal turns
        if turns == 6:
            return made(grams)
        turns += 1
        with database.writing() as writing:
            writing.run("UPDATE page SET content_id = ? WHERE page = ?", f"new {turns}", turns)
            page_texts.add(writing, {f"new {turns}": page_texts.made_ready(text_of("歳入"))})
            page_texts.remove_unused(writing, [f"id {turns}"])
        return made(grams)

    monkeypatch.setattr(index, "made", slow)
    mending.rebuild(database)
    assert turns == 6
    index.settle(database)
    with database.reading() as reading:
        assert {f"new {turn}" for turn in range(1, turns + 1)} <= set(candidates(reading, "歳入"))
        assert len(candidates(reading, "予算")) == 300 - turns
    assert mending.is_index_right(database)
    database.close()


def test_a_page_is_found_at_every_moment_while_the_index_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the process dies in it. The blocks are larger than those that are made at once, as joined ones are."""
    monkeypatch.setattr(index, "SIZES", (4, 50))
    database = catalogue_of([text_of(f"予算 {number}") for number in range(130)])
    index.merge(database)
    with database.reading() as reading:
        assert max(block.count for block in index.blocks(reading, 1 << 60)) > 50
    writing, transactions, dies_after = database.writing, 0, 0

    class Killed(BaseException):
        pass

    @contextmanager
    def watched() -> Iterator[Writing]:
        nonlocal transactions
        with writing() as given:
            yield given
        transactions += 1
        with database.reading() as reading:
            assert len(candidates(reading, "予算")) == 130
        assert mending.is_index_right(database)
        if transactions == dies_after:
            raise Killed

    monkeypatch.setattr(database, "writing", watched)
    for last in (1, 2, 3):
        transactions, dies_after = 0, last
        with pytest.raises(Killed):
            mending.rebuild(database)
    dies_after = 0
    assert mending.rebuild(database) == 130
    with database.reading() as reading:
        assert max(block.count for block in index.blocks(reading, 1 << 60)) <= 50
    database.close()


def is_near(one: SearchHit, other: SearchHit) -> bool:
    """Equal, but for boxes that differ by what they are rounded to."""
    same = (one.page, one.text, len(one.boxes)) == (other.page, other.text, len(other.boxes))
    numbers = zip((n for box in one.boxes for n in box), (n for box in other.boxes for n in box), strict=True)
    return same and all(abs(ours - theirs) <= 1 / 16 for ours, theirs in numbers)


def are_near(told: list[SearchHit], expected: list[SearchHit]) -> bool:
    return len(told) == len(expected) and all(map(is_near, told, expected))


QUERIES = ("行", "文字", "ルビ", "の", "処理の", "「", "1", "-", "国", "ＰＤＦ", "tion", "of the", "行頭行末")


def test_the_hits_are_those_of_the_document(tmp_path: Path, sample: Path) -> None:
    """Of a real document with ruby and columns: over the shelf, and in the paper, with places, text around and boxes."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service, Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(sample)
        assert shelf.wait_prepared(120)
        document = shelf.document(paper.id)
        counts = {}
        for query in QUERIES:
            for old_forms in (False, True):
                expected = service.search(document, query, old_forms=old_forms)
                told = shelf.search_in(paper.id, query, old_forms=old_forms)
                assert are_near(told, expected), query
            counts[query] = len(expected)
            pages = sorted(hits_of(shelf, query), key=lambda hit: hit.page)
            over_all = [(hit.page, one.text, len(one.boxes)) for hit in pages for one in hit.hits]
            assert over_all == [(hit.page, hit.text, len(hit.boxes)) for hit in service.search(document, query, limit=10**6)]
        assert sum(count > 0 for count in counts.values()) >= 8, counts


VERTICAL = ("vertical.pdf", "plextarray.pdf", "issue6387.pdf", "kanbun-ja.pdf", "test-jlreq.pdf")


@pytest.mark.parametrize("name", VERTICAL)
def test_a_search_in_a_paper_finds_what_its_document_has(tmp_path: Path, corpus: Path, name: str) -> None:
    """Vertical Japanese, kanbun, fonts that are not embedded. Queries are taken from the text."""
    with sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service, Shelf(tmp_path / "data", service) as shelf:
        paper = shelf.register(corpus / "japanese" / name)
        assert shelf.wait_prepared(120)
        document = shelf.document(paper.id)
        text = "".join(word.text for page in range(document.page_count) for word in service.text(document, page))
        queries = {
            text[start : start + length] for start in range(0, len(text), max(1, len(text) // 6)) for length in (1, 2, 5)
        }
        found = 0
        for query in sorted(queries):
            expected = service.search(document, query)
            told = shelf.search_in(paper.id, query)
            assert are_near(told, expected), query
            found += len(told)
        assert found


def test_a_packed_stream_must_be_complete() -> None:
    with pytest.raises(ValueError, match="one box"):
        unpack(PackedText(PackedStream("ab", bytes(16), bytes(8)), None))
