"""Browsers of other makers than Chromium's, driven by what they bring along: Firefox by Marionette, WebKitGTK by WebDriver.

Neither needs a package of Python, nor a driver that is fetched from elsewhere.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

PATIENCE_S = 60.0
SCREEN = (820, 1100)
FAILURES = "addEventListener('error', e => (window.faults = window.faults || []).push(String(e.message)));"
"""Run as soon as a page is there: what fails before shows as a viewer that does not start."""
FIREFOX_PREFS = """
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("browser.aboutwelcome.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
user_pref("marionette.port", PORT);
"""
KEYS = {"ArrowRight": "\ue014", "ArrowLeft": "\ue012", "Enter": "\ue007", "Escape": "\ue00c", "PageDown": "\ue00f"}
NO_GPU = {"WEBKIT_DISABLE_DMABUF_RENDERER": "1", "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
"""Several times as fast on a machine without one."""
KEEP_PAINTING = """let n = 0;
const step = () => {
  document.documentElement.style.outline = `${n++ % 2}px solid transparent`;
  if (n < 600) requestAnimationFrame(step);
};
step();"""
WEBKIT_FOLDERS = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))


class Engine(ABC):
    """A browser with one window. It speaks the commands of WebDriver."""

    @abstractmethod
    def ask(self, command: str, given: Mapping[str, object]) -> Any:
        """Do a command; its answer."""

    def open(self, address: str) -> None:
        """Go to an address; returns when its page begins to be there."""
        self.ask("Navigate", {"url": address})
        self.run(FAILURES)

    def reload(self) -> None:
        """Load the page again; returns when it begins to be there."""
        self.ask("Refresh", {})
        self.run(FAILURES)

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns: the body of a function."""
        return self.ask("ExecuteScript", {"script": script, "args": list(arguments)})

    def until(self, expression: str, *arguments: object) -> Any:
        """Wait until an expression is true; its value."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            found = self.run(f"return {expression}", *arguments)
            if found:
                return found
            assert time.monotonic() < deadline_s, (expression, self.faults(), self.run("return document.body.innerText"))
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by their names or characters."""
        values = [KEYS.get(key, key) for key in keys]
        pressed = [{"type": kind, "value": value} for value in values for kind in ("keyDown", "keyUp")]
        self.ask("PerformActions", {"actions": [{"type": "key", "id": "keys", "actions": pressed}]})

    def drag(self, *spots: tuple[float, float]) -> None:
        """A mouse goes down at a place of the window, through others, and up at the last. In pixels of CSS."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y), "duration": 20, "origin": "viewport"} for x, y in spots]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self.ask("PerformActions", {"actions": [{**mouse, "actions": [moves[0], down, *moves[1:], up]}]})

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        found: str = self.ask("TakeScreenshot", {})
        return base64.b64decode(found)

    def faults(self) -> list[str]:
        """The errors of scripts since the page was opened."""
        found: list[str] = self.run("return window.faults || []")
        return found


class Firefox(Engine):
    """Marionette: JSON behind its length, over a socket."""

    def __init__(self, port: int) -> None:
        self._socket = _until_there(lambda: socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
        self._file = self._socket.makefile("rb")
        self._last = 0
        self._read()  # who it is
        self.ask("NewSession", {"pageLoadStrategy": "eager"})

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, command: str, given: Mapping[str, object]) -> Any:
        self._last += 1
        body = json.dumps([0, self._last, f"WebDriver:{command}", given]).encode()
        self._socket.sendall(b"%d:%s" % (len(body), body))
        _, number, error, answer = self._read()
        assert number == self._last
        assert error is None, error
        return answer.get("value") if isinstance(answer, dict) else answer

    def _read(self) -> Any:
        digits = b""
        while (one := self._file.read(1)) != b":":
            assert one, "the browser ended"
            digits += one
        return json.loads(self._file.read(int(digits)))


class WebKit(Engine):
    """WebDriver over HTTP."""

    PATHS: ClassVar = {
        "Navigate": ("POST", "/url"),
        "Refresh": ("POST", "/refresh"),
        "ExecuteScript": ("POST", "/execute/sync"),
        "PerformActions": ("POST", "/actions"),
        "TakeScreenshot": ("GET", "/screenshot"),
    }

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        options = {"binary": str(WEBKIT_FOLDERS[-1]), "args": ["--automation"]}
        wanted = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options, "pageLoadStrategy": "eager"}}}
        session = _until_there(lambda: self._send("POST", "/session", wanted))
        self._root += f"/session/{session['sessionId']}"
        self._send("POST", "/window/rect", {"width": SCREEN[0], "height": SCREEN[1]})

    def ask(self, command: str, given: Mapping[str, object]) -> Any:
        method, path = self.PATHS[command]
        return self._send(method, path, given)

    def screenshot(self) -> bytes:
        self.run(KEEP_PAINTING)  # of a page that does not change it waits for the next frame, for ever
        return super().screenshot()

    def _send(self, method: str, path: str, given: Mapping[str, object]) -> Any:
        body = json.dumps(given).encode() if method == "POST" else None
        request = urllib.request.Request(self._root + path, body, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error


class Engines:
    """Starts browsers, and ends them."""

    @staticmethod
    def missing(name: str) -> str:
        """Why one cannot run here; empty if it can."""
        if name == "firefox":
            return "" if shutil.which("firefox-esr") or shutil.which("firefox") else "needs Firefox"
        if not shutil.which("WebKitWebDriver") or not WEBKIT_FOLDERS:
            return "needs WebKitGTK with its driver (webkit2gtk-driver)"
        return "" if shutil.which("Xvfb") else "needs Xvfb"

    @staticmethod
    @contextmanager
    def firefox(folder: Path) -> Iterator[Engine]:
        """One with a new profile in a folder."""
        program, port = shutil.which("firefox-esr") or shutil.which("firefox"), _free_port()
        assert program is not None
        (folder / "user.js").write_text(FIREFOX_PREFS.replace("PORT", str(port)))
        size = (f"--width={SCREEN[0]}", f"--height={SCREEN[1]}")
        command = [program, "--headless", "--marionette", "--no-remote", *size, "--profile", str(folder)]
        with _Started(command, folder), closing(Firefox(port)) as running:
            yield running

    @staticmethod
    @contextmanager
    def webkit(folder: Path) -> Iterator[Engine]:
        """One on a screen of its own; what it keeps is in a folder."""
        port = _free_port()
        with _Started(["Xvfb", "-displayfd", "1", "-screen", "0", "1400x1300x24", "-nolisten", "tcp"], folder) as screen:
            home = {"XDG_DATA_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
            own = {"DISPLAY": f":{screen.line()}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", **NO_GPU, **home}
            with _Started(["WebKitWebDriver", f"--port={port}"], folder, own):
                yield WebKit(port)


class _Started:
    """A process with those that it starts."""

    def __init__(self, command: list[str], folder: Path, own: Mapping[str, str] | None = None) -> None:
        self._told = (folder / f"{Path(command[0]).name}.log").open("wb")
        environment = {**os.environ, **(own or {})}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._told, env=environment, start_new_session=True
        )

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._told.close()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _until_there(attempt: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
