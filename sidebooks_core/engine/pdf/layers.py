"""Visibility of layers (optional content) of a PDF, decided once by its default configuration. Worker side.

The engine judges a membership of several groups by the last of them. It does not read visibility expressions, takes groups that
are written alike for one, and heeds a group's usage even if no configuration asks for it. So the visibility is decided here, by
ISO 32000-2, 8.11, and written into the open document: each group and each membership becomes a group whose own usage says
whether it is visible. The engine takes that as its last word. Identity asks the engine, and so gets the same result.
"""

from __future__ import annotations

from collections.abc import Iterator

from sidebooks_core.documents.source import Source
from sidebooks_core.engine.identity.objects import printed
from sidebooks_core.engine.mupdf import RawObj, as_pdf, mupdf, pymupdf, raw_pdf
from sidebooks_core.engine.pdf.object_search import numbers_of_holders

_DEPTH = 32
"""Deepest expression that is evaluated."""
_OPERANDS = 20_000
"""Most operands of one document that are evaluated. Each expression is evaluated once: it may be named many times."""
_MEMBERSHIP = b"OCMD"
_CATEGORIES = ("View", "Print", "Export")
"""Categories of usage that are a plain switch. Zoom, language and user depend on the reader."""


def settle(document: pymupdf.Document, source: Source) -> bool:
    """Write the visibility into a PDF, before any of its pages is read. Returns whether the PDF has optional content at all.

    source: the file. Raises the engine's errors.
    """
    pdf = as_pdf(document)
    properties = _get(mupdf.pdf_trailer(pdf), "Root", "OCProperties")
    if not mupdf.pdf_is_dict(properties):
        return False
    groups = _Groups(properties)
    if not mupdf.pdf_is_array(_get(properties, "OCGs")):
        # Without this list the engine shows everything.
        listed = mupdf.pdf_new_array(pdf, 4)
        for group in groups.all:
            mupdf.pdf_array_push(listed, group)
        mupdf.pdf_dict_puts(properties, "OCGs", listed)
        mupdf.ll_pdf_read_ocg(pdf.m_internal)
    memberships = [(found, groups.shows_membership(found)) for found in _memberships(document, source)]
    for group, is_shown in [(group, groups.shows(group)) for group in groups.all] + memberships:
        _write(pdf, group, is_shown=is_shown)
    _switch(pdf, properties, groups)
    return True


def is_hidden(document: pymupdf.Document, group: RawObj) -> bool:
    """Whether the optional content that an annotation names under `OC` is hidden. group: that entry; may be null."""
    pdf = raw_pdf(document)
    return bool(group and mupdf.ll_pdf_is_dict(group) and mupdf.ll_pdf_is_ocg_hidden(pdf, None, "View", group))


class _Groups:
    """The states of a document's groups in its default configuration."""

    def __init__(self, properties: mupdf.PdfObj) -> None:
        """properties: the catalog's `OCProperties`."""
        default = _get(properties, "D")
        on, off = list(_items(_get(default, "ON"))), list(_items(_get(default, "OFF")))
        self.all = list({_key(group): group for group in (*_items(_get(properties, "OCGs")), *on, *off)}.values())
        self._operands_left = _OPERANDS
        self._known: dict[int, bool | None] = {}
        base_is_on = _name(default, "BaseState") != "OFF"
        self._states = {_key(group): base_is_on for group in self.all}
        self._states.update((_key(group), True) for group in on)
        self._states.update((_key(group), False) for group in off)
        self._listed = dict(self._states)
        intents = set(_names(_get(default, "Intent"))) if not mupdf.pdf_is_null(_get(default, "Intent")) else {"View"}
        automatic = _automatic(default)
        for group in self.all:
            key = _key(group)
            if "All" not in intents and not intents & (set(_names(_get(group, "Intent"))) or {"View"}):
                self._states[key] = True  # made for another purpose than this configuration, which does not change it
            elif key in automatic:
                self._states[key] = _by_usage(group, automatic[key], self._states[key])
            elif _usage(group, "View") == "OFF":
                self._states[key] = False  # no configuration asks for it, but all readers heed it

    def shows(self, group: mupdf.PdfObj) -> bool:
        return self._states.get(_key(group), True)

    def is_on(self, group: mupdf.PdfObj) -> bool:
        """Whether the configuration's lists switch a group on. Intent and usage are not considered."""
        return self._listed.get(_key(group), True)

    def shows_membership(self, membership: mupdf.PdfObj) -> bool:
        expression = _get(membership, "VE")
        if mupdf.pdf_is_array(expression):
            verdict = self._evaluated(expression, 0)
            return True if verdict is None else verdict
        member = _get(membership, "OCGs")
        members = [member] if mupdf.pdf_is_dict(member) else list(_items(member))
        states = [self._operand(group, 0) for group in members]
        known = [state for state in states if state is not None]
        if not known:
            return True
        policy = _name(membership, "P")
        if policy == "AllOn":
            return all(known)
        if policy == "AnyOff":
            return not all(known)
        if policy == "AllOff":
            return not any(known)
        return any(known)

    def _evaluated(self, expression: mupdf.PdfObj, depth: int) -> bool | None:
        """The value of an expression; None if it has none, since it is empty, too deep or no expression."""
        if depth > _DEPTH:
            return None
        number = _key(expression)
        if number in self._known:
            return self._known[number]
        if number:
            self._known[number] = None  # while it is evaluated: it may lead back to itself
        self._operands_left -= mupdf.pdf_array_len(expression)
        if self._operands_left < 0:
            raise ValueError("too many operands")
        verdict = self._combined(expression, depth)
        if number:
            self._known[number] = verdict
        return verdict

    def _combined(self, expression: mupdf.PdfObj, depth: int) -> bool | None:
        operator = mupdf.pdf_to_name(mupdf.pdf_array_get(expression, 0))
        operands = [mupdf.pdf_array_get(expression, index) for index in range(1, mupdf.pdf_array_len(expression))]
        states = [state for state in (self._operand(operand, depth + 1) for operand in operands) if state is not None]
        if not states:
            return None
        if operator == "Not":
            return not states[0]
        return {"And": all, "Or": any}[operator](states) if operator in ("And", "Or") else None

    def _operand(self, operand: mupdf.PdfObj, depth: int) -> bool | None:
        if mupdf.pdf_is_array(operand):
            return self._evaluated(operand, depth)
        if not mupdf.pdf_is_dict(operand):
            return None  # deleted
        return self.shows(operand)


def _automatic(configuration: mupdf.PdfObj) -> dict[int, set[str]]:
    """For each group that the configuration switches by usage on viewing: the categories of usage that count."""
    found: dict[int, set[str]] = {}
    for usage in _items(_get(configuration, "AS")):
        if _name(usage, "Event") == "View":
            for group in _items(_get(usage, "OCGs")):
                found.setdefault(_key(group), set()).update(_names(_get(usage, "Category")))
    return found


def _by_usage(group: mupdf.PdfObj, categories: set[str], otherwise: bool) -> bool:
    states = {_usage(group, category) for category in _CATEGORIES if category in categories}
    if "OFF" in states:
        return False
    return True if "ON" in states else otherwise


def _usage(group: mupdf.PdfObj, category: str) -> str:
    return _name(_get(group, "Usage", category), f"{category}State")


def _write(pdf: mupdf.PdfDocument, group: mupdf.PdfObj, *, is_shown: bool) -> None:
    state = "ON" if is_shown else "OFF"
    for key in ("VE", "OCGs"):
        mupdf.pdf_dict_dels(group, key)
    view = mupdf.pdf_new_dict(pdf, 1)
    mupdf.pdf_dict_puts(view, "ViewState", mupdf.pdf_new_name(state))
    usage = mupdf.pdf_new_dict(pdf, 1)
    mupdf.pdf_dict_puts(usage, "View", view)
    mupdf.pdf_dict_puts(group, "Usage", usage)
    mupdf.pdf_dict_puts(group, "Type", mupdf.pdf_new_name("OCG"))
    mupdf.pdf_dict_puts(group, "Intent", mupdf.pdf_new_name("All"))
    # If a membership is written in its place, identity reads this entry.
    mupdf.pdf_dict_puts(group, "P", mupdf.pdf_new_name(state))


def _switch(pdf: mupdf.PdfDocument, properties: mupdf.PdfObj, groups: _Groups) -> None:
    """Make the default configuration agree. The engine hides a group that is off there, whatever its usage says."""
    if all(groups.is_on(group) for group in groups.all if groups.shows(group)):
        return
    off = mupdf.pdf_new_array(pdf, 4)
    for group in groups.all:
        if not groups.shows(group):
            mupdf.pdf_array_push(off, group)
    default = _get(properties, "D")
    mupdf.pdf_dict_puts(default, "BaseState", mupdf.pdf_new_name("ON"))
    mupdf.pdf_dict_puts(default, "OFF", off)
    mupdf.pdf_dict_dels(default, "ON")
    mupdf.ll_pdf_read_ocg(pdf.m_internal)


def _memberships(document: pymupdf.Document, source: Source) -> Iterator[mupdf.PdfObj]:
    """All membership dictionaries of the document, also those inside other objects."""
    pdf = as_pdf(document)
    for number in numbers_of_holders(document, source, _MEMBERSHIP):
        try:
            found = mupdf.pdf_load_object(pdf, number)
        except mupdf.FzErrorBase:
            continue  # damaged: nothing of it can be drawn
        if _MEMBERSHIP in printed(found.m_internal):
            yield from _inside(found)


def _inside(value: mupdf.PdfObj) -> Iterator[mupdf.PdfObj]:
    """The memberships in an object. References are not followed."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if mupdf.pdf_is_indirect(one):
            continue
        if mupdf.pdf_is_dict(one):
            if _name(one, "Type") == "OCMD":
                yield one
                continue
            waiting += [mupdf.pdf_dict_get_val(one, index) for index in range(mupdf.pdf_dict_len(one))]
        elif mupdf.pdf_is_array(one):
            waiting += [mupdf.pdf_array_get(one, index) for index in range(mupdf.pdf_array_len(one))]


def _key(value: mupdf.PdfObj) -> int:
    """Equal for the same object, whatever is written in it."""
    return mupdf.pdf_to_num(value)


def _get(value: mupdf.PdfObj, *path: str) -> mupdf.PdfObj:
    for key in path:
        value = mupdf.pdf_dict_gets(value, key)
    return value


def _items(value: mupdf.PdfObj) -> Iterator[mupdf.PdfObj]:
    """The dictionaries in an array."""
    for index in range(mupdf.pdf_array_len(value)):
        item = mupdf.pdf_array_get(value, index)
        if mupdf.pdf_is_dict(item):
            yield item


def _name(value: mupdf.PdfObj, key: str) -> str:
    return mupdf.pdf_to_name(_get(value, key))


def _names(value: mupdf.PdfObj) -> Iterator[str]:
    """A name, or the names in an array."""
    if mupdf.pdf_is_name(value):
        yield mupdf.pdf_to_name(value)
    for index in range(mupdf.pdf_array_len(value)):
        yield mupdf.pdf_to_name(mupdf.pdf_array_get(value, index))
