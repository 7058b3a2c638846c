"""The index of the search: its bytes, its blocks, and what becomes of them when texts come and go."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidebooks_core.databases.database import Database, Schema
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.shelf.search import index, postings
from sidebooks_core.shelf.search.grams import LONGEST, Grams, grams_of_page, grams_of_query
from sidebooks_core.shelf.search.index import Block, to_join

gram_sets = st.lists(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), max_size=60), min_size=1, max_size=40)


def as_grams(values: list[int]) -> Grams:
    return np.array(sorted(set(values)), np.uint32)


@given(gram_sets, st.integers(0, postings.MOST_BITS))
@settings(max_examples=150, deadline=None)
def test_pairs_come_back_from_their_bytes(values: list[list[int]], bits: int) -> None:
    pages = [as_grams(one) for one in values]
    pairs = postings.pairs_of(pages)
    buckets = postings.packed(pairs, bits)
    assert np.array_equal(postings.unpacked(buckets, bits), pairs)
    by_number = {bucket.number: bucket.data for bucket in buckets}
    for gram in {gram for one in values for gram in one} | {0, 7, 2**32 - 1}:
        data = by_number.get(postings.bucket_of(gram, bits))
        found = [] if data is None else postings.pages_of(data, gram, bits).tolist()
        assert found == [number for number, one in enumerate(values) if gram in one]


@given(gram_sets, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_blocks_are_joined_and_pages_leave_them(values: list[list[int]], chance: random.Random) -> None:
    pages = [as_grams(one) for one in values]
    at = chance.randint(0, len(pages))
    parts = [(postings.pairs_of(some), len(some)) for some in (pages[:at], pages[at:])]
    assert np.array_equal(postings.joined(parts), postings.pairs_of(pages))
    is_kept = np.array([chance.random() < 0.5 for _ in pages], bool)
    kept = [page for page, stays in zip(pages, is_kept, strict=True) if stays]
    assert np.array_equal(postings.without(postings.pairs_of(pages), is_kept), postings.pairs_of(kept))


@given(st.text("予算案ab1 -\n", max_size=40))
def test_each_run_of_characters_is_a_gram(text: str) -> None:
    key = "".join(char for char in text if char not in " -\n")
    runs = {key[start : start + length] for length in range(1, LONGEST + 1) for start in range(len(key) - length + 1)}
    assert set(grams_of_page([text]).tolist()) == {gram for run in runs for gram in grams_of_query(run)}
    assert all(len(grams_of_query(run)) == 1 for run in runs), "and is looked up by itself"


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database(None, SHELF)
    yield made
    made.close()


def filled(database: Database, texts: dict[int, str], at_once: int) -> None:
    rows = sorted(texts)
    for start in range(0, len(rows), at_once):
        some = rows[start : start + at_once]
        with database.writing() as writing:
            index.add(writing, some, [grams_of_page([texts[row]]) for row in some])
        index.merge(database)


def found(database: Database, query: str) -> list[int]:
    with database.reading() as reading:
        blocks = index.blocks(reading, 1 << 60)
        return sorted(int(row) for block in blocks for row in index.texts_with(reading, block, grams_of_query(query)))


def test_blocks_stay_few_and_have_everything(database: Database) -> None:
    chance = random.Random(1)
    texts = {row: "".join(chance.choices("予算案歳入出", k=12)) for row in range(1, 5200)}
    filled(database, texts, 13)
    with database.reading() as reading:
        blocks = index.blocks(reading, 1 << 60)
    assert sum(block.count for block in blocks) == len(texts)
    assert len(blocks) < 30
    for query in ("予", "予算", "予算案歳", "歳出予算案入"):
        expected = [row for row, text in texts.items() if query in text]
        candidates = found(database, query)
        assert set(expected) <= set(candidates)
        assert len(query) > LONGEST or candidates == expected


def test_removed_texts_leave_no_trace(database: Database) -> None:
    texts = {row: f"予算{row:04}" for row in range(1, 300)}
    texts[150] = "極秘事項"
    filled(database, texts, 50)
    gone = {1, 2, 64, 65, 150, *range(200, 260), 299}
    with database.writing() as writing:
        having = [block for block in index.blocks(writing, 1 << 60) if gone & set(block.ids().tolist())]
        index.doom(writing, gone)
    assert index.settle(database) == len(having), "each block that had one of them is made anew once"
    assert index.settle(database) == 0
    assert found(database, "予算") == sorted(set(texts) - gone)
    assert [found(database, query) for query in ("極秘", "極", "事項", "0201")] == [[], [], [], []]
    secret = set(grams_of_page(["極秘事項"]).tolist())
    with database.reading() as reading:
        left = {int(pair) >> 16 for block in index.blocks(reading, 1 << 60) for pair in index.all_pairs(reading, block)}
        assert left
        assert not left & secret
        rows = reading.number("SELECT count(*) FROM gram_bucket WHERE place >> 14 NOT IN (SELECT id FROM gram_block)")
        assert rows == 0
    with database.writing() as writing:
        index.doom(writing, texts)
    index.settle(database)
    with database.reading() as reading:
        assert not len(index.doomed(reading))
    with database.writing() as writing:
        assert writing.number("SELECT count(*) FROM gram_block") == writing.number("SELECT count(*) FROM gram_bucket") == 0


def block_of(number: int, count: int) -> Block:
    return Block(number, number * 10_000, number * 10_000 + count - 1, count, 0, b"")


def counts_joined(*counts: int) -> list[int]:
    return [block.count for block in to_join([block_of(number, count) for number, count in enumerate(counts)])]


def test_small_neighbours_are_joined_when_they_are_enough() -> None:
    assert counts_joined() == counts_joined(1, 2, 60) == counts_joined(64, 64) == counts_joined(4000, 3, 4000) == []
    assert counts_joined(1, 2, 61) == [1, 2, 61]
    assert counts_joined(4000, 32, 32, 32) == [32, 32]
    assert counts_joined(63, 64, 63) == []
    assert counts_joined(*[64] * 63) == [64] * 63
    assert counts_joined(4000, *[100] * 39, 100, 5) == [100] * 40


def test_a_damaged_bucket_is_told(database: Database) -> None:
    filled(database, {1: "予算", 2: "歳入"}, 2)
    for damaged in (b"", b"nothing", bytes(20)):
        with database.writing() as writing:
            writing.run("UPDATE gram_bucket SET pairs = ?", damaged)
        with pytest.raises(StorageDamaged, match="rebuild"):
            found(database, "予算")
        with database.reading() as reading, pytest.raises(StorageDamaged, match="rebuild"):
            index.all_pairs(reading, index.blocks(reading, 1 << 60)[0])


def test_a_shelf_of_the_first_version_is_read_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its papers stay; their texts and the index are made anew, as preparing does."""
    path = tmp_path_factory.mktemp("old") / "shelf.sqlite3"
    old = Database(path, Schema(SHELF.application_id, SHELF.migrations[:1]))
    with old.writing() as writing:
        writing.run("INSERT INTO original (digest, bytes) VALUES ('d', 1)")
        writing.run("INSERT INTO paper (id, name, note, level, place, revision) VALUES ('p', 'paper', '', 'open', 0, 1)")
        writing.run(
            "INSERT INTO revision (paper, number, original, shown, file_name, registered_s, registered_by, note, state, "
            "reason, page_count, is_prepared) VALUES ('p', 1, 'd', 'd', '', 0, '', '', 'ready', '', 1, 1)"
        )
        writing.run("INSERT INTO page VALUES ('p', 1, 0, 'c')")
        writing.run("INSERT INTO page_text (content_id, text) VALUES ('c', x'00')")
    old.close()
    new = Database(path, SHELF)
    with new.reading() as reading:
        assert reading.number("SELECT count(*) FROM paper") == reading.number("SELECT count(*) FROM page") == 1
        assert reading.number("SELECT count(*) FROM page_text") == 0
        assert reading.number("SELECT is_prepared FROM revision") == 0
    new.close()
