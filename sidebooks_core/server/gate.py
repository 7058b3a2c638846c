"""The gate: it decides about every request before the answer, those on the fast path included.

If whoever asks may not see something, the answer is as if it were not there.

who asks (identity) -> what is asked about (places) -> may they (policy) -> the answer, with its limits
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from itertools import count

from msgspec import Struct
from msgspec.structs import replace
from starlette.types import Scope

from sidebooks_core.access.model import Unknown
from sidebooks_core.access.operations import OWN_FILES, READING, WITH_FILE, Operation
from sidebooks_core.access.policy import ALLOW, DENY, TOP, UNLIMITED, Decision, FolderPolicy, Limits, Policy, Resource
from sidebooks_core.access.principals import Principal
from sidebooks_core.documents.page_ranges import NO_PAGES, PageRanges
from sidebooks_core.errors import DocumentError, StorageError
from sidebooks_core.server.access import Allowed
from sidebooks_core.server.http import HttpRequest
from sidebooks_core.server.identity import Identity
from sidebooks_core.server.limits import client_of
from sidebooks_core.server.openings import Openings
from sidebooks_core.server.places import Memory, Places, Standings, resource_of
from sidebooks_core.server.pools import Pools
from sidebooks_core.server.shelf import Registered, Shelf
from sidebooks_core.server.statuses import Refused, not_found
from sidebooks_core.shelf import Paper
from sidebooks_core.shelf.standing import Standing

NAMES = frozenset({"document", "image", "paper", "folder", "meeting"})
"""Parts of paths that name something which may be seen or not."""
AT_THE_TOP = "top"
"""Stands for the top of the shelf where a path names a folder."""


class GateRules(Struct, frozen=True, kw_only=True):
    """Who decides."""

    identity: Identity
    policy: Callable[[], Policy]
    """The present policy. It never waits."""
    allowed: Allowed
    """Asked as well: an embedding application's own question."""
    shelf: Shelf
    """Documents that are served without being papers. They stand at the top."""
    places: Places | None
    """None: there is no shelf of papers."""


class Admission(Struct, frozen=True):
    """What was decided about the papers or folders that a request names."""

    decision: Decision
    standing: Standing | None = None
    """The first paper or folder by which it is allowed. None: it names none of them, or nothing is allowed."""
    standings: Standings | None = None
    """All that were looked at. None: it names none of them."""


REFUSED = Admission(DENY)


class StandingQuestion:
    """Whether the same principal still asks under the same policy, as long as a request lasts. No use of a login."""

    def __init__(self, rules: GateRules, pools: Pools, request: HttpRequest) -> None:
        self._rules = rules
        self._pools = pools
        self._scope = request.scope
        self._principal = request.principal
        self._policy = rules.policy()

    def known(self) -> bool | Unknown:
        """UNKNOWN: ask `find`. It never waits."""
        if not self._is_policy():
            return False
        found = self._rules.identity.known(self._scope, is_use=False)
        return found if isinstance(found, Unknown) else found == self._principal

    async def find(self) -> bool:
        """The answer, of a thread that may wait."""
        found = await self._pools.run("access", self._rules.identity.find, self._scope, is_use=False)
        return found == self._principal and self._is_policy()

    def _is_policy(self) -> bool:
        now = self._rules.policy()
        if now is self._policy:  # comparing the grants of thousands of folders takes long
            return True
        if now != self._policy:
            return False
        self._policy = now
        return True


class Gate:
    """Belongs to the event loop."""

    def __init__(self, rules: GateRules, pools: Pools, openings: Openings | None = None) -> None:
        """openings: None if nothing is told to an audit."""
        self._rules = rules
        self._pools = pools
        self.openings = openings
        self._numbers = count()
        self._numbered: tuple[Policy, int] | None = None

    def may_have_from_memory(self, scope: Scope, operation: Operation, document_id: str | None, /) -> bool:
        """Whether a request may have its answer from memory, as it was sent before. It never waits.

        False also if that is not known without waiting, or if the principal has limits: then the long way decides.
        """
        rules = self._rules
        if not rules.allowed(scope, operation, document_id):
            return False
        principal = rules.identity.known(scope)
        if isinstance(principal, Unknown):
            return False
        decision = self._about_document(principal, operation, document_id, None).decision
        return decision.is_allowed and decision.limits == UNLIMITED

    def is_told_of(self, scope: Scope, document_id: str | None, /) -> bool:
        """Whether the audit knows that whoever asks has opened a document. True also if there is no audit. It never waits."""
        if self.openings is None or document_id is None:
            return True
        principal = self._rules.identity.known(scope)
        if isinstance(principal, Unknown):
            return False
        return self.openings.is_told(principal, client_of(scope.get("client")), document_id)

    async def admit(self, request: HttpRequest, operation: Operation) -> None:
        """Let a request in, with its principal, its limits, and its document. Raises Refused."""
        rules = self._rules
        request.operation, request.document_id = operation, document_id_in(request.params)
        if not rules.allowed(request.scope, operation, request.document_id):
            raise Refused(403, "you may not do that")
        is_use = operation is not Operation.FOLLOW_EVENTS or not request.is_resumed
        known = rules.identity.known(request.scope, is_use=is_use)
        if isinstance(known, Unknown):
            known = await self._pools.run("access", rules.identity.find, request.scope, is_use=is_use)
        request.principal = known
        admission = await self._admission(request)
        if not _is_allowed(operation, admission.decision):
            raise self._refusal(request, is_named=not NAMES.isdisjoint(request.params))
        request.limits = admission.decision.limits
        request.standing, request.standings = admission.standing, admission.standings
        if request.document_id is not None:
            request.registered = await self._registered(request)
            if request.registered is None:
                raise self._refusal(request, is_named=True)

    async def identify_again(self, request: HttpRequest) -> None:
        """Ask anew who sent a request, at the end of a request that took long. Raises Refused if it is somebody else by now."""
        if request.operation is not None and not self._rules.allowed(request.scope, request.operation, request.document_id):
            raise Refused(403, "you may not do that")
        before, request.principal = request.principal, await self._pools.run("access", self._rules.identity.find, request.scope)
        if request.principal.id != before.id:
            raise self._refusal(request, is_named=True)

    def require(self, request: HttpRequest, operation: Operation, resource: Resource | None) -> Limits:
        """Ask about something that the path does not name, as the folder a paper moves to. Raises Refused."""
        decision = self._rules.policy().decide(request.principal, operation, resource)
        if not decision.is_allowed:
            raise self._refusal(request, is_named=resource is not None)
        return decision.limits

    def may(self, principal: Principal, operation: Operation, resource: Resource | None) -> bool:
        """Whether a principal may do something."""
        return principal.documents is None and self._rules.policy().decide(principal, operation, resource).is_allowed

    def may_with_document(self, request: HttpRequest, operation: Operation) -> bool:
        """Whether the principal of a request that was let in may do something else with the same document. It never waits.

        The document stands where it stood when the request was let in: all of an answer is of the same moment.
        """
        if not self._rules.allowed(request.scope, operation, request.document_id):
            return False
        decision = self._about_document(request.principal, operation, request.document_id, request.standings).decision
        return _is_allowed(operation, decision)

    def operations_on_document(self, request: HttpRequest) -> list[Operation]:
        """What the principal of a request that was let in may do with its document."""
        return sorted(one for one in READING if self.may_with_document(request, one))

    def sees(self, principal: Principal, operation: Operation, standings: Standings) -> bool:
        """Whether a principal may do something with one of some papers or folders."""
        return self.limits_of(principal, operation, standings) is not None

    def require_still(self, request: HttpRequest, standings: Standings) -> Admission:
        """Ask again with the places that were read together with the answer. Raises Refused.

        Something may have been moved since the request was let in.
        """
        operation = request.operation
        admission = REFUSED if operation is None else self._about(request.principal, operation, standings)
        if not _is_allowed(operation, admission.decision):
            raise self._refusal(request, is_named=True)
        return admission

    def limits_of(self, principal: Principal, operation: Operation, standings: Standings) -> Limits | None:
        """The limits with which a principal may do something with one of some papers or folders. None: not at all."""
        if principal.documents is not None:
            return None
        decision = self._about(principal, operation, standings).decision
        return decision.limits if decision.is_allowed else None

    def may_one(self, principal: Principal, operation: Operation, resources: Sequence[Resource]) -> bool:
        """Whether a principal may do something with one of some resources."""
        return any(self.may(principal, operation, one) for one in resources)

    def standing_question(self, request: HttpRequest) -> StandingQuestion:
        """Tells, as long as a request that was let in lasts, whether the same principal asks under the same policy."""
        return StandingQuestion(self._rules, self._pools, request)

    def as_decided(self, principal: Principal) -> Principal:
        """As much of a principal as the policy decides by. Our own policy treats all logins of a person alike; an application's
        policy may not."""
        return replace(principal, session="") if isinstance(self._rules.policy(), FolderPolicy) else principal

    def decided_alike(self, principal: Principal) -> Hashable:
        """A key: principals that have the same one are decided alike now. After a change of the policy, keys are new."""
        policy, numbered = self._rules.policy(), self._numbered
        if numbered is None or numbered[0] is not policy:
            numbered = self._numbered = (policy, next(self._numbers))
        return numbered[1], self.as_decided(principal)

    def sees_top(self, principal: Principal) -> bool:
        """Whether a principal may see the documents that are served without being papers."""
        return self.may(principal, Operation.READ_DOCUMENT, TOP)

    def viewer_of_papers(self, principal: Principal) -> Callable[[Paper], bool]:
        """A function that tells whether a principal may find a paper. It may wait. Use it for one search or one listing."""
        places, policy, now_s = self._rules.places, self._rules.policy(), time.time()

        def may_see(paper: Paper) -> bool:
            if places is None:
                return False
            standings = places.papers.find(paper.id)
            return standings is not None and any(
                policy.decide(principal, Operation.READ_DOCUMENT, resource_of(one, now_s)).is_allowed for one in standings
            )

        return may_see

    def pages_of_papers(self, principal: Principal, operation: Operation) -> Callable[[Paper], PageRanges | None]:
        """A function that tells with which pages of a paper a principal may do something; None: all. It may wait."""
        places = self._rules.places

        def pages_of(paper: Paper) -> PageRanges | None:
            limits = self.limits_of(principal, operation, (places and places.papers.find(paper.id)) or ())
            return NO_PAGES if limits is None else limits.pages

        return pages_of

    async def _admission(self, request: HttpRequest) -> Admission:
        operation, principal, params, places = request.operation, request.principal, request.params, self._rules.places
        if operation is None:
            return REFUSED
        if request.document_id is not None:
            document_id = request.document_id
            if places is None or self._rules.shelf.find(document_id) is not None:
                return self._about_document(principal, operation, document_id, None)
            return await self._looked_up(
                request,
                places.documents,
                document_id,
                lambda found: self._about_document(principal, operation, document_id, found),
            )
        if principal.documents is None and not NAMES.isdisjoint(params):
            if params.get("folder") == AT_THE_TOP:
                return Admission(self._rules.policy().decide(principal, operation, TOP))
            if places is None or principal.meeting not in ("", params.get("meeting", principal.meeting)):
                return REFUSED
            memories = {"paper": places.papers, "folder": places.folders, "meeting": places.meetings}
            memory, name = next((memory, params[part]) for part, memory in memories.items() if part in params)
            return await self._looked_up(request, memory, name, lambda found: self._about(principal, operation, found))
        return self._about_document(principal, operation, None, None)

    async def _looked_up(
        self,
        request: HttpRequest,
        memory: Memory[str, Standings],
        name: str,
        decide: Callable[[Standings | None], Admission],
    ) -> Admission:
        """What is decided about something by where it stands.

        Before a refusal it is read anew: another process may have put it there, and this one has not been told yet.
        """
        kept = memory.known(name)
        if kept is not None:
            admission = decide(kept)
            if _is_allowed(request.operation, admission.decision):
                return admission
        return decide(await self._pools.run("access", memory.find_anew if kept is not None else memory.find, name))

    async def _standings(self, memory: Memory[str, Standings], name: str) -> Standings | None:
        """Where something stands. It is read in a thread only if it is not kept: else a hundred readers would queue for one."""
        return memory.known(name) or await self._pools.run("access", memory.find, name)

    def _about_document(
        self, principal: Principal, operation: Operation, document_id: str | None, standings: Standings | None
    ) -> Admission:
        """What is allowed with a document. Refused also if it is not there, or if that is not known without waiting."""
        if principal.documents is not None and document_id not in principal.documents:
            return Admission(ALLOW) if operation in OWN_FILES else REFUSED
        if document_id is None:
            return Admission(self._rules.policy().decide(principal, operation, None))
        if self._rules.shelf.find(document_id) is not None:
            return Admission(self._rules.policy().decide(principal, operation, TOP))
        if standings is None and self._rules.places is not None:
            standings = self._rules.places.documents.known(document_id)
        return self._about(principal, operation, standings)

    def _about(self, principal: Principal, operation: Operation, standings: Standings | None) -> Admission:
        """What is allowed with at least one of some papers or folders."""
        policy, now_s, joined = self._rules.policy(), time.time(), Admission(DENY, standings=standings)
        for one in standings or ():
            decision = policy.decide(principal, operation, resource_of(one, now_s))
            if decision.is_allowed and joined.decision.is_allowed:
                limits = joined.decision.limits.or_those(decision.limits)
                joined = Admission(Decision(is_allowed=True, limits=limits), joined.standing, standings)
            elif decision.is_allowed:
                joined = Admission(decision, one, standings)
        return joined

    async def _registered(self, request: HttpRequest) -> Registered | None:
        """The document, with the name of a paper that the principal may read. Other papers may show the same document."""
        document_id, places = request.document_id or "", self._rules.places
        found = self._rules.shelf.find(document_id)
        if found is not None or places is None or request.operation is None:
            return found
        standings = await self._standings(places.documents, document_id)
        allowed = [
            one for one in standings or () if self._about(request.principal, request.operation, (one,)).decision.is_allowed
        ]
        keys = [(one.paper.id, one.revision) for one in allowed if one.paper is not None]
        for number, key in enumerate(keys, 1):
            found = places.registered.known(key)
            if found is not None:
                return found
            try:
                return await self._pools.run("originals", places.registered.find, key)
            except (DocumentError, StorageError):
                if number == len(keys):
                    raise
        return None

    def _refusal(self, request: HttpRequest, *, is_named: bool) -> Refused:
        """The answer is the same whether a thing is absent or forbidden. If nobody known asks, it is always "log in first"."""
        if request.principal.role == "citizen":
            return Refused(401, "log in first", (b"www-authenticate", b'Cookie realm="sidebooks"'))
        return not_found() if is_named else Refused(403, "you may not do that")


def _is_allowed(operation: Operation | None, decision: Decision) -> bool:
    """Whether a decision allows an operation with its limits: a file cannot be cut to some pages, made coarser, or marked."""
    return decision.is_allowed and (operation not in WITH_FILE or decision.limits.may_have_file())


def document_id_in(params: dict[str, str]) -> str | None:
    """The document that the parts of a path name; None if they name none."""
    if "document" in params:
        return params["document"]
    return params["image"].rpartition("_p")[0] if "image" in params else None
