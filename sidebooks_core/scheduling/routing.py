"""Whether a visible job waits for a busy worker that holds its document, or goes to another worker, which must open it first.

Policy over plain values: no threads, no clock, no I/O. All times are in seconds.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from msgspec import Struct

LONGEST_WAIT_S = 0.2
"""A job waits at most so long for a worker, however long another needs to open the document: workers report that themselves."""
FRESH_S = 0.02
"""The first page that a worker draws of a document takes so much longer than the next: its fonts and glyphs are new to it."""
LAST_KNOWN = 4
"""The longest of so many last jobs of a kind tells how long the next one may take."""
DOCUMENTS_KNOWN = 256
"""Documents whose costs are remembered. Those that had no job for the longest time go first."""


class AtJob(Struct, frozen=True):
    """A busy worker that holds a document, or is opening it."""

    elapsed_s: float
    """Since it began its job."""
    expected_s: float | None
    """How long such a job takes. None: nothing is known of such jobs."""


def remaining_s(worker: AtJob) -> float:
    """How long a worker is likely to be busy. A job that takes longer than expected is taken to need as long again."""
    if worker.expected_s is None:
        return float("inf")
    return worker.expected_s - worker.elapsed_s if worker.elapsed_s < worker.expected_s else worker.elapsed_s


def patience_s(holders: Iterable[AtJob], opening_s: float, before_s: float = 0.0) -> float:
    """How long a visible job is to wait before it is looked at again. 0: another worker opens its document now.

    opening_s: how long another worker takes to open the document; 0: it is not known. before_s: work that a holder does before
    this job.

    It waits for the holder that is likely to be free first, if that is sooner than another's opening. A holder that takes
    longer than expected is waited for until it has been at its job for as long as opening takes.
    """
    opening_s = min(opening_s + FRESH_S, LONGEST_WAIT_S) if opening_s else 0.0
    first = min(holders, key=remaining_s, default=None)
    if first is None or first.expected_s is None or remaining_s(first) + before_s >= opening_s:
        return 0.0
    return max(first.expected_s, opening_s) - first.elapsed_s


class JobKind(Struct, frozen=True):
    """Jobs that are likely to take as long as each other, of one document."""

    name: str
    size: int = 0
    """Of the raster, as the binary logarithm of its pixels. 0: the job has no size."""


class Costs:
    """What the last jobs of some documents took, and how long it took to open these. Not thread-safe: the owner guards it."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, _OfDocument] = OrderedDict()

    def note(self, document: str, kind: JobKind, took_s: float) -> None:
        """A job was done by a worker that held its document, by the document's token."""
        self._known(document).took.setdefault(kind, deque(maxlen=LAST_KNOWN)).append(took_s)

    def note_opening(self, document: str, took_s: float) -> None:
        """A worker has opened a document, or done what the first job on a late page waits for."""
        self._known(document).opening.append(took_s)

    def expected_s(self, document: str, kind: JobKind) -> float | None:
        """The longest of the last jobs of this kind; of the next larger size if there was none. None: there was none at all."""
        known = self._of.get(document)
        alike = [] if known is None else [one for one in known.took if one.name == kind.name and one.size >= kind.size]
        if known is None or not alike:
            return None
        return max(known.took[min(alike, key=lambda one: one.size)])

    def opening_s(self, document: str) -> float:
        """The longest of the last openings. 0 if none is known."""
        known = self._of.get(document)
        return max(known.opening, default=0.0) if known is not None else 0.0

    def _known(self, document: str) -> _OfDocument:
        known = self._of.setdefault(document, _OfDocument({}, deque(maxlen=LAST_KNOWN)))
        self._of.move_to_end(document)
        if len(self._of) > DOCUMENTS_KNOWN:
            self._of.popitem(last=False)
        return known


class _OfDocument(Struct):
    took: dict[JobKind, deque[float]]
    opening: deque[float]
