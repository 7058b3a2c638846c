"""What the engine hands to a device that inspects the drawing operations of a page and draws nothing. Worker side.

A device overrides the engine's virtual functions, which take up to nine arguments. Each override is written `*given` with one
of these types, and unpacks what it needs. Most of them end with the paint: a colour space, the colour's components in it, alpha
from 0 to 1, and how the colour is converted.
"""

from __future__ import annotations

from typing import TypeAlias

from sidebooks_core.engine.mupdf import mupdf

FillPath: TypeAlias = (
    "tuple[mupdf.fz_context, mupdf.fz_path, int, mupdf.fz_matrix, "
    "mupdf.fz_colorspace | None, mupdf.floats, float, mupdf.fz_color_params]"
)
"""Context, path, whether the even-odd rule fills it, its matrix, and the paint."""
StrokePath: TypeAlias = (
    "tuple[mupdf.fz_context, mupdf.fz_path, mupdf.fz_stroke_state, mupdf.fz_matrix, "
    "mupdf.fz_colorspace | None, mupdf.floats, float, mupdf.fz_color_params]"
)
"""Context, path, stroke, matrix, and the paint."""
FillText: TypeAlias = (
    "tuple[mupdf.fz_context, mupdf.fz_text, mupdf.fz_matrix, "
    "mupdf.fz_colorspace | None, mupdf.floats, float, mupdf.fz_color_params]"
)
"""Context, text, matrix, and the paint."""
StrokeText: TypeAlias = (
    "tuple[mupdf.fz_context, mupdf.fz_text, mupdf.fz_stroke_state, mupdf.fz_matrix, "
    "mupdf.fz_colorspace | None, mupdf.floats, float, mupdf.fz_color_params]"
)
"""Context, text, stroke, matrix, and the paint."""
FillImageMask: TypeAlias = (
    "tuple[mupdf.fz_context, mupdf.fz_image, mupdf.fz_matrix, "
    "mupdf.fz_colorspace | None, mupdf.floats, float, mupdf.fz_color_params]"
)
"""Context, the stencil, matrix, and the paint."""
BeginGroup: TypeAlias = "tuple[mupdf.fz_context, mupdf.fz_rect, mupdf.fz_colorspace | None, int, int, int, float]"
"""Context, area, colour space, whether the group is isolated, whether it knocks out, blend mode, alpha from 0 to 1."""
BeginTile: TypeAlias = "tuple[mupdf.fz_context, mupdf.fz_rect, mupdf.fz_rect, float, float, mupdf.fz_matrix, int, int]"
"""Context, area, the pattern's box, its steps across and down, matrix, a number for the pattern, its document."""
