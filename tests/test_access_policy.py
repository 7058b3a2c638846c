"""The policy by folder: as a table of all cases, and as laws."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from access_rules import ASKING, CLERKS, FOR_ANYBODY, GENERAL, OF_ADMINS, OWN_FILES, READING, SIGNED, TENDING, WITH_FILE
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidebooks_core.access import CITIZEN, DENY, HOUSE, Decision, FolderPolicy, Grant, Limits, Operation, Principal, Resource

PEOPLE = {
    "admin": Principal("a", "A", "admin"),
    "clerk": Principal("c", "C", "clerk"),
    "member": Principal("m", "M", "member"),
    "member of the committee": Principal("k", "K", "member", groups=frozenset({"committee"})),
    "guest": Principal("g", "G", "guest", folders=frozenset({"linked"})),
    "citizen": CITIZEN,
}
GRANTS: dict[str, tuple[Grant, ...] | None] = {
    "says nothing": None,
    "closed": (),
    "committee reads": (Grant("group", "committee"),),
    "committee tends": (Grant("group", "committee", "tend"),),
    "members read": (Grant("role", "member"),),
    "everybody reads": (Grant("role", "citizen"),),
    "m reads": (Grant("person", "m"),),
}
RIGHTS: dict[str, dict[str, str]] = {
    # What a folder gives to whom: read, tend, or nothing. Admins and clerks stand below.
    "says nothing": {"member": "read", "member of the committee": "read"},
    "closed": {},
    "committee reads": {"member of the committee": "read"},
    "committee tends": {"member of the committee": "tend"},
    "members read": {"member": "read", "member of the committee": "read"},
    "everybody reads": {"member": "read", "member of the committee": "read", "guest": "read", "citizen": "read"},
    "m reads": {"member": "read"},
}
STANDS = {
    # The folders of a resource, from the top; "decides" is the one that has the grants of the case.
    "itself": ("decides",),
    "nearer than a closed one": ("shut", "decides"),
    "above one that says nothing": ("decides", "silent"),
}
CASES = [
    (person, grants, folders, published, leaves)
    for person, grants, folders, published, leaves in itertools.product(PEOPLE, GRANTS, STANDS, (True, False), (True, False))
    if not (grants == "says nothing" and folders == "nearer than a closed one")
]


def expected(operation: Operation, person: str, right: str | None, published: bool, leaves: bool) -> bool:
    """Whether it is allowed, by the words of the contract."""
    if person == "admin" or operation in FOR_ANYBODY | GENERAL:
        return True
    if person == "clerk":
        return operation in CLERKS | READING
    if right == "tend":
        return operation in TENDING | READING
    return right == "read" and operation in READING and published and (leaves or operation not in WITH_FILE)


@pytest.mark.parametrize(("person", "grants", "stands", "published", "leaves"), CASES)
def test_each_operation_is_decided_by_the_nearest_folder(
    person: str, grants: str, stands: str, published: bool, leaves: bool
) -> None:
    told = GRANTS[grants]
    policy = FolderPolicy({"shut": ()} | ({} if told is None else {"decides": told}))
    resource = Resource(STANDS[stands], is_published=published, may_leave=leaves)
    right = RIGHTS[grants].get(person)
    for operation in Operation:
        decision = policy.decide(PEOPLE[person], operation, resource)
        assert decision.is_allowed == expected(operation, person, right, published, leaves), operation
        is_read = decision.is_allowed and right == "read" and person not in ("admin", "clerk") and operation in READING
        assert decision.limits.may_print == (leaves or not is_read)


def test_each_operation_has_its_place_in_the_rules() -> None:
    assert set(Operation) == FOR_ANYBODY | GENERAL | READING | CLERKS | OF_ADMINS


@pytest.mark.parametrize("person", PEOPLE)
def test_what_concerns_no_paper(person: str) -> None:
    allowed = {one for one in Operation if FolderPolicy().decide(PEOPLE[person], one, None).is_allowed}
    everything = {"admin": set(Operation), "clerk": FOR_ANYBODY | GENERAL | CLERKS | READING}
    known = FOR_ANYBODY | GENERAL | {Operation.SEARCH}
    assert allowed == everything.get(person, known - ASKING if person == "citizen" else known)


def test_nobody_known_asks_where_nothing_is_open_to_everybody() -> None:
    closed = FolderPolicy({"a": (Grant("role", "member"), Grant("group", "citizen")), "b": ()})
    opened = FolderPolicy({"a": (), "b": (Grant("role", "member"), Grant("role", "citizen"))})
    assert (closed.is_open_to_citizens(), opened.is_open_to_citizens()) == (False, True)
    for operation in map(Operation, ASKING):
        assert not closed.decide(CITIZEN, operation, None).is_allowed
        assert opened.decide(CITIZEN, operation, None).is_allowed


def test_only_admins_manage_people_and_read_the_audit() -> None:
    for operation in map(Operation, OF_ADMINS):
        for resource in (None, Resource(("decides",))):
            policy = FolderPolicy({"decides": (Grant("role", "citizen", "tend"),)})
            may = [name for name, one in PEOPLE.items() if policy.decide(one, operation, resource).is_allowed]
            assert may == ["admin"], operation
    assert FolderPolicy().decide(HOUSE, Operation.MANAGE_PEOPLE, None).is_allowed


def test_a_guest_reads_what_the_link_opens_and_no_more() -> None:
    policy = FolderPolicy({"linked": (), "inner": (), "open": (Grant("role", "citizen"),)})
    guest = PEOPLE["guest"]

    def reads(*folders: str) -> bool:
        return policy.decide(guest, Operation.READ_IMAGE, Resource(folders)).is_allowed

    assert reads("linked")
    assert reads("above", "linked", "below")
    assert not reads("above")
    assert not reads("linked", "inner"), "a closed folder within stays closed"
    assert reads("linked", "open")
    assert not policy.decide(guest, Operation.READ_IMAGE, Resource(("linked",), is_published=False)).is_allowed
    assert not policy.decide(guest, Operation.REGISTER, Resource(("linked",))).is_allowed


def test_a_grant_for_nobody_is_for_nobody() -> None:
    policy = FolderPolicy({"f": (Grant("person", ""),)})
    assert not policy.decide(CITIZEN, Operation.READ_IMAGE, Resource(("f",))).is_allowed


# Limits

SOME_PAGES = Limits(pages=((0, 2), (5, 5)))


def test_pages_within_ranges() -> None:
    assert [page for page in range(8) if SOME_PAGES.has_page(page)] == [0, 1, 2, 5]
    assert Limits().has_page(10**9)


@pytest.mark.parametrize("limits", [SOME_PAGES, Limits(long_side_px=800), Limits(may_download=False), Limits(is_marked=True)])
def test_the_file_itself_is_not_given_if_it_holds_more_than_may_be_seen(limits: Limits) -> None:
    policy = FolderPolicy({"f": (Grant("role", "member", "read", limits),)})
    member, resource = PEOPLE["member"], Resource(("f",))
    assert policy.decide(member, Operation.READ_IMAGE, resource) == Decision(True, limits)
    assert policy.decide(member, Operation.READ_ORIGINAL, resource) == DENY


LIMITS = st.builds(
    Limits,
    pages=st.none() | st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=2).map(tuple),
    long_side_px=st.none() | st.sampled_from([400, 800]),
    may_download=st.booleans(),
    may_print=st.booleans(),
    is_marked=st.booleans(),
)
WISHES: list[Callable[[Limits], bool]] = [
    # What a reader may want at once. Each combination must be allowed by one grant alone, or differ in one thing only.
    Limits.may_have_file,
    lambda limits: limits.has_page(4) and not limits.is_marked,
    lambda limits: limits.has_page(4) and limits.may_print,
    lambda limits: limits.has_page(4) and limits.long_side_px is None,
    lambda limits: limits.may_download and limits.may_print,
]


@given(st.lists(LIMITS, min_size=1, max_size=4))
def test_several_grants_never_allow_together_what_none_of_them_does(all_limits: list[Limits]) -> None:
    policy = FolderPolicy({"f": tuple(Grant("role", "member", "read", one) for one in all_limits)})
    decision = policy.decide(PEOPLE["member"], Operation.READ_IMAGE, Resource(("f",)))
    for wish in WISHES:
        if wish(decision.limits):
            assert any(wish(one) for one in all_limits)


@given(LIMITS)
def test_a_grant_without_limits_beside_another_has_none(limits: Limits) -> None:
    for grants in itertools.permutations([Grant("role", "member", "read", limits), Grant("role", "citizen")]):
        policy = FolderPolicy({"f": grants})
        assert policy.decide(PEOPLE["member"], Operation.READ_IMAGE, Resource(("f",))) == Decision(True)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=3))
def test_limits_that_differ_in_their_pages_only_are_joined(ranges: list[tuple[int, int]]) -> None:
    limits = [Limits(pages=(one,), long_side_px=800) for one in ranges]
    policy = FolderPolicy({"f": tuple(Grant("role", "member", "read", one) for one in limits)})
    decision = policy.decide(PEOPLE["member"], Operation.READ_IMAGE, Resource(("f",)))
    assert decision.limits.long_side_px == 800
    assert all(decision.limits.has_page(page) == any(one.has_page(page) for one in limits) for page in range(5))


def test_of_limits_that_neither_hold_each_other_the_higher_counts_as_it_is() -> None:
    first_page = Limits(pages=((0, 0),))
    coarse = Limits(long_side_px=400)
    for joined in (first_page.or_those(coarse), coarse.or_those(first_page)):
        assert joined == coarse, "all pages, if coarse, count more than one page that is sharp"
    marked = Limits(is_marked=True)
    for joined in (marked.or_those(coarse), coarse.or_those(marked)):
        assert joined == coarse, "an image without a mark counts more than a large one"


# Laws

FOLDERS = ["one", "two", "three", "four"]
SUBJECTS = st.one_of(
    st.tuples(st.just("role"), st.sampled_from(["clerk", "member", "guest", "citizen"])),
    st.tuples(st.just("group"), st.sampled_from(["committee", "board"])),
    st.tuples(st.just("person"), st.sampled_from(["m", "k", "g"])),
)
PLAIN_GRANTS = st.builds(lambda subject, right: Grant(*subject, right), SUBJECTS, st.sampled_from(["read", "tend"]))
POLICIES = st.dictionaries(st.sampled_from(FOLDERS), st.lists(PLAIN_GRANTS, max_size=3).map(tuple))
PRINCIPALS = st.builds(
    Principal,
    id=st.sampled_from(["m", "k", "g"]),
    name=st.just("n"),
    role=st.sampled_from(["member", "guest", "citizen"]),
    groups=st.frozensets(st.sampled_from(["committee", "board"])),
    folders=st.frozensets(st.sampled_from(FOLDERS), max_size=2),
)
PATHS = st.lists(st.sampled_from(FOLDERS), unique=True, max_size=4).map(tuple)
RESOURCES = st.builds(Resource, folders=PATHS, is_published=st.booleans(), may_leave=st.booleans())
OPERATIONS = st.sampled_from(list(Operation))
OF_PAPERS = st.sampled_from([one for one in Operation if one not in FOR_ANYBODY | GENERAL])


@given(POLICIES, PRINCIPALS, PATHS, PATHS, OF_PAPERS)
def test_an_inner_closed_folder_stays_closed(
    grants: dict[str, tuple[Grant, ...]], principal: Principal, above: tuple[str, ...], below: tuple[str, ...], what: Operation
) -> None:
    silent = tuple(f"silent {name}" for name in below)
    policy = FolderPolicy({**grants, "closed": ()})
    assert policy.decide(principal, what, Resource((*above, "closed", *silent))) == DENY


@given(POLICIES, PRINCIPALS, RESOURCES, OPERATIONS, PLAIN_GRANTS, st.sampled_from(FOLDERS))
def test_one_more_grant_in_a_folder_takes_nothing_away(
    grants: dict[str, tuple[Grant, ...]],
    principal: Principal,
    resource: Resource,
    what: Operation,
    grant: Grant,
    folder: str,
) -> None:
    before = FolderPolicy({**grants, folder: grants.get(folder, ())}).decide(principal, what, resource)
    after = FolderPolicy({**grants, folder: (*grants.get(folder, ()), grant)}).decide(principal, what, resource)
    assert after.is_allowed >= before.is_allowed


@given(POLICIES, PRINCIPALS, RESOURCES, OPERATIONS)
def test_what_is_hidden_or_may_not_leave_is_not_wider(
    grants: dict[str, tuple[Grant, ...]], principal: Principal, resource: Resource, what: Operation
) -> None:
    policy = FolderPolicy(grants)
    for narrower in (replace(resource, is_published=False), replace(resource, may_leave=False)):
        wider = replace(resource, is_published=True, may_leave=True)
        assert policy.decide(principal, what, narrower).is_allowed <= policy.decide(principal, what, wider).is_allowed


@given(POLICIES, PRINCIPALS, RESOURCES, OPERATIONS)
def test_folders_that_do_not_hold_it_do_not_matter(
    grants: dict[str, tuple[Grant, ...]], principal: Principal, resource: Resource, what: Operation
) -> None:
    near = {folder: told for folder, told in grants.items() if folder in resource.folders}
    assert FolderPolicy(grants).decide(principal, what, resource) == FolderPolicy(near).decide(principal, what, resource)


@given(POLICIES, PRINCIPALS | st.sampled_from(list(PEOPLE.values())), st.none() | RESOURCES, OPERATIONS, st.booleans())
def test_a_signed_address_only_narrows(
    grants: dict[str, tuple[Grant, ...]], principal: Principal, resource: Resource | None, what: Operation, with_original: bool
) -> None:
    policy = FolderPolicy(grants)
    signed = replace(principal, id="address-1", documents=frozenset({"d"}), signer=principal.id, with_original=with_original)
    decision, own = policy.decide(signed, what, resource), policy.decide(principal, what, resource)
    assert own.is_allowed or not decision.is_allowed
    if what not in SIGNED | OWN_FILES or (what == Operation.READ_ORIGINAL and not with_original):
        assert decision == DENY
    elif what not in OWN_FILES:
        assert not decision.is_allowed or (resource is not None and resource.is_published)
        if decision.is_allowed and resource is not None and not resource.may_leave:
            assert not decision.limits.may_download
            assert what != Operation.READ_ORIGINAL
        if principal.role not in ("admin", "clerk") and own.is_allowed and own.limits != Limits():
            assert decision == own, "the limits of the signer's own grants"


@pytest.mark.parametrize("role", ["admin", "clerk", "member"])
def test_a_signed_address_is_a_reader_whatever_its_signer_is(role: str) -> None:
    signed = replace(PEOPLE[role], documents=frozenset({"d"}), signer="x")
    policy = FolderPolicy()
    allowed = {what for what in Operation if policy.decide(signed, what, Resource()).is_allowed}
    assert allowed == (SIGNED | OWN_FILES) - {"read_original"}
    withdrawn = {what for what in Operation if policy.decide(signed, what, Resource(is_published=False)).is_allowed}
    assert withdrawn == OWN_FILES
    with_file = replace(signed, with_original=True)
    assert policy.decide(with_file, Operation.READ_ORIGINAL, Resource()).is_allowed
    online = Resource(may_leave=False)
    assert not policy.decide(with_file, Operation.READ_ORIGINAL, online).is_allowed
    assert not policy.decide(with_file, Operation.READ_IMAGE, online).limits.may_print


def test_a_signed_address_keeps_the_limits_of_its_signers_grants() -> None:
    limits = Limits(pages=((0, 0),))
    policy = FolderPolicy({"f": (Grant("person", "x", limits=limits),)})
    signed = Principal("address-1", "", "member", documents=frozenset({"d"}), signer="x")
    assert policy.decide(signed, Operation.READ_IMAGE, Resource(("f",))).limits == limits
    assert not policy.decide(replace(signed, signer="y"), Operation.READ_IMAGE, Resource(("f",))).is_allowed
