"""Whether a page can be drawn in grey: only if each pixel is then what drawing in RGB gives.

The engine's own test device is not used. It takes colours within 0.02 for grey (the ink of many books is a CMYK black of (34,
31, 31)). It looks neither into Type 3 glyphs nor at substituted colour spaces. And it takes grey that is not the device's grey
(ICC, calibrated) for grey; conversion of such grey to one component differs from conversion to three.
docs/explanation/decisions/0005-encoding.md has the reasons and the figures.
"""

from __future__ import annotations

import ctypes
import struct

from sidebooks_core.engine.devices import BeginGroup, FillImageMask, FillPath, FillText, StrokePath, StrokeText
from sidebooks_core.engine.mupdf import mupdf, pymupdf

_SINGLE = struct.Struct("f")
MOST_OPERATIONS = 1_000
"""Operations that are looked at, at 2 to 3 microseconds each. In a drawing with more, the look costs more than one grey raster
saves, which is 2 ms on a screen of 2048 pixels: the encoder finds out that the pixels are grey."""


def is_grey(display_list: pymupdf.DisplayList) -> bool:
    """True only if drawing in grey gives the pixels that drawing in RGB gives, at any scale.

    False may also mean that grey drawing would save nothing, or that the answer would cost too much: a picture that is not in
    the device's grey is not looked into.
    """
    cookie = mupdf.FzCookie()
    witness = _Witness(cookie)
    mupdf.fz_run_display_list(
        display_list.this,
        witness,
        mupdf.FzMatrix(),
        # Run the whole list: at a coarse scale, the last pixel of a page shows content from well outside its box.
        mupdf.FzRect(mupdf.FzRect.Fixed_INFINITE),
        cookie,
    )
    # After an error inside a call, even in our code, the engine counts it and goes on.
    return witness.grey and not cookie.errors()


class _Witness(mupdf.FzDevice2):
    """A device that draws nothing, and stops at the first thing that grey drawing could change."""

    def __init__(self, cookie: mupdf.FzCookie) -> None:
        super().__init__()
        for operation in _WATCHED:
            getattr(self, f"use_virtual_{operation}")()
        self.grey = True
        self._cookie = cookie
        self._operations_left = MOST_OPERATIONS
        self._mask_depth = 0
        self._device_grey = mupdf.ll_fz_device_gray()
        self._device_rgb = mupdf.ll_fz_device_rgb()
        self._grey_address = int(self._device_grey.this)
        self._rgb_address = int(self._device_rgb.this)
        self._meant: dict[int, mupdf.fz_colorspace] = {}
        self._grey_is_device_grey = True
        self._colours: dict[tuple[float, ...], bool] = {}

    def fill_path(self, *given: *FillPath) -> None:
        *_, space, colour, _, params = given
        self._see_colour(space, colour, params)

    def stroke_path(self, *given: *StrokePath) -> None:
        *_, space, colour, _, params = given
        self._see_colour(space, colour, params)

    def fill_text(self, *given: *FillText) -> None:
        _, text, _, space, colour, _, params = given
        self._see_colour(space, colour, params)
        self._see_glyphs(text)

    def stroke_text(self, *given: *StrokeText) -> None:
        _, text, _, _, space, colour, _, params = given
        self._see_colour(space, colour, params)
        self._see_glyphs(text)

    def fill_image_mask(self, *given: *FillImageMask) -> None:
        *_, space, colour, _, params = given
        self._see_colour(space, colour, params)

    def fill_shade(
        self, ctx: mupdf.fz_context, shade: mupdf.fz_shade, matrix: mupdf.fz_matrix, alpha: float, params: mupdf.fz_color_params
    ) -> None:
        # A shading in grey passes through levels that are not quite grey in RGB.
        if self._counted():
            self._refuse()

    def fill_image(
        self, ctx: mupdf.fz_context, image: mupdf.fz_image, matrix: mupdf.fz_matrix, alpha: float, params: mupdf.fz_color_params
    ) -> None:
        if not self._counted():
            return
        space = image.colorspace
        if space is None or int(space.this) != self._grey_address or not self._grey_is_device_grey:
            self._refuse()

    def begin_group(self, *given: *BeginGroup) -> None:
        _, _, space, _, _, blend_mode, _ = given
        # A group with a colour space is converted at its end. Grey drawing saves nothing there, and transparency comes out one
        # level off.
        if self._counted() and space is not None:
            self._refuse()
        # Hue, saturation, colour and luminosity depend on three components together.
        if blend_mode & mupdf.FZ_BLEND_MODEMASK >= mupdf.FZ_BLEND_HUE:
            self._refuse()

    def begin_mask(
        self,
        ctx: mupdf.fz_context,
        area: mupdf.fz_rect,
        luminosity: int,
        space: mupdf.fz_colorspace | None,
        backdrop: mupdf.floats,
        params: mupdf.fz_color_params,
    ) -> None:
        self._mask_depth += 1

    def end_mask(self, ctx: mupdf.fz_context, transfer: mupdf.fz_function) -> None:
        self._mask_depth -= 1

    def set_default_colorspaces(self, ctx: mupdf.fz_context, spaces: mupdf.fz_default_colorspaces) -> None:
        """A page may redefine its device colours."""
        self._colours.clear()
        self._meant = {
            self._grey_address: spaces.gray,
            self._rgb_address: spaces.rgb,
            int(mupdf.ll_fz_device_cmyk().this): spaces.cmyk,
        }
        self._grey_is_device_grey = int(spaces.gray.this) == self._grey_address

    def _refuse(self) -> None:
        self.grey = False
        self._cookie.set_abort()

    def _counted(self) -> bool:
        """Count an operation, and tell whether to look at it. A soft mask has one component however the page is drawn, so its
        content is not looked at.
        """
        self._operations_left -= 1
        if self._operations_left < 0:
            self._refuse()
        return not self._mask_depth

    def _see_colour(self, space: mupdf.fz_colorspace | None, colour: mupdf.floats, params: mupdf.fz_color_params) -> None:
        if not self._counted():
            return
        if space is None:
            self._refuse()
            return
        address = int(space.this)
        if address == self._grey_address:
            key: tuple[float, ...] = (mupdf.floats_getitem(colour, 0),)
        else:
            components = range(mupdf.ll_fz_colorspace_n(space))
            key = (address, params.ri, *(mupdf.floats_getitem(colour, i) for i in components))
        same = self._colours.get(key)
        if same is None:
            same = self._colours[key] = self._gives_same_values(self._meant.get(address, space), colour, params)
        if not same:
            self._refuse()

    def _gives_same_values(self, space: mupdf.fz_colorspace, colour: mupdf.floats, params: mupdf.fz_color_params) -> bool:
        """Whether a colour becomes the same byte in red, green, blue and grey. Profiles round: even 0.2 grey does not."""
        red, green, blue = map(_byte, mupdf.ll_fz_convert_color(space, colour, self._device_rgb, None, params)[:3])
        if not red == green == blue:
            return False  # before the conversion to grey, which for CMYK would set up a profile that nothing else needs
        return red == _byte(mupdf.ll_fz_convert_color(space, colour, self._device_grey, None, params)[0])

    def _see_glyphs(self, text: mupdf.fz_text) -> None:
        """Accept only Type 3 glyphs that are stencils. A glyph with its own colours is drawn in another way in grey, even if it
        is black.
        """
        span = text.head
        while span is not None and not self._mask_depth:
            flags = span.font.t3flags  # an array with one number for each glyph; only Type 3 fonts have it
            if flags is not None:
                items = mupdf.FzTextSpan(span)
                for place in range(span.len):
                    glyph = items.items(place).gid
                    # The binding cannot read an array of unsigned short.
                    if glyph >= 0 and not is_stencil(ctypes.c_uint16.from_address(int(flags) + 2 * glyph).value):
                        self._refuse()
                        return
            span = span.next


def is_stencil(glyph_flags: int) -> bool:
    """Whether a Type 3 glyph, by its flags in the engine, has the colour of its text. 0: it was not looked at yet."""
    return bool(glyph_flags & mupdf.FZ_DEVFLAG_MASK) and not glyph_flags & mupdf.FZ_DEVFLAG_COLOR


def _byte(value: float) -> int:
    """Cut a colour to 8 bits as the engine does, in single precision."""
    return int(_SINGLE.unpack(_SINGLE.pack(value * 255))[0])


_WATCHED = tuple(name for name in vars(_Witness) if not name.startswith("_"))
"""The operations above. The engine skips all others without a call."""
