"""A clerk who registers, replaces, purges, backs up, migrates, exports, imports, mirrors a folder, until the process is killed.

    python shelf_clerk.py DATA_FOLDER SEED

Each line that it prints is a promise: `kept PAPER REVISION DIGEST`, `gone PAPER`, `copied PAPERS`, `imported PAPERS`, printed
when the call has returned. `purging PAPER`, `copying`, `old`, `migrating PAPERS` and `importing` are printed before.

Beside the folder of data lie: `backup`, `old` (a copy whose tables are those of the first version), `exported`, `imported`, and
`watched`, which is mirrored.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from contextlib import closing
from pathlib import Path

import apsw

import sidebooks_core as sb
from sidebooks_core.documents.model import Word
from sidebooks_core.shelf import Shelf
from sidebooks_core.shelf.schema import SHELF
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage

ACTIONS = [*["register", "replace"] * 3, "withdraw", "purge", "back up", "migrate", "exchange", *["mirror"] * 4]
MOST_PAPERS = 40
"""With more, papers are purged only, so that a long run does not become slower."""


def document(chance: random.Random) -> bytes:
    pages = []
    for _ in range(chance.randint(1, 6)):
        colour = (chance.randrange(256), chance.randrange(256), chance.randrange(8))
        text = "".join(chance.choices("予算議会歳入歳出補正", k=12))
        pages.append(FakePage(colour=colour, words=(Word(0.0, 0.0, 99.0, 9.0, text, 0, 0),)))
    return FakeDocument(pages=tuple(pages)).to_bytes()


def promise(*words: object) -> None:
    print(*words, flush=True)


def main(data_dir: Path, seed: int) -> None:
    chance = random.Random(seed)
    engine = FakeEngine()
    watched = data_dir.parent / "watched"
    watched.mkdir(exist_ok=True)
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service,
        Shelf(data_dir, service) as shelf,
    ):
        shelf.watch(watched, settle_s=0.01)
        promise("begun")
        while True:
            papers = shelf.papers(withdrawn=True)
            what = chance.choice(ACTIONS if len(papers) < MOST_PAPERS else ["purge"])
            if what == "register" or not papers:
                data = document(chance)
                paper = shelf.register(data, name="paper")
                promise("kept", paper.id, paper.revision, hashlib.sha256(data).hexdigest())
                continue
            paper = chance.choice(papers)
            if what == "replace":
                data = document(chance)
                paper = shelf.replace(paper.id, data)
                promise("kept", paper.id, paper.revision, hashlib.sha256(data).hexdigest())
            elif what == "withdraw":
                shelf.withdraw(paper.id)
            elif what == "purge":
                promise("purging", paper.id)
                shelf.purge(paper.id)
                promise("gone", paper.id)
            elif what == "mirror":
                change_files(chance, watched)
            elif what == "back up":
                promise("copying")
                target = data_dir.parent / "backup"
                shutil.rmtree(target, ignore_errors=True)
                shelf.back_up(target)
                promise("copied", count_of(target, shelf))
            elif what == "migrate":
                migrate(shelf, data_dir.parent / "old")
            else:
                exchange(shelf, data_dir.parent, is_new=chance.random() < 0.3)


def count_of(folder: Path, shelf: Shelf) -> int:
    """How many papers a copy has."""
    with Shelf(folder, shelf.service, prepares=False) as copy, copy.database.reading() as reading:
        return reading.number("SELECT count(*) FROM paper")


def change_files(chance: random.Random, watched: Path) -> None:
    """A file appears or changes as a whole, is renamed, or goes away."""
    path = watched / f"{chance.randrange(8)}.pdf"
    if chance.random() < 0.6 or not path.exists():
        hidden = watched / ".under way"
        hidden.write_bytes(document(chance))
        hidden.rename(path)
    elif chance.random() < 0.5:
        path.rename(watched / f"{chance.randrange(8)}.pdf")
    else:
        path.unlink()


def migrate(shelf: Shelf, target: Path) -> None:
    """Bring a copy up to date whose tables are those of the first version."""
    promise("old")
    shutil.rmtree(target, ignore_errors=True)
    shelf.back_up(target)
    make_old(target / "shelf.sqlite3")
    count = count_of(target, shelf)
    make_old(target / "shelf.sqlite3")
    promise("migrating", count)
    Shelf(target, shelf.service, prepares=False).close()


def make_old(path: Path) -> None:
    """Have a database be of the first version, as an older library had made it."""
    made = path.with_name("old.sqlite3")
    made.unlink(missing_ok=True)
    with closing(apsw.Connection(str(made))) as old:
        old.execute(f"PRAGMA application_id = {SHELF.application_id}")
        old.execute(SHELF.migrations[0])
        old.execute("ATTACH ? AS newer", (str(path),))
        for table in ("folder", "original", "paper", "revision", "page", "change"):
            columns = ", ".join(name for (name,) in old.execute("SELECT name FROM pragma_table_info(?)", (table,)))
            old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        old.execute("PRAGMA user_version = 1")
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    made.replace(path)


def exchange(shelf: Shelf, place: Path, *, is_new: bool) -> None:
    """Export the shelf, and import it into another one."""
    exported, imported = place / "exported", place / "imported"
    if is_new or not exported.exists():
        for number, folder in enumerate((exported, imported)):
            if folder.exists():
                shutil.rmtree(place / f"aside {number}", ignore_errors=True)
                folder.rename(place / f"aside {number}")
        shelf.export(exported)
    promise("importing")
    with Shelf(imported, shelf.service, prepares=False) as other:
        done = other.bring_in(exported)
        promise("imported", done.papers + done.already)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
