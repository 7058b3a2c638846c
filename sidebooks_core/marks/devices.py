"""How far each device has read the marks of a paper.

It is written with a push, now and then. What is not written yet when a process ends has devices begin anew, and no more.
"""

from __future__ import annotations

import hashlib
import threading

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.marks.answers import MarkLimits
from sidebooks_core.marks.visibility import MarkReader

MOST_WAITING = 10_000
"""Readings that wait to be written. The oldest one of more is forgotten, and the device begins anew once."""
WRITE_EVERY_S = 60.0
"""100 devices read after each stroke of a presenter."""
_Key = tuple[str, str, str]


class _Baseline(Struct, frozen=True, array_like=True):
    since: int
    whole: int
    """The number of the last answer that had everything."""
    rights: str
    seen_s: float


class Read(Struct, frozen=True):
    """An answer to a device."""

    seq: int
    is_whole: bool
    at_s: float


class Devices:
    """Thread-safe."""

    def __init__(self, limits: MarkLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: dict[_Key, _Baseline] = {}
        self._written_s = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._waiting)

    def begins_anew(self, reading: Reading, paper_id: str, reader: MarkReader, device: str, since: int) -> bool:
        """Whether a device needs everything: what its reader may see has changed since, or it has not had the answer with that.

        False if device or reader have no id.
        """
        if not (device and reader.id):
            return False
        known = self._find(reading, paper_id, reader, device)
        return known is None or known.rights != _rights(reader) or since < known.whole

    def note(self, reading: Reading, paper_id: str, reader: MarkReader, device: str, now: Read) -> None:
        """A device is answered."""
        if not (device and reader.id):
            return
        known = self._find(reading, paper_id, reader, device)
        whole = now.seq if now.is_whole or known is None else known.whole
        with self._lock:
            self._waiting[paper_id, reader.id, device] = _Baseline(now.seq, whole, _rights(reader), now.at_s)
            if len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    def write_if_due(self, writing: Writing, now_s: float) -> None:
        """Write what waits, unless that was done just now."""
        if self._waiting and abs(now_s - self._written_s) >= WRITE_EVERY_S:
            self.write(writing)
            self._written_s = now_s

    def write(self, writing: Writing) -> None:
        """Write what waits; but for papers that were purged."""
        with self._lock:
            taken = dict(self._waiting)
        for (paper_id, reader, device), one in taken.items():
            writing.run(
                "INSERT OR REPLACE INTO mark_device (paper, reader, device, since, whole, rights, seen_s) "
                "SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM paper WHERE id = ?1",
                paper_id, reader, device, one.since, one.whole, one.rights, one.seen_s,
            )  # fmt: skip
            writing.run(
                "DELETE FROM mark_device WHERE paper = ?1 AND reader = ?2 AND device IN (SELECT device FROM mark_device "
                "WHERE paper = ?1 AND reader = ?2 ORDER BY seen_s DESC LIMIT -1 OFFSET ?3)",
                paper_id, reader, self._limits.devices,
            )  # fmt: skip
        with self._lock:
            for key, one in taken.items():
                if self._waiting.get(key) is one:
                    del self._waiting[key]

    def _find(self, reading: Reading, paper_id: str, reader: MarkReader, device: str) -> _Baseline | None:
        with self._lock:
            known = self._waiting.get((paper_id, reader.id, device))
        if known is None:
            query = "SELECT since, whole, rights, seen_s FROM mark_device WHERE paper = ? AND reader = ? AND device = ?"
            known = reading.one(_Baseline, query, paper_id, reader.id, device)
        return known


def _rights(reader: MarkReader) -> str:
    """A digest of what somebody may see."""
    told = msgspec.json.encode((reader.tends, sorted(reader.meetings | reader.chairs), sorted(reader.chairs), reader.pages))
    return hashlib.sha256(told).hexdigest()[:16]
