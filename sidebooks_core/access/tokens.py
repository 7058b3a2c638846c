"""Secrets that are given out once and stored as digests."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
ID_BYTES = 12
ID = re.compile(r"[0-9a-f]{24}")
"""As `new_id` makes them."""


def new_token() -> str:
    """256 random bits, for addresses and cookies: 43 characters."""
    return secrets.token_urlsafe(32)


def new_id(beginning: str = "") -> str:
    """An id that nobody guesses, but that is no secret: 24 characters. beginning: at most 8 of them."""
    return beginning + secrets.token_hex(ID_BYTES - len(beginning) // 2)


def token_of_code(code: str) -> str:
    """The token that stands for a code which people type. It is as hard to guess as the code is."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"code {code}".encode()).digest()).decode().rstrip("=")


def digest_of(token: str) -> str | None:
    """As tokens are stored; None for a text that is no token.

    A token has 256 random bits, so a plain digest is enough, and the digest is looked up without telling anything by its time.
    """
    return hashlib.sha256(token.encode()).hexdigest() if TOKEN.fullmatch(token) else None
