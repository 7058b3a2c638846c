"""The difference between two revisions of a real shelf: by texts and pictures, with few comparisons."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.documents.model import Word
from sidebooks_core.errors import QueueFull, RenderTimeout
from sidebooks_core.shelf import Shelf, revisions
from sidebooks_core.shelf.likeness import Comparison
from sidebooks_core.shelf.revisions import same_page
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage
from sidebooks_core.workers.jobs import NoWorker, WorkerDied

chance = random.Random(5)
CHARS = "".join(chr(0x4E00 + at) for at in range(600))
TEXTS = ["".join(chance.choices(CHARS, k=200)) for _ in range(90)]


@pytest.fixture
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=2), pool=FakeEngine().pool) as made:
        yield made


@pytest.fixture
def shelf(service: sb.TileService, tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "data", service) as made:
        yield made


def document(texts: Sequence[str], blue: int, footer: str = "") -> bytes:
    """Each page has its text, and a footer with its number. blue: no page has the content id of one with another blue."""
    made = []
    for number, text in enumerate(texts):
        lines = [text, f"{footer} {number + 1} / {len(texts)}"] if footer else [text]
        words = tuple(Word(10, 20 * at, 300, 20 * at + 12, line, 0, at) for at, line in enumerate(lines))
        made.append(FakePage(colour=(number, 100, blue), words=words))
    return FakeDocument(pages=tuple(made)).to_bytes()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The pairs of pages that are compared from now on."""
    asked: list[tuple[int, int]] = []
    likeness = Comparison.likeness

    def noted(self: Comparison, old_page: int, new_page: int) -> float:
        asked.append((old_page, new_page))
        return likeness(self, old_page, new_page)

    monkeypatch.setattr(Comparison, "likeness", noted)
    return asked


@pytest.mark.parametrize("footers", [("", ""), ("作成 甲", "作成 乙")])
def test_pages_are_found_again_by_their_texts_with_few_comparisons(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, footers: tuple[str, str]
) -> None:
    """More new pages stand at the front than there are pages near the diagonal."""
    monkeypatch.setattr(revisions, "MOST_PAIRS", 400)
    paper = shelf.register(document(TEXTS[:50], 1, footers[0]), name="a")
    shelf.replace(paper.id, document([*TEXTS[60:80], *TEXTS[:50]], 2, footers[1]))
    asked = counted(monkeypatch)
    changes = shelf.diff(paper.id, 1, 2)
    assert [(one.kind, one.old_page) for one in changes[:20]] == [("inserted", None)] * 20
    assert [(one.kind, one.old_page, one.new_page) for one in changes[20:]] == [
        ("changed", page, page + 20) for page in range(50)
    ]
    assert same_page(changes, 30) == 50
    assert len(asked) <= 50


def test_pages_with_equal_texts_are_matched_in_order(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forms: ten texts, four times each."""
    forms = [TEXTS[number % 10] for number in range(40)]
    paper = shelf.register(document(forms, 1), name="a")
    shelf.replace(paper.id, document(forms, 2))
    asked = counted(monkeypatch)
    assert [(one.kind, one.old_page, one.new_page) for one in shelf.diff(paper.id, 1, 2)] == [
        ("changed", page, page) for page in range(40)
    ]
    assert not asked


def test_an_edited_page_is_more_alike_than_another_one(service: sb.TileService) -> None:
    edited = TEXTS[0][:150] + TEXTS[1][:50]
    old = service.open(document([TEXTS[0]], 1))
    new = service.open(document([TEXTS[0], edited, TEXTS[2], ""], 2))
    comparison = Comparison(service, old, new)
    same, changed, other, empty = (comparison.likeness(0, page) for page in range(4))
    assert same == pytest.approx(1, abs=0.02)
    assert changed == pytest.approx(0.75, abs=0.05), "Dice's coefficient of their pairs of characters"
    assert other < 0.1
    assert empty < 0.1
    assert comparison.is_final


def test_pages_with_few_words_are_compared_by_their_pictures(service: sb.TileService) -> None:
    dark, bright = FakePage(colour=(10, 10, 10)), FakePage(colour=(250, 250, 250))
    one = service.open(FakeDocument(pages=(dark, bright)).to_bytes())
    comparison = Comparison(service, one, one)
    assert comparison.likeness(0, 0) == 1
    assert comparison.likeness(0, 1) < 0.3
    assert comparison.digests([0], [1]) == ([""], [""])


def test_an_answer_is_not_kept_if_a_page_took_too_long(
    shelf: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = shelf.register(document(TEXTS[:3], 1), name="a")
    shelf.replace(paper.id, document(TEXTS[:3], 2))
    text, drawn, is_slow = service.text, service.page_image, True

    def slow_text(document: sb.Document, page: int) -> tuple[Word, ...]:
        if is_slow and page == 1:
            raise RenderTimeout("slow")
        return text(document, page)

    def slow_image(document: sb.Document, page: int, *, fit_px: tuple[int, int]) -> sb.Tile:
        if is_slow and page == 1:
            raise RenderTimeout("slow")
        return drawn(document, page, fit_px=fit_px)

    monkeypatch.setattr(service, "text", slow_text)
    monkeypatch.setattr(service, "page_image", slow_image)
    assert [one.kind for one in shelf.diff(paper.id, 1, 2)] == ["changed", "removed", "inserted", "changed"]
    is_slow = False
    assert [one.kind for one in shelf.diff(paper.id, 1, 2)] == ["changed"] * 3
    opened: list[object] = []
    monkeypatch.setattr(shelf.differences, "open_revision", lambda *asked: opened.append(asked))
    assert [one.kind for one in shelf.diff(paper.id, 1, 2)] == ["changed"] * 3
    assert not opened, "an answer that will not change is kept"


@pytest.mark.parametrize("error", [NoWorker, WorkerDied])
def test_an_answer_without_a_worker_is_not_kept(
    shelf: Shelf, service: sb.TileService, monkeypatch: pytest.MonkeyPatch, error: type[sb.SidebooksError]
) -> None:
    paper = shelf.register(document(TEXTS[:3], 1), name="a")
    shelf.replace(paper.id, document(TEXTS[:3], 2))

    def failing(*given: object, **options: object) -> object:
        raise error("it is gone")

    monkeypatch.setattr(service, "text", failing)
    monkeypatch.setattr(service, "page_image", failing)
    if error is WorkerDied:
        assert {one.kind for one in shelf.diff(paper.id, 1, 2)} == {"removed", "inserted"}
    else:
        with pytest.raises(QueueFull, match="try again"):
            shelf.diff(paper.id, 1, 2)
    monkeypatch.undo()
    assert [one.kind for one in shelf.diff(paper.id, 1, 2)] == ["changed"] * 3


def comparison_of(service: sb.TileService, monkeypatch: pytest.MonkeyPatch, texts: Sequence[str]) -> Comparison:
    """Compares these pages with one another. The texts come from nowhere else, so nothing else remembers them."""
    one = service.open(FakeDocument(pages=tuple(FakePage() for _ in texts)).to_bytes())

    def text(document: sb.Document, page: int) -> tuple[Word, ...]:
        return (Word(0, 0, 1, 1, texts[page], 0, 0),)

    monkeypatch.setattr(service, "text", text)
    return Comparison(service, one, one)


def chance_text(seed: int, characters: int) -> str:
    return "".join(random.Random(seed).choices([chr(0x4E00 + at) for at in range(3000)], k=characters))


@pytest.mark.parametrize("characters", [4000, 5000, 20_000, 50_000, 80_000])
def test_dense_pages_are_compared_as_others_are(
    service: sb.TileService, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    one, other = chance_text(1, characters), chance_text(2, characters)
    half = one[: characters // 2] + other[characters // 2 :]
    comparison = comparison_of(service, monkeypatch, [one, other, one + "a", half, one[:1000], ""])
    assert comparison.likeness(0, 0) == pytest.approx(1, abs=0.02)
    assert comparison.likeness(0, 2) == pytest.approx(1, abs=0.02)
    assert comparison.likeness(0, 1) < 0.2
    assert comparison.likeness(0, 3) == pytest.approx(0.5, abs=0.06)
    assert comparison.likeness(4, 0) == pytest.approx(2000 / (1000 + characters), abs=0.05), "a part of it"
    assert comparison.likeness(5, 0) == 0
    assert sorted(comparison.near([0, 1], [1, 2])) == [(0, 2), (1, 1)]


def test_little_is_kept_of_long_texts(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [chance_text(seed, 100_000) * 4 for seed in range(6)]
    comparison = comparison_of(service, monkeypatch, texts)
    pages = range(len(texts))
    tracemalloc.start()
    try:
        comparison.near(pages, pages)
        assert [comparison.likeness(page, page) for page in pages] == [1] * len(texts)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < len(texts) * 60_000


def test_texts_that_differ_far_behind_are_not_equal(service: sb.TileService, monkeypatch: pytest.MonkeyPatch) -> None:
    text = chance_text(1, 1000) * 300
    comparison = comparison_of(service, monkeypatch, [text + "a", text + "b"])
    ours, theirs = comparison.digests([0], [1])
    assert ours != theirs
    assert comparison.likeness(0, 1) == pytest.approx(1, abs=0.02)
