"""Manifests say which pages stand alone, as our own Reader shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks_server import manifest_of

from sidebooks_core import TileService

A4, A4_WIDE, A3, A3_WIDE, LETTER = (595, 842), (842, 595), (842, 1191), (1191, 842), (612, 792)


def write_pdf(path: Path, sizes: list[tuple[int, int]]) -> None:
    pages = b" ".join(b"%d 0 R" % (3 + number) for number in range(len(sizes)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [%s] /Count %d >>" % (pages, len(sizes))]
    objects += [b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] >>" % size for size in sizes]
    body = b"%PDF-1.7\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    trailer = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n" % (count, table, count)
    path.write_bytes(body + trailer + b"startxref\n%d\n%%%%EOF\n" % len(body))


def as_a_viewer_pairs(manifest: dict[str, object]) -> list[tuple[int, ...]]:
    """Openings of a viewer that follows Presentation 3.0: the first canvas alone, "facing-pages" alone, the others in twos."""
    canvases = manifest["items"]
    assert isinstance(canvases, list)
    if manifest["behavior"] == ["individuals"]:
        return [(page,) for page in range(len(canvases))]
    alone = {page for page, canvas in enumerate(canvases) if canvas.get("behavior") == ["facing-pages"]}
    openings: list[tuple[int, ...]] = []
    page = 0
    while page < len(canvases):
        is_pair = page > 0 and page not in alone and page + 1 < len(canvases) and page + 1 not in alone
        openings.append((page, page + 1) if is_pair else (page,))
        page += 1 + is_pair
    return openings


@pytest.mark.parametrize(
    ("sizes", "behavior", "alone"),
    [
        ([A4] * 6, "paged", []),
        ([A4, A4, A3_WIDE, A4, A4, A4], "paged", [2]),
        ([A4, A4, A4, A4_WIDE, A4, A4], "paged", [3]),
        ([A4, A3, A4, A4, A4], "paged", [1]),
        ([A4, LETTER, A4, A4], "paged", []),
        ([A4_WIDE, A4, A4], "paged", [0]),
        ([A4, A4, A4, A4_WIDE], "paged", [3]),
        ([A4, A4_WIDE, A4], "paged", [1]),
        ([A4_WIDE] * 4, "individuals", []),
        ([A4, A4], "paged", []),
        ([A4], "individuals", []),
    ],
)
def test_pages_that_stand_alone(
    sizes: list[tuple[int, int]], behavior: str, alone: list[int], service: TileService, tmp_path: Path
) -> None:
    path = tmp_path / "book.pdf"
    write_pdf(path, sizes)
    manifest = manifest_of(service, path)
    assert manifest["behavior"] == [behavior]
    found = [page for page, canvas in enumerate(manifest["items"]) if "behavior" in canvas]
    assert found == alone
    with service.reader(service.open(path), (1600, 1000), True) as reader:
        openings = [tuple(reader.turn_to(page).pages) for page in range(len(sizes))]
    assert list(dict.fromkeys(openings)) == as_a_viewer_pairs(manifest)
