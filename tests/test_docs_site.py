"""The documentation site: it is built without a warning, needs nothing from outside, and has every public name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
from conftest import ROOT
from sphinx.util.inventory import InventoryFile

import sidebooks_core as sb
from sidebooks_core import access, marks, server, shelf, testing


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site. A link to no page or no heading, a page that no list names, and a wrong docstring are warnings, so errors."""
    built = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", str(ROOT / "docs"), "-d", str(built / "read")]
    done = subprocess.run([*command, str(ROOT), str(built / "html")], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return built / "html"


def test_no_page_fetches_anything_from_outside(site: Path) -> None:
    tags, attributes = "script|link|img|iframe|source|video|audio", "src|href|srcset"
    fetching = re.compile(rf"""<(?:{tags})\b[^>]*\b(?:{attributes})=["'](?:https?:)?//[^>]*>""")
    in_styles = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^)]*""")
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 60
    found = [f"{one.name}: {hit}" for one in pages for hit in fetching.findall(one.read_text(encoding="utf-8"))]
    styles = sorted(site.rglob("*.css"))
    found += [f"{one.name}: {hit}" for one in styles for hit in in_styles.findall(one.read_text(encoding="utf-8"))]
    assert found == []


def is_from(room: ModuleType, found: object) -> bool:
    """Whether it is a class or a function of this room: others have their entry where they come from."""
    return isinstance(found, type | FunctionType) and found.__module__.startswith(room.__name__)


def test_every_public_name_can_be_looked_up(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="").data
    names = {name for kind, found in inventory.items() if kind.startswith("py:") for name in found}
    public = [f"sidebooks_core.{name}" for name in sb.__all__]
    for room in (access, marks, server, shelf, testing):
        public += [f"{room.__name__}.{name}" for name in room.__all__ if is_from(room, getattr(room, name))]
    assert [name for name in public if name not in names] == []
    assert "sidebooks_core.TileService.page_image" in names


def test_the_search_knows_words_of_pages_and_names(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert "docs/how-to/serve" in index
    assert "TileService" in index


def test_the_first_page_leads_to_the_site(site: Path) -> None:
    [target] = re.findall(r"""href="([^"]+)""", (site / "index.html").read_text(encoding="utf-8"))
    assert (site / target).is_file()
