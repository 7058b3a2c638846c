"""Mends objects of an open PDF that the engine would read or draw wrongly. Worker side.

Fonts are mended in the engine's store (`fonts/mending.py`), images in a second copy of the document (`images/mending.py`).
Nothing is written to the file. Objects that are mended on opening, and objects that the engine could not read, stay mended, and
identity reads them so. Changes for the list of one page are undone after it, so that identity reads the document as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import TypeVar

from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import lenient_content
from sidebooks_core.engine.messages import count_messages, forget_messages, messages_since
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, Opened, RawObj, as_pdf, mupdf, owned, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import empty_streams, glyph_boxes, layers, resources
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf.objects import get, items, name
from sidebooks_core.engine.pdf.pages import told_count
from sidebooks_core.engine.pdf.replacing import replacements
from sidebooks_core.engine.pdf.rereading import reread_lost

T = TypeVar("T")
_MOST_ENTRIES = 20_000
"""Most entries in the resources of one page that are looked at for forms."""
_ROUNDS = 4
"""Objects to which a repaired object leads may be damaged, too."""
LAYERS_UNJUDGED = "layers cannot be judged; what they hide may be shown, and the reverse"
_BAD_ARRAY = "syntax error in array"
_CUT_SHORT = "premature end of data"


def mend(document: Opened) -> bool:
    """Mend a PDF that was just opened and unlocked as far as its description needs it. Nothing is done without a message of the
    engine. Returns whether something was mended.

    The engine's first look-up of a page must read all pages, so that it complains of each object that it cannot read. It also
    corrects the number of pages in the open document if there are fewer.
    """
    told = told_count(document)
    was_reread = _reread_page_tree(document)
    return was_reread or told_count(document) != told


def settle_layers(document: Opened, source: Source) -> None:
    """Decide which layers of a PDF are visible, before it is described or a page of it is read. Messages meanwhile are dropped:
    they belong to no page.

    If that fails, a note is kept with the document. Then layers show as the engine has them.
    """
    start = count_messages()
    try:
        layers.settle(document, source)
    except ENGINE_ERRORS as error:
        document.notes = (*document.notes, f"{LAYERS_UNJUDGED} ({error})")
    forget_messages(start)


def listed(document: Opened, index: int, listing: Callable[[], T]) -> T:
    """The display list of a page, mended. listing: makes the list from the document as it is. Raises the engine's errors."""
    for _ in range(_ROUNDS):
        start = count_messages()
        made = _listed_once(document, index, listing)
        said = messages_since(start)
        if not said:
            return made
        if reread_lost(document, said):
            forget_messages(start)
            page_faults.forget(document)
        elif any(_CUT_SHORT in line for line in said):
            with empty_streams.unfiltered(document, _streams(document, index)) as is_better:
                if not is_better:
                    return made
                forget_messages(start)
                return _listed_once(document, index, listing)
        elif any(_BAD_ARRAY in line for line in said):
            forget_messages(start)
            with _rewritten_contents(document, index):
                return _listed_once(document, index, listing)
        else:
            return made
    return made


def _listed_once(document: Opened, index: int, listing: Callable[[], T]) -> T:
    """Make the list of a page, with its fonts and colours mended meanwhile.

    Most pages need nothing. It takes some 0.03 ms to find that out.
    """
    faults = page_faults.faults_of(document, mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), index))
    with ExitStack() as mended:
        if faults.large_fonts:
            mended.enter_context(glyph_boxes.opened(document, faults.large_fonts))
        if faults.transfers or faults.transfers_elsewhere:
            from sidebooks_core.engine.transfer import applying as transfer
        if faults.transfers:
            mended.enter_context(transfer.applied(document, index))
        if faults.transfers_elsewhere:
            mupdf.fz_warn(transfer.NOT_APPLIED)
        return listing()


def _reread_page_tree(document: Opened) -> bool:
    """Read the catalog, the page tree and the pages leniently if they cannot be read otherwise. Returns whether that was so."""
    pdf = raw_pdf(document)
    for tried in range(_ROUNDS):
        with suppress(mupdf.FzErrorBase):  # the engine's message tells of it; otherwise the page fails when it is asked for
            mupdf.ll_pdf_lookup_page_obj(pdf, 0)
        said = messages_since(0)
        if not said or not reread_lost(document, said):
            return tried > 0
        forget_messages(0)
        mupdf.ll_pdf_drop_page_tree(pdf)
        mupdf.ll_pdf_set_page_tree_cache(pdf, 1)  # the engine gave it up when a page was no dictionary
    return True


@contextmanager
def _rewritten_contents(document: pymupdf.Document, index: int) -> Iterator[None]:
    """Replace the contents of a page and of its forms by contents with arrays that the engine can read, for a while."""
    pdf = as_pdf(document)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    with replacements(pdf) as replaced:
        if mupdf.pdf_dict_gets(page_object, "Contents").m_internal:
            better = _better(document[index].read_contents())
            if better is not None:
                replaced.put(page_object, "Contents", replaced.add_stream(better, mupdf.pdf_new_dict(pdf, 1)))
        for names, key, form in _forms(page_object.m_internal):
            better = _better(document.xref_stream(mupdf.pdf_to_num(form)) or b"")
            if better is not None:
                described = resources.copied(pdf, form, without=resources.OF_STREAM)
                replaced.put(names, key, replaced.add_stream(better, described))
        yield


def _streams(document: pymupdf.Document, index: int) -> list[RawObj]:
    """What a page draws with: the parts of its content, its forms, the appearances of its annotations."""
    page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), index)
    shown = (one for annotation in items(get(page_object, "Annots")) for one in resources.appearances(annotation))
    forms = (form.m_internal for _, _, form in _forms(page_object))
    return [*empty_streams.contents(page_object), *islice(shown, _MOST_ENTRIES), *forms]


def _better(data: bytes) -> bytes | None:
    """Content that the engine can read; None if it can read this content."""
    better = lenient_content.rewritten(data)
    return None if better == data else better


def _forms(page_object: RawObj) -> list[tuple[mupdf.PdfObj, mupdf.PdfObj, mupdf.PdfObj]]:
    """For each form of a page and of its annotations: the dictionary that names it, the key, and the form."""
    starts = (resources.of_page(page_object), *resources.of_annotations(page_object, _MOST_ENTRIES))
    return [
        (owned(entry.names), owned(mupdf.ll_pdf_dict_get_key(entry.names, entry.place)), owned(entry.value))
        for entry in resources.walk(starts, most=_MOST_ENTRIES)
        if entry.category == "XObject" and name(get(entry.value, "Subtype")) == "Form"
    ]
