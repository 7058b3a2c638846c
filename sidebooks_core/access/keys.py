"""The ring of keys for signed addresses. A new one is made from time to time; old ones stay as long as needed."""

from __future__ import annotations

import secrets

from sidebooks_core.databases.database import Writing

ROTATED_S = 30 * 86_400.0
LONGEST_VALID_S = 30 * 86_400.0
"""The longest time that a signed address is valid."""


def rotate(writing: Writing, now_s: float) -> bool:
    """Make a key if the newest is too old, or if there is none, and remove those that are not needed. Whether one was made."""
    newest_s = writing.one(float, "SELECT made_s FROM signing_key ORDER BY made_s DESC LIMIT 1")
    if newest_s is not None and now_s - newest_s < ROTATED_S:
        return False
    writing.run("DELETE FROM signing_key WHERE made_s < ?", now_s - ROTATED_S - 2 * LONGEST_VALID_S)
    writing.run("INSERT INTO signing_key VALUES (?, ?, ?)", secrets.token_hex(4), secrets.token_bytes(32), now_s)
    return True
