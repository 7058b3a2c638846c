"""Installs each extra alone into an empty environment, and uses what it is for.

    python tests/extras.py --built build/dist            all of them, and none; some minutes
    python tests/extras.py --built build/dist none hub   these

Run it in an environment that `python3 tests/run.py` has made: it writes the files that the extras are tried with.
Exit status 1 if one fails. Prints for each: seconds to install, megabytes of the environment, result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parent
sys.path.append(os.fspath(TESTS / "public_faults"))

from image_files import with_image  # noqa: E402 - found by the line above
from jbig2_files import generic_refinement  # noqa: E402
from text_pages import page_of  # noqa: E402

SAMPLE = TESTS.parent / "docs" / "tutorial" / "samples" / "jlreq-ja.pdf"
REFINED, JAPANESE = "refined.pdf", "japanese.pdf"
"""What `make_samples` writes: an image that the engine alone cannot draw, and text in a Japanese font that is not embedded."""
OPENS = """
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir={cache}, workers=1{more})) as service:
    image = service.page_image(service.open({sample!r}), 0, width_px=300)
    assert image.width_px == 300 and image.data
"""
USES: dict[str, str] = {
    "none": OPENS.format(cache=None, sample=os.fspath(SAMPLE), more=""),
    "server": f"""
import json, subprocess, sys, urllib.request
command = [sys.executable, "-m", "sidebooks_core", "serve", {os.fspath(SAMPLE)!r}, "--port", "0", "--no-browser"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
    address = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))
    with urllib.request.urlopen(address + "documents", timeout=60) as answer:
        assert json.load(answer)["documents"]
    server.terminate()
""",
    "oidc": """
from joserfc import jwk, jwt
from sidebooks_core.access.oidc import OidcRules
key = jwk.OKPKey.generate_key("Ed25519")
token = jwt.encode({"alg": "EdDSA"}, {"sub": "me"}, key, algorithms=["EdDSA"])
assert jwt.decode(token, key, algorithms=["EdDSA"]).claims["sub"] == "me"
OidcRules(issuer="https://provider.example", client_id="books", return_address="https://books.example/oidc/return")
""",
    "hub": """
from sidebooks_core.errors import HubFailed
from sidebooks_core.meeting.redis_hub import RedisHub
hub = RedisHub("redis://127.0.0.1:9/")  # nothing listens there
try:
    hub.read("council")
    raise AssertionError("a hub that nobody can reach has answered")
except HubFailed:
    hub.close()
""",
    "client": """
from sidebooks_core.meeting.client import MeetingClient
MeetingClient("http://127.0.0.1:9/", "council")
""",
    "encryption": OPENS.format(cache="'cache'", sample=os.fspath(SAMPLE), more=", encryption_key=bytes(range(32))"),
    "pdfium": f"""
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
    tile = service.page_image(service.open({REFINED!r}), 0, width_px=300)
    assert tile.problems == () and (tile.pixels() < 128).any(), "the JBIG2 image is not drawn"
""",
    "fonts": f"""
import sidebooks_core as sb
with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
    document = service.open({JAPANESE!r})
    [font] = service.inspect(document).pages[0].fonts
    assert not font.is_embedded and font.replaced_by.startswith("Noto Serif JP"), font
    assert (service.page_image(document, 0, width_px=300).pixels() < 128).any(), "the text is not drawn"
""",
}
USES["all"] = "".join(USES.values())


def main() -> None:
    parser = argparse.ArgumentParser(description="install each extra alone, and use it")
    parser.add_argument("--built", type=Path, required=True, metavar="DIR", help="where the wheel is")
    parser.add_argument("extra", nargs="*", metavar="EXTRA", help=f"default: {', '.join(USES)}")
    arguments = parser.parse_args()
    unknown = set(arguments.extra) - set(USES)
    if unknown:
        parser.error(f"no extra {', '.join(sorted(unknown))}: choose from {', '.join(USES)}")
    [wheel] = arguments.built.resolve().glob("*.whl")
    failed = [extra for extra in arguments.extra or USES if not works(wheel, extra)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def works(wheel: Path, extra: str) -> bool:
    """Whether the extra installs alone and does what it is for."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=300)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        wanted = os.fspath(wheel) if extra == "none" else f"{wheel}[{extra}]"
        begun_s = time.monotonic()
        subprocess.run([python, "-m", "pip", "install", "--quiet", wanted], check=True, timeout=1200)
        took_s = time.monotonic() - begun_s
        megabytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6
        make_samples(Path(folder))
        command = [python, "-I", "-c", USES[extra]]
        home = {**os.environ, "XDG_CACHE_HOME": os.fspath(Path(folder) / "home")}
        used = subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True, check=False, timeout=300)
    told = used.stderr if used.returncode else "works"
    print(f"{extra}: installed in {took_s:.0f} s, {megabytes:.0f} MB, {told}", flush=True)
    return not used.returncode


def make_samples(folder: Path) -> None:
    """Write the files that stand at `REFINED` and `JAPANESE`."""
    y, x = np.mgrid[0:64, 0:80]
    wanted, given = (((y - 30) ** 2 + (x - 40) ** 2 < radius2).astype(np.uint8) for radius2 in (500, 400))
    entries = b"/Width 80 /Height 64 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /JBIG2Decode"
    (folder / REFINED).write_bytes(with_image(entries, generic_refinement(wanted, given)))
    (folder / JAPANESE).write_bytes(page_of([("縦書きの議案", 40, 80, 24)]))


if __name__ == "__main__":
    main()
