"""Turns the engine's errors into errors of this package. Worker side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sidebooks_core.engine.messages import take_warnings
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, printable
from sidebooks_core.errors import DamagedDocument, DocumentError, RenderFailed, SidebooksError, UnsupportedDocument


@contextmanager
def page_errors(name: str, page: int, doing: str) -> Iterator[None]:
    """Raise the engine's errors as RenderFailed, with the names of the document and the page. doing: a past participle for the
    message.
    """
    try:
        yield
    except SidebooksError:
        raise
    except ENGINE_ERRORS as error:
        reason = printable(str(error))
        raise RenderFailed(f"{name}, page {page + 1}: cannot be {doing} ({reason})", page=page) from None


@contextmanager
def file_errors(name: str, page: int) -> Iterator[None]:
    """Raise the error of a page that is a file of its own, and cannot be opened, as RenderFailed."""
    try:
        yield
    except DocumentError as error:
        raise RenderFailed(f"{name}, page {page + 1}: {error}", page=page) from None


@contextmanager
def document_errors(name: str, kind: str) -> Iterator[None]:
    """Raise the engine's errors as UnsupportedDocument or DamagedDocument."""
    try:
        yield
    except SidebooksError:
        raise
    except ENGINE_ERRORS as error:
        reason = "; ".join(take_warnings()[-2:]) or str(error.__cause__ or error)
        if "encryption" in reason or "crypt" in reason:
            raise UnsupportedDocument(f"{name} is encrypted in a way that a password does not open ({reason})") from None
        raise DamagedDocument(f"{name} cannot be read as {kind} ({reason})") from None
