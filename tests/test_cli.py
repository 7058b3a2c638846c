"""The command line, as a person and as a machine use it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pikepdf
import pytest
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.cli.commands import main
from sidebooks_core.server import Shelf
from sidebooks_core.server.listening import listening
from sidebooks_core.server.registering import register_named


def sidebooks(*arguments: str | Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sidebooks_core.cli.commands import main; main()", *map(os.fspath, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(cache)} if cache else None
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200, env=environment)


def test_help_names_every_command() -> None:
    shown = sidebooks("--help")
    assert shown.returncode == 0
    for command in ("inspect", "render", "prerender", "flip", "cache"):
        assert command in shown.stdout
        assert sidebooks(command, "--help").returncode == 0


def test_flip_prints_a_latency_table(sample: Path) -> None:
    shown = sidebooks("flip", sample, "--pages", "1-4")
    assert shown.returncode == 0, shown.stderr
    assert "p50" in shown.stdout
    assert "p99" in shown.stdout


def test_flip_for_machines(sample: Path) -> None:
    shown = sidebooks("flip", sample, "--pages", "1-3", "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)


def test_render_writes_pages_of_the_width_asked_for(sample: Path, tmp_path: Path) -> None:
    shown = sidebooks("render", sample, "--pages", "2-3", "--width", "500", "-o", tmp_path, "--format", "png")
    assert shown.returncode == 0, shown.stderr
    written = sorted(tmp_path.glob("*.png"))
    assert len(written) == 2
    for file in written:
        with Image.open(file) as image:
            assert image.width == 500


@pytest.mark.parametrize("arguments", [[], ["--format", "compact"]])
@pytest.mark.parametrize(("name", "image_format"), [("page.png", "PNG"), ("page.JPEG", "JPEG"), ("page.webp", "WEBP")])
def test_render_to_one_file_writes_what_its_name_says(
    sample: Path, tmp_path: Path, name: str, image_format: str, arguments: list[str]
) -> None:
    shown = sidebooks("render", sample, "--pages", "2", "--width", "500", "-o", tmp_path / name, *arguments)
    assert shown.returncode == 0, shown.stderr
    with Image.open(tmp_path / name) as image:
        assert image.format == image_format


def test_render_refuses_a_file_of_another_kind(sample: Path, tmp_path: Path) -> None:
    shown = sidebooks("render", sample, "--pages", "2", "-o", tmp_path / "page.bmp")
    assert shown.returncode == 2
    assert ".bmp files cannot be written" in shown.stderr


def test_inspect_says_what_it_found(sample: Path) -> None:
    shown = sidebooks("inspect", sample, "--json")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["page_count"] == 22


def test_prerender_then_cache_stats_verify_and_purge(sample: Path, tmp_path: Path) -> None:
    def held() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(sidebooks("cache", "stats", "--cache-dir", tmp_path, "--json").stdout)
        return found

    assert sidebooks("prerender", sample, "--pages", "1-3", "--cache-dir", tmp_path).returncode == 0
    with sb.TileService(sb.Settings(cache_dir=tmp_path)) as service, service.reader(service.open(sample), (300, 400)) as reader:
        reader.turn_to(2)
    before = held()
    assert before["records"] >= 6
    assert before["facts"] == 4, "the digest of the file, the document, its content ids, where somebody left off"
    assert before["facts_bytes"] == sum(file.stat().st_size for file in tmp_path.glob("facts.sqlite3*"))
    assert sidebooks("cache", "verify", "--cache-dir", tmp_path).returncode == 0
    assert sidebooks("cache", "purge", sample, "--cache-dir", tmp_path).returncode == 0
    after = held()
    assert (after["records"], after["facts"]) == (0, 1), "the position"
    assert sidebooks("cache", "purge", "--all", "--cache-dir", tmp_path).returncode == 0
    assert held()["facts"] == 1
    assert sidebooks("cache", "purge", "--all", "--positions", "--cache-dir", tmp_path).returncode == 0
    assert held()["facts"] == 0


def test_verify_finds_damaged_facts(sample: Path, tmp_path: Path) -> None:
    assert sidebooks("prerender", sample, "--pages", "1", "--cache-dir", tmp_path).returncode == 0
    with closing(apsw.Connection(str(tmp_path / "facts.sqlite3"))) as planted:
        planted.execute("UPDATE fact SET value = zeroblob(100) WHERE key = (SELECT max(key) FROM fact)")
    found = sidebooks("cache", "verify", "--cache-dir", tmp_path, "--json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["facts_damaged"] == 1
    assert sidebooks("cache", "verify", "--fix", "--cache-dir", tmp_path).returncode == 0
    assert sidebooks("cache", "verify", "--cache-dir", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["inspect", "none.pdf"], 1),
        (["cache", "purge"], 2),
        (["render", "none.pdf", "--width", "x"], 2),
        (["bogus"], 2),
        *[(["render", "SAMPLE", *wrong], 2) for wrong in (
            ["--dpi", "100000"], ["--dpi", "0"], ["--dpi", "-5"], ["--dpi", "nan"], ["--dpi", "inf"],
            ["--width", "0"], ["--width", "-3"],
            ["--fit", "0x5"], ["--fit", "100"], ["--fit", "-1x5"], ["--quality", "0"], ["--quality", "101"],
            ["--region", "1,2,3"], ["--region", "nan,0,1,1"], ["--pages", "3-1"], ["--pages", "0"], ["--pages", "99"],
            ["--pages", "1-2", "-o", "-"], ["--pages", "1", "-o", "-", "--json"],
        )],
        *[(["prerender", "SAMPLE", "--pages", "1", "--cache-dir", "NEW", *wrong], 2) for wrong in (
            ["--levels", "99"], ["--levels", "-1"], ["--levels", "x"], ["--width", "0"], ["--fit", "x"], ["--workers", "0"],
            ["--workers", "-1"],
        )],
        (["flip", "SAMPLE", "--width", "-1"], 2),
        *[(["serve", "SAMPLE", "--no-browser", *wrong], 2) for wrong in (
            ["--port", "99999"], ["--port", "-1"], ["--port", "x"], ["--json"], ["--workers", "0"],
        )],
        *[(["cache", action, "--cache-dir", "NEW"], 1) for action in ("stats", "verify")],
        (["cache", "purge", "--all", "--cache-dir", "NEW"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)  # fmt: skip
def test_mistakes_get_a_message_and_no_traceback(
    arguments: list[str], status: int, sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new"
    with pytest.raises(SystemExit) as ended:
        main([{"SAMPLE": str(sample), "NEW": str(new)}.get(word, word) for word in arguments])
    assert ended.value.code == status
    assert capsys.readouterr().err
    assert not any(new.rglob("*.val")), "nothing was stored"
    if arguments[0] == "cache":
        assert not new.exists()


def test_a_mistake_shows_no_traceback() -> None:
    shown = sidebooks("inspect", "none.pdf")
    assert shown.returncode == 1
    assert shown.stderr.startswith("sidebooks: ")
    assert "Traceback" not in shown.stderr


def test_the_package_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "sidebooks_core", "--version"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (shown.returncode, shown.stdout.split()[0]) == (0, "sidebooks")


def test_render_to_standard_output(sample: Path) -> None:
    command = [sys.executable, "-m", "sidebooks_core", "render", str(sample), "--pages", "2", "--fit", "300x200", "-o", "-"]
    shown = subprocess.run(command, capture_output=True, check=True, timeout=100)
    with Image.open(io.BytesIO(shown.stdout)) as image:
        assert image.height == 200
        assert image.width <= 300


def test_a_password_from_the_environment_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.pdf"
    with pikepdf.new() as made:
        made.add_blank_page()
        made.save(path, encryption=pikepdf.Encryption(user="open", owner="own"))
    monkeypatch.setenv("SIDEBOOKS_PASSWORD", "open")
    assert sidebooks("inspect", path).returncode == 0
    monkeypatch.setenv("SIDEBOOKS_PASSWORD", "wrong")
    assert sidebooks("inspect", path).returncode == 1
    assert sidebooks("inspect", path, "--password", "open").returncode == 0


def serving(*arguments: str | Path) -> tuple[str, str, int | None]:
    """What `serve` prints first, its errors, and its exit status if it ended by itself."""
    command = [sys.executable, "-m", "sidebooks_core", "serve", *map(os.fspath, arguments), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        first = process.stderr.readline() if "are being opened" in said and process.stderr is not None else ""
        if said:
            process.send_signal(signal.SIGTERM)
        errors = first + process.communicate(timeout=60)[1]
    return said, errors, None if said else process.returncode


def test_one_damaged_file_among_those_named_is_told_and_the_others_are_served(sample: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\n")
    said, errors, _ = serving(broken, sample)
    assert re.match(r"Serving (1 document at|0 documents at .*, [12] more are being opened)", said), "at once, or soon"
    assert "not served: broken.pdf" in errors
    said, errors, status = serving(broken)
    assert (said, status) == ("", 1)
    assert "broken.pdf" in errors


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is in use: name another with --port"):
            listening("127.0.0.1", port)


def test_a_file_that_takes_long_does_not_hold_up_the_start(
    sample: Path, tmp_path: Path, service: sb.TileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, leave, open_of = tmp_path / "slow.png", threading.Event(), service.open
    Image.new("RGB", (40, 30), "red").save(slow)

    def opening(source: object, *arguments: object, **options: object) -> sb.Document:
        if source == slow:
            assert leave.wait(30)
        return open_of(source, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(service, "open", opening)
    monkeypatch.setattr("sidebooks_core.server.registering.START_PATIENCE_S", 0.2)
    shelf = Shelf(service)
    left = register_named(shelf, [slow, sample], None)
    assert left == 2, "documents are listed in the order in which they were named"
    leave.set()
    deadline_s = time.monotonic() + 30
    while len(shelf.ids()) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert [one.document.name for one in shelf.all()] == ["slow.png", sample.name]
    shelf.close()
