"""Draws text that is no document's: the name of a reader, which the host lays over pages. Worker side.

The text is laid out as a page of HTML, so each script finds its font as it does in a book.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from sidebooks_core.documents.limits import LETTERING_SIDE_PX
from sidebooks_core.engine.drawing import draw
from sidebooks_core.engine.messages import take_messages
from sidebooks_core.engine.mupdf import ENGINE_ERRORS, pymupdf
from sidebooks_core.errors import RenderFailed

_STYLE = (
    "@page{margin:0} body{margin:0;padding:0;font-family:sans-serif;font-weight:bold;line-height:1.15;text-align:center}"
    " p{margin:0}"
)
_PAPER = 255


def lettering(lines: tuple[str, ...], size_px: int) -> NDArray[np.uint8]:
    """Lines of text as ink, cut to their edges: shape (height, width), 0 where there is none, 255 where all is ink. Raises
    RenderFailed if nothing of them can be drawn, or they are too long.
    """
    width_px = min(LETTERING_SIDE_PX, 2 * size_px * (1 + max(map(len, lines), default=0)))
    height_px = min(LETTERING_SIDE_PX, 2 * size_px * (1 + len(lines)))
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    html = f'<html lang="ja"><head><style>{_STYLE}</style></head><body>{paragraphs}</body></html>'
    try:
        with pymupdf.Document(stream=html.encode("utf-8", "replace"), filetype="html") as document:
            document.layout(width=width_px, height=height_px, fontsize=size_px)
            pixels = draw(document[0].get_displaylist(), 1.0, (0, 0, width_px, height_px), grey=True)
    except ENGINE_ERRORS as error:
        raise RenderFailed(f"the text cannot be drawn: {error}") from error
    finally:
        take_messages()
    rows, columns = np.flatnonzero((pixels < _PAPER).any(axis=1)), np.flatnonzero((pixels < _PAPER).any(axis=0))
    if not rows.size:
        raise RenderFailed("the text cannot be drawn: it shows nothing")
    ink = _PAPER - pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(ink)
