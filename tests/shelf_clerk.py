"""A clerk who registers, replaces, withdraws, purges and backs up without a pause, until the process is killed.

    python shelf_clerk.py DATA_FOLDER SEED

Each line that it prints is a promise: `kept PAPER REVISION DIGEST` or `gone PAPER`, printed when the call has returned.
`purging PAPER` is printed before that begins.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from pathlib import Path

import sidebooks_core as sb
from sidebooks_core.documents.model import Word
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeDocument, FakeEngine, FakePage


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
    with (
        sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=engine.pool) as service,
        Shelf(data_dir, service) as shelf,
    ):
        promise("begun")
        while True:
            papers = shelf.papers(withdrawn=True)
            what = chance.choice(["register", "register", "replace", "replace", "withdraw", "purge", "back up"])
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
            else:
                target = data_dir.parent / "backup"
                shutil.rmtree(target, ignore_errors=True)
                shelf.back_up(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
