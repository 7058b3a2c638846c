"""Suspects: documents that cost a worker. Their pages that nobody looks at get one worker at a time. Plain data; the owner
guards it.
"""

from __future__ import annotations

from collections.abc import Collection

SUSPECT_S = 600.0
"""A document is suspect for this time after it cost a worker. The other workers stay free for other documents meanwhile. Pages
that somebody looks at do not wait, since most pages of the document may be sound."""
SUSPECTS = 256
"""The most documents that are remembered; the oldest go first. A document that costs workers is rare."""


class Suspects:
    """Documents by their tokens. Times are of `time.monotonic`, in seconds."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._at_work: set[str] = set()

    def watch(self, document: str, now_s: float) -> None:
        """A document cost a worker."""
        self._until_s.pop(document, None)
        while len(self._until_s) >= SUSPECTS:
            self._until_s.pop(next(iter(self._until_s)))
        self._until_s[document] = now_s + SUSPECT_S

    def includes(self, document: str, now_s: float) -> bool:
        """Whether a document is suspect now."""
        return self._until_s.get(document, 0.0) > now_s

    def begin(self, document: str, now_s: float) -> None:
        """A worker begins a job of a document."""
        if self.includes(document, now_s):
            self._at_work.add(document)

    def end(self, document: str) -> bool:
        """A worker has ended a job of a document. Returns whether another job of the document may begin now."""
        if document not in self._at_work:
            return False
        self._at_work.discard(document)
        return True

    @property
    def at_work(self) -> Collection[str]:
        """The suspect documents that occupy their one worker."""
        return self._at_work
