"""Many documents in one call: in their order, each with its own failure, with progress, until somebody stops it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pikepdf
import pytest

import sidebooks_core as sb
from sidebooks_core.aio import AsyncTileService
from sidebooks_core.cli.commands import main

FIT_PX = [(300, 400)]
LEVELS = sb.Sizes(levels=[0])


@pytest.fixture
def papers(tmp_path: Path) -> list[Path]:
    """Three documents of 1, 2 and 3 pages."""
    made = []
    for pages in (1, 2, 3):
        with pikepdf.new() as pdf:
            for number in range(pages):
                pdf.add_blank_page(page_size=(300 + 10 * pages, 400 + number))
            path = tmp_path / f"{pages}.pdf"
            pdf.save(path)
        made.append(path)
    return made


def test_each_has_its_report_and_a_bad_one_fails_alone(service: sb.TileService, papers: list[Path], tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.pdf", tmp_path / "missing.pdf"
    broken.write_bytes(b"%PDF-1.7\n")
    opened = service.open(papers[2])
    told: list[sb.PrerenderProgress] = []
    done = service.prerender_all([papers[0], broken, opened, missing, papers[1]], told.append, fit_px=FIT_PX, sizes=LEVELS)
    assert [one.report.pages if one.report else type(one.error) for one in done] == [
        1, sb.DamagedDocument, 3, FileNotFoundError, 2,
    ]  # fmt: skip
    assert [one.is_whole for one in done] == [True, False, True, False, True]
    assert done[0].source == papers[0]
    assert done[2].document is opened
    assert told[-1] == sb.PrerenderProgress(documents_done=5, documents=5, pages_done=6, pages=6)
    again = service.prerender_all(papers, fit_px=FIT_PX, sizes=LEVELS)
    assert [one.report.rendered for one in again if one.report] == [0, 0, 0]


def test_a_page_that_fails_is_in_the_report_of_its_document(service: sb.TileService, papers: list[Path]) -> None:
    done = service.prerender_all(papers, sizes=sb.Sizes(levels=[99]))
    assert [type(one.error) for one in done] == [sb.RequestError] * 3
    assert [one.document is not None for one in done] == [True] * 3


class Enough(Exception):
    pass


def test_an_error_in_progress_stops_it_and_what_was_drawn_is_kept(service: sb.TileService, papers: list[Path]) -> None:
    def stop(told: sb.PrerenderProgress) -> None:
        if told.pages_done:
            raise Enough

    with pytest.raises(Enough):
        service.prerender_all(papers * 10, stop, sizes=LEVELS)
    again = service.prerender_all(papers, sizes=LEVELS)
    assert sum(one.report.stored_already for one in again if one.report) > 0


def test_a_service_that_closes_ends_it(service: sb.TileService, papers: list[Path]) -> None:
    def close(told: sb.PrerenderProgress) -> None:
        service.close()

    with pytest.raises(sb.ServiceClosed):
        service.prerender_all(papers * 4, close)


def test_what_is_no_document_is_told_at_once(service: sb.TileService) -> None:
    with pytest.raises(TypeError, match="not from a int"):
        service.prerender_all([5])  # type: ignore[list-item]


def test_with_asyncio(service: sb.TileService, papers: list[Path]) -> None:
    async def run() -> list[sb.PrerenderedDocument]:
        async with AsyncTileService(service=service) as one:
            return await one.prerender_all(papers, fit_px=FIT_PX)

    assert [one.is_whole for one in asyncio.run(run())] == [True] * 3


def test_heights(service: sb.TileService, papers: list[Path]) -> None:
    service.prerender(service.open(papers[0]), sizes=sb.Sizes(levels=[], heights_px=[333]))
    before = service.statistics().renders
    assert service.page_image(service.open(papers[0]), 0, height_px=333).height_px == 333
    assert service.statistics().renders == before


def test_the_command_takes_many(papers: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(path) for path in [*papers, tmp_path / "missing.pdf"]]
    with pytest.raises(SystemExit) as end:
        main(["prerender", *names, "--levels", "0", "--cache-dir", str(tmp_path / "cache"), "--json"])
    assert end.value.code == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [one["file"] for one in told] == names
    assert [one.get("pages") for one in told] == [1, 2, 3, None]
    assert json.loads(err)["error"] == "FileNotFoundError"
    with pytest.raises(SystemExit) as end:
        main(["prerender", *names, "--pages", "1", "--cache-dir", str(tmp_path / "cache")])
    assert end.value.code == 2
