"""Logging in over HTTP: cookies, links for guests, the first administrator, signed addresses, rights, and the audit."""

from __future__ import annotations

import asyncio
import base64
import csv
import gzip
import io
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from asgi import Reply, ask, ask_async
from town_hall import PASSWORD, Provider, TownHall, paper_of, town_hall

from sidebooks_core.access import Access, Principal, ProxyRules
from sidebooks_core.access.oidc import Identity, Pending
from sidebooks_core.access.principals import HOUSE
from sidebooks_core.errors import RequestError
from sidebooks_core.server import Application, compression, responses
from sidebooks_core.server.ways_in import TrustedProxy


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[TownHall]:
    with town_hall(tmp_path) as made:
        yield made


def post(hall: TownHall, path: str, body: object, **headers: str) -> Reply:
    return hall.ask("none", path, "POST", body, **headers)


def cookie_of(reply: Reply) -> str:
    return reply.headers["set-cookie"].partition(";")[0]


def image_path(hall: TownHall) -> str:
    return f"/documents/{hall.shelf.document(hall.paper.id).id}/pages/1/30x40"


def test_a_login_lasts_until_it_is_ended(hall: TownHall) -> None:
    reply = post(hall, "/login", {"name": "ＡＤＭＩＮ", "password": PASSWORD}, User_Agent="tablet 7")
    assert (reply.status, reply.json()["name"], reply.json()["is_logged_in"]) == (200, "admin", True)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(reply.headers["set-cookie"].split("; "))
    assert "Secure" not in reply.headers["set-cookie"], "over plain HTTP a browser would not keep it"
    mine = {"Cookie": f"other=1; {cookie_of(reply)}"}
    assert hall.ask("none", "/me", **mine).json()["role"] == "admin"
    [login] = [one for one in hall.ask("none", "/me/sessions", **mine).json()["sessions"] if one["device"] == "tablet 7"]
    assert login["is_this"]
    ended = hall.ask("none", "/logout", "POST", **mine)
    assert (ended.status, "Max-Age=0" in ended.headers["set-cookie"]) == (204, True)
    assert ended.headers["clear-site-data"] == '"cache"', "what the server does not have stays in the browser"
    assert hall.ask("none", "/people", **mine).status == 401


def test_over_https_the_cookie_is_for_this_host_alone(hall: TownHall) -> None:
    application = Application(hall.served, papers=hall.shelf, access=hall.access, base_url="https://books.example")
    body = json.dumps({"name": "admin", "password": PASSWORD}).encode()
    reply = ask(application, "/login", "POST", body=body)
    assert reply.headers["set-cookie"].startswith("__Host-sidebooks_login=")
    assert "Secure" in reply.headers["set-cookie"].split("; ")
    assert ask(application, "/people", headers={"Cookie": cookie_of(reply)}).status == 200
    application.close()


def test_wrong_passwords_are_refused_alike_and_soon_slowed_down(hall: TownHall) -> None:
    replies = [post(hall, "/login", {"name": name, "password": "wrong wrong"}) for name in ("admin", "nobody", "clerk")]
    assert [(reply.status, reply.json()["detail"]) for reply in replies] == [(403, replies[0].json()["detail"])] * 3
    statuses = [post(hall, "/login", {"name": "admin", "password": f"wrong wrong {number}"}) for number in range(8)]
    assert statuses[-1].status == 429
    assert int(statuses[-1].headers["retry-after"]) >= 1
    right = post(hall, "/login", {"name": "admin", "password": PASSWORD})
    assert right.status == 429, "also the right one has to wait"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
def test_pages_of_other_sites_change_nothing(hall: TownHall, method: str) -> None:
    paths = {
        "POST": "/people",
        "DELETE": f"/people/{hall.people['member'].id}/sessions",
        "PATCH": f"/people/{hall.people['member'].id}",
        "PUT": f"/folders/{hall.finance.id}/access",
    }
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        assert hall.ask("admin", paths[method], method, {"name": "x", "role": "member"}, **headers).status == 403
    assert hall.ask("member", image_path(hall)).status == 200
    assert len(hall.ask("admin", "/people").json()["people"]) == len(hall.people)


@pytest.mark.parametrize("origins", [["*"], ["https://evil.example"]])
def test_pages_that_may_read_make_no_administrator(tmp_path: Path, origins: list[str]) -> None:
    body = json.dumps({"name": "evil", "role": "admin", "password": PASSWORD}).encode()
    near = {"path": "/people", "method": "POST", "body": body, "client": "127.0.0.1"}
    with town_hall(tmp_path) as hall, Access(None) as access:
        application = Application(hall.served, access=access, allow_origins=origins)
        for told in (
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            assert asyncio.run(ask_async(application, headers={"Host": "localhost", **told}, **near)).status == 403
        assert not access.has_people()
        ours = {"Host": "localhost", "Origin": "http://localhost"}
        assert asyncio.run(ask_async(application, headers=ours, **near)).status == 201
        application.close()


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_another_site_cannot_send_json(hall: TownHall, kind: str) -> None:
    given = {"name": "x", "role": "member"}
    assert hall.ask("admin", "/people", "POST", given, Content_Type=kind).status == 415
    assert hall.ask("admin", "/people", "POST", given, Content_Type="Application/JSON; charset=utf-8").status == 201


def test_the_first_administrator_comes_by_the_link_of_the_start(tmp_path: Path) -> None:
    with town_hall(tmp_path) as hall, Access(None) as access:
        application = Application(hall.served, access=access, asks_for_accounts=True)
        token = access.setup_token()
        assert ask(application, "/people").status == 401
        body = json.dumps({"token": token, "name": "町役場", "password": PASSWORD}).encode()
        assert ask(application, "/setup", "POST", body=body.replace(str(token).encode(), b"x")).status == 403
        reply = ask(application, "/setup", "POST", body=body)
        assert (reply.status, reply.json()["role"]) == (200, "admin")
        assert ask(application, "/people", headers={"Cookie": cookie_of(reply)}).status == 200
        assert ask(application, "/setup", "POST", body=body).status == 403, "once"
        application.close()


def test_without_accounts_whoever_is_at_this_machine_is_at_home_until_there_is_one(tmp_path: Path) -> None:
    with town_hall(tmp_path) as hall, Access(None) as access:
        hall.served.register(paper_of(5))
        application = Application(hall.served, access=access)
        near = {"path": "/documents", "headers": {"Host": "localhost"}, "client": "127.0.0.1"}
        assert ask(application, "/me").json()["has_accounts"] is False
        assert len(asyncio.run(ask_async(application, **near)).json()["documents"]) == 1
        passed_on = near | {"headers": {"Host": "localhost", "X-Forwarded-For": "127.0.0.1"}}
        for far in (near | {"client": "192.0.2.1"}, near | {"headers": {"Host": "books.example"}}, passed_on):
            assert asyncio.run(ask_async(application, **far)).json()["documents"] == []
        access.add_person("admin", "admin", password=PASSWORD)
        assert asyncio.run(ask_async(application, **near)).json()["documents"] == []
        assert ask(application, "/me").json() == {
            "id": "", "name": "", "role": "citizen", "groups": [], "may": ask(application, "/me").json()["may"],
            "has_accounts": True, "is_logged_in": False, "has_shelf": False, "login_address": None,
        }  # fmt: skip
        application.close()


def test_a_guest_reads_one_folder_until_the_link_ends(hall: TownHall) -> None:
    made = hall.ask("clerk", f"/folders/{hall.finance.id}/links", "POST", {"name": "傍聴席", "until_s": hall.now_s + 60}).json()
    assert made["qr_svg"].startswith("<svg")
    token = made["address"].partition("#join=")[2]
    assert made["address"].startswith("http://test/#join="), "what follows # never reaches a server's log"
    reply = post(hall, "/join", {"token": token, "name": "議員の秘書"})
    mine = {"Cookie": cookie_of(reply)}
    assert (reply.json()["role"], reply.json()["name"]) == ("guest", "議員の秘書")
    assert hall.ask("none", image_path(hall), **mine).status == 200
    other = hall.shelf.document(hall.other.id).id
    assert hall.ask("none", f"/documents/{other}/pages/1/30x40", **mine).status == 404
    assert hall.ask("clerk", f"/folders/{hall.finance.id}/links/{made['link']['id']}", "DELETE").status == 204
    assert hall.ask("none", image_path(hall), **mine).status == 401
    assert post(hall, "/join", {"token": token}).status == 403


def test_who_may_see_a_folder_counts_from_the_next_request_on(hall: TownHall) -> None:
    path = f"/folders/{hall.finance.id}/access"
    assert hall.ask("clerk", path).json()["grants"][0]["subject"] == "finance"
    assert hall.ask("other folder", image_path(hall)).status == 404
    limits = {"may_download": False, "pages": [[1, 2]], "long_side_px": 100}
    grants = [{"kind": "group", "subject": "planning", "limits": limits}]
    assert hall.ask("clerk", path, "PUT", {"grants": grants}).status == 200
    assert hall.ask("clerk", path).json()["grants"][0]["limits"]["pages"] == [[1, 2]]
    assert hall.ask("member", image_path(hall)).status == 404
    shown = hall.ask("other folder", image_path(hall))
    assert (shown.status, shown.headers["cache-control"]) == (200, "no-store"), "who has limits keeps nothing"
    document = hall.shelf.document(hall.paper.id).id
    assert hall.ask("other folder", f"/documents/{document}/original").status == 404
    assert hall.ask("clerk", f"/documents/{document}/original").status == 200
    assert hall.ask("clerk", path, "PUT", {"grants": None}).json() == {"grants": None}
    assert hall.ask("member", image_path(hall)).status == 200
    for bad in ({"grants": [{"kind": "team", "subject": "x"}]}, {"grants": [{"kind": "role", "subject": ""}]}, {}):
        assert hall.ask("clerk", path, "PUT", bad).status == 400


def test_a_signed_address_shows_its_document_and_nothing_else(hall: TownHall) -> None:
    document = hall.shelf.document(hall.paper.id).id
    made = hall.ask("clerk", f"/documents/{document}/address", "POST", {"valid_s": 60}).json()
    below = made["base"].removeprefix("http://test")
    manifest = hall.ask("none", made["info"].removeprefix("http://test"))
    assert manifest.status == 200
    assert set(re.findall(r"http://test(/s/[^/]+)", manifest.body.decode())) == {below}, "its addresses carry the signature"
    path = image_path(hall)
    for _ in range(2):
        assert hall.ask("none", below + path).status == 200
    info = hall.ask("none", f"{below}/iiif/3/{document}_p1/info.json", Origin="https://viewer.example")
    assert (info.status, info.headers["access-control-allow-origin"]) == (200, "*"), "the signature says who may"
    other = hall.shelf.document(hall.other.id).id
    for refused in (f"/documents/{other}/pages/1/30x40", f"/papers/{hall.paper.id}/readers", "/people", "/audit"):
        assert hall.ask("none", below + refused).status in (403, 404), refused
    assert hall.ask("clerk", f"/s/forged{path}").status == 401, "whatever login the request has beside it"
    assert hall.ask("none", below + "/documents").status == 403
    hall.access.change_person(hall.people["clerk"].id, is_disabled=True)
    assert hall.ask("none", below + path).status == 401


def test_a_browser_from_which_somebody_logged_in_is_known(hall: TownHall) -> None:
    given = {"name": "admin", "password": PASSWORD}

    def log_in(cookie: str = "", password: str = PASSWORD) -> Reply:
        told = json.dumps({**given, "password": password}).encode()
        return ask(hall.application, "/login", "POST", {"Cookie": cookie, "Content-Type": "application/json"}, told)

    assert "sidebooks_device" not in log_in(password="not this one").headers.get("set-cookie", "")
    reply = log_in()
    assert reply.status == 200, reply.body
    found = re.search(
        r"sidebooks_device=([\w-]{43}); Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax", reply.headers["set-cookie"]
    )
    assert found is not None
    device = f"sidebooks_device={found[1]}"
    for _ in range(6):
        log_in(password="not this one")
    assert log_in().status == 429
    assert log_in(device).status == 200, "whoever tries from the same network does not keep it out"
    assert log_in(f"sidebooks_device={'x' * 43}").status == 429


def test_a_signed_address_of_a_clerk_is_a_readers(hall: TownHall) -> None:
    document = hall.shelf.document(hall.paper.id).id
    rows_before = len(hall.access.audit_rows())
    bases = [
        hall.ask("clerk", f"/documents/{document}/address", "POST", {"valid_s": 60, "with_original": wanted})
        .json()["base"]
        .removeprefix("http://test")
        for wanted in (False, True)
    ]
    assert len(hall.access.audit_rows()) >= rows_before + 1, "signing is audited"
    images = [base + image_path(hall) for base in bases]
    originals = [f"{base}/documents/{document}/original" for base in bases]

    def statuses(paths: list[str]) -> list[int]:
        return [hall.ask("none", path).status for path in paths]

    assert (statuses(images), statuses(originals)) == ([200, 200], [404, 200])
    paper = f"/papers/{hall.paper.id}"
    assert hall.ask("clerk", paper, "PATCH", {"level": "online"}).status == 200
    assert (statuses(images), statuses(originals)) == ([200, 200], [404, 404]), "only read while connected"
    assert hall.ask("clerk", paper, "PATCH", {"until_s": time.time() - 5, "level": "keep"}).status == 200
    assert (statuses(images), statuses(originals)) == ([404, 404], [404, 404]), "its time is over"
    assert hall.ask("clerk", paper, "PATCH", {"until_s": None}).status == 200
    assert hall.ask("clerk", f"{paper}/withdraw", "POST").status == 200
    assert (statuses(images), statuses(originals)) == ([404, 404], [404, 404]), "withdrawn"
    assert hall.ask("clerk", f"{paper}/restore", "POST").status == 200
    assert statuses(images) == [200, 200]
    hall.access.flush()
    names = {reader.name for reader in hall.access.readers(hall.paper.id)}
    assert any(name.startswith("address of ") for name in names)
    assert hall.people["clerk"].shown_name not in names, "what strangers read, the clerk has not read"
    listed = hall.ask("clerk", f"/documents/{document}/addresses").json()["addresses"]
    assert {(one["signer_name"], one["with_original"], one["documents"]) for one in listed} == {
        ("clerk", False, 1),
        ("clerk", True, 1),
    }
    [with_file] = [one["id"] for one in listed if one["with_original"]]
    other = hall.shelf.document(hall.other.id).id
    assert hall.ask("clerk", f"/documents/{other}/addresses/{with_file}", "DELETE").status == 404, "it does not show that"
    assert hall.ask("clerk", f"/documents/{document}/addresses/{with_file}", "DELETE").status == 204
    assert statuses(images) == [200, 401]
    hall.access.end_sessions(hall.people["clerk"].id)
    assert statuses(images) == [401, 401]


def test_the_audit_says_who_opened_downloaded_and_changed(hall: TownHall) -> None:
    document = hall.shelf.document(hall.paper.id).id
    for _ in range(3):
        hall.ask("member", f"/documents/{document}/pages.json")
    hall.ask("guest", image_path(hall))
    hall.ask("member", f"/documents/{document}/original")
    hall.ask("other folder", f"/documents/{document}/original")
    hall.ask("admin", "/people", "POST", {"name": "=cmd()", "role": "member"})
    hall.access.flush()
    rows = hall.ask("admin", "/audit").json()["rows"]
    told = [(row["name"], row["operation"], row["paper"]) for row in rows]
    assert told.count(("member", "opened", hall.paper.id)) == 1, "once an hour"
    assert ("guest (link guest)", "opened", hall.paper.id) in told
    assert told.count(("member", "read_original", hall.paper.id)) == 1
    assert ("other folder", "read_original", hall.paper.id) not in told
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert hall.access.verify_audit() == []
    readers = hall.ask("clerk", f"/papers/{hall.paper.id}/readers").json()["readers"]
    assert [(one["name"], one["count"]) for one in readers] == [("member", 1), ("guest (link guest)", 1)]
    written = hall.ask("admin", "/audit?as=csv")
    assert written.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(written.body.decode("utf-8-sig"))))
    assert len(lines) == len(rows) + 0
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.values())


def test_a_person_changes_their_password_and_other_tablets_are_logged_out(hall: TownHall) -> None:
    first = {"Cookie": cookie_of(post(hall, "/login", {"name": "admin", "password": PASSWORD}))}
    lost = {"Cookie": cookie_of(post(hall, "/login", {"name": "admin", "password": PASSWORD}))}
    new = PASSWORD + "!"
    assert hall.ask("none", "/me/password", "POST", {"password": new, "old": "wrong wrong"}, **first).status == 403
    assert hall.ask("none", "/me/password", "POST", {"password": new, "old": PASSWORD}, **first).status == 204
    assert [hall.ask("none", "/people", **one).status for one in (first, lost)] == [200, 401]
    assert post(hall, "/login", {"name": "admin", "password": new}).status == 200
    member = hall.people["member"].id
    assert hall.ask("admin", f"/people/{member}/password", "POST", {"password": "x"}).status == 401
    assert hall.ask("none", f"/people/{member}/password", "POST", {"password": "short"}, **first).status == 400
    assert hall.ask("none", f"/people/{member}/password", "POST", {"password": new}, **first).status == 204
    assert hall.ask("member", image_path(hall)).status == 401


def test_a_trusted_proxy_says_who_asks_and_nobody_else(hall: TownHall) -> None:
    rules = ProxyRules(("192.0.2.0/24",), roles={"clerks": "clerk"})
    application = Application(hall.served, papers=hall.shelf, access=hall.access, ways_in=[TrustedProxy(rules)])
    told = {"X-Remote-User": "議員", "X-Remote-Groups": "finance"}
    asked = ask_as(application, image_path(hall), told, client="192.0.2.1")
    assert (asked.status, ask_as(application, "/me", told, client="192.0.2.1").json()["name"]) == (200, "議員")
    assert ask_as(application, image_path(hall), told, client="198.51.100.7").status == 401, "it is no proxy of ours"
    assert ask_as(application, image_path(hall), {**told, "X-Remote-Groups": "planning"}, client="192.0.2.1").status == 404
    assert ask_as(application, "/audit", {**told, "X-Remote-Groups": "clerks"}, client="192.0.2.1").status == 403
    application.close()


def ask_as(application: Application, path: str, headers: dict[str, str], client: str) -> Reply:
    return asyncio.run(ask_async(application, path, headers=headers, client=client))


def test_an_identity_provider_says_who_it_is(hall: TownHall) -> None:
    application = Application(hall.served, papers=hall.shelf, access=hall.access, oidc=Provider())
    assert ask(application, "/me").json()["login_address"] == "http://test/oidc/login"
    begun = ask(application, "/oidc/login")
    assert (begun.status, begun.headers["location"]) == (303, "https://login.example/authorize?state=state")
    mine = {"Cookie": cookie_of(begun)}
    for path, headers in (("/oidc/return?state=other&code=x", mine), ("/oidc/return?state=state&code=x", {})):
        assert ask(application, path, headers=headers).status == 403
    back = ask(application, "/oidc/return?state=state&code=x", headers=mine)
    assert (back.status, back.headers["location"]) == (303, "http://test/")
    login, forgotten = back.headers["set-cookie"].split(", ")
    assert "Max-Age=0" in forgotten, "it is used once"
    me = ask(application, "/me", headers={"Cookie": login.partition(";")[0]}).json()
    assert (me["name"], me["role"], me["groups"]) == ("森", "clerk", ["office"])
    application.close()


def test_answers_to_some_are_for_no_shared_cache(hall: TownHall) -> None:
    application = Application(hall.served, papers=hall.shelf, access=hall.access)
    mine = {"Cookie": f"sidebooks_login={hall.cookies['member']}"}
    kept = ask(application, image_path(hall), headers=mine).headers
    assert (kept["cache-control"].split(",")[0], kept.get("access-control-allow-origin")) == ("private", None)
    application.close()
    for options in ({"access": hall.access}, {"asks_for_accounts": True}, {"ways_in": []}):
        with pytest.raises(RequestError, match="private"):
            Application(hall.served, cache="shared", **options)


def test_a_code_of_the_provider_arrives_whole(hall: TownHall) -> None:
    told: list[str] = []

    class Noting(Provider):
        def finish(self, pending: Pending, parameters: Mapping[str, str]) -> Identity:
            told.append(parameters["code"])
            return super().finish(pending, parameters)

    application = Application(hall.served, papers=hall.shelf, access=hall.access, oidc=Noting())
    mine = {"Cookie": cookie_of(ask(application, "/oidc/login"))}
    code = "0.AXoA" * 400
    back = ask(application, f"/oidc/return?state=state&code={code}", headers=mine)
    assert (back.status, back.headers["clear-site-data"], told) == (303, '"cache"', [code])
    application.close()


def test_a_begun_login_is_believed_from_its_own_browser_alone(hall: TownHall) -> None:
    application = Application(
        hall.served, papers=hall.shelf, access=hall.access, oidc=Provider(), base_url="https://books.example/reader"
    )
    begun = cookie_of(ask(application, "/oidc/login"))
    name, _, sealed = begun.partition("=")
    assert name == "__Host-sidebooks_pending.reader"
    content = base64.urlsafe_b64encode(json.dumps({"address": "x", "state": "state", "nonce": "", "verifier": ""}).encode())
    key, told, mac = sealed.split(".")
    forged = (content.decode(), f"{key}.{told[:-2]}AA.{mac}", f"x.{told}.{mac}", hall.access.sign(["x"], HOUSE, valid_s=60))
    for cookie in (*(f"{name}={one}" for one in forged), f"sidebooks_pending={sealed}"):
        assert ask(application, "/oidc/return?state=state&code=x", headers={"Cookie": cookie}).status == 403, cookie
    hall.now_s += 601
    assert ask(application, "/oidc/return?state=state&code=x", headers={"Cookie": begun}).status == 403, "it took too long"
    hall.now_s -= 601
    assert ask(application, "/oidc/return?state=state&code=x", headers={"Cookie": begun}).status == 303
    application.close()


def test_servers_on_one_host_keep_their_logins_apart(hall: TownHall) -> None:
    body = json.dumps({"name": "admin", "password": PASSWORD}).encode()
    names = []
    for base in ("http://h", "http://h:8000", "http://h:8001", "http://h/a", "http://h/a/b", "https://h", "https://h:8443/a"):
        application = Application(hall.served, papers=hall.shelf, access=hall.access, base_url=base)
        cookie = cookie_of(ask(application, "/login", "POST", body=body))
        names.append(cookie.partition("=")[0])
        assert ask(application, "/people", headers={"Cookie": cookie}).status == 200
        application.close()
    assert len(set(names)) == len(names)
    token = hall.cookies["admin"]
    secure = Application(hall.served, papers=hall.shelf, access=hall.access, base_url="https://h")
    assert ask(secure, "/people", headers={"Cookie": f"__Host-sidebooks_login={token}"}).status == 200
    assert ask(secure, "/people", headers={"Cookie": f"sidebooks_login={token}"}).status == 401, "anybody could have set it"
    secure.close()
    by_host = hall.ask("none", "/people", Host="test:8000", Cookie=f"sidebooks_login_8000={token}")
    assert (by_host.status, hall.ask("none", "/people", Host="[", Cookie=f"sidebooks_login={token}").status) == (200, 400)


def test_a_signed_address_of_many_documents_is_short(hall: TownHall) -> None:
    clerk = Principal(hall.people["clerk"].id, "clerk", "clerk")
    document = hall.shelf.document(hall.paper.id).id
    signature = hall.access.sign([document, *(f"{number:064x}" for number in range(49))], clerk, valid_s=60)
    assert len(signature) < 200, "it names a row"
    assert hall.ask("none", f"/s/{signature}{image_path(hall)}").status == 200
    assert hall.ask("none", f"/s/{signature}/{'x' * 1100}").status == 414
    assert hall.ask("none", f"/s/{'x' * 8001}{image_path(hall)}").status == 414


@pytest.mark.parametrize("path", ["/changes?since=0&limit=", "/search?q=ab&limit=", "/search?q=ab&before=", "/audit?since="])
def test_numbers_in_queries_are_numbers(hall: TownHall, path: str) -> None:
    for wrong in ("nan", "inf", "-inf", "1e999", "x"):
        assert hall.ask("admin", path + wrong).status == 400, wrong
    if "audit" not in path:
        for wrong in ("-1", "1.5", "9" * 19, "１"):
            assert hall.ask("admin", path + quote(wrong)).status == 400, wrong
    assert hall.ask("admin", path + "1").status == 200


def test_no_page_shows_the_viewer_in_a_frame_unless_told(hall: TownHall) -> None:
    shown = hall.ask("none", "/").headers
    assert shown["content-security-policy"].endswith("; frame-ancestors 'none'")
    assert shown["x-frame-options"] == "DENY"
    application = Application(hall.served, framed_by=["'self'", "https://intranet.example"])
    shown = ask(application, "/").headers
    assert shown["content-security-policy"].endswith("; frame-ancestors 'self' https://intranet.example")
    assert "x-frame-options" not in shown, "it cannot say it"
    application.close()
    for wrong in (["*"], ["https://a; script-src *"], ["intranet"], "'self'"):
        with pytest.raises(RequestError, match="framed_by"):
            Application(hall.served, framed_by=wrong)


@pytest.mark.parametrize("address", ["/audit", "/audit?as=csv"])
def test_a_long_audit_is_written_and_compressed_off_the_event_loop(
    hall: TownHall, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    compress, encode = compression.CompressedBodies.get, responses.text
    threads = []

    def noted_get(self: compression.CompressedBodies, tag: str, body: bytes) -> bytes:
        threads.append(threading.get_ident())
        return compress(self, tag, body)

    def noted_text(*arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return encode(*arguments)

    monkeypatch.setattr(compression.CompressedBodies, "get", noted_get)
    monkeypatch.setattr(responses, "text", noted_text)
    for number in range(150):
        hall.access.audit("looked", who=f"somebody {number}")
    hall.access.flush()
    reply = hall.ask("admin", address, Accept_Encoding="gzip")
    assert b"somebody 149" in gzip.decompress(reply.body)
    assert len(threads) == 2
    assert threading.get_ident() not in threads  # the loop runs in the thread of the test


def test_nobody_hears_of_the_pages_of_another_who_calls_a_session_alike(hall: TownHall) -> None:
    document = hall.shelf.document(hall.paper.id).id
    told = {who: {"Cookie": f"sidebooks_login={hall.cookies[who]}"} for who in ("member", "other guest", "admin")}
    body = json.dumps({"session": "mine", "page": 1, "view_px": [300, 400]}).encode()

    async def scenario() -> dict[str, bytes]:
        others = {
            who: asyncio.ensure_future(ask_async(hall.application, "/events?session=mine", headers=told[who]))
            for who in ("other guest", "admin")
        }
        own = asyncio.ensure_future(
            ask_async(
                hall.application,
                "/events?session=mine",
                headers=told["member"],
                leave_when=lambda body: b'"is_sharp":true' in body,
            )
        )
        await asyncio.sleep(0.1)
        hinted = await ask_async(hall.application, f"/documents/{document}/hints", "POST", told["member"], body)
        assert hinted.status == 202
        heard = {"member": (await asyncio.wait_for(own, 20)).body}
        hall.application.begin_close()
        return heard | {who: (await asyncio.wait_for(one, 20)).body for who, one in others.items()}

    heard = asyncio.run(scenario())
    assert [who for who, body in heard.items() if b"event: page" in body] == ["member"]
