"""The command that turns through a document and times the turns: `sidebooks flip`."""

from __future__ import annotations

import argparse

from msgspec import to_builtins

from sidebooks_core.cli.pages import chosen_pages, report_failures
from sidebooks_core.cli.terminal import ProgressBar, print_json, table
from sidebooks_core.settings import Settings


def flip(arguments: argparse.Namespace) -> int:
    """Print how long each turn takes: cold, from memory, from disk. 1 if a page could not be drawn."""
    from sidebooks_core.cli.flip import flip as turn_through

    with ProgressBar("turning") as bar:
        report = turn_through(
            arguments.file,
            Settings(workers=arguments.workers),
            password=arguments.password,
            pages=lambda page_count: chosen_pages(arguments, page_count),
            width_px=arguments.width,
            progress=bar,
        )
    failed = {page: text for done in report.passes for page, text in done.failed.items()}
    if arguments.json:
        print_json(to_builtins(report))
        return report_failures(failed, as_json=arguments.json)
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
    return report_failures(failed, as_json=arguments.json)
