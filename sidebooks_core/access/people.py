"""People, as rows of the database."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection

import msgspec
from msgspec import Struct

from sidebooks_core.access.model import Person
from sidebooks_core.access.principals import Role
from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import AccessDenied, Conflict, RequestError

ROLES: tuple[Role, ...] = ("admin", "clerk", "member")
"""Those that a person can have. Guests come by links, and a citizen is nobody known."""
LONGEST_NAME = 100
COLUMNS = "id, name, shown_name, role, groups, password, is_disabled, made_s, last_login_s"
WORKING_ADMIN = "role = 'admin' AND is_disabled = 0"


class LastAdmin(Conflict):
    """Nobody would be left who can make an admin."""

    def __init__(self, name: str) -> None:
        """name: of the last admin."""
        super().__init__(f"{name} is the last admin: make somebody else an admin first")
        self.name = name


class PersonRow(Struct, frozen=True, array_like=True):
    """As it is stored."""

    id: str
    name: str
    shown_name: str
    role: Role
    groups: str
    password: str | None
    is_disabled: bool
    made_s: float
    last_login_s: float | None

    def person(self) -> Person:
        """Without the password's hash."""
        return Person(
            id=self.id,
            name=self.name,
            shown_name=self.shown_name,
            role=self.role,
            groups=msgspec.json.decode(self.groups, type=frozenset[str]),
            is_disabled=self.is_disabled,
            has_password=self.password is not None,
            made_s=self.made_s,
            last_login_s=self.last_login_s,
        )


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """A text that others read: on one line, without control characters, no longer than it may be."""
    shown = "".join(character if character.isprintable() else " " for character in unicodedata.normalize("NFC", text))
    return re.sub(r" +", " ", shown).strip()[:longest]


def login_name(name: str) -> str:
    """A name as it is compared: without the difference of capital, small and full-width letters. May be empty."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"\s+", " ", folded).strip()


def required_name(name: str) -> str:
    """The name as it is compared. Raises RequestError for one that nobody can type or read."""
    folded = login_name(name)
    if not folded:
        raise RequestError("a person needs a name")
    if len(folded) > LONGEST_NAME:
        raise RequestError(f"the name is too long: at most {LONGEST_NAME} characters")
    if not folded.isprintable():
        raise RequestError(f"{name!r} is no name: it holds characters that cannot be seen")
    return folded


def required_role(role: str) -> Role:
    """Raises RequestError for a role that no person can have."""
    for known in ROLES:
        if role == known:
            return known
    raise RequestError(f"role must be one of {', '.join(ROLES)}, not {role!r}")


def required_groups(groups: Collection[str]) -> frozenset[str]:
    """Raises RequestError for groups without a name, and for a text in the place of a collection."""
    if isinstance(groups, str):
        raise RequestError("groups must be a collection of names, not one text")
    found = frozenset(clean(group) for group in groups)
    if "" in found:
        raise RequestError("a group needs a name")
    return found


def all_people(reading: Reading) -> list[Person]:
    """All, by name."""
    rows = reading.all(PersonRow, f"SELECT {COLUMNS} FROM person ORDER BY name")
    return [row.person() for row in rows]


def find(reading: Reading, name: str) -> PersonRow | None:
    """The person who logs in with a name."""
    return reading.one(PersonRow, f"SELECT {COLUMNS} FROM person WHERE name = ?", login_name(name))


def find_subject(reading: Reading, subject: str) -> PersonRow | None:
    """The person whom an identity provider knows by a subject."""
    return reading.one(PersonRow, f"SELECT {COLUMNS} FROM person WHERE subject = ?", subject)


def shown_name(reading: Reading, person_id: str) -> str:
    """Empty: there is no such person."""
    return reading.one(str, "SELECT shown_name FROM person WHERE id = ?", person_id) or ""


def required(reading: Reading, person_id: str) -> PersonRow:
    """Raises RequestError if there is no such person."""
    row = reading.one(PersonRow, f"SELECT {COLUMNS} FROM person WHERE id = ?", person_id)
    if row is None:
        raise RequestError("there is no such person")
    return row


def add(writing: Writing, person: Person, password: str | None, subject: str | None = None) -> None:
    """Raises Conflict if somebody has the name."""
    if find(writing, person.name) is not None:
        raise Conflict(f"there is somebody with the name {person.name!r} already")
    writing.run(
        "INSERT INTO person (id, name, shown_name, role, groups, password, subject, made_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        person.id,
        person.name,
        person.shown_name,
        person.role,
        _groups_text(person.groups),
        password,
        subject,
        person.made_s,
    )


def change(writing: Writing, person: Person) -> None:
    """Write what a person is now. Raises Conflict if no admin would be left who can log in."""
    if person.role != "admin" or person.is_disabled:
        was = required(writing, person.id)
        others = writing.number(f"SELECT count(*) FROM person WHERE {WORKING_ADMIN} AND id <> ?", person.id)
        if was.role == "admin" and not was.is_disabled and not others:
            raise LastAdmin(person.name)
    writing.run(
        "UPDATE person SET shown_name = ?, role = ?, groups = ?, is_disabled = ? WHERE id = ?",
        person.shown_name,
        person.role,
        _groups_text(person.groups),
        person.is_disabled,
        person.id,
    )


def set_password(writing: Writing, person_id: str, stored: str) -> None:
    writing.run("UPDATE person SET password = ? WHERE id = ?", stored, person_id)


def set_logged_in(writing: Writing, person_id: str, at_s: float) -> None:
    writing.run("UPDATE person SET last_login_s = ? WHERE id = ?", at_s, person_id)


def has_admin_who_comes_in(reading: Reading) -> bool:
    """Whether an admin can log in with a password, or has logged in by another way."""
    comes_in = "(password IS NOT NULL OR last_login_s IS NOT NULL)"
    return bool(reading.number(f"SELECT EXISTS (SELECT 1 FROM person WHERE {WORKING_ADMIN} AND {comes_in})"))


def password_version(stored: str | None) -> str:
    """Tells one password from the next. A hash has a salt of its own, so setting the same password again changes it, too."""
    return hashlib.sha256(stored.encode()).hexdigest() if stored else ""


def require_version(row: PersonRow, version: str) -> None:
    """Raises AccessDenied if a person's password is not the one that was checked. version: empty: none was."""
    if version and version != password_version(row.password):
        raise AccessDenied("the password was changed meanwhile: log in with the new one")


def free_name(reading: Reading, wanted: str) -> str:
    """A name that nobody has: the one wanted, or with a number behind it."""
    name, number = wanted, 1
    while find(reading, name) is not None:
        number += 1
        name = f"{wanted[: LONGEST_NAME - 8]}-{number}"
    return name


def _groups_text(groups: Collection[str]) -> str:
    return msgspec.json.encode(sorted(groups)).decode()
