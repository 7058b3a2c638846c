"""Drawing in browsers of other makers: Firefox and WebKitGTK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import Engine
from ink_hand import PAINTED, STROKES
from served import Served, until_listed
from test_viewer_reach import engine, page_is

__all__ = ["engine"]


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Served(sample, cache=tmp_path_factory.mktemp("cache")) as server:
        until_listed(server.address)
        yield server.address


def strokes(engine: Engine, count: int) -> list[Any]:
    """The ink that the device keeps, when there are so many strokes."""
    engine.run(f"""window.kept = null;
        const look = () => ({STROKES})().then(all => {{
          if (all.length === {count}) window.kept = {{ all }};
          else setTimeout(look, 50);
        }});
        look();""")
    found: list[Any] = engine.until("window.kept")["all"]
    return found


def is_painted(engine: Engine, is_there: bool) -> None:
    """Wait until the page has ink on it, or has none."""
    engine.until(f"({PAINTED})('.marks').length === {4 if is_there else 0}")


def middle(engine: Engine) -> tuple[float, float]:
    x, y = engine.run(
        "const { left, top, width, height } = document.getElementById('stage').getBoundingClientRect();"
        "return [left + width / 2, top + height / 2];"
    )
    return x, y


def begin(engine: Engine) -> None:
    engine.until("document.querySelector('.marks')")
    engine.run("document.getElementById('draw-button').click()")
    engine.until("document.getElementById('inkbar')")


def test_one_draws_erases_and_undoes_in_other_engines(engine: Engine, address: str) -> None:
    engine.open(address)
    engine.until("document.querySelector('#shelf a') && window.sidebooksStarted")
    engine.run("document.querySelector('#shelf a').click()")
    engine.until(page_is(1))
    begin(engine)
    x, y = middle(engine)
    engine.drag((x - 60, y), (x, y + 20), (x + 60, y))
    [record] = strokes(engine, 1)
    assert len(record["mark"]["body"]["samples"]) >= 3
    is_painted(engine, True)
    engine.reload()
    engine.until(f"window.sidebooksStarted && {page_is(1)}")
    is_painted(engine, True)
    begin(engine)
    engine.run("document.querySelector('[data-ink=eraser]').click()")
    x, y = middle(engine)
    engine.drag((x, y - 60), (x, y), (x, y + 60))
    strokes(engine, 0)
    is_painted(engine, False)
    engine.run("document.querySelector('[data-ink=undo]').click()")
    strokes(engine, 1)
    is_painted(engine, True)
    assert engine.faults() == []
