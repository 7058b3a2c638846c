"""Marks as annotations of a PDF, and annotations as marks.

A mark keeps its id in a file, as the name of its annotation, so a file that comes back brings the same marks. An annotation of
another program gets an id that is made of what it says, so reading a file a second time adds nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from sidebooks_core.documents.annotations import Annotation, packed_quads, packed_stroke
from sidebooks_core.marks.model import (
    FILE_DEVICE,
    MOST_QUADS,
    MOST_SAMPLES,
    MOST_TEXT,
    Anchor,
    Body,
    Bookmark,
    Highlight,
    Ink,
    Mark,
    Note,
    Stamp,
    StampText,
    StrikeOut,
    Underline,
)
from sidebooks_core.marks.placing import PlacedMark

_MARK_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MOST_STAMP, _MOST_BOOKMARK = 40, 200
_LEAST_PT, _WIDEST_PT = 0.1, 200.0
_MOST_COUNTER = (1 << 16) - 1
_BOOKMARK_COLOUR = "#cc0000"
_encode = msgspec.json.Encoder(order="deterministic").encode


def to_annotation(one: PlacedMark, names: Mapping[str, str], paper_id: str) -> Annotation | None:
    """A mark of a paper as it stands in a revision. None if it is deleted or has no page.

    names: of owners, by their ids; an owner without a name is not told.
    """
    mark = one.mark
    if one.page is None or mark.body is None:
        return None
    return replace(
        _look(mark.body),
        page=one.page,
        name=mark.id,
        origin=origin_of(paper_id, mark.owner, mark.id),
        author=names.get(mark.owner, ""),
        made_ms=made_ms(mark.id),
        changed_ms=mark.stamp.at_ms,
    )


def look_of(one: Body | Annotation) -> Annotation:
    """What a mark says and shows, as it is written, and nothing else: equal looks are drawn alike."""
    if isinstance(one, Annotation):
        return replace(
            one, page=0, place=-1, name="", origin="", replies=(), may_lack_replies=False, author="", made_ms=0, changed_ms=0
        )
    return _look(one)


def is_in_file(one: PlacedMark) -> bool:
    """Whether the file of the revision in which it stands shows it already."""
    return one.mark.is_of_file and one.kind == "exact" and one.mark.stamp.device == FILE_DEVICE


def salt_of(paper_id: str, owner: str) -> str:
    """Of the ids of marks that a file does not name as we do: see `FileMarks`."""
    return f"{paper_id} {owner}"


def origin_of(paper_id: str, owner: str, mark_id: str) -> str:
    """By which an export knows again what an export has written: of which mark it is. A digest, so it says nobody's name."""
    return hashlib.sha256(f"{salt_of(paper_id, owner)} {mark_id}".encode()).hexdigest()[:32]


def _look(body: Body) -> Annotation:
    kind = "bookmark" if isinstance(body, Bookmark) else body.__struct_config__.tag
    return Annotation(
        page=0,
        kind=kind,  # type: ignore[arg-type]  # the tags of bodies are the kinds of annotations
        colour=_BOOKMARK_COLOUR if isinstance(body, Bookmark) else body.colour,
        opacity=body.opacity if isinstance(body, Ink) else 1.0,
        packed_strokes=(packed_stroke(body.samples),) if isinstance(body, Ink) else (),
        width_pt=body.width_pt if isinstance(body, Ink) else 1.0,
        packed_quads=packed_quads(body.quads) if isinstance(body, Highlight | Underline | StrikeOut) else b"",
        x_pt=body.x_pt if isinstance(body, Note | StampText) else 0.0,
        y_pt=body.y_pt if isinstance(body, Note | StampText) else 0.0,
        height_pt=body.height_pt if isinstance(body, StampText) else 0.0,
        text=body.text if not isinstance(body, Ink) else "",
    )


def made_ms(mark_id: str) -> int:
    """When a mark was made, in ms since 1970 (UTC), as its id tells; 0 if it does not."""
    return int(mark_id[:8] + mark_id[9:13], 16) if mark_id[14] == "7" else 0


class FileMarks:
    """Makes marks of the annotations of one file. Give it all of them, in their order, some at a time."""

    def __init__(self, revision: int, salt: str) -> None:
        """revision: whose file it is. salt: of the ids of marks that the file does not name as we do."""
        self._revision = revision
        self._salt = salt
        self._ids: set[str] = set()
        self._met: Counter[str] = Counter()

    def of(self, annotations: Iterable[Annotation], content_ids: Mapping[int, str]) -> list[Mark]:
        """Annotations as marks, which have no owner yet. An annotation that says nothing becomes none.

        content_ids: of the pages that have annotations.
        """
        made: list[Mark] = []
        for one in annotations:
            anchor = Anchor(revision=self._revision, page=one.page, content_id=content_ids[one.page])
            stamp = _stamp(one, self._revision)
            made += [Mark(mark_id, stamp, anchor, body, is_of_file=True) for mark_id, body in self.bodies(one)]
        return made

    def bodies(self, one: Annotation) -> list[tuple[str, Body]]:
        """What an annotation says, each with the id of its mark. No two have the same id. Replies make no other id."""
        bodies = bodies_of(one)
        text = said_by(replace(one, replies=()))
        own = [replace(body, text=text) if one.replies and hasattr(body, "text") else body for body in bodies]
        ids = [self._id(one.name, body, is_alone=len(bodies) == 1) for body in own]
        return list(zip(ids, bodies, strict=True))

    def own_id(self, mark_id: str) -> str:
        """What a mark has instead of an id that is of somebody else's mark."""
        return _uuid(f"{self._salt} {mark_id}")

    def _id(self, name: str, body: Body, *, is_alone: bool) -> str:
        mark_id = name.lower()
        if not is_alone or mark_id in self._ids or not _MARK_ID.fullmatch(mark_id):
            told = b"\0".join((self._salt.encode(), name.encode("utf-8", "replace"), _encode(body)))
            digest = hashlib.sha256(told).hexdigest()
            while True:
                self._met[digest] += 1
                mark_id = _uuid(f"{digest} {self._met[digest]}")
                if mark_id not in self._ids:
                    break
        self._ids.add(mark_id)
        return mark_id


def _stamp(one: Annotation, revision: int) -> Stamp:
    """The last moment of the second that a file tells. So the version of the file, which the page shows, holds over that from
    which it was made. The same annotation in a later revision holds over it again.
    """
    at_ms = one.changed_ms or one.made_ms
    return Stamp(at_ms // 1000 * 1000 + 999 if at_ms else 0, min(revision, _MOST_COUNTER), FILE_DEVICE)


def _uuid(told: str) -> str:
    """A UUID of version 8, made of a text."""
    digits = hashlib.sha256(told.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def said_by(one: Annotation) -> str:
    """The text of the mark that an annotation is, with the replies below it."""
    match one.kind:
        case "stamp":
            return " ".join(one.whole_text.split())[:_MOST_STAMP]
        case "bookmark":
            return one.whole_text[:_MOST_BOOKMARK]
    return one.whole_text[:MOST_TEXT]


def bodies_of(one: Annotation) -> list[Body]:
    """What an annotation says, with the replies below it: one for each stroke of ink, else one or none."""
    text = said_by(one)
    match one.kind:
        case "ink":
            width_pt = min(_WIDEST_PT, max(_LEAST_PT, one.width_pt))
            return [Ink(part, width_pt, one.colour, one.opacity) for stroke in one.strokes for part in _cut(stroke)]
        case "highlight" if one.packed_quads:
            return [Highlight(tuple(one.quads[:MOST_QUADS]), one.colour, text)]
        case "underline" if one.packed_quads:
            return [Underline(tuple(one.quads[:MOST_QUADS]), one.colour, text)]
        case "strikeout" if one.packed_quads:
            return [StrikeOut(tuple(one.quads[:MOST_QUADS]), one.colour, text)]
        case "note" if text:
            return [Note(one.x_pt, one.y_pt, text, one.colour)]
        case "stamp" if text:
            height_pt = min(_WIDEST_PT, max(_LEAST_PT, one.height_pt))
            return [StampText(one.x_pt, one.y_pt, height_pt, text, one.colour)]
        case "bookmark":
            return [Bookmark(text)]
    return []


def _cut(stroke: tuple[tuple[float, float, float], ...]) -> Iterable[tuple[tuple[float, float, float], ...]]:
    """A stroke in parts that a mark can hold. Each begins where the one before it ends."""
    step = MOST_SAMPLES - 1
    starts = range(0, max(1, len(stroke) - 1), step)
    return [stroke[start : start + MOST_SAMPLES] for start in starts]
