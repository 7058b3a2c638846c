"""No page of the documentation is harder to read than the documentation of httpx."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

pytest.importorskip("textstat")

from reading_ease import ari, prose

HTTPX_ARI = 8.98
"""The same measure of four pages of httpx's documentation, as one text of 1907 words: `quickstart.md` and `compatibility.md`
(commit 02a2311f), `http2.md` (020ace4e), `advanced/timeouts.md` (7e149123). Each alone: 9.0, 8.2, 10.3, 8.8."""
SAMPLES = ROOT / "docs" / "tutorial" / "samples"
PAGES = [*ROOT.glob("*.md"), *(page for page in ROOT.glob("docs/**/*.md") if SAMPLES not in page.parents)]


@pytest.mark.parametrize("page", [pytest.param(one, id=str(one.relative_to(ROOT))) for one in sorted(PAGES)])
def test_a_page_is_easy_to_read(page: Path) -> None:
    assert ari(page.read_text(encoding="utf-8")) <= HTTPX_ARI


def test_the_measure_tells_hard_sentences_from_easy_ones() -> None:
    easy = "The server draws a page once. It keeps the page on the disk. All readers get it from there."
    hard = (
        "Notwithstanding considerations regarding instantiation of configurable infrastructure, implementations incorporating "
        "multidimensional parameterization necessitate comprehensive documentation of interdependencies."
    )
    assert ari(easy) < HTTPX_ARI < ari(hard)


def test_what_is_no_prose_does_not_count() -> None:
    code, table = "```python\ncode = 1\n```", "| a | b |\n|---|---|"
    page = f"# A title\n\nThe server draws `a_name` once.\n\n{code}\n\n{table}\n\n- One item of a list"
    assert prose(page) == "The server draws once.\nOne item of a list."
