"""What a worker that was taken over could reach: tried from inside a worker, by code in place of a parser."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile_worker import hostile
from processes import processes
from quiet import wait_idle
from taken_over import starter_of, taken_over

import sidebooks_core as sb
from sidebooks_core.workers import starting

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="isolation is the Linux kernel's")

ATTEMPTS = """
import os, socket

def attempt(what):
    try:
        return ["done", repr(what())[:200]]
    except BaseException as error:
        return ["refused", f"{type(error).__name__}: {error}"]

def probe():
    return {
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
    }
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a secret, of a host that has another one in its environment."""
    (tmp_path / "secret.txt").write_text("of the city", encoding="utf-8")
    monkeypatch.setenv("SECRET_OF_THE_HOST", "token")
    return tmp_path


def probed(place: Path, settings: sb.Settings, attempts: str = ATTEMPTS) -> sb.TileService:
    """A service whose workers try all that, if they are asked for the words of a page."""
    return sb.TileService(settings, pool=processes(starter_of(taken_over(f"PLACE = {str(place)!r}{attempts}")), settings))


def probe(service: sb.TileService, document: sb.Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(service.text(document, 0)[0].text)
    return found


@linux_only
def test_a_worker_reaches_neither_the_network_nor_files_nor_processes(place: Path, sample: Path) -> None:
    inherited = os.open(place / "secret.txt", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        with probed(place, sb.Settings(cache_dir=None, workers=1)) as service:
            document = service.open(sample)
            found = probe(service, document)
            assert service.page_image(document, 0, width_px=300).data, "and still draws"
    finally:
        os.close(inherited)
    refused = {"socket", "socketpair", "read", "list", "passwd", "proc", "write", "unlink", "chmod", "exec", "fork", "kill"}
    assert {name for name in refused if found[name][0] != "refused"} == set(), found
    assert found["import"][0] == "done", "Python itself can still be read"
    assert (place / "secret.txt").read_text(encoding="utf-8") == "of the city"
    assert "SECRET_OF_THE_HOST" not in found["environment"]
    assert {name for name in found["environment"] if name.startswith("PYTHON")} <= {"PYTHONDONTWRITEBYTECODE"}
    known = {"standard streams": 3, "pipes": 2, "channel": 1, "memory statistics": 1, "random device": 1, "document": 1}
    listing = 1  # the probe's own, of the descriptors
    assert len(found["descriptors"]) <= sum(known.values()) + listing, "nothing that the host had open"


@linux_only
def test_without_isolation_the_same_probe_succeeds(place: Path, sample: Path) -> None:
    harmful = ('"exec"', '"fork"', '"unlink"', '"chmod"', '"write"')
    harmless = "\n".join(line for line in ATTEMPTS.splitlines() if not line.strip().startswith(harmful))
    with probed(place, sb.Settings(cache_dir=None, workers=1, isolation=False), harmless) as service:
        found = probe(service, service.open(sample))
    assert found["read"][0] == found["socket"][0] == "done", "the probe above would see a hole"


@linux_only
def test_trust_domains_never_share_a_process_nor_a_record(place: Path, sample: Path) -> None:
    domains = ["", "inside", "mail"]
    with probed(place, sb.Settings(cache_dir=place / "cache", workers=2)) as service:
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
        workers = service.worker_process_ids()
        assert len(workers) <= 2 * 2 + 1, "those that wait for their domain are few"
    for pid in workers:
        assert not Path(f"/proc/{pid}").exists()


def test_what_is_missing_is_told_once(sample: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = sb.Settings(cache_dir=None, workers=2)
    is_windows = sys.platform == "win32"  # where nothing is tried, and so something is missing anyway
    says_so = hostile("yield honest()", tmp_path / "flag", unconfined=("X",))
    pool = processes(starter_of(taken_over("")) if is_windows else says_so, settings)
    with caplog.at_level(logging.WARNING), sb.TileService(settings, pool=pool) as service:
        document = service.open(sample)
        for page in range(4):
            service.page_image(document, page, width_px=100)
        wait_idle(service)
        assert len(service.worker_process_ids()) == 3, "each of which lacks it"
    [record] = [one for one in caplog.records if "isolated less" in one.message]
    assert ("no isolation on win32" if is_windows else "X") in record.message


def test_what_is_missing_is_not_told_where_nothing_was_to_be_given_up(
    sample: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = sb.Settings(cache_dir=None, workers=1, isolation=False)
    pool = processes(hostile("yield honest()", tmp_path / "flag", unconfined=("X",)), settings)
    with caplog.at_level(logging.WARNING), sb.TileService(settings, pool=pool) as service:
        service.page_image(service.open(sample), 0, width_px=100)
    assert not [one for one in caplog.records if "isolated less" in one.message]


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
        wait_idle(service)  # it is kept after it was shown
        service.parts.flush()
        assert drawn[200:300] in everything_below(folder)
        futures = [service.submit_page_image(document, page, width_px=1500) for page in range(document.page_count)]
        service.purge(document)
        later = [future.result(60).data for future in futures]
        wait_idle(service)
        service.parts.flush()
        left = everything_below(folder)
        for data in (drawn, *later):
            assert data[len(data) // 2 :][:64] not in left
        assert service.statistics().memory_bytes == 0
        assert service.page_image(document, 0, width_px=700).data == drawn, "asked for anew, it is drawn and kept anew"
        wait_idle(service)
        assert service.statistics().memory_bytes > 0


def test_a_worker_loads_nothing_of_the_host() -> None:
    start = 'importlib.import_module(f"{package.name}.worker.{sys.argv[2]}").main()'
    tell = "import sidebooks_core.worker.main, sidebooks_core.worker.desk; print(json.dumps(sorted(sys.modules)))"
    program = starting.PROGRAM.replace(start, tell)
    assert program != starting.PROGRAM
    command = [sys.executable, "-I", "-c", program, json.dumps([entry or str(Path.cwd()) for entry in sys.path])]
    loaded = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert "sidebooks_core.worker.desk" in loaded
    host = {"service", "assembly", "images", "library", "reading", "scheduling", "stores", "server", "cli", "workers.pool"}
    for name in host:
        assert importlib.util.find_spec(f"sidebooks_core.{name}") is not None, "there is such a thing"
    assert {f"sidebooks_core.{name}" for name in host} & set(loaded) == set()


UNASKED = """
import sys
from sidebooks_core.fonts.discovery import FontSet
from sidebooks_core.worker.desk import Desk
from sidebooks_core.worker.warming import warm_up
loaded = set(sys.modules)
desk = Desk(FontSet(()), 1 << 20, opens_paths=False)
warm_up()
while desk.has_chores:
    desk.do_chore()
print(*sorted(set(sys.modules) - loaded))
"""


def test_a_worker_that_waits_loads_nothing_more() -> None:
    """It is confined by then: a module that it could not read would end its warming up, and nobody would see it."""
    assert subprocess.run([sys.executable, "-c", UNASKED], check=True, capture_output=True, text=True).stdout.split() == []
