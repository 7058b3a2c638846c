"""Reads the annotations of a PDF. Worker side.

What an annotation shows is part of the picture of its page already. Read is what it says: where it is, its text, who made it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice

from msgspec.structs import replace

from sidebooks_core.documents.annotations import (
    FARTHEST_PT,
    MOST_POINTS,
    MOST_READ,
    MOST_READ_BYTES,
    MOST_STROKES,
    MOST_TEXT,
    Annotation,
    Quad,
    packed_quads,
    packed_stroke,
    stamp_height,
)
from sidebooks_core.documents.syntax.pdf_date import from_pdf_date
from sidebooks_core.engine.annotations.plane import Box, Plane, around, plane_of
from sidebooks_core.engine.annotations.writing import BOOKMARK, NOTE, ORIGIN, PRESSURES
from sidebooks_core.engine.mupdf import RawObj, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.objects import get, items, name, text

_HIDDEN, _NO_ROTATE, _NO_VIEW = 2, 16, 32
"""Flags of annotations. What has the first or the last is not shown."""
_NOWHERE = 32767
"""Some programs write a box of the least and the greatest numbers of 16 bits for what has no place."""
_FALLBACKS = {"highlight": "#ffff00", "note": "#ffd400", "bookmark": "#cc0000", "underline": "#cc0000", "strikeout": "#cc0000"}
_DIGITS = 3
"""The engine's numbers have 24 bits: more digits are noise."""
_WIDEST_PT = 1000
_STRINGS = ("Contents", "T", "NM", ORIGIN, "CreationDate", "M")
_NUMBER_BYTES, _OBJECT_BYTES, _CHARACTER_BYTES = 4, 32, 4
"""What a number, an object and a character take at most, about."""
_MIDDLE = 0.5
"""The pressure of a pen that tells none."""


def annotations_of(document: pymupdf.Document, page: int) -> tuple[list[Annotation], int]:
    """Those of a page that can become marks, in their order. Replies stand in `replies` of what they reply to.

    At most MOST_READ are looked at, and no more are taken than MOST_READ_BYTES. If the page has much more to read, taken or
    not, the others are not looked at. The second value is how many were left out.

    Raises the engine's errors, ValueError for a page without an area.
    """
    page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), page)
    plane = plane_of(page_object)
    every = get(page_object, "Annots")
    listed = list(islice(items(every), MOST_READ))
    left_out = max(0, mupdf.ll_pdf_array_len(every) - MOST_READ)
    is_cut = left_out > 0
    replies = _replies(listed)
    weights = {number: sum(map(_reply_bytes, some)) for number, some in replies.items()}
    found: list[Annotation] = []
    taken_bytes = read_bytes = 0
    for place, one in enumerate(listed):
        if read_bytes > 2 * MOST_READ_BYTES:
            left_out += len(listed) - place
            break
        flags = mupdf.ll_pdf_to_int(get(one, "F"))
        if _is_reply(one) or flags & (_HIDDEN | _NO_VIEW):
            continue
        below = replies.get(mupdf.ll_pdf_to_num(one), [])
        read_bytes += _stored_bytes(one) + weights.get(mupdf.ll_pdf_to_num(one), 0)
        read = _read(one, plane, page, below)
        if read is None:
            continue
        # One of those that were not looked at may reply to it.
        made = replace(read, place=place, may_lack_replies=read.may_lack_replies or is_cut)
        if taken_bytes + made.size_bytes > MOST_READ_BYTES:
            left_out += 1
            continue
        taken_bytes += made.size_bytes
        found.append(made)
    return found, left_out


def _is_reply(annotation: RawObj) -> bool:
    """Whether it replies to another, and does not only stand together with it."""
    return bool(get(annotation, "IRT")) and name(get(annotation, "RT")) != "Group"


def _replies(listed: list[RawObj]) -> dict[int, list[RawObj]]:
    """The replies by the number of the annotation under which they stand, in their order."""
    parents = {mupdf.ll_pdf_to_num(one): mupdf.ll_pdf_to_num(get(one, "IRT")) for one in listed if _is_reply(one)}
    found: dict[int, list[RawObj]] = {}
    for one in listed:
        if not _is_reply(one) or get(one, "StateModel"):  # a state is no text
            continue
        above, seen = mupdf.ll_pdf_to_num(get(one, "IRT")), set[int]()
        while above in parents and above not in seen:
            seen.add(above)
            above = parents[above]
        found.setdefault(above, []).append(one)
    return found


def _stored_bytes(annotation: RawObj) -> int:
    """What is read of an annotation, about, however little of it is taken. A short file can name one long string often."""
    strings = sum(mupdf.ll_pdf_to_str_len(get(annotation, key)) for key in _STRINGS)
    numbers = sum(min(MOST_POINTS, mupdf.ll_pdf_array_len(get(annotation, key))) for key in ("QuadPoints", PRESSURES))
    strokes = points = 0
    for one in islice(items(get(annotation, "InkList")), MOST_STROKES):
        strokes += 1
        points += mupdf.ll_pdf_array_len(one) // 2
        if points >= MOST_POINTS:
            break
    return strings + _NUMBER_BYTES * (numbers + 3 * points) + _OBJECT_BYTES * strokes


def _reply_bytes(reply: RawObj) -> int:
    return _OBJECT_BYTES + sum(mupdf.ll_pdf_to_str_len(get(reply, key)) for key in ("T", "Contents"))


def _read(annotation: RawObj, plane: Plane, page: int, replies: list[RawObj]) -> Annotation | None:
    """None for what can become no mark, or has no place."""
    box = _box(annotation, plane)
    shape = _SHAPES.get(name(get(annotation, "Subtype")))
    if box is None or shape is None:
        return None
    made = shape(annotation, plane, box, page)
    if made is None:
        return None
    said = _lines(made.text or text(get(annotation, "Contents")))
    answers, count, lacks_replies = list[str](), len(said), False
    for reply in replies:
        if count >= MOST_TEXT:  # what follows is cut off
            lacks_replies = True
            break
        answer = _lines(_reply_text(reply))
        lacks_replies = lacks_replies or len(answer) > MOST_TEXT
        answers.append(answer[:MOST_TEXT])
        count += max(len(answers[-1]), _reply_bytes(reply) // _CHARACTER_BYTES)
    opacity = mupdf.ll_pdf_to_real(get(annotation, "CA")) if mupdf.ll_pdf_is_number(get(annotation, "CA")) else 1.0
    return Annotation(
        page=page,
        kind=made.kind,
        name=text(get(annotation, "NM"))[:200],
        origin=text(get(annotation, ORIGIN))[:64],
        colour=_colour(get(annotation, "C")) or _FALLBACKS.get(made.kind, made.colour),
        opacity=min(1.0, max(0.0, opacity)) if math.isfinite(opacity) else 1.0,
        packed_strokes=made.packed_strokes,
        width_pt=made.width_pt,
        packed_quads=made.packed_quads,
        x_pt=made.x_pt,
        y_pt=made.y_pt,
        height_pt=made.height_pt,
        text=said[:MOST_TEXT],
        replies=tuple(one for one in answers if one),
        may_lack_replies=lacks_replies,
        author=text(get(annotation, "T"))[:1000],
        made_ms=from_pdf_date(text(get(annotation, "CreationDate"))),
        changed_ms=from_pdf_date(text(get(annotation, "M"))),
    )


def _lines(said: str) -> str:
    return said.replace("\r\n", "\n").replace("\r", "\n")


def _reply_text(reply: RawObj) -> str:
    author, said = text(get(reply, "T")), text(get(reply, "Contents"))
    return f"{author}: {said}" if author and said else said


def _ink(annotation: RawObj, plane: Plane, _box: Box, page: int) -> Annotation | None:
    pressures = _numbers(get(annotation, PRESSURES), MOST_POINTS)
    lists, count = list[list[tuple[float, float]]](), 0
    for one in islice(items(get(annotation, "InkList")), MOST_STROKES):
        lists.append(list(_points(one, plane)))
        count += len(lists[-1])
        if count >= MOST_POINTS:
            break  # a short file can name one long stroke often
    if len(pressures) != sum(map(len, lists)):
        pressures = []  # another program has changed the strokes
    given = iter(pressures)
    strokes = [packed_stroke((x, y, min(1.0, max(0.0, next(given, _MIDDLE)))) for x, y in points) for points in lists if points]
    border = get(get(annotation, "BS"), "W")
    width_pt = round(plane.unit_pt * (mupdf.ll_pdf_to_real(border) if mupdf.ll_pdf_is_number(border) else 1.0), _DIGITS)
    if not 0 < width_pt <= _WIDEST_PT:  # so is what is no number
        width_pt = 1.0
    return Annotation(page=page, kind="ink", packed_strokes=tuple(strokes), width_pt=width_pt) if strokes else None


def _highlight(annotation: RawObj, plane: Plane, _box: Box, page: int) -> Annotation | None:
    quads = _quads(annotation, plane)
    return Annotation(page=page, kind="highlight", packed_quads=quads) if quads else None


def _underline(annotation: RawObj, plane: Plane, _box: Box, page: int) -> Annotation | None:
    quads = _quads(annotation, plane)
    return Annotation(page=page, kind="underline", packed_quads=quads) if quads else None


def _strikeout(annotation: RawObj, plane: Plane, _box: Box, page: int) -> Annotation | None:
    quads = _quads(annotation, plane)
    return Annotation(page=page, kind="strikeout", packed_quads=quads) if quads else None


def _note(annotation: RawObj, _plane: Plane, box: Box, page: int) -> Annotation:
    is_bookmark = name(get(annotation, "Name")) == BOOKMARK
    x_pt, y_pt = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return Annotation(page=page, kind="bookmark" if is_bookmark else "note", x_pt=x_pt, y_pt=y_pt)


def _stamp(annotation: RawObj, plane: Plane, box: Box, page: int) -> Annotation | None:
    if name(get(annotation, "Name")) in (NOTE, BOOKMARK):
        return _note(annotation, plane, box, page)
    made = _note(annotation, plane, box, page)
    said = text(get(annotation, "Contents")) or name(get(annotation, "Name"))
    height_pt = round(stamp_height(box[3] - box[1]), _DIGITS)
    return Annotation(page=page, kind="stamp", x_pt=made.x_pt, y_pt=made.y_pt, height_pt=height_pt, text=said[:MOST_TEXT])


_SHAPES: dict[str, Callable[[RawObj, Plane, Box, int], Annotation | None]] = {
    "Ink": _ink,
    "Highlight": _highlight,
    "Underline": _underline,
    "Squiggly": _underline,
    "StrikeOut": _strikeout,
    "Text": _note,
    "FreeText": _note,
    "Stamp": _stamp,
}


def _box(annotation: RawObj, plane: Plane) -> Box | None:
    """The box of an annotation as shown; None if it has no place."""
    numbers = _numbers(get(annotation, "Rect"), 4)
    if len(numbers) != 4 or all(abs(number) >= _NOWHERE for number in numbers):
        return None
    x0, y0, x1, y1 = numbers
    left, top, right, bottom = around((plane.as_shown(x0, y0), plane.as_shown(x1, y1)))
    if _stays_upright(annotation):  # on a page that is rotated, it hangs from its upper left corner
        left, top = plane.as_shown(min(x0, x1), max(y0, y1))
        right, bottom = left + abs(x1 - x0) * plane.unit_pt, top + abs(y1 - y0) * plane.unit_pt
    if not _is_near(left, top, right, bottom):
        return None
    return round(left, _DIGITS), round(top, _DIGITS), round(right, _DIGITS), round(bottom, _DIGITS)


def _stays_upright(annotation: RawObj) -> bool:
    return name(get(annotation, "Subtype")) == "Text" or bool(mupdf.ll_pdf_to_int(get(annotation, "F")) & _NO_ROTATE)


def _quads(annotation: RawObj, plane: Plane) -> bytes:
    points = list(_points(get(annotation, "QuadPoints"), plane))
    return packed_quads(_as_read(points[at : at + 4]) for at in range(0, len(points) - 3, 4))


def _as_read(points: list[tuple[float, float]]) -> Quad:
    """Upper left, upper right, lower left, lower right. Some programs go around a quad instead, as the standard has it."""
    first, second, third, fourth = points
    along = (second[0] - first[0]) * (fourth[0] - third[0]) + (second[1] - first[1]) * (fourth[1] - third[1])
    if along < 0:
        third, fourth = fourth, third
        down = (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])
        if down < 0:  # it began at the lower side
            first, second, third, fourth = third, fourth, first, second
    return (*first, *second, *third, *fourth)


def _points(array: RawObj, plane: Plane) -> Iterator[tuple[float, float]]:
    """The points of a list of coordinates, as shown. None if one of them has no place."""
    numbers = _numbers(array, 2 * MOST_POINTS + 2)
    points = [plane.as_shown(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=False)]
    if all(_is_near(*point) for point in points):
        yield from points


def _is_near(*coordinates: float) -> bool:
    return all(abs(one) <= FARTHEST_PT for one in coordinates)


def _numbers(array: RawObj, most: int) -> list[float]:
    """The numbers of a list, at most `most`; none if something else is among them."""
    found: list[float] = []
    for one in items(array):
        if not mupdf.ll_pdf_is_number(one):
            return []
        if len(found) == most:
            break
        found.append(mupdf.ll_pdf_to_real(one))
    return found


def _colour(array: RawObj) -> str:
    """As in CSS; empty if there is none."""
    parts = [min(1.0, max(0.0, one)) if math.isfinite(one) else 0.0 for one in _numbers(array, 4)]
    match parts:
        case [grey]:
            parts = [grey] * 3
        case [cyan, magenta, yellow, black]:
            parts = [(1 - one) * (1 - black) for one in (cyan, magenta, yellow)]
    return "#" + "".join(f"{round(one * 255):02x}" for one in parts) if len(parts) == 3 else ""
