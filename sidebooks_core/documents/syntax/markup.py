"""Reads XML and XHTML within bounds: no entities that a document defines by others, no deep nesting, nothing from outside. In
any process.
"""

from __future__ import annotations

import codecs
import re
from html.entities import html5
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MOST_LEVELS = 256
MOST_ELEMENTS = 1_000_000
MOST_ENTITIES = 200
LONGEST_ENTITY = 400
_DECLARED = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_SPACE = re.compile("[ \t\r\n\f]+")
_OWN_ENCODINGS = frozenset({"utf-8", "utf-16", "iso8859-1", "ascii"})
"""Encodings that expat itself reads, by Python's names."""


class BadMarkup(ValueError):
    """It is no XML, or more of it than is read."""


def read(data: bytes) -> Element:
    """The root element. Names are local, without prefix and namespace, since writers mix these up. Raises BadMarkup.

    Entities of HTML are known without a declaration. Entities that the document declares may not stand for other entities (a
    few lines could then stand for gigabytes) or for a file. Comments and processing instructions are left out.
    """
    reading = _Reading()
    try:
        data, encoding = _in_known_encoding(data)
    except (LookupError, UnicodeError) as error:  # encodings that are not for text; encodings that refuse damaged text
        raise BadMarkup(f"no XML: {error}") from None
    parser = expat.ParserCreate(encoding)
    parser.buffer_text = True
    parser.UseForeignDTD(True)  # an unknown entity is then skipped and is no error
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.builder.data
    parser.SkippedEntityHandler = reading.skipped
    parser.EntityDeclHandler = reading.declared
    try:
        parser.Parse(data, True)
        root: Element = reading.builder.close()
    except (expat.ExpatError, AssertionError) as error:
        raise BadMarkup(f"no XML: {error}") from None
    return root


class _Reading:
    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self._level = 0
        self._count = 0
        self._entities = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._level += 1
        self._count += 1
        if self._level > MOST_LEVELS or self._count > MOST_ELEMENTS:
            raise BadMarkup(f"more than {MOST_LEVELS} levels or {MOST_ELEMENTS} elements of XML")
        self.builder.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(self, name: str) -> None:
        self._level -= 1
        self.builder.end(_local(name))

    def skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter and self._level:
            self.builder.data(html5.get(f"{name};", ""))

    def declared(self, name: str, is_parameter: bool, value: str | None, *_: object) -> None:
        self._entities += 1
        if is_parameter or value is None or "&" in value or len(value) > LONGEST_ENTITY or self._entities > MOST_ENTITIES:
            raise BadMarkup(f"the entity {name[:40]!r} is none of the plain ones that are read")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _in_known_encoding(data: bytes) -> tuple[bytes, str | None]:
    """The data in an encoding that expat reads, and its name if the declaration is not to be used."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return data, None
    if data[:2] in (b"<\0", b"\0<"):  # UTF-16 without its mark
        return data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", "replace").encode(), "utf-8"
    data = data.lstrip()
    declared = _DECLARED.match(data)
    if declared is None:
        return data, None
    try:
        codec = codecs.lookup(declared[1].decode("ascii"))
    except LookupError:
        return data, "utf-8"
    if codec.name in ("utf-8", "utf-16"):
        return data, "utf-8"  # the declaration was read as bytes, so this is no UTF-16
    if codec.name in _OWN_ENCODINGS:
        return data, None
    return data.decode(codec.name, "replace").encode(), "utf-8"


def text_of(element: Element, *, without: frozenset[str] = frozenset()) -> str:
    """All text inside, with white space as one space. without: elements whose text is left out."""
    parts: list[str] = []
    waiting: list[Element | str] = [element]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            parts.append(one)
            continue
        inside: list[Element | str] = [one.text or ""]
        for child in one:
            if child.tag not in without:
                inside.append(child)
            inside.append(child.tail or "")
        waiting += reversed(inside)
    return _SPACE.sub(" ", "".join(parts)).strip(" ")
