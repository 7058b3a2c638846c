"""Carries out an upgrade: an old version fills a folder, a new one opens it and finds everything. Not a test: it takes both.

    python tests/upgrade.py OLD/bin/sidebooks NEW/bin/sidebooks

Papers with revisions, an account that stays logged in, where it left off, its marks, a meeting that goes on, the audit, and
backups with both. At the end it says whether the old version would open what the new one has used.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[1] / "docs" / "tutorial" / "samples"
PASSWORD = "four words of a clerk"
PATIENCE_S = 240
NOTE = {
    "id": "01900000-0000-7000-8000-000000000000",
    "stamp": [1772409600000, 0, "tablet7"],
    "anchor": {"revision": 1, "page": 0, "content_id": "", "quote": ""},
    "body": {"kind": "note", "x_pt": 72.5, "y_pt": 100, "text": "要確認", "colour": "#d3202a"},
    "visibility": "private",
    "meeting": "",
    "is_of_file": False,
}


class Version:
    """The command of one version, on one folder."""

    def __init__(self, command: str, folder: Path, port: int) -> None:
        self.port = port
        self.command, self.data = command, folder / "share" / "sidebooks"  # where a shelf is unless told
        own = {"XDG_DATA_HOME": str(folder / "share"), "XDG_CACHE_HOME": str(folder / "cache")}
        self.environment = {**os.environ, **own}

    def does(self, *arguments: str | Path, told: str = "") -> str:
        done = subprocess.run(
            [self.command, *map(str, arguments)],
            env=self.environment,
            input=told,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        if done.returncode:
            raise RuntimeError(f"{self.command} {arguments[:2]}: {done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def serves(self) -> Iterator[str]:
        """Its address."""
        command = [self.command, "serve", "--data", str(self.data), "--accounts", "--no-browser", "--port", str(self.port)]
        with subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                found = re.search(r" at (http://\S+)/", process.stdout.readline())
                if found is None:
                    raise RuntimeError(f"{self.command} does not serve")
                yield found[1]
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE_S)


class Clerk:
    """A browser, with its cookies."""

    def __init__(self) -> None:
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        self.base = ""

    def asks(self, path: str, method: str = "GET", body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                told = answer.read()
        except urllib.error.HTTPError as error:
            error.msg = f"{error.msg}: {error.read().decode()}"
            raise
        return json.loads(told) if told else None


def filled(old: Version, clerk: Clerk) -> dict[str, Any]:
    """What the old version says of the folder that it filled."""
    old.does("shelf", "add", SAMPLES / "jlreq-ja.pdf", SAMPLES / "june-meeting.pdf")
    papers = {one["name"]: one["id"] for one in json.loads(old.does("shelf", "list", "--json"))}
    replaced = papers["june-meeting"] if "june-meeting" in papers else papers["june-meeting.pdf"]
    old.does("shelf", "replace", replaced, SAMPLES / "jlreq-ja.pdf", "--note", "corrected")
    old.does("user", "add", "yamada", "--role", "admin", told=f"{PASSWORD}\n")
    with old.serves() as clerk.base:
        clerk.asks("/login", "POST", {"name": "yamada", "password": PASSWORD})
        clerk.asks(f"/papers/{replaced}/position", "PUT", {"page": 7, "revision": 2})
        try:
            clerk.asks(f"/papers/{replaced}/marks", "POST", {"device": "tablet7", "marks": [NOTE]})
        except urllib.error.HTTPError as error:
            if error.code not in (404, 405):
                raise
            print("the old version has no marks")
        clerk.asks("/folders/top/meetings", "POST", {"name": "June"})
        told = seen(clerk, replaced)
    told["backup"] = old.does("shelf", "backup", old.data.parent.parent / "backup-old")
    return told


def seen(clerk: Clerk, paper: str) -> dict[str, Any]:
    """What somebody sees who is logged in."""
    marks = []
    try:
        marks = clerk.asks(f"/papers/{paper}/marks?since=0")["marks"]
    except urllib.error.HTTPError as error:
        if error.code not in (404, 405):
            raise
    top = clerk.asks("/folders/top")
    return {
        "me": clerk.asks("/me")["name"],
        "papers": [(one["id"], one["name"], one["revision"]) for one in top["papers"]],
        "revisions": [one["note"] for one in clerk.asks(f"/papers/{paper}/revisions")["revisions"]],
        "position": clerk.asks(f"/papers/{paper}/position")["page"],
        "marks": [(one["id"], one["body"]["text"]) for one in marks],
        "meetings": [one["name"] for one in clerk.asks("/meetings")["meetings"]],
        "found": len(clerk.asks("/search?q=%E8%A1%8C")["pages"]) > 0,
        "audit": len(clerk.asks("/audit")["rows"]) > 3,
    }


def main() -> int:
    old_command, new_command = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="sidebooks-upgrade-") as name:
        folder, clerk = Path(name), Clerk()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]  # the same for both: the names of cookies have it
        old, new = Version(old_command, folder, port), Version(new_command, folder, port)
        print(f"{old.does('--version').strip()} fills a folder; {new.does('--version').strip()} opens it")
        before = filled(old, clerk)
        paper = before["papers"][-1][0] if before["papers"][-1][2] == 2 else before["papers"][0][0]
        with new.serves() as clerk.base:
            after = seen(clerk, paper)
            clerk.asks(f"/papers/{paper}/position", "PUT", {"page": 8, "revision": 2})
        for what, told in after.items():
            is_same = told == before[what]
            print(f"{what}: {'the same' if is_same else f'{before[what]} became {told}'}")
        print(new.does("shelf", "verify").strip())
        print(new.does("audit", "--verify").strip())
        print(new.does("shelf", "backup", folder / "backup-new").strip())
        backed_up = Version(new_command, folder / "restored", port)
        backed_up.data.parent.mkdir(parents=True)
        (folder / "backup-old").rename(backed_up.data)
        print(f"of the old backup: {backed_up.does('shelf', 'verify').strip()}")
        try:
            old.does("shelf", "list")
            print("the old version still opens it")
        except RuntimeError as error:
            print(f"the old version does not open it: {str(error).strip().splitlines()[-1]}")
    return 0 if all(told == before[what] for what, told in after.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
