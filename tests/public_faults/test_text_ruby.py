"""Ruby in PDFs: skipped by who searches for its base, and found by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from text_pages import Placed, ink, lines, page_of

from sidebooks_core import Settings, TileService


@pytest.fixture(scope="module")
def service() -> Iterator[TileService]:
    with TileService(Settings(cache_dir=None, workers=1)) as running:
        yield running


# Ruby


def ruby_page(order: str, *, vertical: bool = False, rotate: int = 0) -> bytes:
    """議員(ぎいん)提出(ていしゅつ)の議案(ぎあん), drawn in one of several orders."""
    parts = [("本日の", ""), ("議員", "ぎいん"), ("提出", "ていしゅつ"), ("の", ""), ("議案", "ぎあん"), ("は三件", "")]
    size = 16.0
    base: list[Placed] = []
    ruby: list[Placed] = []
    both: list[Placed] = []
    at = 30.0
    for text, reading in parts:
        along = at + (len(text) * size - len(reading) * size / 2) / 2
        base.append((text, 200, at, size) if vertical else (text, at, 100, size))
        both.append(base[-1])
        if reading:
            ruby.append((reading, 200 + 0.75 * size, along, size / 2) if vertical else (reading, along, 100 - size, size / 2))
            both.append(ruby[-1])
        at += len(text) * size
    whole: list[Placed] = [("".join(text for text, _ in parts), *base[0][1:])]
    drawn = {"between": both, "before": ruby + whole, "behind": whole + ruby, "apart": base + ruby}[order]
    return page_of(drawn, vertical=vertical, rotate=rotate)


@pytest.mark.parametrize("rotate", [0, 90])
@pytest.mark.parametrize("vertical", [False, True])
@pytest.mark.parametrize("order", ["between", "before", "behind", "apart"])
def test_ruby_is_skipped_and_found_by_itself(service: TileService, order: str, vertical: bool, rotate: int) -> None:
    document = service.open(ruby_page(order, vertical=vertical, rotate=rotate))
    [hit] = service.search(document, "議員提出の議案")
    assert len(hit.boxes) == 1
    assert hit.text == "本日の議員提出の議案は三件"
    for reading in ("ぎいん", "ていしゅつ", "ぎあん"):
        [hit] = service.search(document, reading)
        [box] = hit.boxes
        assert min(box[2] - box[0], box[3] - box[1]) < 12, "as small as the ruby"
        assert ink(service, document)[round(box[1] * 4) : round(box[3] * 4), round(box[0] * 4) : round(box[2] * 4)].any()
    assert len(service.search(document, "本日のぎいんていしゅつの")) == 1
    assert len(service.search(document, "の")) == 2, "what has no ruby counts once"
    assert lines(service, document)[0] == "本日の議員提出の議案は三件"
    assert "".join(lines(service, document)[1:]).replace(" ", "") == "ぎいんていしゅつぎあん"


def test_a_text_with_ruby_throughout(service: TileService) -> None:
    placed: list[Placed] = []
    for line, (text, reading) in enumerate([("市民の声", "しみんのこえ"), ("予算の案", "よさんのあん")]):
        placed.append((text, 30, 60 + 40 * line, 20))
        placed.append((reading, 30 + 10, 40 + 40 * line, 10))
    document = service.open(page_of(placed))
    for query in ("市民の声", "予算の案", "市民の声予算", "しみんのこえ", "よさん"):
        assert len(service.search(document, query)) == 1, query


@pytest.mark.parametrize(
    "placed",
    [
        [("平成二十年", 30, 100, 16), ("注", 110, 92, 8), ("施行の法律", 118, 100, 16)],
        [("平成二十年", 30, 100, 16), ("1", 110, 92, 8), ("施行の法律", 118, 100, 16)],
        [("予算の内訳", 30, 60, 16), ("すべて消費税を含む", 30, 120, 8), ("歳入の部", 30, 180, 16)],
        [("あらまし", 30, 60, 8), ("Summary", 30, 76, 16)],
        [("かな", 30, 86, 14), ("漢字", 30, 100, 14)],
    ],
)
def test_what_is_small_or_above_is_not_always_ruby(service: TileService, placed: Sequence[Placed]) -> None:
    document = service.open(page_of(placed))
    text = "".join(word.text for word in service.text(document, 0))
    assert text == "".join(text for text, *_ in placed)
