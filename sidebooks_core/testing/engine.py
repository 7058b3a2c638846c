"""An engine for tests: it draws `FakeDocument`s in threads, and does what it is told to on the way."""

from __future__ import annotations

import math
import os
import struct
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from msgspec import Struct

from sidebooks_core.documents.model import Lettering, PackedStream, PackedText, PageInspection, SearchHit
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.encoding.cutting import record_of
from sidebooks_core.errors import DamagedDocument, PageNotFound, PasswordRequired, RenderFailed, RequestError, SidebooksError
from sidebooks_core.testing.documents import FakeDocument, FakePage
from sidebooks_core.testing.threads import Task, ThreadWorkers, WorkerLost
from sidebooks_core.workers.answers import Drawn, Inspected, Searched
from sidebooks_core.workers.exchange import SLOW_DRAFT_S, Flight
from sidebooks_core.workers.jobs import (
    Annotate,
    AnyJob,
    Draw,
    DrawBands,
    DrawLetters,
    EncodeBands,
    Hold,
    Identify,
    Inspect,
    Job,
    Open,
    ReadAnnotations,
    ReadLinks,
    ReadText,
    ReadWords,
    Search,
    page_of,
)
from sidebooks_core.workers.pool import JobSource
from sidebooks_core.workers.process import NOTED_S

F = TypeVar("F", bound=Flight)

WAIT_S = 30.0
"""What a test waits for comes within this, or the test fails."""


class Begun(Struct, frozen=True):
    """A job that a worker began."""

    worker: int
    """The worker's number, from 0. One that was lost is replaced by one of another number."""
    job: AnyJob

    @property
    def kind(self) -> str:
        """The name of the job's type: "Open", "Draw", "Identify" and so on."""
        return type(self.job).__name__


class Rule:
    """What is done at certain jobs, from when it is made until `end`, or the end of a `with` block."""

    def __init__(self, kind: type[Job[object]], page: int | None, most: float, do: Callable[[Task], object]) -> None:
        self._kind = kind
        self._page = page
        self._left = most
        self._do = do

    def applies(self, job: AnyJob) -> bool:
        """Whether it is for this job; then it counts as used."""
        if self._left <= 0 or not isinstance(job, self._kind) or self._page not in (None, page_of(job)):
            return False
        self._left -= 1
        return True

    def answer(self, task: Task) -> object:
        """An answer instead of the engine's; None: none."""
        return self._do(task)

    def end(self) -> None:
        """It applies to no further jobs."""
        self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.end()


class Held(Rule):
    """Jobs that wait, each with its worker, until they are released."""

    def __init__(self, kind: type[Job[object]], page: int | None, changed: threading.Condition) -> None:
        super().__init__(kind, page, math.inf, self._hold)
        self._changed = changed
        self._begun = 0
        self._is_released = False

    def wait_begun(self, count: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until so many jobs are held, or were. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._begun >= count, timeout_s):
                raise TimeoutError(f"{self._begun} jobs were begun within {timeout_s} s, not {count}")

    def release(self) -> None:
        """Let all go on; no further ones are held."""
        super().end()
        with self._changed:
            self._is_released = True
            self._changed.notify_all()

    def end(self) -> None:
        """The same as `release`."""
        self.release()

    def _hold(self, task: Task) -> None:
        with self._changed:
            self._begun += 1
            self._changed.notify_all()
        task.wait_for(lambda: self._is_released)


class FakeEngine:
    """Answers a service's jobs in the place of its worker processes, about each `FakeDocument`. Thread-safe.

    `TileService(settings, pool=engine.pool)` has threads for workers. One engine may serve several services.
    """

    def __init__(self, *, slow_s: float = SLOW_DRAFT_S, aged_s: float = NOTED_S) -> None:
        """slow_s: after so long a page that is drawn before it is identified counts as slow, in seconds; another worker finds
        out then whether it is stored. aged_s: after so long a job that nobody wants any more gives way.
        """
        self._slow_s = slow_s
        self._aged_s = aged_s
        self._changed = threading.Condition()
        self._begun: list[Begun] = []
        self._rules: list[Rule] = []

    def pool(self, source: JobSource[F], workers: int) -> ThreadWorkers[F]:
        """The workers of a service."""
        return ThreadWorkers(source, workers, self._answer, changed=self._changed, slow_s=self._slow_s, aged_s=self._aged_s)

    def on(
        self, kind: type[Job[object]], do: Callable[[Task], object], *, page: int | None = None, times: int | None = None
    ) -> Rule:
        """Do something at the beginning of jobs of a type, by the worker's thread.

        do: its result is the job's answer instead of the engine's, unless None. It may raise SidebooksError or WorkerLost.
        page: only for that page, from 0. times: only for the next so many jobs. Later rules come before earlier ones.
        """
        rule = Rule(kind, page, math.inf if times is None else times, do)
        self._add(rule)
        return rule

    def hold(self, kind: type[Job[object]], *, page: int | None = None) -> Held:
        """Have jobs of a type wait, each with its worker, until they are released."""
        held = Held(kind, page, self._changed)
        self._add(held)
        return held

    def fail(
        self, kind: type[Job[object]], error: SidebooksError, *, page: int | None = None, times: int | None = None
    ) -> Rule:
        """Have jobs of a type end with an error. page, times: as for `on`."""
        return self.on(kind, partial(_raise, error), page=page, times=times)

    def lose_worker(self, kind: type[Job[object]], *, page: int | None = None, times: int | None = None) -> Rule:
        """Have jobs of a type cost their workers. page, times: as for `on`."""
        return self.on(kind, partial(_raise, WorkerLost()), page=page, times=times)

    @property
    def begun(self) -> tuple[Begun, ...]:
        """All jobs so far, in the order in which they were begun; the two parts of a `Draw` count as two."""
        with self._changed:
            return tuple(self._begun)

    def kinds_by_worker(self) -> dict[int, list[str]]:
        """The same as names of job types, by worker."""
        kinds: dict[int, list[str]] = {}
        for one in self.begun:
            kinds.setdefault(one.worker, []).append(one.kind)
        return kinds

    def count(self, kind: type[Job[object]], page: int | None = None) -> int:
        """How many jobs of a type were begun so far; page: about that page, from 0."""
        return sum(isinstance(one.job, kind) and page in (None, page_of(one.job)) for one in self.begun)

    def wait_begun(self, kind: type[Job[object]], count: int = 1, timeout_s: float = WAIT_S) -> None:
        """Wait until so many jobs of a type were begun. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(kind) >= count, timeout_s):
                raise TimeoutError(f"{self.count(kind)} jobs were begun within {timeout_s} s, not {count}")

    def _add(self, rule: Rule) -> None:
        with self._changed:
            self._rules.insert(0, rule)

    def _answer(self, task: Task) -> object:
        with self._changed:
            self._begun.append(Begun(task.worker, task.job))
            self._changed.notify_all()
            rules = [rule for rule in self._rules if rule.applies(task.job)]
        for rule in rules:
            told = rule.answer(task)
            if told is not None:
                return told
        if isinstance(task.job, DrawLetters):
            return _lettering(task.job)
        if isinstance(task.job, DrawBands | EncodeBands | Hold):
            raise RequestError("a worker of a fake engine takes no part in the work of another")
        if isinstance(task.job, Annotate | ReadAnnotations):
            raise RequestError("a fake engine knows no annotations: use a real one")
        document = _opened(task.job.document, task.data)
        return _answered(task, task.job, document)


def _answered(
    task: Task, job: Open | Identify | Search | Draw | ReadWords | ReadText | ReadLinks | Inspect, document: FakeDocument
) -> object:
    match job:
        case Open():
            return document.info
        case Identify():
            return tuple(page.content_id for page in document.pages[job.page : job.stop])
        case Search():
            return _searched(document, job)
    if not 0 <= job.page < len(document.pages):
        raise PageNotFound(f"{job.document.name} has no page {job.page + 1}: it has {len(document.pages)}")
    page = document.pages[job.page]
    match job:
        case Draw():
            return _drawn(task, page, job)
        case ReadWords():
            return page.words
        case ReadText():
            return _packed(page)
        case ReadLinks():
            return page.links
        case Inspect():
            started_s = time.perf_counter()
            task.pause(page.draw_s)
            return Inspected(PageInspection(job.page, problems=page.problems), time.perf_counter() - started_s)


def _lettering(job: DrawLetters) -> Lettering:
    """Each character is a bar, whose height says which it is; the lines stand one below another."""
    width_px, height_px = job.size_px * max(map(len, job.lines)), job.size_px * len(job.lines)
    ink = np.zeros((height_px, width_px), np.uint8)
    for row, line in enumerate(job.lines):
        for column, character in enumerate(line):
            tall_px = 1 + job.size_px // 2 + ord(character) * 7 % (job.size_px // 2)
            top_px, left_px = row * job.size_px, column * job.size_px
            ink[top_px : top_px + tall_px, left_px : left_px + job.size_px // 2] = 255
    return Lettering(width_px, height_px, ink.tobytes())


def _packed(page: FakePage) -> PackedText:
    """Each word is a line, with the word's box for each of its characters."""
    text, boxes, lines = "", b"", b""
    for number, word in enumerate(page.words):
        box = struct.pack("<4i", *(round(16 * one) for one in (word.x0_pt, word.y0_pt, word.x1_pt, word.y1_pt)))
        text += word.text + "\n"
        boxes += box * (len(word.text) + 1)
        lines += struct.pack("<i", number) * (len(word.text) + 1)
    return PackedText(PackedStream(text, boxes, lines), None)


def _drawn(task: Task, page: FakePage, job: Draw) -> Drawn:
    started_s = time.perf_counter()
    if page.is_killer:
        raise WorkerLost
    task.pause(page.draw_s)
    if page.error:
        raise RenderFailed(page.error)
    spec = job.spec
    pixels = page.pixels(spec)
    drawn_s = time.perf_counter()
    record = record_of(pixels, spec.tile_px, job.image_format, job.quality, page.problems)
    return Drawn(record, drawn_s - started_s, time.perf_counter() - drawn_s)


def _searched(document: FakeDocument, job: Search) -> Searched:
    hits = [
        SearchHit(number, ((word.x0_pt, word.y0_pt, word.x1_pt, word.y1_pt),), " ".join(one.text for one in page.words))
        for number, page in enumerate(document.pages[job.page : job.stop], job.page)
        for word in page.words
        if job.query.casefold() in word.text.casefold()
    ]
    return Searched(tuple(hits), job.stop)


def _opened(ref: DocumentRef, data: bytes | None) -> FakeDocument:
    """Raises UnsupportedDocument, DamagedDocument, PasswordRequired."""
    if data is None:
        assert ref.path is not None
        path = Path(os.fsdecode(ref.path))
        try:
            state = path.stat()
            data = path.read_bytes()
        except OSError as error:
            raise DamagedDocument(f"{ref.name} cannot be opened any more: {error.strerror}") from error
        if ref.file_state not in (None, (state.st_ino, state.st_size, state.st_mtime_ns)):
            raise DamagedDocument(f"{ref.name} changed on disk since it was opened: open it again")
    document = FakeDocument.of_bytes(data, ref.name)
    if document.password != ref.password and document.password is not None:
        raise PasswordRequired(f"{ref.name} needs another password")
    return document


def _raise(error: Exception, _task: Task) -> None:
    raise error
