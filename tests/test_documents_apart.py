"""Documents that are open in one worker do not draw with each other's colours, shadings, fonts or palettes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from identity_documents import one_page, stream

import sidebooks_core as sb
from benchmarks import corpus as listed

SQUARE = b"0 0 100 100 re f"
FUNCTION = b"<</FunctionType 2/Domain[0 1]/C0[1 1 1]/C1[%s]/N 1>>"
COLOURS = {b"1 0 0": (255, 0, 0), b"0 1 0": (0, 255, 0), b"0 0 1": (0, 0, 255)}

IN_LINE = {
    "separation": (b"/ColorSpace<</C[/Separation/Spot/DeviceRGB 5 0 R]>>", b"/C cs 1 scn " + SQUARE, FUNCTION),
    "indexed": (b"/ColorSpace<</C[/Indexed/DeviceRGB 0 5 0 R]>>", b"/C cs 0 scn " + SQUARE, None),
    "of an indexed image": (
        b"/ColorSpace<</C[/Indexed/DeviceRGB 0 5 0 R]>>",
        b"q 100 0 0 100 0 0 cm BI/W 1/H 1/BPC 8/CS/C ID \x00 EI Q",
        None,
    ),
    "shading": (
        b"/Shading<</S<</ShadingType 2/ColorSpace/DeviceRGB/Coords[-2 0 -1 0]/Extend[true true]/Function 5 0 R>>>>",
        b"/S sh",
        FUNCTION,
    ),
    "type 3 font": (
        b"/Font<</F<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 65/LastChar 65"
        b"/Widths[1]/Encoding<</Differences[65/A]>>/CharProcs<</A 5 0 R>>/Resources<<>>>>>>",
        b"BT /F 100 Tf (A) Tj ET",
        b"1 0 d0 %s rg 0 0 1 1 re f",
    ),
}


@pytest.mark.parametrize("what", list(IN_LINE))
@pytest.mark.parametrize("order", list(permutations(COLOURS)), ids=lambda order: " ".join(map(bytes.decode, order)))
def test_what_stands_in_line_is_each_documents_own(what: str, order: tuple[bytes, ...]) -> None:
    resources, content, fifth = IN_LINE[what]
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        opened = {}
        for colour in order:
            if fifth is None:
                written = stream("", bytes(COLOURS[colour]))
            else:
                written = fifth % colour if b"<<" in fifth else stream("", fifth % colour)
            opened[colour] = service.open(one_page(content, resources.decode(), more={5: written}))
        for width_px in (64, 65):  # the second from a display list that is there
            for colour in order:
                drawn = service.page_image(opened[colour], 0, width_px=width_px).pixels()
                assert tuple(drawn[30, 30]) == COLOURS[colour]


def first_pages(corpus: Path) -> Iterator[tuple[Path, int]]:
    for one in listed.documents(corpus):
        if one.path.suffix == ".pdf" and one.path.parent.name not in ("slow", "broken"):
            yield from ((one.path, page) for page in range(2))


def drawn(service: sb.TileService, path: Path, page: int) -> np.ndarray | None:
    document = service.open(path)
    return service.page_image(document, page, width_px=300).pixels() if page < document.page_count else None


def test_pages_of_the_corpus_are_drawn_beside_others_as_alone(corpus: Path) -> None:
    # A worker that is new for each document, against one that has up to twelve of them open and goes from one to the next.
    wanted = list(first_pages(corpus))
    alone: dict[tuple[Path, int], np.ndarray | None] = {}
    for path in dict.fromkeys(path for path, _ in wanted):
        with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
            for page in range(2):
                alone[path, page] = drawn(service, path, page)
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        for group in range(0, len(wanted), 20):
            part = wanted[group : group + 20]
            for path, page in [*part[::2], *part[1::2]]:
                beside = drawn(service, path, page)
                expected = alone[path, page]
                assert (beside is None) == (expected is None)
                assert beside is None or expected is None or np.array_equal(beside, expected), f"{path.name}, page {page + 1}"
