"""What could not be drawn of a page, as a header of its images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

NAME = b"sidebooks-problems"
LONGEST_WORDS = 200


def headers(problems: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """`Sidebooks-Problems: 2; "first"; "second"`: how many, then as many in words as are short. None for a page drawn whole."""
    return list(_headers(tuple(problems))) if problems else []


@lru_cache(maxsize=256)
def _headers(problems: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    value = str(len(problems))
    for problem in problems:
        # A header takes ASCII, and a quoted string in it neither quotes nor backslashes.
        words = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in problem)
        if len(value) + len(words) > LONGEST_WORDS:
            break
        value += f'; "{words}"'
    return ((NAME, value.encode("ascii")),)
