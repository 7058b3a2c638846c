"""Logins of people and guests, and links for guests."""

from __future__ import annotations

from collections.abc import Collection

from sidebooks_core.access import addresses, links, people, sessions
from sidebooks_core.access.core import Changing, Core, Who
from sidebooks_core.access.known_rows import GUEST
from sidebooks_core.access.model import Link, Session, Unknown
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.principals import Principal
from sidebooks_core.access.tokens import digest_of, new_id, new_token
from sidebooks_core.errors import AccessDenied, RequestError

MOST_USES = 1_000_000


class Logins:
    """The part of `Access` that knows who is logged in."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def log_in(self, person_id: str, *, device: str = "", address: str = "", password_version: str = "") -> tuple[str, Session]:
        """Begin a login. Returns its secret, for a cookie, and what is known of it; the secret is stored as a digest only.

        device: in words that the person recognises. password_version: of the person whom `check_password` gave.
        Raises AccessDenied if the person is disabled, or has another password since it was checked; RequestError.
        """
        token, session_id = new_token(), new_id()
        core = self._core
        with core.changing() as change:
            row = people.required(change.writing, person_id)
            people.require_version(row, password_version)
            person = row.person()
            if person.is_disabled:
                raise AccessDenied("the account is disabled")
            now_s = change.now_s
            session = Session(session_id, person_id, None, device, address, now_s, now_s, now_s + core.limits.login_s)
            session = sessions.add(change.writing, session, digest_of(token) or "")
            sessions.end_oldest(change.writing, person_id, core.limits.logins_per_person)
            people.set_logged_in(change.writing, person_id, now_s)
            who = Principal(person.id, person.shown_name, person.role)
            change.note(who, Operation.LOG_IN, f"login {session_id}, {session.device}", address=address)
        return token, session

    def known_principal(self, token: str, *, is_use: bool = True) -> Principal | Unknown | None:
        """Whose login a secret is. None: nobody's. UNKNOWN: ask `principal`, which reads. Never waits.

        is_use: whether the login counts as used now. A login that nobody uses for `AccessLimits.idle_s` ends.
        """
        return self._core.known.find(digest_of(token), is_use=is_use)

    def principal(self, token: str, *, is_use: bool = True) -> Principal | None:
        """Whose login a secret is; None if it is nobody's, or not any more. Reads the database if it is not known.

        is_use: see `known_principal`.
        """
        return self._core.known.reread(digest_of(token), is_use=is_use)

    def sessions(self, person_id: str) -> list[Session]:
        """The logins of a person, the one that was used last first."""
        with self._core.database.reading() as reading:
            found = sessions.of_person(reading, person_id)
        limits, now_s = self._core.limits, self._core.clock.wall()
        return [one for one in found if now_s < one.end_s and now_s < one.seen_s + limits.idle_s]

    def end_session(self, session_id: str, who: Who = "") -> None:
        """End a login at once. Raises RequestError if it ended already."""
        with self._core.changing() as change:
            session = sessions.required(change.writing, session_id)
            sessions.end(change.writing, session_id)
            change.note(who, Operation.LOG_IN, f"ended the login {session_id} of {session.person or 'a guest'}")

    def end_sessions(self, person_id: str, who: Who = "", *, keep: str = "") -> int:
        """End all logins of a person at once, for example after a tablet was lost, but for one: keep is its id.

        All signed addresses that the person made end, too. Returns how many logins ended. Raises RequestError.
        """
        with self._core.changing() as change:
            name = people.required(change.writing, person_id).name
            ended = sessions.end_of_person(change.writing, person_id, keep)
            signed = addresses.end_of_signer(change.writing, person_id)
            change.note(who, Operation.LOG_IN, f"ended {ended} logins and {signed} signed addresses of {name}")
        return ended

    # Links for guests

    def make_link(
        self, folders: Collection[str], *, name: str, until_s: float, uses: int | None = None, who: Who = ""
    ) -> tuple[str, Link]:
        """A link with which guests read folders, and what is in them, until a time. Returns its secret, for an address.

        name: for whom it is; others read it. uses: how often it can be used; None: any number. If `who` is a person, the link
        also ends when that person is disabled. Raises RequestError.
        """
        token = new_token()
        with self._core.changing() as change:
            link, maker = link_of(change, folders, name=name, until_s=until_s, uses=uses, who=who)
            links.add(change.writing, link, digest_of(token) or "", maker)
            change.note(who, Operation.SHARE, f"made the link {link.id}, {link.name}, to {' '.join(sorted(folders))}")
        return token, link

    def links(self) -> list[Link]:
        """The links for guests, the newest first, also those that were over within the last seven days."""
        with self._core.database.reading() as reading:
            return links.all_links(reading)

    def end_link(self, link_id: str, who: Who = "") -> None:
        """End a link, and the logins of its guests, at once. Raises RequestError."""
        with self._core.changing() as change:
            close_link(change, links.required(change.writing, link_id), who)

    def use_link(self, token: str, *, guest_name: str = "", device: str = "", address: str = "") -> tuple[str, Session]:
        """Log in as a guest. The login ends with the link. guest_name: what they call themselves; nobody has checked it.

        Raises AccessDenied if the link is not valid, or if `AccessLimits.guests_per_link` guests are logged in by it.
        """
        return logged_in_by(self._core, token, guest_name=guest_name, device=device, address=address)


def logged_in_by(core: Core, token: str, *, guest_name: str, device: str, address: str) -> tuple[str, Session]:
    """See `Logins.use_link`."""
    secret, shown = new_token(), people.clean(guest_name)
    with core.changing() as change:
        session_id = new_id(sessions.guest_beginning(change.writing))
        link = links.use(change.writing, digest_of(token), change.now_s)
        now_s = change.now_s
        if sessions.count_of_link(change.writing, link.id, core.limits, now_s) >= core.limits.guests_per_link:
            raise AccessDenied("too many guests have come by this link: ask whoever gave it to you for another")
        end_s = min(link.until_s, now_s + core.limits.login_s)
        session = Session(session_id, None, link.id, device, address, now_s, now_s, end_s)
        session = sessions.add(change.writing, session, digest_of(secret) or "", shown)
        guest = Principal(f"{GUEST}{session_id}", shown or link.name, "guest", link=link.name)
        change.note(guest, Operation.LOG_IN, f"by the link {link.id}, {link.name}", address=address)
    return secret, session


def link_of(
    change: Changing, folders: Collection[str], *, name: str, until_s: float, uses: int | None = None, who: Who = ""
) -> tuple[Link, str]:
    """A new link that is not stored yet, and the id of the person who makes it. See `Logins.make_link`. Raises RequestError."""
    if isinstance(folders, str) or not folders or "" in folders:
        raise RequestError("a link needs folders: a collection of their ids")
    shown = people.clean(name)
    if not shown:
        raise RequestError("a link needs a name, such as the guests' office")
    if uses is not None and not 1 <= uses <= MOST_USES:
        raise RequestError(f"uses must be from 1 to {MOST_USES}")
    if not change.now_s < until_s < float("inf"):
        raise RequestError("a link must end in the future")
    made_by, maker = (who.name, who.id) if isinstance(who, Principal) else (who, "")
    return Link(new_id(), shown, frozenset(folders), change.now_s, until_s, uses, 0, made_by), maker


def close_link(change: Changing, link: Link, who: Who) -> None:
    """End a link, with the logins of its guests, and have the audit say so."""
    ended = sessions.end_of_link(change.writing, link.id)
    links.end(change.writing, link.id)
    change.note(who, Operation.SHARE, f"ended the link {link.id}, {link.name}; {ended} logins ended")
