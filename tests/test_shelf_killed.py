"""A process that is killed at any moment loses nothing that it had promised, and leaves nothing half done."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import sidebooks_core as sb
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeEngine

KILLS = int(os.environ.get("SIDEBOOKS_KILLS", "12"))
"""A long run has 1,000."""
CLERK = Path(__file__).parent / "shelf_clerk.py"


def killed_clerk(data_dir: Path, seed: int, after_s: float) -> list[list[str]]:
    """The promises of a clerk who is killed so many seconds after the beginning."""
    lines: list[str] = []
    with subprocess.Popen([sys.executable, CLERK, data_dir, str(seed)], stdout=subprocess.PIPE, text=True) as clerk:
        assert clerk.stdout is not None
        assert clerk.stdout.readline() == "begun\n"
        reading = threading.Thread(target=lines.extend, args=(clerk.stdout,))
        reading.start()
        time.sleep(after_s)
        clerk.kill()
        reading.join(30)
    return [line.split() for line in lines if line.endswith("\n")]


def test_nothing_promised_is_lost_and_nothing_is_half_done(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    chance = random.Random(20261129)
    kept: dict[tuple[str, int], str] = {}
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service:
        for number in range(KILLS):
            unsure: set[str] = set()
            promised = killed_clerk(data_dir, number, chance.uniform(0.0, 0.6))
            for what, *rest in promised:
                if what == "kept":
                    kept[rest[0], int(rest[1])] = rest[2]
                elif what == "purging":
                    unsure.add(rest[0])
                elif what == "gone":
                    unsure.discard(rest[0])
                    kept = {key: digest for key, digest in kept.items() if key[0] != rest[0]}
            with Shelf(data_dir, service) as shelf:
                papers = {paper.id: paper for paper in shelf.papers(withdrawn=True)}
                kept = {key: digest for key, digest in kept.items() if key[0] not in unsure or key[0] in papers}
                assert {paper for paper, _ in kept} <= set(papers)
                for paper, revision in kept:
                    assert shelf.revisions(paper)[revision - 1].original == kept[paper, revision]
                for paper_id, paper in papers.items():
                    assert [one.number for one in shelf.revisions(paper_id)] == list(range(1, paper.revision + 1))
                    assert shelf.document(paper_id).page_count == paper.page_count
                found = shelf.verify()
                assert found.is_whole, found
                with shelf.database.reading() as reading:
                    named = set(reading.all(str, "SELECT digest FROM original"))
                    assert reading.number("SELECT count(*) FROM original WHERE is_doomed") == 0, "what was purged is gone"
                    unused = "SELECT count(*) FROM page_text WHERE content_id NOT IN (SELECT content_id FROM page)"
                    assert reading.number(unused) == 0
                    assert reading.number("SELECT count(*) FROM doomed_revision") == 0
                assert named <= set(shelf.originals.all())
                mirror_is_right(shelf, tmp_path / "watched")
            copies_are_whole(service, tmp_path, promised)
    assert kept


def mirror_is_right(shelf: Shelf, watched: Path) -> None:
    """Each file has one paper of its name and content, and no paper is shown without a file."""
    with shelf.watch(watched, settle_s=0.01) as watch:
        assert watch.wait(60)
        assert watch.problems == {}
    [folder] = [one for one in shelf.folders() if one.name == "watched"]
    shown = [(paper.name, shelf.revisions(paper.id)[-1].original) for paper in shelf.papers(folder)]
    files = [(path.stem, hashlib.sha256(path.read_bytes()).hexdigest()) for path in watched.glob("*.pdf")]
    assert sorted(shown) == sorted(files)


def copies_are_whole(service: sb.TileService, place: Path, promised: list[list[str]]) -> None:
    """What the clerk has copied beside the shelf. The last promise about each copy counts."""
    last: dict[str, list[str]] = {}
    for what, *rest in promised:
        last[COPY_OF.get(what, what)] = [what, *rest]
    if last.get("backup", [""])[0] == "copied":
        assert is_whole(service, place / "backup") == int(last["backup"][1])
    if last.get("old", [""])[0] == "migrating":
        assert is_whole(service, place / "old") == int(last["old"][1]), "a migration happens as a whole or not at all"
    if (place / "imported").exists() and (place / "exported").exists():
        exported = len(json.loads((place / "exported" / "manifest.json").read_bytes())["papers"])
        may_be = {exported} if last.get("imported", [""])[0] == "imported" else {0, exported}
        assert is_whole(service, place / "imported") in may_be


COPY_OF = {"copying": "backup", "copied": "backup", "old": "old", "migrating": "old", "importing": "imported"}


def is_whole(service: sb.TileService, folder: Path) -> int:
    """How many papers a copy has; nothing of them may be missing."""
    with Shelf(folder, service, prepares=False) as copy:
        found = copy.verify()
        assert found.is_whole, found
        with copy.database.reading() as reading:
            return reading.number("SELECT count(*) FROM paper")
