"""Digests what an object draws with: the object and all objects to which it refers. Worker side.

A Merkle hash: dictionaries by sorted keys, a reference by the digest of its target. So object numbers, the order of keys, and
whether a value stands in its place or apart, do not matter. A reference back to an object that is being digested becomes the
distance to it. Nothing that leads to such a loop is remembered, since its digest depends on where the loop was entered.

Of a `Resources` dictionary only the names in the content count: many producers give all pages one dictionary. If a dictionary
lacks a name, the engine looks it up in the dictionaries around it. Which those are depends on the way there: a pattern that the
page sets may be painted inside a form. So each digest carries the names that its contents lack, and the dictionaries of which
it left entries out. If one of these could supply a missing name, `NeedsWhole` asks for a second graph that leaves nothing out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from msgspec import Struct, field

from sidebooks_core.engine.identity.objects import IdentityLimit, Objects, Value

DEPTH = 48
"""Longest chain of references."""
LOOPS = 2000
"""Most objects of one page that are digested without being remembered. Loops within loops would take time without end."""
REMEMBERED = 200_000
"""Most closures that are remembered, of some 300 bytes each."""

GENERIC, CONTENT, XOBJECT, GLYPH = range(4)
"""How an object is used: as data, as a content stream, as an XObject (an image or a content stream), as a Type 3 glyph."""

CATEGORIES = (b"/ExtGState", b"/ColorSpace", b"/Pattern", b"/Shading", b"/XObject", b"/Font", b"/Properties")
_COLOUR_SPACE, _PATTERN, _XOBJECT, _PROPERTIES = 1, 2, 4, 6
_DEFAULT_COLOUR_SPACES = (b"DefaultGray", b"DefaultRGB", b"DefaultCMYK")

_DECODABLE = frozenset(
    b"/FlateDecode /Fl /LZWDecode /LZW /ASCII85Decode /A85 /ASCIIHexDecode /AHx /RunLengthDecode /RL /Crypt".split()
)
_STREAM_NOISE = frozenset(
    b"/Length /Filter /DecodeParms /DL /Metadata /PieceInfo /LastModified /StructParent /StructParents /AF /OC".split()
)
"""Entries that are not drawn, or are digested in another way. In stream dictionaries alone no key is a name that somebody
chose."""
_TREE_NOISE = {
    b"/Page": frozenset(b"/Parent /Annots /Contents /B /Thumb /Metadata /PieceInfo /StructParents /Tabs /AA".split()),
    b"/Pages": frozenset((b"/Parent", b"/Kids")),
    b"/Catalog": frozenset(b"/Pages /Outlines /Names /Dests /AcroForm /StructTreeRoot /Metadata /OCProperties".split()),
}
"""A stray reference to the page tree must not pull in the whole document."""

_CONTENT_NAME = re.compile(rb"/([^\x00\t\n\f\r ()<>\[\]{}/%]*+)")
_PLAIN_NAME = re.compile(rb"(?:[^#]|#(?!00)[0-9A-Fa-f]{2}){0,120}+")
"""The part of a name that the engine surely reads as we do. It cuts names that do not fit its buffer, and reads wrong escapes
in its own way."""
_ESCAPE = re.compile(rb"#(..)", re.DOTALL)

Missing = tuple[int, bytes]
"""The index of a category, and a name without its slash."""
_NONE: frozenset[Missing] = frozenset()
Table = tuple[dict[bytes, Value], ...]
"""The entries of a `Resources` dictionary, by category."""


class NeedsWhole(Exception):
    """What the page draws cannot be told from the names in its contents."""


class Closure(NamedTuple):
    """An object and all objects to which it refers."""

    token: bytes
    """A short scalar as it is; anything else as its digest."""
    missing: frozenset[Missing]
    omitted: tuple[tuple[Table, frozenset[Missing]], ...]
    """Dictionaries, each with the set of the entries that are digested; its other entries are left out."""


class Sheet(Struct):
    """A digest in the making."""

    parts: list[bytes] = field(default_factory=list)
    missing: set[Missing] = field(default_factory=set)
    omitted: dict[int, tuple[Table, frozenset[Missing]]] = field(default_factory=dict)

    def add(self, closure: Closure) -> None:
        self.parts.append(closure.token)
        self.take_names(closure.missing, closure.omitted)

    def take_names(self, missing: Iterable[Missing], omitted: Iterable[tuple[Table, frozenset[Missing]]]) -> None:
        self.missing.update(missing)
        for left_out in omitted:
            self.omitted[id(left_out)] = left_out

    def closed(self) -> Closure:
        return Closure(b"@" + digest(b" ".join(self.parts)), frozenset(self.missing), tuple(self.omitted.values()))

    def check_names(self) -> None:
        """Raise `NeedsWhole` if a name that is missing somewhere was left out elsewhere."""
        if len(self.missing) * len(self.omitted) > 1_000_000:
            raise NeedsWhole
        for table, chosen in self.omitted.values():
            for entry in self.missing:
                if entry[1] in table[entry[0]] and entry not in chosen:
                    raise NeedsWhole


def scalar(data: bytes) -> Closure:
    """The closure of a value without references. A printed scalar shows where it ends; none begins with @."""
    return Closure(data if len(data) <= 48 else b"@" + digest(data), _NONE, ())


def digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16, person=b"sidebooks-part1").hexdigest().encode()


class DrawingGraph:
    """Digests the objects of one document, and remembers their closures."""

    def __init__(self, objects: Objects, *, whole: bool = False) -> None:
        """whole: leave nothing out of `Resources`."""
        self.objects = objects
        self.whole = whole
        self._known: dict[tuple[int, int], Closure] = {}
        self._tables: dict[int, Table] = {}
        self._open: dict[tuple[int, int], int] = {}
        self._looped = False
        self._loops_left = LOOPS

    def start_page(self) -> None:
        """Forget what an error may have left half done, and everything if too much is remembered."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
            self._tables.clear()
        self._open.clear()
        self._looped = False
        self._loops_left = LOOPS

    def closure(self, number: int, use: int = GENERIC) -> Closure:
        """The closure of an object that is used in a certain way."""
        key = (number, use)
        known = self._known.get(key)
        if known is not None:
            return known
        depth = len(self._open)
        above = self._open.get(key)
        if above is not None:
            self._looped = True
            return scalar(b"^%d" % (depth - above))
        if depth >= DEPTH:
            raise IdentityLimit("references nest too deep")
        self.objects.spend_object()
        looped_before, self._looped = self._looped, False
        self._open[key] = depth
        made = self._closed_object(number, use)
        del self._open[key]
        if self._looped:
            self._loops_left -= 1
            if self._loops_left < 0:
                raise IdentityLimit("references loop too often")
        else:
            self._known[key] = made
            self._looped = looped_before
        return made

    def made(self, value: Value, depth: int = 0) -> Closure:
        """The closure of a value."""
        if isinstance(value, bytes):
            return scalar(value)
        if isinstance(value, int):
            return self.closure(value)
        if depth > DEPTH:
            raise IdentityLimit("an object nests too deep")
        sheet = Sheet()
        if isinstance(value, dict):
            self._add_dict(sheet, value, depth)
        else:
            sheet.parts.append(b"[")
            for item in value:
                sheet.add(self.made(item, depth + 1))
        return sheet.closed()

    def add_entries(self, sheet: Sheet, entries: dict[bytes, Value], noise: frozenset[bytes], depth: int = 0) -> None:
        """Digest a dictionary's entries into a sheet, without the keys in `noise` and without null values."""
        for key in sorted(entries):
            if key in noise:
                continue
            value = entries[key]
            if isinstance(value, int) and key == b"/G" and self.objects.is_stream(value):
                made = self.closure(value, CONTENT)  # the group of a soft mask
            else:
                made = self.made(value, depth + 1)
            if made.token != b"null":
                sheet.parts.append(key)
                sheet.add(made)

    def add_content(self, sheet: Sheet, data: bytes | None, resources: Value | None) -> None:
        """Digest a page's content and the entries that it names, after all else that the page draws. See `add_resources`."""
        names, beginnings = self._names_in(data)
        self.add_resources(sheet, resources, names, beginnings)
        sheet.parts.append(b"content @" + digest(data) if data is not None else b"content")

    def add_resources(
        self, sheet: Sheet, resources: Value | None, names: set[bytes], beginnings: tuple[bytes, ...] = ()
    ) -> None:
        """Digest the entries that may be meant by `names`, by `beginnings` of names, or by contents that are on the sheet
        already.
        """
        table = self._table(resources)
        chosen: dict[Missing, bytes] = {}
        if self.whole:
            waiting = {(category, name) for category, entries in enumerate(table) for name in entries}
        else:
            waiting = {(category, name) for category, entries in enumerate(table) for name in names if name in entries}
            waiting |= {(_COLOUR_SPACE, name) for name in _DEFAULT_COLOUR_SPACES if name in table[_COLOUR_SPACE]}
            waiting |= {entry for entry in sheet.missing if entry[1] in table[entry[0]]}
            if beginnings:
                waiting |= {(c, name) for c, entries in enumerate(table) for name in entries if name.startswith(beginnings)}
        while waiting:
            for entry in waiting:
                made = self._entry(entry[0], table[entry[0]][entry[1]])
                chosen[entry] = made.token
                sheet.take_names(made.missing, made.omitted)
            waiting = {entry for entry in sheet.missing if entry[1] in table[entry[0]] and entry not in chosen}
        if len(chosen) < sum(len(entries) for entries in table):
            sheet.take_names((), [(table, frozenset(chosen))])
        for entry in sorted(chosen):
            sheet.parts += (b"%d/" % entry[0] + entry[1].hex().encode(), chosen[entry])

    def add_group(self, sheet: Sheet, value: Value | None) -> None:
        """Digest the optional content group to which something belongs, or the name that the group has in resources."""
        if isinstance(value, bytes) and value.startswith(b"/"):
            sheet.missing.add((_PROPERTIES, self._key(value)))
        if value is not None:
            sheet.parts.append(self.group_token(value))

    def group_token(self, value: Value | None, depth: int = 0) -> bytes:
        """An optional content group or membership, by its present effect. Its own text draws nothing."""
        if depth > 8:
            raise IdentityLimit("optional content nests too deep")
        if isinstance(value, int):
            inner = self.objects.value(value)
            if isinstance(inner, dict):
                return b"hidden" if self.objects.is_hidden(value) else b"shown"
            return self.group_token(inner, depth + 1)
        if isinstance(value, list):
            return b"@" + digest(b"[" + b" ".join(self.group_token(item, depth + 1) for item in value))
        if isinstance(value, dict):
            keys = (b"/Type", b"/P", b"/OCGs", b"/VE")
            return b"@" + digest(b"<<" + b" ".join(self.group_token(value.get(key), depth + 1) for key in keys))
        return value or b"null"

    def _closed_object(self, number: int, use: int) -> Closure:
        value = self.objects.value(number)
        if not isinstance(value, dict) or not self.objects.is_stream(number):
            return self.made(value)
        sheet = Sheet()
        self._add_stream(sheet, number, value, use)
        return sheet.closed()

    def _add_dict(self, sheet: Sheet, value: dict[bytes, Value], depth: int) -> None:
        sheet.parts.append(b"<<")
        noise: frozenset[bytes] = frozenset()
        kind = value.get(b"/Type")
        if isinstance(kind, bytes):
            noise = _TREE_NOISE.get(kind, noise)
        if b"/CharProcs" in value:  # the engine takes this, too, for the mark of a Type 3 font
            glyphs = self.objects.as_dict(value[b"/CharProcs"])
            for name in sorted(glyphs):
                sheet.parts.append(name)
                glyph = glyphs[name]
                sheet.add(self.closure(glyph, GLYPH) if isinstance(glyph, int) else scalar(b"null"))
            self.add_resources(sheet, value.get(b"/Resources"), set())
            noise |= {b"/CharProcs", b"/Resources"}
        self.add_entries(sheet, value, noise, depth)

    def _add_stream(self, sheet: Sheet, number: int, value: dict[bytes, Value], use: int) -> None:
        sheet.parts.append(b"stream")
        noise = _STREAM_NOISE
        data = None
        filters = self.objects.names(value.get(b"/Filter"))
        if _DECODABLE.issuperset(filters):
            data = self.objects.decoded(number)
        if data is not None:
            sheet.parts.append(digest(data))
        else:
            sheet.parts += (b"raw", digest(self.objects.raw(number)))
            parameters = self.objects.resolved(value.get(b"/DecodeParms"))
            listed = parameters if isinstance(parameters, list) else [parameters]
            for index, name in enumerate(filters):
                sheet.parts.append(name)
                sheet.add(self.made((listed[index] if index < len(listed) else None) or b"null"))
        self.add_group(sheet, value.get(b"/OC"))
        if use == XOBJECT and self.objects.resolved(value.get(b"/Subtype")) == b"/Image":
            use = GENERIC
            colour_space = value.get(b"/ColorSpace")
            if isinstance(colour_space, bytes):
                sheet.missing.add((_COLOUR_SPACE, self._key(colour_space)))
        if use != GENERIC:
            names, beginnings = self._names_in(data)
            if beginnings:
                raise NeedsWhole
            table: Table = ({},) * len(CATEGORIES)
            if use != GLYPH:
                resources = value.get(b"/Resources")
                table = self._table(resources)
                self.add_resources(sheet, resources, names)
                noise |= {b"/Resources"}
            sheet.missing.update(
                (category, name) for category, entries in enumerate(table) for name in names if name not in entries
            )
        self.add_entries(sheet, value, noise)

    def _entry(self, category: int, value: Value) -> Closure:
        if category == _PROPERTIES:
            return scalar(self.group_token(value))
        if isinstance(value, int):
            return self.closure(value, {_XOBJECT: XOBJECT, _PATTERN: CONTENT}.get(category, GENERIC))
        return self.made(value)

    def _table(self, resources: Value | None) -> Table:
        if isinstance(resources, int) and resources in self._tables:
            return self._tables[resources]
        entries = self.objects.as_dict(resources)
        table = tuple(
            {self._key(name): value for name, value in self.objects.as_dict(entries.get(category)).items()}
            for category in CATEGORIES
        )
        if isinstance(resources, int):
            self._tables[resources] = table
        return table

    def _key(self, printed: bytes) -> bytes:
        if self.whole:
            return printed
        name = printed[1:]
        plain = _PLAIN_NAME.match(name)
        if plain is None or plain.end() < len(name):
            raise NeedsWhole
        return _unescaped(name)

    def _names_in(self, data: bytes | None) -> tuple[set[bytes], tuple[bytes, ...]]:
        """Every name in a content stream, and the beginnings of names that are not plain. Names in strings, comments and inline
        images are among them, which does no harm.
        """
        if self.whole:
            return set(), ()
        if data is None:
            raise NeedsWhole
        names = set(_CONTENT_NAME.findall(data))
        beginnings = []
        for name in [name for name in names if b"#" in name or len(name) > 120]:
            names.remove(name)
            plain = _PLAIN_NAME.match(name)
            length = plain.end() if plain else 0
            if length < len(name):
                beginnings.append(_unescaped(name[:length]))
            else:
                names.add(_unescaped(name))
        return names, tuple(sorted(beginnings))


def _unescaped(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), name)
