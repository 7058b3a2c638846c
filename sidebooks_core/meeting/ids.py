"""Names of meetings, their participants, and the codes to join by."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

ID_CHARACTERS = 10
"""Of a meeting and of a participant: 60 bits."""
CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without those that are taken for one another."""
CODE_CHARACTERS = 8
"""40 bits. The server limits how often a code is tried."""
_NOT_IN_A_CODE = re.compile(r"[\s-]")


def new_meeting_id() -> str:
    """An id that nobody guesses, but that is no secret. It does not begin with a hyphen."""
    while (made := secrets.token_urlsafe(ID_CHARACTERS)[:ID_CHARACTERS]).startswith("-"):
        pass
    return made


def participant_id(meeting: str, person: str) -> str:
    """The same for all clients of one person in one meeting, on every server and after a restart.

    person: the id of a principal, or of a guest's login. Two meetings give the same person ids that do not tell it.
    """
    digest = hashlib.blake2b(person.encode(), key=meeting.encode(), digest_size=9).digest()
    return base64.urlsafe_b64encode(digest).decode()[:ID_CHARACTERS]


def new_code() -> str:
    """A code to join a meeting by, for people to read aloud and to type: ABCD-EFGH."""
    made = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_CHARACTERS))
    return f"{made[:4]}-{made[4:]}"


def code_digest(code: str) -> str:
    """As codes are stored: SHA-256, hexadecimal. Small letters, spaces and hyphens make no difference.

    A code is short, so whoever has the database can find it. It opens one meeting, until that ends.
    """
    return hashlib.sha256(_NOT_IN_A_CODE.sub("", code).upper().encode()).hexdigest()
