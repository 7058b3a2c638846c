"""Wrong usage, told to people and to programs, and how much a command says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sidebooks_core.cli.arguments import chosen_level
from sidebooks_core.cli.commands import command_parser, main


def ended(*typed: str) -> object:
    with pytest.raises(SystemExit) as end:
        main(typed)
    return end.value.code


@pytest.mark.parametrize(
    "typed",
    [
        ("render", "a.pdf", "--width", "0", "--json"),
        ("render", "--json"),
        ("bogus", "--json"),
        ("render", "a.pdf", "--js", "--width", "x"),
        ("render", "a.pdf", "--json", "--width", "3", "--height", "4"),
        ("render", "a.pdf", "--json", "--bogus"),
        ("render", "a.pdf", "--json", "-o", "x.bmp", "--pages", "1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_a_line_of_json_where_json_is_asked_for(
    typed: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(*typed) == 2
    out, err = capsys.readouterr()
    told: dict[str, Any] = json.loads(err)
    assert out == ""
    assert told["error"] == "RequestError"
    assert told["message"]


def test_wrong_usage_is_text_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("render", "a.pdf", "--width", "0", "--", "--json") == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: sidebooks render")
    assert err.splitlines()[-1] == "sidebooks render: error: argument --width: 0 pixels make no image"


@pytest.mark.parametrize(
    ("typed", "level"),
    [([], None), (["-v"], "info"), (["--verbose"], "info"), (["-vv"], "debug"), (["-v", "-v", "-v"], "debug"),
     (["--log-level", "error"], "error")],
)  # fmt: skip
def test_verbose_is_short_for_a_level(typed: list[str], level: str | None) -> None:
    assert chosen_level(command_parser().parse_args(["info", "a.pdf", *typed])) == level


def test_a_level_and_verbose_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("info", "a.pdf", "-v", "--log-level", "error") == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "expected"),
    [(["--height", "400"], (None, 400)), (["--width", "300"], (300, None)), (["--fit", "300x200"], (None, 200)),
     (["--height", "120", "--region", "0,0,200,100"], (240, 120))],
)  # fmt: skip
def test_render_in_each_size(size: list[str], expected: tuple[int | None, int | None], sample: Path, tmp_path: Path) -> None:
    assert ended("render", str(sample), "--pages", "1", "-o", str(tmp_path / "page.png"), *size) == 0
    with Image.open(tmp_path / "page.png") as image:
        for side, wanted in zip(image.size, expected, strict=True):
            assert wanted in (None, side)
