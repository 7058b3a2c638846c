"""Whole words and capital letters: what a search takes for a match, in the rules alone and in a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest
from asgi import ask

import sidebooks_core as sb
from sidebooks_core.cli.commands import main
from sidebooks_core.documents.model import Matching
from sidebooks_core.server import Application, Shelf
from sidebooks_core.text.folding import fold
from sidebooks_core.text.matching import Finder

LINES = ("The Budget of the Council", "budgets and BUDGET, under-", "standing", "東京都の京都は京都", "ラーメン・ラーの8年")


def found(query: str, text: str, **rules: bool) -> list[str]:
    finder = Finder.of(query, Matching(**rules))
    assert finder is not None
    return [text[first : last + 1] for first, last in finder.places(text, fold(text))]


@pytest.mark.parametrize(
    ("query", "text", "count"),
    [
        ("budget", "budgets rebudget budget, (budget) budget_2", 2),
        ("budget", "a bud-\nget", 1),
        ("get", "a bud-\nget", 0),
        ("bud", "a bud-\nget", 0),
        ("bud", f"a bud-\n{' ' * 99}get", 1),
        ("get", f"a bud-\n{' ' * 99}get", 1),
        ("get", "a bud\nget", 1),
        ("well", "well-known", 1),
        ("cafe", "café cafés", 1),
        ("3", "3.5 35", 1),
        ("京都", "東京都の京都は京都", 2),
        ("予算", "補正予算\n予算案\n予算", 1),
        ("令和8年", "令和８年", 1),
        ("8", "令和８年", 1),
        ("ラー", "ラーメン・ラー", 1),
        ("カ", "ガカ", 0),
        ("ガ", "カガ ガ", 1),
        ("らーめん", "このらーめん らーめん", 1),
        ("(", "(x)", 1),
        ("한국", "한국 한국어", 1),
    ],
)
def test_whole_words(query: str, text: str, count: int) -> None:
    assert len(found(query, text, whole_words=True)) == count


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("US", "us Us US bus ＵＳ", ["US", "ＵＳ"]),
        ("Straße", "STRASSE Straße strasse", ["Straße"]),
        ("aB", "aaBab", ["aB"]),
        ("é", "É é", ["é"]),
        ("Under-standing", "Under-\nstanding", ["Under-\nstanding"]),
        ("第", "第", ["第"]),
    ],
)
def test_case(query: str, text: str, expected: list[str]) -> None:
    assert found(query, text, match_case=True) == expected


def test_rules_go_together() -> None:
    assert found("国", "中國 國 国", whole_words=True, old_forms=True) == ["國", "国"]
    assert found("US", "USA us US", whole_words=True, match_case=True) == ["US"]


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words.pdf"
    with pymupdf.Document() as made:
        page = made.new_page()
        for number, line in enumerate(LINES):
            font = "japan" if line[-1] > "\u3000" else "helv"
            page.insert_text((50, 100 + 20 * number), line, fontsize=12, fontname=font)
        made.save(path)
    return path


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as running:
        yield running


def test_of_a_document(service: sb.TileService, paper: Path) -> None:
    document = service.open(paper)
    assert len(document.search("budget")) == 3
    assert len(document.search("budget", whole_words=True)) == 2
    assert len(document.search("Budget", match_case=True)) == 1
    assert len(list(service.iter_search(document, "京都", whole_words=True))) == 2
    assert service.submit_search(document, "standing", whole_words=True).result() == []
    with pytest.raises(TypeError, match="whole_words must be a bool"):
        document.search("budget", whole_words="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="whole_word"):
        document.search("budget", whole_word=True)  # type: ignore[call-arg]


def test_over_http(service: sb.TileService, paper: Path) -> None:
    shelf = Shelf(service)
    document = shelf.register(paper)
    application = Application(shelf)
    for query, count in (("", 3), ("?whole_words=1", 2), ("?whole_words=1&match_case=1", 0), ("?match_case=true", 1)):
        answer = ask(application, f"/documents/{document.id}/search/budget{query}")
        assert len(json.loads(answer.body)["hits"]) == count, query
    answer = ask(application, f"/search/2/{document.id}?q=budget&whole_words=1")
    assert len(json.loads(answer.body)["items"]) == 2
    application.close()
    shelf.close()


def test_by_the_command(paper: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["search", str(paper), "budget", "--whole-words", "--json"])
    assert end.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    with pytest.raises(SystemExit) as end:
        main(["search", str(paper), "bUdget", "--match-case"])
    assert end.value.code == 1
