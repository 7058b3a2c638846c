"""Prerendering in other processes: images are kept where they are drawn, or come back if they cannot be."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import sidebooks_core as sb
from sidebooks_core.stores.disk import DiskStore
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.protocol import TileStore
from sidebooks_core.testing import SlowStore
from sidebooks_core.workers.bulk import BulkResult, BulkRun

PAGES = range(4)
WIDTH_PX = 500
SIZES = sb.Sizes(widths_px=[WIDTH_PX], levels=[])


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


class Watching(Executor):
    """Tells what travels to another executor, and what comes back."""

    def __init__(self, executor: Executor, meanwhile: Callable[[], None] = lambda: None) -> None:
        self._executor = executor
        self._meanwhile = meanwhile
        self.runs: list[BulkRun] = []
        self.results: list[BulkResult] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.runs += args
        future = self._executor.submit(fn, *args, **kwargs)
        self.results += future.result(timeout=120)
        self._meanwhile()
        return future

    def came_back(self) -> list[bool]:
        return [result.record is not None for result in self.results]


def prerendered(service: sb.TileService, document: sb.Document, executor: Executor) -> sb.PrerenderReport:
    return service.prerender(document, pages=PAGES, sizes=SIZES, executor=executor)


def images(service: sb.TileService, document: sb.Document) -> list[bytes]:
    return [service.page_image(document, page, width_px=WIDTH_PX).data for page in PAGES]


@pytest.fixture(scope="module")
def expected(sample: Path) -> list[bytes]:
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        return images(service, service.open(sample))


def test_images_are_kept_where_they_are_drawn(tmp_path: Path, sample: Path, processes: Executor, expected: list[bytes]) -> None:
    watching = Watching(processes)
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as service:
        document = service.open(sample)
        report = prerendered(service, document, watching)
        assert (report.rendered, report.failed) == (4, {})
        assert watching.came_back() == [False] * 4
        assert service.statistics().renders == 4
        assert images(service, document) == expected
        assert service.statistics().disk_hits == 4
        assert service.parts.images.keeper.store.statistics().disk.records == 4, "what the processes knew the store by is gone"
        again = prerendered(service, document, processes)
        assert (again.rendered, again.stored_already) == (0, 4)
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as later:
        assert images(later, later.open(sample)) == expected
        assert later.statistics().renders == 0


def test_two_trust_domains_stay_apart(tmp_path: Path, sample: Path, processes: Executor) -> None:
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as service:
        theirs = service.open(sample, trust_domain="theirs")
        service.prerender(theirs, pages=PAGES, sizes=SIZES, executor=processes)
        service.page_image(service.open(sample), 0, width_px=WIDTH_PX)
        assert service.statistics().renders == 5
        service.page_image(theirs, 0, width_px=WIDTH_PX)
        assert service.statistics().renders == 5


def test_a_key_does_not_travel_and_so_the_images_do(
    tmp_path: Path, sample: Path, processes: Executor, expected: list[bytes]
) -> None:
    pytest.importorskip("cryptography", reason="needs the extra encryption")
    key = bytes(range(100, 132))
    watching = Watching(processes)
    with sb.TileService(sb.Settings(cache_dir=tmp_path, encryption_key=key)) as service:
        document = service.open(sample)
        prerendered(service, document, watching)
        assert watching.came_back() == [True] * 4
        assert [run for run in watching.runs if key in pickle.dumps(run)] == []
        assert images(service, document) == expected
        assert service.statistics().disk_hits == 4


class Opened(SlowStore):
    """An application's store, which can be opened elsewhere by a function of its own."""

    def __init__(self, store: TileStore, opener: Callable[[], TileStore] | None) -> None:
        super().__init__(store)
        self.opener = opener

    def reopener(self) -> Callable[[], TileStore] | None:
        return self.opener


@pytest.mark.parametrize("where", ["the same folder", "another folder", "nowhere"])
def test_an_applications_own_store(
    tmp_path: Path, sample: Path, processes: Executor, expected: list[bytes], where: str
) -> None:
    """Of another machine's folder with the same name nothing is expected: the images come back."""
    openers: dict[str, Callable[[], TileStore] | None] = {
        "the same folder": partial(DiskStore, tmp_path / "ours", 1 << 26),
        "another folder": partial(DiskStore, tmp_path / "elsewhere", 1 << 26),
        "nowhere": None,
    }
    watching = Watching(processes)
    store = Opened(DiskStore(tmp_path / "ours", 1 << 26), openers[where])
    with sb.TileService(sb.Settings(cache_dir=None), store=store) as service:
        document = service.open(sample)
        prerendered(service, document, watching)
        assert watching.came_back() == [where != "the same folder"] * 4
        assert images(service, document) == expected
        assert service.statistics().disk_hits == 4


def test_a_store_of_several_tiers(tmp_path: Path, sample: Path, processes: Executor, expected: list[bytes]) -> None:
    near, far = DiskStore(tmp_path / "near", 1 << 26), DiskStore(tmp_path / "far", 1 << 26)
    watching = Watching(processes)
    with sb.TileService(sb.Settings(cache_dir=None), store=[near, far]) as service:
        document = service.open(sample)
        prerendered(service, document, watching)
        assert watching.came_back() == [False] * 4
        assert images(service, document) == expected
        assert service.statistics().disk_hits == 4
    for folder in ("near", "far"):
        again = DiskStore(tmp_path / folder, 1 << 26)
        assert again.statistics().records == 4
        again.close()


def test_without_a_disk_the_images_come_back_to_the_memory(sample: Path, processes: Executor, expected: list[bytes]) -> None:
    watching = Watching(processes)
    with sb.TileService(sb.Settings(cache_dir=None), store=MemoryStore(1 << 26, 0)) as service:
        document = service.open(sample)
        prerendered(service, document, watching)
        assert watching.came_back() == [True] * 4
        assert images(service, document) == expected
        assert service.statistics().disk_hits == 4


def test_what_is_withdrawn_meanwhile_is_not_kept(tmp_path: Path, sample: Path, processes: Executor) -> None:
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as service:
        document = service.open(sample)
        watching = Watching(processes, meanwhile=lambda: document.withdrawn.set())
        service.prerender(document, pages=PAGES, sizes=SIZES, executor=watching)
        assert watching.came_back() == [False] * 4
        assert service.parts.images.keeper.store.statistics().disk.records == 0
