"""What an XMP packet (ISO 16684-1) says of its document: the metadata of newer PDFs. In any process.

expat reads the packet event by event, up to the first error. A packet needs no document type. One that
declares a document type, and so may declare entities, is not read on: nothing is expanded, and nothing is fetched.
"""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

from sidebooks_core.documents.syntax import legacy_text, pdf_text

_DC = "http://purl.org/dc/elements/1.1/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_PDF = "http://ns.adobe.com/pdf/1.3/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMES = {
    f"{_DC} title": "title",
    f"{_DC} creator": "author",
    f"{_DC} description": "subject",
    f"{_PDF} Keywords": "keywords",
    f"{_XMP} CreatorTool": "creator",
    f"{_PDF} Producer": "producer",
    f"{_XMP} CreateDate": "created",
    f"{_XMP} ModifyDate": "modified",
}
"""Properties by the element or attribute that holds them."""
_LANGUAGES = ("x-default", "ja", "")
_LONGEST = 10_000
"""Most characters of a property."""
MOST_VALUES = 100
"""Of one property."""


def title(packet: bytes) -> str:
    """The document's title (dc:title): in its default language, else in Japanese, else the first; empty if there is none."""
    if b"title" not in packet.replace(b"\0", b""):  # in whatever encoding
        return ""
    return properties(packet).get("title", "")


def properties(packet: bytes) -> dict[str, str]:
    """What the packet says: title, author, subject, keywords, creator, producer, created, modified, as far as it has them.

    Of a text in several languages, the one that `title` would take; several authors are joined by commas.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse
    with suppress(expat.ExpatError, _Refused, UnicodeEncodeError):  # the part before it counts
        parser.Parse(_text(packet), True)
    return reader.found()


class _Refused(Exception):
    """The packet declares a document type."""


class _Reader:
    """Takes expat's events, and keeps the properties with their languages."""

    def __init__(self) -> None:
        self._open: list[str | None] = []
        """The property that each open element belongs to."""
        self._languages: list[str] = []
        self._text: list[str] = []
        self._found: dict[str, list[tuple[str, str]]] = {}
        self._length = 0
        """Of the text."""

    def start(self, element: str, attributes: dict[str, str]) -> None:
        self._keep_text()
        self._open.append(_NAMES.get(element, self._within()))
        language = attributes.get("http://www.w3.org/XML/1998/namespace lang")
        self._languages.append((language if language is not None else "".join(self._languages[-1:])).lower())
        if element == f"{_RDF} Description":
            for attribute, text in attributes.items():
                if attribute in _NAMES:
                    self._keep(_NAMES[attribute], "", text)

    def end(self, _element: str) -> None:
        self._keep_text()
        self._open.pop()
        self._languages.pop()

    def characters(self, data: str) -> None:
        if self._within() is not None and self._length < _LONGEST:
            self._text.append(data)
            self._length += len(data)

    def refuse(self, *_: object) -> None:
        raise _Refused

    def found(self) -> dict[str, str]:
        """Each property, a text in the language that is preferred."""
        self._keep_text()
        return {name: _best(name, values) for name, values in self._found.items()}

    def _within(self) -> str | None:
        return self._open[-1] if self._open else None

    def _keep_text(self) -> None:
        text, self._text, self._length = "".join(self._text), [], 0
        name = self._within()
        if name is not None:
            self._keep(name, self._languages[-1] if self._languages else "", text)

    def _keep(self, name: str, language: str, text: str) -> None:
        text = pdf_text.widened(text.strip())
        values = self._found.setdefault(name, []) if text else []
        if text and len(values) < MOST_VALUES:
            values.append((language, text[:_LONGEST]))


def _best(name: str, values: list[tuple[str, str]]) -> str:
    if name == "author":
        return ", ".join(dict.fromkeys(text for _, text in values))
    for wanted in _LANGUAGES:
        for language, text in values:
            if language == wanted or (wanted == "ja" and language.startswith("ja")):
                return text
    return values[0][1]


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
