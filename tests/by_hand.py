"""Workers whose jobs a test does itself, one step at a time, and leases that another process holds until the test lets go."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import sidebooks_core as sb
from sidebooks_core.encoding.encode import encode
from sidebooks_core.encoding.tileset import PackedTile, pack
from sidebooks_core.errors import SidebooksError
from sidebooks_core.images.work import Flight
from sidebooks_core.stores.memory import MemoryStore
from sidebooks_core.stores.record import Record
from sidebooks_core.testing import FakeDocument, FakePage
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.answers import Drawn
from sidebooks_core.workers.jobs import Draw, Identify, Open

WAIT_S = 20.0


class Worker:
    """A thread that takes jobs when it is told to, from a dispatcher or from the source of a pool's jobs."""

    def __init__(self, source: Any, *held: str, is_spare: bool = False, can_help: bool = False) -> None:
        self.held = set(held)
        self._can_help = can_help
        self.flight: Flight | None = None
        self._source = source
        self._is_spare = is_spare
        self._follow_ups: Sequence[Flight] = ()
        self._taken: list[Flight | None] = []
        self._thread: threading.Thread | None = None

    def begins_to_take(self) -> Worker:
        """From now on it waits for a job."""
        assert self._thread is None
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()
        return self

    def takes(self, within_s: float = WAIT_S) -> Flight:
        """The job that it gets."""
        taken = self.takes_at_most(within_s)
        assert taken is not None, "nothing was there to take"
        return taken

    def takes_at_most(self, within_s: float) -> Flight | None:
        """The job that it gets within a time; it waits on if there is none, unless the source is closed."""
        if self._thread is None:
            self.begins_to_take()
        assert self._thread is not None
        self._thread.join(within_s)
        if self._thread.is_alive():
            return None
        self._thread = None
        self.flight = self._taken.pop()
        return self.flight

    @property
    def waits(self) -> bool:
        """Whether it still waits for a job."""
        return self._thread is not None and self._thread.is_alive()

    def shows(self, answer: object = None, error: SidebooksError | None = None) -> None:
        """The first part of its answer."""
        assert self.flight is not None
        self._source.told_first(self.flight, answer, error)

    def is_slow(self) -> None:
        """What it draws takes long."""
        self._source.slow(self.flight)

    def lingers(self) -> None:
        """The second part of its answer takes long."""
        self._source.lingers(self.flight)

    def ages(self, interrupt: Callable[[], None]) -> None:
        """Its job takes very long."""
        self._source.aged(self.flight, interrupt)

    def ends(
        self, answer: object = None, error: SidebooksError | None = None, *, has_lost_worker: bool = False
    ) -> list[Flight]:
        """Its job is over; what follows is entered when it takes the next one."""
        assert self.flight is not None
        self.held.add(self.flight.document)
        flight, self.flight = self.flight, None
        self._follow_ups = self._source.landed(flight, answer, error, has_lost_worker=has_lost_worker)
        return list(self._follow_ups)

    def _take(self) -> None:
        follow_ups, self._follow_ups = self._follow_ups, ()
        self._taken.append(self._source.take(self.held, follow_ups, is_spare=self._is_spare, can_help=self._can_help))


class Hands:
    """A pool without workers: the test makes them, and does their jobs.

    `sb.TileService(settings, pool=hands.pool)`, then `hands.worker()`.
    """

    def __init__(self) -> None:
        self.deaths = 0
        self.source: Any = None

    def pool(self, source: Any, workers: int) -> Hands:
        self.source = source
        return self

    def worker(self, *held: str, is_spare: bool = False) -> Worker:
        return Worker(self.source, *held, is_spare=is_spare)

    def process_ids(self) -> list[int]:
        return []

    def close(self) -> None:
        assert self.source is not None


class FakeLeases:
    """Leases of which another process holds some until the test lets go of them."""

    def __init__(self, *held_elsewhere: str, all_held: bool = False) -> None:
        self.held_elsewhere = set(held_elsewhere)
        self.all_held = all_held
        self.held: list[str] = []
        self.acquired = 0
        self.waiting: list[tuple[str, Callable[[bool], None], float]] = []
        self.marks: dict[str, int] = {}

    def try_acquire(self, key: str) -> FakeLease | None:
        if self.all_held or key in self.held_elsewhere:
            return None
        self.acquired += 1
        self.held.append(key)
        return FakeLease(self, key)

    def wait(self, key: str, callback: Callable[[bool], None], most_s: float) -> None:
        self.waiting.append((key, callback, most_s))

    def advance(self, key: str) -> None:
        self.marks[key] = self.mark(key) + 1

    def mark(self, key: str) -> int:
        return self.marks.get(key, 0)

    def let_go(self, is_free: bool = True) -> None:
        """The other process lets go of everything, or is waited for in vain."""
        if is_free:
            self.all_held = False
            self.held_elsewhere.clear()
        waiting, self.waiting = self.waiting, []
        for key, callback, _ in waiting:
            self.marks[key] = self.mark(key) + is_free
            callback(is_free)


class FakeLease:
    def __init__(self, leases: FakeLeases, key: str) -> None:
        self._leases = leases
        self._key: str | None = key

    def release(self) -> None:
        key, self._key = self._key, None
        if key is not None:
            self._leases.held.remove(key)
            self._leases.marks[key] = self._leases.mark(key) + 1


class LeasingStore(MemoryStore):
    """A store below the memory, with leases. It counts what it is asked, and writes nothing in a `with store.slowly` block."""

    def __init__(self, leases: FakeLeases | None = None) -> None:
        super().__init__(64 << 20, 0)
        self.lent = leases or FakeLeases()
        self.looked_for: list[str] = []
        self.puts = 0
        self.slowly = threading.Lock()

    def get(self, key: str) -> Record | None:
        self.looked_for.append(key)
        return super().get(key)

    def put(self, key: str, record: Record) -> None:
        with self.slowly:
            super().put(key, record)
            self.puts += 1

    def leases(self) -> FakeLeases:
        return self.lent


def opened(service: sb.TileService, hands: Hands, document: FakeDocument, worker: Worker | None = None) -> sb.Document:
    """Open a document by hand."""
    worker = worker or hands.worker()
    found: list[sb.Document] = []
    thread = threading.Thread(target=lambda: found.append(service.open(document.to_bytes())))
    thread.start()
    flight = worker.takes()
    assert isinstance(flight.work.job, Open)
    worker.ends(document.info)
    thread.join(WAIT_S)
    return found[0]


def record_of(spec: RasterSpec, page: FakePage | None = None) -> bytes:
    """A record of one tile: of a page, or of one that is white."""
    encoded = encode((page or FakePage()).pixels(spec), "png", 85)
    tile = PackedTile(encoded.data, encoded.media_type, spec.x1_px - spec.x0_px, spec.y1_px - spec.y0_px)
    return pack([tile], columns=1)


def drawn(flight: Flight, page: FakePage | None = None) -> Drawn:
    """The answer to a drawing: of a page, or of one that is white."""
    job = flight.work.job
    assert isinstance(job, Draw)
    return Drawn(record_of(job.spec, page), 0.01, 0.0)


def identified(flight: Flight, document: FakeDocument) -> tuple[str, ...]:
    """The answer to an identification, also to that which follows a drawing."""
    job = flight.work.job
    identify = job.then if isinstance(job, Draw) else job
    assert isinstance(identify, Identify)
    return tuple(page.content_id for page in document.pages[identify.page : identify.stop])
