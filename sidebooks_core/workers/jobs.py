"""What the host asks of a worker, and what comes back: frozen values that cross the process border as plain data."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from sidebooks_core import errors
from sidebooks_core.documents.reference import DocumentRef

JobKind = Literal["open", "identify", "raster", "words", "links", "search", "inspect"]


class Job(Struct, frozen=True, kw_only=True):
    """One piece of work for one worker."""

    kind: JobKind
    document: DocumentRef
    page: int | None
    """The page it is about, from 0; None: the document."""
    arguments: dict[str, Any]
    timeout_s: float

    def to_wire(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "document": self.document.to_wire(),
            "page": self.page,
            "arguments": self.arguments,
            "timeout_s": self.timeout_s,
        }


class WorkerConfig(Struct, frozen=True, kw_only=True):
    """What a worker is told once, before its first job."""

    worker_bytes: int
    display_list_bytes: int
    font_set: Any
    is_isolated: bool = True
    """Give up the network, other processes and files that are not needed, where the kernel allows it."""

    def to_wire(self) -> dict[str, Any]:
        return {
            "is_isolated": self.is_isolated,
            "worker_bytes": self.worker_bytes,
            "display_list_bytes": self.display_list_bytes,
            "font_set": self.font_set,
        }


def error_told(name: str, message: str, document_id: str | None, page: int | None) -> errors.SidebooksError:
    """The error that a worker reports by the name of its class.

    A worker may say that something is wrong with a document, a page or a request. What it may not say (that it was interrupted,
    that it overran, that the queue is full) becomes RenderFailed, as does every other name.
    """
    named = getattr(errors, name, None)
    kind: type[errors.SidebooksError] = errors.RenderFailed
    if isinstance(named, type) and issubclass(named, (errors.DocumentError, errors.PageError, errors.RequestError)):
        kind = named if named is not errors.RenderTimeout else kind
    return kind(message, document_id=document_id, page=page)


class NoWorker(errors.RenderFailed):
    """No worker could be started, or all that were tried died before they began the job. The page is not to blame."""


class NoWorkerToOpen(errors.DamagedDocument):
    """The same for a document that was to be opened."""


NO_WORKER = (NoWorker, NoWorkerToOpen)
