"""The `sidebooks` command. Page numbers count from 1; `--json` prints one JSON value for machines."""

from __future__ import annotations

import argparse
import getpass
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from sidebooks_core import __version__
from sidebooks_core.cli import cache as cache_commands
from sidebooks_core.cli.terminal import ProgressBar, human_bytes, parse_pages, print_json, table
from sidebooks_core.encoding.formats import (
    BY_ENDING,
    BY_MEDIA_TYPE,
    FORMATS_BY_CONTENT,
    IMAGE_FORMATS,
    OTHER_ENDINGS,
    ImageFormat,
)
from sidebooks_core.errors import PageError, RequestError, SidebooksError
from sidebooks_core.settings import Settings

POINTS_PER_INCH = 72
DEFAULT_DPI = 150
SERVER_EXTRA = ("starlette", "anyio", "uvicorn", "httptools")
"""What `sidebooks serve` loads beside what every command does."""

_EPILOG = """
examples:
  sidebooks inspect budget.pdf                         what will be slow or look wrong, page by page
  sidebooks render budget.pdf --pages 3-5 --dpi 200    pages to image files, in the format that suits each
  sidebooks render map.pdf --region 100,200,300,400 --width 2000 -o detail.png
  sidebooks prerender budget.pdf                       fill the cache before the meeting; stop and start at will
  sidebooks flip budget.pdf                            turn through it and print how long each turn takes
  sidebooks serve minutes/                             to tablets and browsers, with a viewer
  sidebooks cache stats                                what the cache holds

`sidebooks COMMAND --help` tells more. Exit status: 0 done, 1 it failed, or some page did or could not be
drawn whole, 2 wrong usage, 130 stopped by Ctrl-C.
Others on this machine can see a PASSWORD on the command line: `--password -` asks for it; SIDEBOOKS_PASSWORD may hold it.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    arguments = _parser().parse_args(argv)
    try:
        if "password" in arguments:
            arguments.password = _password(arguments.password)
        status = arguments.run(arguments)
    except (SidebooksError, OSError) as error:
        print(f"sidebooks: {error}", file=sys.stderr)
        status = 2 if isinstance(error, RequestError) else 1
    except KeyboardInterrupt:
        print("sidebooks: stopped; what was finished is kept", file=sys.stderr)
        status = 130
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sidebooks",
        description="Paged documents that feel like paper: PDF, XPS, EPUB, FB2, CBZ, SVG, TIFF and images.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sidebooks {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    inspect = _command(
        commands,
        "inspect",
        _inspect,
        "what will be slow or look wrong, page by page",
        "Fonts that are not embedded and what replaces them, scans and how they are compressed, the largest image, the "
        "slowest pages by measured time, damage that was repaired. Draws every page once.",
    )
    _document(inspect)

    render = _command(
        commands,
        "render",
        _render,
        "pages, or a region of one, to image files",
        "Writes NAME-0001.png and so on into --output, or one file if --output names one. The format is chosen by what is "
        "on the page unless --format, or the name of one file, tells: lossless PNG for text and line art, JPEG for pictures.",
    )
    _document(render)
    _pages(render)
    render.add_argument(
        "-o", "--output", type=Path, default=Path(), metavar="PATH", help="folder, or file for a single page; - writes it out"
    )
    size = render.add_mutually_exclusive_group()
    size.add_argument("--dpi", type=_positive, help=f"resolution (default {DEFAULT_DPI})")
    size.add_argument("--width", type=_pixels, metavar="PX", help="exact width in pixels")
    size.add_argument("--fit", type=_screen, metavar="WxH", help="as large as fits so many pixels")
    render.add_argument("--region", metavar="X0,Y0,X1,Y1", help="only this part, in points (1/72 inch) from the top left")
    _format(render)
    render.add_argument("--quality", type=int, default=85, help="of lossy pictures, 1-100 (default 85)")

    prerender = _command(
        commands,
        "prerender",
        _prerender,
        "fill the cache before the readers come",
        "Draws the preview and the screen image of each page into the cache. Can be stopped and started again: what is "
        "there already is skipped.",
    )
    _document(prerender)
    _pages(prerender)
    prerender.add_argument(
        "--width", type=_pixels, action="append", default=[], metavar="PX", help="also whole pages this wide; may be repeated"
    )
    prerender.add_argument(
        "--fit",
        type=_screen,
        action="append",
        default=[],
        metavar="WxH",
        help="also whole pages as large as fit a screen of so many pixels, such as 1620x2160; may be repeated",
    )
    prerender.add_argument("--spread", action="store_true", help="two pages side by side on the screens of --fit")
    prerender.add_argument("--levels", type=_levels, metavar="N,N", help="instead of preview (0) and screen image")
    _format(prerender)
    _workers(prerender)
    _cache_dir(prerender)

    flip = _command(
        commands,
        "flip",
        _flip,
        "turn through a document and print how long each turn takes",
        "Three times: cold, from memory, and from disk in a new service; median, 95th, 99th percentile and the worst. Uses "
        "an empty cache of its own.",
    )
    _document(flip)
    _pages(flip)
    flip.add_argument("--width", type=_pixels, metavar="PX", help="width of the page images (default: long side 2048)")
    _workers(flip)

    serve = _command(
        commands,
        "serve",
        _serve,
        "documents over HTTP, with a viewer: IIIF, Deep Zoom, our own API",
        "Registers the documents named, and those in the folders named, which are watched. Listens on this machine only, "
        "unless --host says otherwise; there is no password. Needs the extra: pip install 'sidebooks_core[server]'.",
        has_json=False,
    )
    serve.add_argument("path", type=Path, nargs="+", metavar="PATH", help="documents, or folders of them")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)")
    serve.add_argument("--port", type=_port, default=8000, help="default 8000; 0 takes any that is free")
    serve.add_argument("--no-browser", action="store_true", help="do not open the viewer")
    serve.add_argument("--password", help="of the documents named that need one; - asks for it")
    serve.add_argument(
        "--hostname",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that readers use for this server, beside localhost and this machine's own; may be repeated",
    )
    serve.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web pages from there may read the documents, as https://books.example; '*': from anywhere; may be repeated",
    )
    _format(serve)
    _workers(serve)
    _cache_dir(serve)

    cache = commands.add_parser(
        "cache", help="what the cache holds: stats, verify, purge", description="Look after the disk cache."
    )
    actions = cache.add_subparsers(title="actions", metavar="ACTION", required=True)
    stats = _command(actions, "stats", cache_commands.stats, "how much it holds", "Counts records, facts and bytes.")
    _cache_dir(stats)
    verify = _command(
        actions,
        "verify",
        cache_commands.verify,
        "read every record and fact and check it",
        "Checks the checksum of each record and fact, and looks for files that belong to no record. Exit status 1 if there "
        "was damage.",
    )
    verify.add_argument("--fix", action="store_true", help="remove what is damaged or belongs to nothing")
    _cache_dir(verify)
    purge = _command(
        actions,
        "purge",
        cache_commands.purge,
        "remove documents, or everything",
        "Removes all that is stored of the documents named; with --all, everything. Where readers left off stays.",
    )
    purge.add_argument("file", type=Path, nargs="*", metavar="FILE", help="documents whose pages are removed")
    purge.add_argument("--all", action="store_true", help="everything, of all documents")
    purge.add_argument("--positions", action="store_true", help="forget where readers left off, too")
    purge.add_argument("--password", help="if a document needs one; - asks for it")
    _cache_dir(purge)
    return parser


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    *,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=description)
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON value instead of text")
    parser.set_defaults(run=run)
    return parser


def _document(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the document")
    parser.add_argument("--password", help="if the document needs one; - asks for it")


def _pages(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pages", metavar="PAGES", help="such as 3, 1-5, 7- or 1,4-6 (default: all)")


def _format(parser: argparse.ArgumentParser) -> None:
    what = "of images (default auto: by content; compact: fewer bytes for coloured text, 100 ms later)"
    parser.add_argument("--format", choices=IMAGE_FORMATS, default="auto", help=what)


def _workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=Settings().workers, metavar="N", help="worker processes (default 2)")


def _cache_dir(parser: argparse.ArgumentParser) -> None:
    default = Settings().cache_dir
    parser.add_argument("--cache-dir", type=Path, default=default, metavar="DIR", help=f"default: {default}")


def _positive(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value


def _pixels(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} pixels make no image")
    return int(text)


def _screen(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no screen: write it as WIDTHxHEIGHT, such as 1620x2160")
    return int(width), int(height)


def _levels(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} are no levels: write them as 0,3")
    return [int(part) for part in parts]


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return int(text)


def _password(given: str | None) -> str | None:
    """What opens the document. Read from the terminal for "-", so that no list of processes shows it."""
    if given == "-":
        return getpass.getpass("password: ")
    return given if given is not None else os.environ.get("SIDEBOOKS_PASSWORD")


def _chosen_pages(arguments: argparse.Namespace, page_count: int) -> list[int]:
    return parse_pages(arguments.pages, page_count) if arguments.pages else list(range(page_count))


def _report_failures(failed: dict[int, Any], problems: dict[int, tuple[str, ...]] | None = None) -> int:
    """problems: of pages that were drawn, but not whole."""
    for error in failed.values():
        print(f"sidebooks: {error}", file=sys.stderr)
    for page, told in (problems or {}).items():
        print(f"sidebooks: page {page + 1}: {'; '.join(told)}", file=sys.stderr)
    return 1 if failed or problems else 0


def _inspect(arguments: argparse.Namespace) -> int:
    from sidebooks_core.service import TileService

    with TileService(Settings(cache_dir=None)) as service, ProgressBar("inspecting") as bar:
        document = service.open(arguments.file, arguments.password)
        found = service.inspect(document, bar)
    if arguments.json:
        print_json(found.to_wire())
    else:
        print(found.report())
    return 0


def _render(arguments: argparse.Namespace) -> int:
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
    written: list[dict[str, Any]] = []
    failed: dict[int, PageError] = {}
    problems: dict[int, tuple[str, ...]] = {}
    with TileService(settings) as service, ProgressBar("rendering") as bar:
        document = service.open(arguments.file, arguments.password)
        pages = _chosen_pages(arguments, document.page_count)
        if to_one_file and len(pages) != 1:
            raise RequestError(f"{arguments.output} is one file, but {len(pages)} pages were asked for: name a folder")
        for done, page in enumerate(pages):
            info = document.pages[page]
            x0_pt, y0_pt, x1_pt, y1_pt = region_pt or (0.0, 0.0, info.width_pt, info.height_pt)
            width_px = _width_px(arguments, x1_pt - x0_pt, y1_pt - y0_pt)
            try:
                if region_pt is None and arguments.fit:
                    tile = service.page_image(document, page, fit_px=arguments.fit)
                elif region_pt is None:
                    tile = service.page_image(document, page, width_px=width_px)
                else:
                    tile = service.region_image(document, page, (x0_pt, y0_pt, x1_pt, y1_pt), width_px)
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
                {
                    "page": page + 1,
                    "file": str(target),
                    "width_px": tile.width_px,
                    "height_px": tile.height_px,
                    "media_type": tile.media_type,
                    "bytes": len(tile.data),
                    "problems": list(tile.problems),
                }
            )
            bar(done + 1, len(pages))
    if arguments.json:
        print_json({"written": written, "failed": {page + 1: str(error) for page, error in failed.items()}})
    else:
        for entry in written:
            print(f"{entry['file']}  {entry['width_px']} x {entry['height_px']}  {human_bytes(entry['bytes'])}")
    return _report_failures(failed, problems)


def _width_px(arguments: argparse.Namespace, width_pt: float, height_pt: float) -> int:
    """Of an image of so many points."""
    if arguments.width:
        return int(arguments.width)
    if arguments.fit:
        most_px, most_high_px = arguments.fit
        return max(1, min(most_px, math.floor(most_high_px * width_pt / height_pt))) if height_pt > 0 else int(most_px)
    return max(1, round(width_pt * (arguments.dpi or DEFAULT_DPI) / POINTS_PER_INCH))


def _format_of(file: Path) -> ImageFormat:
    """What a file's name says that it is. Raises RequestError."""
    known = (BY_ENDING | OTHER_ENDINGS).get(file.suffix.lower().removeprefix("."))
    if known is None:
        raise RequestError(f"{file.suffix} files cannot be written: {', '.join(f'.{ending}' for ending in BY_ENDING)} can")
    return known.name


def _region(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        x0_pt, y0_pt, x1_pt, y1_pt = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"{text!r} is no region: write it as X0,Y0,X1,Y1 in points") from None
    if not (math.isfinite(x1_pt - x0_pt) and math.isfinite(y1_pt - y0_pt) and x0_pt < x1_pt and y0_pt < y1_pt):
        raise RequestError(f"the region {text} is empty: X0 must be left of X1, and Y0 above Y1")
    return x0_pt, y0_pt, x1_pt, y1_pt


def _prerender(arguments: argparse.Namespace) -> int:
    from sidebooks_core.service import Sizes, TileService

    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    with TileService(settings) as service, ProgressBar("prerendering") as bar:
        document = service.open(arguments.file, arguments.password)
        pages = _chosen_pages(arguments, document.page_count)
        report = service.prerender(
            document,
            pages,
            bar,
            fit_px=arguments.fit,
            sizes=Sizes(levels=arguments.levels, widths_px=arguments.width, spread=arguments.spread),
        )
    if arguments.json:
        print_json(
            {
                "pages": report.pages,
                "rendered": report.rendered,
                "stored_already": report.stored_already,
                "failed": {page + 1: str(error) for page, error in report.failed.items()},
                "problems": {page + 1: list(told) for page, told in report.problems.items()},
            }
        )
    else:
        print(f"{report.pages} pages: {report.rendered} images drawn, {report.stored_already} were there already")
    return _report_failures(report.failed, report.problems)


def _flip(arguments: argparse.Namespace) -> int:
    from sidebooks_core.cli.flip import flip

    with ProgressBar("turning") as bar:
        report = flip(
            arguments.file,
            Settings(workers=arguments.workers),
            password=arguments.password,
            pages=lambda page_count: _chosen_pages(arguments, page_count),
            width_px=arguments.width,
            progress=bar,
        )
    failed = {page: text for done in report.passes for page, text in done.failed.items()}
    if arguments.json:
        print_json(to_builtins(report))
        return _report_failures(failed)
    print(f"{report.document}: {report.page_count} pages, images of {report.width_px} x {report.height_px} px")
    print(f"first page {report.first_page_s * 1000:.0f} ms after the start, workers and opening included\n")
    rows = [
        [
            done.name,
            str(done.latency.count),
            *(
                f"{wait_s * 1000:.2f}"
                for wait_s in (done.latency.median_s, done.latency.p95_s, done.latency.p99_s, done.latency.max_s)
            ),
            f"{done.within_frame:.0%}",
            str(done.renders),
        ]
        for done in report.passes
    ]
    print(table(["turn, in ms", "turns", "p50", "p95", "p99", "max", "within 16.7 ms", "renders"], rows))
    return _report_failures(failed)


def _serve(arguments: argparse.Namespace) -> int:
    try:
        from sidebooks_core.server.command import ServeOptions, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in SERVER_EXTRA:
            raise
        raise RequestError(f"serving needs {', '.join(SERVER_EXTRA)}: pip install 'sidebooks_core[server]'") from None
    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    options = ServeOptions(
        paths=arguments.path,
        host=arguments.host,
        port=arguments.port,
        browser=not arguments.no_browser,
        password=arguments.password,
        hostnames=arguments.hostname,
        allow_origins=arguments.allow_origin,
    )
    return serve(settings, options)


if __name__ == "__main__":
    main()
