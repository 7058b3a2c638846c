"""Where the corpus is, and the two things that a complete run insists on."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from paper_house import House
from telling import TellsAtOnce

import sidebooks_core
from sidebooks_core import Document, Settings, TileService
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id
from sidebooks_core.testing import FakeEngine

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "corpus"
SAMPLE = ROOT / "docs" / "tutorial" / "samples" / "jlreq-ja.pdf"

sys.path.append(str(ROOT))
"""At the end, for `benchmarks`: an installed sidebooks_core comes before the sources."""
MOST_UNCOLLECTED = 50_000
"""Objects that were made since the last collection, and live."""


# The same examples in every run, so that what lands does not depend on luck, and no limit of time, which a busy machine breaks.
# `SIDEBOOKS_EXPLORE=1` looks for others: run it now and then, and before a property is relied on.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("explore" if os.environ.get("SIDEBOOKS_EXPLORE") == "1" else "steady")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("SIDEBOOKS_REQUIRE_CORPUS") == "1" and not (CORPUS / "manifest.tsv").exists():
        raise pytest.UsageError(f"this run needs the corpus, and there is none at {CORPUS}")
    if os.environ.get("SIDEBOOKS_REQUIRE_WHEEL") == "1" and ROOT in Path(sidebooks_core.__file__).resolve().parents:
        installed = Path(sidebooks_core.__file__).resolve().relative_to(ROOT)
        if installed.parts[0] == "sidebooks_core":
            raise pytest.UsageError("this run tests the installed wheel, and the source folder shadows it")
    if config.getoption("dist", "no") != "no":
        config.pluginmanager.register(TellsAtOnce(config))


@pytest.fixture(scope="session", autouse=True)
def _cycles_are_collected_between_tests() -> Iterator[None]:
    """Only this process holds objects of Tk, of engines and of browsers, which belong to the thread that made them.

    A collection begins in whichever thread allocates next. Tk ends the process if it is another one: "Tcl_AsyncDelete: async
    handler deleted by the wrong thread".
    """
    gc.disable()
    yield
    gc.enable()


def pytest_runtest_teardown() -> None:
    if gc.get_count()[0] > MOST_UNCOLLECTED:
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _children_import_the_same_package() -> None:
    """Scripts and examples that tests start as processes import what the tests do, installed or not."""
    package = os.fspath(Path(sidebooks_core.__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))


@pytest.fixture(scope="session")
def corpus() -> Path:
    if not (CORPUS / "manifest.tsv").exists():
        pytest.skip(f"needs the corpus of real documents at {CORPUS}")
    return CORPUS


@pytest.fixture(scope="session")
def sample() -> Path:
    return SAMPLE


@pytest.fixture
def service(tmp_path: Path) -> Iterator[TileService]:
    with TileService(Settings(cache_dir=tmp_path / "cache")) as running:
        yield running


@pytest.fixture
def shelf(service: TileService, sample: Path) -> Iterator[Shelf]:
    shelf = Shelf(service)
    shelf.register(sample)
    yield shelf
    shelf.close()


@pytest.fixture
def application(shelf: Shelf) -> Iterator[Application]:
    application = Application(shelf)
    yield application
    application.close()


@pytest.fixture
def document(shelf: Shelf) -> Document:
    return shelf.all()[0].document


@pytest.fixture
def first_page(document: Document) -> str:
    return f"/iiif/3/{page_id(document, 0)}"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A shelf of papers that a fake engine draws."""
    pool = FakeEngine().pool
    with TileService(Settings(cache_dir=tmp_path / "house-cache", workers=2), pool=pool) as service:
        made = House(service, tmp_path)
        yield made
        made.close()
