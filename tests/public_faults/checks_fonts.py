"""Fonts that lack an entry or name an encoding that the engine lacks; characters of form fields and notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pdf_parts import ink_of, text_of

from sidebooks_core import TileService


def japanese_line(service: TileService, path: Path) -> None:
    assert text_of(service, path) == "議会だより令和八年"
    assert ink_of(service, path).any()
    assert len(service.search(service.open(path), "令和八年")) == 1


CHECKS: dict[str, Callable[[TileService, Path], None]] = {
    "font-no-descriptor.pdf": japanese_line,
    "font-cmap-unijis2004.pdf": japanese_line,
}
