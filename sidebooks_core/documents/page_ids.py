"""Makes content ids from what they digest, and for pages that are not looked into. In any process."""

from __future__ import annotations

from hashlib import blake2b

from sidebooks_core.documents.model import CONTENT_ID_VERSION

LOOKED_INTO_KINDS = frozenset({"pdf", "cbz"})
"""Kinds whose pages may be equal to pages of other documents: a worker finds out. Pages of other kinds are unique to their
document."""
_PERSON = b"sidebooks-%d" % CONTENT_ID_VERSION


def page_id(domain: bytes, data: bytes) -> str:
    """32 lower-case hexadecimal digits. Different domains never have an id in common."""
    return blake2b(domain + b"\0" + data, digest_size=16, person=_PERSON).hexdigest()


def own_page_id(kind: str, document_digest: str, index: int) -> str:
    """The id of a page that is unique to its document. index: from 0. kind: the kind of file."""
    return page_id(b"document", f"{kind}\0{document_digest}\0{index}".encode())
