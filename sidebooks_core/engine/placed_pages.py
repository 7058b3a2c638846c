"""Pages that are shown in another way than the engine has them: turned upright, or fitted to a page of another size. Worker
side.
"""

from __future__ import annotations

from sidebooks_core.engine.mupdf import EnginePage, mupdf, pymupdf

Matrix = tuple[float, float, float, float, float, float]

_TURNS: dict[int, tuple[int, int, int, int]] = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
"""The matrix (a, b, c, d) that puts an image upright, by its orientation in TIFF or Exif (TIFF 6.0, section 8). y points down.
"""
QUARTER_TURNS = frozenset(orientation for orientation, matrix in _TURNS.items() if not matrix[0])
"""Orientations in which width and height change places."""


class PlacedPage:
    """A page of the engine as it lies on a sheet."""

    def __init__(self, page: EnginePage, matrix: Matrix, width_pt: float, height_pt: float, warning: str = "") -> None:
        """matrix: from the engine's page to the sheet; both have their origin at the top left.

        warning: a fault of the page. It is reported like the engine's warnings each time the page is read to be drawn.
        """
        self._page = page
        self._warning = warning
        self._matrix = pymupdf.Matrix(*matrix)
        self.rect = pymupdf.Rect(0, 0, width_pt, height_pt)

    def get_displaylist(self, annots: int = 1) -> pymupdf.DisplayList:
        if self._warning:
            mupdf.fz_warn(self._warning)
        listed = self._page.get_displaylist(annots=annots)
        placed = mupdf.FzDisplayList(mupdf.FzRect(*self.rect))
        device = mupdf.fz_new_list_device(placed)
        matrix = mupdf.FzMatrix(*self._matrix)
        mupdf.fz_run_display_list(listed.this, device, matrix, mupdf.FzRect(*self.rect), mupdf.FzCookie())
        mupdf.fz_close_device(device)
        return pymupdf.DisplayList(placed)

    def get_image_info(self) -> list[pymupdf.ImageInfo]:
        return [{**one, "bbox": self._placed(pymupdf.Rect(one["bbox"]))} for one in self._page.get_image_info()]

    def get_links(self) -> list[pymupdf.LinkInfo]:
        return [{**link, "from": pymupdf.Rect(link["from"]) * self._matrix} for link in self._page.get_links()]

    def _placed(self, box: pymupdf.Rect) -> tuple[float, float, float, float]:
        placed = box * self._matrix
        return placed.x0, placed.y0, placed.x1, placed.y1


def turned(page: EnginePage, orientation: int) -> EnginePage:
    """The page, turned upright. orientation: 1 to 8."""
    if orientation not in _TURNS:
        return page
    a, b, c, d = _TURNS[orientation]
    box = page.rect
    corners = [(a * x + c * y, b * x + d * y) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    width_pt, height_pt = (box.height, box.width) if a == 0 else (box.width, box.height)
    return PlacedPage(page, (a, b, c, d, -left, -top), width_pt, height_pt)


def fitted(page: EnginePage, width_pt: float, height_pt: float, warning: str = "") -> PlacedPage:
    """The whole page in the middle of a sheet, as large as it fits. Raises ValueError if the page has no size."""
    box = page.rect
    if box.width <= 0 or box.height <= 0:
        raise ValueError("the page has no size")
    scale = min(width_pt / box.width, height_pt / box.height)
    left = (width_pt - scale * box.width) / 2 - scale * box.x0
    top = (height_pt - scale * box.height) / 2 - scale * box.y0
    return PlacedPage(page, (scale, 0, 0, scale, left, top), width_pt, height_pt, warning)
