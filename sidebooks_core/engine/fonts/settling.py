"""Corrects replaced fonts after a page has loaded them: vertical forms, and the widths that the document states. Worker side.

In vertical writing the engine asks a replacing font for Unicode's presentation forms of some punctuation. These do not cover
small kana, and many fonts (BIZ UD, MS Mincho) lack them and show empty boxes. The font's own table of vertical glyphs has all
forms. The engine's hooks cannot apply it: they are told neither the writing mode nor the widths. So the loaded font gets a map
from CID to glyph, as a CIDToGIDMap in the document would give. The document is not changed, since the identity of its pages is
taken from it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from sidebooks_core.engine.fonts.character_maps import CIDS, characters_of
from sidebooks_core.engine.mupdf import RawObj, as_pdf, mupdf, owned, pymupdf
from sidebooks_core.engine.pdf import resources
from sidebooks_core.fonts.glyph_maps import glyphs_of
from sidebooks_core.fonts.tables import vertical_glyphs

_GLYPHS = 1 << 16
_MOST_NODES = 20_000
# Adobe-Japan1: Latin letters and half-width katakana, which stand upright; and the same letters laid on their side.
_KANA = range(842, 1011)
_NARROW_CIDS = range(1, 633)
# Thousandths of the em. Kana of this width and more fit as they are.
_NARROW = 980
_ON_THEIR_SIDE = range(8720, 9354)


def replaced_fonts(page: pymupdf.Page) -> Iterator[mupdf.pdf_font_desc]:
    """The replaced Type 0 fonts that a page of a PDF has loaded. The caller must `drop` each of them."""
    pdf = as_pdf(page.parent)
    for font in composite_fonts(mupdf.pdf_lookup_page_obj(pdf, page.number)):
        descendants = mupdf.pdf_dict_gets(font, "DescendantFonts")
        descendant = mupdf.pdf_array_get(descendants, 0) if mupdf.pdf_is_array(descendants) else descendants
        descriptor = mupdf.pdf_dict_gets(descendant, "FontDescriptor")
        if not any(_is_set(mupdf.pdf_dict_gets(descriptor, key)) for key in ("FontFile", "FontFile2", "FontFile3")):
            try:
                loaded = _load(pdf, font)
            except mupdf.FzErrorBase:
                continue  # given up by the engine, which has said so
            yield loaded


def narrowed_widths(loaded: mupdf.pdf_font_desc, natural: Callable[[], Callable[[int], int]]) -> dict[int, int] | None:
    """Width in thousandths of the em by glyph, for a proportional Japanese font (MS-PMincho), whose kana would otherwise
    overlap. None for a font that needs no narrowing.

    natural: returns a function from a glyph to its own width in the replacing face. The engine's own table cannot be used. It
    takes the CIDs of the document's widths for character codes, and has one width for each glyph, while half-width kana (with
    CIDs of their own) share the glyphs of the full-width ones.
    """
    characters = _japan1_map(loaded)
    if loaded.wmode or not loaded.hmtx_len or characters is None:
        return None
    default = loaded.dhmtx.w

    def given_width(cid: int) -> int:
        return int(mupdf.ll_pdf_lookup_hmtx(loaded, cid).w)

    if all(given_width(cid) >= _NARROW for cid in _KANA):
        return None
    own_width = natural()
    given: dict[int, int] = {}
    own: dict[int, int] = {}
    for cid in range(1, _KANA.stop):
        character = mupdf.ll_pdf_lookup_cmap(characters, cid)
        glyph = mupdf.ll_fz_encode_character(loaded.font, character) if character > 0 else 0
        if not glyph:
            continue
        own[glyph] = own_width(glyph)
        width = given_width(cid)
        # Half-width and Latin letters of the default width are not given, and so not used.
        if width > 0 and (width != default or cid not in _NARROW_CIDS):
            given[glyph] = max(width, given.get(glyph, 0))
    return own | given


def give_widths(loaded: mupdf.pdf_font_desc, widths: dict[int, int]) -> None:
    """Draw each glyph as wide as `widths` says, as the engine does with replaced simple fonts."""
    identity = array("H", range(CIDS))
    identity.byteswap()
    entries = b" ".join(b"%d[%d]" % item for item in sorted(widths.items()))
    with _donor(identity.tobytes(), b"/DW %d/W[%s]" % (loaded.dhmtx.w, entries)) as donor:
        giver, taker = donor.font, loaded.font
        # Exchanged, so that each table is freed once, with the font that has it then.
        taker.width_table, giver.width_table = giver.width_table, taker.width_table
        taker.width_count, giver.width_count = giver.width_count, taker.width_count
        taker.width_default = giver.width_default
        mupdf.ll_fz_font_flags(taker).ft_stretch = 1


def has_own_widths(loaded: mupdf.pdf_font_desc) -> bool:
    """Whether `give_widths` was called for the font."""
    return bool(mupdf.ll_fz_font_flags(loaded.font).ft_stretch)


def needs_vertical_forms(loaded: mupdf.pdf_font_desc) -> bool:
    """False for horizontal fonts, and for fonts that have a map from CID to glyph, their own or ours."""
    return bool(loaded.wmode and loaded.to_ttf_cmap and not loaded.cid_to_gid_len)


def vertical_map(loaded: mupdf.pdf_font_desc, data: memoryview) -> bytes | None:
    """The glyph of each CID in vertical writing, in the form of a CIDToGIDMap: 65536 big-endian numbers of 16 bits. None if the
    face has no vertical glyphs.

    data: the font file.
    """
    upright_to_vertical = vertical_glyphs(data, loaded.font.subfont)
    if not upright_to_vertical:
        return None
    characters = characters_of(loaded.to_ttf_cmap)
    glyphs = glyphs_of(characters, data, loaded.font.subfont)
    if glyphs is None:
        encode, font = mupdf.ll_fz_encode_character, loaded.font
        glyphs = np.array([encode(font, one) if one > 0 else 0 for one in characters.tolist()])
    turns = characters > 0xFF
    if _japan1_map(loaded) is not None:
        turns[_ON_THEIR_SIDE.start : _ON_THEIR_SIDE.stop] = True
        turns[_NARROW_CIDS.start : _NARROW_CIDS.stop] = False
    vertical = np.arange(_GLYPHS)
    vertical[list(upright_to_vertical)] = list(upright_to_vertical.values())
    glyphs = np.where(turns, vertical[glyphs], glyphs)
    return np.where(characters > 0, glyphs, 0).astype(">u2").tobytes()


def give_map(loaded: mupdf.pdf_font_desc, cid_to_gid: bytes) -> None:
    """Let the font find its glyphs by this map alone."""
    with _donor(cid_to_gid, b"") as donor:
        loaded.cid_to_gid, loaded.cid_to_gid_len = donor.cid_to_gid, donor.cid_to_gid_len
        donor.cid_to_gid, donor.cid_to_gid_len = None, 0
        if loaded.to_ttf_cmap:
            mupdf.ll_pdf_drop_cmap(loaded.to_ttf_cmap)
        loaded.to_ttf_cmap = None


@contextmanager
def _donor(cid_to_gid: bytes, widths: bytes) -> Iterator[mupdf.pdf_font_desc]:
    """A loaded font whose tables can be taken. The engine frees a table with its font, so it must have allocated the table
    itself; it does so only for a font that brings one.
    """
    with pymupdf.open(stream=_donor_document(cid_to_gid, widths), filetype="pdf") as document:
        pdf = as_pdf(document)
        donor = _load(pdf, next(composite_fonts(mupdf.pdf_lookup_page_obj(pdf, 0))))
        try:
            yield donor
        finally:
            drop(donor)


def _load(pdf: mupdf.PdfDocument, font: mupdf.PdfObj) -> mupdf.pdf_font_desc:
    # From the store, where the page has put it. The binding has a plain function only, and no object that owns the font.
    return mupdf.ll_pdf_load_font(pdf.m_internal, None, font.m_internal)


def drop(loaded: mupdf.pdf_font_desc) -> None:
    """Give up a font that `replaced_fonts` returned."""
    mupdf.ll_pdf_drop_font(loaded)


def composite_fonts(page: mupdf.PdfObj) -> Iterator[mupdf.PdfObj]:
    """The Type 0 fonts that a page reaches, through forms, patterns, soft masks, Type 3 fonts and annotations."""
    starts = (resources.of_page(page.m_internal), *resources.of_annotations(page.m_internal, _MOST_NODES))
    categories = (*resources.DRAWN_CATEGORIES, resources.SOFT_MASKS)
    for entry in resources.walk(starts, categories, most=_MOST_NODES, in_place=True):
        if entry.category == "Font" and entry.is_new and _has_descendant(entry.value):
            yield owned(entry.value)


def _has_descendant(font: RawObj) -> bool:
    descendants = mupdf.ll_pdf_dict_gets(font, "DescendantFonts")
    return bool(descendants and (mupdf.ll_pdf_is_array(descendants) or mupdf.ll_pdf_is_dict(descendants)))


def _japan1_map(loaded: mupdf.pdf_font_desc) -> mupdf.pdf_cmap | None:
    """The map from CID to character of a font of Adobe-Japan1; None for other fonts."""
    characters = loaded.to_ttf_cmap
    return characters if characters and characters.cmap_name.startswith("Adobe-Japan1") else None


def _is_set(value: mupdf.PdfObj) -> bool:
    return bool(value.m_internal) and not mupdf.pdf_is_null(value)


def _donor_document(cid_to_gid: bytes, widths: bytes) -> bytes:
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F 4 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type0/BaseFont/Donor/Encoding 8 0 R/DescendantFonts[5 0 R]>>",
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/Donor/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
        b"/FontDescriptor 6 0 R/CIDToGIDMap 7 0 R" + widths + b">>",
        b"<</Type/FontDescriptor/FontName/Donor/Flags 4>>",
        _stream(b"", cid_to_gid),
        # Identity under another name: for Identity-H the engine makes a map of its own, and ignores ours.
        _stream(
            b"/Type/CMap/CMapName/Donor",
            b"/CMapName /Donor def 1 begincodespacerange <0000> <ffff> endcodespacerange"
            b" 1 begincidrange <0000> <ffff> 0 endcidrange endcmap",
        ),
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


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(content), content)
