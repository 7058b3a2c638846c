"""The HTTP application: what it answers, with which headers, and what it never does."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi import Reply, ask, ask_async, image
from PIL import Image

import sidebooks_core as sb
from sidebooks_core.encoding.tileset import unpack_tile
from sidebooks_core.images.requests import TilePlace
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.listening import listening
from sidebooks_core.server.sessions import HintedPage
from sidebooks_core.server.shelf import page_id


def test_the_documents_are_listed_with_their_image_services(application: Application, document: sb.Document) -> None:
    [one] = ask(application, "/documents").json()["documents"]
    assert (one["id"], one["page_count"]) == (document.id, document.page_count)
    assert ask(application, one["image_service"].removeprefix("http://test") + "/info.json").status == 200
    pages = ask(application, one["pages"].removeprefix("http://test")).json()["pages"]
    assert [page["page"] for page in pages] == list(range(1, document.page_count + 1))


def test_info_json_negotiates_its_type(application: Application, first_page: str) -> None:
    reply = ask(application, f"{first_page}/info.json")
    assert reply.headers["content-type"].startswith("application/ld+json")
    assert next(iter(reply.json())) == "@context"
    assert reply.json()["id"] == f"http://test{first_page}"
    plain = ask(application, f"{first_page}/info.json", headers={"Accept": "application/json"})
    assert plain.headers["content-type"] == "application/json"
    redirect = ask(application, first_page)
    assert (redirect.status, redirect.headers["location"]) == (303, f"http://test{first_page}/info.json")


def test_iiif_tiles_put_together_are_the_level(application: Application, document: sb.Document, first_page: str) -> None:
    info = ask(application, f"{first_page}/info.json").json()
    side, width, height = info["tiles"][0]["width"], info["width"], info["height"]
    whole = np.zeros((height, width, 3), np.uint8)
    for y in range(0, height, side):
        for x in range(0, width, side):
            across, down = min(side, width - x), min(side, height - y)
            tile = image(ask(application, f"{first_page}/{x},{y},{across},{down}/{across},{down}/0/default.png"))
            assert tile.size == (across, down)
            whole[y : y + down, x : x + across] = np.asarray(tile.convert("RGB"))
    level = document.pyramid(0).finest
    service = application.service
    for column, row in ((0, 0), (level.columns - 1, level.rows - 1)):
        ours = service.tile(document, 0, level.index, column, row).pixels()
        y, x = row * side, column * side
        assert np.array_equal(ours, whole[y : y + ours.shape[0], x : x + ours.shape[1]])


@pytest.mark.parametrize(
    ("request_path", "size", "form"),
    [
        ("full/max/0/default.jpg", (2897, 4096), "JPEG"),
        ("full/300,/0/default.png", (300, 424), "PNG"),
        ("full/300,/90/default.png", (424, 300), "PNG"),
        ("square/200,100/!180/bitonal.png", (200, 100), "PNG"),
        ("100,100,500,300/250,150/0/gray.webp", (250, 150), "WEBP"),
        ("pct:25,25,50,50/!200,200/0/color.avif", (141, 200), "AVIF"),
    ],
)
def test_images_have_the_size_and_format_asked_for(
    application: Application, first_page: str, request_path: str, size: tuple[int, int], form: str
) -> None:
    reply = ask(application, f"{first_page}/{request_path}")
    found = image(reply)
    assert (found.size, found.format) == (size, form)
    assert 'rel="canonical"' in reply.headers["link"]
    assert 'rel="profile"' in reply.headers["link"]
    again = ask(application, f"{first_page}/{request_path}")
    assert (again.body, again.headers["etag"]) == (reply.body, reply.headers["etag"])


def test_turning_and_mirroring_move_the_right_pixels(application: Application, first_page: str) -> None:
    plain = np.asarray(image(ask(application, f"{first_page}/full/200,283/0/default.png")).convert("L"), np.int16)
    turned = np.asarray(image(ask(application, f"{first_page}/full/200,283/90/default.png")).convert("L"), np.int16)
    mirrored = np.asarray(image(ask(application, f"{first_page}/full/200,283/!0/default.png")).convert("L"), np.int16)
    assert np.array_equal(turned, np.rot90(plain, -1))
    assert np.array_equal(mirrored, plain[:, ::-1])


def test_an_etag_is_answered_without_a_render(application: Application, document: sb.Document, first_page: str) -> None:
    for page in range(document.page_count):
        document.content_id(page)
    address = f"{first_page}/full/777,/0/default.png"
    tag = ask(application, address).headers["etag"]
    assert tag.startswith('"')
    renders = application.service.statistics().renders
    application.service.parts.images.keeper.purge([document.content_id(0)])
    reply = ask(application, address, headers={"If-None-Match": f'"other", {tag}'})
    assert (reply.status, reply.body) == (304, b"")
    assert application.service.statistics().renders == renders


def test_head_has_the_headers_of_get(application: Application, first_page: str) -> None:
    for path in (f"{first_page}/full/100,/0/default.jpg", f"{first_page}/info.json", "/documents"):
        get, head = ask(application, path), ask(application, path, method="HEAD")
        assert head.body == b""
        assert {k: v for k, v in head.headers.items() if k != "server-timing"} == {
            k: v for k, v in get.headers.items() if k != "server-timing"
        }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/iiif/3/unknown/info.json", 404),
        ("/iiif/2/{id}/info.json", 404),
        ("/iiif/3/{document}_p0/info.json", 404),
        ("/iiif/3/{document}_p999/info.json", 404),
        ("/iiif/3/..%2f..%2fetc%2fpasswd/info.json", 404),
        ("/iiif/3/{id}/full/max/0", 404),
        ("/iiif/3/{id}/0,0,0,0/max/0/default.jpg", 400),
        ("/iiif/3/{id}/full/99999999999,/0/default.jpg", 400),
        ("/iiif/3/{id}/full/max/0/default.%00", 400),
        ("/iiif/3/%ff%fe/info.json", 400),
        ("/viewer/../../pyproject.toml", 404),
        ("/viewer/%2e%2e%2fapplication.py", 404),
        ("/documents/{document}/pages/0/preview", 404),
        ("/documents/{document}/pages/1/0x0", 404),
        ("/documents/{document}/pages/1/99999x99999", 400),
        ("/" + "a" * 2000, 414),
    ],
)
def test_bad_requests(application: Application, document: sb.Document, path: str, status: int) -> None:
    reply = ask(application, path.format(id=page_id(document, 0), document=document.id))
    assert reply.status == status, reply.body
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json()["status"] == status
    assert "/" not in re.sub(r"about:blank", "", reply.json()["detail"]), "no path of the machine"


def test_other_methods_are_refused(application: Application) -> None:
    assert ask(application, "/documents", method="POST").status == 405
    assert ask(application, "/documents", method="DELETE").status == 405


def test_json_is_compressed_for_who_can_read_it(application: Application, document: sb.Document) -> None:
    path = f"/documents/{document.id}/pages.json"
    plain = ask(application, path)
    packed = ask(application, path, headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3


def test_manifest_search_and_deep_zoom(application: Application, document: sb.Document) -> None:
    manifest = ask(application, f"/presentation/3/{document.id}/manifest.json").json()
    assert len(manifest["items"]) == document.page_count
    body = manifest["items"][3]["items"][0]["items"][0]["body"]
    assert image(ask(application, body["id"].removeprefix("http://test"))).size == (body["width"], body["height"])
    assert manifest["structures"]
    found = ask(application, f"/search/2/{document.id}?q=jlreq").json()
    assert found["items"]
    assert "#xywh=" in found["items"][0]["target"]
    page = page_id(document, 0)
    dzi = ask(application, f"/dzi/{page}.dzi")
    width, height = (int(re.search(rf'{side}="(\d+)"', dzi.body.decode())[1]) for side in ("Width", "Height"))  # type: ignore[index]
    top = (max(width, height) - 1).bit_length()
    assert image(ask(application, f"/dzi/{page}_files/0/0_0.jpg")).size == (1, 1)
    last_column, last_row = (width - 1) // 512, (height - 1) // 512
    corner = image(ask(application, f"/dzi/{page}_files/{top}/{last_column}_{last_row}.jpg"))
    assert corner.size == (width - last_column * 512, height - last_row * 512)
    assert ask(application, f"/dzi/{page}_files/{top}/{last_column + 1}_0.jpg").status == 404
    assert ask(application, f"/dzi/{page}_files/{top + 1}/0_0.jpg").status == 404


def test_our_own_pages(application: Application, document: sb.Document) -> None:
    base = f"/documents/{document.id}"
    service = application.service
    fitted = ask(application, f"{base}/pages/3/800x1000")
    assert fitted.body == service.page_image(document, 2, height_px=1000).data, "what a Reader of that screen shows"
    assert ask(application, f"{base}/pages/3/preview").body == service.tile(document, 2, 0, 0, 0).data
    assert ask(application, f"{base}/pages/3/800x1000.webp").headers["content-type"] == "image/webp"
    words = ask(application, f"{base}/pages/1/text").json()["words"]
    assert [word[4] for word in words] == [word.text for word in service.text(document, 0)]
    hits = ask(application, f"{base}/search/%E6%97%A5%E6%9C%AC%E8%AA%9E").json()["hits"]
    assert len(hits) == len(service.search(document, "日本語"))
    assert ask(application, f"{base}/pages/1/links").status == 200
    details = ask(application, base).json()
    assert details["outline"]


def test_a_bundle_holds_all_tiles_of_a_level(application: Application, document: sb.Document) -> None:
    level = document.pyramid(0).finest
    reply = ask(application, f"/documents/{document.id}/pages/1/bundle/{level.index}")
    assert reply.status == 200
    for column, row in ((0, 0), (level.columns - 1, level.rows - 1)):
        assert unpack_tile(reply.body, column, row).data == application.service.tile(document, 0, level.index, column, row).data
    assert ask(application, f"/documents/{document.id}/pages/1/bundle/99").status == 404


def test_tiles_of_levels_have_an_address_of_their_own(application: Application, document: sb.Document) -> None:
    [page, *_] = ask(application, f"/documents/{document.id}/pages.json").json()["pages"]
    pyramid = document.pyramid(0)
    assert page["levels"] == [[level.width_px, level.height_px, level.tile_px] for level in pyramid.levels]
    finest = pyramid.finest
    column, row = finest.columns - 1, finest.rows - 1
    base = f"/documents/{document.id}/pages/1/tiles/{finest.index}"
    reply = ask(application, f"{base}/{column}_{row}")
    assert reply.body == application.service.tile(document, 0, finest.index, column, row).data
    assert ask(application, f"{base}/{column}_{row}", headers={"If-None-Match": reply.headers["etag"]}).status == 304
    for wrong in (f"{base}/{column + 1}_0", f"{base}/0_{row + 1}", f"{base}/-1_0", f"{base[:-1]}99/0_0", f"{base}/0_0.png"):
        assert ask(application, wrong).status == 404, wrong


def test_previews_come_many_at_a_time(application: Application, document: sb.Document) -> None:
    base = f"/documents/{document.id}/previews"
    reply = ask(application, f"{base}/2-5")
    assert reply.headers["cache-control"].endswith("immutable")
    renders = application.service.statistics().renders
    for row, page in enumerate(range(1, 5)):
        tile = unpack_tile(reply.body, 0, row)
        assert tile.data == application.service.tile(document, page, 0, 0, 0).data
    again = ask(application, f"{base}/2-5", headers={"If-None-Match": reply.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert application.service.statistics().renders == renders
    for wrong in (f"{base}/5-2", f"{base}/0-3", f"{base}/1-{document.page_count + 1}", f"{base}/1"):
        assert ask(application, wrong).status == 404, wrong


def test_a_page_that_cannot_be_drawn_fails_alone_among_previews(
    application: Application, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = application.service
    submit = service.parts.images.submit

    def fails_once(at: TilePlace, *arguments: Any) -> Future[sb.Tile]:
        if at.request.page != 1:
            return submit(at, *arguments)
        failed: Future[sb.Tile] = Future()
        failed.set_exception(sb.RenderFailed("it cannot be drawn", document_id=document.id, page=1))
        return failed

    monkeypatch.setattr(service.parts.images, "submit", fails_once)
    reply = ask(application, f"/documents/{document.id}/previews/1-3")
    assert (reply.status, reply.headers["cache-control"]) == (200, "public, max-age=2")
    good, bad, other = (unpack_tile(reply.body, 0, row) for row in range(3))
    assert good.width_px > 0
    assert other.width_px > 0
    assert (bad.width_px, bad.media_type.split(";")[0]) == (0, "text/plain")
    assert b"cannot be drawn" in bad.data


def test_ranges_of_the_original(application: Application, document: sb.Document, sample: Path) -> None:
    path = f"/documents/{document.id}/original"
    content = sample.read_bytes()
    assert ask(application, path).body == content
    part = ask(application, path, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert ask(application, path, headers={"Range": "bytes=-5"}).body == content[-5:]
    outside = ask(application, path, headers={"Range": f"bytes={len(content)}-"})
    assert (outside.status, outside.headers["content-range"]) == (416, f"bytes */{len(content)}")
    for ignored in ("bytes=1-2,4-5", "lines=1-2", "bytes=5-2", "bytes=-", "nonsense"):
        whole = ask(application, path, headers={"Range": ignored})
        assert (whole.status, whole.body) == (200, content), ignored
    tag = part.headers["etag"]
    for only_if, status in ((tag, 206), ('"other"', 200), ("Tue, 01 Jan 2030 00:00:00 GMT", 200), (f"W/{tag}", 200)):
        reply = ask(application, path, headers={"Range": "bytes=0-1", "If-Range": only_if})
        assert reply.status == status, only_if
    assert ask(application, path, method="HEAD", headers={"Range": "bytes=0-1"}).status == 200


def test_an_original_that_changed_is_not_served(service: sb.TileService, sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "minutes.pdf"
    path.write_bytes(sample.read_bytes())
    shelf = Shelf(service)
    application = Application(shelf)
    address = f"/documents/{shelf.register(path).id}/original"
    head = ask(application, address, method="HEAD")
    assert (head.status, head.body, int(head.headers["content-length"])) == (200, b"", path.stat().st_size)
    path.write_bytes(b"x" * path.stat().st_size)
    assert ask(application, address).status == 410
    path.unlink()
    assert ask(application, address).status == 410
    application.close()


def test_a_hint_has_the_next_pages_drawn(application: Application, document: sb.Document) -> None:
    hint = {"session": "s", "page": 4, "view_px": [800, 1000]}
    path = f"/documents/{document.id}/hints"
    assert ask(application, path, method="POST", body=json.dumps(hint).encode()).status == 202
    images = application.service.parts.images
    wanted = [images.whole_page(document, page, None, 1000).request for page in (3, 4, 2)]
    deadline_s = time.monotonic() + 20
    while not all(images.keeper.in_memory(one) for one in wanted):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    for bad in ({}, {"session": "s", "page": 0, "view_px": [1, 1]}, {"session": "s", "page": 1, "view_px": [0, 1]}, []):
        assert ask(application, path, method="POST", body=json.dumps(bad).encode()).status == 400
    assert ask(application, path, method="POST", body=b"x" * 20_000).status == 413
    assert ask(application, path, method="POST", body=b"{}", headers={"Content-Encoding": "gzip"}).status == 415


def test_the_short_way_gives_the_same_answer(application: Application, shelf: Shelf, first_page: str) -> None:
    path = f"{first_page}/full/700,/0/default.png"
    replies = [ask(application, path) for _ in range(3)]
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    for reply in replies:
        reply.headers.pop("server-timing")
    assert replies[0].headers == replies[1].headers == replies[2].headers
    hits = application.service.statistics().memory_hits
    assert hits >= 2
    same = ask(application, path, headers={"If-None-Match": replies[0].headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    elsewhere = ask(application, path, headers={"X-Other": "1"})
    assert elsewhere.body == replies[0].body
    application.service.purge(shelf.all()[0].document)
    renders = application.service.statistics().renders
    assert ask(application, path).status == 200
    assert application.service.statistics().renders == renders + 1, (
        "bytes are not kept past the memory's budget, nor past a purge"
    )
    shelf.remove(shelf.ids()[0])
    assert ask(application, path).status == 404, "what is served no longer is not served from habit"


def events(reply: Reply) -> list[tuple[str, dict[str, Any]]]:
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in reply.headers
    return events_in(reply.body)


def events_in(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Those that came whole."""
    found = []
    for block in body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_the_first_page_of_what_is_registered_is_identified_before_anybody_asks(shelf: Shelf, sample: Path) -> None:
    renders = shelf.service.statistics().renders
    document = shelf.register(sample.read_bytes() + b"\n%")
    deadline_s = time.monotonic() + 60
    while document.known_content_id(0) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert shelf.service.statistics().renders == renders


def test_everybody_sees_a_document_that_is_registered(application: Application, shelf: Shelf, tmp_path: Path) -> None:
    first = shelf.ids()
    path = tmp_path / "late.png"
    Image.new("RGB", (40, 30), "red").save(path)

    async def scenario() -> list[Reply]:
        listening = [asyncio.create_task(ask_async(application, "/events", leave_after=3)) for _ in range(3)]
        await asyncio.sleep(0.2)
        await asyncio.to_thread(shelf.register, path)
        return await asyncio.wait_for(asyncio.gather(*listening), 20)

    for reply in asyncio.run(scenario()):
        assert events(reply) == [("documents", {"documents": first}), ("documents", {"documents": shelf.ids()})]
    assert len(shelf.ids()) == 2


def test_a_session_is_told_when_its_page_is_sharp(application: Application, document: sb.Document) -> None:
    hint = json.dumps({"session": "mine", "page": 2, "view_px": [700, 900]}).encode()

    def is_told(body: bytes) -> bool:
        pages = [data for kind, data in events_in(body) if kind == "page"]
        return bool(pages) and pages[-1]["is_sharp"]

    async def scenario() -> list[tuple[str, dict[str, Any]]]:
        listening = asyncio.create_task(ask_async(application, "/events?session=mine", leave_when=is_told))
        other = asyncio.create_task(ask_async(application, "/events?session=other", leave_after=2))
        await asyncio.sleep(0.1)
        await ask_async(application, f"/documents/{document.id}/hints", "POST", body=hint)
        found = events(await asyncio.wait_for(listening, 120))
        assert [kind for kind, _ in events(await other)] == ["documents"]
        return found

    [(_, _), *shown] = asyncio.run(scenario())
    assert {kind for kind, _ in shown} == {"page"}
    last = shown[-1][1]
    assert (last["document"], last["page"], last["resolution"], last["errors"]) == (document.id, 2, 1.0, [])
    [one] = last["images"]
    sharp = ask(application, f"/documents/{document.id}/pages/2/700x900")
    assert sharp.headers["etag"] == f'"{one["etag"]}"'
    assert not one["is_coarse"]


def test_streams_end_with_the_server(application: Application) -> None:
    async def scenario() -> Reply:
        listening = asyncio.create_task(ask_async(application, "/events"))
        await asyncio.sleep(0.1)
        application.close()
        return await asyncio.wait_for(listening, 20)

    assert [kind for kind, _ in events(asyncio.run(scenario()))] == ["documents"]


def test_metrics_count(application: Application, document: sb.Document, first_page: str) -> None:
    ask(application, f"{first_page}/full/100,/0/default.jpg")
    text = ask(application, "/metrics").body.decode()
    assert "sidebooks_renders_total 1" in text
    assert 'sidebooks_responses_total{status="200"} 1' in text
    assert "\nsidebooks_sessions 0.0\n" in text
    application.sessions.follow("s", HintedPage(document, 0, (300, 400), False))
    application.sessions.end("s")
    assert 'sidebooks_session_ends_total{reason="left"} 1' in ask(application, "/metrics").body.decode()


def test_an_image_file_is_its_own_full_image(service: sb.TileService, application: Application, shelf: Shelf) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (300, 400, 3), np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    document = shelf.register(packed.getvalue())
    path = f"/iiif/3/{page_id(document, 0)}"
    info = ask(application, f"{path}/info.json").json()
    assert (info["width"], info["height"]) == (400, 300)
    assert np.array_equal(np.asarray(image(ask(application, f"{path}/full/max/0/default.png"))), pixels)
    region = image(ask(application, f"{path}/100,50,60,40/max/0/default.png"))
    assert np.array_equal(np.asarray(region), pixels[50:90, 100:160])
    assert ask(application, f"/documents/{document.id}/original").status == 404


def test_a_watched_folder(service: sb.TileService, sample: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "notes.txt").write_text("no document")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n")
    shelf = Shelf(service)
    assert shelf.register_folder(folder) == 0
    (folder / "sub" / "a.pdf").write_bytes(sample.read_bytes())
    assert shelf.register_folder(folder) == 1
    assert [one.document.name for one in shelf.all()] == ["a.pdf"]
    (folder / "sub" / "a.pdf").unlink()
    assert shelf.register_folder(folder) == 0
    assert not shelf.all()


def test_short_answers_do_not_wait_for_acknowledgements() -> None:
    async def scenario() -> int:
        accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listening("127.0.0.1", 0) as listener:
            server = await asyncio.start_server(connected, sock=listener)
            _, writer = await asyncio.open_connection(*listener.getsockname())
            no_delay = await asyncio.wait_for(accepted, 10)
            writer.close()
            server.close()
        return no_delay

    assert asyncio.run(scenario()) != 0


def test_the_command_serves_until_it_is_told_to_end(sample: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sidebooks_core", "serve", str(sample), "--port", "0", "--no-browser"]
    with subprocess.Popen(
        [*command, "--cache-dir", str(tmp_path / "cache")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert address is not None, line
            deadline_s = time.monotonic() + 20
            while True:
                try:
                    with urllib.request.urlopen(f"{address[0]}healthz", timeout=5) as reply:
                        assert reply.status == 200
                        break
                except urllib.error.URLError:
                    assert time.monotonic() < deadline_s
                    time.sleep(0.05)
            with urllib.request.urlopen(address[0], timeout=5) as reply:
                assert b"<canvas" in reply.read()
            os.kill(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert "Traceback" not in errors
        finally:
            process.kill()
