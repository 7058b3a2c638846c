"""Flask and PyMuPDF: `flask --app library fill` draws ahead, /papers/NAME/3?width=800 shows a page. LIBRARY names a folder."""

import hashlib
import os
from pathlib import Path

import pymupdf
from flask import Flask, Response, abort, request

SCREENS = [(1620, 2160), (820, 1180)]
app = Flask(__name__)
papers = Path(os.environ["LIBRARY"])
store = Path(os.environ["XDG_CACHE_HOME"], "library")


def drawn(document: pymupdf.Document, path: Path, page: int, width: float, height: float) -> bytes:
    name = hashlib.sha256(f"{path}/{path.stat().st_mtime_ns}/{page}/{width}/{height}".encode()).hexdigest()
    kept = store / name
    if kept.exists():
        return kept.read_bytes()
    rect = document[page].rect
    scale = min(width / rect.width, height / rect.height)
    data = document[page].get_pixmap(matrix=pymupdf.Matrix(scale, scale)).tobytes("png")
    store.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(data)
    return data


@app.cli.command("fill")
def fill() -> None:
    for path in sorted(papers.iterdir()):
        try:
            with pymupdf.open(path) as document:
                for page in range(len(document)):
                    for width, height in SCREENS:
                        drawn(document, path, page, width, height)
                print(path.name, len(document) * len(SCREENS), "images")
        except (RuntimeError, OSError) as error:
            print(error)


@app.get("/papers/<name>/<int:number>")
def page(name: str, number: int) -> Response:
    path = papers / Path(name).name
    try:
        with pymupdf.open(path) as document:
            if not 0 < number <= len(document):
                abort(404)
            data = drawn(document, path, number - 1, request.args.get("width", 800, int), float("inf"))
    except (RuntimeError, OSError):
        abort(404)
    return Response(data, mimetype="image/png")
