"""A server with a shelf, an administrator, a clerk and a member, and browsers that visit it: for the tests of the viewer."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from conftest import ROOT
from viewer_screen import NEEDS_CHROMIUM, browser, sync_api

__all__ = ["NEEDS_CHROMIUM", "PASSWORD", "House", "Visits", "browser", "house", "sync_api", "visit"]

PASSWORD = "石川や浜の真砂は尽くるとも"
CHUNK = 8 << 20
SIZES = {"phone": (360, 740), "tablet": (1280, 800)}


class House:
    """A server of its own, with an administrator, and what tests ask of it beside the browser."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, str(ROOT / "tests" / "shelf_house.py"), str(folder / "data"), str(folder / "cache")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        with self.process.stdout as told:
            self.address, token = told.readline().split()
        made = urllib.request.Request(
            f"{self.address}setup",
            json.dumps({"token": token, "name": "係長", "password": PASSWORD}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(made, timeout=60) as reply:
            self.cookie = reply.headers["Set-Cookie"].partition(";")[0]
        self.ask("POST", "people", {"name": "議員", "role": "member", "password": PASSWORD, "groups": ["財政"]})
        self.ask("POST", "people", {"name": "事務局員", "role": "clerk", "password": PASSWORD})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        headers = {"Cookie": self.cookie, "Content-Type": kind}
        asked = urllib.request.Request(f"{self.address}{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=120) as reply:
            read = reply.read()
            return json.loads(read) if read else None

    def folder(self, name: str) -> str:
        made: str = self.ask("POST", "folders/top", {"name": name})["id"]
        return made

    def paper(self, folder: str, name: str, content: bytes) -> str:
        made: str = self.ask("POST", f"folders/{folder}/papers?filename={urllib.request.quote(name)}", content)["id"]
        return made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house"))
    yield made
    made.process.kill()
    made.process.wait()


Visits = Callable[..., Any]


@pytest.fixture
def visit(browser: Any, house: House) -> Iterator[Visits]:
    """Opens a tab of a browser of its own, with somebody logged in. What scripts complain of fails the test."""
    contexts: list[Any] = []
    problems: list[str] = []

    def made(who: str | None = "係長", place: str = "", size: str = "tablet", **options: Any) -> Any:
        width, height = SIZES[size]
        context = browser.new_context(**{"viewport": {"width": width, "height": height}, **options})
        contexts.append(context)
        if who is not None:
            reply = context.request.post(f"{house.address}login", data={"name": who, "password": PASSWORD})
            assert reply.ok, reply.text()
        tab = context.new_page()
        tab.on("pageerror", lambda error: problems.append(f"{error} {error.stack}"))
        tab.on("console", lambda one: problems.append(one.text) if "Content Security Policy" in one.text else None)
        tab.goto(f"{house.address}{place}")
        return tab

    yield made
    for context in contexts:
        context.close()
    assert problems == [], problems


def pdf(*words: str, ballast: int = 0, password: str = "") -> bytes:
    """A document with a page for each text, and so many bytes that cannot be compressed."""
    with pymupdf.open() as made:
        for text in words:
            page = made.new_page()
            page.insert_text((72, 100), text, fontsize=20, fontname="japan")
            page.insert_text((72, 140), f"{len(text)} characters", fontsize=12)
        if ballast:
            made.embfile_add("ballast", random.Random(ballast).randbytes(ballast))
        locked = {"encryption": pymupdf.PDF_ENCRYPT_AES_256, "user_pw": password, "owner_pw": password} if password else {}
        content: bytes = made.tobytes(**locked)
        return content


def picture(tab: Any, name: str) -> None:
    """For somebody to look at, where the environment names a folder."""
    seen = os.environ.get("SIDEBOOKS_SCREENSHOTS")
    if seen:
        tab.screenshot(path=str(Path(seen) / f"shelf-{name}.png"))


def papers(tab: Any) -> list[str]:
    return [one.strip() for one in tab.locator(".papers .open strong").all_text_contents()]


def choose(tab: Any, button: str, *files: Path) -> None:
    """Press a button, and choose files in the dialog of the browser."""
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name=button).click()
    chooser.value.set_files(list(files))


def more(tab: Any, name: str, action: str) -> None:
    """Choose an action of a paper."""
    tab.get_by_role("button", name=f"More: {name}").click()
    tab.locator("dialog .menu").get_by_text(action, exact=True).click()


def fits(tab: Any) -> None:
    """Nothing is cut off on the right, no text is small, and every control is large."""
    assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    small = tab.evaluate(
        """() => {
            const [dialog, least] = [document.querySelector('dialog'), document.getElementById('reader').hidden ? 44 : 36];
            return [...document.querySelectorAll('button, a, input, select, summary')]
                .filter(one => one.checkVisibility() && !one.closest('#text') && (!dialog || one.closest('dialog')))
                .filter(one => !['checkbox', 'radio', 'range'].includes(one.type))
                .map(one => [one.outerHTML, one.getBoundingClientRect(), parseFloat(getComputedStyle(one).fontSize)])
                .filter(([, box, size]) => box.width < 44 || box.height < least || size < 16 || box.right > innerWidth - 4);
        }"""
    )
    assert small == [], small


def access_dialog(tab: Any) -> Any:
    tab.get_by_role("button", name="Who may see it").click()
    tab.wait_for_selector("dialog [name=access]")
    return tab.locator("dialog")
