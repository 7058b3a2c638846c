"""What is right for the files about the text of pages, and searching in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sidebooks_core import TileService


def _counts(**expected: int) -> Callable[[TileService, Path], None]:
    """Queries with their numbers of hits."""

    def check(service: TileService, path: Path) -> None:
        document = service.open(path)
        assert {query: len(service.search(document, query)) for query in expected} == expected

    return check


def _words(words: Sequence[str], **expected: int) -> Callable[[TileService, Path], None]:
    def check(service: TileService, path: Path) -> None:
        assert [word.text for word in service.text(service.open(path), 0)] == list(words)
        _counts(**expected)(service, path)

    return check


def _wave_dash(service: TileService, path: Path) -> None:
    document = service.open(path)
    for query in ("4月～6月", "4月〜6月", "4月~6月", "午前9時～正午", "午前９時〜正午"):
        assert len(service.search(document, query)) == 1, query


def _vertical(service: TileService, path: Path) -> None:
    document = service.open(path)
    assert [word.text for word in service.text(document, 0)] == ["議会だより第一号", "会議録、令和八年。"]
    [hit] = service.search(document, "会議録")
    [box] = hit.boxes
    assert [round(side, 2) for side in box] == [216, 30, 236, 90]
    assert " " not in hit.text


def _once(query: str) -> Callable[[TileService, Path], None]:
    def check(service: TileService, path: Path) -> None:
        document = service.open(path)
        assert len(service.search(document, query)) == 1
        assert "".join(word.text for word in service.text(document, 0)).count(query[:3]) == 1

    return check


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "search-wavedash.pdf": _wave_dash,
    "search-radicals.pdf": _counts(市民=1, 長期計画=1, 西部地区=1),
    "search-ivs.pdf": _counts(葛城市=1, 辻議員=1),
    "search-dakuten.pdf": _counts(カキ=0, バス=0, カギ=1, バズ=1),
    "search-ruby.pdf": _words(["本日の議員提出議案", "ぎ", "いん"], 議員提出議案=1, ぎいん=1),
    "epub-ruby.epub": _counts(議員提出議案=1, ていしゅつ=1),
    "search-hyphen.pdf": _counts(budget=1, bud=1),
    "text-vertical.pdf": _vertical,
    "text-actualtext.pdf": _words(["Annual", "budget", "report"], budget=1, Annual=1),
    "text-fakebold.pdf": _once("議案第一号"),
    "text-fakebold4.pdf": _once("会議録署名議員"),
}
