"""Corrects fonts that were replaced, once a page has loaded them: vertical forms, and the widths the document gives.

In vertical writing the engine asks a replacing font for Unicode's presentation forms of some punctuation. Those do not
cover small kana, and many fonts (BIZ UD, MS Mincho) lack them and show empty boxes. The font's own table of vertical
glyphs has all. The engine's hooks cannot hand it over: they are told neither the writing mode nor the widths. So the
loaded font gets the map from CID to glyph that a CIDToGIDMap in the document would have given it; the document
itself is not touched, since the identity of its pages is taken from it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from sidebooks_core.documents.engine import pymupdf
from sidebooks_core.documents.font_tables import vertical_glyphs

mupdf = pymupdf.mupdf

_CIDS = 1 << 16
_MOST_NODES = 20_000
# Adobe-Japan1: Latin letters and half-width katakana, which stand upright; and the same letters laid on their side.
_UPRIGHT = range(1, 633)
_ON_THEIR_SIDE = range(8720, 9354)


def replaced_fonts(page: Any) -> Iterator[Any]:
    """The loaded Type 0 fonts of a page that are replaced (`pymupdf.mupdf.PdfFontDesc`)."""
    document = pymupdf._as_pdf_document(page.parent, required=False)
    if not document.m_internal:
        return
    for font in _composite_fonts(mupdf.pdf_lookup_page_obj(document, page.number)):
        descendant = mupdf.pdf_array_get(mupdf.pdf_dict_gets(font, "DescendantFonts"), 0)
        descriptor = mupdf.pdf_dict_gets(descendant, "FontDescriptor")
        if not any(_is_set(mupdf.pdf_dict_gets(descriptor, key)) for key in ("FontFile", "FontFile2", "FontFile3")):
            yield mupdf.pdf_load_font(document, mupdf.PdfResourceStack(), font)


def fit_widths(loaded: Any) -> None:
    """Narrow or widen each glyph to the width that the document gives it, as the engine does in simple fonts: else the
    letters of a proportional MS-PMincho run into each other. Only where the document does give widths."""
    description = loaded.m_internal
    if description.hmtx_len > 0 and not description.wmode:
        mupdf.ll_fz_font_flags(description.font).ft_stretch = 1


def needs_vertical_forms(loaded: Any) -> bool:
    """False for horizontal fonts, and for those with a map from CID to glyph, their own or ours."""
    description = loaded.m_internal
    return bool(description.wmode and description.to_ttf_cmap and not description.cid_to_gid_len)


def vertical_map(loaded: Any, data: memoryview) -> bytes | None:
    """CID -> glyph for vertical writing, as a CIDToGIDMap has it: 65536 big-endian 16-bit numbers; None if the face has no
    vertical glyphs. `data`: the font file."""
    description = loaded.m_internal
    upright_to_vertical = vertical_glyphs(data, description.font.subfont)
    if not upright_to_vertical:
        return None
    is_japan1 = description.to_ttf_cmap.cmap_name.startswith("Adobe-Japan1")
    glyphs = array("H", bytes(2 * _CIDS))
    for cid in range(_CIDS):
        character = mupdf.ll_pdf_lookup_cmap(description.to_ttf_cmap, cid)
        if character <= 0:
            continue
        glyph = mupdf.ll_fz_encode_character(description.font, character)
        if not (is_japan1 and cid in _UPRIGHT) and (character > 0xFF or (is_japan1 and cid in _ON_THEIR_SIDE)):
            glyph = upright_to_vertical.get(glyph, glyph)
        glyphs[cid] = glyph
    glyphs.byteswap()
    return glyphs.tobytes()


def give_map(loaded: Any, cid_to_gid: bytes) -> None:
    """Let the font find its glyphs by the map and by nothing else."""
    # The engine frees the map with the font, so the engine must have allocated it: it does when it loads a font that
    # brings such a map, and that font can spare it.
    with pymupdf.open(stream=_donor_document(cid_to_gid), filetype="pdf") as donor_document:
        pdf = pymupdf._as_pdf_document(donor_document)
        font = next(_composite_fonts(mupdf.pdf_lookup_page_obj(pdf, 0)))
        donor = mupdf.pdf_load_font(pdf, mupdf.PdfResourceStack(), font)
        giver, taker = donor.m_internal, loaded.m_internal
        taker.cid_to_gid, taker.cid_to_gid_len = giver.cid_to_gid, giver.cid_to_gid_len
        giver.cid_to_gid, giver.cid_to_gid_len = None, 0
        mupdf.ll_pdf_drop_cmap(taker.to_ttf_cmap)
        taker.to_ttf_cmap = None


def _composite_fonts(page: Any) -> Iterator[Any]:
    """The Type 0 font dictionaries that a page reaches, through forms, patterns, masks, Type 3 fonts and annotations."""
    waiting = [mupdf.pdf_dict_get_inheritable(page, mupdf.pdf_new_name("Resources"))]
    for annotation in _values(mupdf.pdf_dict_gets(page, "Annots")):
        for appearance in _values(mupdf.pdf_dict_gets(annotation, "AP")):
            waiting.append(mupdf.pdf_dict_gets(appearance, "Resources"))
            waiting.extend(mupdf.pdf_dict_gets(state, "Resources") for state in _values(appearance))
    seen: set[int] = set()
    nodes = 0
    while waiting and nodes < _MOST_NODES:
        resources = waiting.pop()
        if not mupdf.pdf_is_dict(resources):
            continue
        for kind in ("Font", "XObject", "Pattern", "ExtGState"):
            for item in _values(mupdf.pdf_dict_gets(resources, kind)):
                nodes += 1
                number = mupdf.pdf_to_num(item)
                if number:
                    if number in seen:
                        continue
                    seen.add(number)
                if kind == "Font" and mupdf.pdf_is_array(mupdf.pdf_dict_gets(item, "DescendantFonts")):
                    yield item
                elif kind == "ExtGState":
                    group = mupdf.pdf_dict_gets(mupdf.pdf_dict_gets(item, "SMask"), "G")
                    waiting.append(mupdf.pdf_dict_gets(group, "Resources"))
                else:
                    waiting.append(mupdf.pdf_dict_gets(item, "Resources"))


def _values(container: Any) -> Iterator[Any]:
    if mupdf.pdf_is_dict(container):
        for i in range(mupdf.pdf_dict_len(container)):
            yield mupdf.pdf_dict_get_val(container, i)
    elif mupdf.pdf_is_array(container):
        for i in range(mupdf.pdf_array_len(container)):
            yield mupdf.pdf_array_get(container, i)


def _is_set(value: Any) -> bool:
    return bool(value.m_internal) and not mupdf.pdf_is_null(value)


def _donor_document(cid_to_gid: bytes) -> bytes:
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F 4 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type0/BaseFont/Donor/Encoding/Identity-H/DescendantFonts[5 0 R]>>",
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Donor/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        b"/FontDescriptor 6 0 R/CIDToGIDMap 7 0 R>>",
        b"<</Type/FontDescriptor/FontName/Donor/Flags 4>>",
        b"<</Length %d>>stream\n" % len(cid_to_gid) + cid_to_gid + b"\nendstream",
    ]
    document, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(document))
        document += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(bodies) + 1
    return document + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        entries,
        size,
        len(document),
    )
