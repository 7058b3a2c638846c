"""Draws a page of a PDF without the images that cannot be unpacked, which the engine would paint black. Worker side.

The engine fills the missing part of an image with zeros, which is black in most colour spaces. Here such images are found one
by one, and replaced in a second copy of the document: by the part that can be unpacked, and by paper for the rest. The document
itself does not change, since its pages are identified by its content.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from msgspec import Struct

from sidebooks_core.documents.problems import IMAGE_CUT, IMAGE_LOST, IMAGE_PROBLEMS, of_warnings
from sidebooks_core.engine import second_engine
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.mupdf import (
    ENGINE_ERRORS,
    Opened,
    as_pdf,
    as_pdf_page,
    is_pdf,
    mupdf,
    pymupdf,
    raw_pdf,
    require_pdf,
    sanitizing,
)
from sidebooks_core.engine.open_document import OpenDocument
from sidebooks_core.engine.pdf import resources
from sidebooks_core.engine.pdf.objects import get, name
from sidebooks_core.engine.store import forget_resources, forget_unpacked, read_from

MOST_IMAGE_PIXELS = 48 << 20
"""Most pixels of an image that is looked into. A larger one stays as the engine draws it, and the user is told."""
MOST_IMAGES = 200
"""Most images of one page that are looked into."""
MOST_ENTRIES = 20_000
"""Most entries of the resources of one page among which images are looked for."""
_LINE_BY_LINE = frozenset({
    "FlateDecode", "Fl", "LZWDecode", "LZW", "RunLengthDecode", "RL", "ASCII85Decode", "A85", "ASCIIHexDecode", "AHx",
    "CCITTFaxDecode", "CCF", "Crypt",
})  # fmt: skip
"""Filters whose beginning can be decoded without the rest."""
_OF_IMAGES = frozenset({"DCTDecode", "DCT", "JPXDecode"})
_NAME = re.compile(r"/(\w+)")
_EMPTY_FORM = "<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << >> >>"


class Mended(Struct, frozen=True):
    """A page with its images mended."""

    display_list: pymupdf.DisplayList
    problems: tuple[str, ...]
    """The problems of its images."""


class Mender:
    """Mends the pages of one document."""

    def __init__(self, document: OpenDocument, reopen: Callable[[], OpenDocument]) -> None:
        """reopen: opens the same document once more."""
        self._document = document
        self._reopen = reopen
        self._copy: OpenDocument | None = None
        self._verdicts: dict[int, str | None] = {}
        """By the number of an image: its problem; empty if another engine could unpack it; None if it is sound."""

    def mend(self, page: int, cut: frozenset[int] = frozenset()) -> Mended | None:
        """Mend a page. Returns None if no image of the page is at fault. Raises RenderFailed.

        cut: the numbers of images that are known to be incomplete, though the engine unpacks them.
        """
        document = self._document.handle
        if not is_pdf(document):
            return None
        read_from(document)
        forget_resources(document)
        forget_unpacked()
        listed = document.get_page_images(page, full=True)[:MOST_IMAGES]
        masked_by = {image: mask for image, mask, *_ in listed if image} | _elsewhere(document, page)
        masked_by |= dict.fromkeys(cut - set(masked_by), 0)
        verdicts = {image: self._verdict(image, mask, is_cut=image in cut) for image, mask in masked_by.items()}
        bad = [verdict for verdict in verdicts.values() if verdict is not None]
        if _has_lost_inline(document, page):
            _filter_inline(self._mended(), page, drops=True)
            bad.append(IMAGE_LOST)
        take_messages()
        if not bad or self._copy is None:
            return None
        forget_resources(self._copy.handle)
        return Mended(self._copy.display_list(page), tuple(dict.fromkeys(problem for problem in bad if problem)))

    def close(self) -> None:
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _verdict(self, image: int, mask: int, *, is_cut: bool) -> str | None:
        if image not in self._verdicts:
            self._verdicts[image] = self._look_into(image, mask, is_cut=is_cut)
        return self._verdicts[image]

    def _look_into(self, number: int, mask: int, *, is_cut: bool) -> str | None:
        document = require_pdf(self._document.handle)
        pdf = as_pdf(document)
        is_sound, image = _unpacks(pdf, number)
        if is_sound and is_cut and image is not None and _has_detail(image):
            return IMAGE_CUT
        if is_sound and not is_cut:
            if not mask or _unpacks(pdf, mask)[0]:
                return None
            self._mended().xref_set_key(number, "SMask", "null")  # the whole image rather than nothing
            return IMAGE_CUT
        copy = self._mended()
        other = second_engine.unpacked(document, number)
        if other is not None:
            copy.update_stream(number, other, compress=0)
            for key, value in (("Filter", "null"), ("DecodeParms", "null"), ("BitsPerComponent", "1")):
                copy.xref_set_key(number, key, value)
            return IMAGE_CUT if is_cut else ""
        if is_cut or image is None or not _keep_rows(document, copy, number, image):
            _make_form(copy, number, _EMPTY_FORM, b" ")
            return IMAGE_LOST
        return IMAGE_CUT

    def _mended(self) -> Opened:
        """The copy in which images are replaced."""
        if self._copy is None:
            self._copy = self._reopen()
        return require_pdf(self._copy.handle)


def _elsewhere(document: pymupdf.Document, page: int) -> dict[int, int]:
    """The images of patterns, of annotations' appearances and of their forms, each with the number of its soft mask or 0."""
    found: dict[int, int] = {}
    page_object = mupdf.ll_pdf_lookup_page_obj(raw_pdf(document), page)
    starts = (resources.of_page(page_object), *resources.of_annotations(page_object, MOST_ENTRIES))
    for entry in resources.walk(starts, most=MOST_ENTRIES):
        if len(found) >= MOST_IMAGES:
            break
        if entry.number and entry.category == "XObject" and name(get(entry.value, "Subtype")) == "Image":
            found[entry.number] = mupdf.ll_pdf_to_num(get(entry.value, "SMask"))
    return found


def _has_lost_inline(document: pymupdf.Document, page: int) -> bool:
    """Whether an image in the page's content cannot be unpacked at all."""
    contents = b"".join(_bytes_of(document, number) for number in document.load_page(page).get_contents())
    return b"BI" in contents and _filter_inline(document, page, drops=False)


def _keep_rows(document: pymupdf.Document, copy: pymupdf.Document, number: int, image: mupdf.FzImage) -> bool:
    """Draw the rows that can be unpacked, at their place. Returns whether there are any."""
    filters = set(_NAME.findall(document.xref_get_key(number, "Filter")[1]))
    overrides = {"Filter": "null", "DecodeParms": "null", "F": "null"}
    if filters & _OF_IMAGES:
        data = _decoded(image)
        overrides |= {"Decode": "null", "BitsPerComponent": "8"}
    elif filters <= _LINE_BY_LINE:
        data = _bytes_of(document, number)
    else:
        return False
    stride = (image.w() * image.n() * (8 if filters & _OF_IMAGES else image.bpc()) + 7) // 8
    rows = min(image.h(), len(data) // stride)
    if not rows:
        return False
    if rows == image.h():
        return True
    if any(document.xref_get_key(number, key)[0] != "null" for key in ("SMask", "Mask")):
        return True  # its mask covers the whole image: the missing part is drawn as the engine draws it
    part = copy.get_new_xref()
    copy.update_object(part, document.xref_object(number))
    copy.update_stream(part, data[: rows * stride], compress=0)
    for key, value in {**overrides, "Height": str(rows)}.items():
        copy.xref_set_key(part, key, value)
    form = f"<< /Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /I {part} 0 R >> >> >>"
    share = rows / image.h()
    _make_form(copy, number, form, f"1 0 0 {share:.9f} 0 {1 - share:.9f} cm /I Do".encode())
    return True


class _InlineFilter(mupdf.PdfSanitizeFilterOptions2):
    """Drops images in content that cannot be unpacked at all."""

    def __init__(self) -> None:
        super().__init__()
        self.use_virtual_image_filter()
        self.found = False

    def image_filter(
        self, ctx: mupdf.fz_context, matrix: mupdf.fz_matrix, name: str, image: mupdf.fz_image, scissor: mupdf.fz_rect
    ) -> mupdf.fz_image | None:
        if name == "<inline>" and _is_lost(mupdf.FzImage(mupdf.ll_fz_keep_image(image))):
            self.found = True
            return None
        return mupdf.ll_fz_keep_image(image)


def _is_lost(image: mupdf.FzImage) -> bool:
    if image.w() * image.h() > MOST_IMAGE_PIXELS:
        return False
    take_messages()
    is_empty = not _decoded(image)
    return is_empty and not IMAGE_PROBLEMS.isdisjoint(of_warnings(take_messages(), is_drawing=True))


def _filter_inline(document: pymupdf.Document, page: int, *, drops: bool) -> bool:
    """Whether a page's content has such images. drops: take them out of the content."""
    chosen = _InlineFilter()
    options = sanitizing(chosen, changes=drops)
    forget_unpacked()
    try:
        mupdf.pdf_filter_page_contents(as_pdf(document), as_pdf_page(document.load_page(page)), options)
    except ENGINE_ERRORS:
        return False  # content that cannot be written anew stays as it is
    return chosen.found


def _unpacks(pdf: mupdf.PdfDocument, number: int) -> tuple[bool, mupdf.FzImage | None]:
    """Whether an image is whole, and the engine's image if it can be read at all."""
    take_messages()
    image = None
    try:
        image = mupdf.pdf_load_image(pdf, mupdf.pdf_new_indirect(pdf, number, 0))
        if image.w() * image.h() > MOST_IMAGE_PIXELS:
            return True, image
        mupdf.fz_get_unscaled_pixmap_from_image(image)
    except ENGINE_ERRORS:
        return False, image
    return not IMAGE_PROBLEMS & set(of_warnings(take_messages(), is_drawing=True)), image


def _bytes_of(document: pymupdf.Document, number: int) -> bytes:
    """The part of a stream that can be decoded."""
    try:
        return document.xref_stream(number) or b""
    except ENGINE_ERRORS:
        return b""


def _decoded(image: mupdf.FzImage) -> bytes:
    """The part of an image that can be decoded, a byte for each component, without the rows of zeros that the engine adds."""
    try:
        pixmap = pymupdf.Pixmap(mupdf.fz_get_unscaled_pixmap_from_image(image))
    except ENGINE_ERRORS:
        return b""
    samples = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.h, pixmap.w, pixmap.n)[:, :, : image.n()]
    rows = np.flatnonzero(samples.any(axis=(1, 2)))
    return samples[: rows[-1] + 1].tobytes() if rows.size else b""


def _has_detail(image: mupdf.FzImage) -> bool:
    """Whether an image that can be unpacked has more than one colour."""
    if image.w() * image.h() > MOST_IMAGE_PIXELS:
        return True
    samples = pymupdf.Pixmap(mupdf.fz_get_unscaled_pixmap_from_image(image)).samples
    return bool(samples != samples[:1] * len(samples))


def _make_form(copy: pymupdf.Document, number: int, form: str, content: bytes) -> None:
    copy.update_object(number, form)
    copy.update_stream(number, content, compress=0)
