"""The face for asyncio: each method gives what the method of `TileService` gives, and holds up no event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import sidebooks_core as sb
from sidebooks_core.aio import AsyncTileService

BOX_PT = (10.0, 10.0, 200.0, 100.0)
WIDTH_PX = 200
Call = Callable[[AsyncTileService, sb.Document], Awaitable[object]]
Plain = Callable[[sb.TileService, sb.Document], object]


async def hits(service: AsyncTileService, document: sb.Document) -> list[sb.SearchHit]:
    return [hit async for hit in service.iter_search(document, "the")]


async def images(service: AsyncTileService, document: sb.Document) -> list[sb.Tile]:
    return [tile async for tile in service.images(document, [2, 0], width_px=WIDTH_PX, image_format="png")]


METHODS: dict[str, tuple[Call, Plain]] = {
    "tile": (lambda one, doc: one.tile(doc, 0, 0, 0, 0), lambda one, doc: one.tile(doc, 0, 0, 0, 0)),
    "page_image": (
        lambda one, doc: one.page_image(doc, 1, width_px=WIDTH_PX, image_format="png"),
        lambda one, doc: one.page_image(doc, 1, width_px=WIDTH_PX, image_format="png"),
    ),
    "region_image": (
        lambda one, doc: one.region_image(doc, 1, BOX_PT, WIDTH_PX),
        lambda one, doc: one.region_image(doc, 1, BOX_PT, WIDTH_PX),
    ),
    "images": (images, lambda one, doc: list(one.images(doc, [2, 0], width_px=WIDTH_PX, image_format="png"))),
    "text": (lambda one, doc: one.text(doc, 1), lambda one, doc: one.text(doc, 1)),
    "links": (lambda one, doc: one.links(doc, 1), lambda one, doc: one.links(doc, 1)),
    "search": (lambda one, doc: one.search(doc, "the", limit=3), lambda one, doc: one.search(doc, "the", limit=3)),
    "iter_search": (hits, lambda one, doc: list(one.iter_search(doc, "the"))),
    "prerender": (
        lambda one, doc: one.prerender(doc, [0], fit_px=[(300, 300)]),
        lambda one, doc: one.prerender(doc, [0], fit_px=[(300, 300)]),
    ),
    "inspect": (lambda one, doc: _pages(one.inspect(doc)), lambda one, doc: len(one.inspect(doc).pages)),
}


async def _pages(found: Awaitable[sb.DocumentInspection]) -> int:
    return len((await found).pages)


@pytest.mark.parametrize("name", METHODS)
def test_it_gives_what_the_service_gives(service: sb.TileService, sample: Path, name: str) -> None:
    waited, plain = METHODS[name]

    async def run() -> object:
        async with AsyncTileService(service=service) as one:
            return await waited(one, await one.open(sample))

    document = service.open(sample)
    if name == "prerender":
        plain(service, document)  # both find it stored
    assert asyncio.run(run()) == plain(service, document)
    assert not service.is_closed


def test_it_closes_the_service_that_it_made(sample: Path) -> None:
    async def run() -> sb.TileService:
        async with AsyncTileService(sb.Settings(cache_dir=None, workers=1)) as one:
            with pytest.raises(FileNotFoundError):
                await one.open(sample.with_name("nowhere.pdf"))
            assert len(await one.open(sample)) > 1
            return one.service

    assert asyncio.run(run()).is_closed


def test_others_run_while_one_waits(service: sb.TileService, sample: Path) -> None:
    async def run() -> int:
        ticks = 0
        async with AsyncTileService(service=service) as one:
            drawing = asyncio.create_task(one.prerender(await one.open(sample)))
            while not drawing.done():
                await asyncio.sleep(0)
                ticks += 1
        return ticks

    assert asyncio.run(run()) > 1


def test_a_prerendering_that_is_cancelled_ends_after_its_page(service: sb.TileService, sample: Path) -> None:
    async def run() -> int:
        async with AsyncTileService(service=service) as one:
            document = await one.open(sample)
            begun = asyncio.Event()
            loop = asyncio.get_running_loop()
            told: list[int] = []

            def progress(done: int, _count: int) -> None:
                told.append(done)
                loop.call_soon_threadsafe(begun.set)

            task = asyncio.create_task(one.prerender(document, fit_px=[(900, 1200)], progress=progress))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await one.page_image(document, 0, width_px=WIDTH_PX)
            return told[-1]

    assert asyncio.run(run()) < 22


def test_a_task_that_is_cancelled_drops_its_work(service: sb.TileService, sample: Path) -> None:
    async def run() -> bool:
        async with AsyncTileService(service=service) as one:
            document = await one.open(sample)
            tasks = [asyncio.create_task(one.page_image(document, page, width_px=WIDTH_PX)) for page in range(len(document))]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            return any(isinstance(one, asyncio.CancelledError) for one in ended)

    assert asyncio.run(run())
    assert service.statistics().drops > 0


def test_an_inspection_tells_how_far_it_is(service: sb.TileService, sample: Path) -> None:
    told: list[tuple[int, int]] = []

    async def run() -> int:
        async with AsyncTileService(service=service) as one:
            document = await one.open(sample)
            await one.inspect(document, lambda *so_far: told.append(so_far))
            return document.page_count

    count = asyncio.run(run())
    assert told == [(page, count) for page in range(1, count + 1)]
