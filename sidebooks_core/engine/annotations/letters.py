"""Letters that go into a file: a font of the outlines that are used, in Japanese forms. Worker side.

A Type 3 font was chosen since it holds no more than the letters that are shown, and looks the same in every viewer. A font file
would bring its licence, and 16 MB. The text can be searched and copied.
"""

from __future__ import annotations

from msgspec import Struct, field

from sidebooks_core.engine.annotations.plane import around, written
from sidebooks_core.engine.forms import fonts as form_fonts
from sidebooks_core.engine.mupdf import mupdf, parsed
from sidebooks_core.engine.pdf.resources import new_stream

_EM = 1000
_MOST_CODES = 255
_STYLE = form_fonts.style_of("Gothic-Bold", "ja")


class Run(Struct, frozen=True):
    """Letters of one font."""

    font: int
    """Its number, from 0."""
    codes: bytes


class _Glyph(Struct, frozen=True):
    outline: str
    """In thousandths of the height, y up."""
    box: tuple[float, float, float, float]
    advance: float


class _Outline(mupdf.FzPathWalker2):
    """Writes a path as a PDF has it."""

    def __init__(self) -> None:
        super().__init__()
        self.use_virtual_moveto()
        self.use_virtual_lineto()
        self.use_virtual_curveto()
        self.use_virtual_closepath()
        self.steps: list[str] = []
        self.points: list[tuple[float, float]] = []

    def moveto(self, _context: mupdf.fz_context, x: float, y: float) -> None:
        self._step("m", (x, y))

    def lineto(self, _context: mupdf.fz_context, x: float, y: float) -> None:
        self._step("l", (x, y))

    def curveto(self, _context: mupdf.fz_context, *at: float) -> None:
        self._step("c", (at[0], at[1]), (at[2], at[3]), (at[4], at[5]))

    def closepath(self, _context: mupdf.fz_context) -> None:
        self.steps.append("h")

    def _step(self, operator: str, *points: tuple[float, float]) -> None:
        self.points += points
        self.steps.append(" ".join(f"{round(x)} {round(y)}" for x, y in points) + f" {operator}")


class Letters(Struct):
    """The letters of one file. A font has a code for each; there are as many fonts as it takes."""

    codes: dict[str, int] = field(default_factory=dict)
    """Counted over all fonts, from 0."""
    glyphs: list[_Glyph] = field(default_factory=list)
    _styled: form_fonts.StyledFonts = field(default_factory=lambda: form_fonts.FormFonts().of_style(_STYLE))

    def runs(self, text: str) -> list[Run]:
        """The letters of a text, font by font. Raises the engine's errors."""
        found: list[tuple[int, bytearray]] = []
        for character in text:
            font, code = divmod(self._code(character), _MOST_CODES)
            if not found or found[-1][0] != font:
                found.append((font, bytearray()))
            found[-1][1].append(code + 1)
        return [Run(font, bytes(codes)) for font, codes in found]

    def width(self, text: str) -> float:
        """In heights of the letters."""
        return sum(self.glyphs[self._code(character)].advance for character in text)

    def fonts(self, pdf: mupdf.PdfDocument) -> list[mupdf.PdfObj]:
        """Put the fonts into a file. Returns references to them."""
        characters = list(self.codes)
        return [
            _font(pdf, characters[start : start + _MOST_CODES], self.glyphs[start : start + _MOST_CODES])
            for start in range(0, len(characters), _MOST_CODES)
        ]

    def _code(self, character: str) -> int:
        if character not in self.codes:
            self.glyphs.append(_glyph(self._styled.font_of(character), character))
            self.codes[character] = len(self.codes)
        return self.codes[character]


def _glyph(font: form_fonts.FormFont, character: str) -> _Glyph:
    outline = _Outline()
    path = mupdf.fz_outline_glyph(font.font, font.shown_glyph(character), mupdf.FzMatrix(_EM, 0, 0, _EM, 0, 0))
    if path.m_internal:  # a space has none
        mupdf.fz_walk_path(path, outline, outline.m_internal)
    return _Glyph(" ".join(outline.steps), around(outline.points) if outline.points else (0, 0, 0, 0), font.width(character))


def _font(pdf: mupdf.PdfDocument, characters: list[str], glyphs: list[_Glyph]) -> mupdf.PdfObj:
    procedures = [
        new_stream(pdf, f"{written(one.advance * _EM, 0, *one.box)} d1 {one.outline} f".encode(), mupdf.pdf_new_dict(pdf, 1))
        for one in glyphs
    ]
    boxes = [one.box for one in glyphs]
    box = (*(min(one[side] for one in boxes) for side in (0, 1)), *(max(one[side] for one in boxes) for side in (2, 3)))
    named = "".join(f"/g{code} {mupdf.pdf_to_num(one)} 0 R" for code, one in enumerate(procedures, 1))
    used = {character: code for code, character in enumerate(characters, 1)}
    unicode = new_stream(pdf, _to_unicode(used), mupdf.pdf_new_dict(pdf, 1))
    widths = written(*(one.advance * _EM for one in glyphs))
    names = "".join(f"/g{code}" for code in used.values())
    described = (
        f"<</Type/Font/Subtype/Type3/FontBBox[{written(*box)}]/FontMatrix[.001 0 0 .001 0 0]/FirstChar 1/LastChar {len(used)}"
        f"/Widths[{widths}]/Encoding<</Type/Encoding/Differences[1{names}]>>/CharProcs<<{named}>>"
        f"/Resources<<>>/ToUnicode {mupdf.pdf_to_num(unicode)} 0 R>>"
    )
    return mupdf.pdf_add_object(pdf, parsed(pdf, described))


def _to_unicode(codes: dict[str, int]) -> bytes:
    lines = [f"<{code:02x}> <{character.encode('utf-16-be', 'replace').hex()}>" for character, code in codes.items()]
    sections = "\n".join(
        "\n".join((f"{len(some)} beginbfchar", *some, "endbfchar"))
        for some in (lines[start : start + 100] for start in range(0, len(lines), 100))
    )
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /Letters def\n/CMapType 2 def\n"
        f"1 begincodespacerange\n<00> <ff>\nendcodespacerange\n{sections}\nendcmap\nend\nend\n"
    ).encode()
