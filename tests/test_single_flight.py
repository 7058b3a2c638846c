"""Identical cold requests from many threads of several processes on one cache: one render in all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROCESSES = 3
READER = """
import sys, threading
import sidebooks_core as sb

with sb.TileService(sb.Settings(cache_dir=sys.argv[1], workers=1)) as service:
    document = service.open(sys.argv[2])
    document.pages[4].content_id
    print("ready", flush=True)
    sys.stdin.readline()
    tiles = []
    def ask():
        tiles.append(service.tile(document, page=4, level=2, column=0, row=0).data)
    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(tiles) == 32 and len(set(tiles)) == 1
    print(service.statistics().renders, flush=True)
"""


def test_one_render_for_all(tmp_path: Path, sample: Path) -> None:
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(tmp_path / "cache"), str(sample)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write("go\n")
        reader.stdin.flush()
    renders = [int(reader.communicate(timeout=60)[0]) for reader in readers]
    assert all(reader.returncode == 0 for reader in readers)
    assert sum(renders) == 1
