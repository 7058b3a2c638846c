"""Flask: `flask --app library fill` draws pages ahead, /papers/NAME/3?width=800 shows one. LIBRARY names a folder of papers."""

import atexit
import os
from pathlib import Path
from threading import Lock

from flask import Flask, Response, abort, request

import sidebooks_core as sb

SCREENS = [(1620, 2160), (820, 1180)]
app = Flask(__name__)
papers = Path(os.environ["LIBRARY"])


made: list[sb.TileService] = []
making = Lock()


def service() -> sb.TileService:
    with making:  # at the first use: a server may fork after the import, and workers belong to one process
        if not made:
            made.append(sb.TileService())
            atexit.register(made[0].close)
        return made[0]


@app.cli.command("fill")
def fill() -> None:
    paths = sorted(papers.iterdir())
    for path, done in zip(paths, service().prerender_all(paths, fit_px=SCREENS), strict=True):
        print(path.name, f"{done.report.rendered} images" if done.report else done.error)


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
