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
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, Opened, as_pdf, mupdf, raw_pdf
from sidebooks_core.engine.pdf import faults as page_faults
from sidebooks_core.engine.pdf import glyph_boxes, layers, resources
from sidebooks_core.engine.pdf.rereading import reread_lost
from sidebooks_core.engine.transfer import applying as transfer

T = TypeVar("T")
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
def _rewritten_contents(document: Opened, index: int) -> Iterator[None]:
    """The contents of a page and of its forms with arrays that can be read, for the time being."""
    pdf = as_pdf(document)
    page_object = mupdf.pdf_lookup_page_obj(pdf, index)
    replaced: list[tuple[mupdf.PdfObj, mupdf.PdfObj, mupdf.PdfObj]] = []

    def replace(holder: mupdf.PdfObj, key: mupdf.PdfObj, data: bytes, entries_of: mupdf.PdfObj | None) -> None:
        better = lenient_content.rewritten(data)
        if better == data:
            return
        if entries_of is None:
            written = mupdf.pdf_new_dict(pdf, 1)
        else:
            written = resources.copied(pdf, entries_of, without=resources.OF_STREAM)
        new = resources.new_stream(pdf, better, written)
        replaced.append((holder, key, mupdf.pdf_dict_get(holder, key)))
        mupdf.pdf_dict_put(holder, key, new)

    try:
        if mupdf.pdf_dict_gets(page_object, "Contents").m_internal:
            replace(page_object, mupdf.pdf_new_name("Contents"), document[index].read_contents(), None)
        for one in list(resources.of_page(page_object)):
            forms = mupdf.pdf_dict_gets(one, "XObject")
            for name, form in list(resources.entries(forms)):
                if mupdf.pdf_to_name(mupdf.pdf_dict_gets(form, "Subtype")) == "Form":
                    replace(forms, name, document.xref_stream(mupdf.pdf_to_num(form)) or b"", form)
        yield
    finally:
        for holder, key, before in reversed(replaced):
            added = mupdf.pdf_to_num(mupdf.pdf_dict_get(holder, key))
            mupdf.pdf_dict_put(holder, key, before)
            mupdf.pdf_delete_object(pdf, added)  # the list has what it needs of it
