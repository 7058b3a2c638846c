"""The programs that turn pages, each set up as its documentation advises, and all with the same memory for page images.

Each delivers a page as an application would send it to a tablet: encoded. Ours chooses the encoding; the others' pages are
JPEG at quality 85 by Pillow, the fastest they have.
"""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Protocol

from benchmarks.page_turn.profiles import Profile

QUALITY = 85
WORKERS = 2


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


class Peer(Protocol):
    """A document that is open, ready for turns."""

    page_count: int

    def show(self, page: int, zoom: float, until_s: float) -> Shown:
        """Turn to a page, and wait for its sharp image until a time (of perf_counter) at most."""

    def figures(self) -> dict[str, int]:
        """What it counted."""

    def close(self) -> None: ...


class Ours:
    """sidebooks_core: a Reader with its defaults."""

    def __init__(self, path: str, password: str | None, profile: Profile) -> None:
        import tempfile

        import sidebooks_core as sb

        self._folder = tempfile.TemporaryDirectory(prefix="sidebooks-page-turn-")
        self._service = sb.TileService(
            sb.Settings(
                cache_dir=self._folder.name,
                memory_bytes=profile.memory_bytes,
                preview_bytes=profile.memory_bytes // 4,
                disk_bytes=profile.disk_bytes,
                workers=WORKERS,
            )
        )
        document = self._service.open(path, password)
        self.page_count = document.page_count
        self._reader = self._service.reader(document, profile.view_px)
        self._zoom = 1.0

    def ready(self) -> None:
        """Previews are there."""
        self._reader.wait_previews(timeout_s=120)

    def show(self, page: int, zoom: float, until_s: float) -> Shown:
        started_s = time.perf_counter()
        view = self._reader.turn_to(page) if zoom == self._zoom == 1.0 else self._zoomed(page, zoom)
        painted_s = time.perf_counter() - started_s
        size = sum(len(image.data) for image in view.images)
        resolution = view.resolution
        sharp_s: float | None = painted_s
        if not view.is_sharp:
            view = self._reader.wait_sharp(max(0.0, until_s - time.perf_counter()))
            sharp_s = time.perf_counter() - started_s if view.is_sharp else None
        return Shown(painted_s, sharp_s, resolution, size)

    def _zoomed(self, page: int, zoom: float) -> Any:
        self._zoom = zoom
        if self._reader.page != page:
            self._reader.turn_to(page)
        return self._reader.zoom(zoom)

    def figures(self) -> dict[str, int]:
        found = self._service.statistics()
        return {"renders": found.renders, "prefetched": found.prefetched_bytes, "wasted": found.prefetch_wasted_bytes}

    def close(self) -> None:
        self._reader.close()
        self._service.close()
        self._folder.cleanup()


class OnDemand:
    """Draws and encodes each page when it is wanted; with a budget, keeps the images (least recently used go first)."""

    def __init__(self, draw: Callable[[int, float], bytes], page_count: int, budget_bytes: int) -> None:
        self.page_count = page_count
        self._draw = draw
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[tuple[int, float], bytes] = OrderedDict()
        self._kept_bytes = 0
        self._renders = 0

    def ready(self) -> None:
        """Nothing to wait for."""

    def show(self, page: int, zoom: float, until_s: float) -> Shown:
        started_s = time.perf_counter()
        data = self._kept.get((page, zoom))
        if data is None:
            data = self._draw(page, zoom)
            self._renders += 1
            self._keep((page, zoom), data)
        else:
            self._kept.move_to_end((page, zoom))
        took_s = time.perf_counter() - started_s
        return Shown(took_s, took_s, 1.0, len(data))

    def _keep(self, key: tuple[int, float], data: bytes) -> None:
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
    """The strongest simple thing: a process pool draws the next page while this one is read; an LRU of page images."""

    def __init__(self, path: str, password: str | None, profile: Profile) -> None:
        self._pool = ProcessPoolExecutor(
            WORKERS, mp_context=get_context("spawn"), initializer=_open_in_worker, initargs=(path, password, profile.view_px)
        )
        self.page_count = self._pool.submit(_count_in_worker).result()
        self._budget_bytes = profile.memory_bytes
        self._kept: OrderedDict[tuple[int, float], Future[bytes]] = OrderedDict()
        self._before = -1
        self._renders = 0

    def ready(self) -> None:
        """Both processes are up."""
        for future in [self._pool.submit(time.sleep, 0.2) for _ in range(WORKERS)]:
            future.result()

    def show(self, page: int, zoom: float, until_s: float) -> Shown:
        started_s = time.perf_counter()
        data = self._want(page, zoom).result()
        took_s = time.perf_counter() - started_s
        following = page + (-1 if page < self._before else 1)
        if page != self._before and 0 <= following < self.page_count:
            self._want(following, 1.0)
        self._before = page
        self._shrink()
        return Shown(took_s, took_s, 1.0, len(data))

    def _want(self, page: int, zoom: float) -> Future[bytes]:
        future = self._kept.get((page, zoom))
        if future is None:
            future = self._kept[page, zoom] = self._pool.submit(_draw_in_worker, page, zoom)
            self._renders += 1
        self._kept.move_to_end((page, zoom))
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


def _fit(width_pt: float, height_pt: float, view_px: tuple[int, int]) -> float:
    return min(view_px[0] / width_pt, view_px[1] / height_pt)


def _jpeg(image: Any) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def _pymupdf(path: str, password: str | None, view_px: tuple[int, int]) -> tuple[Callable[[int, float], bytes], int]:
    import pymupdf
    from PIL import Image

    Image.preinit()
    pymupdf.TOOLS.mupdf_display_errors(False)
    document = pymupdf.open(path)
    if document.needs_pass:
        document.authenticate(password or "")

    def draw(page: int, zoom: float) -> bytes:
        sheet = document[page]
        scale = _fit(sheet.rect.width, sheet.rect.height, view_px) * zoom
        clip = None
        if zoom > 1.0:  # the part on the screen: the middle
            width, height = sheet.rect.width / zoom / 2, sheet.rect.height / zoom / 2
            x, y = sheet.rect.width / 2, sheet.rect.height / 2
            clip = pymupdf.Rect(x - width, y - height, x + width, y + height)
        pixmap = sheet.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False, clip=clip)
        return _jpeg(Image.frombuffer("RGB", (pixmap.width, pixmap.height), pixmap.samples_mv, "raw", "RGB", 0, 1))

    return draw, document.page_count


def _pdfium(path: str, password: str | None, view_px: tuple[int, int]) -> tuple[Callable[[int, float], bytes], int]:
    import pypdfium2

    document = pypdfium2.PdfDocument(path, password=password)

    def draw(page: int, zoom: float) -> bytes:
        sheet = document[page]
        width, height = sheet.get_size()
        crop = (0.0, 0.0, 0.0, 0.0)
        if zoom > 1.0:
            x, y = width * (1 - 1 / zoom) / 2, height * (1 - 1 / zoom) / 2
            crop = (x, y, x, y)
        image = sheet.render(scale=_fit(width, height, view_px) * zoom, crop=crop).to_pil()
        sheet.close()
        return _jpeg(image)

    return draw, len(document)


def _poppler(path: str, password: str | None, view_px: tuple[int, int]) -> tuple[Callable[[int, float], bytes], int]:
    import pdf2image

    count = pdf2image.pdfinfo_from_path(path, userpw=password or "")["Pages"]

    def draw(page: int, zoom: float) -> bytes:
        size = (None, round(view_px[1] * zoom))
        [image] = pdf2image.convert_from_path(
            path, first_page=page + 1, last_page=page + 1, size=size, fmt="jpeg", userpw=password or "", use_cropbox=True
        )
        return _jpeg(image)

    return draw, int(count)


_worker: dict[str, Any] = {}


def _open_in_worker(path: str, password: str | None, view_px: tuple[int, int]) -> None:
    _worker["draw"], _worker["count"] = _pymupdf(path, password, view_px)


def _count_in_worker() -> int:
    return int(_worker["count"])


def _draw_in_worker(page: int, zoom: float) -> bytes:
    data: bytes = _worker["draw"](page, zoom)
    return data


def _on_demand(library: Any, *, keep: bool) -> Callable[[str, str | None, Profile], OnDemand]:
    def open_it(path: str, password: str | None, profile: Profile) -> OnDemand:
        draw, count = library(path, password, profile.view_px)
        return OnDemand(draw, count, profile.memory_bytes if keep else 0)

    return open_it


PEERS: dict[str, Callable[[str, str | None, Profile], Any]] = {
    "sidebooks_core": Ours,
    "PyMuPDF": _on_demand(_pymupdf, keep=False),
    "PyMuPDF + LRU": _on_demand(_pymupdf, keep=True),
    "pypdfium2 + LRU": _on_demand(_pdfium, keep=True),
    "pdf2image + LRU": _on_demand(_poppler, keep=True),
    "next page in a pool + LRU": NextPageInPool,
}
