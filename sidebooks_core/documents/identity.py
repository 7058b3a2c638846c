"""`content_id`: what a page draws, in 32 hexadecimal digits. Worker side.

Equal for pages that draw from the same content, in whatever document; different for pages that draw differently. Where
the first cannot be told within bounds, the second still holds: the page then counts as its document's alone.
docs/explanation/decisions/0002-page-content-id.md says what is digested, what is not, and how that is proved.
"""

from __future__ import annotations

from hashlib import blake2b

from sidebooks_core.documents.identity_objects import IdentityLimit, mupdf, pymupdf
from sidebooks_core.documents.identity_page import PdfPages
from sidebooks_core.documents.model import CONTENT_ID_VERSION

_PERSON = b"sidebooks-%d" % CONTENT_ID_VERSION


class PageIdentifier:
    """The content ids of one open document's pages, as its layers are switched when each is first asked for."""

    def __init__(self, handle: pymupdf.Document, document_digest: str, kind: str) -> None:
        """`handle`: an open document, unlocked if it is encrypted.
        `document_digest`: of the document's bytes.
        `kind`: what the document was opened as; a PDF is known by its handle.
        """
        self._scope = f"{kind}\0{document_digest}".encode()
        self._ids: dict[int, str] = {}
        self._pages = PdfPages(handle) if handle.is_pdf and not handle.is_encrypted else None

    def content_id(self, index: int) -> str:
        """The id of a page, counted from 0: 32 lower-case hexadecimal digits. Never fails."""
        known = self._ids.get(index)
        if known is None:
            known = self._ids[index] = self._made(index)
        return known

    def _made(self, index: int) -> str:
        if self._pages is not None:
            try:
                return _digest(b"drawing", self._pages.drawing(index))
            except (IdentityLimit, RecursionError, mupdf.FzErrorBase):
                pass  # what the page draws cannot be told: below
        return _digest(b"document", self._scope + b"\0%d" % index)


def _digest(domain: bytes, data: bytes) -> str:
    return blake2b(domain + b"\0" + data, digest_size=16, person=_PERSON).hexdigest()
