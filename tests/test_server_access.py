"""Who may read the answers: host names, origins, caches; and what is told of files."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from asgi import Reply, ask

import sidebooks_core as sb
from sidebooks_core.access.operations import Operation
from sidebooks_core.errors import DamagedDocument, RequestError
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.access import everything
from sidebooks_core.server.descriptions import disposition
from sidebooks_core.server.fast_path import MOST_BYTES, FastPath
from sidebooks_core.server.headers import ResponseHeaders
from sidebooks_core.server.hosts import HostNames, is_address, name_in, names_of_this_machine
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.limits import ServerLimits, client_of
from sidebooks_core.server.sharing import Sharing
from sidebooks_core.server.statuses import refusal_of

OTHER = "https://books.example"


@pytest.fixture
def open_application(shelf: Shelf) -> Iterator[Application]:
    application = Application(shelf, allow_origins=["*"])
    yield application
    application.close()


@pytest.fixture
def private_application(shelf: Shelf) -> Iterator[Application]:
    application = Application(shelf, allow_origins=[OTHER], cache="private", hosts=["test"])
    yield application
    application.close()


def test_no_other_origin_reads_anything_unless_told(application: Application, first_page: str) -> None:
    document_id = first_page.split("/")[-1].partition("_p")[0]
    own = [
        f"/documents/{document_id}/{what}" for what in ("original", "pages.json", "pages/1/300x400", "search/x", "pages/1/text")
    ]
    for path in ("/", "/documents", "/nothing", "/healthz", "/openapi.json", *own):
        for _ in range(2):
            reply = ask(application, path, headers={"Origin": OTHER})
            assert not any(name.startswith("access-control") for name in reply.headers), path
            assert "timing-allow-origin" not in reply.headers
            assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    options = ask(application, "/documents", method="OPTIONS", headers={"Origin": OTHER})
    assert options.status == 204
    assert not any(name.startswith("access-control") for name in options.headers)


def test_viewers_on_other_sites_read_what_they_know_the_digest_of(
    application: Application, private_application: Application, document: sb.Document, first_page: str
) -> None:
    manifest, search = f"/presentation/3/{document.id}/manifest.json", f"/search/2/{document.id}?q=x"
    dzi = f"/dzi/{first_page.split('/')[-1]}.dzi"
    for path in (f"{first_page}/info.json", f"{first_page}/full/50,/0/default.jpg", manifest, search, dzi):
        for _ in range(2):
            reply = ask(application, path, headers={"Origin": OTHER})
            assert reply.headers["access-control-allow-origin"] == "*", path
            assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
            hidden = ask(private_application, path, headers={"Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in hidden.headers, path
            assert hidden.headers["cross-origin-resource-policy"] == "same-origin"
    options = ask(application, f"{first_page}/info.json", method="OPTIONS", headers={"Origin": OTHER})
    assert options.headers["access-control-allow-origin"] == "*"


def test_one_origin_beside_the_addresses_that_all_may_read(shelf: Shelf, first_page: str) -> None:
    application = Application(shelf, allow_origins=[OTHER])
    for _ in range(2):
        image = ask(application, f"{first_page}/full/50,/0/default.jpg", headers={"Origin": OTHER})
        assert image.headers["access-control-allow-origin"] == "*", "once"
        listed = ask(application, "/documents", headers={"Origin": OTHER})
        assert listed.headers["access-control-allow-origin"] == OTHER
    application.close()


def test_all_origins_may_read_if_told(open_application: Application, first_page: str) -> None:
    for path in ("/", "/documents", "/nothing", f"{first_page}/info.json", f"{first_page}/full/50,/0/default.jpg", "/healthz"):
        for _ in range(2):
            reply = ask(open_application, path, headers={"Origin": OTHER})
            assert reply.headers["access-control-allow-origin"] == "*", path
            assert reply.headers["cross-origin-resource-policy"] == "cross-origin"
    options = ask(open_application, f"{first_page}/info.json", method="OPTIONS")
    assert (options.status, options.headers["access-control-max-age"]) == (204, "86400")


def test_one_origin_may_read(private_application: Application, first_page: str) -> None:
    path = f"{first_page}/full/50,/0/default.jpg"
    for origin, allowed in ((OTHER, OTHER), ("https://evil.example", None), ("null", None), (OTHER, OTHER), (None, None)):
        reply = ask(private_application, path, headers={"Origin": origin} if origin else {})
        assert reply.status == 200
        assert reply.headers.get("access-control-allow-origin") == allowed, origin
        assert "Origin" in reply.headers["vary"]
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert private_application.service.statistics().memory_hits >= 4, "by the short way, too"


def test_shared_caches_keep_nothing_private(private_application: Application, document: sb.Document, first_page: str) -> None:
    base = f"/documents/{document.id}"
    manifest = f"/presentation/3/{document.id}/manifest.json"
    for path in (f"{first_page}/full/50,/0/default.jpg", f"{base}/original", f"{base}/pages.json", manifest):
        for _ in range(2):
            value = ask(private_application, path).headers["cache-control"]
            assert "public" not in value
            assert value.startswith("private, max-age="), path


def test_hints_come_from_our_own_pages(
    application: Application, private_application: Application, document: sb.Document
) -> None:
    hint = json.dumps({"session": "s", "page": 1, "view_px": [300, 400]}).encode()
    path = f"/documents/{document.id}/hints"

    def status(of: Application, **headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(of, path, method="POST", body=hint, headers=given).status

    assert status(application) == 202
    assert status(application, Origin="http://test") == 202
    assert status(application, Origin="https://test") == 202, "a proxy with TLS in front"
    assert status(application, Origin="https://front.example", Sec_Fetch_Site="same-origin") == 202
    assert status(application, Sec_Fetch_Site="same-origin") == status(application, Sec_Fetch_Site="none") == 202
    for site in ("cross-site", "same-site"):
        assert status(application, Sec_Fetch_Site=site) == 403, "a browser, with an origin that it does not tell"
    for evil in ("https://evil.example", "null", "http://test.evil.example", "http://test:81", "http://[", "test", OTHER):
        assert status(application, Origin=evil) == 403, evil
    assert status(private_application, Origin=OTHER) == 202
    assert status(private_application, Origin="https://evil.example") == 403


def test_only_hosts_that_are_served(private_application: Application, application: Application) -> None:
    def status(host: str, of: Application = private_application) -> int:
        return asked(of, "/documents", [(b"host", host.encode())]).status

    assert status("test:8080") == status("TEST.") == status("10.1.2.3:80") == status("[::1]:80") == 200
    assert status("evil.example") == status("localhost") == 421
    assert status("evil.example", application) == 200, "whoever mounts it has a rule of its own"
    for of in (private_application, application):
        assert asked(of, "/documents", [(b"host", b"test"), (b"host", b"test")]).status == 400
        assert status("te st", of) == 400
    detail = asked(private_application, "/documents", [(b"host", b"evil.example")]).json()["detail"]
    assert "--hostname evil.example" in detail


def asked(application: Application, path: str, headers: list[tuple[bytes, bytes]], **more: Any) -> Reply:
    """Asks with a scope made by hand."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, **more}
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], names, b"".join(piece["body"] for piece in sent[1:]))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("localhost", "localhost"), ("LocalHost.:8000", "localhost"), ("10.0.0.1:80", "10.0.0.1"), ("[::1]:80", "[::1]"),
        ("[FE80::1%25eth0]", "[fe80::1%25eth0]"), ("a_b.local", "a_b.local"), ("host:", "host"),
    ],
)  # fmt: skip
def test_names_in_host_headers(text: str, name: str) -> None:
    assert name_in(text) == name


@pytest.mark.parametrize("text", ["", "a b", "a/b", "a@b", "[::1", "::1", "a:99999", "a:b", "x" * 256, "a\r\nb", ".a", "é"])
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        name_in(text)


def test_addresses_and_names() -> None:
    assert all(map(is_address, ("127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", "[fe80::1%25eth0]")))
    assert not any(map(is_address, ("1.2.3", "0x7f.1", "a.1.2.3.4", "::1", "localhost", "[localhost]")))
    assert names_of_this_machine("Clerk.city.example") == {"localhost", "Clerk.city.example", "Clerk", "Clerk.local"}
    assert HostNames.of(names_of_this_machine("Clerk")).accepts("clerk.local")


def test_clients_are_addresses_or_networks() -> None:
    assert client_of(("10.0.0.1", 5)) == client_of(["::ffff:10.0.0.1", 9]) == "10.0.0.1"
    assert client_of(("2001:db8::1", 1)) == client_of(("2001:db8::ffff:2", 2)) != client_of(("2001:db8:0:1::1", 1))
    assert client_of(None) == client_of(()) == ""


def test_nonsense_is_refused(shelf: Shelf) -> None:
    for wrong in (
        {"allow_origins": "*"}, {"allow_origins": ["books.example"]}, {"allow_origins": ["https://a/b"]},
        {"allow_origins": ["http://["]}, {"allow_origins": ["http://a:b"]}, {"allow_origins": ["http://a:"]},
        {"cache": "none"},
        {"hosts": "a"}, {"hosts": ["a b"]}, {"base_url": "x/"}, {"base_url": "ftp://x"},
        {"base_url": "http://["},
    ):  # fmt: skip
        with pytest.raises(RequestError):
            Application(shelf, **wrong)  # type: ignore[arg-type]
    for bad in (0, -1, 1.5, True, "9"):
        with pytest.raises(RequestError, match="streams"):
            ServerLimits(streams=bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("descriptors", [64, 1024, 4096, 1 << 20])
def test_connections_leave_descriptors_for_other_things(descriptors: int) -> None:
    limits = ServerLimits().within(descriptors)
    assert limits.connections <= max(descriptors - 256, descriptors // 2)
    assert 1 <= limits.streams_per_client <= limits.streams <= limits.connections
    assert limits.streams_per_client < limits.streams or descriptors == 64


def test_sharing_varies_only_where_it_must() -> None:
    assert not Sharing.of(["*"], "shared").depends_on_origin
    assert not Sharing.of([], "shared").depends_on_origin
    assert Sharing.of(["https://Books.example"], "shared").for_origin("documents", "https://books.EXAMPLE")[1:]


def test_servers_need_not_give_the_raw_path(application: Application, document: sb.Document) -> None:
    host = [(b"host", b"test")]
    replies = {}
    for page in (1, 2, 3):
        path = f"/documents/{document.id}/pages/{page}/200x300"
        wanted = ask(application, path).body
        for more in ({}, {"raw_path": None}, {"raw_path": b""}):
            for _ in range(2):
                assert asked(application, path, host, **more).body == wanted, (page, more)
        replies[page] = wanted
    assert len(set(replies.values())) == 3
    assert asked(application, "/documents", host).json()["documents"]
    hits = asked(application, f"/documents/{document.id}/search/日本語", host).json()
    assert hits["query"] == "日本語"
    assert hits["hits"]


def test_mounted_under_a_path(application: Application, document: sb.Document) -> None:
    host = [(b"host", b"test")]
    for root, raw in (("/books", "/books"), ("/本 棚", "/%E6%9C%AC%20%E6%A3%9A")):
        path = f"{root}/documents/{document.id}"
        for more in ({}, {"raw_path": f"{raw}/documents/{document.id}".encode()}):
            reply = asked(application, path, host, root_path=root, **more)
            assert reply.status == 200
            assert reply.json()["pages"] == f"http://test{raw}/documents/{document.id}/pages.json"
    assert asked(application, "/documents", host, root_path="/doc").status == 200, "/doc is no part of /documents"


def test_the_fast_path_remembers_a_bounded_number_of_bytes(service: sb.TileService, document: sb.Document) -> None:
    fast_path = FastPath(service, ResponseHeaders(Sharing.of([], "shared")), everything)
    path = b"/" + b"p" * 1000
    place = service.parts.images.place(document, 0, 0, 0, 0)

    def learn(number: int) -> int:
        """How many bytes the path and the host have that it is to remember."""
        host = b"%d." % number + b"h" * 240
        scope = {"raw_path": path, "path": "/", "headers": [(b"host", host)]}
        request = HttpRequest(scope, never, "", "", fast_path.generation, operation=Operation.READ_IMAGE)
        fast_path.learn(request, f"key {number}", place, "tag", [])
        return len(path) + len(host)

    learned_bytes = sum(learn(number) for number in range(12_000))
    assert learned_bytes > MOST_BYTES
    assert len(fast_path) < 12_000
    assert len(fast_path) * (len(path) + 240) < fast_path.held_bytes <= MOST_BYTES
    before = len(fast_path), fast_path.held_bytes
    learn(11_999)
    assert (len(fast_path), fast_path.held_bytes) == before, "the newest stay"
    fast_path.forget()
    learn(11_999)
    assert len(fast_path) == 1
    assert fast_path.held_bytes < 5000, "counted anew"


async def never() -> dict[str, Any]:
    raise AssertionError("nobody reads a body here")


def test_what_is_withdrawn_while_it_is_drawn_is_not_answered_from_habit(
    application: Application, shelf: Shelf, document: sb.Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/documents/{document.id}/pages/2/321x654"
    submit = application.service.parts.images.submit

    def withdrawn_meanwhile(*arguments: Any) -> Future[sb.Tile]:
        shelf.remove(document.id)
        return submit(*arguments)

    monkeypatch.setattr(application.service.parts.images, "submit", withdrawn_meanwhile)
    assert ask(application, path).status == 200
    assert ask(application, path).status == 404


def test_an_original_is_saved_under_its_name(service: sb.TileService, sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "令和6年 予算書 (案).pdf"
    path.write_bytes(sample.read_bytes())
    shelf = Shelf(service)
    application = Application(shelf)
    document_id = shelf.register(path).id
    reply = ask(application, f"/documents/{document_id}/original", method="HEAD")
    application.close()
    assert reply.headers["content-disposition"] == (
        f"attachment; filename=\"__6_ ___ (_)-{document_id[:8]}.pdf\"; filename*=UTF-8''"
        "%E4%BB%A4%E5%92%8C6%E5%B9%B4%20%E4%BA%88%E7%AE%97%E6%9B%B8%20%28%E6%A1%88%29.pdf"
    )


@pytest.mark.parametrize(
    ("name", "suffix", "plain"),
    [
        ("a.pdf", ".pdf", "a.pdf"),
        ("A.PDF", ".PDF", "A.PDF"),
        ("minutes", ".pdf", "minutes.pdf"),
        ("v1.2", ".epub", "v1.2.epub"),
        ('a"b\\c/d;e%f.pdf', ".pdf", "a_b_c_d_e_f.pdf"),
        ("a\r\nSet-Cookie: b.pdf", ".pdf", "a__Set-Cookie_ b.pdf"),
        ("fdp.\u202eexe", "", "fdp._exe"),
        ("議案.pdf", ".pdf", "__-01234567.pdf"),
        ("予算.pdf", ".PDF", "__-01234567.PDF"),
        ("..", "", "document"),
        ("\udcff\udc80.pdf", ".pdf", "__.pdf"),
        ("長" * 300 + ".pdf", ".pdf", "_" * 65 + "-01234567.pdf"),
    ],
)
def test_names_of_downloads(name: str, suffix: str, plain: str) -> None:
    value = disposition(name, suffix, "0123456789abcdef")
    assert value.split(b'"')[1] == plain.encode()
    assert b"\r" not in value
    assert b"\n" not in value


def test_file_names_that_are_no_text(service: sb.TileService, sample: Path, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.pdf"))
    try:
        path.write_bytes(sample.read_bytes())
    except OSError:
        pytest.skip("this file system has names of text only")
    shelf = Shelf(service)
    application = Application(shelf)
    document = shelf.register(path)
    base = f"/documents/{document.id}"
    for address in ("/documents", base, f"{base}/pages.json", f"/presentation/3/{document.id}/manifest.json"):
        json.loads(ask(application, address).body.decode("utf-8"))
    assert ask(application, f"{base}/pages/999/preview").status == 404
    assert ask(application, f"{base}/original", method="HEAD").status == 200
    application.close()


@pytest.mark.parametrize(
    "text",
    [
        "a.pdf: no worker process is at hand: `/usr/lib/python3 -c 'import pymupdf'` may tell why",
        "a.pdf: `nvenv/bin/python -c 'import pymupdf, numpy'` may tell why",
        "a.pdf: cannot open /srv/papers/secret.pdf",
        "a.pdf: cannot open C:\\papers\\secret.pdf",
    ],
)
def test_errors_tell_no_paths(text: str) -> None:
    detail = refusal_of(DamagedDocument(text)).detail
    assert "server's log" in detail
    assert "papers" not in detail
    assert "python" not in detail


def test_errors_tell_what_they_may() -> None:
    text = "予算 3/4.pdf, page 3: it has no content (1/2)"
    assert refusal_of(DamagedDocument(text)).detail == text


def test_no_origin_is_ours_where_no_host_was_told(application: Application, document: sb.Document) -> None:
    """HTTP/1.0 has no Host; an origin that is none ("null") is not the same as that."""
    hint = json.dumps({"session": "s", "page": 1, "view_px": [300, 400]}).encode()
    statuses: list[int] = []

    async def scenario() -> None:
        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": hint, "more_body": False}

        path = f"/documents/{document.id}/hints"
        headers = [(b"origin", b"null")]
        scope = {"type": "http", "http_version": "1.0", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        await application(scope, receive, send)

    asyncio.run(scenario())
    assert statuses == [403]
