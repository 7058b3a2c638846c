"""Every Python example of the README and the docs runs, as it is written there."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asgi import ask, ask_async
from conftest import ROOT

import sidebooks_core as sb
from benchmarks import results, tables
from sidebooks_core.cli import serving
from sidebooks_core.cli.commands import command_parser
from sidebooks_core.server import Operation, ServerLimits
from sidebooks_core.server.routes import ROUTES

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALL_PAGES = [*PAGES, *sorted(set(ROOT.glob("*.md")) - set(PAGES)), *sorted((ROOT / "tests").rglob("*.md"))]
MOST_CHARACTERS = 100
"""Of a line, addresses not counted."""
EXAMPLES = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs(code: str, tmp_path: Path) -> None:
    if "from dask" in code:
        pytest.importorskip("distributed")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    environment = {**os.environ, "XDG_CACHE_HOME": os.fspath(tmp_path / "cache"), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_the_lifespan_of_the_recipe_serves_and_ends() -> None:
    text = (ROOT / "docs" / "how-to" / "mount.md").read_text(encoding="utf-8")
    [code] = [one for one in re.findall(r"^```python\n(.*?)^```", text, re.S | re.M) if "lifespan" in one]
    names: dict[str, Any] = {}
    exec(code.replace('"docs/', f'"{ROOT}/docs/'), names)
    mounted: dict[str, Any] = {}
    outer = SimpleNamespace(mount=mounted.__setitem__)

    async def run() -> None:
        async with names["lifespan"](outer):
            reply = await ask_async(mounted["/books"], "/documents")
            assert [one["name"] for one in reply.json()["documents"]] == ["jlreq-ja.pdf"]

    asyncio.run(run())
    assert ask(mounted["/books"], "/readyz").status == 503


def test_every_setting_has_its_reference() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    assert [one.name for one in dataclasses.fields(sb.Settings) if f"`{one.name}" not in text] == []


def test_every_bound_of_the_server_has_its_reference() -> None:
    text = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    assert [name for name in ServerLimits.__struct_fields__ if f"`{name}`" not in text] == []


def test_every_operation_has_its_reference() -> None:
    text = (ROOT / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
    assert [operation for operation in Operation if f"| `{operation}` |" not in text] == []


def test_the_address_to_register_at_a_provider_is_that_of_the_command() -> None:
    told = ["serve", "--oidc-issuer", "https://login.example", "--oidc-client", "c", "--base-url", "https://books.town.example"]
    rules = serving.oidc_rules(command_parser().parse_args(told))
    assert rules is not None
    page = (ROOT / "docs" / "how-to" / "access.md").read_text(encoding="utf-8")
    assert re.findall(r"[`\"](https://books\.town\.example/[^`\"]+)", page) == [rules.return_address] * 2


def test_every_address_in_the_recipes_is_served() -> None:
    text = (ROOT / "docs" / "how-to" / "clients.md").read_text(encoding="utf-8")
    patterns = []
    for one in ROUTES:
        pattern = re.sub(r"{(\w+)}", lambda name: "[^/]+", re.escape(one.path).replace("\\{", "{").replace("\\}", "}"))
        patterns.append(re.compile(pattern + r"\Z"))
    found = re.findall(r"(?<![\w.])/?(?:documents|events|iiif|presentation)(?:/[\w${}()\\.:,-]+)+|/events\b", text)
    addresses = {"/" + address.lstrip("/") for address in found if not address.startswith("/events")} | {"/events"}
    assert len(addresses) >= 5
    for address in addresses:
        plain = re.sub(r"\$\{\w+\}|\\\(\w+\)|\$\w+", "1", address)
        assert any(pattern.match(plain) for pattern in patterns), address


@pytest.mark.parametrize("name", ["openapi", "meeting", "measurements", "benchmarks", "tasks"])
def test_a_generated_page_is_what_its_source_says(name: str) -> None:
    command = [sys.executable, str(ROOT / "docs" / f"render_{name}.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_new_run_of_a_benchmark_replaces_the_figures(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")
    data = tmp_path / "docs" / "explanation" / "measurements" / "0004-caching.toml"
    old = tomllib.loads(data.read_text(encoding="utf-8"))
    printed = tables.table(["page from", "requests", *tables.HEADERS], [["the moon", "7", "1.0", "2.0", "3.0", "4.0"]])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "docs" / "render_measurements.py"), "--take", data.name, "2"],
        input=f"platform Moon, processors 1\n\n{printed}\n", text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    new = tomllib.loads(data.read_text(encoding="utf-8"))
    assert new["table"][0] == old["table"][0]
    assert new["table"][1]["rows"] == [["the moon", "7", "1.0", "2.0", "3.0"]]
    assert new["table"][1]["machine"] == "platform Moon, processors 1"
    page = (tmp_path / "docs" / "explanation" / "measurements.md").read_text(encoding="utf-8")
    assert "| the moon | 7 | 1.0 | 2.0 | 3.0 |" in page


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_page_of_benchmarks_says_whether_results_are_kept(tmp_path: Path, is_kept: bool) -> None:
    for folder in ("docs", "benchmarks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.png", "*.pdf", "__pycache__"))
    shutil.rmtree(tmp_path / "docs" / "reference" / "benchmarks", ignore_errors=True)
    taken = []
    if is_kept:
        machine = results.Machine("a processor", 2, 8 << 30, "Linux x86_64", "6.1", "3.11.7", 0.5)
        series = results.measured("A page", "ours", "ms", [7])
        found = results.Result("warm", "How long?", "Much.", "0.1", "2026-11-30T12:00:00Z", machine, {}, {}, series)
        results.write(tmp_path / "warm.json", found)
        taken = ["--take", str(tmp_path / "warm.json")]
    command = [sys.executable, str(tmp_path / "docs" / "render_benchmarks.py"), *taken]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "docs" / "reference" / "benchmarks.md").read_text(encoding="utf-8")
    assert page.startswith("# Benchmarks\n")
    assert ("No results are kept yet." in page) is not is_kept
    assert ("## warm" in page) is is_kept
    assert ("compare the rows of a table" in page) is is_kept


def test_every_room_is_on_the_page_of_the_architecture() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    inside = [one for one in (ROOT / "sidebooks_core").iterdir() if one.is_dir() or one.suffix == ".py"]
    rooms = {one.stem for one in inside if not one.stem.startswith("__")}
    assert {room for room in rooms if f"`{room}`" not in text} == set()


def test_lines_are_short() -> None:
    too_long = [
        f"{page.relative_to(ROOT)}:{number}: {len(line)}"
        for page in ALL_PAGES
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(re.sub(r"https?://\S+", "", line)) > MOST_CHARACTERS
    ]
    assert too_long == []
