"""Opens every document of a folder and draws all its pages at the preview level; prints one JSON line for each, then memory.

A process of its own, so that its memory is the library's and nothing else's.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from pathlib import Path

import psutil

import sidebooks_core as sb

MEMORY_BYTES = 64 << 20


def password_of(told: str) -> str | None:
    for part in told.split():
        if part.startswith("user="):
            return part.removeprefix("user=") or None
    return told or None


def main(corpus: Path) -> None:
    with (corpus / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    host = psutil.Process()
    peak_bytes = 0
    settings = sb.Settings(
        cache_dir=None, memory_bytes=MEMORY_BYTES, preview_bytes=MEMORY_BYTES // 2, render_timeout_s=6, open_timeout_s=60
    )
    with sb.TileService(settings) as service:
        for row in rows:
            found: dict[str, object] = {"path": row["path"], "kind": row["kind"]}
            try:
                document = service.open(corpus / row["path"], password_of(row["password"]))
            except sb.SidebooksError as error:
                found["error"] = type(error).__name__
                found["message"] = str(error)
            else:
                failures: Counter[str] = Counter()
                futures = [service.submit(document, page, 0, 0, 0) for page in range(document.page_count)]
                for future in futures:
                    problem = future.exception()
                    if problem is not None:
                        assert isinstance(problem, sb.PageError), problem
                        failures[type(problem).__name__] += 1
                    elif not future.result().data:
                        failures["empty"] += 1
                found["pages"] = document.page_count
                found["failures"] = failures
            peak_bytes = max(peak_bytes, host.memory_info().rss)
            print(json.dumps(found), flush=True)
    print(json.dumps({"peak_bytes": peak_bytes, "memory_bytes": MEMORY_BYTES}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
