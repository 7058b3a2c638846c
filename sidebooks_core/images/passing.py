"""Which failures may be over at the next try, although document and page stay the same."""

from __future__ import annotations

from sidebooks_core.errors import RenderTimeout
from sidebooks_core.workers.jobs import NO_WORKER, WorkerDied


def has_no_worker(error: BaseException) -> bool:
    """Whether there was no worker that could have begun. Neither the document nor the page is to blame."""
    return isinstance(error, NO_WORKER)


def may_pass(error: BaseException) -> bool:
    """Whether the machine may be to blame, and not the page: a busy machine takes long, and a full one ends workers."""
    return has_no_worker(error) or isinstance(error, RenderTimeout | WorkerDied)
