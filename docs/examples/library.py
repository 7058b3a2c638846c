"""Flask: `flask --app library fill` draws pages ahead, /papers/NAME/3?width=800 shows one. LIBRARY names a folder of papers."""

import os
from pathlib import Path

from flask import Flask, Response, abort, request

import sidebooks_core as sb

SCREENS = [(1620, 2160), (820, 1180)]
app = Flask(__name__)
service = sb.TileService()  # in each process of the server: workers belong to the process that made them
papers = Path(os.environ["LIBRARY"])


@app.cli.command("fill")
def fill() -> None:
    for path in sorted(papers.iterdir()):
        try:
            print(path.name, service.prerender(service.open(path), fit_px=SCREENS).rendered, "images")
        except (OSError, sb.SidebooksError) as error:
            print(error)


@app.get("/papers/<name>/<int:number>")
def page(name: str, number: int) -> Response:
    try:
        document = service.open(papers / Path(name).name)
        tile = service.page_image(document, number - 1, width_px=request.args.get("width", 800, int))
    except (OSError, sb.PageNotFound):
        abort(404)
    except sb.SidebooksError as error:
        abort(400, str(error))
    return Response(tile.data, mimetype=tile.media_type, headers={"etag": f'"{tile.etag}"'})
