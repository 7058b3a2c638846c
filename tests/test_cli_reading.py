"""`sidebooks info`, `text`, `search`, and what all commands share: password files, variables, log lines, JSON errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pikepdf
import pytest

import sidebooks_core as sb
from sidebooks_core.logs import log_to_stderr


def sidebooks(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidebooks_core", *map(os.fspath, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **variables}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=200, env=environment)


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    path = tmp_path / "locked.pdf"
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(210 / 25.4 * 72, 297 / 25.4 * 72))
        pdf.docinfo["/Title"] = "秘密\x1b[31m の予算"
        pdf.save(path, encryption=pikepdf.Encryption(user="開け", owner="o"))
    return path


def test_info_says_what_the_document_says_of_itself(sample: Path, service: sb.TileService) -> None:
    document = service.open(sample)
    told = sidebooks("info", sample)
    assert told.returncode == 0, told.stderr
    assert f"pdf, {len(document)} pages, read from left to right" in told.stdout
    assert f"pages 1-{len(document)}: 210 x 297 mm" in told.stdout
    assert [line.strip().rpartition("  ")[0] for line in told.stdout.splitlines()[-len(document.outline) :]] == [
        item.title for item in document.outline
    ]
    for_machines = json.loads(sidebooks("info", sample, "--json").stdout)
    assert for_machines["id"] == document.id
    assert [page["page"] for page in for_machines["pages"]] == list(range(1, len(document) + 1))
    assert [item["page"] for item in for_machines["outline"]] == [
        None if item.page is None else item.page + 1 for item in document.outline
    ]


def test_text_is_that_of_the_pages_asked_for(sample: Path, service: sb.TileService) -> None:
    document = service.open(sample)
    told = sidebooks("text", sample, "--pages", "2-3")
    assert told.returncode == 0, told.stderr
    pages = told.stdout.split("\f")
    assert len(pages) == 3
    assert ["".join(page.split()) for page in pages[:2]] == ["".join(document[page].text().split()) for page in (1, 2)]
    for_machines = json.loads(sidebooks("text", sample, "--pages", "2", "--json").stdout)
    assert [word["text"] for word in for_machines["pages"][0]["words"]] == [word.text for word in document[1].words()]


def test_search_prints_pages_and_ends_as_grep_does(sample: Path, service: sb.TileService) -> None:
    hits = service.search(service.open(sample), "行")
    told = sidebooks("search", sample, "行")
    assert told.returncode == 0, told.stderr
    assert [int(line.partition(":")[0]) for line in told.stdout.splitlines()] == [hit.page + 1 for hit in hits]
    some = [json.loads(line) for line in sidebooks("search", sample, "行", "--limit", "2", "--json").stdout.splitlines()]
    assert [(one["page"], one["text"]) for one in some] == [(hit.page + 1, hit.text) for hit in hits[:2]]
    none = sidebooks("search", sample, "no such words")
    assert (none.returncode, none.stdout) == (1, "")
    assert "has no 'no such words'" in none.stderr


def test_a_password_comes_from_a_file_and_a_title_moves_no_terminal(locked: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes("開け\r\nsecond line\n".encode())
    told = sidebooks("info", locked, "--password-file", secret)
    assert told.returncode == 0, told.stderr
    assert "\x1b" not in told.stdout
    assert "秘密" in told.stdout
    refused = sidebooks("info", locked, "--password", "x", "--password-file", secret)
    assert (refused.returncode, "not allowed with" in refused.stderr) == (2, True)
    secret.write_bytes(b"\xff\xfe\x00")
    assert "holds no password" in sidebooks("info", locked, "--password-file", secret).stderr


def test_an_error_is_json_for_machines(locked: Path, sample: Path) -> None:
    told = sidebooks("info", locked, "--json")
    assert (told.returncode, told.stdout) == (1, "")
    assert json.loads(told.stderr)["error"] == "PasswordRequired"
    beyond = json.loads(sidebooks("text", sample, "--pages", "99", "--json").stderr)
    assert beyond["error"] == "RequestError"
    assert "pages 1 to 22" in beyond["message"]


def test_variables_hold_what_the_command_line_does_not(tmp_path: Path, sample: Path) -> None:
    cache = tmp_path / "kept"
    done = sidebooks("prerender", sample, "--pages", "1", SIDEBOOKS_CACHE_DIR=os.fspath(cache), SIDEBOOKS_WORKERS="1")
    assert done.returncode == 0, done.stderr
    assert any(cache.iterdir())
    wrong = sidebooks("prerender", sample, SIDEBOOKS_WORKERS="many")
    assert (wrong.returncode, "--workers" in wrong.stderr) == (2, True)


def test_a_variable_may_have_a_percent_sign() -> None:
    for command in ("prerender", "serve", "shelf"):
        told = sidebooks(command, "--help", SIDEBOOKS_CACHE_DIR="/tmp/50%off", SIDEBOOKS_DATA="/tmp/50%z")
        assert (told.returncode, told.stderr) == (0, "")


def test_who_has_read_enough_is_told_nothing(sample: Path) -> None:
    command = [sys.executable, "-m", "sidebooks_core", "text", os.fspath(sample)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_log_lines_come_from_the_level_that_is_asked_for(sample: Path) -> None:
    quiet = sidebooks("info", sample)
    told = sidebooks("info", sample, "--log-level", "debug")
    also = sidebooks("info", sample, SIDEBOOKS_LOG_LEVEL="debug")
    assert quiet.stderr == ""
    assert "DEBUG sidebooks_core" in told.stderr
    assert "DEBUG sidebooks_core" in also.stderr
    wrong = sidebooks("info", sample, SIDEBOOKS_LOG_LEVEL="loud")
    assert (wrong.returncode, "debug, info, warning, error, not 'loud'" in wrong.stderr) == (2, True)
    with pytest.raises(sb.RequestError):
        log_to_stderr("loud")
