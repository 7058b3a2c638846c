"""How far the previews around a reader's page fit into memory: a pure rule. The owner guards it."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.scheduling.prefetch import PREVIEWS_AHEAD
from sidebooks_core.stores.memory import RECORD_OVERHEAD_BYTES

SHARE = 0.9
"""So much of a reader's part of the memory for previews is filled: records differ in size."""
SPARE = 0.05
"""Of the memory for previews, so much is evicted before any that lie near a reader's page are: others are older."""


class PreviewRoom(Struct):
    """The memory for previews, and the size of those that were seen.

    Without this rule a long document would have all its pages drawn, and the previews of far pages would evict those of near
    ones.
    """

    budget_bytes: int
    seen: int = 0
    seen_bytes: int = 0

    def see(self, size_bytes: int) -> None:
        """A preview has so many bytes."""
        self.seen += 1
        self.seen_bytes += size_bytes + RECORD_OVERHEAD_BYTES

    @property
    def most(self) -> int | None:
        """The number of previews of the mean size that fit; None while none was seen."""
        return int(SHARE * self.budget_bytes * self.seen / self.seen_bytes) if self.seen else None

    def reaches(self, page: int, position: int, page_count: int) -> bool:
        """Whether the preview of `page` fits beside those of the pages that come before it in the order of previews, which
        goes outwards from `position`: of `PREVIEWS_AHEAD` + 1 pages all but one lie in the direction of reading.
        """
        most = self.most
        return most is None or page_count <= most or abs(page - position) <= most * PREVIEWS_AHEAD // (PREVIEWS_AHEAD + 1)
