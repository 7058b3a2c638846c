"""Runs the viewer's pure modules in Node, without a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from conftest import ROOT

NODE = shutil.which("node") or shutil.which("nodejs")
VIEWER = ROOT / "sidebooks_core" / "server" / "viewer"


@lru_cache(maxsize=1)
def _modules() -> Path:
    """A copy that Node takes for modules."""
    folder = Path(tempfile.mkdtemp(prefix="sidebooks-viewer-"))
    for path in VIEWER.glob("*.js"):
        shutil.copy(path, folder)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return folder


def run(script: str, *given: Any) -> Any:
    """What a script returns: the body of an async function of `given`, with the modules in `./`."""
    assert NODE is not None
    source = f"const given = {json.dumps(given)};\nconst found = await (async (...given) => {{{script}}})(...given);\n"
    source += "console.log(JSON.stringify(found));\n"
    with tempfile.NamedTemporaryFile("w", suffix=".js", dir=_modules(), encoding="utf-8") as file:
        file.write(source)
        file.flush()
        done = subprocess.run([NODE, file.name], capture_output=True, check=False, timeout=120, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
