"""Every document of the corpus opens and draws all its pages, or fails with the one right error; the host stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HOST_BYTES = 200 << 20
REFUSED = {
    "broken/REDHAT-1531897-0.pdf": "DamagedDocument",
    "broken/append-xref-loop.pdf": "DamagedDocument",
    "broken/invalid.pdf": "DamagedDocument",
    "broken/poppler-742-0-fuzzed.pdf": "DamagedDocument",
    "encrypted/AES128ExposedMeta.pdf": "UnsupportedDocument",  # for holders of a certificate
    "encrypted/encryption_openpassword.pdf": "PasswordRequired",  # nobody knows it
    "other-formats/testDJVU.djvu": "UnsupportedDocument",
}
PAGES_THAT_FAIL = {
    "broken/bug_544880.pdf": "RenderFailed",
}


@pytest.mark.timeout(1500)
def test_the_whole_corpus(corpus: Path) -> None:
    script = Path(__file__).with_name("corpus_run.py")
    done = subprocess.run([sys.executable, str(script), str(corpus)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    *lines, memory = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 114
    wrong = [line for line in lines if not is_right(line)]
    assert wrong == []
    assert memory["peak_bytes"] <= memory["memory_bytes"] + HOST_BYTES


def is_right(line: dict[str, Any]) -> bool:
    if line["path"] in REFUSED or "error" in line:
        return bool(line.get("error") == REFUSED.get(line["path"]))
    if line["path"] in PAGES_THAT_FAIL:
        return set(line["failures"]) == {PAGES_THAT_FAIL[line["path"]]}
    # Which of the slow ones finish in time depends on the machine.
    return set(line["failures"]) <= ({"RenderTimeout", "RenderFailed"} if line["kind"] == "slow" else set())
