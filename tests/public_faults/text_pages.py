"""Pages of text in fonts that are not embedded, and where their ink is."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pikepdf

from sidebooks_core import Document, TileService

# Pages

Placed = tuple[str, float, float, float]
"""Text, x and y (from the top) of its baseline or column's head, size."""
HEIGHT = 400


def page_of(placed: Sequence[Placed], *, vertical: bool = False, rotate: int = 0, metrics: Sequence[int] = ()) -> bytes:
    """A PDF of one page with texts in a font that is not embedded, drawn in their order."""
    pdf = pikepdf.new()
    font = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Font,
            Subtype=pikepdf.Name.Type0,
            BaseFont=pikepdf.Name("/Ryumin-Light"),
            Encoding=pikepdf.Name("/UniJIS-UTF16-V" if vertical else "/UniJIS-UTF16-H"),
            DescendantFonts=[
                pikepdf.Dictionary(
                    Type=pikepdf.Name.Font,
                    Subtype=pikepdf.Name.CIDFontType0,
                    BaseFont=pikepdf.Name("/Ryumin-Light"),
                    CIDSystemInfo=pikepdf.Dictionary(Registry="Adobe", Ordering="Japan1", Supplement=6),
                    FontDescriptor=pikepdf.Dictionary(
                        Type=pikepdf.Name.FontDescriptor,
                        FontName=pikepdf.Name("/Ryumin-Light"),
                        Flags=4,
                        FontBBox=[0, -120, 1000, 880],
                        ItalicAngle=0,
                        Ascent=880,
                        Descent=-120,
                        CapHeight=700,
                        StemV=80,
                    ),
                    **({"DW2": list(metrics)} if metrics else {}),
                )
            ],
        )
    )
    content = "BT\n"
    for text, x, y, size in placed:
        content += f"/F {size} Tf 1 0 0 1 {x} {HEIGHT - y} Tm <{text.encode('utf-16-be').hex()}> Tj\n"
    page = pdf.add_blank_page(page_size=(300, HEIGHT))
    page.Contents = pdf.make_stream((content + "ET").encode())
    page.Resources = pikepdf.Dictionary(Font=pikepdf.Dictionary(F=font))
    if rotate:
        page.Rotate = rotate
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def lines(service: TileService, document: Document) -> list[str]:
    found: dict[tuple[int, int], list[str]] = {}
    for word in service.text(document, 0):
        found.setdefault((word.block, word.line), []).append(word.text)
    return [" ".join(words) for words in found.values()]


def ink(service: TileService, document: Document, zoom: float = 4) -> np.ndarray:
    """Where the page is dark, `zoom` pixels a point."""
    image = service.page_image(document, 0, width_px=round(document.pages[0].width_pt * zoom))
    return image.pixels().min(axis=2) < 200


def boxes_hold_the_ink(dark: np.ndarray, boxes: Sequence[tuple[float, float, float, float]], zoom: float = 4) -> bool:
    """Whether each box has ink, and next to all ink is in one."""
    rest = dark.copy()
    for x0, y0, x1, y1 in boxes:
        rows, columns = (slice(max(0, round(a * zoom)), round(b * zoom)) for a, b in ((y0, y1), (x0, x1)))
        if not dark[rows, columns].any():
            return False
        rest[rows, columns] = False
    return bool(rest.sum() <= 0.02 * dark.sum())
