"""Addresses outside of a document to which its links lead, in a form that may be handed out. In any process.

A document is hostile. An address that runs a script is not handed out, and of a path on a disk only the file's name is.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin

from sidebooks_core.documents.shown_text import shown

LONGEST = 8192
"""Most characters of an address. A longer one leads nowhere."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""At least two letters: one letter is a drive."""
_ACTIVE = frozenset(
    ("javascript", "vbscript", "livescript", "mocha", "data", "blob", "filesystem", "about", "jar", "view-source", "feed")
)
_WEB = frozenset(("http", "https", "ftp", "mailto"))
_FRAGMENT = re.compile(r"#((?:page=\d+|nameddest=[^#]+).*)$", re.IGNORECASE)
_ENCODED_TEXT = re.compile(r"%[C-Fc-f][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


def address(text: str, base: str = "") -> str | None:
    """An address for a URI of a document; None if it leads nowhere that may be told.

    base: for relative addresses, if the document has one. The address of a file becomes its name, decoded: see `file_address`.
    """
    text = _without_controls(text)
    if text.lower().startswith("www."):
        return address("http://" + text)
    scheme = _SCHEME.match(text)
    if scheme is None:
        if base and not text.startswith(("//", "\\")):
            joined = urljoin(base, text)
            return address(joined) if _SCHEME.match(joined) else _relative(text)
        return _relative(text)
    kind = scheme[1].lower()
    if kind == "file":
        return _relative(text[scheme.end() :])
    if kind in _ACTIVE or len(text) > LONGEST:
        return None
    return shown(text).replace(" ", "%20") or None


def file_address(name: str, fragment: str = "") -> str | None:
    """The address of another file: its name or relative path as people write it, and the place in it, as `budget.pdf#page=4`.

    A number sign in the name is written as %23. Of an absolute path only the last part is kept, since it belongs to another
    machine. Returns None if the name is empty or would run a script. Never raises.
    """
    scheme = _SCHEME.match(_without_controls(name))
    if scheme is not None:
        found = address(name) if scheme[1].lower() in _WEB | {"file"} else None
        return found + _hashed(fragment) if found and "#" not in found else found
    named_place = _FRAGMENT.search(name)
    if named_place is not None:
        name, fragment = name[: named_place.start()], fragment or named_place[1]
    path = shown(_unquoted(name).replace("\\", "/"))
    if _ABSOLUTE.match(path):
        path = re.split(r"[/:]", path.rstrip("/"))[-1]
    if not path or _SCHEME.match(path) or len(path) > LONGEST:
        return None
    return path.replace("#", "%23") + _hashed(fragment)


def _unquoted(name: str) -> str:
    """A file's name without percent-encoding, if it can be nothing else: if it encodes UTF-8 beyond ASCII.

    A name such as `50%25.pdf` may be meant literally.
    """
    if _ENCODED_TEXT.search(name) is None:
        return name
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name


def fragment_of_page(page: int) -> str:
    """page: from 0."""
    return f"page={page + 1}"


def fragment_of_name(name: str) -> str:
    """name: of a named destination."""
    return "nameddest=" + shown(name).replace("%", "%25").replace("#", "%23").replace("&", "%26")


def _relative(text: str) -> str | None:
    path, _, fragment = text.partition("#")
    path = unquote(path, errors="replace")
    # Decoded only now: "javascript%3A" must not become what it encodes.
    return None if _SCHEME.match(_without_controls(path)) else file_address(path.replace("#", "%23"), unquote(fragment))


def _hashed(fragment: str) -> str:
    fragment = shown(fragment)[:LONGEST]
    return f"#{fragment}" if fragment else ""


def _without_controls(text: str) -> str:
    """An address without the characters that browsers drop, so that it means the same here and there."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", "", text).strip()
