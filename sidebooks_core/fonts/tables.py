"""Reads the OpenType tables that decide which font replaces another: names, character sets, vertical glyphs. Pure.

A font is untrusted like any file: every error is a `ValueError`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

Table = bytes

# Bits of OS/2 ulCodePageRange1.
_CODE_PAGES = {17: "japan1", 18: "gb1", 19: "korea1", 20: "cns1"}
_MOST_FACES = 64
_MOST_LOOKUPS = 4096


class FaceNames(Struct, frozen=True):
    """What a font file says of one of its faces."""

    index: int
    """The face's place in its collection, from 0."""
    postscript: str
    family: str
    weight: int
    """Weight class of OS/2: 400 is regular, 700 bold; 400 if unknown."""
    orderings: tuple[str, ...]
    """The East Asian character sets that the face claims: japan1, gb1, cns1, korea1."""


def read_faces(path: Path) -> tuple[FaceNames, ...]:
    """The faces of a TTF, OTF, TTC or OTC file. Only the tables name and OS/2 are read.

    Raises OSError if the file cannot be read, ValueError if it is no font.
    """
    with path.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        try:
            return tuple(
                _face_names(i, tables.get("name", b""), tables.get("OS/2", b""))
                for i, offset in enumerate(_face_offsets(read(0, 12 + 4 * _MOST_FACES)))
                for tables in [_read_tables(read, offset, ("name", "OS/2"))]
            )
        except (struct.error, IndexError) as error:
            raise ValueError(f"{path.name}: damaged font: {error}") from error


def vertical_glyphs(data: memoryview, index: int) -> dict[int, int]:
    """For face `index` of a font file in memory: glyphs of horizontal writing, and their glyphs in vertical writing.

    From the features vert and vrt2 of GSUB, single substitutions only; no font has other ones there. Empty if the face has
    none. Raises ValueError if the tables are damaged.
    """
    try:
        table = face_table(data, index, "GSUB")
        if not table:
            return {}
        glyphs: dict[int, int] = {}
        # vert comes last and wins: vrt2 also lays Latin letters on their side, and some fonts do that differently.
        for tag in (b"vrt2", b"vert"):
            for lookup in _feature_lookups(table, tag):
                glyphs.update(_single_substitutions(table, lookup))
    except (struct.error, IndexError) as error:
        raise ValueError(f"damaged glyph substitution table: {error}") from error
    return glyphs


def face_table(data: memoryview, index: int, name: str) -> Table:
    """A table of face `index` of a font file in memory, its first 4 MiB; empty if there is none. Raises ValueError."""
    try:
        offset = _face_offsets(bytes(data[: 12 + 4 * _MOST_FACES]))[index]
        return _read_tables(lambda o, n: bytes(data[o : o + n]), offset, (name,)).get(name, b"")
    except (struct.error, IndexError) as error:
        raise ValueError(f"damaged font: {error}") from error


def _face_offsets(head: bytes) -> tuple[int, ...]:
    tag = head[:4]
    if tag == b"ttcf":
        (count,) = struct.unpack_from(">I", head, 8)
        count = min(count, _MOST_FACES)
        return struct.unpack_from(f">{count}I", head, 12)
    if tag in (b"\0\1\0\0", b"OTTO", b"true"):
        return (0,)
    raise ValueError("not a TrueType or OpenType font")


def _read_tables(read: Callable[[int, int], bytes], offset: int, wanted: tuple[str, ...]) -> dict[str, Table]:
    (count,) = struct.unpack(">H", read(offset + 4, 2))
    directory = read(offset + 12, 16 * count)
    found: dict[str, Table] = {}
    for i in range(count):
        tag, _checksum, start, size = struct.unpack_from(">4sIII", directory, 16 * i)
        name = tag.decode("latin-1")
        if name in wanted:
            found[name] = read(start, min(size, 1 << 22))
    return found


def _face_names(index: int, name: Table, os2: Table) -> FaceNames:
    weight, pages = 400, 0
    if len(os2) >= 6:
        (weight,) = struct.unpack_from(">H", os2, 4)
    if len(os2) >= 82:
        (pages,) = struct.unpack_from(">I", os2, 78)
    postscript = _name(name, 6)
    return FaceNames(
        index,
        postscript,
        _name(name, 16) or _name(name, 1) or postscript,
        weight,
        tuple(ordering for bit, ordering in _CODE_PAGES.items() if pages >> bit & 1),
    )


def _name(table: Table, wanted: int) -> str:
    if len(table) < 6:
        return ""
    _format, count, strings = struct.unpack_from(">HHH", table, 0)
    best, best_rank = "", 0
    for i in range(count):
        platform, _encoding, language, name_id, size, start = struct.unpack_from(">6H", table, 6 + 12 * i)
        if name_id != wanted:
            continue
        rank = 3 if platform == 3 and language == 0x409 else 2 if platform == 3 else 1 if platform == 1 else 0
        if rank > best_rank:
            raw = table[strings + start : strings + start + size]
            best, best_rank = raw.decode("utf-16-be" if platform == 3 else "latin-1", "replace"), rank
    return best.strip()


def _feature_lookups(table: Table, tag: bytes) -> list[int]:
    """Offsets of the lookups of a feature, in order, over all scripts and languages."""
    _major, _minor, _scripts, features, lookups = struct.unpack_from(">5H", table, 0)
    (count,) = struct.unpack_from(">H", table, features)
    wanted: set[int] = set()
    for i in range(count):
        found, offset = struct.unpack_from(">4sH", table, features + 2 + 6 * i)
        if found == tag:
            (n,) = struct.unpack_from(">H", table, features + offset + 2)
            wanted.update(struct.unpack_from(f">{n}H", table, features + offset + 4))
    (total,) = struct.unpack_from(">H", table, lookups)
    if total > _MOST_LOOKUPS:
        raise ValueError("too many lookups")
    offsets = struct.unpack_from(f">{total}H", table, lookups + 2)
    return [lookups + offsets[i] for i in sorted(wanted) if i < total]


def _single_substitutions(table: Table, lookup: int) -> dict[int, int]:
    kind, _flags, count = struct.unpack_from(">3H", table, lookup)
    result: dict[int, int] = {}
    for offset in struct.unpack_from(f">{count}H", table, lookup + 6):
        start, real_kind = lookup + offset, kind
        if kind == 7:
            _format, real_kind, extension = struct.unpack_from(">HHI", table, start)
            start += extension
        if real_kind != 1:
            continue
        form, coverage = struct.unpack_from(">HH", table, start)
        glyphs = _coverage(table, start + coverage)
        if form == 1:
            (delta,) = struct.unpack_from(">h", table, start + 4)
            substitutes = [(glyph + delta) & 0xFFFF for glyph in glyphs]
        else:
            (n,) = struct.unpack_from(">H", table, start + 4)
            substitutes = list(struct.unpack_from(f">{n}H", table, start + 6))
        # The first subtable with a glyph wins.
        for glyph, substitute in zip(glyphs, substitutes, strict=False):
            result.setdefault(glyph, substitute)
    return result


def _coverage(table: Table, start: int) -> list[int]:
    form, count = struct.unpack_from(">HH", table, start)
    if form == 1:
        return list(struct.unpack_from(f">{count}H", table, start + 4))
    glyphs: list[int] = []
    for i in range(count):
        first, last, _index = struct.unpack_from(">3H", table, start + 4 + 6 * i)
        glyphs.extend(range(first, last + 1))
    return glyphs
