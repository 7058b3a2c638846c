"""Names of files that every system takes: Linux, macOS and Windows. Pure."""

from __future__ import annotations

import re
import unicodedata

MOST_CHARACTERS = 80
MOST_BYTES = 180
"""In UTF-8. Linux takes 255 bytes, Windows and macOS 255 units of UTF-16; what is left is for a number in front."""
_REFUSED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def safe_name(name: str) -> str:
    """A name like the given one. Characters that a system refuses become "_", a long name is cut before its ending.

    The result is in Unicode's composed form (NFC): macOS and Linux would else take one name for two.
    """
    called = _REFUSED.sub("_", unicodedata.normalize("NFC", name)).strip().rstrip(". ")
    ending = ending_of(called)
    stem = called.removesuffix(ending)[: MOST_CHARACTERS - len(ending)]
    while len((stem + ending).encode()) > MOST_BYTES:
        stem = stem[:-1]
    whole = (stem.rstrip(". ") + ending) or "_"
    return f"_{whole}" if _RESERVED.fullmatch(whole) else whole


def shortened(name: str, most_bytes: int) -> str:
    """A safe name, cut to so many bytes of UTF-8; "_" if nothing is left. For what has a number in front."""
    while len(name.encode()) > most_bytes:
        name = name[:-1]
    return name.rstrip(". ") or "_"


def ending_of(name: str) -> str:
    """The ending of a file's name with its dot, as ".pdf"; empty if it has none."""
    found = _ENDING.search(name)
    return found[0] if found is not None and found.start() > 0 else ""


def is_inner_path(path: str) -> bool:
    """Whether a path, with "/" between its parts, names something inside of a folder on every system."""
    parts = path.split("/")
    return not any(part in ("", ".", "..") or _REFUSED.search(part) or part[-1] in ". " for part in parts)
