"""What the engine says of a document: messages that it collects until they are taken. Worker side.

Whoever mends something looks at the messages since it began (`count_messages`, `messages_since`), leaves them to be taken, and
forgets those about what is mended (`forget_messages`). Whoever tells what is wrong takes them: `take_warnings` for readers,
`take_messages` for being judged (see problems.py).
"""

from __future__ import annotations

import re

from sidebooks_core.engine.mupdf import mupdf, printable, pymupdf

MOST_WARNINGS = 20
_ANY = re.compile("")
_REPEATED = "... repeated "


def take_warnings() -> tuple[str, ...]:
    """All messages since they were last taken, for telling: printable, each once, at most `MOST_WARNINGS`."""
    return tuple(dict.fromkeys(printable(message) for message in take_messages() if message))[:MOST_WARNINGS]


def take_messages() -> list[str]:
    """All messages since they were last taken, as the engine wrote them."""
    messages: list[str] = pymupdf.TOOLS.mupdf_warnings(reset=True).splitlines()
    return messages


def count_messages() -> int:
    """The number of messages since they were last taken: a place from which `messages_since` reads."""
    mupdf.ll_fz_flush_warnings()  # the engine keeps a message back until it knows how often it is repeated
    return len(pymupdf.JM_mupdf_warnings_store)


def messages_since(start: int) -> list[str]:
    """The messages after the first `start`, which stay to be taken."""
    mupdf.ll_fz_flush_warnings()
    return list(pymupdf.JM_mupdf_warnings_store[start:])


def forget_messages(start: int, about: re.Pattern[str] = _ANY) -> None:
    """Forget those after the first `start` that are about something mended since; all of them by default."""
    kept: list[str] = []
    is_kept = True
    for message in messages_since(start):
        if not message.startswith(_REPEATED):  # it goes with the message that it repeats
            is_kept = not about.search(message)
        if is_kept:
            kept.append(message)
    pymupdf.JM_mupdf_warnings_store[start:] = kept
