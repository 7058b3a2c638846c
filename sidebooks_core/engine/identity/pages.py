"""The content id of a page: all that it draws, in 32 hexadecimal digits. Worker side.

Pages that draw from the same content have equal ids, in whatever document. Pages that draw differently have different ids. If
the content cannot be told within bounds, the second rule still holds: the id is then unique to the document.
docs/explanation/decisions/0002-page-content-id.md says what is digested, what is not, and how that is tested.
"""

from __future__ import annotations

from sidebooks_core.documents.page_ids import own_page_id, page_id
from sidebooks_core.engine.identity.objects import IdentityLimit
from sidebooks_core.engine.identity.page import PdfPages
from sidebooks_core.engine.mupdf import EngineDocument, is_pdf, mupdf
from sidebooks_core.engine.sequence import PageSequence
from sidebooks_core.engine.store import read_from


class PageIdentifier:
    """The content ids of the pages of one open document, with its layers as they are when an id is first asked for."""

    def __init__(self, document: EngineDocument, document_digest: str, kind: str) -> None:
        """document: open; unlocked, if it is encrypted.

        document_digest: of the document's bytes. kind: the kind of file. A PDF is recognised by `document` itself.
        """
        self._kind = kind
        self._document_digest = document_digest
        self._document = document
        self._ids: dict[int, str] = {}
        self._pages = PdfPages(document) if is_pdf(document) and not document.is_encrypted else None

    def content_id(self, index: int) -> str:
        """The id of a page, counted from 0: 32 lower-case hexadecimal digits. Never fails."""
        known = self._ids.get(index)
        if known is None:
            known = self._ids[index] = self._made(index)
        return known

    def _made(self, index: int) -> str:
        read_from(self._document)
        if self._pages is not None:
            try:
                return page_id(b"drawing", self._pages.drawing(index))
            except (IdentityLimit, RecursionError, mupdf.FzErrorBase):
                pass  # what the page draws cannot be told: see below
        if self._kind == "cbz":
            drawn = self._image_page(index)
            if drawn is not None:
                return page_id(b"image", drawn)
        return own_page_id(self._kind, self._document_digest, index)

    def _image_page(self, index: int) -> bytes | None:
        """The image file of a page of a comic; None if it cannot be read, and then the id is unique to the document."""
        return self._document.drawn(index) if isinstance(self._document, PageSequence) else None
