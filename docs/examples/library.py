"""Flask: `flask --app library fill` draws pages ahead, /papers/NAME/3?width=800 shows one. LIBRARY names a folder of papers."""

import atexit
import os
from functools import cache
from pathlib import Path

from flask import Flask, Response, abort, request

import sidebooks_core as sb

SCREENS = [(1620, 2160), (820, 1180)]
app = Flask(__name__)
papers = Path(os.environ["LIBRARY"])


@cache
def service() -> sb.TileService:
    made = sb.TileService()  # at the first use: a server may fork after the import, and workers belong to one process
    atexit.register(made.close)  # if two threads come first at once, there are two: each is closed
    return made


@app.cli.command("fill")
def fill() -> None:
    books = service()
    for path in sorted(papers.iterdir()):
        try:
            print(path.name, books.prerender(books.open(path), fit_px=SCREENS).rendered, "images")
        except (OSError, sb.SidebooksError) as error:
            print(error)


@app.get("/papers/<name>/<int:number>")
def page(name: str, number: int) -> Response:
    try:
        books = service()
        document = books.open(papers / Path(name).name)
        tile = books.page_image(document, number - 1, width_px=request.args.get("width", 800, int))
    except (OSError, sb.PageNotFound):
        abort(404)
    except sb.SidebooksError as error:
        abort(400, str(error))
    return Response(tile.data, mimetype=tile.media_type, headers={"etag": f'"{tile.etag}"'})
