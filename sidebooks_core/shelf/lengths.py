"""How long names and texts may be, and how deep folders may lie. A shelf holds nothing that its export could not bring back."""

from __future__ import annotations

from sidebooks_core.errors import RequestError

MOST_NAME = 4096
"""Characters of a name, of a paper, folder or file, and of a password."""
MOST_TEXT = 1 << 20
"""Characters of a note, and of the name of who registered a revision."""
MOST_DEPTH = 64
"""Folders within folders."""


def require_length(what: str, text: str | None, most: int) -> None:
    """Raises RequestError for a text of more characters."""
    if text is not None and len(text) > most:
        raise RequestError(f"{what} has {len(text)} characters; at most {most} are kept")


def require_lengths(file_name: str, password: str | None, registered_by: str = "", note: str = "") -> None:
    """What is kept of a revision. Raises RequestError for what is too long."""
    require_length("the name of a file", file_name, MOST_NAME)
    require_length("a password", password, MOST_NAME)
    require_length("the name of who registers", registered_by, MOST_TEXT)
    require_length("the note of a revision", note, MOST_TEXT)


def require_depth(depth: int) -> None:
    """Raises RequestError for a folder that would lie deeper. depth: 1 for a folder at the top."""
    if depth > MOST_DEPTH:
        raise RequestError(f"folders lie at most {MOST_DEPTH} deep within one another; this one would lie {depth} deep")
