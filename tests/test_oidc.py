"""Logging in at an identity provider: the way there and back, and a zoo of tokens that are not believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from access_times import SetClock
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sidebooks_core.access import Access
from sidebooks_core.access.fetching import MOST_BYTES, fetch, require_safe
from sidebooks_core.access.oidc import Oidc, OidcRules, Pending
from sidebooks_core.errors import AccessDenied, RequestError

ISSUER = "https://id.example/realms/city"
RULES = OidcRules(
    ISSUER, "sidebooks", "https://books.example/back", client_secret="p&ss", roles={"staff": "clerk", "it": "admin"}
)
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
OTHER = RSAKey.generate_key(2048, {"kid": "other"})
Key = RSAKey | ECKey | OKPKey


def text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Provider:
    """Answers as a provider does, from memory."""

    def __init__(self) -> None:
        self.keys: list[Any] = [{**key.as_dict(private=False), "use": "sig"} for key in (RSA, EC, ED)]
        self.description: dict[str, str] = {
            "issuer": ISSUER,
            "authorization_endpoint": "https://id.example/authorize",
            "token_endpoint": "https://id.example/token",
            "jwks_uri": "https://id.example/keys",
        }
        self.id_token = ""
        self.asked: list[str] = []
        self.form: Mapping[str, str] = {}
        self.headers: Mapping[str, str] = {}

    def __call__(self, address: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        self.asked.append(address)
        if address == f"{ISSUER}/.well-known/openid-configuration":
            return json.dumps(self.description).encode()
        if address == self.description["jwks_uri"]:
            return json.dumps({"keys": self.keys}).encode()
        assert address == self.description["token_endpoint"]
        assert form is not None
        self.form, self.headers = form, headers or {}
        return json.dumps({"id_token": self.id_token, "access_token": "x", "token_type": "Bearer"}).encode()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def times() -> SetClock:
    return SetClock()


@pytest.fixture
def oidc(provider: Provider, times: SetClock) -> Oidc:
    return Oidc(RULES, fetch=provider, clock=times.clock())


def claims(**changes: object) -> dict[str, object]:
    now_s = int(SetClock().wall_s)
    told: dict[str, object] = {
        "iss": ISSUER,
        "sub": "7",
        "aud": "sidebooks",
        "exp": now_s + 300,
        "iat": now_s,
        "nonce": "nonce",
        "preferred_username": "sato",
        "name": "佐藤 花子",
        "groups": ["staff", "hall"],
    }
    told |= changes
    return {name: value for name, value in told.items() if value is not None}


def signed(told: Mapping[str, object], key: Key = RSA, algorithm: str = "RS256", **head: object) -> str:
    header = {"alg": algorithm, "kid": key.kid, **head}
    payload = json.dumps(told).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        known = {name: value for name, value in header.items() if value is not None}
        return jws.serialize_compact(known, payload, key, algorithms=[algorithm])


def test_the_way_there_and_back(oidc: Oidc, provider: Provider) -> None:
    pending = oidc.begin()
    asked = {name: value for name, [value] in parse_qs(urlsplit(pending.address).query).items()}
    assert pending.address.startswith("https://id.example/authorize?")
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", "sidebooks", "openid profile email")
    assert asked["redirect_uri"] == "https://books.example/back"
    assert (asked["state"], asked["nonce"]) == (pending.state, pending.nonce)
    assert asked["code_challenge"] == text(hashlib.sha256(pending.verifier.encode()).digest())
    assert asked["code_challenge_method"] == "S256"
    assert pending.verifier not in pending.address
    provider.id_token = signed(claims(nonce=pending.nonce))
    told = oidc.finish(pending, {"state": pending.state, "code": "c0de", "iss": ISSUER})
    assert provider.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "https://books.example/back",
        "code_verifier": pending.verifier,
        "client_id": "sidebooks",
    }
    assert provider.headers == {"Authorization": "Basic " + base64.b64encode(b"sidebooks:p%26ss").decode()}
    assert (told.subject, told.name, told.shown_name) == (f"{ISSUER} 7", "sato", "佐藤 花子")
    assert (told.role, told.groups) == ("clerk", frozenset({"staff", "hall"}))
    with Access(None) as access:
        person = access.person_of_subject(told.subject, told.name, told.shown_name, told.role, told.groups)
        assert access.principal(access.log_in(person.id)[0]) is not None


def test_each_login_has_secrets_of_its_own(oidc: Oidc) -> None:
    begun = [oidc.begin() for _ in range(3)]
    assert len({one.state for one in begun} | {one.nonce for one in begun} | {one.verifier for one in begun}) == 9


PENDING = Pending("", "state", "nonce", "verifier")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "not begun here"),
        ({"code": "c"}, "not begun here"),
        ({"state": "other", "code": "c"}, "not begun here"),
        ({"state": "ståte", "code": "c"}, "not begun here"),
        ({"state": "state"}, "did not let in"),
        ({"state": "state", "error": "access_denied"}, "did not let in: access_denied"),
        ({"state": "state", "code": "c", "iss": "https://evil.example"}, "another identity provider"),
    ],
)
def test_a_way_back_that_does_not_fit(oidc: Oidc, provider: Provider, parameters: dict[str, str], message: str) -> None:
    provider.id_token = signed(claims())
    with pytest.raises(AccessDenied, match=message):
        oidc.finish(PENDING, parameters)
    assert provider.description["token_endpoint"] not in provider.asked


# Tokens that are believed


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")],
    ids=lambda one: one if isinstance(one, str) else "key",
)
def test_the_algorithms_that_are_believed(oidc: Oidc, key: Key, algorithm: str) -> None:
    assert oidc.identity(signed(claims(), key, algorithm), "nonce").name == "sato"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"groups": None}, ("member", frozenset())),
        ({"groups": "staff"}, ("clerk", frozenset({"staff"}))),
        ({"groups": ["staff", "it", 3, ""]}, ("admin", frozenset({"staff", "it"}))),
        ({"groups": {"staff": 1}}, ("member", frozenset())),
        ({"aud": ["sidebooks"]}, ("clerk", frozenset({"staff", "hall"}))),
        ({"aud": ["sidebooks", "other"], "azp": "sidebooks"}, ("clerk", frozenset({"staff", "hall"}))),
    ],
)
def test_claims_become_a_role(oidc: Oidc, changes: dict[str, object], expected: tuple[str, frozenset[str]]) -> None:
    told = oidc.identity(signed(claims(**changes)), "nonce")
    assert (told.role, told.groups) == expected


def test_who_is_in_no_group_can_be_kept_out(provider: Provider, times: SetClock) -> None:
    rules = OidcRules(ISSUER, "sidebooks", "https://books.example/back", roles={"staff": "member"}, role=None)
    strict = Oidc(rules, fetch=provider, clock=times.clock())
    assert strict.identity(signed(claims()), "nonce").role == "member"
    with pytest.raises(AccessDenied, match="no group"):
        strict.identity(signed(claims(groups=["hall"])), "nonce")


def test_a_token_without_names_has_its_subject(oidc: Oidc) -> None:
    told = oidc.identity(signed(claims(preferred_username=None, name=7)), "nonce")
    assert (told.name, told.shown_name) == ("7", "7")


@pytest.mark.parametrize("off_s", [-59, 59])
def test_clocks_differ_a_little(oidc: Oidc, off_s: int) -> None:
    now_s = int(SetClock().wall_s)
    token = signed(claims(iat=now_s + 59, nbf=now_s + 59) if off_s > 0 else claims(exp=now_s - 59, iat=now_s - 300))
    assert oidc.identity(token, "nonce").name == "sato"


# The zoo


def unsigned(algorithm: str, signature: bytes = b"") -> str:
    return f"{text(json.dumps({'alg': algorithm}).encode())}.{text(json.dumps(claims()).encode())}.{text(signature)}"


def with_secret(secret: bytes, key_id: str) -> str:
    content = f"{text(json.dumps({'alg': 'HS256', 'kid': key_id}).encode())}.{text(json.dumps(claims()).encode())}"
    return f"{content}.{text(hmac.digest(secret, content.encode(), 'sha256'))}"


def with_other_claims() -> str:
    head, _, signature = signed(claims()).split(".")
    return f"{head}.{text(json.dumps(claims(sub='1')).encode())}.{signature}"


NOW_S = int(SetClock().wall_s)
ZOO: dict[str, str] = {
    "nothing": "",
    "no token": "a.b.c",
    "two parts": "a.b",
    "five parts": "a.b.c.d.e",
    "not ascii": "é.é.é",
    "too long": "a" * 70_000 + ".b.c",
    "alg none": unsigned("none"),
    "alg None": unsigned("None", b"x"),
    "no signature": unsigned("RS256"),
    "HS256 with the public key": with_secret(RSA.as_pem(private=False), "rsa"),
    "an algorithm that is not in the list": signed(claims(), RSA, "PS256"),
    "RS512": signed(claims(), RSA, "RS512"),
    "a key of another kind": signed(claims(), RSA, "RS256", kid="ec"),
    "a key that nobody has": signed(claims(), OTHER, "RS256"),
    "another key under a known name": signed(claims(), OTHER, "RS256", kid="rsa"),
    "another's claims": with_other_claims(),
    "its own key": signed(claims(), OTHER, "RS256", jwk=OTHER.as_dict(private=False)),
    "its own key under a known name": signed(claims(), OTHER, "RS256", kid="rsa", jwk=OTHER.as_dict(private=False)),
    "an address of its key": signed(claims(), RSA, "RS256", jku="https://evil.example/keys"),
    "a certificate": signed(claims(), RSA, "RS256", x5c=["x"]),
    "crit": f"{text(json.dumps({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x'], 'x': 1}).encode())}."
    + signed(claims()).partition(".")[2],
    "issuer": signed(claims(iss="https://evil.example")),
    "no issuer": signed(claims(iss=None)),
    "audience": signed(claims(aud="other")),
    "audiences": signed(claims(aud=["other"])),
    "no audience": signed(claims(aud=None)),
    "two audiences and no azp": signed(claims(aud=["sidebooks", "other"])),
    "azp of another": signed(claims(azp="other")),
    "no subject": signed(claims(sub=None)),
    "an empty subject": signed(claims(sub="")),
    "a number as subject": signed(claims(sub=7)),
    "over": signed(claims(exp=NOW_S - 61)),
    "never over": signed(claims(exp=None)),
    "a text as expiry": signed(claims(exp="2099")),
    "from the future": signed(claims(iat=NOW_S + 61)),
    "not yet": signed(claims(nbf=NOW_S + 61)),
    "no time": signed(claims(iat=None)),
    "nonce of another login": signed(claims(nonce="other")),
    "no nonce": signed(claims(nonce=None)),
}


@pytest.mark.parametrize("name", ZOO)
def test_a_token_that_is_not_believed(oidc: Oidc, name: str) -> None:
    with pytest.raises(AccessDenied):
        oidc.identity(ZOO[name], "nonce")


def test_a_secret_among_the_providers_keys_is_not_used(oidc: Oidc, provider: Provider) -> None:
    secret = {"kty": "oct", "k": text(b"x" * 32), "kid": "secret"}
    provider.keys = [secret, {"kty": "strange", "kid": "z"}, *provider.keys]
    token = with_secret(b"x" * 32, "secret")
    with pytest.raises(AccessDenied):
        oidc.identity(token, "nonce")
    assert oidc.identity(signed(claims()), "nonce").name == "sato"


def test_a_key_for_encryption_is_not_used(oidc: Oidc, provider: Provider) -> None:
    provider.keys = [{**RSA.as_dict(private=False), "use": "enc"}]
    with pytest.raises(AccessDenied):
        oidc.identity(signed(claims()), "nonce")


# Keys that change


def test_keys_are_asked_for_once_and_again_if_there_is_a_new_one(oidc: Oidc, provider: Provider, times: SetClock) -> None:
    for _ in range(5):
        oidc.identity(signed(claims()), "nonce")
    keys = provider.description["jwks_uri"]
    assert provider.asked.count(keys) == 1
    provider.keys = [{**OTHER.as_dict(private=False)}]
    new = signed(claims(), OTHER)
    for _ in range(5):
        with pytest.raises(AccessDenied):
            oidc.identity(new, "nonce")
    assert provider.asked.count(keys) == 1, "at most once a minute"
    times.steady_s += 60
    assert oidc.identity(new, "nonce").name == "sato"
    assert provider.asked.count(keys) == 2
    times.steady_s += 60
    with pytest.raises(AccessDenied):
        oidc.identity(signed(claims()), "nonce")
    times.steady_s += 3600
    oidc.identity(new, "nonce")
    assert provider.asked.count(keys) == 4


def test_a_token_without_a_name_of_its_key(oidc: Oidc, provider: Provider) -> None:
    assert oidc.identity(signed(claims(), kid=None), "nonce").name == "sato"
    provider.keys.append(OTHER.as_dict(private=False))
    fresh = Oidc(RULES, fetch=provider, clock=SetClock().clock())
    with pytest.raises(AccessDenied):
        fresh.identity(signed(claims(), kid=None), "nonce")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("issuer", "https://evil.example", "calls itself"),
        ("jwks_uri", "http://id.example/keys", "not safe"),
        ("token_endpoint", "file:///etc/passwd", "not safe"),
        ("authorization_endpoint", "javascript:x", "not safe"),
    ],
)
def test_a_provider_that_is_not_what_was_told(oidc: Oidc, provider: Provider, name: str, value: str, message: str) -> None:
    provider.description[name] = value
    with pytest.raises(AccessDenied, match=message):
        oidc.begin()


def test_a_provider_that_answers_nonsense(oidc: Oidc, provider: Provider) -> None:
    del provider.description["token_endpoint"]
    with pytest.raises(AccessDenied, match="not expected"):
        oidc.begin()


# Fetching


@pytest.mark.parametrize(
    "address", ["http://id.example", "ftp://id.example", "https://", "", "x", "http://[", "http://10.0.0.1/"]
)
def test_an_address_that_is_not_safe(address: str) -> None:
    with pytest.raises(RequestError):
        require_safe(address)
    with pytest.raises(RequestError):
        OidcRules(address, "x", "https://books.example/back")


@pytest.mark.parametrize("address", ["https://id.example/x", "http://localhost:1/", "http://127.0.0.1:80/", "http://[::1]/"])
def test_an_address_that_is_safe(address: str) -> None:
    require_safe(address)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/moved": 302, "/broken": 500}.get(self.path, 200)
        body = b"x" * (MOST_BYTES + 1) if self.path == "/much" else b'{"a": 1}'
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/there")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])) + self.headers["X-Test"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def base() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def test_fetching(base: str) -> None:
    assert fetch(f"{base}/ok") == b'{"a": 1}'
    assert fetch(f"{base}/form", {"a": "b c&d"}, {"X-Test": "h"}) == b"a=b+c%26dh"
    for path, message in (("/moved", "answers 302"), ("/broken", "answers 500"), ("/much", "too much")):
        with pytest.raises(AccessDenied, match=message):
            fetch(base + path)


def test_nobody_answers(base: str) -> None:
    with pytest.raises(AccessDenied, match="does not answer"):
        fetch("http://127.0.0.1:9/")
