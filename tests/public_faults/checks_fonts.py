"""Fonts that lack an entry or name an encoding that the engine lacks; characters of form fields and notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pdf_parts import ink_of, text_of

from sidebooks_core import TileService


def japanese_line(service: TileService, path: Path) -> None:
    assert text_of(service, path) == "議会だより令和八年"
    assert ink_of(service, path).any()
    assert len(service.search(service.open(path), "令和八年")) == 1


def name_beyond_the_basic_plane(service: TileService, path: Path) -> None:
    assert text_of(service, path) == 2 * "𠮷野花子"
    upper, lower = halves(service, path)
    assert_whole(upper, 4 * 12.0, 12.0)
    assert_whole(lower, 4 * 20 / 1.09, 20 / 1.09)


def symbols(service: TileService, path: Path) -> None:
    assert text_of(service, path) == 2 * "①㈱〜"
    upper, lower = halves(service, path)
    assert_whole(upper, 3 * 20 / 1.09, 20 / 1.09)
    assert_whole(lower, 3 * 12.0, 12.0)


def note(service: TileService, path: Path) -> None:
    assert text_of(service, path) == "𣘺本と𠮟責"
    assert len(service.search(service.open(path), "𠮟責")) == 1
    ink = ink_of(service, path)[4 * 42 : 4 * 78, 4 * 22 : 4 * 238]  # within its border
    assert_whole(ink, 5 * 12.0, 12.0)


def halves(service: TileService, path: Path) -> tuple[np.ndarray, np.ndarray]:
    ink = ink_of(service, path)
    return ink[: 4 * 48], ink[4 * 48 :]


def assert_whole(ink: np.ndarray, width_pt: float, height_pt: float) -> None:
    """The ink of full-width characters fills their squares but for a margin."""
    rows, columns = np.nonzero(ink > 40)
    assert 0.75 * height_pt < (rows.max() + 1 - rows.min()) / 4 < 1.05 * height_pt
    assert 0.85 * width_pt < (columns.max() + 1 - columns.min()) / 4 < 1.02 * width_pt


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "font-no-descriptor.pdf": japanese_line,
    "font-cmap-unijis2004.pdf": japanese_line,
    "form-name-beyond-bmp.pdf": name_beyond_the_basic_plane,
    "form-circled-digit.pdf": symbols,
    "freetext-beyond-bmp.pdf": note,
}
