"""How a worker finds a document: a frozen value that crosses the process border as plain data."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sidebooks_core.documents.limits import Limits


class DocumentRef(Struct, frozen=True, kw_only=True):
    """How a worker finds a document. The password is not shown in a repr, so it does not reach logs."""

    token: str
    """Names one content from one source; a worker that holds it does not open it again."""
    name: str
    """What error messages call it."""
    path: str | None
    """None: the bytes are sent to each worker that lacks them."""
    file_state: tuple[int, int, int] | None
    """(inode, size, mtime_ns) of the file at `path`: a worker refuses a file that is not in this state."""
    password: str | None = None
    digest: str | None = None
    """The document's id; None while it is still being computed."""
    limits: Limits = Limits()
    chapters: tuple[int, ...] = ()
    trust_domain: str = ""
    """Documents of two domains are never given to the same worker process. Stays in the host."""

    def __repr__(self) -> str:
        return f"DocumentRef({self.name!r}, {self.digest})"

    def to_wire(self) -> dict[str, Any]:
        return {
            "token": self.token,
            "name": self.name,
            "path": self.path,
            "file_state": self.file_state,
            "password": self.password,
            "digest": self.digest,
            "limits": self.limits.to_wire(),
            "chapters": self.chapters,
        }

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> DocumentRef:
        state = wire["file_state"]
        return cls(
            token=wire["token"],
            name=wire["name"],
            path=wire["path"],
            file_state=tuple(state) if state else None,
            password=wire["password"],
            digest=wire["digest"],
            limits=Limits.from_wire(wire["limits"]),
            chapters=tuple(wire["chapters"]),
        )
