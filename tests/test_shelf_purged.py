"""A paper that was purged is gone: no byte of its content, text or pictures is left, also if a process was killed meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from msgspec import Struct, msgpack
from quiet import wait_until

import sidebooks_core as sb
from sidebooks_core.databases.database import Database, Reading
from sidebooks_core.documents.document import Document
from sidebooks_core.shelf import Change, Shelf, upkeep
from sidebooks_core.shelf.search import mending, page_texts
from sidebooks_core.shelf.uploads import Upload, UploadLimits, Uploads
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

TEXT = "Zwieback-Haushalt 4711 for the garden of the elders"
FILE_NAME = "very-secret-garden-plan.pdf"
CHUNK_BYTES = 40
"""Of a longer value, pieces of this size are looked for: SQLite breaks values at the ends of its pages."""


class Needles(Struct):
    """What is looked for, by what it is; one of the pieces is enough."""

    pieces: dict[str, list[bytes]]

    def found(self, *folders: Path) -> set[str]:
        """What lies in some folders, in the contents and the names of files."""
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        content = b"\0".join(file.read_bytes() for file in files) + os.fsencode("\0".join(map(str, files)))
        return {what for what, pieces in self.pieces.items() if any(piece in content for piece in pieces)}


def pieces_of(data: bytes) -> list[bytes]:
    steps = range(0, max(1, len(data) - CHUNK_BYTES), 997)
    return [data[start : start + CHUNK_BYTES] for start in steps if len(set(data[start : start + CHUNK_BYTES])) > 20]


def secret_paper(path: Path) -> Path:
    with pymupdf.open() as document:
        for number in range(3):
            page = document.new_page()
            page.insert_text((72, 100), f"{TEXT}, page {number + 1}", fontsize=18)
            noise = pymupdf.Pixmap(pymupdf.csRGB, 160, 160, os.urandom(160 * 160 * 3), False)
            page.insert_image((72, 200, 392, 520), pixmap=noise)
        document.save(path)
    return path


def read_through(service: sb.TileService, shelf: Shelf, paper_id: str) -> Needles:
    """Have all of a paper in the cache and the index, as readers do. Returns what is known of it."""
    assert shelf.wait_prepared(60)
    document = shelf.document(paper_id)
    pieces: dict[str, list[bytes]] = {"name": [FILE_NAME.encode()]}
    with service.reader(document, view_px=(300, 400)) as reader:
        for page in range(document.page_count):
            reader.turn_to(page)
            assert reader.wait_sharp(30)
            tile = service.page_image(document, page, width_px=300)
            pieces[f"pixels of page {page}"] = pieces_of(tile.data)
            pieces[f"content id of page {page}"] = [
                document.content_id(page).encode(),
                bytes.fromhex(document.content_id(page)),
            ]
            packed = page_texts.packed(service.parts.questions.text(document, page).result())
            pieces[f"text of page {page}, packed"] = pieces_of(packed)
    pieces["text"] = [TEXT.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le")]
    pieces["pairs of the text"] = [b"zwieback", b"wieba"]
    pieces["document id"] = [document.id.encode()]
    for one in shelf.revisions(paper_id):
        content = shelf.originals.path(one.original).read_bytes()
        pieces[f"content of revision {one.number}"] = pieces_of(content)
        pieces[f"digest of revision {one.number}"] = [one.original.encode(), bytes.fromhex(one.original)]
    service.parts.images.keeper.store.flush()
    service.parts.facts.flush()
    return Needles(pieces)


CLERK = """
import os, pathlib, signal, sys
import msgspec
import sidebooks_core as sb
from sidebooks_core.databases.database import Database
from sidebooks_core.documents.document import Document
from sidebooks_core.shelf import Change, Shelf, upkeep
sys.path.insert(0, sys.argv[4])
from test_shelf_purged import FILE_NAME, read_through

folder, moment = pathlib.Path(sys.argv[1]), sys.argv[2]

def die(*given):
    os.kill(os.getpid(), signal.SIGKILL)

with (
    sb.TileService(sb.Settings(cache_dir=folder / "cache", workers=1)) as service,
    Shelf(folder / "data", service) as shelf,
):
    paper = shelf.register(sys.argv[3], name="plan")
    known = read_through(service, shelf, paper.id)
    (folder / "needles").write_bytes(msgspec.msgpack.encode(known))
    if moment == "before the cache":
        upkeep.purge_cache = die
    elif moment == "before the files":
        upkeep.remove_doomed = die
    else:
        Database.cut_log = die
    shelf.purge(paper.id)
"""


def opened(folder: Path) -> sb.TileService:
    return sb.TileService(sb.Settings(cache_dir=folder / "cache", workers=1))


def test_no_byte_of_a_purged_paper_is_left(tmp_path: Path) -> None:
    path = secret_paper(tmp_path / FILE_NAME)
    with opened(tmp_path) as service, Shelf(tmp_path / "data", service) as shelf:
        other = shelf.register("docs/tutorial/samples/jlreq-ja.pdf", name="other")
        paper = shelf.register(path, name="plan")
        shelf.replace(paper.id, secret_paper(tmp_path / "second.pdf"))
        first = shelf.document(paper.id, 1)
        service.page_image(first, 0, width_px=300)
        needles = read_through(service, shelf, paper.id)
        needles.pieces["content ids of the first revision"] = [first.content_id(page).encode() for page in range(3)]
        # Texts and pairs are packed, so they are looked for and were never to be found as they are.
        hidden = {"text", "pairs of the text"} | {one for one in needles.pieces if one.startswith("content id ")}
        assert needles.found(tmp_path / "data", tmp_path / "cache") >= set(needles.pieces) - hidden
        shelf.purge(paper.id)
        assert needles.found(tmp_path / "data", tmp_path / "cache") == set(), "while the shelf is open"
        assert shelf.document(other.id).page_count == 22
        assert shelf.verify().is_whole
    assert needles.found(tmp_path / "data", tmp_path / "cache") == set()


def test_nothing_of_an_upload_is_left(tmp_path: Path) -> None:
    content = secret_paper(tmp_path / FILE_NAME).read_bytes()
    with opened(tmp_path) as service, Shelf(tmp_path / "data", service) as shelf:
        uploads = Uploads(shelf, UploadLimits())
        new = Upload(id="", owner="clerk", length=len(content), file_name=FILE_NAME, paper_id="", replaces=False)
        upload = uploads.begin(new)
        with closing(uploads.writer(upload)) as writer:
            writer.write(content)
        paper = uploads.finish(upload)
        needles = read_through(service, shelf, paper.id)
        assert "digest of revision 1" in needles.found(tmp_path / "data")
        shelf.purge(paper.id)
        assert needles.found(tmp_path / "data", tmp_path / "cache") == set()


@pytest.mark.parametrize("moment", ["before the cache", "before the files", "before the log"])
def test_a_purge_that_was_killed_is_finished_at_the_next_start(tmp_path: Path, moment: str) -> None:
    path = secret_paper(tmp_path / FILE_NAME)
    arguments = [str(tmp_path), moment, str(path), str(Path(__file__).parent)]
    killed = subprocess.run([sys.executable, "-c", CLERK, *arguments], check=False, timeout=200, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    needles = msgpack.decode((tmp_path / "needles").read_bytes(), type=Needles)
    left = needles.found(tmp_path / "data", tmp_path / "cache")
    assert "digest of revision 1" in left
    assert ("pixels of page 0" in left) == (moment == "before the cache")
    with opened(tmp_path) as service, Shelf(tmp_path / "data", service) as shelf:
        assert shelf.papers(withdrawn=True) == []
        assert needles.found(tmp_path / "data", tmp_path / "cache") == set()
        assert shelf.verify().is_whole


def test_another_process_lets_go_of_a_purged_paper(tmp_path: Path) -> None:
    """Each process has a memory of its own, from which it must not put a page back into the cache."""
    path = secret_paper(tmp_path / FILE_NAME)
    with (
        opened(tmp_path) as ours,
        sb.TileService(sb.Settings(cache_dir=tmp_path / "cache-of-the-other", workers=1)) as theirs,
        Shelf(tmp_path / "data", ours) as shelf,
        Shelf(tmp_path / "data", theirs, prepares=False) as other,
    ):
        paper = shelf.register(path, name="plan")
        assert shelf.wait_prepared(60)
        tile = theirs.page_image(other.document(paper.id), 0, width_px=300)
        needles = Needles({"pixels": pieces_of(tile.data)})
        wait_until(lambda: bool(needles.found(tmp_path / "cache-of-the-other")), "the page is not in the cache")
        shelf.purge(paper.id)
        assert other.feed.wait(shelf.changes()[-1].seq - 1, 10)
        wait_until(lambda: not needles.found(tmp_path / "cache-of-the-other"), "the other process keeps the pixels")


def test_a_purge_that_takes_long_holds_up_no_other_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, shelf = shelf_with_fakes(tmp_path, "cache")
    theirs = sb.TileService(sb.Settings(cache_dir=tmp_path / "other", workers=1), pool=FakeEngine().pool)
    goes_on = threading.Event()
    begun: list[object] = []

    def slow(document: Document, *, positions: bool = False) -> int:
        begun.append((document, positions))
        goes_on.wait(20)
        return 0

    with ours, shelf, theirs, Shelf(tmp_path / "data", theirs, prepares=False) as other:
        paper, stays = shelf.register(fake_paper(1), name="plan"), shelf.register(fake_paper(2), name="stays")
        assert other.document(paper.id)
        monkeypatch.setattr(theirs, "purge", slow)
        told: list[Change] = []
        other.tell(told.extend)
        shelf.purge(paper.id)
        wait_until(lambda: begun, "the other process does not let go of it")
        shelf.withdraw(stays.id)
        wait_until(lambda: any(one.kind == "paper withdrawn" for one in told), "the withdrawal waits for the purge")
        goes_on.set()


def test_a_purge_of_what_was_registered_again_comes_to_an_end(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "first")
    with service, shelf:
        paper = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
    service, shelf = shelf_with_fakes(tmp_path, "second")
    with service, shelf:
        assert shelf.purge(paper.id).caches == [str(tmp_path / "first")]
        again = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
    service, shelf = shelf_with_fakes(tmp_path, "first")
    with service, shelf:
        wait_until(lambda: shelf.pending_purges().is_empty, "something is waited for that stands on the shelf")
        assert shelf.document(again.id).page_count == 2


# A purge that cannot reach everything at once.


def shelf_with_fakes(folder: Path, cache: str) -> tuple[sb.TileService, Shelf]:
    service = sb.TileService(sb.Settings(cache_dir=folder / cache, workers=1), pool=FakeEngine().pool)
    return service, Shelf(folder / "data", service)


def fake_paper(*colours: int) -> bytes:
    return FakeDocument(pages=tuple(FakePage(colour=(colour, 9, 9)) for colour in colours)).to_bytes()


def test_a_cache_that_was_not_open_is_purged_when_it_is_opened_next(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache-of-the-server")
    with service, shelf:
        paper = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
        document = shelf.document(paper.id)
        needles = Needles({"content id": [document.content_id(page).encode() for page in range(2)]})
        service.page_image(document, 0, width_px=300)
        service.parts.images.keeper.store.flush()
        service.parts.facts.flush()
    assert needles.found(tmp_path / "cache-of-the-server")
    service, shelf = shelf_with_fakes(tmp_path, "cache-of-the-command")
    with service, shelf:
        left = shelf.purge(paper.id)
        assert (left.caches, left.originals, left.is_in_log) == ([str(tmp_path / "cache-of-the-server")], 0, False)
    assert needles.found(tmp_path / "cache-of-the-server")
    service, shelf = shelf_with_fakes(tmp_path, "cache-of-the-server")
    with service, shelf:
        assert shelf.pending_purges().is_empty
        assert not needles.found(tmp_path / "cache-of-the-server", tmp_path / "data")


def test_a_cache_folder_that_was_removed_is_waited_for_no_longer(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "first")
    with service, shelf:
        paper = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
    service, shelf = shelf_with_fakes(tmp_path, "second")
    with service, shelf:
        assert shelf.purge(paper.id).caches == [str(tmp_path / "first")]
        shutil.rmtree(tmp_path / "first")
        shelf.purger.wake()
        wait_until(lambda: shelf.pending_purges().is_empty, "the folder is waited for")


def test_a_cache_on_a_volume_that_is_not_mounted_is_purged_when_it_comes_back(tmp_path: Path) -> None:
    volume, away = tmp_path / "volume", tmp_path / "away"
    volume.mkdir()
    service, shelf = shelf_with_fakes(tmp_path, "volume/cache")
    with service, shelf:
        paper = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
        content_id = shelf.document(paper.id).content_id(0)
    needles = Needles({"content id": [content_id.encode()]})
    assert needles.found(volume)
    volume.rename(away)
    volume.mkdir()  # the place where it is mounted is there, and is another folder
    service, shelf = shelf_with_fakes(tmp_path, "other")
    with service, shelf:
        assert shelf.purge(paper.id).caches == [str(volume / "cache")]
        shelf.purger.wake()
        assert shelf.purger.wait(1).caches == [str(volume / "cache")]
    volume.rmdir()
    away.rename(volume)
    service, shelf = shelf_with_fakes(tmp_path, "volume/cache")
    with service, shelf:
        wait_until(lambda: shelf.pending_purges().is_empty, "it is not purged")
    assert not needles.found(volume)


HALF = """
import io, os, signal, sys
import sidebooks_core as sb
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeEngine

class Dying(io.BytesIO):
    def read(self, size=-1):
        if self.tell() >= 1 << 20:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)

with (
    sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=FakeEngine().pool) as service,
    Shelf(sys.argv[1], service) as shelf,
):
    with open(sys.argv[2], "rb") as file:
        shelf.register(Dying(file.read()), name="half")
"""


def test_what_a_killed_process_has_copied_of_a_purged_paper_is_removed(tmp_path: Path) -> None:
    content, path = os.urandom(3 << 20), tmp_path / "plan.pdf"
    path.write_bytes(content)
    needles = Needles({"content": [content[5000:5040]]})
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        paper = shelf.register(content, name="plan")
        assert subprocess.run([sys.executable, "-c", HALF, tmp_path / "data", path], check=False).returncode < 0
        with shelf.originals.taking():  # somebody registers
            left = shelf.purge(paper.id)
            assert (left.incoming, left.is_empty) == (1, False)
            assert needles.found(tmp_path / "data")
        wait_until(lambda: shelf.pending_purges().is_empty, "the half stays")
        assert not needles.found(tmp_path / "data")
        other = shelf.register(content, name="plan")
        subprocess.run([sys.executable, "-c", HALF, tmp_path / "data", path], check=False)
        assert shelf.purge(other.id).is_empty, "at once if nobody registers"
        assert not needles.found(tmp_path / "data")


def test_a_file_that_comes_in_is_not_waited_for_longer_than_it_is_there(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf, shelf.originals.taking():
        paper = shelf.register(fake_paper(1), name="plan")
        coming = tmp_path / "data" / "originals" / "incoming" / "one"
        coming.touch()
        assert shelf.purge(paper.id).incoming == 1
        coming.rename(coming.with_name("another"))
        assert shelf.pending_purges().is_empty, "that of others has come later"


def test_a_paper_that_is_purged_while_all_are_verified_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        kept, paper = shelf.register(fake_paper(1), name="kept"), shelf.register(fake_paper(2), name="plan")
        inner = mending.is_index_right

        def purged(database: Database) -> bool:
            shelf.purge(paper.id)
            return inner(database)

        monkeypatch.setattr(mending, "is_index_right", purged)
        assert shelf.verify().is_whole
        monkeypatch.undo()
        shelf.originals.remove(shelf.revision(kept.id).original)
        assert shelf.verify().missing == [shelf.revision(kept.id).original], "what is missing is told"


def test_a_file_that_a_backup_holds_is_removed_when_the_backup_is_made(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        paper = shelf.register(fake_paper(1), name="plan")
        digest = shelf.revision(paper.id).original
        held = upkeep.hold_files(shelf.originals)
        assert held is not None
        left = shelf.purge(paper.id)
        assert (left.originals, left.is_empty) == (1, False)
        assert shelf.originals.holds(digest)
        held.release()
        wait_until(lambda: not shelf.originals.holds(digest), "the file stays")
        wait_until(lambda: shelf.pending_purges().is_empty, "it is not told that it is done")


def test_the_log_that_a_reader_holds_is_cut_when_the_reader_has_gone(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    needles = Needles({"name": [b"name-of-the-plan"]})
    with service, shelf:
        paper = shelf.register(fake_paper(1), name="name-of-the-plan")
        assert shelf.wait_prepared(30)
        with shelf.database.reading() as reading:
            reading.number("SELECT count(*) FROM paper")
            assert shelf.purge(paper.id).is_in_log
            assert needles.found(tmp_path / "data")
        wait_until(lambda: shelf.pending_purges().is_empty, "the log is not cut")
        assert not needles.found(tmp_path / "data")


def cache_rows(shelf: Shelf) -> dict[str, str]:
    """The paths of cache folders by their ids, without those of the shelf's own."""
    with shelf.database.reading() as reading:
        ids = reading.all(str, "SELECT id FROM cache_folder WHERE id != ?", shelf.purger.cache_id)
        return {one: reading.one(str, "SELECT CAST(path AS TEXT) FROM cache_folder WHERE id = ?", one) or "" for one in ids}


def elsewhere(shelf: Shelf, devices: str) -> None:
    """Have the cache folders of a shelf lie on another device, and in another folder: as in a container that was made anew."""
    with shelf.database.writing() as writing:
        writing.run("UPDATE cache_folder SET seen = ? || substr(seen, instr(seen, ' '))", devices)


def test_a_cache_folder_that_another_one_replaces_on_its_device_is_forgotten(tmp_path: Path) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        paper = shelf.register(fake_paper(1, 2), name="plan")
        assert shelf.wait_prepared(30)
    service, shelf = shelf_with_fakes(tmp_path, "other")
    with service, shelf:
        with shelf.database.writing() as writing:  # in a container that is made anew, it lies in another folder
            writing.run("UPDATE cache_folder SET seen = substr(seen, 1, instr(seen, ' ')) || '1 1'")
        assert shelf.purge(paper.id).caches == [str(tmp_path / "cache")]
    shutil.rmtree(tmp_path / "cache")
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        assert list(cache_rows(shelf).values()) == [str(tmp_path / "other")]
        assert shelf.pending_purges().is_empty


def test_few_cache_folders_of_a_path_are_waited_for(tmp_path: Path) -> None:
    """Each start of a container brings another file system, and the one before never comes again."""
    old: list[str] = []
    for start in range(8):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        service, shelf = shelf_with_fakes(tmp_path, "cache")
        with service, shelf:
            assert set(cache_rows(shelf)) == set(old[-4:]), "the newest ones"
            old.append(shelf.purger.cache_id)
            if start == 7:
                paper = shelf.register(fake_paper(1, 2), name="plan")
                assert shelf.wait_prepared(30)
                assert len(shelf.purge(paper.id).caches) == 4
            elsewhere(shelf, f"{1000 + start}")


def test_a_password_is_forgotten_when_its_file_is_gone(tmp_path: Path) -> None:
    needles = Needles({"password": [b"himitsu-no-kotoba"]})
    service, shelf = shelf_with_fakes(tmp_path, "other")
    with service, shelf:
        pass
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        locked = FakeDocument(pages=(FakePage(colour=(1, 9, 9)),), password="himitsu-no-kotoba").to_bytes()
        paper = shelf.register(locked, name="plan", password="himitsu-no-kotoba")
        assert paper.state == "ready"
        assert shelf.wait_prepared(30)
        held = upkeep.hold_files(shelf.originals)
        assert held is not None
        assert shelf.purge(paper.id).caches == [str(tmp_path / "other")]
        with shelf.database.reading() as reading:
            assert reading.number("SELECT count(*) FROM doomed_revision WHERE password IS NOT NULL") > 0, "it opens the file"
        held.release()
        wait_until(lambda: not shelf.pending_purges().originals, "the file stays")
        wait_until(lambda: not needles.found(tmp_path / "data"), "the password stays")
        assert shelf.pending_purges().caches == [str(tmp_path / "other")], "the other cache is still to be purged"


def test_what_cannot_be_removed_from_the_files_that_come_in_is_told_and_keeps_no_shelf_closed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        paper = shelf.register(fake_paper(1), name="plan")
    incoming = tmp_path / "data" / "originals" / "incoming"
    (incoming / "odd").mkdir()
    (incoming / "half").write_bytes(b"half")
    service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf:
        assert [path.name for path in incoming.iterdir()] == ["odd"]
        assert shelf.purge(paper.id).incoming == 1
        assert shelf.purger.wait(1.5).incoming == 1
        assert caplog.text.count("odd cannot be removed") == 1, "not at each try"
        (incoming / "odd").rmdir()
        wait_until(lambda: shelf.pending_purges().is_empty, "it is not noticed that it is gone")


class Step(Struct, frozen=True, array_like=True):
    """Of the plan of a query."""

    id: int
    parent: int
    unused: int
    detail: str


def test_a_start_takes_no_longer_the_more_pages_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []
    with monkeypatch.context() as patch:
        for name in ("one", "all"):
            look = getattr(Reading, name)

            def noted(reading: Reading, kind: object, query: str, *values: object, look: Any = look) -> object:
                asked.append((query, values))
                return look(reading, kind, query, *values)

            patch.setattr(Reading, name, noted)
        service, shelf = shelf_with_fakes(tmp_path, "cache")
    with service, shelf, shelf.database.reading() as reading:
        assert any("doomed_page" in query for query, _ in asked)
        for query, values in asked:
            plan = [one.detail for one in reading.all(Step, f"EXPLAIN QUERY PLAN {query}", *values)]
            assert not any(detail.startswith(("SCAN page ", "SCAN page_text")) or detail == "SCAN page" for detail in plan), (
                query
            )
