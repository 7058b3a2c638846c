"""The question of access, which is asked before each response, and the names of the operations it is asked about."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from starlette.types import Scope


class Operation(StrEnum):
    """What a request does. Each row of the table of routes has one."""

    READ_VIEWER = "read_viewer"
    """Load the viewer's own files. They hold nothing of a document."""
    READ_STATUS = "read_status"
    """See whether the server can answer."""
    READ_METRICS = "read_metrics"
    READ_API = "read_api"
    """Read the description of this API."""
    FOLLOW_EVENTS = "follow_events"
    """Listen to the ids of all documents, and to the pages that a session is shown."""
    LIST_DOCUMENTS = "list_documents"
    READ_DOCUMENT = "read_document"
    """Read names, outline, and sizes of pages."""
    READ_ORIGINAL = "read_original"
    """Download the file itself."""
    READ_IMAGE = "read_image"
    """See pages: images, tiles, previews."""
    READ_TEXT = "read_text"
    """Read the words and links of a page."""
    SEARCH = "search"
    SEND_HINT = "send_hint"
    """Tell where a reader is, so that the server draws ahead."""


class Allowed(Protocol):
    """Decides about one request. It is called in the event loop, also before images in memory: it must not wait."""

    def __call__(self, scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
        """Whether the sender of a request may have its response.

        scope: the ASGI scope as the server or the outer application gave it, with what its middleware added.
        document_id: the id in the address; the document need not exist. None: the operation concerns no document, or all of
        them.
        """


def everything(_scope: Scope, _operation: Operation, _document_id: str | None, /) -> bool:
    """Allows whatever is asked."""
    return True
