"""Signed addresses for programs that cannot log in."""

from __future__ import annotations

from collections.abc import Collection

from sidebooks_core.access import addresses, keys, signing
from sidebooks_core.access.core import Core, Who
from sidebooks_core.access.model import SignedAddress, Unknown, What
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.principals import HOUSE, Principal
from sidebooks_core.access.signing import Ticket
from sidebooks_core.access.tokens import new_id
from sidebooks_core.errors import RequestError

SIGNED_DOCUMENTS = 50
"""Most documents of a signed address."""


class Sharing:
    """The part of `Access` that knows signed addresses."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def sign(
        self,
        document_ids: Collection[str],
        principal: Principal,
        *,
        valid_s: float,
        window_s: float = 3600.0,
        now_s: float | None = None,
        with_original: bool = False,
    ) -> str:
        """A text for the path of an address that shows documents to whoever has it, for at least `valid_s`.

        Whoever has it is a reader, whatever the signer is: it shows what is published, with the limits of the signer's own
        grants at the time of the request. with_original: it also gives the file itself, if a reader may have that.
        The expiry is rounded up to a window, so that a signer's addresses of one window are the same.
        It ends earlier if it is ended (`end_signed_address`), if all logins of the signer are ended (`end_sessions`,
        `set_password`), if the signer is disabled, or if a guest's login ends. Logging out does not end it.
        The audit says that it was made. Raises RequestError for more than 50 documents or 30 days, StorageFailed.
        """
        documents = tuple(sorted(set(document_ids)))
        if isinstance(document_ids, str) or not 1 <= len(documents) <= SIGNED_DOCUMENTS:
            raise RequestError(f"a signed address shows 1 to {SIGNED_DOCUMENTS} documents")
        if not (0 < valid_s <= keys.LONGEST_VALID_S and 0 < window_s <= keys.LONGEST_VALID_S):
            raise RequestError("a signed address is valid for 30 days at most")
        if principal.signer:
            raise RequestError("a signed address signs no others")
        if principal.documents is not None and not principal.documents.issuperset(documents):
            raise RequestError("a signed address cannot show more than the one that it is made from")
        core = self._core
        expires_s = signing.expiry_s(core.clock.wall() if now_s is None else now_s, valid_s, window_s)
        has_account = principal.id == HOUSE.id or core.known.has_person(principal.id)
        signer = addresses.signer_of(principal, has_account=has_account)
        with core.database.reading() as reading:
            found = addresses.find(reading, signer, documents, expires_s, with_original=with_original)
        address_id = found or self._add(signer, principal, documents, expires_s, with_original=with_original)
        return signing.sign(*core.known.signing_key(), Ticket(expires_s, address_id))

    def known_signed_principal(self, signature: str) -> Principal | Unknown | None:
        """The principal of a signed address. None: it is not valid, or not any more.

        UNKNOWN: ask `signed_principal`, which reads. Never waits.
        """
        return self._core.known.find_signed(signature)

    def signed_principal(self, signature: str) -> Principal | None:
        """The principal of a signed address, with `documents` set: whoever has the address, not its signer. None if it is not
        valid, or not any more. Reads the database if another process has made the address just now.
        """
        return self._core.known.reread_signed(signature)

    def signed_addresses(self) -> list[SignedAddress]:
        """Those that are not over, the newest first. Their signatures are not stored."""
        with self._core.database.reading() as reading:
            return addresses.present(reading, self._core.clock.wall())

    def end_signed_address(self, address_id: str, who: Who = "") -> None:
        """End a signed address at once. Raises RequestError if it ended already."""
        with self._core.changing() as change:
            address = addresses.required(change.writing, address_id)
            addresses.end(change.writing, address_id)
            change.note(who, Operation.SHARE, f"ended the signed address {address_id} of {address.signer_name}")

    def end_signed_addresses(self, signer_id: str, who: Who = "") -> int:
        """End all that somebody signed, at once, also of a signer who has no account here. Returns how many ended."""
        with self._core.changing() as change:
            ended = addresses.end_of_signer(change.writing, signer_id)
            change.note(who, Operation.SHARE, f"ended {ended} signed addresses of {signer_id}")
        return ended

    def _add(
        self,
        signer: addresses.Signer,
        principal: Principal,
        documents: tuple[str, ...],
        expires_s: int,
        *,
        with_original: bool,
    ) -> str:
        with self._core.changing() as change:
            found = addresses.find(change.writing, signer, documents, expires_s, with_original=with_original)
            if found is not None:  # another process was first
                return found
            if addresses.count_of(change.writing, signer.id, change.now_s) >= self._core.limits.addresses_per_signer:
                raise RequestError("there are too many signed addresses of the same signer: end some of them")
            made = SignedAddress(
                new_id(), signer.id, signer.name, frozenset(documents), with_original, change.now_s, float(expires_s)
            )
            addresses.add(change.writing, made, signer)
            about = f"{len(documents)} documents{', with the original' if with_original else ''}, until {expires_s} s"
            what = What(document=documents[0])
            change.note(principal, Operation.SHARE, f"made the signed address {made.id} of {about}", what=what)
            return made.id
