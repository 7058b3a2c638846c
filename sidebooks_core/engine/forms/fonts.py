"""Fonts for form fields and notes: which font has a character, and how a document refers to the font. Worker side.

A reference has a name that `fonts/hooks.py` and the engine replace by the same face, and a map from CID to the glyphs of that
face. So no font file enters the document.
"""

from __future__ import annotations

from msgspec import Struct, field

from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.engine.mupdf import mupdf
from sidebooks_core.fonts.discovery import ORDERINGS
from sidebooks_core.fonts.names import read_name

_COLLECTIONS = {"japan1": "Japan1", "gb1": "GB1", "cns1": "CNS1", "korea1": "Korea1"}
_ORDERING_OF_LANGUAGE = (
    ("ko", "korea1"),
    ("zh-hant", "cns1"),
    ("zh-tw", "cns1"),
    ("zh-hk", "cns1"),
    ("zh", "gb1"),
)
_FIXED_PITCH, _SERIF, _SYMBOLIC = 1, 2, 4
"""Bits in the flags of a font descriptor (ISO 32000-1, table 123)."""
_MOST_CODES = 0xFFFF
_GETA = "〓"

_opened: dict[str, mupdf.FzFont] = {}
"""Fonts by name, used for glyphs and widths only. The engine never draws with these objects."""


class Style(Struct, frozen=True):
    """How text is to look."""

    latin: str
    """The name of a base 14 font."""
    is_serif: bool
    is_bold: bool
    is_japanese: bool
    """Whether Latin letters are drawn with the Japanese face, too."""
    orderings: tuple[str, ...]
    """Collections, the best one first."""


class FormFont(Struct):
    """A font in use on one page, with the codes of its characters."""

    name: str
    ordering: str
    """The collection; empty for a base 14 font."""
    flags: int
    font: mupdf.FzFont
    resource: str
    """The name under which content refers to the font."""
    codes: dict[str, int] = field(default_factory=dict)
    glyphs: list[int] = field(default_factory=lambda: [0])
    widths: list[int] = field(default_factory=lambda: [0])

    def glyph(self, character: str) -> int:
        """The glyph of a character; 0 if the font has none."""
        return int(mupdf.ll_fz_encode_character(self.font.m_internal, ord(character)))

    def shown_glyph(self, character: str) -> int:
        return self.glyph(character) or self.glyph(_GETA)

    def width(self, character: str) -> float:
        """The width of a character, in ems."""
        return float(mupdf.ll_fz_advance_glyph(self.font.m_internal, self.shown_glyph(character), 0))

    def code(self, character: str) -> int:
        if character not in self.codes and len(self.glyphs) <= _MOST_CODES:
            self.codes[character] = len(self.glyphs)
            self.glyphs.append(self.shown_glyph(character))
            self.widths.append(round(1000 * self.width(character)))
        return self.codes.get(character, 0)


class FormFonts:
    """The fonts of the fields and notes of one page. Each is loaded once."""

    def __init__(self) -> None:
        self._fonts: dict[tuple[str, str], FormFont] = {}

    def of_style(self, style: Style) -> StyledFonts:
        return StyledFonts([self._font(name, ordering, style) for name, ordering in _names(style)])

    def used(self) -> list[FormFont]:
        return [one for one in self._fonts.values() if one.codes]

    def _font(self, name: str, ordering: str, style: Style) -> FormFont:
        key = (name, ordering)
        if key not in self._fonts:
            self._fonts[key] = _form_font(name, ordering, style)
        return self._fonts[key]


class StyledFonts:
    """The fonts of one field or note, the best one first."""

    def __init__(self, fonts: list[FormFont]) -> None:
        self.lacking: list[str] = []
        """Characters that no font has. A geta mark stands in their place, as in proofs."""
        self._fonts = fonts
        self._of: dict[str, tuple[FormFont, float]] = {}
        self._geta = next(one for one in fonts if one.glyph(_GETA))

    def font_of(self, character: str) -> FormFont:
        return self._found(character)[0]

    def width_of(self, character: str) -> float:
        """The width of a character, in ems."""
        return self._found(character)[1]

    def _found(self, character: str) -> tuple[FormFont, float]:
        if character not in self._of:
            font = next((one for one in self._fonts if one.glyph(character)), None)
            if font is None:
                font = self._geta
                self.lacking.append(character)
            self._of[character] = font, font.width(character)
        return self._of[character]


def style_of(font_name: str, language: str) -> Style:
    """The style of a font. font_name: as in the document, or a form's short name ("Helv", "TiRo", "Cour"). language: a tag, or
    empty.
    """
    read = read_name(font_name)
    begins = font_name[:4].lower()
    is_serif = begins in ("tiro", "time") if read.is_serif is None else read.is_serif
    family = "Courier" if begins == "cour" else "Times" if begins in ("tiro", "time") else "Helvetica"
    bold = ("-Bold" if read.is_bold else "") or ("-Roman" if family == "Times" else "")
    tag = language.lower()
    first = next((ordering for begins, ordering in _ORDERING_OF_LANGUAGE if tag.startswith(begins)), "japan1")
    return Style(family + bold, is_serif, read.is_bold, read.is_japanese, (first, *(one for one in ORDERINGS if one != first)))


def _names(style: Style) -> list[tuple[str, str]]:
    east_asian = ("Mincho" if style.is_serif else "Gothic") + ("-Bold" if style.is_bold else "")
    replaced = [(east_asian, ordering) for ordering in style.orderings]
    latin = [(style.latin, "")]
    return replaced[:1] + latin + replaced[1:] if style.is_japanese else latin + replaced


def _form_font(name: str, ordering: str, style: Style) -> FormFont:
    flags = _SYMBOLIC | (_SERIF if style.is_serif else 0)
    if not ordering:
        flags = _SYMBOLIC | (_FIXED_PITCH if name.startswith("Courier") else 0) | (_SERIF if name.startswith("Times") else 0)
    key = f"{name} {ordering}"
    if key not in _opened:
        _opened[key] = fonts.open_replacement(name, ordering, style.is_serif) if ordering else mupdf.fz_new_base14_font(name)
    return FormFont(name, ordering, flags, _opened[key], f"{name}-{ordering or 'latin'}")


def descendant_entries(one: FormFont) -> str:
    """The CIDFont of a font in use, without its map from CID to glyph."""
    widths = " ".join(map(str, one.widths[1:]))
    return (
        f"/Type/Font/Subtype/CIDFontType2/BaseFont/{one.name}"
        f"/CIDSystemInfo<</Registry(Adobe)/Ordering({_COLLECTIONS.get(one.ordering, 'Identity')})/Supplement 0>>"
        f"/FontDescriptor<</Type/FontDescriptor/FontName/{one.name}/Flags {one.flags}>>/DW 1000/W[1[{widths}]]"
    )


def glyph_map(one: FormFont) -> bytes:
    """The map from CID to glyph, in the form of a CIDToGIDMap."""
    return b"".join(glyph.to_bytes(2, "big") for glyph in one.glyphs)


def to_unicode(one: FormFont) -> bytes:
    """The map from code to character, in the form of ToUnicode."""
    lines = [f"<{code:04x}> <{character.encode('utf-16-be').hex()}>\n" for character, code in one.codes.items()]
    sections = [
        f"{len(some)} beginbfchar\n{''.join(some)}endbfchar\n"
        for some in (lines[start : start + 100] for start in range(0, len(lines), 100))
    ]
    spaces = "/CMapName /Text def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
    return (spaces + "".join(sections) + "endcmap\n").encode()


CODES = (
    b"/CMapName /Codes def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
    b"1 begincidrange\n<0000> <ffff> 0\nendcidrange\nendcmap\n"
)
"""The map from code to CID, which are the same number. It is not called Identity: with that name the engine complains of
replaced fonts."""
