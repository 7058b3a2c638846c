"""Mends the objects of an open PDF where the engine would read or draw them wrong. Worker side.

Fonts are mended in the engine's store (`font_mending`), images in a second copy of the document (`image_mending`). Nothing is
written to the file. What is mended on opening, and an object that the engine could not read, stays mended: identity
reads it so. What is mended for the listing of one page is put back after it, so that identity reads the document as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

from sidebooks_core.documents.source import Source
from sidebooks_core.documents.syntax import lenient_content
from sidebooks_core.engine.messages import count_messages, forget_messages, messages_since
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, Opened, RawObj, as_pdf, mupdf, owned, pymupdf, raw_pdf
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf import glyph_boxes, layers, resources
from sidebooks_core.engine.pdf.objects import get, name
from sidebooks_core.engine.pdf.replacing import replacements
from sidebooks_core.engine.pdf.rereading import reread_lost
from sidebooks_core.engine.transfer import applying as transfer

T = TypeVar("T")
_MOST_ENTRIES = 20_000
"""Of the resources of one page, those that are looked into for forms."""
_ROUNDS = 4
"""What a repaired object leads to may be damaged, too."""
LAYERS_UNJUDGED = "layers cannot be judged; what they hide may be shown, and the reverse"
_BAD_ARRAY = "syntax error in array"


def mend(document: Opened) -> None:
    """Mend what must hold to describe a PDF that was just opened and unlocked, if the engine has complained since."""
    _reread_page_tree(document)


def settle_layers(document: Opened, source: Source) -> None:
    """Judge the layers of a PDF, before it is described or a page of it is read. Messages meanwhile are dropped: of no page.

    Layers that cannot be judged are noted of the document: all is shown then that the engine takes for shown.
    """
    start = count_messages()
    try:
        layers.settle(document, source)
    except ENGINE_ERRORS as error:
        document.notes = (*document.notes, f"{LAYERS_UNJUDGED} ({error})")
    forget_messages(start)


def listed(document: Opened, index: int, listing: Callable[[], T]) -> T:
    """The display list of a page, mended. listing: makes it from the document as it is. Raises the engine's errors."""
    for _ in range(_ROUNDS):
        start = count_messages()
        made = _listed_once(document, index, listing)
        said = messages_since(start)
        if not said:
            return made
        if reread_lost(document, said):
            forget_messages(start)
            page_faults.forget(document)
        elif any(_BAD_ARRAY in line for line in said):
            forget_messages(start)
            with _rewritten_contents(document, index):
                return _listed_once(document, index, listing)
        else:
            return made
    return made


def _listed_once(document: Opened, index: int, listing: Callable[[], T]) -> T:
    """What `listing` makes of a page, its fonts and colours mended meanwhile.

    Most pages need nothing; to find that out takes some 0.03 ms.
    """
    faults = page_faults.faults_of(document, mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), index))
    with ExitStack() as mended:
        if faults.large_fonts:
            mended.enter_context(glyph_boxes.opened(document, faults.large_fonts))
        if faults.transfers:
            mended.enter_context(transfer.applied(document, index))
        if faults.transfers_elsewhere:
            mupdf.fz_warn(transfer.NOT_APPLIED)
        return listing()


def _reread_page_tree(document: Opened) -> None:
    """Read the catalog, the page tree and the pages leniently where they cannot be read otherwise."""
    pdf = raw_pdf(document)
    for _ in range(_ROUNDS):
        with suppress(mupdf.FzErrorBase):  # it is told by what the engine says; else whoever asks for the page has the error
            mupdf.ll_pdf_lookup_page_obj(pdf, 0)
        said = messages_since(0)
        if not said or not reread_lost(document, said):
            return
        forget_messages(0)
        mupdf.ll_pdf_drop_page_tree(pdf)
        mupdf.ll_pdf_set_page_tree_cache(pdf, 1)  # given up once a page was no dictionary


@contextmanager
def _rewritten_contents(document: pymupdf.Document, index: int) -> Iterator[None]:
    """The contents of a page and of its forms with arrays that can be read, for the time being."""
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


def _better(data: bytes) -> bytes | None:
    """Content as the engine can read it; None if it is so already."""
    better = lenient_content.rewritten(data)
    return None if better == data else better


def _forms(page_object: RawObj) -> list[tuple[mupdf.PdfObj, mupdf.PdfObj, mupdf.PdfObj]]:
    """Where the forms of a page are named: the dictionary, the key, and the form. Those of its annotations, too."""
    starts = (resources.of_page(page_object), *resources.of_annotations(page_object, _MOST_ENTRIES))
    return [
        (owned(entry.names), owned(mupdf.ll_pdf_dict_get_key(entry.names, entry.place)), owned(entry.value))
        for entry in resources.walk(starts, most=_MOST_ENTRIES)
        if entry.category == "XObject" and name(get(entry.value, "Subtype")) == "Form"
    ]
