"""What is drawn: layers, thin lines, glyphs, content that breaks the rules, transfer functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sidebooks_core import TileService


def text(service: TileService, path: Path, page: int = 0) -> str:
    document = service.open(path)
    return " ".join(word.text for word in service.text(document, page=page))


def layers_membership(service: TileService, path: Path) -> None:
    assert text(service, path) == "anyoff must be seen"
    assert not service.search(service.open(path), "HIDDEN")


def column(service: TileService, path: Path, width_px: int) -> list[int]:
    """The values down the middle of the first page."""
    pixels = service.page_image(service.open(path), page=0, width_px=width_px).pixels()
    return [int(value) for value in pixels[:, width_px // 2].min(axis=1)]


def hairline_strokes(service: TileService, path: Path) -> None:
    for width_px in (1240, 256):
        values = column(service, path, width_px)
        for y_pt in (780.3, 720.3, 660.3, 600.3):
            row = round((842 - y_pt) * width_px / 595)
            assert min(values[row - 2 : row + 3]) <= 25


def type3_huge_box(service: TileService, path: Path) -> None:
    document = service.open(path)
    for width_px in (60, 150, 270, 299, 300, 450, 900):
        pixels = service.page_image(document, page=0, width_px=width_px).pixels()[..., 0]
        inked = (pixels < 128).sum() / pixels.size
        assert abs(inked - 0.2048) < 0.06


def operator_inside_array(service: TileService, path: Path) -> None:
    assert text(service, path).replace(" ", "") == "Councilminutessecondline"
    assert service.page_image(service.open(path), page=0, width_px=300).pixels().min() < 60


def dict_stray_token_font(service: TileService, path: Path) -> None:
    assert text(service, path) == "議案の件 Flags"


def transfer_function(service: TileService, path: Path) -> None:
    pixels = service.page_image(service.open(path), page=0, width_px=200).pixels()
    assert abs(int(pixels[50, 150, 0]) - 51) <= 1
    assert [int(value) for value in pixels[50, 20:90:20, 0]] == [255, 0, 255, 0]


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "hairline-strokes.pdf": hairline_strokes,
    "type3-huge-box.pdf": type3_huge_box,
    "operator-inside-array.pdf": operator_inside_array,
    "dict-stray-token-font.pdf": dict_stray_token_font,
    "transfer-function.pdf": transfer_function,
    "layers-membership.pdf": layers_membership,
}
