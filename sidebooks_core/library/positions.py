"""The positions of readers: the page at which each reader of a document left off."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sidebooks_core.keys import position_key
from sidebooks_core.library.facts import Facts

_pages = msgspec.msgpack.Decoder(Annotated[int, Meta(ge=0)])


class Positions:
    """Pages by document and reader's name; "" is the reader without a name. Thread-safe, and `save` waits for no disk."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def page_of(self, document_id: str, reader: str) -> int | None:
        """The page, from 0, that a reader read last; None if that is not known. The document may have fewer pages."""
        stored = self._facts.recall(position_key(document_id, reader))
        try:
            return None if stored is None else _pages.decode(stored)
        except msgspec.MsgspecError:
            return None  # another program wrote it

    def save(self, document_id: str, reader: str, page: int) -> None:
        """Save the page at which a reader is now. page: from 0."""
        data = msgspec.msgpack.encode(page)
        self._facts.keep(position_key(document_id, reader), data, document_id, lasts=True)
