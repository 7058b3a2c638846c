"""The benchmarks as a whole: what each says of itself, the format of results, comparing, pages, and running all."""

from __future__ import annotations

import importlib
import random
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from conftest import ROOT

from benchmarks import __main__ as command
from benchmarks import catalogue, comparing, corpus, plots, results
from benchmarks.catalogue import NoBenchmark
from benchmarks.ink.__main__ import shown_ms
from benchmarks.pages import write_page
from benchmarks.programs.__main__ import Different, check_same
from benchmarks.programs.candidates import OURS, PROGRAMS
from benchmarks.programs.rounds import Round
from benchmarks.results import BadResult, Machine, Result, Series

MACHINE = Machine("a processor", 2, 8 << 30, "Linux x86_64", "6.1", "3.11.7", 0.5)
CHANCE = random.Random(7)
PAGES = [CHANCE.lognormvariate(3, 1) for _ in range(200)]
"""Milliseconds of pages, some of which are hard."""
TEXTS = (".py", ".md", ".toml")
ALL = catalogue.benchmarks()


def result(found: list[Series], **other: object) -> Result:
    made = Result(
        benchmark="cold_page",
        question="How long?",
        limits="Much.",
        version="0.1",
        date="2026-11-30T12:00:00Z",
        machine=MACHINE,
        peers={"pymupdf": "1.28"},
        parameters={"pages": "4"},
        series=found,
    )
    return msgspec.structs.replace(made, **other)


def pages(factor: float, seed: int, **other: object) -> Result:
    """Each page takes as long as in another run, but for a factor, and for five of a hundred by chance."""
    chance = random.Random(seed)
    waits = [page * factor * chance.uniform(0.95, 1.05) for page in PAGES]
    return result(results.measured("Cold", "ours", "ms", waits, labels=map(str, range(len(waits)))), **other)


def kept(folder: Path, *some: Result) -> Path:
    folder.mkdir(exist_ok=True)
    for number, one in enumerate(some):
        results.write(folder / f"{one.benchmark}-{number}.json", one)
    return folder


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_each_says_its_question_and_its_limits(one: catalogue.Benchmark) -> None:
    assert one.question.endswith("?"), one.question
    assert len(one.question) <= 110
    assert one.limits, "no paragraph of the docstring begins with what the numbers do not say"


def test_all_are_listed() -> None:
    lines = command.listed().splitlines()
    assert [line.split()[0] for line in lines[: len(ALL)]] == [one.name for one in ALL]
    assert {"cold_page", "meeting", "meeting.following", "page_turn", "programs", "shelf.scale"} <= {one.name for one in ALL}


def test_the_list_needs_nothing_that_is_installed() -> None:
    code = "from benchmarks import catalogue; print(len(catalogue.benchmarks()))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == len(ALL)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_each_writes_its_result_in_the_one_format(one: catalogue.Benchmark) -> None:
    path = Path(catalogue.FOLDER, *one.name.split("."))
    text = (path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__main__.py").read_text(encoding="utf-8")
    assert re.search(r"\bwith_outputs\(parser\)", text)
    assert f'prog="python -m benchmarks {one.name}"' in text
    assert re.search(r"\bbegun\.finish\(", text)
    assert '"--quick"' in text


def test_the_command_has_one_form_everywhere() -> None:
    names = "|".join(re.escape(one.name) for one in ALL)
    folders = [ROOT / name for name in ("benchmarks", "docs", "README.md", "CONTRIBUTING.md")]
    paths = [path for one in folders for path in ([one] if one.is_file() else one.rglob("*")) if path.suffix in TEXTS]
    assert len(paths) > 100
    dotted = re.compile(rf"python -m benchmarks\.(?:{names}|NAME)(?![\w.])")
    assert {str(path) for path in paths if dotted.search(path.read_text(encoding="utf-8"))} == set()


def test_an_unknown_one_is_named() -> None:
    with pytest.raises(NoBenchmark, match=r"no benchmark cold_pages; there are .*cold_page,"):
        catalogue.benchmark("cold_pages")
    assert command.main(["cold_pages"]) == 2


MEASURE_DOCUMENTS = (
    "browser_turn", "cold_page", "encoding", "fuzz", "isolation", "killer", "meeting", "meeting.bundle", "meeting.following",
    "meeting.screens", "memory", "page_turn", "prerender", "reading", "shelf.registered", "shelf.scale", "warm",
)  # fmt: skip


def ends_with(name: str, *options: str) -> None:
    """Run a benchmark in this process. Raises SystemExit."""
    path = Path(catalogue.FOLDER, *name.split("."))
    module = importlib.import_module(f"benchmarks.{name}" + (".__main__" if path.is_dir() else ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *options])
        module.main()


@pytest.mark.skipif(sys.platform != "linux", reason="one of them needs Linux")
@pytest.mark.parametrize("name", MEASURE_DOCUMENTS)
def test_who_lacks_the_documents_is_told_what_to_give(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ends_with(name, "--documents", str(tmp_path / "none"))
    assert ended.value.code == 2
    assert "give --documents FOLDER, with a folder in it for each kind" in capsys.readouterr().err


def test_who_lacks_the_long_document_is_told_what_to_give(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        ends_with("attack", "--document", str(tmp_path / "none.pdf"))
    assert "give --document FILE" in capsys.readouterr().err


def test_a_quick_run_needs_no_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "DEFAULT", tmp_path / "none")
    assert [one.path for one in corpus.documents(is_quick=True)] == [corpus.SAMPLE]
    with pytest.raises(corpus.CorpusMissing, match="no documents at"):
        corpus.documents()


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = pages(1.0, 1, details={"why": ["紙", 1, None]})
    results.write(tmp_path / "one.json", one)
    assert results.read(tmp_path / "one.json") == one


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    for text in ("{}", "[]", "", '{"machine": {}, "measurements": []}'):
        path.write_text(text)
        with pytest.raises(BadResult, match=r"one\.json is not a result"):
            results.read(path)
    results.write(path, pages(1.0, 1, format=results.FORMAT + 1))
    with pytest.raises(BadResult, match="has format 2"):
        results.read(path)
    with pytest.raises(BadResult, match="has no results"):
        results.read_all(kept(tmp_path / "empty"))


def test_a_sample_needs_a_label_of_its_own() -> None:
    for labels in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="needs a label of its own"):
            results.measured("Cold", "ours", "ms", [1.0, 2.0], labels=labels)
    assert results.measured("Cold", "ours", "ms", []) == []


def test_a_thinned_result_keeps_its_count_and_its_ends() -> None:
    [one] = results.thinned(pages(1.0, 1, details="much"), 11).series
    [whole] = pages(1.0, 1).series
    assert (one.count, len(one.samples), one.labels) == (200, 11, [])
    assert (one.samples[0], one.samples[-1]) == (min(whole.samples), max(whole.samples))
    assert one.samples == sorted(one.samples)


def test_equal_code_shows_no_difference() -> None:
    assert {one.verdict for one in comparing.differences([pages(1.0, 1)], [pages(1.0, 2)])} == {"same"}


def test_a_hard_page_is_compared_with_itself() -> None:
    """A tenth is far less than pages differ from each other, and is found nevertheless."""
    median = comparing.differences([pages(1.0, 1)], [pages(1.1, 2)])[0]
    assert median.verdict == "worse"
    assert median.interval is not None
    assert median.interval[0] < 1.1 < median.interval[1] < 1.13
    without = [msgspec.structs.replace(one, series=results.thinned(one, 200).series) for one in (pages(1.0, 1), pages(1.1, 2))]
    assert comparing.differences(without[:1], without[1:])[0].verdict == "same"


def test_more_is_better_where_a_series_says_so() -> None:
    rates = [
        result(results.measured("Rate", "ours", "1/s", [100 * f, 101 * f, 102 * f, 99 * f] * 5, better="higher"))
        for f in (1, 1.3)
    ]
    [up], [down] = comparing.differences(rates[:1], rates[1:]), comparing.differences(rates[1:], rates[:1])
    assert (up.verdict, down.verdict) == ("better", "worse")
    assert down.worse_by == pytest.approx(1.3, rel=0.01)


def test_runs_that_differ_among_themselves_show_no_difference() -> None:
    """What changes on a machine from run to run is more than what differs: two runs of each side tell."""
    before, after = [pages(1.0, 1), pages(1.3, 2)], [pages(1.1, 3), pages(1.2, 4)]
    assert comparing.differences(before[:1], after[:1])[0].verdict == "worse"
    assert comparing.differences(before, after)[0].verdict == "same"


def test_single_figures_have_no_interval() -> None:
    [one] = comparing.differences(
        [result(results.measured("Peak", "ours", "MiB", [5]))], [result(results.measured("Peak", "ours", "MiB", [9]))]
    )
    assert (one.verdict, one.interval, one.ratio) == ("single", None, 1.8)
    zero = result(results.measured("Failures", "ours", "count", [0]))
    assert re.search(r"\| +— \| +— \| single figures \|", comparing.text(comparing.differences([zero], [zero])))


def test_a_difference_that_is_real_and_too_large_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = kept(tmp_path / "a", pages(1.0, 1)), kept(tmp_path / "b", pages(1.2, 2))
    assert command.main(["compare", str(a), str(b)]) == 0
    assert "B is worse" in capsys.readouterr().out
    assert command.main(["compare", str(a), str(b), "--fail-above", "1.3"]) == 0
    assert command.main(["compare", str(b), str(a), "--fail-above", "1.1"]) == 0
    assert command.main(["compare", str(a), str(b), "--fail-above", "1.1"]) == 1
    assert "WORSE by more than 1.1: Cold, ours, median: 1.2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            {"machine": msgspec.structs.replace(MACHINE, processor="another")},
            "another machine: processor a processor, and another",
        ),
        ({"machine": msgspec.structs.replace(MACHINE, memory_bytes=4 << 30)}, "another machine: memory_bytes"),
        ({"parameters": {"pages": "4", "quick": "True"}}, "other parameters: quick none, and True"),
    ],
)
def test_other_machines_and_parameters_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, object], why: str
) -> None:
    paths = [str(kept(tmp_path / "a", pages(1.0, 1))), str(kept(tmp_path / "b", pages(1.0, 2, **other)))]
    assert command.main(["compare", *paths]) == 2
    assert why in capsys.readouterr().err
    assert command.main(["compare", *paths, "--anyway"]) == 0
    assert why in capsys.readouterr().out


def test_what_changed_beside_the_code_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = pages(1.0, 2, machine=msgspec.structs.replace(MACHINE, python="3.12.1", load=7.0), peers={"pymupdf": "1.29"})
    newer.series.extend(results.measured("Warm", "ours", "ms", [1.0]))
    assert command.main(["compare", str(kept(tmp_path / "a", pages(1.0, 1))), str(kept(tmp_path / "b", newer))]) == 0
    told = capsys.readouterr().out
    for what in ("Python: 3.11.7 became 3.12.1", "pymupdf 1.28 became pymupdf 1.29", "A 0.50; B 7.00", "only in B: Warm, ours"):
        assert what in told


def test_two_results_without_a_benchmark_in_common_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(kept(tmp_path / "a", pages(1.0, 1))), str(kept(tmp_path / "b", pages(1.0, 2, benchmark="warm")))]
    assert command.main(["compare", *paths]) == 2
    assert "no benchmark in common" in capsys.readouterr().err


def test_a_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    name = "</text><script>alert(1)</script>"
    many = results.measured("Cold", name, "ms", PAGES) + results.measured("Cold", "theirs", "ms", [page * 2 for page in PAGES])
    one = result(
        many + results.measured("Failures", "all", "count", [0, 0]) + results.measured("Change", "ours", "MiB", [-3.5, 0, 7])
    )
    write_page(tmp_path / "page.html", [one, result(many, benchmark="warm")])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?!#)|url\(|@import', text) == []
    assert text.count("<svg") == 3 + 1 + 1 + 3
    for said in ("How long?", "Much.", "pymupdf 1.28", "a processor", "pages: 4"):
        assert said in text
    assert not re.search(r'="(?:nan|-?inf)', text)


@pytest.mark.parametrize(
    "samples", [[0.0], [0.0, 0.0], [5.0], [5.0, 5.0], [-2.0, -1.0], [1e-4, 1e6], [3.0, 3.1, 3.2], [0.0, 1e-9], [1.0, 12.5]]
)
def test_an_axis_holds_all_samples_and_has_ticks(samples: list[float]) -> None:
    axis = plots.Axis.of(results.measured("Cold", "ours", "ms", samples))
    assert all(plots.LEFT <= round(axis.at(value), 6) <= plots.WIDTH - plots.RIGHT for value in samples)
    assert 1 <= len(axis.ticks()) <= 16
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks())


def test_all_run_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def run(name: str, options: list[str]) -> int:
        asked.append((name, options))
        if name == "warm":
            return 3
        results.write(Path(options[-1]), pages(1.0, 1, benchmark=name))
        return 0

    monkeypatch.setattr(command, "run", run)
    folder, page = tmp_path / "kept", tmp_path / "all.html"
    status = command.main(
        ["all", "--quick", "--json", str(folder), "--html", str(page), "--only", "cold_page", "warm", "reading"]
    )
    assert status == 1
    assert [(name, options[0]) for name, options in asked] == [(name, "--quick") for name in ("cold_page", "warm", "reading")]
    told = capsys.readouterr().out
    assert re.search(r"\| warm +\| FAILED, exit status 3 \|", told)
    assert "2 done, 1 failed" in told
    assert sorted(results.read_all(folder)) == ["cold_page", "reading"]
    assert "reading" in page.read_text(encoding="utf-8")


def test_programs_that_do_something_else_are_not_compared() -> None:
    def seen(size_px: tuple[int, int], shade: int, **facts: str) -> Round:
        return Round({}, {"page 1": (size_px, bytes([shade] * 16))}, facts)

    ours = seen((100, 200), 200, pages="1")
    check_same("it", ours, seen((101, 199), 203, pages="1"))
    for other, why in (
        (seen((104, 200), 200, pages="1"), r"page 1: \(104, 200\) pixels"),
        (seen((100, 200), 220, pages="1"), "shades differ by 20.0"),
        (seen((100, 200), 200, pages="2"), "'pages': '2'"),
        (Round({}, {}, {"pages": "1"}), r"images \[\]"),
    ):
        with pytest.raises(Different, match=why):
            check_same("it", ours, other)


def test_each_program_of_the_examples_has_a_peer() -> None:
    examples = {path.stem for path in (ROOT / "docs" / "examples").iterdir() if path.suffix in (".py", ".ipynb")}
    assert len(PROGRAMS) == 5
    assert set(PROGRAMS) <= examples
    for one in PROGRAMS.values():
        assert next(iter(one.files)) == OURS
        assert len(one.files) >= 2
        assert all(path.exists() for path in one.files.values())


def test_a_line_is_shown_with_the_swap_after_its_canvas_was_handed_over() -> None:
    def event(ts: int, name: str, pid: int = 1, **other: object) -> dict[str, object]:
        return {"ts": ts, "name": name, "pid": pid, "args": {}, **other}

    mark = {"detail": "1.5", "startTime": 2.5}
    trace = [
        event(2000, "pen down", args={"data": mark}),
        event(2100, "ClientSharedImage::Map", pid=2, args={"size": "656x656"}),
        event(2200, "ClientSharedImage::Map", args={"size": "1620x2160"}),
        event(2300, "Surface::CommitFrame"),
        event(2400, "Display::DrawAndSwap", dur=100),
        event(3000, "ClientSharedImage::Map", args={"size": "656x656"}),
        event(3500, "Display::DrawAndSwap", dur=100),
        event(4000, "Surface::CommitFrame"),
        event(5000, "Display::DrawAndSwap", dur=500),
    ]
    assert shown_ms([*reversed(trace), {"name": "without a time"}]) == [4.5]
    for length, lacking in ((5, "ClientSharedImage::Map"), (7, "Surface::CommitFrame"), (8, "Display::DrawAndSwap")):
        with pytest.raises(ValueError, match=lacking):
            shown_ms(trace[:length])
