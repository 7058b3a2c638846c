"""The command line, as a person and as a machine use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def sidebooks(*arguments: str | Path, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from sidebooks_core.cli import main; main()", *map(os.fspath, arguments)]
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
    assert sidebooks("prerender", sample, "--pages", "1-3", "--cache-dir", tmp_path).returncode == 0
    held = json.loads(sidebooks("cache", "stats", "--cache-dir", tmp_path, "--json").stdout)
    assert held["records"] >= 6
    assert sidebooks("cache", "verify", "--cache-dir", tmp_path).returncode == 0
    assert sidebooks("cache", "purge", "--all", "--cache-dir", tmp_path).returncode == 0
    assert json.loads(sidebooks("cache", "stats", "--cache-dir", tmp_path, "--json").stdout)["records"] == 0


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["inspect", "none.pdf"], 1), (["cache", "purge"], 2), (["render", "none.pdf", "--width", "x"], 2), (["bogus"], 2)],
)
def test_mistakes_get_a_message_and_no_traceback(arguments: list[str], status: int) -> None:
    shown = sidebooks(*arguments)
    assert shown.returncode == status
    assert shown.stderr
    assert "Traceback" not in shown.stderr
