"""How content ids are made of what they digest, and those of pages that are not looked into. Without the engine."""

from __future__ import annotations

from hashlib import blake2b

from sidebooks_core.documents.model import CONTENT_ID_VERSION

LOOKED_INTO_KINDS = frozenset({"pdf", "cbz"})
"""Kinds whose pages may be those of another document too: a worker finds out. A page of all others is its document's alone."""
_PERSON = b"sidebooks-%d" % CONTENT_ID_VERSION


def page_id(domain: bytes, data: bytes) -> str:
    """32 lower-case hexadecimal digits; no two domains share one."""
    return blake2b(domain + b"\0" + data, digest_size=16, person=_PERSON).hexdigest()


def own_page_id(kind: str, document_digest: str, index: int) -> str:
    """The id of a page that counts as its document's alone, counted from 0. `kind`: what the document was opened as."""
    return page_id(b"document", f"{kind}\0{document_digest}\0{index}".encode())
