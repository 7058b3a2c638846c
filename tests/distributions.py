"""Checks the wheel and the source archive: what is in them, what they say, and that a second build has the same bytes.

    python tests/distributions.py --built build/dist            after `python -m build --outdir build/dist`
    python tests/distributions.py --built build/dist --release  what must also be true of files that are published
    python tests/distributions.py --built build/dist --parts    also writes the list of parts beside them, as CycloneDX

Needs the dependency group `package`, and `release` for --parts. Prints what it found; exit status 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import email
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("tests/run.py", "tests/conftest.py", "benchmarks/__init__.py", "docs/tutorial/samples/jlreq-ja.pdf", "typings")
"""What whoever tests a source archive needs; `typings` is a folder."""
MOST_BYTES = {".whl": 3 << 20, ".gz": 8 << 20}
"""A corpus that slipped in would be far more."""
EXTRAS = {"all", "client", "encryption", "fonts", "hub", "oidc", "pdfium", "server"}
UNRELEASED = ("sidebooks.example", "on no index")
"""What the README says, or leads to, until there is a release."""
URLS = {"Homepage", "Documentation", "Source", "Issues", "Changelog"}


def main() -> None:
    parser = argparse.ArgumentParser(description="check the wheel and the source archive")
    parser.add_argument("--built", type=Path, required=True, metavar="DIR", help="where they are")
    parser.add_argument("--release", action="store_true", help="also what must be true before they are published")
    parser.add_argument("--parts", action="store_true", help="write the list of parts (SBOM)")
    arguments = parser.parse_args()
    [wheel], [archive] = arguments.built.glob("*.whl"), arguments.built.glob("*.tar.gz")
    faults = [
        *by_others(wheel, archive),
        *of_wheel(wheel),
        *of_archive(archive),
        *of_second_build([wheel, archive]),
        *(of_release(wheel) if arguments.release else []),
    ]
    listed = [parts_of(wheel)] if arguments.parts else []
    for path in (wheel, archive, *listed):
        print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {digest(path)}")
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


def by_others(wheel: Path, archive: Path) -> list[str]:
    """What twine and check-wheel-contents find."""
    commands = (
        [sys.executable, "-m", "twine", "check", "--strict", os.fspath(wheel), os.fspath(archive)],
        [sys.executable, "-m", "check_wheel_contents", os.fspath(wheel)],
    )
    done = [subprocess.run(one, capture_output=True, text=True, check=False, timeout=300) for one in commands]
    return [f"{one.args[2]}: {one.stdout}{one.stderr}" for one in done if one.returncode]


def of_wheel(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = metadata_of(file)
    parts = {name.partition("/")[0] for name in names} - {"sidebooks_core"}
    faults = [f"{part} in the wheel" for part in parts if not part.endswith((".dist-info", ".data"))]
    wanted = ("/py.typed", "/licenses/LICENSE", "/man1/sidebooks.1", "/viewer/index.html")
    faults += [f"no {end} in the wheel" for end in wanted if not any(name.endswith(end) for name in names)]
    if set(metadata.get_all("Provides-Extra", [])) != EXTRAS:
        faults.append(f"extras are {sorted(metadata.get_all('Provides-Extra', []))}, not {sorted(EXTRAS)}")
    if {one.partition(",")[0] for one in metadata.get_all("Project-URL", [])} != URLS:
        faults.append(f"the addresses are not {sorted(URLS)}")
    if not metadata["Author-email"]:
        faults.append("no author with an address")
    shown = str(metadata.get_payload())
    faults += [f"the README leads to {target}" for target in re.findall(r"\]\(([^)]+)\)", shown) if "://" not in target]
    return faults + too_big(wheel)


def of_archive(archive: Path) -> list[str]:
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    inside = names | {os.fspath(parent) for name in names for parent in Path(name).parents}
    faults = [f"no {one} in the source archive" for one in NEEDED if one not in inside]
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
        tracked = set(listed.stdout.split("\0")) - {""}
        faults += [f"{one} is in the source archive, and not in git" for one in sorted(names - tracked - {"PKG-INFO"})]
        faults += [f"{one} is in git, and not in the source archive" for one in sorted(tracked - names)]
    return faults + too_big(archive)


def of_second_build(built: list[Path]) -> list[str]:
    """Build again from the source archive, in another folder, at another time: the bytes must be the same."""
    with tempfile.TemporaryDirectory() as folder:
        archive = next(one for one in built if one.name.endswith(".tar.gz"))
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
        [sources] = Path(folder).iterdir()
        (sources / "PKG-INFO").unlink()  # the build makes it
        for path in sources.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        again = Path(folder) / "again"
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", os.fspath(again), os.fspath(sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            return [f"the source archive does not build: {done.stdout}{done.stderr}"]
        return [f"a second build of {one.name} has other bytes" for one in built if digest(one) != digest(again / one.name)]


def of_release(wheel: Path) -> list[str]:
    """What must be true of files that are published."""
    with zipfile.ZipFile(wheel) as file:
        metadata = metadata_of(file)
    version = metadata["Version"]
    told = [*metadata.get_all("Project-URL", []), metadata["Author-email"] or ""]
    faults = [f"{one}: .example is no address; see docs/how-to/release.md" for one in told if ".example" in one]
    faults += of_readme(str(metadata.get_payload()))
    if f"\n## {version} (20" not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        faults.append(f"CHANGELOG.md has no heading `## {version} (DATE)`")
    asked = ["git", "tag", "--points-at", "HEAD"]
    tagged = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    if f"v{version}" not in tagged.stdout.split():
        faults.append(f"the tag v{version} is not on this commit")
    return faults


def of_readme(text: str) -> list[str]:
    """What a README that is published says no more."""
    return [f"the README says {one!r}; see docs/how-to/release.md" for one in UNRELEASED if one in " ".join(text.split())]


def parts_of(wheel: Path) -> Path:
    """Write what an environment with all extras consists of, beside the wheel. The same parts give the same bytes."""
    with zipfile.ZipFile(wheel) as file:
        version = metadata_of(file)["Version"]
    target = wheel.with_name(f"sidebooks_core-{version}.cdx.json")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=300)
        install = [sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", f"{wheel}[all]"]
        subprocess.run(install, check=True, timeout=1200)
        told = ["--pyproject", os.fspath(ROOT / "pyproject.toml"), "--mc-type", "library", "--output-reproducible"]
        command = [sys.executable, "-m", "cyclonedx_py", "environment", *told, "--output-file", os.fspath(target), folder]
        subprocess.run(command, check=True, timeout=300)
    parts = json.loads(target.read_text(encoding="utf-8"))
    parts["metadata"]["component"]["version"] = version  # pyproject.toml has none: the package says it
    target.write_text(json.dumps(parts, indent=2) + "\n", encoding="utf-8")
    return target


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.message_from_string(wheel.read(name).decode("utf-8"))


def too_big(path: Path) -> list[str]:
    most = MOST_BYTES[path.suffix]
    return [f"{path.name} has more than {most:,} bytes"] if path.stat().st_size > most else []


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
