"""Signed addresses, as rows of the database. A row is what an address shows; without it, the signature shows nothing."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from sidebooks_core.access.model import SignedAddress
from sidebooks_core.access.principals import Principal
from sidebooks_core.databases.database import Reading, Writing
from sidebooks_core.errors import RequestError

COLUMNS = "id, signer, signer_name, documents, with_original, made_s, until_s"


class AddressRow(Struct, frozen=True, array_like=True):
    """As it is stored, but for what tells whether its signer may still read."""

    id: str
    signer: str
    signer_name: str
    documents: str
    with_original: bool
    made_s: float
    until_s: float

    def address(self) -> SignedAddress:
        return SignedAddress(
            id=self.id,
            signer=self.signer,
            signer_name=self.signer_name,
            documents=msgspec.json.decode(self.documents, type=frozenset[str]),
            with_original=self.with_original,
            made_s=self.made_s,
            until_s=self.until_s,
        )


class Signer(Struct, frozen=True):
    """Who signs, as it is stored: how long the address lives follows from it."""

    id: str
    name: str
    session: str | None = None
    """A guest's login."""
    principal: str = ""
    """JSON, of somebody who has no account here. Empty: the rights are those that the person has at the time of a request."""


def signer_of(principal: Principal, *, has_account: bool) -> Signer:
    """Who signs, of a principal."""
    name = principal.name or principal.role
    if principal.role == "guest" and principal.session:
        return Signer(principal.id, name, session=principal.session)
    if has_account:
        return Signer(principal.id, name)
    bare = replace(principal, session="", documents=None)
    return Signer(principal.id, name, principal=msgspec.json.encode(bare, order="deterministic").decode())


def find(reading: Reading, signer: Signer, documents: tuple[str, ...], until_s: float, *, with_original: bool) -> str | None:
    """The id of an address that was made alike; None if there is none."""
    return reading.one(
        str,
        "SELECT id FROM signed_address WHERE signer = ? AND until_s = ? AND documents = ? AND with_original = ?"
        " AND principal = ? AND session IS ?",
        signer.id,
        until_s,
        _text(documents),
        with_original,
        signer.principal,
        signer.session,
    )


def add(writing: Writing, address: SignedAddress, signer: Signer) -> None:
    """Raises RequestError if the signer's login has ended."""
    if signer.session and not writing.number("SELECT count(*) FROM session WHERE id = ?", signer.session):
        raise RequestError("the login of the signer has ended")
    writing.run(
        "INSERT INTO signed_address (id, signer, signer_name, session, principal, documents, with_original, made_s, until_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        address.id,
        signer.id,
        signer.name,
        signer.session,
        signer.principal,
        _text(tuple(sorted(address.documents))),
        address.with_original,
        address.made_s,
        address.until_s,
    )


def count_of(reading: Reading, signer_id: str, now_s: float) -> int:
    """How many of a signer's are valid."""
    return reading.number("SELECT count(*) FROM signed_address WHERE signer = ? AND until_s > ?", signer_id, now_s)


def present(reading: Reading, now_s: float) -> list[SignedAddress]:
    """Those that are not over, the newest first."""
    rows = reading.all(AddressRow, f"SELECT {COLUMNS} FROM signed_address WHERE until_s > ? ORDER BY made_s DESC, id", now_s)
    return [row.address() for row in rows]


def required(reading: Reading, address_id: str) -> SignedAddress:
    """Raises RequestError if there is none."""
    row = reading.one(AddressRow, f"SELECT {COLUMNS} FROM signed_address WHERE id = ?", address_id)
    if row is None:
        raise RequestError("there is no such signed address, or it ended")
    return row.address()


def end(writing: Writing, address_id: str) -> None:
    writing.run("DELETE FROM signed_address WHERE id = ?", address_id)


def end_of_signer(writing: Writing, signer_id: str) -> int:
    """End all of a signer's. Returns how many ended."""
    return len(writing.all(str, "DELETE FROM signed_address WHERE signer = ? RETURNING id", signer_id))


def end_expired(writing: Writing, now_s: float) -> int:
    """Remove those that are over, so that a clock that is set back does not bring them to life. Returns how many."""
    return len(writing.all(str, "DELETE FROM signed_address WHERE until_s <= ? RETURNING id", now_s))


def _text(documents: tuple[str, ...]) -> str:
    return msgspec.json.encode(documents).decode()
