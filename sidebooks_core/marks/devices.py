"""How far each device has read the marks of a paper.

What decides whether a device begins anew is in the database alone, where all processes see it. How far it has read since is
written with a push, now and then: it says only which deleted marks can be forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import StorageDamaged
from sidebooks_core.marks.answers import MarkLimits
from sidebooks_core.marks.audiences import PageAudience, Shown
from sidebooks_core.marks.schema import next_seq
from sidebooks_core.marks.visibility import MarkReader

MOST_WAITING = 10_000
"""Readings that wait to be written. The oldest one of more is not: what is deleted is kept for longer then."""
WRITE_EVERY_S = 60.0
"""100 devices read after each stroke of a presenter."""
_Key = tuple[str, str, str]


class PaperReader(Struct, frozen=True, array_like=True):
    """Somebody whose devices have read a paper."""

    paper_id: str
    reader: str


class Beginning(Struct, frozen=True):
    """A device that needs everything."""

    paper_id: str
    reader: MarkReader
    device: str
    at_s: float


class _Baseline(Struct, frozen=True, array_like=True):
    whole: int
    """The number of the last answer that had everything."""
    rights: str


class _Progress(Struct, frozen=True):
    since: int
    at_s: float


class Devices:
    """Thread-safe, safe among processes."""

    def __init__(self, limits: MarkLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._waiting: dict[_Key, _Progress] = {}
        self._written_s = 0.0

    @property
    def has_news(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._waiting)

    def whole_of(self, reading: Reading, paper_id: str, reader: MarkReader, device: str) -> int | None:
        """The number of the answer with everything that a device must have had: who asks from an older one needs it again.

        None: it is not known, or its reader may see other marks now; see `begin`. 0 if device or reader have no id.
        """
        if not (device and reader.id):
            return 0
        query = "SELECT whole, rights FROM mark_device WHERE paper = ? AND reader = ? AND device = ?"
        known = reading.one(_Baseline, query, paper_id, reader.id, device)
        return None if known is None or known.rights != _rights(reader) else known.whole

    def begin(self, writing: Writing, one: Beginning) -> int:
        """Remember what the reader of a device may see. Returns the number of the answer with everything.

        No device has that number, so if the answer is lost, the next question tells so. Of a reader's devices on a paper, those
        that have not read for the longest time are forgotten. Nothing is kept for a paper that was purged.
        """
        seq = next_seq(writing)
        writing.run(
            "INSERT OR REPLACE INTO mark_device (paper, reader, device, since, whole, rights, seen_s) "
            "SELECT id, ?2, ?3, ?4, ?4, ?5, ?6 FROM paper WHERE id = ?1",
            one.paper_id, one.reader.id, one.device, seq, _rights(one.reader), one.at_s,
        )  # fmt: skip
        writing.run(
            "DELETE FROM mark_device WHERE paper = ?1 AND reader = ?2 AND device IN (SELECT device FROM mark_device "
            "WHERE paper = ?1 AND reader = ?2 AND device != ?3 ORDER BY seen_s DESC LIMIT -1 OFFSET ?4)",
            one.paper_id, one.reader.id, one.device, self._limits.devices - 1,
        )  # fmt: skip
        return seq

    def note(self, paper_id: str, reader: MarkReader, device: str, seq: int, now_s: float) -> None:
        """A device has read up to a number."""
        if not (device and reader.id):
            return
        with self._lock:
            self._waiting.pop((paper_id, reader.id, device), None)
            self._waiting[paper_id, reader.id, device] = _Progress(seq, now_s)
            if len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]

    @staticmethod
    def readers(reading: Reading) -> list[PaperReader]:
        """Those for whose devices deleted marks are kept."""
        query = "SELECT DISTINCT paper, reader FROM mark_device WHERE paper IN (SELECT paper FROM mark WHERE body IS NULL)"
        return reading.all(PaperReader, query)

    @staticmethod
    def forget(writing: Writing, some: Sequence[PaperReader]) -> None:
        """The devices of some readers begin anew if they come again."""
        writing.run_each("DELETE FROM mark_device WHERE paper = ? AND reader = ?", [(one.paper_id, one.reader) for one in some])

    def write_if_due(self, writing: Writing, now_s: float) -> None:
        """Write what waits, unless that was done just now."""
        if self._waiting and abs(now_s - self._written_s) >= WRITE_EVERY_S:
            self.write(writing)
            self._written_s = now_s

    def write(self, writing: Writing) -> None:
        """Write what waits; but for devices that were forgotten."""
        with self._lock:
            taken = dict(self._waiting)
        writing.run_each(
            "UPDATE mark_device SET since = max(since, ?4), seen_s = max(seen_s, ?5) "
            "WHERE paper = ?1 AND reader = ?2 AND device = ?3",
            [(*key, one.since, one.at_s) for key, one in taken.items()],
        )
        with self._lock:
            for key, one in taken.items():
                if self._waiting.get(key) is one:
                    del self._waiting[key]


class ToldDevices:
    """What the devices that read a paper know is gone. Of each, the rights of its reader at its last whole reading count: who
    has other rights since begins anew.
    """

    def __init__(self, reading: Reading, paper_id: str) -> None:
        query = "SELECT reader, since, rights FROM mark_device WHERE paper = ?"
        self._devices = [(one.since, one.as_reader()) for one in reading.all(_Device, query, paper_id)]
        self._owners: dict[str, int] = {}
        for since, reader in self._devices:
            self._owners[reader.id] = min(since, self._owners.get(reader.id, since))
        self._audiences: dict[PageAudience, int | None] = {}

    def know(self, owner: str, seq: int, shown: Sequence[Shown]) -> bool:
        """Whether all that could see a mark know that it is gone.

        seq: of its deletion. shown: to whom it was shown, and until when.
        """
        return seq <= self._owners.get(owner, seq) and all(one.until <= self._known(one) for one in shown)

    def _known(self, shown: Shown) -> int:
        """The number up to which all devices of an audience have read; that of the end if it has none."""
        if shown.key not in self._audiences:
            found = [since for since, reader in self._devices if shown.includes(reader)]
            self._audiences[shown.key] = min(found, default=None)
        known = self._audiences[shown.key]
        return shown.until if known is None else known


class _Rights(Struct, frozen=True, array_like=True):
    """What somebody may see."""

    tends: bool
    meetings: list[str]
    chairs: list[str]
    pages: tuple[tuple[int, int], ...] | None


class _Device(Struct, frozen=True, array_like=True):
    reader: str
    since: int
    rights: str

    def as_reader(self) -> MarkReader:
        """Whoever had it, with the rights of then. Raises StorageDamaged."""
        try:
            told = _decode(self.rights)
        except msgspec.DecodeError as fault:
            raise StorageDamaged(f"the rights of a reader of marks are not what was written: {fault}") from fault
        return MarkReader(self.reader, told.tends, frozenset(told.meetings), frozenset(told.chairs), told.pages)


def _rights(reader: MarkReader) -> str:
    """What somebody may see, as text. Equal rights are equal texts."""
    meetings, chairs = sorted(reader.meetings | reader.chairs), sorted(reader.chairs)
    return msgspec.json.encode(_Rights(reader.tends, meetings, chairs, reader.pages)).decode()


_decode = msgspec.json.Decoder(_Rights).decode
