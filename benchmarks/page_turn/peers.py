"""The programs that turn pages, each set up as its documentation advises, and all with the same bytes of cache.

The bytes are the profile's. Ours divides them: display lists in its workers and the spare, previews, and page images. The
others keep page images alone. Peers with processes have as many workers as ours.

Each delivers a page as an application would send it to a tablet: as bytes. Ours chooses the encoding; the others' pages are
JPEG at quality 85 by Pillow, the fastest they have.
"""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, Protocol

from benchmarks.page_turn.profiles import Profile

QUALITY = 85
WORKERS = 2
PROCESSES_WITH_LISTS = WORKERS + 1
"""Of ours: the workers and the spare."""
KEPT_LISTS = 32
"""Display lists that a peer keeps beside its images, which its budget does not count."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a turn brought."""

    painted_s: float
    """Since the call."""
    sharp_s: float | None
    """Since the call; None: the reader turned on before it was sharp."""
    resolution: float
    """Of what was painted first, as a share of the screen's."""
    bytes: int


Files = Sequence[tuple[str, str | None]]
"""Documents and their passwords."""


class Peer(Protocol):
    """Documents that are open, ready for turns."""

    def show(self, document: int, pages: tuple[int, ...], zoom: float, until_s: float) -> Shown:
        """Turn to a page or a spread, and wait for its sharp images until a time (of perf_counter) at most."""

    def figures(self) -> dict[str, int]:
        """What it counted."""

    def close(self) -> None: ...


class Ours:
    """sidebooks_core: a Reader with its defaults."""

    def __init__(self, files: Files, profile: Profile, is_spread: bool, settings: Mapping[str, Any] | None = None) -> None:
        """settings: in place of the defaults and of the profile's."""
        import tempfile

        import sidebooks_core as sb

        self._folder = tempfile.TemporaryDirectory(prefix="sidebooks-page-turn-")
        list_bytes = min(sb.Settings().display_list_bytes, profile.memory_bytes // 4 // PROCESSES_WITH_LISTS)
        memory_bytes = profile.memory_bytes - PROCESSES_WITH_LISTS * list_bytes
        self._service = sb.TileService(
            sb.Settings(
                cache_dir=self._folder.name,
                **{
                    "memory_bytes": memory_bytes,
                    "preview_bytes": memory_bytes // 4,
                    "display_list_bytes": list_bytes,
                    "disk_bytes": profile.disk_bytes,
                    "workers": WORKERS,
                    **(settings or {}),
                },
            )
        )
        view_px = profile.view_px[::-1] if is_spread else profile.view_px
        self._readers = [
            self._service.reader(self._service.open(path, password), view_px, is_spread) for path, password in files
        ]
        self._zoom = 1.0

    def ready(self) -> None:
        """Previews are there."""
        for reader in self._readers:
            reader.wait_previews(timeout_s=120)

    def show(self, document: int, pages: tuple[int, ...], zoom: float, until_s: float) -> Shown:
        reader = self._readers[document]
        started_s = time.perf_counter()
        view = reader.turn_to(pages[0]) if zoom == self._zoom == 1.0 else self._zoomed(reader, pages[0], zoom)
        painted_s = time.perf_counter() - started_s
        size = sum(len(image.data) for image in view.images)
        resolution = view.resolution
        sharp_s: float | None = painted_s
        if not view.is_sharp:
            view = reader.wait_sharp(max(0.0, until_s - time.perf_counter()))
            sharp_s = time.perf_counter() - started_s if view.is_sharp else None
        return Shown(painted_s, sharp_s, resolution, size)

    def _zoomed(self, reader: Any, page: int, zoom: float) -> Any:
        self._zoom = zoom
        if reader.page != page:
            reader.turn_to(page)
        return reader.zoom(zoom)

    def figures(self) -> dict[str, int]:
        found = self._service.statistics()
        return {
            "renders": found.renders,
            "prefetched": found.prefetched_bytes,
            "wasted": found.prefetch_wasted_bytes,
            "memory": found.memory_bytes,
        }

    def close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._service.close()
        self._folder.cleanup()


Draw = Callable[[int, float, tuple[int, int]], bytes]
"""(page, zoom, pixels it has on the screen) -> an encoded image."""


class OnDemand:
    """Draws and encodes each page when it is wanted; with a budget, keeps the images (least recently used go first)."""

    def __init__(self, documents: list[Draw], places: Places, budget_bytes: int) -> None:
        self._documents = documents
        self._places = places
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[tuple[int, int, float], bytes] = OrderedDict()
        self._kept_bytes = 0
        self._renders = 0

    def ready(self) -> None:
        """Nothing to wait for."""

    def show(self, document: int, pages: tuple[int, ...], zoom: float, until_s: float) -> Shown:
        started_s = time.perf_counter()
        size = 0
        for page in pages:
            key = (document, page, zoom)
            data = self._kept.get(key)
            if data is None:
                data = self._documents[document](page, zoom, self._places.px(pages))
                self._renders += 1
                self._keep(key, data)
            else:
                self._kept.move_to_end(key)
            size += len(data)
        took_s = time.perf_counter() - started_s
        return Shown(took_s, took_s, 1.0, size)

    def _keep(self, key: tuple[int, int, float], data: bytes) -> None:
        if len(data) > self._budget_bytes:
            return
        self._kept[key] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > self._budget_bytes:
            _, old = self._kept.popitem(last=False)
            self._kept_bytes -= len(old)

    def figures(self) -> dict[str, int]:
        return {"renders": self._renders}

    def close(self) -> None:
        """Nothing to end."""


class NextPageInPool:
    """The strongest simple thing: a process pool draws the next page while this one is read; an LRU of page images.

    Its next page, or spread, is as far on as this one was from the one before: 1 or 2 pages.
    """

    def __init__(self, files: Files, profile: Profile, is_spread: bool) -> None:
        self._places = Places(profile, is_spread)
        self._pool = ProcessPoolExecutor(
            WORKERS, mp_context=get_context("spawn"), initializer=_open_in_worker, initargs=(list(files),)
        )
        self._page_counts: list[int] = self._pool.submit(_counts_in_worker).result()
        self._budget_bytes = profile.memory_bytes
        self._kept: OrderedDict[tuple[int, int, float], Future[bytes]] = OrderedDict()
        self._before = [-1] * len(files)
        self._renders = 0

    def ready(self) -> None:
        """Both processes are up."""
        for future in [self._pool.submit(time.sleep, 0.2) for _ in range(WORKERS)]:
            future.result()

    def show(self, document: int, pages: tuple[int, ...], zoom: float, until_s: float) -> Shown:
        started_s = time.perf_counter()
        size_px = self._places.px(pages)
        futures = [self._want(document, page, zoom, size_px) for page in pages]
        size = sum(len(future.result()) for future in futures)
        took_s = time.perf_counter() - started_s
        here = min(pages)
        direction = -1 if here < self._before[document] else 1
        if here != self._before[document]:
            for page in pages:
                following = page + direction * len(pages)
                if 0 <= following < self._page_counts[document]:
                    self._want(document, following, 1.0, size_px)
        self._before[document] = here
        self._shrink()
        return Shown(took_s, took_s, 1.0, size)

    def _want(self, document: int, page: int, zoom: float, size_px: tuple[int, int]) -> Future[bytes]:
        key = (document, page, zoom)
        future = self._kept.get(key)
        if future is None:
            future = self._kept[key] = self._pool.submit(_draw_in_worker, document, page, zoom, size_px)
            self._renders += 1
        self._kept.move_to_end(key)
        return future

    def _shrink(self) -> None:
        size = sum(len(future.result()) for future in self._kept.values() if future.done())
        while size > self._budget_bytes and len(self._kept) > WORKERS:
            _, old = self._kept.popitem(last=False)
            size -= len(old.result()) if old.done() else 0

    def figures(self) -> dict[str, int]:
        return {"renders": self._renders}

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Places:
    """How much of the screen a page has."""

    profile: Profile
    is_spread: bool

    def px(self, pages: tuple[int, ...]) -> tuple[int, int]:
        """(width, height) for each of the pages shown together."""
        width, height = self.profile.view_px[::-1] if self.is_spread else self.profile.view_px
        return width // len(pages), height


def fit(width_pt: float, height_pt: float, view_px: tuple[int, int]) -> float:
    """Pixels per point that make a page fit a screen."""
    return min(view_px[0] / width_pt, view_px[1] / height_pt)


def half_pt(side_pt: float, screen_px: int, scale: float) -> float:
    """Half of what a screen shows of a side of an enlarged page, in points."""
    return min(side_pt, screen_px / scale) / 2


def _jpeg(image: Any) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def open_pymupdf(path: str, password: str | None) -> Any:
    """A document of PyMuPDF's, open, without its messages."""
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    document = pymupdf.open(path)
    if document.needs_pass:
        document.authenticate(password or "")
    return document


def _pymupdf(path: str, password: str | None, *, most_lists: int = 0) -> tuple[Draw, int]:
    import pymupdf
    from PIL import Image

    Image.preinit()
    document = open_pymupdf(path, password)
    lists: OrderedDict[int, Any] = OrderedDict()

    def sheet_of(page: int) -> Any:
        """The page, or its display list: both have `rect` and `get_pixmap`."""
        if not most_lists:
            return document[page]
        if page not in lists:
            lists[page] = document[page].get_displaylist()
        lists.move_to_end(page)
        while len(lists) > most_lists:
            lists.popitem(last=False)
        return lists[page]

    def draw(page: int, zoom: float, size_px: tuple[int, int]) -> bytes:
        sheet = sheet_of(page)
        scale = fit(sheet.rect.width, sheet.rect.height, size_px) * zoom
        clip = None
        if zoom > 1.0:  # the part on the screen: the middle
            width, height = half_pt(sheet.rect.width, size_px[0], scale), half_pt(sheet.rect.height, size_px[1], scale)
            x, y = sheet.rect.width / 2, sheet.rect.height / 2
            clip = pymupdf.Rect(x - width, y - height, x + width, y + height)
        pixmap = sheet.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=0, clip=clip)
        return _jpeg(Image.frombuffer("RGB", (pixmap.width, pixmap.height), pixmap.samples_mv, "raw", "RGB", 0, 1))

    return draw, document.page_count


def _pdfium(path: str, password: str | None) -> tuple[Draw, int]:
    import pypdfium2

    document = pypdfium2.PdfDocument(path, password=password)

    def draw(page: int, zoom: float, size_px: tuple[int, int]) -> bytes:
        sheet = document[page]
        width, height = sheet.get_size()
        crop = (0.0, 0.0, 0.0, 0.0)
        scale = fit(width, height, size_px) * zoom
        if zoom > 1.0:
            x, y = width / 2 - half_pt(width, size_px[0], scale), height / 2 - half_pt(height, size_px[1], scale)
            crop = (x, y, x, y)
        image = sheet.render(scale=scale, crop=crop).to_pil()
        sheet.close()
        return _jpeg(image)

    return draw, len(document)


def _poppler(path: str, password: str | None) -> tuple[Draw, int]:
    import pdf2image

    count = pdf2image.pdfinfo_from_path(path, userpw=password or "")["Pages"]
    facts = pdf2image.pdfinfo_from_path(path, userpw=password or "", first_page=1, last_page=count)

    def size_pt(page: int) -> tuple[float, float]:
        label = f"Page {page + 1:4d}"
        width, height = (float(one) for one in facts[f"{label} size"].split()[:3:2])
        return (height, width) if int(facts[f"{label} rot"]) % 180 else (width, height)

    def draw(page: int, zoom: float, size_px: tuple[int, int]) -> bytes:
        width, height = size_pt(page)
        size = (round(width * fit(width, height, size_px) * zoom), None)
        [image] = pdf2image.convert_from_path(
            path, first_page=page + 1, last_page=page + 1, size=size, fmt="jpeg", userpw=password or "", use_cropbox=True
        )
        return _jpeg(image)

    return draw, int(count)


_worker: list[tuple[Draw, int]] = []


def _open_in_worker(files: Files) -> None:
    _worker.extend(_pymupdf(path, password) for path, password in files)


def _counts_in_worker() -> list[int]:
    return [count for _, count in _worker]


def _draw_in_worker(document: int, page: int, zoom: float, size_px: tuple[int, int]) -> bytes:
    return _worker[document][0](page, zoom, size_px)


def _on_demand(
    library: Callable[[str, str | None], tuple[Draw, int]], *, keep: bool
) -> Callable[[Files, Profile, bool], OnDemand]:
    def open_all(files: Files, profile: Profile, is_spread: bool) -> OnDemand:
        documents = [library(path, password)[0] for path, password in files]
        return OnDemand(documents, Places(profile, is_spread), profile.memory_bytes if keep else 0)

    return open_all


PEERS: dict[str, Callable[[Files, Profile, bool], Any]] = {
    "sidebooks_core": Ours,
    "PyMuPDF": _on_demand(_pymupdf, keep=False),
    "PyMuPDF + LRU": _on_demand(_pymupdf, keep=True),
    "PyMuPDF + LRU, lists": _on_demand(partial(_pymupdf, most_lists=KEPT_LISTS), keep=True),
    "pypdfium2 + LRU": _on_demand(_pdfium, keep=True),
    "pdf2image + LRU": _on_demand(_poppler, keep=True),
    "next page in a pool + LRU": NextPageInPool,
}
