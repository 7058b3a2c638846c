"""Arguments of a wrong type are a TypeError at once that names the argument, and a reader that nobody closed is told."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sidebooks_core as sb
from sidebooks_core.server import Application
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

PAGES = FakeDocument(pages=tuple(FakePage() for _ in range(4)))
Call = Callable[[Any, Any, Any], object]
"""Of (service, document, reader). Any: a type checker refuses each of these."""
WRONG: dict[str, tuple[str, Call]] = {
    "settings": ("settings must be a Settings", lambda s, d, r: sb.TileService({"workers": 1})),  # type: ignore[arg-type]
    "password": ("password must be a text", lambda s, d, r: s.open(b"%PDF-", password=5)),
    "trust domain": ("trust_domain must be a text", lambda s, d, r: s.open(b"%PDF-", trust_domain=5)),
    "document": ("document must be what `open` returned", lambda s, d, r: s.page_image("budget.pdf", 0, width_px=9)),
    "document of tile": ("document must be", lambda s, d, r: s.tile("budget.pdf", 0, 0, 0, 0)),
    "document of text": ("document must be", lambda s, d, r: s.text("budget.pdf", 0)),
    "document of purge": ("document must be", lambda s, d, r: s.purge("budget.pdf")),
    "width": ("width_px must be a number, not '100' of type str", lambda s, d, r: s.page_image(d, 0, width_px="100")),
    "height": ("height_px must be a number", lambda s, d, r: s.submit_page_image(d, 0, height_px="100")),
    "fit": (r"fit_px must be \(width, height\) in pixels, not 5", lambda s, d, r: s.page_image(d, 0, fit_px=5)),
    "fit of texts": ("fit_px must be", lambda s, d, r: d[0].image(fit_px=("1", "2"))),
    "fit of nothing": ("fit_px must be", lambda s, d, r: s.page_image(d, 0, fit_px=(100, None))),
    "pages": ("pages must be numbers of pages", lambda s, d, r: s.images(d, 3, width_px=9)),
    "a page": ("page must be an int", lambda s, d, r: s.images(d, ["3"], width_px=9)),
    "level": ("level must be a number", lambda s, d, r: s.tile(d, 0, "0", 0, 0)),
    "column": ("column must be a number", lambda s, d, r: s.submit(d, 0, 0, None, 0)),
    "priority": ("priority must be a Priority", lambda s, d, r: s.submit(d, 0, 0, 0, 0, priority="high")),
    "region": (r"region_pt must be \(x0, y0, x1, y1\)", lambda s, d, r: s.region_image(d, 0, "abcd", 9)),
    "region's width": ("width_px must be a number", lambda s, d, r: s.region_image(d, 0, (0, 0, 9, 9), "9")),
    "query": ("query must be a text, not 5 of type int", lambda s, d, r: s.search(d, 5)),
    "query of iter_search": ("query must be a text", lambda s, d, r: next(s.iter_search(d, None))),
    "limit": ("limit must be a number of hits", lambda s, d, r: s.search(d, "x", limit="3")),
    "screens": ("each of fit_px must be", lambda s, d, r: s.prerender(d, fit_px=(1620, 2160))),
    "sizes": ("sizes must be a Sizes", lambda s, d, r: s.prerender(d, sizes={"levels": [0]})),
    "view": (r"view_px must be \(width, height\)", lambda s, d, r: s.reader(d, 800)),
    "spread": ("spread must be a bool or a SpreadRule", lambda s, d, r: s.reader(d, (8, 8), spread="yes")),
    "deadline": ("deadline_s must be a number", lambda s, d, r: s.reader(d, (8, 8), deadline_s="1")),
    "turn": ("by must be a whole number", lambda s, d, r: r.turn(1.5)),
    "turn to": ("page must be an int", lambda s, d, r: r.turn_to("2")),
    "jump": ("target must be a label", lambda s, d, r: r.jump(4)),
    "zoom": ("zoom must be a number", lambda s, d, r: r.zoom("3")),
    "centre": (r"centre_pt must be \(x, y\)", lambda s, d, r: r.zoom(2.0, centre_pt=5)),
    "pan": ("down_view must be a number", lambda s, d, r: r.pan(1, "2")),
    "resize": ("view_px must be", lambda s, d, r: r.resize("800x600")),
    "timeout": ("timeout_s must be a number", lambda s, d, r: r.wait_sharp("5")),
    "callback": ("on_refined must be a function", lambda s, d, r: setattr(r, "on_refined", "x")),
}


@pytest.fixture(scope="module")
def service() -> Iterator[sb.TileService]:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service:
        yield service


@pytest.mark.parametrize("argument", WRONG)
def test_a_wrong_type_is_told_at_once_by_the_name_of_the_argument(service: sb.TileService, argument: str) -> None:
    told, call = WRONG[argument]
    document = service.open(PAGES.to_bytes())
    with service.reader(document, (80, 60)) as reader, pytest.raises(TypeError, match=f"^{told}"):
        call(service, document, reader)


def test_an_application_takes_no_shelf_of_papers(service: sb.TileService) -> None:
    with Shelf(None, service) as papers, pytest.raises(TypeError, match=r"shelf must be a Shelf of sidebooks_core\.server"):
        Application(papers)  # type: ignore[arg-type]


def test_a_misspelt_attribute_of_a_reader_is_told(service: sb.TileService) -> None:
    with service.reader(service.open(PAGES.to_bytes()), (80, 60)) as reader, pytest.raises(AttributeError, match="on_refine'"):
        reader.on_refine = print  # type: ignore[attr-defined]


def test_sizes_go_by_name(service: sb.TileService) -> None:
    document = service.open(PAGES.to_bytes())
    with pytest.raises(TypeError, match="positional"):
        service.page_image(document, 0, 100)  # type: ignore[misc]


def test_a_reader_that_nobody_closed_says_so_and_is_closed(service: sb.TileService) -> None:
    others = set(threading.enumerate())
    reader = service.reader(service.open(PAGES.to_bytes(), name="budget"), (80, 60))
    reader.on_refined = print
    [thread] = set(threading.enumerate()) - others
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del reader
        gc.collect()
    assert [str(one.message) for one in told if one.category is ResourceWarning] == [
        "<Reader: 'budget', page 1 of 4> was not closed: use it in a `with` block"
    ]
    thread.join(60)
    assert not thread.is_alive()


def test_a_reader_that_was_closed_or_whose_service_was_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service:
            left = service.reader(service.open(PAGES.to_bytes()), (80, 60))
            service.reader(left.document, (80, 60)).close()
            gc.collect()
        del left
        gc.collect()
