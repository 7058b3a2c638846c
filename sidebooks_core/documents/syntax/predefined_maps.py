"""Adobe's predefined CMaps that the engine lacks, as text that it can read. Pure, except that it reads one file of the package.

`docs/make_character_maps.py` makes that file. A member of it is a line (writing mode, the name of the map that this one extends
or -, codespace ranges in hexadecimal) and a table of ranges. A row has four numbers: how many bytes a code has; how far its
first code lies behind the last code of the row before; how many codes follow; how far its first CID lies behind the CID after
the last one of the row before. All are 32-bit numbers, little-endian. A column is stored as the first bytes of its numbers,
then the second ones, and so on.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

_ARCHIVE = Path(__file__).with_name("character_maps.zip")
_COLLECTION_OF_ENCODING = (
    ("Japan2", re.compile("(Uni)?Hojo-")),
    ("KR", re.compile("UniAKR-")),
    ("GB1", re.compile("(Uni)?GB")),
    ("CNS1", re.compile("(Uni)?CNS|B5|ET|HK")),
    ("Korea1", re.compile("KSC|UniKS")),
    ("Japan1", re.compile("UniJIS|78|83pv|90|Add|EUC-|Ext|NWP|RKSJ|[HV]$|Hankaku|Hiragana|Katakana|Roman|WP-")),
)
"""Beginnings of the names of predefined CMaps (ISO 32000-2 table 116, Adobe's technical note 5094)."""
_ENCODED_UNICODE = re.compile(r"(Uni.*)-UTF(8|16)-([HV])")
_UTF8_SPACES = "00,7F,C080,DFBF,E08080,EFBFBF,F0808080,F7BFBFBF"
_UTF16_SPACES = "0000,D7FF,D800DC00,DBFFDFFF,E000,FFFF"
_MOST_ENTRIES = 100
"""Most ranges in one section of a CMap, by the format."""

Rows = NDArray[np.int64]
"""Columns: bytes of a code, first code, last code, first CID."""


class PredefinedMap(Struct, frozen=True):
    """A CMap from character codes to CIDs."""

    name: str
    is_vertical: bool
    adds_to: str
    """The name of the map that this one extends; empty if there is none."""
    spaces: tuple[str, ...]
    """First and last code of each codespace range in turn, in hexadecimal."""
    rows: Rows


def predefined_map(name: str) -> PredefinedMap | None:
    """The map of that name; None if the package has none. Takes 1 to 50 ms."""
    encoded = _ENCODED_UNICODE.fullmatch(name)
    read = _read(name, name) or (_read(f"{encoded[1]}-UTF32-{encoded[3]}", name) if encoded else None)
    if read is None or encoded is None or (len(read.rows) and read.rows[0, 0] != 4):
        return read
    is_utf8 = encoded[2] == "8"
    rows = np.array(list(_encoded_rows(read.rows.tolist(), is_utf8)), np.int64).reshape(-1, 4)
    spaces = tuple((_UTF8_SPACES if is_utf8 else _UTF16_SPACES).split(",")) if read.spaces else ()
    return PredefinedMap(name, read.is_vertical, read.adds_to.replace("UTF32", f"UTF{encoded[2]}"), spaces, rows)


def collection_of_encoding(name: str) -> str:
    """The collection of the CIDs of a predefined CMap, without "Adobe-"; empty for the identity and unknown names."""
    return next((collection for collection, begins in _COLLECTION_OF_ENCODING if begins.match(name)), "")


def as_cmap(one: PredefinedMap) -> bytes:
    """The map in the syntax of CMap files, without the map that it extends."""
    parts = [f"/CMapName /{one.name} def\n/WMode {int(one.is_vertical)} def\n"]
    pairs = [f"<{first}> <{last}>\n" for first, last in zip(one.spaces[::2], one.spaces[1::2], strict=True)]
    parts += _sections("codespacerange", pairs)
    lines = [f"<{low:0{2 * size}x}> <{high:0{2 * size}x}> {cid}\n" for size, low, high, cid in one.rows.tolist()]
    parts += _sections("cidrange", lines)
    return "".join((*parts, "endcmap\n")).encode()


def _sections(kind: str, lines: list[str]) -> Iterator[str]:
    for start in range(0, len(lines), _MOST_ENTRIES):
        some = lines[start : start + _MOST_ENTRIES]
        yield f"{len(some)} begin{kind}\n{''.join(some)}end{kind}\n"


def _read(member: str, name: str) -> PredefinedMap | None:
    with zipfile.ZipFile(_ARCHIVE) as archive:
        if member not in archive.namelist():
            return None
        head, _, table = archive.read(member).partition(b"\n")
    mode, adds_to, spaces = head.decode().split(" ")
    planes = np.frombuffer(table, np.uint8).reshape(4, 4, -1)
    sizes, gaps, more, jumps = np.ascontiguousarray(planes.transpose(0, 2, 1)).view("<i4")[..., 0].astype(np.int64)
    low = np.cumsum(gaps + np.concatenate(([0], more[:-1])))
    cid = np.cumsum(jumps + np.concatenate(([0], more[:-1] + 1)))
    rows = np.stack((sizes, low, low + more, cid), axis=1)
    return PredefinedMap(name, mode == "1", "" if adds_to == "-" else adds_to, tuple(filter(None, spaces.split(","))), rows)


def _encoded_rows(rows: list[list[int]], is_utf8: bool) -> Iterator[tuple[int, int, int, int]]:
    """Rows of UTF-32 as rows of UTF-8 or UTF-16. A row is split if more than the last byte, or the last surrogate, changes."""
    for _, low, high, cid in rows:
        while low <= high:
            step = (0x80 if low < 0x80 else 0x40) if is_utf8 else (0x10000 if low < 0x10000 else 0x400)
            end = min(high, low // step * step + step - 1)
            first, last = (chr(one).encode("utf-8" if is_utf8 else "utf-16-be", "surrogatepass") for one in (low, end))
            yield len(first), int.from_bytes(first, "big"), int.from_bytes(last, "big"), cid
            cid += end - low + 1
            low = end + 1
