"""Limits of a reader bind on every way to a page: which pages, how fine, the original, and the reader's name on images.

The routes are those of the table, so a new one is asked, too.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi import Reply, ask_async
from numpy.typing import NDArray
from PIL import Image
from town_hall import TownHall, address, town_hall

import sidebooks_core as sb
from sidebooks_core.access import Grant
from sidebooks_core.access.operations import READING, WITH_FILE, Operation
from sidebooks_core.access.policy import Limits
from sidebooks_core.access.principals import CITIZEN, Principal
from sidebooks_core.documents.model import Lettering, Link, OutlineItem
from sidebooks_core.encoding import marking
from sidebooks_core.encoding.tileset import unpack_tile
from sidebooks_core.errors import RenderFailed
from sidebooks_core.images.requests import Request, TilePlace
from sidebooks_core.server import application as application_module
from sidebooks_core.server.http import HttpRequest, HttpResponse
from sidebooks_core.server.image_answers import BUNDLE_TYPE
from sidebooks_core.server.marks import lines_of
from sidebooks_core.server.parts import ServerParts
from sidebooks_core.server.places import Places
from sidebooks_core.server.route import Route
from sidebooks_core.server.routes import ROUTES
from sidebooks_core.server.shelf import page_id
from sidebooks_core.stores.record import Record
from sidebooks_core.testing import FakeDocument, FakePage
from sidebooks_core.testing.documents import words_of
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers.jobs import Draw, DrawLetters

SECRET = "himitsu"
SECRET_COLOUR = (3, 250, 77)
"""Of the page that is withheld."""
MOST_PX = 1100
FINEST_PX = 4096
ALL_PAGES_SHOWN = Limits()


def paper(note: str) -> bytes:
    """Two pages that are shown, and a third that some may not see: its colour, words and label are nowhere else."""
    shown = FakePage(is_gradient=True, words=words_of("kaigi shiryou"), problems=("an image is missing",))
    link = Link(0.0, 0.0, 9.0, 9.0, None, f"https://{SECRET}.example/")
    withheld = FakePage(colour=SECRET_COLOUR, words=words_of(f"kaigi {SECRET}"), links=(link,), label=SECRET)
    outline = (OutlineItem(1, "opening", 0), OutlineItem(1, f"about {SECRET}", 2))
    return FakeDocument(pages=(shown, FakePage(colour=(9, 9, 200)), withheld), outline=outline, note=note).to_bytes()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TownHall]:
    with town_hall(tmp_path_factory.mktemp("hall")) as made:
        made.paper = made.shelf.register(paper("shared"), made.finance, name="paper")
        yield made


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    """One of its own: for tests that count what is drawn."""
    with town_hall(tmp_path) as made:
        made.paper = made.shelf.register(paper("own"), made.finance, name="paper")
        yield made


def limit(hall: TownHall, limits: Limits) -> None:
    """What members of the committee, and `other folder` beside them, may do from now on."""
    grants = [Grant("group", group, limits=limits) for group in ("finance", "planning")]
    hall.access.set_grants(hall.finance.id, grants)


def pictures(reply: Reply) -> list[NDArray[np.uint8]]:
    """All images in an answer, decoded."""
    media_type = reply.headers.get("content-type", "")
    if reply.status != 200:
        return []
    if media_type == BUNDLE_TYPE:
        found, row = [], 0
        columns = 1
        while True:
            try:
                tile = unpack_tile(reply.body, 0, row)
            except ValueError:
                return found
            if tile.width_px:
                found.append(pixels(tile.data))
            row += columns
    return [pixels(reply.body)] if media_type.startswith("image/") else []


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def page_long_px(picture: NDArray[np.uint8]) -> float:
    """The long side of the whole page at the scale of a picture of a gradient page, measured in the picture: green grows from 0
    to 255 from its top to its bottom. 0: the picture is too low to tell.
    """
    green = picture[:, picture.shape[1] // 2, 1].astype(float)
    return 255 * (len(green) - 1) / (green[-1] - green[0]) if len(green) >= 100 and green[-1] > green[0] else 0.0


IMAGES = [route for route in ROUTES if route.operation is Operation.READ_IMAGE]
OF_DOCUMENTS = [
    route
    for route in ROUTES
    if route.operation in READING and {"document", "image", "paper"} & set(route.parameters) and not route.changes_something
]


def ids(route: Route) -> str:
    return route.path


def page_address(route: Route, hall: TownHall, page: int, **values: str) -> str:
    document = hall.shelf.document(hall.paper.id)
    named = {"page": str(page + 1), "image": page_id(document, page), "span": "1-3", "query": "kaigi", "q": "kaigi"}
    return address(route, hall, **{**named, **values})


@pytest.mark.parametrize("route", OF_DOCUMENTS, ids=ids)
def test_nothing_is_told_of_a_page_outside_the_limits(shared: TownHall, route: Route) -> None:
    limit(shared, Limits(pages=((0, 1),)))
    names_page = {"page", "image"} & set(route.parameters)
    withheld = shared.ask("member", page_address(route, shared, 2))
    if names_page:
        nothing = shared.ask("member", page_address(route, shared, 9))
        assert (withheld.status, withheld.body) == (404, nothing.body), "withheld and absent look the same"
        assert shared.ask("member", page_address(route, shared, 1)).status in (200, 303)
    elif route.operation in WITH_FILE:
        assert withheld.status == 404
    else:
        assert withheld.status == 200
    assert SECRET.encode() not in withheld.body
    assert not any((abs(one.astype(int) - SECRET_COLOUR) <= 2).all(axis=2).any() for one in pictures(withheld))
    shown = shared.ask("clerk", page_address(route, shared, 2))
    let_in = (200, 303) if route.path != "/papers/{paper}/marks.pdf" else (400,)  # a fake engine writes no annotations
    assert shown.status in let_in, "who has no limits gets it at the same address"


def test_pages_outside_keep_their_places_and_viewers_still_work(shared: TownHall) -> None:
    limit(shared, Limits(pages=((1, 1),)))
    document = shared.shelf.document(shared.paper.id).id
    pages = shared.ask("member", f"/documents/{document}/pages.json").json()["pages"]
    assert [(one["page"], bool(one["levels"]), one.get("is_withheld", False)) for one in pages] == [
        (1, False, True), (2, True, False), (3, False, True),
    ]  # fmt: skip
    assert all(one["width_pt"] and one["height_px"] for one in pages)
    manifest = shared.ask("member", f"/presentation/3/{document}/manifest.json").json()
    assert [bool(one["items"][0]["items"]) for one in manifest["items"]] == [False, True, False]
    assert [bool(one["thumbnail"]) for one in manifest["items"]] == [False, True, False]
    assert manifest["thumbnail"][0]["id"].split("/")[-5] == f"{document}_p2"
    assert "structures" not in manifest
    details = shared.ask("member", f"/documents/{document}").json()
    assert (details["outline"], details["original"]) == ([], None)
    assert details["image_service"].endswith("_p2")
    assert details["limits"]["pages"] == [[2, 2]]
    assert {"read_image", "read_text"} <= set(details["limits"]["may"])
    assert "read_original" not in details["limits"]["may"]
    previews = shared.ask("member", f"/documents/{document}/previews/1-3")
    tiles = [unpack_tile(previews.body, 0, row) for row in range(3)]
    assert [bool(tile.width_px) for tile in tiles] == [False, True, False]
    hits = shared.ask("member", f"/documents/{document}/search/kaigi").json()["hits"]
    assert hits == [], "it is on the first and the last page"
    assert len(shared.ask("clerk", f"/documents/{document}/search/kaigi").json()["hits"]) == 2


FINE: dict[str, str] = {
    "level": "4", "column": "1", "row": "2", "size": "4000x4000.png", "region": "512,512,512,512", "iiifSize": "512,512",
    "dziLevel": "12", "format": "png",
}  # fmt: skip
"""The finest that there is, or a small part of it."""


@pytest.mark.parametrize("route", IMAGES, ids=ids)
def test_no_image_is_finer_than_the_limit_however_small_a_part_is_asked_for(shared: TownHall, route: Route) -> None:
    limit(shared, Limits(long_side_px=MOST_PX))
    path = page_address(route, shared, 0, **FINE)
    fine = shared.ask("clerk", path)
    assert fine.status == 200
    measured = [page_long_px(one) for one in pictures(fine)]
    assert "preview" in route.path or max(measured) > 2 * MOST_PX, "the address is that of a fine image"
    coarse = shared.ask("member", path)
    assert coarse.status in (200, 400, 404)
    for picture in pictures(coarse):
        assert max(picture.shape) <= MOST_PX
        assert page_long_px(picture) <= MOST_PX * 1.05
    assert "etag" not in coarse.headers or coarse.headers["etag"] != fine.headers["etag"] or "preview" in route.path


def test_what_is_described_can_be_had_and_the_next_finer_cannot(shared: TownHall) -> None:
    limit(shared, Limits(long_side_px=MOST_PX))
    document = shared.shelf.document(shared.paper.id)
    here, image = f"/documents/{document.id}", page_id(document, 0)
    levels = shared.ask("member", f"{here}/pages.json").json()["pages"][0]["levels"]
    assert [max(width, height) for width, height, _ in levels] == [256, 512, 1024]
    for level, _ in enumerate(levels):
        assert shared.ask("member", f"{here}/pages/1/tiles/{level}/0_0").status == 200
        assert shared.ask("member", f"{here}/pages/1/bundle/{level}").status == 200
    assert shared.ask("member", f"{here}/pages/1/tiles/3/0_0").status == 404
    assert shared.ask("member", f"{here}/pages/1/bundle/3").status == 404
    info = shared.ask("member", f"/iiif/3/{image}/info.json").json()
    assert max(info["width"], info["height"]) == 1024
    assert [max(one["width"], one["height"]) for one in info["sizes"]] == [256, 512, 1024]
    whole = pictures(shared.ask("member", f"/iiif/3/{image}/full/max/0/default.png"))[0]
    assert whole.shape[:2] == (info["height"], info["width"])
    part = pictures(shared.ask("member", f"/iiif/3/{image}/100,100,400,400/400,400/90/gray.png"))[0]
    assert part.shape == (400, 400, 3)
    described = shared.ask("member", f"/dzi/{image}.dzi").body.decode()
    assert 'Height="1024"' in described
    assert shared.ask("member", f"/dzi/{image}_files/10/0_0.png").status == 200
    assert shared.ask("member", f"/dzi/{image}_files/11/0_0.png").status == 404
    canvas = shared.ask("member", f"/presentation/3/{document.id}/manifest.json").json()["items"][0]
    assert canvas["height"] == FINEST_PX, "places of hits on it are the same for all readers"
    body = canvas["items"][0]["items"][0]["body"]
    assert max(body["width"], body["height"]) == 1024
    assert shared.ask("member", body["id"].removeprefix("http://test")).status == 200
    fitted = pictures(shared.ask("member", f"{here}/pages/1/3000x3000.png"))[0]
    assert max(fitted.shape) == MOST_PX, "a page fitted to a larger screen comes as large as it may"


def test_a_limit_below_all_levels_leaves_pages_at_that_size(shared: TownHall) -> None:
    limit(shared, Limits(long_side_px=100))
    document = shared.shelf.document(shared.paper.id)
    assert shared.ask("member", f"/documents/{document.id}/pages.json").json()["pages"][0]["levels"] == []
    assert max(pictures(shared.ask("member", f"/documents/{document.id}/pages/1/900x900"))[0].shape) == 100
    refused = ("pages/1/preview", "pages/1/tiles/0/0_0", "pages/1/bundle/0")
    assert {shared.ask("member", f"/documents/{document.id}/{path}").status for path in refused} == {404}
    image = page_id(document, 0)
    assert {shared.ask("member", path).status for path in (f"/iiif/3/{image}/info.json", f"/dzi/{image}.dzi")} == {404}
    assert shared.ask("member", f"/presentation/3/{document.id}/manifest.json").json()["items"][0]["items"][0]["items"] == []


@pytest.mark.parametrize(
    "limits",
    [Limits(pages=((0, 2),)), Limits(long_side_px=99999), Limits(is_marked=True), Limits(may_download=False)],
    ids=["pages", "resolution", "mark", "download"],
)
def test_the_original_would_get_round_any_limit_of_pages_resolution_and_mark(shared: TownHall, limits: Limits) -> None:
    limit(shared, limits)
    document = shared.shelf.document(shared.paper.id).id
    assert shared.ask("member", f"/documents/{document}/original").status == 404
    assert "rendering" not in shared.ask("member", f"/presentation/3/{document}/manifest.json").json()
    told = shared.ask("member", f"/documents/{document}").json()
    assert (told["original"], told["limits"]["may_download"]) == (None, False)
    limit(shared, Limits(may_print=False))
    assert shared.ask("member", f"/documents/{document}/original").status == 200
    assert shared.ask("member", f"/documents/{document}").json()["limits"]["may_print"] is False
    assert shared.ask("member", f"/documents/{document}/pages.json").json()["may_print"] is False
    assert shared.ask("clerk", f"/documents/{document}/pages.json").json()["may_print"] is True


async def careless(parts: ServerParts, request: HttpRequest) -> HttpResponse:
    """A handler as somebody may write it who does not know of limits."""
    document = parts.document(request)
    number = int(request.params["page"]) - 1
    spec = RasterSpec.whole_page(4.0, 2380, 3368)
    return await parts.images.tile(request, TilePlace(Request(document, number, spec, "png")))


def test_a_new_route_that_knows_nothing_of_limits_is_held_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route(
        path="/documents/{document}/careless/{page}",
        handler=careless,
        operation=Operation.READ_IMAGE,
        summary="",
        media_type="image/*",
    )
    monkeypatch.setattr(application_module, "ROUTES", (*ROUTES, route))
    with town_hall(tmp_path) as hall:
        hall.paper = hall.shelf.register(paper("careless"), hall.finance, name="paper")
        path = page_address(route, hall, 0)
        plain = hall.ask("clerk", path)
        assert plain.status == 200
        for limits in (Limits(pages=((1, 2),)), Limits(long_side_px=2000)):
            limit(hall, limits)
            assert hall.ask("member", path).status == 404
        limit(hall, Limits(is_marked=True))
        marked = hall.ask("member", path)
        assert (marked.status, marked.body != plain.body) == (200, True)


@pytest.mark.parametrize("route", IMAGES, ids=ids)
@pytest.mark.parametrize("values", [{}, {"rotation": "90"}, {"quality": "bitonal"}, {"format": "jpg"}], ids=str)
def test_images_carry_the_name_of_each_reader(shared: TownHall, route: Route, values: dict[str, str]) -> None:
    limit(shared, Limits(is_marked=True))
    path = page_address(route, shared, 1, **{"dziLevel": "9", "iiifSize": "!700,700", **values})
    plain = shared.ask("clerk", path)
    first, second = shared.ask("member", path), shared.ask("other folder", path)
    assert {plain.status, first.status, second.status} == {200}
    assert len({plain.body, first.body, second.body}) == 3
    for number, picture in enumerate(pictures(plain)):
        for reply in (first, second):
            assert reply.headers["content-type"] == plain.headers["content-type"]
            changed = (abs(pictures(reply)[number].astype(int) - picture) > 12).any(axis=2).mean()
            assert 0.005 < changed < 0.5, "each of the images in it"
    for reply in (first, second):
        assert "etag" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"
    for given in filter(None, ("*", plain.headers.get("etag"), f"W/{plain.headers.get('etag')}")):
        again = shared.ask("member", path, If_None_Match=given)
        assert (again.status, again.body) == (200, first.body), "an ETag of the plain image is no reason to send nothing"
    assert shared.ask("clerk", path).body == plain.body, "what is marked is kept nowhere"
    if "etag" in plain.headers:
        assert shared.ask("clerk", path, If_None_Match=plain.headers["etag"]).status == 304


def test_a_page_is_drawn_once_for_all_readers_and_nothing_marked_is_kept(
    hall: TownHall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = hall.application.service.parts.images.keeper.store
    put, original = [], store.put

    def noted(key: str, record: Record, **more: Any) -> None:
        put.append(record.data)
        original(key, record, **more)

    monkeypatch.setattr(store, "put", noted)
    limit(hall, Limits(is_marked=True))
    document = hall.shelf.document(hall.paper.id).id
    path = f"/documents/{document}/pages/2/800x1100"
    first = hall.ask("member", path)
    replies = [hall.ask(who, path) for who in ("other folder", "member", "clerk")]
    drawn = [one.job.spec for one in hall.engine.begun if isinstance(one.job, Draw) and one.job.page == 1]
    assert [max(spec.x1_px, spec.y1_px) for spec in drawn].count(1100) == 1
    assert hall.engine.count(DrawLetters) == 2, "once for each reader"
    turned = hall.ask("member", f"/iiif/3/{document}_p2/full/200,/90/gray.png")
    store.flush()
    assert any(replies[-1].body in data for data in put), "the plain image is in memory"
    kept = b"".join([*put, *(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())])
    for reply in (first, turned, *replies[:2]):
        assert reply.body not in kept
    assert len(hall.application.fast_path) == 1, "of the clerk's answer"
    assert hall.ask("member", path).body == first.body, "the fast path does not answer who has limits"


def test_the_mark_goes_on_over_the_borders_of_tiles(shared: TownHall) -> None:
    limit(shared, Limits(is_marked=True))
    document = shared.shelf.document(shared.paper.id)
    level = document.pyramid(1).levels[4]
    assert min(level.columns, level.rows) > 1

    def joined(who: str) -> NDArray[np.uint8]:
        whole = np.zeros((level.height_px, level.width_px, 3), np.uint8)
        for row in range(level.rows):
            for column in range(level.columns):
                rect = level.tile_rect(column, row)
                reply = shared.ask(who, f"/documents/{document.id}/pages/2/tiles/4/{column}_{row}")
                whole[rect.y0_px : rect.y1_px, rect.x0_px : rect.x1_px] = pictures(reply)[0]
        return whole

    plain, marked = joined("clerk"), joined("member")
    changed = (plain != marked).any(axis=2)
    at = level.tile_px
    for before, after in ((changed[:, at - 1], changed[:, at]), (changed[at - 1], changed[at])):
        assert before.any()
        assert after.any()
        assert (before != after).mean() < 0.04, "strokes that reach a border go on behind it"
    region = shared.ask("member", f"/iiif/3/{document.id}_p2/700,900,600,500/600,500/0/default.png")
    assert np.array_equal(pictures(region)[0], marked[900:1400, 700:1300]), "a part of the page shows that part of the mark"


def test_a_page_whose_mark_cannot_be_drawn_is_refused(hall: TownHall) -> None:
    limit(hall, Limits(is_marked=True))
    document = hall.shelf.document(hall.paper.id).id
    paths = [f"/documents/{document}/{one}" for one in ("pages/2/300x400", "pages/2/bundle/0", "previews/1-2")]
    with hall.engine.fail(DrawLetters, RenderFailed("no font")):
        assert [hall.ask("member", path).status for path in paths] == [500] * 3
    with hall.engine.on(DrawLetters, lambda _: Lettering(8, 8, bytes(64))):
        assert [hall.ask("member", path).status for path in paths] == [500] * 3, "a mark that shows nothing is none"
    assert [hall.ask("member", path).status for path in paths] == [200] * 3


def test_a_marked_page_that_is_not_whole_still_says_so(shared: TownHall) -> None:
    limit(shared, Limits(is_marked=True))
    document = shared.shelf.document(shared.paper.id).id
    for path in ("pages/1/300x400", "pages/1/bundle/0", "pages/1/tiles/0/0_0"):
        assert "an image is missing" in shared.ask("member", f"/documents/{document}/{path}").headers["sidebooks-problems"]


def test_a_coarse_image_in_place_of_a_late_one_is_marked(hall: TownHall, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(hall, Limits(is_marked=True))
    document = hall.shelf.document(hall.paper.id).id
    assert hall.ask("clerk", f"/documents/{document}/pages/2/preview").status == 200
    monkeypatch.setattr(hall.application.images, "loaded", 0)
    path = f"/documents/{document}/pages/2/300x400"
    with hall.engine.hold(Draw):
        replies = [hall.ask(who, path) for who in ("member", "other folder")]
        assert all("sidebooks-resolution" in reply.headers for reply in replies)
    plain = np.full_like(pictures(replies[0])[0], (9, 9, 200))
    for reply in replies:
        assert 0.01 < (abs(pictures(reply)[0].astype(int) - plain) > 12).any(axis=2).mean() < 0.5
    assert replies[0].body != replies[1].body


def test_readers_are_told_nothing_beyond_their_limits_by_events(hall: TownHall) -> None:
    limit(hall, Limits(pages=((0, 0),), long_side_px=512, is_marked=True))
    document = hall.shelf.document(hall.paper.id).id
    hint = {"session": "s", "page": 3, "view_px": [3000, 3000]}
    path = f"/documents/{document}/hints"
    assert hall.ask("member", path, "POST", hint).status == 404
    application, cookie = hall.application, {"Cookie": f"sidebooks_login={hall.cookies['member']}"}

    async def told() -> bytes:
        listening = asyncio.ensure_future(
            ask_async(application, "/events?session=s", headers=cookie, leave_when=lambda body: b'"is_sharp":true' in body)
        )
        await asyncio.sleep(0.1)
        body = json.dumps({**hint, "page": 1, "spread": True}).encode()
        assert (await ask_async(application, path, "POST", cookie, body)).status == 202
        return (await asyncio.wait_for(listening, 20)).body

    events = [json.loads(one) for one in re.findall(r"event: page\ndata: (.*)\n", asyncio.run(told()).decode())]
    shown = [image for event in events for image in event["images"]]
    assert shown
    assert {image["page"] for image in shown} == {1}
    assert {image["etag"] for image in shown} == {""}, "readers with a mark get images without tags"
    drawn = [one.job.spec for one in hall.engine.begun if isinstance(one.job, Draw) and one.job.page == 0]
    assert max(max(spec.x1_px, spec.y1_px) for spec in drawn) <= 512


def test_a_mark_names_the_reader_the_day_and_the_login() -> None:
    reader = Principal("p1", "髙橋\u202e 花子\n", "member", session="abcdefghijklmnop")
    noon_s = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))
    assert lines_of(reader, "192.0.2.1", noon_s) == ("髙橋 花子", "2026-11-29 abcdefgh")
    assert lines_of(CITIZEN, "192.0.2.1", noon_s) == ("citizen", "2026-11-29 192.0.2.1")
    assert len(lines_of(Principal("p1", "x" * 500, "member"), "192.0.2.1", noon_s)[0]) == 24


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> Lettering:
    """A name as a worker of the real engine draws it."""
    with sb.TileService(sb.Settings(cache_dir=tmp_path_factory.mktemp("cache"), workers=1)) as service:
        lettering = service.parts.questions.lettering
        drawn = lettering(("髙橋 﨑子 𠮷田 김", "2026-11-29 abcdefgh"), 72).result(60)
        other = lettering(("髙橋 﨑子 𠮷田", "2026-11-29 abcdefgh"), 72).result(60)
        assert drawn.ink != other.ink
        return drawn


def test_a_worker_draws_names_in_any_script(name: Lettering) -> None:
    ink = np.frombuffer(name.ink, np.uint8).reshape(name.height_px, name.width_px)
    upper = ink[: name.height_px // 2] > 128
    parts = np.array_split(upper, 10, axis=1)
    assert sum(part.mean() > 0.03 for part in parts) >= 8, "characters, and one gap for each blank"
    assert 0.05 < upper.mean() < 0.5


def strokes_of(name: Lettering, letters_px: int) -> marking.Strokes:
    return marking.strokes(name.ink, (name.width_px, name.height_px), 72, letters_px)


@pytest.mark.parametrize("shade", [0, 60, 111, 112, 128, 190, 255])
def test_the_mark_is_seen_on_every_shade_and_hides_no_text(name: Lettering, shade: int) -> None:
    page = np.full((1400, 1000), shade, np.uint8)
    page[::3] = 255 - shade
    before = page.copy()
    marking.lay_over(page, (0, 0), strokes_of(name, marking.letters_px(1400)))
    change = abs(page.astype(int) - before)
    assert change.max() >= 30
    assert 0.02 < (change > 0).mean() < 0.2
    assert (change <= 51).all()
    if shade in (0, 255):
        assert abs(page[0:1398:3].astype(int) - page[1:1399:3]).min() >= 255 - 51 - 34


def test_no_part_of_a_page_is_without_the_mark(name: Lettering) -> None:
    page = np.full((2048, 1448), 255, np.uint8)
    marking.lay_over(page, (0, 0), strokes_of(name, marking.letters_px(2048)))
    for top in range(0, 2048 - 300, 100):
        for left in range(0, 1448 - 300, 100):
            assert (page[top : top + 300, left : left + 300] < 255).mean() > 0.01, "a seventh of the page's height"


def test_a_page_of_few_colours_stays_one(name: Lettering) -> None:
    page = np.full((800, 600), 255, np.uint8)
    page[::9] = 0
    marking.lay_over(page, (0, 0), strokes_of(name, 20))
    assert len(np.unique(page)) <= 2 * (1 + marking.SHADES)


def test_a_paper_that_was_moved_to_where_there_are_limits_is_searched_with_these(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places that this process keeps are those before the move, as if another process had moved it."""
    open_folder = hall.shelf.make_folder("open")
    hall.shelf.change(hall.paper.id, folder=open_folder)
    limit(hall, Limits(pages=((1, 2),)))
    path = f"/papers/{hall.paper.id}/search?q=kaigi"
    assert {one["page"] for one in hall.ask("member", path).json()["hits"]} == {1, 3}
    monkeypatch.setattr(Places, "forget", lambda _: None)
    hall.shelf.change(hall.paper.id, folder=hall.finance)
    assert {one["page"] for one in hall.ask("member", path).json()["hits"]} == {3}
