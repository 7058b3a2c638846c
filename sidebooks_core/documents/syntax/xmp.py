"""The title in an XMP packet (ISO 16684-1), the metadata of newer PDFs. In any process.

expat reads the packet event by event, up to the first title or the first error. A packet needs no document type. One that
declares a document type, and so may declare entities, is not read on: nothing is expanded, and nothing is fetched.
"""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

from sidebooks_core.documents.syntax import legacy_text, pdf_text

_DC = "http://purl.org/dc/elements/1.1/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_LANGUAGES = ("x-default", "ja", "")
_LONGEST = 10_000
"""Most characters of a title."""


def title(packet: bytes) -> str:
    """The document's title (dc:title): in its default language, else in Japanese, else the first; empty if there is none."""
    if b"title" not in packet.replace(b"\0", b""):  # in whatever encoding
        return ""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse
    with suppress(expat.ExpatError, _Refused, UnicodeEncodeError):  # the part before it counts
        parser.Parse(_text(packet), True)
    return reader.best()


class _Refused(Exception):
    """The packet declares a document type."""


class _Reader:
    """Takes expat's events, and keeps the titles with their languages."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._languages: list[str] = []
        self._text: list[str] = []
        self._found: list[tuple[str, str]] = []
        self._titles = 0
        """How many of the open elements are titles."""
        self._length = 0
        """Of the text."""

    def start(self, element: str, attributes: dict[str, str]) -> None:
        self._open.append(element)
        self._titles += element == f"{_DC} title"
        language = attributes.get("http://www.w3.org/XML/1998/namespace lang")
        self._languages.append((language if language is not None else "".join(self._languages[-1:])).lower())
        if element == f"{_RDF} Description" and f"{_DC} title" in attributes:
            self._keep("", attributes[f"{_DC} title"])
        if self._titles:
            self._keep_text()

    def end(self, element: str) -> None:
        if self._titles:
            self._keep_text()
        self._titles -= self._open.pop() == f"{_DC} title"
        self._languages.pop()

    def characters(self, data: str) -> None:
        if self._titles and self._length < _LONGEST:
            self._text.append(data)
            self._length += len(data)

    def refuse(self, *_: object) -> None:
        raise _Refused

    def best(self) -> str:
        """The title in the language that is preferred."""
        self._keep_text()
        for wanted in _LANGUAGES:
            for language, text in self._found:
                if language == wanted or (wanted == "ja" and language.startswith("ja")):
                    return text
        return self._found[0][1] if self._found else ""

    def _keep_text(self) -> None:
        text, self._text, self._length = "".join(self._text), [], 0
        self._keep(self._languages[-1] if self._languages else "", text)

    def _keep(self, language: str, text: str) -> None:
        text = pdf_text.widened(text.strip())
        if text and len(self._found) < 100:
            self._found.append((language, text[:_LONGEST]))


def _text(packet: bytes) -> str:
    """The characters of the packet: UTF-8, or UTF-16 or UTF-32 of either order, with or without a mark at the beginning."""
    head = packet[:4]
    if head in (b"\0\0\xfe\xff", b"\xff\xfe\0\0") or (head[:3] == b"\0\0\0" or head[1:] == b"\0\0\0"):
        found = packet.decode("utf-32-be" if head[:1] == b"\0" else "utf-32-le", "replace")
    elif head[:2] in (b"\xfe\xff", b"\xff\xfe") or head[:1] == b"\0" or head[1:2] == b"\0":
        found = packet.decode("utf-16-be" if head[:1] in (b"\xfe", b"\0") else "utf-16-le", "replace")
    else:
        found = legacy_text.decoded(packet, "utf-8") or legacy_text.east_asian(packet) or packet.decode("utf-8", "replace")
    return found.lstrip("\ufeff\0 \t\r\n")
