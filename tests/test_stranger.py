"""A stranger's path, from an empty home: wheel, page, server behind nginx with https, backup, the same shelf elsewhere."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import run
from conftest import ROOT
from PIL import Image
from proxied import CURL, NGINX, OPENSSL, certificate, free_port, nginx, trusting

pytestmark = pytest.mark.skipif(not (NGINX and CURL and OPENSSL), reason="needs nginx, curl and openssl")

PATIENCE_S = 240
SAMPLES = ROOT / "docs" / "tutorial" / "samples"
PASSWORDS = {"yamada": "four words of a clerk", "suzuki": "four words of a reader"}


class Stranger:
    """Somebody with a home in which nothing is, and what they type there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}

    def installs(self) -> None:
        """The wheel with what a server needs, into an environment of its own. The machine's cache of packages helps."""
        found = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False)
        way_out = {
            name: value for name, value in os.environ.items() if name.lower().endswith("_proxy") or name.startswith("PIP_")
        }
        cached = {"PIP_CACHE_DIR": found.stdout.strip()} if found.returncode == 0 else {}
        self.does(sys.executable, "-m", "venv", "books")
        self.does("books/bin/pip", "install", "--quiet", "--no-compile", f"{self.wheel()}[server]", **{**way_out, **cached})

    def wheel(self) -> Path:
        """That which the tests run against, if they run against one, else one of the sources. Raises ValueError for none."""
        if os.environ.get("SIDEBOOKS_REQUIRE_WHEEL") == "1":
            [wheel] = (ROOT / "build" / "dist").glob("*.whl")  # where run.py builds it
            return wheel
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--wheel-dir",
            str(self.home / "wheels"),
            str(ROOT),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)
        [wheel] = (self.home / "wheels").glob("*.whl")
        return wheel

    def does(self, *command: str, told: str = "", **more: str) -> str:
        environment = {**self.environment, **more}
        done = subprocess.run(
            command, cwd=self.home, env=environment, input=told, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def serves(self, data: str, port: int, base_url: str) -> Iterator[None]:
        command = ["books/bin/sidebooks", "serve", "--data", data, "--accounts", "--no-browser", "--port", str(port)]
        command += ["--base-url", base_url, "--trust-proxy", "127.0.0.1"]
        with subprocess.Popen(command, cwd=self.home, env=self.environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                assert "Serving the shelf" in process.stdout.readline()
                yield
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE_S)


class Clerk:
    """curl, which speaks HTTP/2."""

    def __init__(self, stranger: Stranger, base_url: str, chain: Path) -> None:
        self._stranger, self._base_url, self._chain = stranger, base_url, chain

    def asks(self, path: str, *more: str) -> Any:
        shown = "\\n%{http_version} %{http_code}"
        common = ["--silent", "--show-error", "--http2", "--cacert", str(self._chain), "--cookie", "jar", "--cookie-jar", "jar"]
        said = self._stranger.does(str(CURL), *common, "--write-out", shown, *more, f"{self._base_url}{path}")
        body, _, last = said.rpartition("\n")
        version, code = last.split()
        assert version == "2"
        assert code in ("200", "201", "204"), said
        return json.loads(body) if body else None


class Reader:
    """Another client: Python's own, over HTTP/1.1."""

    def __init__(self, port: int, pair: tuple[Path, Path]) -> None:
        self._connection = http.client.HTTPSConnection("localhost", port, context=trusting(pair), timeout=PATIENCE_S)
        self._cookie = ""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._connection.close()

    def logs_in(self, name: str) -> None:
        body = json.dumps({"name": name, "password": PASSWORDS[name]})
        self._connection.request("POST", "/login", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        assert answer.status in (200, 204), answer.read()
        answer.read()
        self._cookie = "; ".join(one.partition(";")[0] for one in answer.headers.get_all("Set-Cookie") or [])

    def reads(self, path: str, status: int = 200) -> bytes:
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == status, body
        return body


def what_a_reader_sees(reader: Reader) -> dict[str, Any]:
    """Papers, files and pages, as far as they do not depend on the time at which somebody looks."""
    reader.logs_in("suzuki")
    folder = json.loads(reader.reads("/folders/top"))
    seen: dict[str, Any] = {}
    for paper in folder["papers"]:
        document = paper["document"]["id"]
        image = reader.reads(f"/documents/{document}/pages/1/600x800")
        seen[paper["id"]] = {
            "told": {key: paper[key] for key in ("name", "revision", "state", "page_count", "registered_s", "level")},
            "document": document,
            "file": reader.reads(f"/papers/{paper['id']}/original"),
            "pixels": Image.open(io.BytesIO(image)).convert("RGB").tobytes(),
        }
    return seen


def test_the_wheel_is_the_tested_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDEBOOKS_REQUIRE_WHEEL", "1")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(ValueError, match="not enough values"):
        Stranger(tmp_path).wheel()
    built = run.DIST.relative_to(run.ROOT) / "sidebooks_core-1-py3-none-any.whl"
    (tmp_path / built).parent.mkdir(parents=True)
    (tmp_path / built).touch()
    assert Stranger(tmp_path).wheel() == tmp_path / built


@pytest.mark.timeout(900)
def test_from_nothing_to_the_same_shelf_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    stranger = Stranger(home)
    stranger.installs()
    shutil.copy(SAMPLES / "june-meeting.pdf", home)
    shutil.copy(SAMPLES / "corrected" / "june-meeting.pdf", home / "corrected.pdf")

    stranger.does("books/bin/sidebooks", "render", "june-meeting.pdf", "--pages", "1", "--width", "800", "-o", "first.png")
    with Image.open(home / "first.png") as first:
        assert first.width == 800

    for name, role in (("yamada", "clerk"), ("suzuki", "member")):
        stranger.does(
            "books/bin/sidebooks", "user", "add", name, "--role", role, "--data", "shelf", told=f"{PASSWORDS[name]}\n"
        )
    pair, port, server_port = certificate(tmp_path), free_port(), free_port()
    base_url = f"https://localhost:{port}"
    with nginx(tmp_path, port=port, server_port=server_port, pair=pair):
        with stranger.serves("shelf", server_port, base_url):
            clerk = Clerk(stranger, base_url, pair[0])
            clerk.asks("/login", "--json", json.dumps({"name": "yamada", "password": PASSWORDS["yamada"]}))
            paper = clerk.asks("/folders/top/papers?filename=june.pdf&name=June", "--data-binary", "@june-meeting.pdf")
            clerk.asks(f"/papers/{paper['id']}/revisions?filename=june.pdf", "--data-binary", "@corrected.pdf")
            with Reader(port, pair) as reader:
                reader.reads("/folders/top", status=401)
                before = what_a_reader_sees(reader)
            assert [one["told"]["revision"] for one in before.values()] == [2]
            assert before[paper["id"]]["file"] == (home / "corrected.pdf").read_bytes()
            stranger.does("books/bin/sidebooks", "shelf", "backup", "backup", "--data", "shelf")
        shutil.rmtree(home / "shelf")
        shutil.rmtree(home / ".cache")
        shutil.move(home / "backup", home / "restored")
        assert "0 missing, 0 damaged" in stranger.does("books/bin/sidebooks", "shelf", "verify", "--data", "restored")
        with stranger.serves("restored", server_port, base_url), Reader(port, pair) as reader:
            assert what_a_reader_sees(reader) == before
