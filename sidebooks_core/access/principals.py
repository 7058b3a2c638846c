"""Principals: who asks. Frozen values, made by the ways in (accounts, links, signed addresses, an application's hook). Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr

Role = Literal["admin", "clerk", "member", "guest", "citizen"]
"""admin: manages people, and may do everything. clerk: tends the shelf. member: reads the folders that are not closed to them.
guest: reads the folders of a link. citizen: nobody known; reads what is open to everybody."""


class Principal(Struct, frozen=True):
    """Who asks. Hashable: groups, folders and documents that are given as other collections, such as sets, are frozen."""

    id: str
    """Stays the same for a person; empty for a citizen."""
    name: str
    """What others read, for example in the audit."""
    role: Role
    groups: frozenset[str] = frozenset()
    """Such as the members of a committee."""
    folders: frozenset[str] = frozenset()
    """Folders that a guest's link opens."""
    documents: frozenset[str] | None = None
    """A signed address shows these documents and nothing else. Whatever the role of whoever made it, it is decided as a reader.
    None: no such bound.
    """
    signer: str = ""
    """The id of whoever made the signed address: grants to that person count. Empty if this is no signed address."""
    with_original: bool = False
    """A signed address may also give the file itself, if a reader may have it."""
    session: str = ""
    """Names the login; empty if there is none."""
    link: str = ""
    """The name of a guest's link, by whoever made it."""
    meeting: str = ""
    """A guest who came by the code of a meeting is in this one and in no other."""

    def __post_init__(self) -> None:
        for name, given in (("groups", self.groups), ("folders", self.folders), ("documents", self.documents)):
            if given is not None and type(given) is not frozenset:
                force_setattr(self, name, frozenset(given))

    @property
    def told_name(self) -> str:
        """The name that an audit tells. Nobody has checked what guests call themselves, so it says whose guests they are."""
        if self.role != "guest":
            return self.name
        called = f"guest {self.name}" if self.name and self.name != self.link else "guest"
        return f"{called} (link {self.link})" if self.link else called


CITIZEN = Principal("", "", "citizen")
"""Nobody known."""
HOUSE = Principal("house", "", "admin")
"""Whoever reaches a server that asks for no accounts."""
