"""Makes fonts-before-after.png: one document without embedded fonts, drawn with the engine's font and with a set of fonts.

    python docs/explanation/images/make_fonts.py

A test draws the picture again and compares it with the stored one, so run this after a change that is meant.
"""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgpack
from PIL import Image

from sidebooks_core.fonts.discovery import EXTRA_PACKAGES, FontSet, discover

PICTURE = Path(__file__).with_name("fonts-before-after.png")
DPI = 110

GARBLED_MS_MINCHO = "ＭＳ 明朝".encode("cp932")
"""As many Japanese producers write the name: bytes of Shift-JIS."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text in a font that is not embedded."""

    font: bytes
    text: str
    x_pt: float
    y_pt: float
    """Of the origin, from the bottom of the page, as in PDF."""
    size_pt: float = 20
    vertical: bool = False
    widths: bytes = b""
    """The W entry of the font's dictionary; empty: every character is as wide as it is high."""


def document(lines: list[Line], width_pt: int = 300, height_pt: int = 240) -> bytes:
    """A PDF of one page with these lines, each with a font of its own that the document names and does not hold."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", b"", b""]
    resources, content = b"", b""
    for i, line in enumerate(lines):
        name = _pdf_name(line.font)
        n = len(objects) + 1
        objects += [
            b"<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0/Ascent 859/Descent -140"
            b"/CapHeight 700/StemV 80>>" % name,
            b"<</Type/Font/Subtype/CIDFontType0/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 6>>"
            b"/FontDescriptor %d 0 R%s>>" % (name, n, line.widths),
            b"<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/UniJIS-UTF16-%s/DescendantFonts[%d 0 R]>>"
            % (name, b"V" if line.vertical else b"H", n + 1),
        ]
        resources += b"/F%d %d 0 R" % (i, n + 2)
        text = line.text.encode("utf-16-be").hex().encode()
        content += b"BT /F%d %g Tf %g %g Td <%s> Tj ET\n" % (i, line.size_pt, line.x_pt, line.y_pt, text)
    objects[2] = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Resources<</Font<<%s>>>>/Contents 4 0 R>>" % (
        width_pt,
        height_pt,
        resources,
    )
    objects[3] = b"<</Length %d>>stream\n%s\nendstream" % (len(content), content)
    return _file(objects)


def sample() -> bytes:
    """The document of the picture."""
    across = "直骨令角化の誤写"
    down = "「令和、ちょっと。ー…（角）"
    return document(
        [
            Line(b"Ryumin-Light", across, 12, 205),
            Line(b"GothicBBB-Medium", across, 12, 170),
            Line(GARBLED_MS_MINCHO, across, 12, 135),
            Line(b"MS-Gothic,Bold", across, 12, 100),
            Line(b"MS-PMincho", "しんにょうのカタカナ", 12, 65, widths=b"/W[842 924 660 925 1010 700]"),
            Line(b"Ryumin-Light", down, 225, 232, 16, vertical=True),
            Line(b"GothicBBB-Medium", down, 265, 232, 16, vertical=True),
        ]
    )


_DRAW = """
import sys
import msgpack
data, wire, dpi, filetype = msgpack.unpackb(sys.stdin.buffer.read())
from sidebooks_core.engine.mupdf import pymupdf
from sidebooks_core.engine.fonts import hooks as fonts
from sidebooks_core.fonts.discovery import FontSet
installed = None if wire is None else fonts.install(FontSet.from_wire(wire))
page = pymupdf.open(stream=data, filetype=filetype)[0]
shown = page.get_displaylist()
if fonts.settle(page):
    shown = page.get_displaylist()
png = shown.get_pixmap(matrix=pymupdf.Matrix(dpi / 72, dpi / 72)).tobytes("png")
sys.stdout.buffer.write(msgpack.packb([png, installed.problems if installed else []]))
"""


def draw(data: bytes, fonts: FontSet | None, dpi: int = DPI, filetype: str = "pdf") -> Image.Image:
    """The document's first page as a process draws it that has these fonts; None: the engine as it comes."""
    job = msgpack.packb([data, None if fonts is None else fonts.to_wire(), dpi, filetype])
    done = subprocess.run([sys.executable, "-c", _DRAW], input=job, capture_output=True, check=True, timeout=60)
    png, problems = msgpack.unpackb(done.stdout)
    if problems:
        raise RuntimeError(f"the hooks failed: {problems}")
    return Image.open(io.BytesIO(png)).convert("L")


def packaged_fonts() -> FontSet:
    """The set that the `fonts` extra brings, whatever else this machine has; empty without the extra."""
    return FontSet(tuple(face for face in discover().faces if Path(face.path).parent.name in EXTRA_PACKAGES))


def side_by_side(before: Image.Image, after: Image.Image) -> Image.Image:
    both = Image.new("L", (before.width + after.width + 8, before.height), 128)
    both.paste(before, (0, 0))
    both.paste(after, (before.width + 8, 0))
    return both


def main() -> int:
    fonts = packaged_fonts()
    if not fonts.faces:
        print("needs the fonts extra: pip install 'sidebooks-core[fonts]'", file=sys.stderr)
        return 1
    side_by_side(draw(sample(), None), draw(sample(), fonts)).quantize(16).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size} bytes, fonts {fonts.id}")
    return 0


def _pdf_name(raw: bytes) -> bytes:
    return b"".join(bytes([c]) if (chr(c).isalnum() and c < 128) or c in b"-,+" else b"#%02X" % c for c in raw)


def _file(objects: list[bytes]) -> bytes:
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return data + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        entries,
        size,
        len(data),
    )


if __name__ == "__main__":
    sys.exit(main())
