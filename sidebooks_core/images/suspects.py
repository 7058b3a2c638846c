"""Suspects: documents that cost a worker. Their pages that nobody looks at get one worker at a time. Plain data; the owner
guards it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

SUSPECT_S = 600.0
"""A document is suspect for this time after it cost a worker. The other workers stay free for other documents meanwhile. Pages
that somebody looks at do not wait, since most pages of the document may be sound."""
SUSPECTS = 256
"""The most documents that are remembered; the oldest go first. A document that costs workers is rare."""


class Suspects:
    """Documents by their tokens. Times are of `time.monotonic`, in seconds."""

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._at_work: dict[Hashable, str] = {}
        """The documents of the jobs under way, as far as they were suspect when the job began."""

    def watch(self, document: str, now_s: float) -> None:
        """A document cost a worker."""
        self._until_s.pop(document, None)
        while len(self._until_s) >= SUSPECTS:
            self._until_s.pop(next(iter(self._until_s)))
        self._until_s[document] = now_s + SUSPECT_S

    def includes(self, document: str, now_s: float) -> bool:
        """Whether a document is suspect now."""
        return self._until_s.get(document, 0.0) > now_s

    def all(self, now_s: float) -> list[str]:
        """The documents that are suspect now."""
        return [document for document in self._until_s if self.includes(document, now_s)]

    def begin(self, job: Hashable, document: str, now_s: float) -> None:
        """A worker begins a job of a document."""
        if self.includes(document, now_s):
            self._at_work[job] = document

    def end(self, job: Hashable) -> bool:
        """A worker has ended a job. Returns whether another job of its document may begin now."""
        return self._at_work.pop(job, None) is not None

    def at_work(self) -> Collection[str]:
        """The suspect documents that occupy their one worker."""
        return set(self._at_work.values()) if self._at_work else ()
