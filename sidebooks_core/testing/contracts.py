"""A suite of tests for documents of any kind."""

from __future__ import annotations

import math
from abc import abstractmethod
from itertools import pairwise
from pathlib import Path

from sidebooks_core.documents.document import Document
from sidebooks_core.errors import PageNotFound, RequestError, SidebooksError
from sidebooks_core.service import TileService
from sidebooks_core.settings import Settings


class DocumentContract:
    """What holds for every document of every kind. A subclass named `Test…` says in `make_source` what to open."""

    password: str | None = None

    @abstractmethod
    def make_source(self) -> Path | bytes:
        """A document that can be opened, with at least one page: a path, or its bytes."""

    def make_service(self) -> TileService:
        """A service that opens it: with worker processes, unless a subclass says otherwise. The suite closes it."""
        return TileService(Settings(cache_dir=None))

    def test_it_is_described_the_same_each_time(self) -> None:
        with self.make_service() as service, self.make_service() as other:
            source = self.make_source()
            one, again = service.open(source, self.password), other.open(source, self.password)
            assert one.page_count == len(one.pages) >= 1
            assert (one.id, one.info) == (again.id, again.info)
            assert one.direction in ("ltr", "rtl")
            for page in range(min(one.page_count, 4)):
                assert one.content_id(page) == again.content_id(page)

    def test_its_pages_have_sizes_labels_and_levels(self) -> None:
        with self.make_service() as service:
            document = service.open(self.make_source(), self.password)
            for info in document.pages:
                assert math.isfinite(info.width_pt)
                assert math.isfinite(info.height_pt)
                assert min(info.width_pt, info.height_pt) > 0
                assert isinstance(info.label, str)
                levels = document.pyramid(info.index).levels
                assert [level.index for level in levels] == list(range(len(levels)))
                assert all(finer.width_px >= coarser.width_px for coarser, finer in pairwise(levels))

    def test_its_pages_can_be_drawn(self) -> None:
        with self.make_service() as service:
            document = service.open(self.make_source(), self.password)
            for page in {0, document.page_count - 1}:
                level = document.pyramid(page).levels[0]
                tile = service.tile(document, page, 0, 0, 0)
                assert (tile.width_px, tile.height_px) == (level.width_px, level.height_px)
                assert tile.pixels().shape == (tile.height_px, tile.width_px, 3)
                assert service.tile(document, page, 0, 0, 0) == tile
                assert service.page_image(document, page, width_px=333).width_px == 333

    def test_its_words_links_and_outline_are_in_it(self) -> None:
        with self.make_service() as service:
            document = service.open(self.make_source(), self.password)
            words = service.text(document, 0)
            for word in words:
                assert word.text.strip()
                assert word.x0_pt <= word.x1_pt
                assert word.y0_pt <= word.y1_pt
            for link in service.links(document, 0):
                assert (link.page is None) != (link.uri is None)
                assert link.page is None or 0 <= link.page < document.page_count
            for item in document.outline:
                assert item.level >= 1
                assert item.page is None or 0 <= item.page < document.page_count
            if words:
                assert any(hit.page == 0 for hit in service.search(document, words[0].text))

    def test_what_it_does_not_have_is_refused(self) -> None:
        with self.make_service() as service:
            document = service.open(self.make_source(), self.password)
            for page in (-1, document.page_count):
                assert _refused(service, document, PageNotFound, page, 0), f"page {page} was drawn"
            past_the_finest = len(document.pyramid(0).levels)
            assert _refused(service, document, RequestError, 0, past_the_finest), "a level past the finest was drawn"


def _refused(service: TileService, document: Document, kind: type[SidebooksError], page: int, level: int) -> bool:
    try:
        service.tile(document, page, level, 0, 0)
    except kind as error:
        return error.document_id == document.id
    return False
