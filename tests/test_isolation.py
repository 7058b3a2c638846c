"""What a worker that was taken over could reach: tried from inside a worker, by code in place of a parser."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidebooks_core as sb
from sidebooks_core.workers import pool

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="isolation is the Linux kernel's")

TAKEN_OVER = """
import importlib, os, json, sys, socket, ctypes
sys.path[:] = json.loads(sys.argv[1])
from sidebooks_core.worker import desk

def attempt(what):
    try:
        return ["done", repr(what())[:200]]
    except BaseException as error:
        return ["refused", f"{type(error).__name__}: {error}"]

def probe(self, held, ref, page):
    secret = os.environ.get("SECRET_OF_THE_HOST", "")
    return told({
        "pid": os.getpid(),
        "environment": sorted(os.environ),
        "descriptors": [number for number in range(256) if attempt(lambda: os.fstat(number))[0] == "done"],
        "socket": attempt(lambda: socket.socket()),
        "socketpair": attempt(lambda: socket.socketpair()),
        "read": attempt(lambda: open(PLACE + "/secret.txt").read()),
        "list": attempt(lambda: os.listdir(PLACE)),
        "passwd": attempt(lambda: open("/etc/passwd").read()),
        "proc": attempt(lambda: open(f"/proc/{os.getppid()}/environ").read()),
        "write": attempt(lambda: open(PLACE + "/new.txt", "w").write("x")),
        "unlink": attempt(lambda: os.unlink(PLACE + "/secret.txt")),
        "chmod": attempt(lambda: os.chmod(PLACE + "/secret.txt", 0)),
        "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
        "fork": attempt(lambda: os.fork()),
        "kill": attempt(lambda: os.kill(os.getppid(), 0)),
        "import": attempt(lambda: __import__("colorsys")),
    })

def told(found):
    from sidebooks_core.documents.model import Word
    return [Word(0, 0, 0, 0, json.dumps(found), 0, 0)]

desk.Desk._do_words = probe
importlib.import_module("sidebooks_core.worker." + sys.argv[2]).main()
"""

Probe = Callable[[sb.Document], dict[str, Any]]


@pytest.fixture
def taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secret.txt").write_text("of the city", encoding="utf-8")
    monkeypatch.setenv("SECRET_OF_THE_HOST", "token")
    monkeypatch.setattr(pool, "_BOOT", f"PLACE = {str(tmp_path)!r}" + TAKEN_OVER)
    return tmp_path


def probe(service: sb.TileService, document: sb.Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.text(document, 0)[0].text)
    return found


@linux_only
def test_a_worker_reaches_neither_the_network_nor_files_nor_processes(taken_over: Path, sample: Path) -> None:
    inherited = os.open(taken_over / "secret.txt", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
            document = service.open(sample)
            found = probe(service, document)
            assert service.page_image(document, 0, width_px=300).data, "and still draws"
    finally:
        os.close(inherited)
    refused = {"socket", "socketpair", "read", "list", "passwd", "proc", "write", "unlink", "chmod", "exec", "fork", "kill"}
    assert {name for name in refused if found[name][0] != "refused"} == set(), found
    assert found["import"][0] == "done", "Python itself can still be read"
    assert (taken_over / "secret.txt").read_text(encoding="utf-8") == "of the city"
    assert "SECRET_OF_THE_HOST" not in found["environment"]
    assert {name for name in found["environment"] if name.startswith("PYTHON")} <= {"PYTHONDONTWRITEBYTECODE"}
    known = {"standard streams": 3, "pipes": 2, "channel": 1, "memory statistics": 1, "random device": 1, "document": 1}
    listing = 1  # the probe's own, of the descriptors
    assert len(found["descriptors"]) <= sum(known.values()) + listing, "nothing that the host had open"


@linux_only
def test_without_isolation_the_same_probe_succeeds(taken_over: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmful = ('"exec"', '"fork"', '"unlink"', '"chmod"', '"write"')
    lines = [line for line in pool._BOOT.splitlines() if not line.strip().startswith(harmful)]
    monkeypatch.setattr(pool, "_BOOT", "\n".join(lines))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, isolation=False)) as service:
        found = probe(service, service.open(sample))
    assert found["read"][0] == found["socket"][0] == "done", "the probe above would see a hole"


@linux_only
def test_trust_domains_never_share_a_process_nor_a_record(taken_over: Path, sample: Path, tmp_path: Path) -> None:
    domains = ["", "inside", "mail"]
    with sb.TileService(sb.Settings(cache_dir=tmp_path / "cache", workers=2)) as service:
        documents = {domain: service.open(sample, trust_domain=domain) for domain in domains}
        pids: dict[str, set[int]] = {domain: set() for domain in domains}
        for _ in range(6):
            for domain, document in documents.items():
                pids[domain].add(probe(service, document)["pid"])
        for one in domains:
            for other in domains:
                assert one == other or not pids[one] & pids[other]
        for document in documents.values():
            service.page_image(document, 0, width_px=200)
        assert service.statistics().renders == 3
        assert len({document.content_id(0) for document in documents.values()}) == 3
        assert len({document.id for document in documents.values()}) == 1
        workers = service._pool.process_ids()
        assert len(workers) <= 2 * 2 + 1, "those that wait for their domain are few"
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()


def test_what_is_missing_is_told_once(sample: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    confine = "import sidebooks_core.worker.main as w; w._confine = lambda *_: ['X']"
    boot = pool._BOOT.replace("importlib.import_module", f"{confine}; importlib.import_module")
    assert boot != pool._BOOT
    monkeypatch.setattr(pool, "_BOOT", boot)
    with caplog.at_level(logging.WARNING), sb.TileService(sb.Settings(cache_dir=None, workers=2)) as service:
        document = service.open(sample)
        for page in range(4):
            service.page_image(document, page, width_px=100)
    [record] = [one for one in caplog.records if "isolated less" in one.message]
    assert "X" in record.message


@pytest.fixture
def encrypted(tmp_path: Path) -> tuple[sb.Settings, Path]:
    folder = tmp_path / "cache"
    return sb.Settings(cache_dir=folder, encryption_key=bytes(range(32))), folder


def everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_an_encrypted_cache_shows_nothing_and_serves_all(encrypted: tuple[sb.Settings, Path], sample: Path) -> None:
    settings, folder = encrypted
    with sb.TileService(settings) as service:
        document = service.open(sample)
        drawn = service.page_image(document, 0, width_px=700).data
        identity, content_id = document.id, document.content_id(0)
        texts = [document.title, document.outline[0].title, document.name, sample.name]
        with service.reader(document, (300, 400), resume="Tanaka") as reader:
            reader.turn_to(5)
    stored = everything_below(folder)
    assert len(stored) > len(drawn)
    for secret in (drawn[100:200], b"\x89PNG", identity.encode(), content_id.encode(), *(text.encode() for text in texts)):
        assert secret not in stored
    with sb.TileService(settings) as service:
        document = service.open(sample)
        assert service.page_image(document, 0, width_px=700).data == drawn
        assert service.statistics().renders == 0
        with service.reader(document, (300, 400), resume="Tanaka") as reader:
            assert reader.page == 5
    with sb.TileService(sb.Settings(cache_dir=folder, encryption_key=bytes(32))) as other:
        assert other.page_image(other.open(sample), 0, width_px=700).data == drawn
        assert other.statistics().renders == 1, "another key finds nothing"
        assert other.statistics().disk_damaged == 0
    with sb.TileService(settings) as service:
        service.page_image(service.open(sample), 0, width_px=700)
        assert service.statistics().renders == 0, "and has disturbed nothing"
        assert service.purge(service.open(sample)) >= 1


def test_an_encryption_key_is_not_shown() -> None:
    assert "encryption_key" not in repr(sb.Settings(cache_dir=None, encryption_key=bytes(32)))
    for bad in (bytes(31), "x" * 32, 32):
        with pytest.raises(sb.RequestError, match="32 bytes"):
            sb.Settings(cache_dir=None, encryption_key=bad)  # type: ignore[arg-type]


def test_a_withdrawn_document_is_gone_also_from_what_is_being_drawn(sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    with sb.TileService(sb.Settings(cache_dir=folder, workers=1)) as service:
        document = service.open(sample)
        drawn = service.page_image(document, 0, width_px=700).data
        service.parts.flush()
        assert drawn[200:300] in everything_below(folder)
        futures = [service.submit_page_image(document, page, width_px=1500) for page in range(document.page_count)]
        service.purge(document)
        later = [future.result(60).data for future in futures]
        service.parts.flush()
        left = everything_below(folder)
        for data in (drawn, *later):
            assert data[len(data) // 2 :][:64] not in left
        assert service.statistics().memory_bytes == 0
        assert service.page_image(document, 0, width_px=700).data == drawn, "asked for anew, it is drawn and kept anew"
        assert service.statistics().memory_bytes > 0


def test_a_worker_loads_nothing_of_the_host() -> None:
    tell = "from sidebooks_core.worker import desk; print(json.dumps(sorted(sys.modules)))"
    boot = pool._BOOT.replace("\nimportlib.import_module", f"\n{tell} #")
    assert boot != pool._BOOT
    command = [sys.executable, "-I", "-c", boot, json.dumps([entry or str(Path.cwd()) for entry in sys.path])]
    loaded = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert "sidebooks_core.worker.desk" in loaded
    host = {"service", "reader", "dispatch", "registry", "caching", "scheduling", "server", "cli"}
    assert {f"sidebooks_core.{name}" for name in host} & set(loaded) == set()


UNASKED = """
import sys
from sidebooks_core.fonts.discovery import FontSet
from sidebooks_core.worker.desk import Desk
loaded = set(sys.modules)
desk = Desk(FontSet(()).to_wire(), 1 << 20, opens_paths=False)
desk.warm_up()
while desk.has_chores:
    desk.do_chore()
print(*sorted(set(sys.modules) - loaded))
"""


def test_a_worker_that_waits_loads_nothing_more() -> None:
    """It is confined by then: a module that it could not read would end its warming up, and nobody would see it."""
    assert subprocess.run([sys.executable, "-c", UNASKED], check=True, capture_output=True, text=True).stdout.split() == []
