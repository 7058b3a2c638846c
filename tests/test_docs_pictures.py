"""Each picture of the documentation is made by its one script, and is on a page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import ROOT

DOCS = ROOT / "docs"
MOST_BYTES = 160_000


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[Path]]:
    pytest.importorskip("playwright")
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import make_pictures

    assert set(make_pictures.made_by()) == set(make_pictures.COMMANDS)
    return make_pictures.made_by()


def pictures() -> set[Path]:
    return {path for ending in ("png", "jpg", "jpeg", "gif", "webp") for path in DOCS.rglob(f"*.{ending}")}


def test_each_picture_is_made_by_the_script(made: dict[str, set[Path]]) -> None:
    assert pictures() ^ set().union(*made.values()) == set()


def test_each_picture_is_on_a_page_and_small() -> None:
    texts = [(page.parent, page.read_text(encoding="utf-8")) for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]]
    shown = {(folder / name).resolve() for folder, text in texts for name in re.findall(r"[\w./-]+\.png", text)}
    assert {path.name for path in pictures() if path not in shown} == set()
    assert {path.name: path.stat().st_size for path in pictures() if path.stat().st_size > MOST_BYTES} == {}
