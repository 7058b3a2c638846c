"""Votes of an assembly, by examples of its practice."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.meeting import sheets, votes
from sidebooks_core.meeting.votes import RULES, Ballot, Outcome, Roll, RuleName, Vote, Voter


def roll_of(members: int, *, absent: int = 0, seats: int | None = None) -> Roll:
    """Members m0 (the chair), m1, …; the last ones are absent."""
    voters = tuple(Voter(f"m{number}", f"議員{number}") for number in range(members))
    present = frozenset(one.id for one in voters[: members - absent])
    return Roll(voters=voters, present=present, chair="m0", seats=members if seats is None else seats)


def vote_of(rule: RuleName, roll: Roll, ballot: Ballot = "named", **more: object) -> Vote:
    return msgspec.structs.replace(Vote(number=1, title="議案第1号", item="", rule=rule, ballot=ballot, roll=roll), **more)


def made(vote: Vote | str) -> Vote:
    assert isinstance(vote, Vote), vote
    return vote


def with_votes(vote: Vote, yes: int, no: int, abstain: int = 0) -> Vote:
    """The members vote in order; the chair first where the rule gives the chair a vote."""
    first = 0 if RULES[vote.rule].chair == "votes" else 1
    for number, choice in enumerate(["yes"] * yes + ["no"] * no + ["abstain"] * abstain, first):
        vote = made(votes.cast(vote, f"m{number}", choice))  # type: ignore[arg-type]
    return vote


def closed_with(rule: RuleName, roll: Roll, yes: int, no: int, abstain: int = 0) -> Outcome:
    return votes.outcome(made(votes.closed(with_votes(vote_of(rule, roll), yes, no, abstain))))


# A council of 22 seats, all filled. Under the simple majority 21 have a vote.
PRACTICE = [
    ("one more than half of those present", "simple", roll_of(22), (11, 10, 0), "carried", 11),
    ("one fewer", "simple", roll_of(22), (10, 11, 0), "rejected", 11),
    ("who abstains is present: 10 of 21 are no majority", "simple", roll_of(22), (10, 9, 2), "rejected", 11),
    ("a tie without the abstentions is a tie (昭和25年8月24日)", "simple", roll_of(22), (10, 10, 1), "tie", 11),
    ("nobody voted for or against: nothing to decide", "simple", roll_of(22), (0, 0, 21), "rejected", 11),
    ("absent members are not counted", "simple", roll_of(22, absent=5), (9, 7, 0), "carried", 9),
    ("8 of 16 present", "simple", roll_of(22, absent=5), (8, 8, 0), "tie", 9),
    ("half of the seats is a quorum, the chair counted", "simple", roll_of(22, absent=11), (6, 4, 0), "carried", 6),
    ("one fewer is none", "simple", roll_of(22, absent=12), (9, 0, 0), "no quorum", 5),
    ("vacant seats count for the quorum", "simple", roll_of(20, absent=10, seats=22), (9, 0, 0), "no quorum", 5),
    ("as the high court reads it, abstentions do not count", "cast", roll_of(22), (10, 9, 2), "carried", 10),
    ("absolute: 12 of 22 seats, the chair votes", "absolute", roll_of(22), (12, 10, 0), "carried", 12),
    ("absolute: half is not more than half, and no tie", "absolute", roll_of(22), (11, 11, 0), "rejected", 12),
    ("absolute: absent members weigh as a no", "absolute", roll_of(22, absent=8), (11, 3, 0), "rejected", 12),
    ("two thirds of 22 are 15, the chair votes (art. 4)", "two thirds", roll_of(22), (15, 7, 0), "carried", 15),
    ("14 are not", "two thirds", roll_of(22), (14, 8, 0), "rejected", 15),
    ("exactly two thirds of 21", "two thirds", roll_of(22, absent=1), (14, 7, 0), "carried", 14),
    ("no confidence (art. 178): 12 of 15 present", "three quarters", roll_of(22, absent=7), (12, 3, 0), "carried", 12),
    ("11 of 15 are not three quarters", "three quarters", roll_of(22, absent=7), (11, 4, 0), "rejected", 12),
    ("14 of 22 present are fewer than two thirds", "three quarters", roll_of(22, absent=8), (14, 0, 0), "no quorum", 11),
    ("members in office count there, not seats", "three quarters", roll_of(20, absent=6, seats=22), (11, 3, 0), "carried", 11),
    ("no confidence again: more than half of 15", "majority of two thirds", roll_of(22, absent=7), (8, 7, 0), "carried", 8),
    ("half of 16 is not more, and no tie", "majority of two thirds", roll_of(22, absent=6), (8, 8, 0), "rejected", 9),
    ("dissolution: 17 of 22 present, 14 for it", "four fifths", roll_of(22, absent=5), (14, 3, 0), "carried", 14),
    ("16 present are fewer than three quarters", "four fifths", roll_of(22, absent=6), (16, 0, 0), "no quorum", 13),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "roll", "cast", "result", "needed"), [row[1:] for row in PRACTICE], ids=[row[0] for row in PRACTICE]
)
def test_practice(rule: RuleName, roll: Roll, cast: tuple[int, int, int], result: str, needed: int) -> None:
    found = closed_with(rule, roll, *cast)
    assert (found.result, found.needed) == (result, needed)
    assert (found.yes, found.no, found.abstain) == cast


def test_every_rule_has_its_practice() -> None:
    assert {row[1] for row in PRACTICE} == set(RULES)


def test_who_leaves_the_room_before_voting_is_not_present() -> None:
    vote = vote_of("simple", roll_of(22))
    for number in (19, 20, 21):
        vote = made(votes.left(vote, f"m{number}"))
    found = votes.outcome(made(votes.closed(with_votes(vote, 10, 8))))
    assert (found.result, found.of, found.in_room, found.abstain) == ("carried", 18, 19, 0)


def test_who_leaves_after_voting_has_voted() -> None:
    vote = with_votes(vote_of("simple", roll_of(5)), 3, 0)
    assert votes.left(vote, "m1") == vote


def test_who_was_taken_for_gone_is_brought_back() -> None:
    gone = made(votes.left(vote_of("simple", roll_of(5)), "m4"))
    assert votes.cast(gone, "m4", "yes") == "not in the room"
    assert made(votes.cast(made(votes.left(gone, "m4", is_back=True)), "m4", "yes")).named == {"m4": "yes"}


def test_whoever_was_absent_when_the_vote_was_opened_has_no_part_in_it() -> None:
    vote = vote_of("simple", roll_of(5, absent=1))
    assert votes.cast(vote, "m4", "yes") == "not in the room"
    assert votes.left(vote, "m4", is_back=True) == "not in the room"
    assert votes.cast(vote, "guest", "yes") == "not on the roll"
    assert votes.left(vote, "guest") == "not on the roll"


@pytest.mark.parametrize("ballot", ["named", "secret"])
def test_nobody_corrects_a_vote(ballot: Ballot) -> None:
    vote = made(votes.cast(vote_of("simple", roll_of(5), ballot), "m1", "yes"))
    assert votes.cast(vote, "m1", "no") == "has voted"


def test_the_chair_has_no_vote_under_the_simple_majority_and_one_under_special_ones() -> None:
    assert votes.cast(vote_of("simple", roll_of(5)), "m0", "yes") == "chair does not vote"
    assert made(votes.cast(vote_of("two thirds", roll_of(5)), "m0", "yes")).named == {"m0": "yes"}


@pytest.mark.parametrize(("choice", "result"), [("yes", "carried"), ("no", "rejected")])
def test_the_chair_decides_a_tie_and_nobody_else_does(choice: str, result: str) -> None:
    tie = made(votes.closed(with_votes(vote_of("simple", roll_of(5)), 2, 2)))
    assert votes.confirmed(tie) == "tie"
    assert votes.decided(tie, "m1", "yes") == "not the chair"
    decided = made(votes.decided(tie, "m0", choice))  # type: ignore[arg-type]
    assert votes.outcome(decided).result == result
    assert votes.decided(decided, "m0", "no") == "no tie"
    assert made(votes.confirmed(decided)).casting == choice


def test_the_chair_decides_nothing_but_a_tie() -> None:
    assert votes.decided(made(votes.closed(with_votes(vote_of("simple", roll_of(5)), 3, 1))), "m0", "no") == "no tie"
    assert votes.decided(made(votes.closed(with_votes(vote_of("absolute", roll_of(4)), 2, 2))), "m0", "yes") == "no tie"
    assert votes.decided(with_votes(vote_of("simple", roll_of(5)), 2, 2), "m0", "yes") == "not closed"


def test_the_chair_stays_while_a_vote_is_open() -> None:
    assert votes.left(vote_of("simple", roll_of(5)), "m0") == "chair presides"


@pytest.mark.parametrize(("silence", "result"), [("abstain", "rejected"), ("no", "tie")])
def test_silence_means_what_the_rules_of_the_house_say(silence: str, result: str) -> None:
    """白票は否とみなす: in some houses who does not press a button has voted no."""
    vote = with_votes(vote_of("simple", roll_of(5), silence=silence), 2, 1)
    found = votes.outcome(made(votes.closed(vote)))
    assert (found.result, found.no + found.abstain) == (result, 2)


def test_a_confirmed_vote_stays() -> None:
    vote = made(votes.confirmed(made(votes.closed(with_votes(vote_of("simple", roll_of(5)), 3, 1)))))
    assert votes.cast(vote, "m1", "no") == "not open"
    assert votes.closed(vote) == "not open"
    assert votes.left(vote, "m1") == "not open"
    assert votes.decided(vote, "m0", "no") == "not closed"
    assert votes.confirmed(vote) == "not closed"
    assert votes.broken_off(vote) == "not open"


def test_nothing_is_kept_of_a_vote_that_was_broken_off() -> None:
    for ballot in ("named", "secret"):
        void = made(votes.broken_off(with_votes(vote_of("simple", roll_of(5), ballot), 2, 1)))
        assert (void.named, void.counts, void.voted, votes.shown(void).outcome) == ({}, {}, frozenset(), None)


@pytest.mark.parametrize(
    "roll",
    [
        Roll(voters=(), present=frozenset(), chair="m0", seats=5),
        Roll(voters=(Voter("a", "A"), Voter("a", "B")), present=frozenset("a"), chair="a", seats=5),
        Roll(voters=(Voter("a", "A"),), present=frozenset("ab"), chair="a", seats=5),
        Roll(voters=(Voter("a", "A"),), present=frozenset(), chair="a", seats=5),
        Roll(voters=(Voter("a", "A"), Voter("b", "B")), present=frozenset("ab"), chair="a", seats=1),
        Roll(voters=(Voter("a", "A"),), present=frozenset("a"), chair="c", seats=5),
    ],
    ids=["nobody", "twice", "a stranger is present", "the chair is absent", "more than seats", "the chair is a stranger"],
)
def test_a_wrong_roll_is_found(roll: Roll) -> None:
    assert votes.fault_of(roll) == "wrong roll"


def test_a_right_roll_is_right() -> None:
    assert votes.fault_of(roll_of(22, absent=5, seats=24)) is None


CHOICES = st.sampled_from(["yes", "no", "abstain"])


@given(cast=st.lists(st.tuples(st.integers(1, 8), CHOICES), max_size=12), swap=st.permutations(range(12)))
def test_a_secret_vote_keeps_no_order_and_not_who_voted_what(cast: list[tuple[int, str]], swap: list[int]) -> None:
    """Whoever reads what is kept cannot tell two ways apart in which the same people made the same counts."""

    def kept(order: list[tuple[int, str]]) -> tuple[Vote, bytes]:
        vote = vote_of("simple", roll_of(9), "secret")
        for number, choice in order:
            found = votes.cast(vote, f"m{number}", choice)  # type: ignore[arg-type]
            vote = found if isinstance(found, Vote) else vote
        return vote, msgspec.json.Encoder(order="deterministic").encode(vote)

    first = list(dict(reversed(cast)).items())
    people, choices = [number for number, _ in first], [choice for _, choice in first]
    rank = sorted(range(len(first)), key=lambda index: swap[index])
    second = list(zip(reversed(people), [choices[index] for index in rank], strict=True))
    assert kept(first)[1] == kept(second)[1]
    assert kept(first)[0].named == {}


@given(st.sampled_from(sorted(RULES)), st.integers(1, 30), st.integers(0, 10), st.data())
def test_more_votes_for_it_never_make_it_fail(rule: RuleName, present: int, absent: int, data: st.DataObject) -> None:
    roll = roll_of(present + absent, absent=absent)
    voting = present if RULES[rule].chair == "votes" else present - 1
    yes = data.draw(st.integers(0, voting))
    no = data.draw(st.integers(0, voting - yes))
    found = closed_with(rule, roll, yes, no)
    rank = {"rejected": 0, "tie": 1, "carried": 2}
    if found.result != "no quorum" and no > 0:
        assert rank[closed_with(rule, roll, yes + 1, no - 1).result] >= rank[found.result]
    if found.result == "carried":
        assert yes > no
    assert found.yes + found.no + found.abstain == voting


def rows(sheet: bytes) -> list[list[str]]:
    assert sheet.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(sheet.decode("utf-8-sig"), newline="")))


def test_the_sheet_of_all_votes_has_rule_counts_and_result() -> None:
    carried = made(votes.confirmed(made(votes.closed(with_votes(vote_of("simple", roll_of(22)), 11, 10)))))
    void = made(votes.broken_off(vote_of("two thirds", roll_of(22), title="=1+1", number=2)))
    head, first, second = rows(sheets.votes_sheet([carried, void]))
    assert dict(zip(head, first, strict=True)) == {
        "number": "1", "title": "議案第1号", "paper": "", "rule": "simple", "ballot": "named", "stage": "confirmed",
        "result": "carried", "yes": "11", "no": "10", "abstain": "0", "of": "21", "needed": "11", "in_room": "22",
        "quorum": "11", "casting vote": "", "corrects": "", "law": "116",
    }  # fmt: skip
    assert dict(zip(head, second, strict=True))["title"] == "'=1+1"
    assert dict(zip(head, second, strict=True))["result"] == ""


def test_the_sheet_of_a_named_vote_says_who_voted_what() -> None:
    vote = made(votes.left(vote_of("simple", roll_of(6, absent=1)), "m4"))
    vote = made(votes.decided(made(votes.closed(with_votes(vote, 1, 1, 1))), "m0", "yes"))
    assert [row[2] for row in rows(sheets.vote_sheet(vote))[1:]] == [""] * 6
    assert rows(sheets.vote_sheet(made(votes.confirmed(vote))))[1:] == [
        ["議員0", "chair", "yes"],
        ["議員1", "present", "yes"],
        ["議員2", "present", "no"],
        ["議員3", "present", "abstain"],
        ["議員4", "left the room", ""],
        ["議員5", "absent", ""],
    ]


def test_the_sheet_of_a_secret_vote_does_not() -> None:
    vote = made(votes.confirmed(made(votes.closed(with_votes(vote_of("simple", roll_of(4), "secret"), 2, 0)))))
    assert [row[2] for row in rows(sheets.vote_sheet(vote))[1:]] == ["", "has voted", "has voted", ""]
