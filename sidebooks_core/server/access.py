"""The question that an embedding application answers: whether a request may have its response."""

from __future__ import annotations

from typing import Protocol

from starlette.types import Scope

from sidebooks_core.access.operations import Operation


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
