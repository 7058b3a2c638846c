"""Guests of a meeting, who come by its code."""

from __future__ import annotations

import re
from collections.abc import Collection

from sidebooks_core.access import links, people
from sidebooks_core.access.core import Core, Who
from sidebooks_core.access.logins import close_link, link_of, logged_in_by
from sidebooks_core.access.model import Link, Session
from sidebooks_core.access.operations import Operation
from sidebooks_core.access.tokens import digest_of, token_of_code
from sidebooks_core.errors import RequestError

_NOT_IN_A_CODE = re.compile(r"[\s-]")


class Guests:
    """The part of `Access` that knows the codes of meetings."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def open_to_guests(
        self, meeting_id: str, code: str, folders: Collection[str], *, name: str, until_s: float, who: Who = ""
    ) -> Link:
        """Let whoever has a code into a meeting, and read its folders, until a time or until the meeting ends.

        A code from before opens nothing any more, and its guests are logged out. name: of the meeting. Raises RequestError.
        """
        if not meeting_id or not clean_code(code):
            raise RequestError("a code needs a meeting")
        with self._core.changing() as change:
            for old in links.of_meeting(change.writing, meeting_id):
                close_link(change, old, who)
            link, maker = link_of(change, folders, name=people.clean(name), until_s=until_s, who=who)
            links.add(change.writing, link, digest_of(token_of_code(clean_code(code))) or "", maker, meeting_id)
            change.note(who, Operation.SHARE, f"made a code for the meeting {meeting_id}: the link {link.id}, {link.name}")
        return link

    def use_code(self, code: str, *, guest_name: str = "", device: str = "", address: str = "") -> tuple[str, Session]:
        """Log in as a guest of a meeting. See `use_link`."""
        token = token_of_code(clean_code(code))
        return logged_in_by(self._core, token, guest_name=guest_name, device=device, address=address)

    def end_links_of_meeting(self, meeting_id: str, who: Who = "") -> int:
        """End the codes of a meeting, and the logins of its guests, at once. Returns how many codes ended."""
        with self._core.database.reading() as reading:
            if not links.of_meeting(reading, meeting_id):
                return 0
        with self._core.changing() as change:
            found = links.of_meeting(change.writing, meeting_id)
            for link in found:
                close_link(change, link, who)
        return len(found)


def clean_code(code: str) -> str:
    """Small letters, spaces and hyphens make no difference."""
    return _NOT_IN_A_CODE.sub("", code).upper()
