"""Marks that somebody sees, of which no body is read before it is needed: decoded ink takes 14 times its memory."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.marks.placing import PlacedMark
from sidebooks_core.marks.store import MarkStore
from sidebooks_core.marks.visibility import MarkReader

READ_AT_ONCE = 100
"""Marks whose bodies are read in one step."""


class SeenMarks(Struct, frozen=True):
    """Of one paper."""

    paper_id: str
    reader: MarkReader
    placed: list[PlacedMark]
    """Without bodies and quotes: see `MarkStore.outlines`."""

    def marks(self, store: MarkStore) -> Iterator[PlacedMark]:
        """With their bodies. What was deleted meanwhile, or is not seen any more, is left out. Raises StorageError."""
        for start in range(0, len(self.placed), READ_AT_ONCE):
            some = self.placed[start : start + READ_AT_ONCE]
            found = store.marks(self.paper_id, self.reader, [one.mark.id for one in some])
            yield from (replace(one, mark=found[one.mark.id]) for one in some if one.mark.id in found)
