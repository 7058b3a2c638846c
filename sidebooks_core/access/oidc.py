"""Logging in at an identity provider, by OpenID Connect: the authorization code flow with PKCE. Needs joserfc.

    pending = oidc.begin()           send the browser to `pending.address`, and keep the rest for it, in a cookie
    told = oidc.finish(pending, …)   when the browser comes back, with the parameters of its address
    person = access.person_of_subject(told.subject, told.name, told.shown_name, told.role, told.groups)

A token is believed only if a key of the provider's has signed it, with one of few algorithms, for this client, for now, and for
the login that was begun. What a token says of its own key is not looked at.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from sidebooks_core.access.fetching import Fetch, fetch, require_safe
from sidebooks_core.access.model import Clock
from sidebooks_core.access.people import clean
from sidebooks_core.access.principals import Role
from sidebooks_core.access.tokens import new_token
from sidebooks_core.errors import AccessDenied, RequestError

if TYPE_CHECKING:
    from joserfc.jwk import Key

_T = TypeVar("_T")
ALGORITHMS = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""Those that are believed, each with the kind of its keys. None of them uses a secret that both sides have."""
LEEWAY_S = 60.0
KEPT_S = 3600.0
"""The provider's description and keys are asked for again after so long."""
RETRY_S = 60.0
"""An unknown key is looked for at most once in this time."""
STRONGEST: tuple[Role, ...] = ("admin", "clerk", "member")
LONGEST_TOKEN = 64 * 1024


class OidcRules(Struct, frozen=True):
    """The provider, and what its claims mean. Raises RequestError for an address that is not HTTPS."""

    issuer: str
    """As the provider writes it, for example https://login.example.jp/realms/city."""
    client_id: str
    return_address: str
    """Of this server: where the provider sends the browser back."""
    client_secret: str = ""
    """Empty for a public client."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    """If the token has no such claim, the subject is the name."""
    shown_name_claim: str = "name"
    groups_claim: str = "groups"
    roles: Mapping[str, Role] = {}
    """The role of a group's members. If somebody is in several, the strongest counts."""
    role: Role | None = "member"
    """The role of those who are in none of these groups. None: they are not let in."""

    def __post_init__(self) -> None:
        require_safe(self.issuer)
        require_safe(self.return_address)


class Pending(Struct, frozen=True):
    """A login that was begun. Keep it for the browser that began it, and for nobody else; use it once."""

    address: str
    """At the provider: send the browser there."""
    state: str
    nonce: str
    verifier: str


class Identity(Struct, frozen=True):
    """Whom the provider names."""

    subject: str
    """The issuer and its id of the person, which never goes to somebody else."""
    name: str
    shown_name: str
    role: Role
    groups: frozenset[str]


class _Description(Struct, frozen=True):
    """The provider's own description, as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Keys(Struct, frozen=True):
    keys: list[dict[str, object]]


class _Answer(Struct, frozen=True):
    id_token: str


class _Head(Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Claims(Struct, frozen=True):
    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    iat: float
    nonce: str
    nbf: float = 0.0
    azp: str | None = None


class Oidc:
    """A client of one provider. Thread-safe; methods wait for the provider, so call them from a thread."""

    def __init__(self, rules: OidcRules, *, fetch: Fetch = fetch, clock: Clock | None = None) -> None:
        """Asks nobody yet. Raises RequestError without joserfc."""
        _require_library()
        self.rules = rules
        self._fetch = fetch
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._described: tuple[_Description, float] | None = None
        self._keys: list[tuple[str | None, str, Key]] = []
        self._keys_s: float | None = None

    def begin(self) -> Pending:
        """Begin a login. Raises AccessDenied if the provider does not answer."""
        state, nonce, verifier = new_token(), new_token(), new_token()
        asked = {
            "response_type": "code",
            "client_id": self.rules.client_id,
            "redirect_uri": self.rules.return_address,
            "scope": " ".join(self.rules.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _base64(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        address = self._description().authorization_endpoint
        joint = "&" if "?" in address else "?"
        return Pending(f"{address}{joint}{urlencode(asked, quote_via=quote)}", state, nonce, verifier)

    def finish(self, pending: Pending, parameters: Mapping[str, str]) -> Identity:
        """Who it is. parameters: of the address to which the browser came back. Raises AccessDenied."""
        if not hmac.compare_digest(parameters.get("state", "").encode(), pending.state.encode()):
            raise AccessDenied("this login was not begun here, or was used already: begin again")
        if parameters.get("iss", self.rules.issuer) != self.rules.issuer:
            raise AccessDenied("another identity provider has answered")
        code = parameters.get("code")
        if not code:
            raise AccessDenied(f"the identity provider did not let in: {clean(parameters.get('error', 'no code'))}")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.rules.return_address,
            "code_verifier": pending.verifier,
            "client_id": self.rules.client_id,
        }
        headers = {}
        if self.rules.client_secret:
            pair = f"{quote(self.rules.client_id, safe='')}:{quote(self.rules.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        answer = _decoded(self._fetch(self._description().token_endpoint, form, headers), _Answer)
        return self.identity(answer.id_token, pending.nonce)

    def identity(self, token: str, nonce: str) -> Identity:
        """Whom an id token names. nonce: of the login that it must be for. Raises AccessDenied if it is not to be believed."""
        content = self._verified(token)
        claims = _decoded(content, _Claims)
        now_s, rules = self._clock.wall(), self.rules
        audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        is_right = (
            claims.iss == rules.issuer
            and rules.client_id in audience
            and (claims.azp == rules.client_id if claims.azp is not None else len(audience) == 1)
            and hmac.compare_digest(claims.nonce.encode(), nonce.encode())
            and bool(claims.sub)
        )
        if not is_right:
            raise _refused("it is not for this login")
        if not (now_s < claims.exp + LEEWAY_S and max(claims.iat, claims.nbf) <= now_s + LEEWAY_S):
            raise _refused("it is not valid now; are the clocks right?")
        return self._identity_of(claims, msgspec.json.decode(content, type=dict[str, object]))

    def _identity_of(self, claims: _Claims, told: Mapping[str, object]) -> Identity:
        rules = self.rules
        groups = frozenset(filter(None, (clean(group) for group in _texts(told.get(rules.groups_claim)))))
        roles = {rules.roles[group] for group in groups if group in rules.roles}
        role = next((one for one in STRONGEST if one in roles), rules.role)
        if role is None:
            raise AccessDenied("the identity provider knows you, and you are in no group that is let in here")
        name = _text(told.get(rules.name_claim)) or clean(claims.sub)
        shown = _text(told.get(rules.shown_name_claim)) or name
        return Identity(f"{claims.iss} {claims.sub}", name, shown, role, groups)

    def _verified(self, token: str) -> bytes:
        """What a token says, if a key of the provider has signed it. Raises AccessDenied."""
        from joserfc import jws
        from joserfc.errors import JoseError, SecurityWarning

        head = _head_of(token)
        key = self._key(head)
        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of "EdDSA", the older name of Ed25519, which providers use
            try:
                return jws.deserialize_compact(token, key, algorithms=[head.alg]).payload
            except (JoseError, ValueError) as fault:
                raise _refused("its signature is wrong") from fault

    def _key(self, head: _Head) -> Key:
        """The provider's key for a token. The keys are asked for again if it has a new one."""
        kind = ALGORITHMS[head.alg]
        found = self._known_key(head, kind)
        if found is None and self._may_ask_again():
            self._ask_keys()
            found = self._known_key(head, kind)
        if found is None:
            raise _refused("the provider has no such key")
        return found

    def _known_key(self, head: _Head, kind: str) -> Key | None:
        if self._keys_s is None or self._clock.steady() - self._keys_s >= KEPT_S:
            return None
        fit = [key for key_id, of_kind, key in self._keys if of_kind == kind and (head.kid is None or key_id == head.kid)]
        return fit[0] if len(fit) == 1 else None

    def _may_ask_again(self) -> bool:
        with self._lock:
            return self._keys_s is None or self._clock.steady() - self._keys_s >= RETRY_S

    def _ask_keys(self) -> None:
        from joserfc import jwk
        from joserfc.errors import JoseError

        told = _decoded(self._fetch(self._description().jwks_uri), _Keys).keys
        keys: list[tuple[str | None, str, Key]] = []
        for one in told:
            kind, key_id = one.get("kty"), one.get("kid")
            if kind not in ALGORITHMS.values() or one.get("use", "sig") != "sig" or "d" in one:
                continue
            try:
                key = jwk.import_key(
                    {name: value for name, value in one.items() if name in KEY_PARTS and isinstance(value, str)}
                )
            except (JoseError, ValueError, TypeError):  # of a kind that this version does not know: others may fit
                continue
            keys.append((key_id if isinstance(key_id, str) else None, str(kind), key))
        with self._lock:
            self._keys, self._keys_s = keys, self._clock.steady()

    def _description(self) -> _Description:
        now_s = self._clock.steady()
        with self._lock:
            known = self._described
        if known is not None and now_s - known[1] < KEPT_S:
            return known[0]
        address = f"{self.rules.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = _decoded(self._fetch(address), _Description)
        if found.issuer != self.rules.issuer:
            raise AccessDenied(f"the identity provider calls itself {clean(found.issuer)!r}, not {self.rules.issuer!r}")
        try:
            for one in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                require_safe(one)
        except RequestError as fault:
            raise AccessDenied(f"the identity provider is not safe: {fault}") from fault
        with self._lock:
            self._described = (found, now_s)
        return found


KEY_PARTS = ("kty", "n", "e", "crv", "x", "y")
"""What makes a public key. The rest of what a provider says of it is not needed."""


def _head_of(token: str) -> _Head:
    """The head of a token. Raises AccessDenied for one that is not to be believed, whatever its signature."""
    if len(token) > LONGEST_TOKEN or not token.isascii() or token.count(".") != 2:
        raise _refused("it is no signed token")
    text = token.partition(".")[0]
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as fault:
        raise _refused("it is no signed token") from fault
    told = _decoded(content, dict[str, object])
    if told.keys() - {"alg", "kid", "typ", "x5t", "x5t#S256"}:
        raise _refused("its head says what is not believed")
    head = _decoded(content, _Head)
    if head.alg not in ALGORITHMS:
        raise _refused("its algorithm is not believed")
    return head


def _decoded(content: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise AccessDenied("the identity provider answers with what is not expected") from fault


def _refused(reason: str) -> AccessDenied:
    return AccessDenied(f"the token of the identity provider is not believed: {reason}")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _require_library() -> None:
    try:
        import joserfc  # noqa: F401
    except ImportError as missing:
        raise RequestError("identity providers need joserfc: pip install 'sidebooks-core[oidc]'") from missing
