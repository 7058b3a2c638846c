"""The engine's messages about a document, which are collected until they are taken. Worker side.

Code that mends something looks at the messages since it began (`count_messages`, `messages_since`), leaves them in place, and
forgets those about what it mended (`forget_messages`). Code that reports problems takes them: `take_warnings` for users,
`take_messages` for `documents/problems.py`, which judges them.
"""

from __future__ import annotations

import re

from sidebooks_core.engine.mupdf import mupdf, printable, pymupdf

MOST_WARNINGS = 20
_ANY = re.compile("")
_REPEATED = "... repeated "


def take_warnings() -> tuple[str, ...]:
    """Take all messages in a form for users: printable, each once, at most `MOST_WARNINGS`."""
    return tuple(dict.fromkeys(printable(message) for message in take_messages() if message))[:MOST_WARNINGS]


def take_messages() -> list[str]:
    """Take all messages, as the engine wrote them."""
    messages: list[str] = pymupdf.TOOLS.mupdf_warnings(reset=True).splitlines()
    return messages


def count_messages() -> int:
    """The number of messages since they were last taken. `messages_since` reads from this number on."""
    mupdf.ll_fz_flush_warnings()  # the engine holds a message back until it knows how often it is repeated
    return len(pymupdf.JM_mupdf_warnings_store)


def messages_since(start: int) -> list[str]:
    """The messages after the first `start`. They are not taken."""
    mupdf.ll_fz_flush_warnings()
    return list(pymupdf.JM_mupdf_warnings_store[start:])


def forget_messages(start: int, about: re.Pattern[str] = _ANY) -> None:
    """Forget the messages after the first `start` that match `about`; by default all of them."""
    kept: list[str] = []
    is_kept = True
    for message in messages_since(start):
        if not message.startswith(_REPEATED):  # such a line belongs to the message before it
            is_kept = not about.search(message)
        if is_kept:
            kept.append(message)
    pymupdf.JM_mupdf_warnings_store[start:] = kept
