"""A process that is killed at any moment loses nothing that it had promised, and leaves nothing half done."""

from __future__ import annotations

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
            for what, paper, *rest in killed_clerk(data_dir, number, chance.uniform(0.0, 0.6)):
                if what == "kept":
                    kept[paper, int(rest[0])] = rest[1]
                elif what == "purging":
                    unsure.add(paper)
                else:
                    unsure.discard(paper)
                    kept = {key: digest for key, digest in kept.items() if key[0] != paper}
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
                assert named <= set(shelf.originals.all())
    assert kept
