"""The command that fills the cache: `sidebooks prerender`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sidebooks_core.cli.pages import chosen_pages, report_failures
from sidebooks_core.cli.terminal import ProgressBar, print_json, tell_error
from sidebooks_core.errors import RequestError
from sidebooks_core.settings import Settings

if TYPE_CHECKING:
    from sidebooks_core import PrerenderedDocument, PrerenderReport, Sizes, TileService


def prerender(arguments: argparse.Namespace) -> int:
    """Draw previews and screen images into the cache. 1 if a page was not drawn whole, or a document could not be opened."""
    from sidebooks_core.service import Sizes, TileService

    if len(arguments.file) > 1 and arguments.pages:
        raise RequestError("--pages are those of one document: leave them out, or name one file")
    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    sizes = Sizes(levels=arguments.levels, widths_px=arguments.width, heights_px=arguments.height, spread=arguments.spread)
    with TileService(settings) as service:
        if len(arguments.file) > 1:
            return _all_of_many(service, arguments, sizes)
        with ProgressBar("prerendering") as bar:
            document = service.open(arguments.file[0], arguments.password)
            pages = chosen_pages(arguments, document.page_count)
            report = service.prerender(document, pages, bar, fit_px=arguments.fit, sizes=sizes)
    if arguments.json:
        print_json(_described(report))
    else:
        print(_told(report))
    return report_failures(report.failed, report.problems, as_json=arguments.json)


def _all_of_many(service: TileService, arguments: argparse.Namespace, sizes: Sizes) -> int:
    with ProgressBar("prerendering") as bar:
        done = service.prerender_all(
            arguments.file,
            lambda told: bar(told.pages_done, told.pages),
            password=arguments.password,
            fit_px=arguments.fit,
            sizes=sizes,
        )
    if arguments.json:
        print_json([_described_document(path, one) for path, one in zip(arguments.file, done, strict=True)])
    status = 0
    for path, one in zip(arguments.file, done, strict=True):
        if one.report is not None:
            if not arguments.json:
                print(f"{path}: {_told(one.report)}", flush=True)
            status |= report_failures(one.report.failed, one.report.problems, as_json=arguments.json)
        elif one.error is not None:
            tell_error(one.error, as_json=arguments.json)
            status = 1
    return status


def _told(report: PrerenderReport) -> str:
    return f"{report.pages} pages: {report.rendered} images drawn, {report.stored_already} were there already"


def _described_document(path: Path, one: PrerenderedDocument) -> dict[str, object]:
    described = _described(one.report) if one.report is not None else {"error": str(one.error)}
    return {"file": str(path), **described}


def _described(report: PrerenderReport) -> dict[str, object]:
    return {
        "pages": report.pages,
        "rendered": report.rendered,
        "stored_already": report.stored_already,
        "failed": {page + 1: str(error) for page, error in report.failed.items()},
        "problems": {page + 1: list(told) for page, told in report.problems.items()},
    }
