"""Loads Type 0 fonts that the engine gives up or misreads: without a descriptor, a collection, or an encoding it knows. Worker
side.

The engine draws the text of a font that it could not load as Latin letters, byte by byte. So if it complained of fonts on a
page, all fonts of the page are looked at. Each such font is loaded from a copy of its dictionary that has the missing parts,
and takes the place of the failed font in the engine's store. The document is not changed, since the identity of its pages is
taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sidebooks_core.documents.syntax.predefined_maps import PredefinedMap, as_cmap, collection_of_encoding, predefined_map
from sidebooks_core.engine.fonts.settling import composite_fonts, drop
from sidebooks_core.engine.mupdf import EnginePage, as_pdf, mupdf, pymupdf

COMPLAINT = re.compile(
    "missing font descriptor|no builtin cmap file|missing CIDSystemInfo|unknown cid collection|unknown cid font type"
    "|font missing encoding|cid font is missing descendant|CMap is missing codespace range|cannot load system CMap"
)
"""The engine's messages about fonts that are mended here. It repeats them for a font that cannot be mended when the page is
read again."""
COMPLAINT_UNTIL_MENDED = re.compile(f"{COMPLAINT.pattern}|cannot encode character")
"""The engine's messages while such fonts are not mended. It repeats those about other fonts when the page is read again."""
_KINDS = ("CIDFontType0", "CIDFontType2")
_READ_BY = {"Japan2": ("UniHojo-UTF32-H", "Japan1"), "KR": ("UniAKR-UTF32-H", "Korea1")}
"""Collections that the engine does not know: the map that tells their characters, and the collection whose faces draw them."""
_NO_OBJECT = 8_000_000
"""Object numbers from here on are in no document. They name encodings in the engine's store while a font is loaded. Each map
has its own number, since the store tells fonts apart by the text of their dictionaries."""
_SCRATCH_BYTES = 4096

_maps: dict[str, mupdf.pdf_cmap] = {}
"""The engine's objects for this package's maps, kept until the process ends."""
_held: list[mupdf.pdf_font_desc] = []
"""The fonts that were loaded for the last page. They are held so that they stay in the engine's store while it is drawn."""


def mend(page: EnginePage, complaints: Sequence[str]) -> bool:
    """Load the fonts of a page that the engine gave up. Returns True if the display list must be made again.

    complaints: the engine's messages while it made the list. Without a message about fonts nothing is looked at. Raises the
    engine's errors.
    """
    if not any(COMPLAINT.search(one) for one in complaints):
        return False
    if not isinstance(page, pymupdf.Page) or not page.parent.is_pdf:
        return False
    pdf = as_pdf(page.parent)
    while _held:
        drop(_held.pop())
    mupdf.pdf_purge_object_from_store(pdf, 0)  # fonts without object numbers, as the engine misread them
    for font in composite_fonts(mupdf.pdf_lookup_page_obj(pdf, page.number)):
        try:
            loaded = _mended(pdf, font)
        except mupdf.FzErrorBase:
            continue  # nothing helps: the font stays as it is, and the engine's message is told
        if loaded is not None:
            _held.append(loaded)
    return bool(_held)


def _mended(pdf: mupdf.PdfDocument, font: mupdf.PdfObj) -> mupdf.pdf_font_desc | None:
    """The font as it should be loaded; None if nothing is missing."""
    descendants = mupdf.pdf_dict_gets(font, "DescendantFonts")
    descendant = mupdf.pdf_array_get(descendants, 0) if mupdf.pdf_is_array(descendants) else descendants
    if not mupdf.pdf_is_dict(descendant):
        return None
    encoding = mupdf.pdf_dict_gets(font, "Encoding")
    encoding_name = mupdf.pdf_to_name(encoding)
    ours = _system_map(encoding_name) if encoding_name and not mupdf.ll_pdf_load_builtin_cmap(encoding_name) else None
    is_completed = _complete_stream(pdf, encoding)
    system = mupdf.pdf_dict_gets(descendant, "CIDSystemInfo")
    registry, ordering = _text(system, "Registry"), _text(system, "Ordering")
    collection = ordering if registry == "Adobe" else ""
    collection = collection or collection_of_encoding(encoding_name) or ordering or "Identity"
    has_file = any(
        mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(descendant, "FontDescriptor"), key).m_internal
        for key in ("FontFile", "FontFile2", "FontFile3")
    )
    is_complete = (
        collection == ordering
        and bool(registry)
        and collection not in _READ_BY
        and mupdf.pdf_is_array(descendants)
        and bool(encoding.m_internal)
        and bool(mupdf.pdf_dict_gets(descendant, "FontDescriptor").m_internal)
        and mupdf.pdf_to_name(mupdf.pdf_dict_gets(descendant, "Subtype")) in _KINDS
    )
    if is_complete and ours is None and not is_completed:
        return None
    read_by, drawn_as = _READ_BY.get(collection, ("", collection))
    whole = _whole_descendant(pdf, descendant, collection if has_file else drawn_as)
    copy = mupdf.pdf_copy_dict(mupdf.pdf_resolve_indirect(font))
    listed = mupdf.pdf_new_array(pdf, 1)
    mupdf.pdf_array_push(listed, whole)
    mupdf.pdf_dict_puts(copy, "DescendantFonts", listed)
    stand_in_number = _NO_OBJECT + list(_maps).index(encoding_name) if ours is not None else 0
    if ours is not None:
        stand_in = mupdf.pdf_new_indirect(pdf, stand_in_number, 0)
        mupdf.pdf_dict_puts(copy, "Encoding", stand_in)
        mupdf.ll_pdf_store_item(stand_in.m_internal, ours, _SCRATCH_BYTES)
    elif not encoding.m_internal:
        mupdf.pdf_dict_puts(copy, "Encoding", mupdf.pdf_new_name("Identity-H"))
    number = mupdf.pdf_to_num(font)
    if number:
        mupdf.pdf_purge_object_from_store(pdf, number)  # the font as the engine misread it
    try:
        loaded = mupdf.ll_pdf_load_font(pdf.m_internal, None, copy.m_internal)
    finally:
        if ours is not None:
            mupdf.pdf_purge_object_from_store(pdf, stand_in_number)
    if read_by:
        is_read = bool(mupdf.pdf_dict_gets(font, "ToUnicode").m_internal)
        _read_by(loaded, _unicode_map(read_by), is_read=is_read, is_replaced=not has_file)
    mupdf.ll_pdf_store_item(font.m_internal, loaded, loaded.size)
    return loaded


def _whole_descendant(pdf: mupdf.PdfDocument, descendant: mupdf.PdfObj, collection: str) -> mupdf.PdfObj:
    whole = mupdf.pdf_copy_dict(mupdf.pdf_resolve_indirect(descendant))
    system = mupdf.pdf_new_dict(pdf, 3)
    mupdf.pdf_dict_puts(system, "Registry", mupdf.pdf_new_string("Adobe", 5))
    mupdf.pdf_dict_puts(system, "Ordering", mupdf.pdf_new_string(collection, len(collection.encode())))
    mupdf.pdf_dict_puts(system, "Supplement", mupdf.pdf_new_int(0))
    mupdf.pdf_dict_puts(whole, "CIDSystemInfo", system)
    if not mupdf.pdf_is_dict(mupdf.pdf_dict_gets(descendant, "FontDescriptor")):
        descriptor = mupdf.pdf_new_dict(pdf, 1)
        mupdf.pdf_dict_puts(descriptor, "Flags", mupdf.pdf_new_int(4))
        mupdf.pdf_dict_puts(whole, "FontDescriptor", descriptor)
    if mupdf.pdf_to_name(mupdf.pdf_dict_gets(descendant, "Subtype")) not in _KINDS:
        mupdf.pdf_dict_puts(whole, "Subtype", mupdf.pdf_new_name("CIDFontType2"))
    return whole


def _complete_stream(pdf: mupdf.PdfDocument, encoding: mupdf.PdfObj) -> bool:
    """Give an embedded CMap the predefined one that it extends, if the engine lacks that one. Returns whether it did."""
    if not mupdf.pdf_is_stream(encoding):
        return False
    cmap = mupdf.ll_pdf_load_embedded_cmap(pdf.m_internal, encoding.m_internal)
    try:
        used = mupdf.pdf_to_name(mupdf.pdf_dict_gets(encoding, "UseCMap")) or cmap.usecmap_name
        missing = _system_map(used) if used and not cmap.usecmap else None
        if missing is not None:
            mupdf.ll_pdf_set_usecmap(cmap, missing)
        return missing is not None
    finally:
        mupdf.ll_pdf_drop_cmap(cmap)


def _system_map(name: str) -> mupdf.pdf_cmap | None:
    """A predefined map as the engine's object, from the engine or from this package; None if neither has it."""
    own = mupdf.ll_pdf_load_builtin_cmap(name)
    if own:
        return mupdf.ll_pdf_load_system_cmap(name)
    if name not in _maps:
        found = predefined_map(name)
        if found is None:
            return None
        cmap = _loaded(found)
        used = _system_map(found.adds_to) if found.adds_to else None
        if used is not None:
            if not found.spaces:
                cmap.codespace_len = 0  # the parser's guess, which would keep the spaces of `used` out
            mupdf.ll_pdf_set_usecmap(cmap, used)
        _maps[name] = cmap
    return _maps[name]


def _unicode_map(name: str) -> mupdf.pdf_cmap:
    """The map from CID to character, from a predefined map of UTF-32. If several characters have one CID, the first counts."""
    key = f"{name} to Unicode"
    if key not in _maps:
        found = predefined_map(name)
        assert found is not None
        rows = found.rows[::-1]
        turned = np.stack((np.full(len(rows), 2), rows[:, 3], rows[:, 3] + rows[:, 2] - rows[:, 1], rows[:, 1]), axis=1)
        _maps[key] = _loaded(PredefinedMap(found.name, False, "", ("0000", "FFFF"), turned))
    return _maps[key]


def _loaded(one: PredefinedMap) -> mupdf.pdf_cmap:
    stream = mupdf.fz_open_buffer(mupdf.fz_new_buffer_from_copied_data(as_cmap(one)))
    return mupdf.ll_pdf_load_cmap(stream.m_internal)


def _read_by(loaded: mupdf.pdf_font_desc, characters: mupdf.pdf_cmap, *, is_read: bool, is_replaced: bool) -> None:
    """Give a font of a collection that the engine does not know its characters and, if it is replaced, its glyphs."""
    if not is_read:
        if loaded.to_unicode:
            mupdf.ll_pdf_drop_cmap(loaded.to_unicode)
        loaded.to_unicode = mupdf.ll_pdf_keep_cmap(characters)
    if is_replaced and not loaded.cid_to_gid_len:
        if loaded.to_ttf_cmap:
            mupdf.ll_pdf_drop_cmap(loaded.to_ttf_cmap)
        loaded.to_ttf_cmap = mupdf.ll_pdf_keep_cmap(characters)


def _text(container: mupdf.PdfObj, key: str) -> str:
    return mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(container, key))
