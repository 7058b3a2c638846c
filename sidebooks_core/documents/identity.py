"""`content_id`: what a page draws, in 32 hexadecimal digits. Worker side.

Equal for pages that draw from the same content, in whatever document; different for pages that draw differently. Where
the first cannot be told within bounds, the second still holds: the page then counts as its document's alone.
docs/explanation/decisions/0002-page-content-id.md says what is digested, what is not, and how that is proved.
"""

from __future__ import annotations

from sidebooks_core.documents.engine import ENGINE_ERRORS, read_from
from sidebooks_core.documents.identity_objects import IdentityLimit, mupdf, pymupdf
from sidebooks_core.documents.identity_page import PdfPages
from sidebooks_core.documents.page_ids import own_page_id, page_id


class PageIdentifier:
    """The content ids of one open document's pages, as its layers are switched when each is first asked for."""

    def __init__(self, handle: pymupdf.Document, document_digest: str, kind: str) -> None:
        """`handle`: an open document, unlocked if it is encrypted.
        `document_digest`: of the document's bytes.
        `kind`: what the document was opened as; a PDF is known by its handle.
        """
        self._kind = kind
        self._document_digest = document_digest
        self._handle = handle
        self._ids: dict[int, str] = {}
        self._pages = PdfPages(handle) if handle.is_pdf and not handle.is_encrypted else None

    def content_id(self, index: int) -> str:
        """The id of a page, counted from 0: 32 lower-case hexadecimal digits. Never fails."""
        known = self._ids.get(index)
        if known is None:
            known = self._ids[index] = self._made(index)
        return known

    def _made(self, index: int) -> str:
        read_from(self._handle)
        if self._pages is not None:
            try:
                return page_id(b"drawing", self._pages.drawing(index))
            except (IdentityLimit, RecursionError, mupdf.FzErrorBase):
                pass  # what the page draws cannot be told: below
        if self._kind == "cbz":
            drawn = self._image_page(index)
            if drawn is not None:
                return page_id(b"image", drawn)
        return own_page_id(self._kind, self._document_digest, index)

    def _image_page(self, index: int) -> bytes | None:
        """The one image that a page of a comic book is, as it is compressed, and where it lies; None where it is none."""
        try:
            page = self._handle[index]
            blocks = page.get_text("dict", flags=pymupdf.TEXT_PRESERVE_IMAGES)["blocks"]
        except (*ENGINE_ERRORS, KeyError):
            return None  # a member that is no image: the page counts as its document's alone
        if len(blocks) != 1 or blocks[0]["type"] != 1 or not blocks[0]["image"]:
            return None
        [block] = blocks
        where = repr((tuple(page.rect), tuple(block["bbox"]), tuple(block["transform"]), block["ext"]))
        return where.encode() + b"\0" + bytes(block["image"])
