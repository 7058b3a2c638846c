"""Passwords: which are taken, and how they are stored (Argon2id, by argon2-cffi)."""

from __future__ import annotations

import threading
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

from sidebooks_core.errors import RequestError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

FEWEST_CHARACTERS = 10
MOST_CHARACTERS = 1000
ROUNDS = 1
MEMORY_KIB = 46 * 1024
LANES = 1
"""The first of the equally strong choices of OWASP's Password Storage Cheat Sheet. RFC 9106's second choice takes five times
as long: a hundred members who log in when a meeting begins would wait for each other, and for their pages.
"""
AT_ONCE = 2
"""Hashes computed at once. Each takes 46 MiB, and a crowd that logs in must not take the memory of the server."""


def require_good(password: str, name: str) -> None:
    """Raises RequestError for a password that is too easily guessed. name: the login name, folded."""
    plain = _plain(password)
    if len(plain) < FEWEST_CHARACTERS:
        raise RequestError(
            f"the password is too short: at least {FEWEST_CHARACTERS} characters, for example three or four words"
        )
    if len(plain) > MOST_CHARACTERS:
        raise RequestError(f"the password is too long: at most {MOST_CHARACTERS} characters")
    if plain.casefold() == name:
        raise RequestError("the password must not be the name")


class Passwords:
    """Computes and checks hashes. Thread-safe."""

    def __init__(self) -> None:
        self._few = threading.Semaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """As it is stored. Takes about 50 ms, so that guessing is slow. Raises RequestError without argon2-cffi."""
        with self._few:
            return self._hasher.hash(_plain(password))

    def is_right(self, password: str, stored: str | None) -> bool:
        """Whether a password is the stored one. None: nobody's, which takes the same time."""
        hasher = self._hasher
        from argon2.exceptions import VerifyMismatchError

        with self._few:
            try:
                hasher.verify(stored or self._nobodys, _plain(password[:MOST_CHARACTERS]))
            except VerifyMismatchError:
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash has other parameters than new ones."""
        return self._hasher.check_needs_rehash(stored)

    def warm_up(self) -> None:
        """Load the library, so that the first login takes no longer than others. Raises RequestError without argon2-cffi."""
        _ = self._nobodys

    @cached_property
    def _hasher(self) -> PasswordHasher:
        try:
            from argon2 import PasswordHasher
        except ImportError as missing:
            raise RequestError("accounts need argon2-cffi: pip install 'sidebooks-core[server]'") from missing
        return PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=LANES)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash("nobody has this password")


def _plain(password: str) -> str:
    """Full-width letters, as Japanese keyboards give them, are the same as others."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
