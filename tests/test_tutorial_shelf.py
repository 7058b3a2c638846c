"""A clerk's first five minutes, as the tutorial tells them: its commands are run, and its steps are done in a browser."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from viewer_screen import CHROMIUM

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright", exc_type=ImportError)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

TUTORIAL = ROOT / "docs" / "tutorial" / "first-shelf.md"
PATIENCE_MS = 60_000
STEP = re.compile(
    r"(?P<verb>Open|open|Press|press|Write|write|see|choose) "
    r"(?:`(?P<text>[^`]+)` into \*\*(?P<field>[^*]+)\*\*"
    r"|\*\*(?P<name>[^*]+)\*\*(?: of \*\*(?P<of>[^*]+)\*\*)?(?P<more>(?: and \*\*[^*]+\*\*)?)"
    r"|`(?P<file>[^`]+)`(?: and `(?P<other>[^`]+)`)?"
    r"|the (?P<thing>second address|link))"
)
"""What a reader of the tutorial is told to do. It is a small language: whoever writes another step sees the test fail."""


def shell_blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)


@contextmanager
def serving(command: str, folder: Path) -> Iterator[list[str]]:
    """Run a command of a page as it is written, but for the port, and without opening a browser. Gives what it prints first."""
    program, *arguments = shlex.split(command)
    assert program == ".venv/bin/sidebooks"
    (folder / "docs").symlink_to(ROOT / "docs")
    files = [str(one.relative_to(folder)) for name in arguments if "*" in name for one in sorted(folder.glob(name))]
    named = [name for name in arguments if "*" not in name] + files
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    whole = [sys.executable, "-m", "sidebooks_core", *named, "--port", "0", "--no-browser"]
    with subprocess.Popen(whole, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline()]
            if "--accounts" in arguments:
                told.append(process.stdout.readline())
            yield told
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


class Walk:
    """Does the steps of the tutorial, in the window of the one or the other."""

    def __init__(self, browser: Any, addresses: list[str]) -> None:
        self.windows = {who: browser.new_context(locale="en-GB").new_page() for who in ("clerk", "guest")}
        self.who = "clerk"
        self.second_address = addresses[1]
        self.link = ""

    @property
    def tab(self) -> Any:
        return self.windows[self.who]

    def scope(self) -> Any:
        """The dialog that is in front, or the whole page."""
        dialogs = self.tab.locator("dialog[open]")
        return dialogs.last if dialogs.count() else self.tab

    def do(self, found: re.Match[str]) -> None:
        verb, given = found["verb"].lower(), found.groupdict()
        doing: dict[str, Callable[[], None]] = {
            "open": lambda: self.open(given["name"], given["thing"]),
            "press": lambda: self.press(f"{given['name']}: {given['of']}" if given["of"] else given["name"]),
            "write": lambda: self.write(given["text"], given["field"]),
            "see": lambda: self.see(given["name"], *re.findall(r"\*\*([^*]+)\*\*", given["more"] or "")),
            "choose": lambda: self.choose(*filter(None, (given["file"], given["other"]))),
        }
        doing[verb]()

    def open(self, name: str | None, thing: str | None) -> None:
        if thing is not None:
            self.tab.goto(self.second_address if thing == "second address" else self.link)
        else:
            self.tab.get_by_role("link", name=name).first.click(timeout=PATIENCE_MS)

    def press(self, name: str) -> None:
        self.chooser = None
        button = self.scope().get_by_role("button", name=name, exact=True)
        if name in ("Add papers", "Replace by another file"):
            with self.tab.expect_file_chooser() as chooser:
                button.click(timeout=PATIENCE_MS)
            self.chooser = chooser.value
            return
        button.click(timeout=PATIENCE_MS)
        if name == "Make a link":
            self.tab.wait_for_selector(".address")
            self.link = self.tab.input_value(".address")

    def write(self, text: str, field: str) -> None:
        exact = self.scope().get_by_label(field, exact=True)
        (exact if exact.count() else self.scope().get_by_label(field)).fill(text, timeout=PATIENCE_MS)

    def see(self, *texts: str) -> None:
        for text in texts:
            self.tab.get_by_text(text).locator("visible=true").first.wait_for(timeout=PATIENCE_MS)

    def choose(self, *files: str) -> None:
        assert self.chooser is not None
        self.chooser.set_files([ROOT / name for name in files])


def test_the_first_five_minutes_are_as_they_are_told(browser: Any, tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    install, start = shell_blocks(TUTORIAL)[0].splitlines()
    assert install == "python3 -m venv .venv && .venv/bin/pip install -q '.[server]'", "tests/run.py installs it so"
    with serving(start, tmp_path) as told:
        addresses = [re.findall(r"http://\S+", line)[0] for line in told]
        assert "#setup=" in addresses[1]
        walk = Walk(browser, addresses)
        done = 0
        for block in re.split(r"\n(?=- |\n)", text):
            sentence = " ".join(block.split())
            if sentence.startswith("## "):
                walk.who = "clerk"
            elif re.search(r"guest's window:|private window of your browser:", sentence):
                walk.who = "guest"
            elif sentence.startswith("- "):
                steps = list(STEP.finditer(sentence))
                assert steps, f"not understood: {sentence}"
                for step in steps:
                    walk.do(step)
                    done += 1
        assert done > 50


def test_the_first_command_of_the_readme_ends_on_a_shelf(browser: Any, tmp_path: Path) -> None:
    block = next(one for one in shell_blocks(ROOT / "README.md") if "serve" in one)
    install, serve = block.splitlines()
    assert install.endswith("pip install -q '.[server]'")
    with serving(serve, tmp_path) as told:
        tab = browser.new_context(locale="en-GB").new_page()
        tab.goto(re.findall(r"http://\S+", told[0])[0])
        for name in ("june-meeting", "jlreq-ja"):
            tab.get_by_role("link", name=name).wait_for(timeout=PATIENCE_MS)
        tab.get_by_role("link", name="jlreq-ja").click()
        tab.wait_for_selector('#canvas[data-page="1"][data-sharp="true"]', timeout=PATIENCE_MS)
