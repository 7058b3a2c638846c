"""Independent validators against our server: PyPI's iiif-validator, and the JSON schema of Presentation 3.0."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from asgi import ask
from served import until_listed

import sidebooks_core as sb
from benchmarks.corpus import documents
from sidebooks_core.errors import SidebooksError
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id

GRID = "67352ccc-d1b0-11e1-89ae-279075081939.png"
NOT_IN_THE_SPECIFICATION = {"size_noup"}
"""Contradicts section 4.2: it wants an image where a size is larger than the region."""
RUN = f"""
import os, sys
from iiif_validator.validator import TestSuite, ValidationInfo

def level(test):
    return test["level"] if isinstance(test["level"], int) else test["level"]["3.0"]

tests = TestSuite(ValidationInfo()).list_tests("3.0")
wanted = [f"--test={{name}}" for name in tests if level(tests[name]) <= 2 and name not in {NOT_IN_THE_SPECIFICATION!r}]
script = os.path.join(os.path.dirname(sys.executable), "iiif-validate.py")
host, identifier = sys.argv[1:]
command = [sys.executable, script, "-s", host, "-p", "iiif/3", "-i", identifier, "--version=3.0", *wanted]
os.execv(sys.executable, command)
"""


@pytest.fixture
def conformance(corpus: Path) -> Path:
    return corpus.parent / "conformance"


@pytest.fixture
def address(conformance: Path, tmp_path: Path) -> Iterator[str]:
    command = [
        sys.executable,
        "-m",
        "sidebooks_core",
        "serve",
        str(conformance / GRID),
        "--port",
        "0",
        "--no-browser",
    ]
    with subprocess.Popen([*command, "--cache-dir", str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        until_listed(f"http://{found[0]}/")
        yield found[0]
        process.kill()


def validate(address: str, identifier: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, address, identifier]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_level_2_of_the_image_api(address: str, service: sb.TileService, conformance: Path) -> None:
    identifier = page_id(service.open(conformance / GRID), 0)
    run = validate(address, identifier)
    assert run.returncode == 0, run.stdout + run.stderr
    done = re.search(r"Done \((\d+) tests, 0 failures\)", run.stdout + run.stderr)
    assert done is not None
    assert int(done[1]) >= 30


@pytest.fixture(scope="module")
def newer_validator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with iiif-validator-ng, which needs 3.12."""
    pythons = [shutil.which(f"python3.{minor}") for minor in (12, 13, 14)]
    installed = sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))
    found = next((python for python in (*pythons, *map(str, installed)) if python and _runs(python)), None)
    if sys.version_info >= (3, 12):
        found = sys.executable
    if found is None:
        pytest.skip("needs Python 3.12 or later, which iiif-validator-ng needs")
    folder = tmp_path_factory.mktemp("validator")
    subprocess.run([found, "-I", "-m", "venv", str(folder)], check=True, timeout=120)
    python = folder / "bin" / "python"
    packages = ["iiif-validator-ng==0.1.0", "pyvips[binary]"]
    subprocess.run([python, "-I", "-m", "pip", "install", "--quiet", *packages], check=True, timeout=240)
    return python


def _runs(python: str) -> bool:
    return (
        subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, timeout=30, check=False).returncode == 0
    )


def test_the_newer_validator_agrees(address: str, service: sb.TileService, conformance: Path, newer_validator: Path) -> None:
    identifier = page_id(service.open(conformance / GRID), 0)
    script = conformance / "iiif_validator_ng.py"
    for name, is_right in ((identifier, True), ("no-such-image", False)):
        # Isolated: the older validator, whose module has the same name, lies on the path of the tests.
        command = [newer_validator, "-I", script, f"http://{address}/iiif/3", name]
        run = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert (run.returncode == 0) is is_right, run.stdout + run.stderr
        if is_right:
            done = re.search(r"(\d+) ok, 0 failed, 1 known validator bug", run.stdout)
            assert done is not None
            assert int(done[1]) >= 100


def test_the_validator_sees_a_fault(address: str) -> None:
    run = validate(address, "no-such-image")
    assert run.returncode != 0


def test_every_manifest_of_the_corpus_fits_the_schema(service: sb.TileService, corpus: Path, conformance: Path) -> None:
    schema = json.loads((conformance / "iiif_presentation_3.schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    shelf = Shelf(service)
    application = Application(shelf)
    checked = 0
    for one in documents(corpus, without={"broken"}):
        try:
            document = shelf.register(one.path, one.password)
        except SidebooksError:
            continue
        manifest = ask(application, f"/presentation/3/{document.id}/manifest.json").json()
        problem = next(iter(validator.iter_errors(manifest)), None)
        assert problem is None, (one.path.name, str(problem)[:500])
        checked += 1
    assert checked > 50
    manifest["items"][0].pop("width")
    assert next(iter(validator.iter_errors(manifest)), None) is not None, "the schema sees a fault"
    application.close()
