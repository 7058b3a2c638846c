"""Turns the engine's messages into problems of a page, in words for its reader; messages that no reader needs become nothing.
In any process.

The engine reports a lost image and a stray byte behind a stream in the same way. The table tells them apart, by the messages of
MuPDF 1.28. A message that is not in the table counts as a problem: a loss is never silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

IMAGE_LOST = "an image cannot be decoded"
IMAGE_CUT = "an image is incomplete"
DRAWING_MISSING = "an image or drawing is missing"
FONT_LOST = "an embedded font cannot be read; another one stands in"
TEXT_LOST = "characters cannot be drawn"
TEXT_WRONG = "an encoding of text is not known; characters may be wrong"
CONTENT_CUT = "the page's content is cut short"
CONTENT_SKIPPED = "damaged instructions were skipped"
COLOUR_LOST = "a colour, pattern or shading cannot be drawn"
ANNOTATION_LOST = "an annotation or form field cannot be drawn"
UNKNOWN = "something on the page cannot be drawn"
HARMLESS = ""

IMAGE_PROBLEMS = frozenset({IMAGE_LOST, IMAGE_CUT})
EMPTYING = frozenset({IMAGE_LOST, IMAGE_CUT, DRAWING_MISSING, CONTENT_CUT, COLOUR_LOST, UNKNOWN})
"""With one of these problems, a page that shows nothing is not meant to be blank."""

MOST_LINES = 4096
"""Most messages that are looked at for one page. The engine repeats itself."""

_TABLE: tuple[tuple[str, str], ...] = (
    (r"transfer function", COLOUR_LOST),  # our own message: `transfer.applying.NOT_APPLIED`
    # Summaries, and consequences of a message before.
    (
        r"encountered syntax errors; page may not be correct|cannot render glyph$|\.\.\. repeated \d+ times",
        HARMLESS,
    ),
    (r"FT_Load_Glyph\(.*,65535,", HARMLESS),  # stands for no glyph
    # Images.
    (
        r"cannot (decode|render) image|cropped image failure|cannot (decode|complete) jbig2|jbig2dec error|jpeg error|"
        r"openjpeg error|(cannot|failed to) (load|decode|read) (jpx|jpeg|jpg|png|gif|tiff|image)|JBIG2 .* not supported|"
        r"image (width|height|is too|dimensions|has|data is too|components are|row too|too)|[Uu]nsupported image|"
        r"invalid image|jpx|"
        r"unknown TIFF compression|JPEG in TIFF|not enough data to determine image|unknown image (file )?format",
        IMAGE_LOST,
    ),
    (
        r"padding truncated image|faxd?\b|lzw|run length|"
        r"premature end of (data in (fax|ccitt)|file in jpeg|padding)|truncated (packed )?image|"
        r"openjpeg warning: .*(truncat|too (long|short)|not enough|incomplete|corrupt|cannot|failed)|"
        r"jbig2dec warning: .*(treating as end|unsupported|NYI|not supported)|possibly truncated|"
        r"(in|of) (bmp|png|gif|tiff|pnm|jpeg|psd|jxr)( image)?\b|predictor|invalid tile",
        IMAGE_CUT,
    ),
    (r"openjpeg warning|jbig2dec warning|libpng warning|jpeg warning", HARMLESS),
    # Profiles: their replacement gives the same colours, or nearly so.
    (r"ICC|icc profile|color ?profile|output intent|lcms|cmm|JPX (numcomps|colorspace)|gAMA|iCCP|sRGB|cHRM", HARMLESS),
    # About the file and not the page: `repaired` tells of it.
    (
        r"repair|xref|trailer|endstream|endobj|end-of-stream|'obj' keyword|stream Length|line feed missing|version marker|"
        r"object (number|stream|missing|\(\d+ \d+ R\))|generation|page tree|hybrid|linearized|garbage bytes|"
        r"non-embedded font|file (header|identifier)|inflate did not consume|incorrect data check|missing '?endobj",
        HARMLESS,
    ),
    # For reading text, not for drawing it; the tree of tags; layers.
    (
        r"ToUnicode|one[- ]to[- ]many|ActualText|[Mm]arked[- ]content|structure (tree|element)|[Ss]truct|"
        r"cmap range|(BDC|BMC|EMC)\b|[Oo]ptional [Cc]ontent|OCG|OCMD|overlapping|[Ll]ayer",
        HARMLESS,
    ),
    # Fonts.
    (r"error when loading embedded font|cannot load font|cannot find font|font (program|file) |truncated \w+ table", FONT_LOST),
    (r"unknown CMap|cannot load system CMap|cannot load CMap|unknown encoding|unknown cid font", TEXT_WRONG),
    (
        r"FT_Load_Glyph|cannot render (this )?glyph |glyph load failed|missing glyph|not allowed to embed|composite glyph|"
        r"cannot find (builtin|substitute)|ignoring glyph|type ?3 glyph|Type3 glyph",
        TEXT_LOST,
    ),
    (
        r"freetype|FT_|bogus font|bad eod|guessing type|"
        r"cid collection|encache|hinting|hmtx|font (size|descriptor|missing encoding)|"
        r"cannot find a suitable cmap|advance|substitut",
        HARMLESS,
    ),
    # Content.
    (
        r"ignoring rest of page|image only stream|content stream (is not|part)|cannot load content|unrecoverable error|"
        r"zlib error|"
        r"unknown filter|"
        r"premature end of data|read error; treating|aes padding|invalid (block|distance|literal|stored|code lengths|window)",
        CONTENT_CUT,
    ),
    (r"cannot find XObject|no XObject subtype|XObject with unknown subtype|recursive|cannot find image", DRAWING_MISSING),
    (r"XObject with subtype PS", HARMLESS),
    (
        r"[Ss]hading|[Pp]attern|[Cc]olor ?[Ss]pace|colorspace|(sample|calculator|stitching) function|function|DeviceN|"
        r"Separation|too (many|few) components",
        COLOUR_LOST,
    ),
    (r"appearance|annotation|widget|form field", ANNOTATION_LOST),
    (
        r"closepath|lineto|curveto|moveto|current point|gstate (under|over)flow|ignoring CTM|clip nesting|"
        r"dash|line (width|cap|join)|miter|key masking|color key|limiting|clamping|assuming|normalizing",
        HARMLESS,
    ),
    (r"syntax error|unknown keyword|nested|nesting|opcode|stack (over|under)flow|not a stream", CONTENT_SKIPPED),
    # Books and drawings that are no PDFs: requests to the layout.
    (r"\bcss\b|CSS|stylesheet|styles|html|HTML|media type|selector|@\w+|property|namespace|unknown (tag|element)", HARMLESS),
)
_BOUNDED_TILING = re.compile(r"tiling pattern must have non-zero")
"""The engine takes the pattern's box for its step, as other programs do."""


def of_warning(line: str) -> str:
    """The problem that one message reports; empty if a reader misses nothing."""
    if _BOUNDED_TILING.search(line):
        return HARMLESS
    return next((problem for pattern, problem in _patterns() if pattern.search(line)), UNKNOWN)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Made at the first message: it takes 3 ms, and most workers meet none."""
    return tuple((re.compile(pattern), problem) for pattern, problem in _TABLE)


def of_warnings(lines: Iterable[str], *, is_drawing: bool = False) -> tuple[str, ...]:
    """The problems that messages report, each once, in their order.

    is_drawing: the messages came while a page was drawn, when only images are read; else while it was read.
    """
    told: dict[str, None] = {}
    for number, line in enumerate(dict.fromkeys(lines)):
        if number >= MOST_LINES:
            break
        problem = of_warning(line)
        if problem == CONTENT_CUT and is_drawing:
            problem = IMAGE_CUT
        if problem:
            told[problem] = None
    if IMAGE_LOST in told:
        told.pop(IMAGE_CUT, None)  # a message about the rest of the same image
    return tuple(told)
