"""Our pixels beside PDFium's, an engine that shares no code with ours.

The measure: both pages in grey, averaged over boxes to 100 x 140, mean absolute difference of the 256 levels. Averaging takes
antialiasing and half a pixel of offset out; what is left is a thing drawn or not drawn, moved, or of another colour. Two
pages of each document. Form fields and deliberately broken page boxes, where the engines have different policies, are left
out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image

import sidebooks_core as sb
from benchmarks.corpus import TROUBLE, documents, some_pages

WIDTH_PX = 800
THRESHOLD = 5.0
EXPLAINED = {
    "jlshort.pdf": "PDFium leaves out Japanese fonts that are not embedded",
    "developers-reference.pdf": "PDFium leaves out Japanese fonts that are not embedded",
    "orchestra.pdf": "PDFium draws hairlines a full pixel wide",
    "test_4388_BUL1.pdf": "PDFium draws hairlines a full pixel wide",
    "knockout_inner_backdrop.pdf": "a test of knockout groups, which the engines composite differently",
}


def test_pages_agree_with_an_independent_renderer(corpus: Path) -> None:
    differences: dict[tuple[str, int], float] = {}
    with sb.TileService(sb.Settings(cache_dir=None, image_format="png")) as service:
        for one in documents(corpus, without=TROUBLE | {"forms", "geometry"}):
            if one.path.suffix != ".pdf":
                continue
            try:
                theirs = pypdfium2.PdfDocument(one.path)
            except pypdfium2.PdfiumError:
                assert one.path.name == "Brotli-Prototype-FileA.pdf"  # a filter that PDFium does not know
                continue
            ours = service.open(one.path)
            for page in some_pages(ours.page_count, 2):
                mine = service.page_image(ours, page, width_px=WIDTH_PX).pixels()
                sheet = theirs[page]
                rendered = sheet.render(scale=WIDTH_PX / sheet.get_width(), may_draw_forms=True).to_numpy()
                colour = rendered if rendered.ndim == 3 and rendered.shape[2] == 3 else np.dstack([rendered[:, :, 0]] * 3)
                differences[one.path.name, page] = difference(mine, np.ascontiguousarray(colour[..., ::-1]))
                sheet.close()
            theirs.close()
    far = {place: round(value, 2) for place, value in differences.items() if value > THRESHOLD}
    assert {name for name, _ in far} <= EXPLAINED.keys(), far
    assert len(differences) > 60
    assert np.median(list(differences.values())) < 1.5


def difference(ours: NDArray[np.uint8], theirs: NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pages, 0 to 255."""
    small = [
        np.asarray(Image.fromarray(one).convert("L").resize((100, 140), Image.Resampling.BOX), np.float64)
        for one in (ours, theirs)
    ]
    return float(np.abs(small[0] - small[1]).mean())


def test_the_measure_sees_missing_text_and_forgives_half_a_pixel() -> None:
    page = np.full((1130, 800, 3), 255, np.uint8)
    written = page.copy()
    for top in range(100, 1000, 40):
        written[top : top + 3, 100:700] = 0
    assert difference(page, written) > THRESHOLD
    assert difference(written, np.roll(written, 1, axis=1)) < THRESHOLD / 5
