"""Documents that cost workers: what nobody looks at of them gets one worker at a time. Plain data; its owner guards it."""

from __future__ import annotations

from collections.abc import Collection

SUSPECT_S = 600.0
"""So long after a document cost a worker: the others stay free for other documents meanwhile. What somebody looks at does not
wait, since most of its pages may be sound."""
SUSPECTS = 256
"""Documents remembered at most, the newest. A document that costs workers is rare."""


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
        """Whether it cost a worker a short time ago."""
        return self._until_s.get(document, 0.0) > now_s

    def begin(self, document: str, now_s: float) -> None:
        """A worker begins something of a document."""
        if self.includes(document, now_s):
            self._at_work.add(document)

    def end(self, document: str) -> bool:
        """A worker is done with something of a document. Whether more of it may begin now."""
        if document not in self._at_work:
            return False
        self._at_work.discard(document)
        return True

    @property
    def at_work(self) -> Collection[str]:
        """Those that have their one worker."""
        return self._at_work
