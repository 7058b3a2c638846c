"""Damaged documents made from sound ones: the same one for the same seed and number, on any machine.

Bytes are changed in any kind of file; in PDF also objects (by pikepdf), in archives also members, so that the damage gets
past the outer layers. One mutant in three is damaged more than once.
"""

from __future__ import annotations

import io
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pikepdf

from sidebooks_core.documents.archives import UNREADABLE

PIKEPDF_REFUSALS = (
    pikepdf.PdfError,
    pikepdf.PasswordError,
    pikepdf.ForeignObjectError,
    pikepdf.DependencyError,
    ValueError,
    TypeError,
    RuntimeError,
    KeyError,
    IndexError,
)
NUMBERS = (0, -1, 1, 2, 7, 255, 65535, 65536, -32768, 2**31 - 1, -(2**31), 2**32, 2**53, 10**12, -(10**9))
REALS = ("0", "-1", "1e-7", "0.00001", "-0.5", "99999999", "1e38", "-1e38", "3.4028236e38", "1e400", "nan")
NAMES = [
    "/FlateDecode",
    "/LZWDecode",
    "/DCTDecode",
    "/JPXDecode",
    "/JBIG2Decode",
    "/CCITTFaxDecode",
    "/RunLengthDecode",
    "/ASCII85Decode",
    "/Crypt",
    "/DeviceRGB",
    "/DeviceGray",
    "/DeviceCMYK",
    "/Pattern",
    "/Indexed",
    "/Separation",
    "/ICCBased",
    "/Form",
    "/Image",
    "/Type0",
    "/Type1",
    "/Type3",
    "/TrueType",
    "/CIDFontType2",
    "/Page",
    "/Pages",
    "/Catalog",
    "/XObject",
    "/Identity-H",
    "/Luminosity",
    "/Multiply",
]
BOXES: tuple[tuple[float, ...], ...] = (
    (0, 0, 0, 0),
    (0, 0, 1, 1),
    (0, 0, 0.001, 800),
    (0, 0, 10**7, 10),
    (0, 0, 10**9, 10**9),
    (-(2**31), -(2**31), 2**31, 2**31),
    (600, 800, 0, 0),
    (10**8, 10**8, 10**8 + 600, 10**8 + 800),
    (0, 0, 600),
    (),
)
OPERATORS = (b"q", b"Q", b"cm", b"Do", b"f*", b"W n", b"sh", b"BT", b"ET", b"Tj", b"gs", b"scn", b"BI", b"EI", b"d0", b"BX")
MOST_BYTES = 8 << 20
"""A mutant that grew beyond is cut: the fuzzer is after parsers, not after pipes."""


@dataclass(frozen=True, slots=True)
class Original:
    """A sound document to damage."""

    name: str
    data: bytes
    password: str | None

    @property
    def family(self) -> str:
        """What its bytes are like; splices stay within a family."""
        if b"%PDF" in self.data[:1024]:
            return "pdf"
        if self.data[:2] == b"PK":
            return "zip"
        return self.name.rpartition(".")[2].lower()


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged document; `number` and the seed make it again."""

    number: int
    name: str
    recipe: str
    data: bytes
    password: str | None


def make_mutant(originals: Sequence[Original], seed: int, number: int) -> Mutant:
    """The mutant of a number."""
    chance = random.Random(f"{seed}:{number}")
    original = chance.choice(originals)
    others = [one.data for one in originals if one.family == original.family]
    data, password, recipes = original.data, original.password, []
    for _ in range(chance.choice((1, 1, 2))):
        data, recipe = _damaged(chance, original.family, data, password, others)
        if recipe.startswith("objects") and "unreadable" not in recipe:
            password = None  # saved without encryption
        recipes.append(recipe)
    return Mutant(number, original.name, " + ".join(recipes), data[:MOST_BYTES], password)


def _damaged(
    chance: random.Random, family: str, data: bytes, password: str | None, others: Sequence[bytes]
) -> tuple[bytes, str]:
    if family == "pdf" and chance.random() < 0.6:
        try:
            return _edit_objects(chance, data, password)
        except PIKEPDF_REFUSALS:
            # A graph that pikepdf itself refuses, mostly after an earlier edit: its bytes can still be changed.
            return _change_bytes(chance, data, others)[0], "objects unreadable, bytes"
    if family == "zip" and chance.random() < 0.7:
        try:
            return _edit_members(chance, data)
        except UNREADABLE:
            # An earlier change left an archive that zipfile cannot read: its bytes can still be changed.
            return _change_bytes(chance, data, others)[0], "members unreadable, bytes"
    return _change_bytes(chance, data, others)


def _change_bytes(chance: random.Random, data: bytes, others: Sequence[bytes]) -> tuple[bytes, str]:
    if not data:
        return bytes(chance.randrange(256) for _ in range(64)), "noise"
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: _flip_bits(chance, data),
        lambda: _overwrite(chance, data),
        lambda: data[: chance.randrange(len(data))],
        lambda: _splice(chance, data, chance.choice(others)),
        lambda: _move_chunk(chance, data),
        lambda: change_numbers(chance, data),
    )
    number = chance.randrange(len(changes))
    return changes[number](), ("bits", "run", "truncated", "splice", "chunks", "numbers")[number]


def _flip_bits(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 16, 64, 512))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _overwrite(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data))
    count = min(len(data) - start, chance.choice((1, 8, 64, 1024)))
    filler = chance.choice((b"\0", b"\xff", b" ", None))
    run = filler * count if filler is not None else chance.randbytes(count)
    return data[:start] + run + data[start + count :]


def _splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _move_chunk(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data))
    chunk = data[start : start + chance.choice((16, 256, 4096))]
    if chance.random() < 0.4:
        return data[:start] + data[start + len(chunk) :]
    at = chance.randrange(len(data))
    return data[:at] + chunk * chance.choice((1, 2, 50)) + data[at:]


def change_numbers(chance: random.Random, data: bytes) -> bytes:
    """Some of the decimal numbers in the bytes become ones that parsers stumble over."""
    found = list(re.finditer(rb"-?\d+\.?\d*", data[: 1 << 20]))
    changed = data
    for match in sorted(chance.sample(found, min(len(found), chance.choice((1, 2, 8)))), key=lambda m: -m.start()):
        new = str(chance.choice(NUMBERS)) if chance.random() < 0.7 else chance.choice(REALS)
        changed = changed[: match.start()] + new.encode() + changed[match.end() :]
    return changed


def _edit_members(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist() if not info.is_dir()]
    doomed = {chance.randrange(len(members)) for _ in range(chance.choice((1, 1, 3)))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, (info, content) in enumerate(members):
            if number in doomed and chance.random() < 0.1:
                continue
            if number in doomed:
                is_text = info.filename.endswith(
                    (".xml", ".opf", ".html", ".xhtml", ".fpage", ".rels", ".css", ".ncx", ".fdoc")
                )
                damage = change_numbers if is_text and chance.random() < 0.5 else _bytes_only
                content = damage(chance, content)
            method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)) if info.filename != "mimetype" else 0
            # A fixed date: the same mutant on another day.
            archive.writestr(zipfile.ZipInfo(info.filename), content, compress_type=method)
    return out.getvalue(), f"{len(doomed)} members"


def _bytes_only(chance: random.Random, data: bytes) -> bytes:
    return _change_bytes(chance, data, [data])[0]


def _edit_objects(chance: random.Random, data: bytes, password: str | None) -> tuple[bytes, str]:
    with pikepdf.open(io.BytesIO(data), password=password or "", attempt_recovery=False, suppress_warnings=True) as pdf:
        objects = [one for one in pdf.objects if isinstance(one, (pikepdf.Dictionary, pikepdf.Stream, pikepdf.Array))]
        pages = [one for one in objects if isinstance(one, pikepdf.Dictionary) and one.get("/Type") in ("/Page", "/Pages")]
        edits = [
            chance.choice((_edit_value, _edit_value, _edit_value, _edit_stream, _edit_stream, _edit_page))(
                chance, pdf, objects, pages
            )
            for _ in range(chance.choice((1, 2, 4, 12)))
        ]
        out = io.BytesIO()
        packed = chance.choice((pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate))
        pdf.save(
            out,
            static_id=True,
            object_stream_mode=packed,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            encryption=False,
            fix_metadata_version=False,
        )
    return out.getvalue(), f"objects ({', '.join(edits)})"


def _edit_value(chance: random.Random, pdf: pikepdf.Pdf, objects: list[Any], pages: list[Any]) -> str:
    """One value of one object, up to three levels down: a number, a name, a reference."""
    holder = chance.choice(objects)
    for _ in range(3):
        places = _places(holder)
        if not places:
            return "nothing"
        place = chance.choice(places)
        inner = holder[place]
        if not isinstance(inner, (pikepdf.Dictionary, pikepdf.Array)) or inner.is_indirect or chance.random() < 0.2:
            break
        holder = inner
    places = _places(holder)
    if not places:
        return "nothing"
    place = chance.choice(places)
    way = chance.randrange(6)
    if way == 0 and not isinstance(holder, pikepdf.Array):
        del holder[place]
        return "removed"
    if way == 1:
        holder[place] = chance.choice(objects)
        return "reference"
    if way == 2:
        holder[place] = pikepdf.Name(chance.choice(NAMES))
        return "name"
    if way == 3 and isinstance(holder[place], pikepdf.Array) and len(holder[place]):
        holder[place] = pikepdf.Array(list(holder[place]) * chance.choice((2, 50, 2000)))
        return "long array"
    if way == 4:
        holder[place] = pikepdf.Object.parse(chance.choice((b"<<>>", b"[]", b"()", b"null", b"<" + b"41" * 5000 + b">")))
        return "empty"
    if chance.random() < 0.7:
        holder[place] = chance.choice(NUMBERS)
    else:
        holder[place] = pikepdf.Object.parse(
            chance.choice([one for one in REALS if one[-1].isdigit() and "e" not in one]).encode()
        )
    return "number"


def _places(holder: Any) -> list[Any]:
    if isinstance(holder, pikepdf.Array):
        return list(range(len(holder)))
    return [key for key in holder.keys() if key != "/Length"]  # noqa: SIM118 - its iterator gives values of arrays


def _edit_stream(chance: random.Random, pdf: pikepdf.Pdf, objects: list[Any], pages: list[Any]) -> str:
    streams = [one for one in objects if isinstance(one, pikepdf.Stream)]
    if not streams:
        return "nothing"
    stream = chance.choice(streams)
    way = chance.randrange(4)
    filters: Any = stream.get("/Filter")
    parameters: Any = stream.get("/DecodeParms")
    if way == 0:
        raw = stream.read_raw_bytes()
        stream.write(raw[: chance.randrange(len(raw) + 1)], filter=filters, decode_parms=parameters)
        return "stream truncated"
    if way == 1:
        stream.write(stream.read_raw_bytes(), filter=pikepdf.Name(chance.choice(NAMES[:9])), decode_parms=parameters)
        return "other filter"
    if way == 2:
        raw = stream.read_raw_bytes()
        stream.write(_bytes_only(chance, raw), filter=filters, decode_parms=parameters)
        return "stream bytes"
    try:
        content = stream.read_bytes()
    except PIKEPDF_REFUSALS:  # an image's own compression
        return "nothing"
    words = content[: 1 << 18].split(b" ")
    for _ in range(chance.choice((1, 4, 30))):
        at = chance.randrange(len(words))
        words[at] = chance.choice((words[at] + b" " + chance.choice(OPERATORS), chance.choice(words), b"", words[at] * 3))
    stream.write(change_numbers(chance, b" ".join(words)))
    return "content"


def _edit_page(chance: random.Random, pdf: pikepdf.Pdf, objects: list[Any], pages: list[Any]) -> str:
    if not pages:
        return "nothing"
    page = chance.choice(pages)
    way = chance.randrange(5)
    if way == 0:
        box = chance.choice(("/MediaBox", "/CropBox", "/TrimBox"))
        page[box] = pikepdf.Object.parse(f"[{' '.join(f'{value:f}' for value in chance.choice(BOXES))}]".encode())
        return "box"
    if way == 1:
        page["/Rotate"] = chance.choice((*NUMBERS, 90, 450, 45))
        return "rotation"
    if way == 2:
        page["/Count"] = chance.choice(NUMBERS)
        return "count"
    if way == 3:
        page["/Kids"] = pikepdf.Array([chance.choice(pages) for _ in range(chance.choice((1, 3, 300)))])
        return "kids"
    page["/UserUnit"] = chance.choice(NUMBERS)
    return "user unit"
