"""Which annotations of a file a copy with marks leaves out, and which it gets. Pure.

A file that was exported, or whose annotations were imported, has marks already. A mark that says the same is not added, one
that has changed takes the place of its annotation, and the annotation of one that its owner has deleted is left out. All else
that the file has stays, whatever the names of marks are: whoever makes a mark with the name of an annotation removes nothing.
What somebody else than who exports has imported and changed stands beside its annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.documents.annotations import Annotation, Listed
from sidebooks_core.marks.annotations import (
    FileMarks,
    bodies_of,
    is_in_file,
    look_of,
    origin_of,
    said_by,
    salt_of,
    to_annotation,
)
from sidebooks_core.marks.model import Body
from sidebooks_core.marks.placing import PlacedMark


def _none(_mark_ids: Collection[str]) -> Mapping[str, bool]:
    return {}


class MarksToWrite(Struct, frozen=True):
    """Marks that go into a file."""

    placed: Iterable[PlacedMark]
    """As they stand in the document. They are looked at once: decoded ink takes 14 times the memory of what is written."""
    names: Mapping[str, str]
    """Of their owners, by id."""
    paper_id: str = ""
    imported: frozenset[str] = frozenset()
    """Those of them that were read from a file of the paper: see `MarkStore.imported`."""
    owner: str = ""
    """Who exports."""
    deleted: Callable[[Collection[str]], Mapping[str, bool]] = _none
    """Of some ids those whose marks that owner has deleted, and whether they were read from a file: see `MarkStore.deleted`."""


class Replacing(Struct, frozen=True):
    """What a copy has in another way than the file."""

    added: list[Annotation]
    removed: tuple[Listed, ...]
    """With what was replied to them."""
    replaced: tuple[Listed, ...] = ()
    """By what is added with that place. What was replied to them stays."""


class _Wanted(Struct, frozen=True):
    """A mark as it would be written."""

    annotation: Annotation
    owner: str
    is_in_file: bool


class _Part(Struct, frozen=True):
    """A mark that an annotation says, to one owner. An annotation can say several."""

    ids: tuple[str, ...]
    """The second one is its id if the first one is of somebody else's mark."""
    said: tuple[Body | Annotation, ...]
    """With the replies below it, as an import reads it, and without. The annotation as a whole: it has no body."""


def replacing(listed: Iterable[Sequence[Annotation]], marks: MarksToWrite, *, flattened: bool = False) -> Replacing:
    """listed: the annotations of the file, some at a time. flattened: no mark stays an annotation, also if it says the same."""
    wanted: dict[str, _Wanted] = {}
    for one in marks.placed:
        made = to_annotation(one, marks.names, marks.paper_id)
        if made is not None:
            wanted[one.mark.id] = _Wanted(made, one.mark.owner, is_in_file(one))
    importers = {wanted[mark_id].owner for mark_id in marks.imported.intersection(wanted)} | {marks.owner}
    files = {owner: FileMarks(1, salt_of(marks.paper_id, owner)) for owner in sorted(importers)}
    moved, kept = set[str](), set[str]()
    removed, replaced = list[Listed](), list[Listed]()
    before: dict[str, Annotation] = {}
    for some in listed:
        said = [(annotation, {owner: _parts(file, annotation) for owner, file in files.items()}) for annotation in some]
        ids = [mark_id for _, by_owner in said for part in by_owner[marks.owner] for mark_id in part.ids]
        deleted = marks.deleted([*ids, *(one.name for one in some if one.origin)])
        for annotation, by_owner in said:
            found = _Found(annotation, marks, wanted, deleted, is_flattened=flattened)
            for owner, parts in by_owner.items():
                found.look(owner, parts)
            found.look_by_origin()
            if found.is_replaced:
                at = (annotation.page, annotation.place)
                moved.update(found.ids)
                if not found.ids or (flattened and found.says_replies):
                    removed.append(at)
                    continue
                replaced.append(at)
                before.setdefault(found.ids[0], replace(annotation, packed_strokes=(), packed_quads=b""))
            else:
                kept |= found.same
    shown = kept.union(mark_id for mark_id, one in wanted.items() if one.is_in_file and mark_id not in moved)
    added = [
        _in_place(one.annotation, before.get(mark_id), marks.imported)
        for mark_id, one in wanted.items()
        if mark_id not in shown
    ]
    return Replacing(added, tuple(removed), tuple(replaced))


class _Found:
    """The marks that an annotation is."""

    def __init__(
        self,
        annotation: Annotation,
        marks: MarksToWrite,
        wanted: Mapping[str, _Wanted],
        deleted: Mapping[str, bool],
        *,
        is_flattened: bool,
    ) -> None:
        self._annotation = annotation
        self._marks = marks
        self._wanted = wanted
        self._deleted = deleted
        self._is_flattened = is_flattened
        self.ids: list[str] = []
        self.same: set[str] = set()
        """Those that say what it says."""
        self.is_replaced = False

    @property
    def says_replies(self) -> bool:
        """Whether one of the marks has the texts of all replies, too, each to its end."""
        if self._annotation.may_lack_replies:
            return False
        made = [self._wanted[mark_id].annotation for mark_id in self.ids]
        return bool(self._annotation.replies) and any(not self._parted(one)[1] for one in made)

    def look(self, owner: str, parts: Sequence[_Part]) -> None:
        """Look for the marks of one owner."""
        is_other = False
        known = 0
        for part in parts:
            held = next((one for one in part.ids if self._is_mark(one, owner)), None)
            if held is not None:
                self.ids.append(held)
                made = self._wanted[held].annotation
                looks = look_of(made), look_of(replace(made, text=self._parted(made)[0]))
                is_same = looks[0] in map(look_of, part.said) or looks[1] == look_of(part.said[-1])
                self.same |= {held} if is_same else set()
                is_other = is_other or (self._is_flattened if is_same else self._may_change(held, owner))
            elif any(self._is_deleted(one, owner) for one in part.ids):
                is_other = True
            else:
                continue
            known += 1
        if is_other and known == len(parts):  # else the copy would lack what nobody has as a mark
            self.is_replaced = True

    def look_by_origin(self) -> None:
        """Look for the mark of which an export has made it, whatever another program has made of it since."""
        name = self._annotation.name
        if self._annotation.origin and name not in self.ids:
            one = self._wanted.get(name)
            self.look(self._marks.owner if one is None else one.owner, [_Part((name,), (self._annotation,))])

    def _parted(self, made: Annotation) -> tuple[str, list[str]]:
        return _parted(made, self._annotation, self._marks.imported)

    def _is_mark(self, mark_id: str, owner: str) -> bool:
        one = self._wanted.get(mark_id)
        if one is None or one.owner != owner or one.annotation.page != self._annotation.page:
            return False
        return mark_id in self._marks.imported or self._is_ours(mark_id, owner)

    def _is_deleted(self, mark_id: str, owner: str) -> bool:
        if owner != self._marks.owner or mark_id not in self._deleted:
            return False
        return self._deleted[mark_id] or self._is_ours(mark_id, owner)

    def _may_change(self, mark_id: str, owner: str) -> bool:
        """Whether what became of a mark changes the annotation. Who exports has not taken over what others imported."""
        return owner == self._marks.owner or self._is_ours(mark_id, owner)

    def _is_ours(self, mark_id: str, owner: str) -> bool:
        """Whether an export of the paper has written it."""
        return bool(self._annotation.origin) and self._annotation.origin == origin_of(self._marks.paper_id, owner, mark_id)


def _parts(file: FileMarks, annotation: Annotation) -> list[_Part]:
    own = bodies_of(replace(annotation, replies=())) if annotation.replies else []
    return [
        _Part((mark_id, file.own_id(mark_id)), (body, own[place] if place < len(own) else annotation))
        for place, (mark_id, body) in enumerate(file.bodies(annotation))
    ]


def _in_place(made: Annotation, before: Annotation | None, imported: Collection[str]) -> Annotation:
    """A mark that takes the place of an annotation, if there is one. The replies to it stay, and are not said twice."""
    return made if before is None else replace(made, place=before.place, text=_parted(made, before, imported)[0])


def _parted(made: Annotation, before: Annotation, imported: Collection[str]) -> tuple[str, list[str]]:
    """The text of a mark without the replies to its annotation, which an import has put into it; and those that it lacks.

    Another program may have added, removed or moved some since, and its owner may have written on behind them.
    """
    if not before.replies or made.name not in imported:
        return made.text, list(before.replies)
    own = said_by(replace(before, replies=()))
    if made.text == said_by(before):
        return own, _beyond(before, len(made.text))
    if made.kind == "stamp":  # its words stand in one line
        told = [said for one in before.replies if (said := _as_said(before, one))]
        is_own = made.text.startswith(f"{own} ")
        return own if is_own else made.text, [
            one for one in told if not is_own or f" {one} " not in f"{made.text[len(own) :]} "
        ]
    has_own = made.text == own or made.text.startswith(f"{own}\n")
    head, rest = (own, made.text[len(own) + 1 :]) if has_own else ("", made.text)
    left = list(before.replies)
    for reply in sorted(left, key=len, reverse=True):
        place = f"\n{rest}\n".rfind(f"\n{reply}\n")
        if place >= 0:
            left.remove(reply)
            rest = "\n".join(one for one in (rest[: max(0, place - 1)], rest[place + len(reply) + 1 :]) if one)
    return "\n".join(one for one in (head, rest) if one), left


def _beyond(before: Annotation, said: int) -> list[str]:
    """The replies to an annotation that do not end within the first characters of its text and theirs.

    said: how many characters, at least as many as its own text has.
    """
    end = len(_as_said(before, before.text))
    found: list[str] = []
    for reply in before.replies:
        told = _as_said(before, reply)
        if told:
            end += len(told) + (end > 0)
            if end > said:
                found.append(reply)
    return found


def _as_said(one: Annotation, text: str) -> str:
    """A text as it stands in that of a mark. The words of a stamp stand in one line."""
    return " ".join(text.split()) if one.kind == "stamp" else text
