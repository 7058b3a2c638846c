"""Accounts: people, their passwords, and the first administrator."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from typing import Unpack

from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access import addresses, attempts, audit, links, people, sessions
from sidebooks_core.access.attempts import Origin
from sidebooks_core.access.core import Core, Who
from sidebooks_core.access.logins import close_link
from sidebooks_core.access.model import Person, PersonChanges
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.passwords import Passwords, require_good
from sidebooks_core.access.people import LastAdmin
from sidebooks_core.access.principals import Principal, Role
from sidebooks_core.access.tokens import digest_of, new_id, new_token
from sidebooks_core.errors import AccessDenied, RequestError, TooManyAttempts

MANAGE = Operation.MANAGE_PEOPLE
_log = logging.getLogger("sidebooks_core.access")
TOLD_EVERY_S = 60.0
MOST_TOLD = 10_000
WRONG = "the name or the password is wrong"
"""The same for an unknown name, a wrong password, and a person who is disabled."""


class _Early(Struct, frozen=True):
    """An attempt that came too early, and was refused. Both times are of the steady clock, in seconds."""

    since_s: float
    """When it was refused."""
    until_s: float
    """When the password may be tried again."""


class Accounts:
    """The part of `Access` that knows people."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._passwords = Passwords()
        self._told_s: dict[str, float] = {}
        self._early: dict[Origin, _Early] = {}

    def people(self) -> list[Person]:
        """All, by name, also those who are disabled."""
        with self._core.database.reading() as reading:
            return people.all_people(reading)

    def person(self, person_id: str) -> Person:
        """Raises RequestError if there is no such person."""
        with self._core.database.reading() as reading:
            return people.required(reading, person_id).person()

    def find_person(self, name: str) -> Person | None:
        """The person who logs in with a name. Capital and full-width letters make no difference."""
        with self._core.database.reading() as reading:
            row = people.find(reading, name)
        return None if row is None else row.person()

    def has_people(self) -> bool:
        """Whether there is any account. Never waits."""
        return self._core.known.has_people

    def add_person(
        self,
        name: str,
        role: Role,
        *,
        password: str | None = None,
        groups: Collection[str] = (),
        shown_name: str = "",
        who: Who = "",
    ) -> Person:
        """A new account. role: admin, clerk or member. password: None for somebody who comes by another way.

        shown_name: what others read; the name, unless told.
        Raises RequestError for a name, role, group or password that cannot be, Conflict if somebody has the name.
        """
        made = self._new(name, role, groups, shown_name)
        stored = self._stored(password, made.name)
        with self._core.changing() as change:
            people.add(change.writing, made, stored)
            change.note(who, MANAGE, f"added {made.name} as {made.role}, id {made.id}")
            return people.required(change.writing, made.id).person()

    def change_person(self, person_id: str, *, who: Who = "", **changes: Unpack[PersonChanges]) -> Person:
        """Change an account; what is not told stays. The logins of somebody who is disabled end at once, and
        so do the signed addresses and the guests' links that they made. None of these comes back with the person.

        Raises RequestError, Conflict for the last admin who is not disabled.
        """
        unknown = changes.keys() - PersonChanges.__annotations__.keys()
        if unknown:
            raise RequestError(f"{', '.join(sorted(unknown))} of a person cannot be changed")
        with self._core.changing() as change:
            old = people.required(change.writing, person_id).person()
            new = replace(
                old,
                role=people.required_role(changes.get("role", old.role)),
                groups=people.required_groups(changes.get("groups", old.groups)),
                shown_name=people.clean(changes.get("shown_name", old.shown_name)) or old.name,
                is_disabled=changes.get("is_disabled", old.is_disabled),
            )
            people.change(change.writing, new)
            if new.is_disabled:
                sessions.end_of_person(change.writing, person_id)
                addresses.end_of_signer(change.writing, person_id)
                for link in links.of_maker(change.writing, person_id):
                    close_link(change, link, who)
            change.note(who, MANAGE, f"changed {old.name}: {_difference(old, new)}")
            return people.required(change.writing, person_id).person()

    def set_password(self, person_id: str, password: str, *, keep: str = "", who: Who = "", password_version: str = "") -> None:
        """Set somebody's password. All logins of theirs end, but for one: keep is its id; so do their signed addresses.

        password_version: of the password that was checked before; AccessDenied if another one was set since.
        Raises RequestError.
        """
        person = self.person(person_id)
        stored = self._stored(password, person.name)
        with self._core.changing() as change:
            people.require_version(people.required(change.writing, person_id), password_version)
            people.set_password(change.writing, person_id, stored or "")
            ended = sessions.end_of_person(change.writing, person_id, keep)
            addresses.end_of_signer(change.writing, person_id)
            change.note(who, MANAGE, f"set the password of {person.name}; {ended} logins ended")

    def check_password(
        self, name: str, password: str, address: str, device_token: str = "", *, new_device_token: str = ""
    ) -> Person:
        """The person, if the password is right. Takes about 50 ms, and is the same for an unknown name.

        address: where it comes from. device_token: a secret of the browser, such as a lasting cookie. An address or a browser
        from which the person has logged in is not kept out by strangers who try the same name elsewhere. new_device_token: the
        secret that a browser without one is given if the password is right.
        Raises AccessDenied; TooManyAttempts if it is too early for another attempt; RequestError without argon2-cffi.
        Does not log in: see `log_in`, which takes `password_version` of the person.
        """
        self._passwords.warm_up()
        self.refuse_early(name, address, device_token)
        origin = Origin(people.login_name(name), address, device_token)
        core = self._core
        with core.database.writing() as writing:
            wait_s = attempts.begin(writing, origin, core.clock.wall())
            row = people.find(writing, origin.name)
        if wait_s > 0:
            if self._may_tell(origin.network()):
                self._refused(origin.name, address, "too many attempts")
            self._remember_early(origin, wait_s)
            raise _too_early(wait_s)
        is_right = self._passwords.is_right(password, None if row is None else row.password)
        if row is None or not is_right or row.is_disabled:
            self._refused("" if row is None else row.name, address, "wrong name or password" if not is_right else "disabled")
            raise AccessDenied(WRONG)
        renewed = self._passwords.hash(password) if row.password and self._passwords.is_outdated(row.password) else None
        with core.database.writing() as writing:
            now = people.required(writing, row.id)
            if now.password != row.password or now.is_disabled:  # changed meanwhile
                raise AccessDenied(WRONG)
            attempts.succeed(writing, origin, core.clock.wall(), device_token or new_device_token)
            self._early = {early: until for early, until in list(self._early.items()) if early.name != origin.name}
            if renewed is not None:
                people.set_password(writing, row.id, renewed)
        return replace(row.person(), password_version=people.password_version(renewed or row.password))

    def refuse_early(self, name: str, address: str, device_token: str = "") -> None:
        """Refuse an attempt if `check_password` refused the same name, address and browser within the last second as too early.

        A server calls this before an attempt waits for its turn: so a flood of attempts costs no turns. One attempt a second
        still reaches `check_password`, which counts it. Never waits. Raises TooManyAttempts.
        """
        early = self._early.get(Origin(people.login_name(name), address, device_token))
        now_s = self._core.clock.steady()
        if early is not None and now_s < min(early.since_s + attempts.COUNTED_EVERY_S, early.until_s):
            raise _too_early(early.until_s - now_s)

    def setup_token(self) -> str | None:
        """A secret with which the first administrator sets a name and a password, once, within an hour.

        One that was made before ends. None if there is an admin who can come in: one who is not disabled, and has a password or
        has logged in by another way.
        """
        token = new_token()
        with self._core.database.writing() as writing:
            if people.has_admin_who_comes_in(writing):
                return None
            links.set_setup(writing, digest_of(token) or "", self._core.clock.wall())
        return token

    def set_up(self, token: str, name: str, password: str) -> Person:
        """Make the first administrator. Raises AccessDenied if the token is not valid; RequestError and Conflict as
        `add_person`, after which the token is still valid.
        """
        made = self._new(name, "admin", (), "")
        with self._core.database.reading() as reading:
            links.require_setup(reading, digest_of(token), self._core.limits, self._core.clock.wall())
        stored = self._stored(password, made.name)
        with self._core.changing() as change:
            links.require_setup(change.writing, digest_of(token), self._core.limits, change.now_s)
            if people.has_admin_who_comes_in(change.writing):
                raise AccessDenied("there is an administrator already")
            links.end_setup(change.writing)
            people.add(change.writing, made, stored)
            change.note(made.name, MANAGE, f"set up {made.name} as the first admin, id {made.id}")
            return people.required(change.writing, made.id).person()

    def person_of_subject(self, subject: str, name: str, shown_name: str, role: Role, groups: Collection[str]) -> Person:
        """The person whom an identity provider knows by a subject, made or brought up to date. Their role and groups are
        those told. They have an account of their own: one of the same name that was there before is somebody else.

        Raises AccessDenied if they are disabled, RequestError. Conflict for the last admin, if another role is told: the person
        stays an admin, since else nobody would be left who can make one, and the log and the audit say so.
        """
        try:
            return self._brought_up_to_date(subject, name, shown_name, role, groups)
        except LastAdmin as fault:
            _log.warning("the identity provider says that %s is %s; nothing was changed: %s", fault.name, role, fault)
            detail = f"refused: {fault.name} as {role}; the last admin stays one"
            self._core.recorder.put(audit.entry(self._core.clock.wall(), subject, MANAGE, "", "", detail))
            raise

    def _brought_up_to_date(self, subject: str, name: str, shown_name: str, role: Role, groups: Collection[str]) -> Person:
        with self._core.changing() as change:
            row = people.find_subject(change.writing, subject)
            if row is None:
                wanted = self._new(name, role, groups, shown_name)
                made = replace(wanted, name=people.free_name(change.writing, wanted.name))
                people.add(change.writing, made, None, subject)
                change.note(subject, MANAGE, f"added {made.name} as {made.role}, id {made.id}")
                return made
            if row.is_disabled:
                raise AccessDenied(WRONG)
            old = row.person()
            new = _brought_up(old, shown_name, role, groups)
            if new != old:
                people.change(change.writing, new)
                change.note(subject, MANAGE, f"changed {old.name}: {_difference(old, new)}")
            return new

    def _new(self, name: str, role: str, groups: Collection[str], shown_name: str) -> Person:
        folded = people.required_name(name)
        return Person(
            id=new_id(),
            name=folded,
            shown_name=people.clean(shown_name) or people.clean(name),
            role=people.required_role(role),
            groups=people.required_groups(groups),
            made_s=self._core.clock.wall(),
        )

    def _stored(self, password: str | None, name: str) -> str | None:
        if password is None:
            return None
        require_good(password, name)
        return self._passwords.hash(password)

    def _remember_early(self, origin: Origin, wait_s: float) -> None:
        if len(self._early) >= MOST_TOLD:
            self._early = {}
        now_s = self._core.clock.steady()
        self._early[origin] = _Early(now_s, now_s + wait_s)

    def _may_tell(self, network: str) -> bool:
        """Whether to record that somebody tries too often: who does so all day must not fill the disk."""
        now_s = self._core.clock.steady()
        if now_s - self._told_s.get(network, -TOLD_EVERY_S) < TOLD_EVERY_S:
            return False
        if len(self._told_s) >= MOST_TOLD:
            self._told_s = {}
        self._told_s[network] = now_s
        return True

    def _refused(self, name: str, address: str, reason: str) -> None:
        """An unknown name is not written down: it may be a password that was typed into the wrong field."""
        known = self.find_person(name) if name else None
        who = Principal(known.id, known.name, known.role) if known is not None else "unknown name"
        now_s = self._core.clock.wall()
        self._core.recorder.put(audit.entry(now_s, who, Operation.LOG_IN, "", address, f"refused: {reason}"))


def _too_early(wait_s: float) -> TooManyAttempts:
    told_s = math.ceil(wait_s)
    return TooManyAttempts(f"too many attempts: try again in {told_s} seconds", retry_after_s=float(told_s))


def _brought_up(old: Person, shown_name: str, role: Role, groups: Collection[str]) -> Person:
    return replace(
        old,
        role=people.required_role(role),
        groups=people.required_groups(groups),
        shown_name=people.clean(shown_name) or old.shown_name,
    )


def _difference(old: Person, new: Person) -> str:
    """What was changed, in words."""
    names = ("role", "groups", "shown_name", "is_disabled")
    told = [
        f"{name} {_told(getattr(old, name))} to {_told(getattr(new, name))}"
        for name in names
        if getattr(old, name) != getattr(new, name)
    ]
    return ", ".join(told) or "nothing"


def _told(value: object) -> str:
    return " ".join(sorted(value)) or "none" if isinstance(value, frozenset) else str(value)
