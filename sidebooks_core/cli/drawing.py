"""The commands that draw pages and keep nothing: `sidebooks inspect` and `sidebooks render`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, to_builtins

from sidebooks_core.cli.arguments import DEFAULT_DPI
from sidebooks_core.cli.pages import chosen_pages, report_failures
from sidebooks_core.cli.terminal import ProgressBar, human_bytes, print_json
from sidebooks_core.encoding.formats import BY_ENDING, BY_MEDIA_TYPE, FORMATS_BY_CONTENT, OTHER_ENDINGS, ImageFormat
from sidebooks_core.errors import PageError, RequestError
from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core import PageInfo, Tile, TileService

POINTS_PER_INCH = 72
Region = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in points."""


class Written(Struct, frozen=True):
    """An image file that was written."""

    page: int
    """From 1."""
    file: str
    width_px: int
    height_px: int
    media_type: str
    bytes: int
    problems: tuple[str, ...]
    """Parts of the page that could not be drawn."""


def inspect(arguments: argparse.Namespace) -> int:
    """Print what will be slow or look wrong. Draws each page once."""
    from sidebooks_core.service import TileService

    with TileService(Settings(cache_dir=None)) as service, ProgressBar("inspecting") as bar:
        document = service.open(arguments.file, arguments.password)
        found = service.inspect(document, bar)
    if arguments.json:
        print_json(found.to_wire())
    else:
        print(found.report())
    return 0


def render(arguments: argparse.Namespace) -> int:
    """Write pages, or a region of each, as image files or to standard output. 1 if a page was not drawn whole."""
    from sidebooks_core.service import TileService

    to_stdout = str(arguments.output) == "-"
    if to_stdout and arguments.json:
        raise RequestError("--output - writes the image where --json would write")
    to_one_file = to_stdout or (arguments.output.suffix != "" and not arguments.output.is_dir())
    image_format = arguments.format
    if to_one_file and not to_stdout and image_format in FORMATS_BY_CONTENT:
        image_format = _format_of(arguments.output)
    settings = Settings(cache_dir=None, image_format=image_format, quality=arguments.quality)
    region_pt = _region(arguments.region)
    written: list[Written] = []
    failed: dict[int, PageError] = {}
    problems: dict[int, tuple[str, ...]] = {}
    with TileService(settings) as service, ProgressBar("rendering") as bar:
        document = service.open(arguments.file, arguments.password)
        pages = chosen_pages(arguments, document.page_count)
        if to_one_file and len(pages) != 1:
            raise RequestError(f"{arguments.output} is one file, but {len(pages)} pages were asked for: name a folder")
        for done, page in enumerate(pages):
            try:
                tile = _drawn(service, document.pages[page], arguments, region_pt)
            except PageError as error:
                failed[page] = error
                continue
            if tile.problems:
                problems[page] = tile.problems
            target = arguments.output
            if to_stdout:
                sys.stdout.buffer.write(tile.data)
                continue
            if not to_one_file:
                target.mkdir(parents=True, exist_ok=True)
                target = target / f"{arguments.file.stem}-{page + 1:04d}.{BY_MEDIA_TYPE[tile.media_type].ending}"
            target.write_bytes(tile.data)
            written.append(
                Written(
                    page=page + 1,
                    file=str(target),
                    width_px=tile.width_px,
                    height_px=tile.height_px,
                    media_type=tile.media_type,
                    bytes=len(tile.data),
                    problems=tile.problems,
                )
            )
            bar(done + 1, len(pages))
    if arguments.json:
        print_json({"written": to_builtins(written), "failed": {page + 1: str(error) for page, error in failed.items()}})
    else:
        for entry in written:
            print(f"{entry.file}  {entry.width_px} x {entry.height_px}  {human_bytes(entry.bytes)}")
    return report_failures(failed, problems, as_json=arguments.json)


def _drawn(service: TileService, page: PageInfo, arguments: argparse.Namespace, region_pt: Region | None) -> Tile:
    """A page, or a region of it, in the size that is asked for. Raises PageError, RequestError."""
    x0_pt, y0_pt, x1_pt, y1_pt = region_pt or (0.0, 0.0, page.width_pt, page.height_pt)
    width_px = _width_px(arguments, x1_pt - x0_pt, y1_pt - y0_pt)
    try:
        if region_pt is not None:
            return service.region_image(page.document, page.index, region_pt, width_px)
        if arguments.fit:
            return page.image(fit_px=arguments.fit)
        return page.image(height_px=arguments.height) if arguments.height else page.image(width_px=width_px)
    except RequestError as error:
        if arguments.dpi is None:
            raise
        raise RequestError(f"--dpi {arguments.dpi:g} is no resolution for page {page.index + 1}: {error}") from None


def _width_px(arguments: argparse.Namespace, width_pt: float, height_pt: float) -> int:
    """The width in pixels of an image of so many points."""
    if arguments.width:
        return int(arguments.width)
    if arguments.height:
        return max(1, round(arguments.height * width_pt / height_pt)) if height_pt > 0 else int(arguments.height)
    if arguments.fit:
        most_px, most_high_px = arguments.fit
        return max(1, min(most_px, math.floor(most_high_px * width_pt / height_pt))) if height_pt > 0 else int(most_px)
    return max(1, round(width_pt * (arguments.dpi or DEFAULT_DPI) / POINTS_PER_INCH))


def _format_of(file: Path) -> ImageFormat:
    """The image format that a file's name tells. Raises RequestError if there is none."""
    known = (BY_ENDING | OTHER_ENDINGS).get(file.suffix.lower().removeprefix("."))
    if known is None:
        raise RequestError(f"{file.suffix} files cannot be written: {', '.join(f'.{ending}' for ending in BY_ENDING)} can")
    return known.name


def _region(text: str | None) -> Region | None:
    if text is None:
        return None
    try:
        x0_pt, y0_pt, x1_pt, y1_pt = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"{text!r} is no region: write it as X0,Y0,X1,Y1 in points") from None
    if not (math.isfinite(x1_pt - x0_pt) and math.isfinite(y1_pt - y0_pt) and x0_pt < x1_pt and y0_pt < y1_pt):
        raise RequestError(f"the region {text} is empty: X0 must be left of X1, and Y0 above Y1")
    return x0_pt, y0_pt, x1_pt, y1_pt
