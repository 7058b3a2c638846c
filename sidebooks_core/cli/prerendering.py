"""The command that fills the cache: `sidebooks prerender`."""

from __future__ import annotations

import argparse

from sidebooks_core.cli.pages import chosen_pages, report_failures
from sidebooks_core.cli.terminal import ProgressBar, print_json
from sidebooks_core.settings import Settings


def prerender(arguments: argparse.Namespace) -> int:
    """Draw previews and screen images into the cache. 1 if a page was not drawn whole."""
    from sidebooks_core.service import Sizes, TileService

    settings = Settings(cache_dir=arguments.cache_dir, workers=arguments.workers, image_format=arguments.format)
    with TileService(settings) as service, ProgressBar("prerendering") as bar:
        document = service.open(arguments.file, arguments.password)
        pages = chosen_pages(arguments, document.page_count)
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
    return report_failures(report.failed, report.problems)
