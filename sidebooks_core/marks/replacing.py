"""Which annotations of a file a copy with marks leaves out, and which marks it adds. Pure.

A file that was exported, or whose annotations were imported, has marks already. A mark that says the same is not added, one
that has changed takes the place of its annotation, and the annotation of one that its owner has deleted is left out. All else
that the file has stays, whatever the names of marks are: whoever makes a mark with the name of an annotation removes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from sidebooks_core.documents.annotations import Annotation, Listed
from sidebooks_core.marks.annotations import FileMarks, is_in_file, origin_of, salt_of
from sidebooks_core.marks.model import Body
from sidebooks_core.marks.placing import PlacedMark


def _none(_mark_ids: Collection[str]) -> Mapping[str, bool]:
    return {}


class MarksToWrite(Struct, frozen=True):
    """Marks that go into a file."""

    placed: Sequence[PlacedMark]
    """As they stand in the document."""
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

    added: list[PlacedMark]
    removed: tuple[Listed, ...]


class _Part(Struct, frozen=True):
    """A mark that an annotation says, to one owner. An annotation can say several."""

    ids: tuple[str, str]
    """The second one is its id if the first one is of somebody else's mark."""
    body: Body | None
    """None: a file does not tell, as of a note without words."""


def replacing(listed: Iterable[Sequence[Annotation]], marks: MarksToWrite) -> Replacing:
    """listed: the annotations of the file, some at a time."""
    wanted = {one.mark.id: one for one in marks.placed if one.page is not None and one.mark.body is not None}
    owners = {one.mark.owner for one in wanted.values()} | {marks.owner}
    files = {owner: FileMarks(1, salt_of(marks.paper_id, owner)) for owner in sorted(owners)}
    shown = {mark_id for mark_id, one in wanted.items() if is_in_file(one)}
    removed: list[Listed] = []
    for some in listed:
        said = [(annotation, {owner: _parts(file, annotation) for owner, file in files.items()}) for annotation in some]
        deleted = marks.deleted([mark_id for _, by_owner in said for part in by_owner[marks.owner] for mark_id in part.ids])
        for annotation, by_owner in said:
            found = _Found(annotation, marks, wanted, deleted)
            for owner, parts in by_owner.items():
                found.look(owner, parts)
            if found.is_replaced:
                removed.append((annotation.page, annotation.place))
                shown -= found.ids
            else:
                shown |= found.same
    return Replacing([one for mark_id, one in wanted.items() if mark_id not in shown], tuple(removed))


class _Found:
    """The marks that an annotation is."""

    def __init__(
        self, annotation: Annotation, marks: MarksToWrite, wanted: Mapping[str, PlacedMark], deleted: Mapping[str, bool]
    ) -> None:
        self._annotation = annotation
        self._marks = marks
        self._wanted = wanted
        self._deleted = deleted
        self.ids: set[str] = set()
        self.same: set[str] = set()
        """Those that say what it says."""
        self.is_replaced = False

    def look(self, owner: str, parts: Sequence[_Part]) -> None:
        """Look for the marks of one owner."""
        is_other = False
        known = 0
        for part in parts:
            held = next((one for one in part.ids if self._is_mark(one, owner)), None)
            if held is not None:
                self.ids.add(held)
                if self._wanted[held].mark.body == part.body:
                    self.same.add(held)
                else:
                    is_other = True
            elif any(self._is_deleted(one, owner) for one in part.ids):
                is_other = True
            else:
                continue
            known += 1
        if is_other and known == len(parts):  # else the copy would lack what nobody has as a mark
            self.is_replaced = True

    def _is_mark(self, mark_id: str, owner: str) -> bool:
        one = self._wanted.get(mark_id)
        if one is None or one.mark.owner != owner or one.page != self._annotation.page:
            return False
        return mark_id in self._marks.imported or self._is_ours(mark_id, owner)

    def _is_deleted(self, mark_id: str, owner: str) -> bool:
        if owner != self._marks.owner or mark_id not in self._deleted:
            return False
        return self._deleted[mark_id] or self._is_ours(mark_id, owner)

    def _is_ours(self, mark_id: str, owner: str) -> bool:
        """Whether an export of the paper has written it."""
        return bool(self._annotation.origin) and self._annotation.origin == origin_of(self._marks.paper_id, owner, mark_id)


def _parts(file: FileMarks, annotation: Annotation) -> list[_Part]:
    said: list[tuple[str, Body | None]] = list(file.bodies(annotation))
    if not said and annotation.origin:
        said = [(annotation.name, None)]
    return [_Part((mark_id, file.own_id(mark_id)), body) for mark_id, body in said]
