"""How a worker finds a document: a frozen value that crosses the process border."""

from __future__ import annotations

from msgspec import Struct

from sidebooks_core.documents.limits import Limits


class DocumentRef(Struct, frozen=True, kw_only=True):
    """How a worker finds a document. The password is not shown in a repr, so it does not reach logs."""

    token: str
    """Names one content from one source; a worker that holds it does not open it again."""
    name: str
    """What error messages call it."""
    path: bytes | None
    """As `os.fsencode` gives it, since not every path is text. None: the bytes are sent to each worker that lacks them."""
    file_state: tuple[int, int, int] | None
    """(inode, size, mtime_ns) of the file at `path`: a worker refuses a file that is not in this state."""
    password: str | None = None
    digest: str | None = None
    """The document's id; None while it is still being computed."""
    limits: Limits = Limits()
    chapters: tuple[int, ...] = ()
    """What an earlier opening found: see `DocumentInfo`."""
    has_true_counts: bool = False
    """The same."""
    trust_domain: str = ""
    """Documents of two domains are never given to the same worker process. Workers are not told of it."""

    def __repr__(self) -> str:
        return f"DocumentRef({self.name!r}, {self.digest})"
