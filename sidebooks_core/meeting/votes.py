"""Votes of an assembly: who may vote, what counts, and what is carried. Pure.

The rules are those of the Local Autonomy Act (地方自治法) and of the standard rules of procedure (標準会議規則):

- Nobody corrects a vote that was cast, and whoever was not in the room when the vote was opened has no part in it.
- Whoever leaves the room before voting is not present. Whoever stays and does not vote is.
- Under the simple majority the chair has no vote, is not counted among those present, and decides a tie. A tie is as many
  for as against; abstentions are not looked at (行政実例 昭和25年8月24日). They count among those present (昭和32年5月11日).
- Under a special majority the chair votes as a member does, and there is no tie to decide.
- A vote that was confirmed stays as it is. A correction is another vote, which names the first.

Of a secret vote only counts are kept, and the set of those who voted: neither an order nor a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Choice = Literal["yes", "no", "abstain"]
Ballot = Literal["named", "secret"]
Stage = Literal["open", "closed", "confirmed", "broken off"]
"""open: votes are cast. closed: they are counted, and the chair decides a tie. confirmed: it stays. broken off: it is void."""
Result = Literal["carried", "rejected", "tie", "no quorum"]
"""tie: the chair is to decide it. no quorum: too few are present, so nothing was decided."""
RuleName = Literal["simple", "cast", "absolute", "two thirds", "three quarters", "majority of two thirds", "four fifths"]
VoteFault = Literal[
    "not open",
    "not closed",
    "not on the roll",
    "not in the room",
    "has voted",
    "chair does not vote",
    "chair presides",
    "no tie",
    "tie",
    "not the chair",
    "wrong roll",
]
"""Why something cannot be done with a vote."""

MOST_VOTERS = 2000


class Rule(Struct, frozen=True):
    """What a vote needs to be carried."""

    of: Literal["cast", "present", "seats"]
    """Whose share counts: of those who voted yes or no, of those present, of all seats."""
    is_needed: Literal["more than", "at least"]
    share: tuple[int, int]
    """(numerator, denominator)."""
    chair: Literal["votes", "decides ties"]
    """The chair votes as a member does, or has no vote, is not counted as present, and decides a tie."""
    quorum: tuple[int, int]
    """At least this share must be in the room, the chair among them."""
    quorum_of: Literal["seats", "members"]
    where: str
    """The articles of the Local Autonomy Act that have it."""


RULES: Mapping[RuleName, Rule] = {
    "simple": Rule("present", "more than", (1, 2), "decides ties", (1, 2), "seats", "116"),
    "cast": Rule("cast", "more than", (1, 2), "decides ties", (1, 2), "seats", "116 (高松高判 昭和28年9月25日)"),
    "absolute": Rule("seats", "more than", (1, 2), "votes", (1, 2), "seats", "none: a body's own rule"),
    "two thirds": Rule("present", "at least", (2, 3), "votes", (1, 2), "seats", "4, 115, 127, 176, 244-2"),
    "three quarters": Rule("present", "at least", (3, 4), "votes", (2, 3), "members", "87, 135, 178 at first"),
    "majority of two thirds": Rule("present", "more than", (1, 2), "votes", (2, 3), "members", "178 again"),
    "four fifths": Rule("present", "at least", (4, 5), "votes", (3, 4), "members", "解散特例法 2"),
}  # fmt: skip
"""The kinds of majority."""


class Voter(Struct, frozen=True):
    """Somebody on the roll."""

    id: str
    """Of the participant."""
    name: str


class Roll(Struct, frozen=True, kw_only=True):
    """Who can have a part in a vote."""

    voters: tuple[Voter, ...]
    """All members of the body, also those who are absent, and the chair."""
    present: frozenset[str]
    """Those in the room when the vote was opened, the chair among them."""
    chair: str
    """Who presides."""
    seats: int
    """Of the body by its ordinance (定数), filled or not."""

    def has(self, voter: str) -> bool:
        return any(one.id == voter for one in self.voters)


class Vote(Struct, frozen=True, kw_only=True):
    """One vote on one question."""

    number: int
    """In the meeting, from 1."""
    title: str
    item: str
    """The paper that it is about; empty if it is about none."""
    rule: RuleName
    ballot: Ballot
    silence: Literal["abstain", "no"] = "abstain"
    """What it means that somebody present has not voted."""
    roll: Roll
    left: frozenset[str] = frozenset()
    """Who left the room before voting."""
    stage: Stage = "open"
    named: dict[str, Choice] = {}
    """By voter. Empty for a secret vote."""
    counts: dict[Choice, int] = {}
    """Of a secret vote. Empty for a named one."""
    counted: frozenset[str] = frozenset()
    """Whose secret votes are in `counts`."""
    casting: Literal["yes", "no"] | None = None
    """How the chair decided a tie."""
    corrects: int | None = None
    """The confirmed vote that this one takes the place of."""

    @property
    def voted(self) -> frozenset[str]:
        """Who has voted."""
        return self.counted | self.named.keys()


class Outcome(Struct, frozen=True, kw_only=True):
    """What the votes make. Counts of people."""

    result: Result
    yes: int
    no: int
    abstain: int
    """Who voted so, or has not voted, if that means it."""
    of: int
    """Those whose share counts."""
    needed: int
    """The fewest that carry."""
    in_room: int
    """Of the roll, the chair among them."""
    quorum: int


class ShownVote(Struct, frozen=True, kw_only=True):
    """What all participants are told of a vote. How somebody voted is not in it."""

    number: int
    title: str
    item: str
    rule: RuleName
    ballot: Ballot
    stage: Stage
    voters: int
    """On the roll."""
    in_room: int
    outcome: Outcome | None
    """None while it is open, and if it was broken off."""
    corrects: int | None
    chair: str
    """The participant who presides: whether they vote, or decide a tie, is in the rule. A meeting may have more chairs."""
    chair_name: str


def fault_of(roll: Roll) -> VoteFault | None:
    """What is wrong with a roll; None if nothing is."""
    ids = [one.id for one in roll.voters]
    is_right = len(set(ids)) == len(ids) and 1 <= len(ids) <= min(roll.seats, MOST_VOTERS)
    return None if is_right and roll.present <= set(ids) and roll.chair in roll.present else "wrong roll"


def cast(vote: Vote, voter: str, choice: Choice) -> Vote | VoteFault:
    """Somebody votes, once."""
    if vote.stage != "open":
        return "not open"
    if not vote.roll.has(voter):
        return "not on the roll"
    if voter in vote.voted:
        return "has voted"
    if voter not in vote.roll.present or voter in vote.left:
        return "not in the room"
    if voter == vote.roll.chair and RULES[vote.rule].chair != "votes":
        return "chair does not vote"
    if vote.ballot == "named":
        return replace(vote, named={**vote.named, voter: choice})
    return replace(vote, counts={**vote.counts, choice: vote.counts.get(choice, 0) + 1}, counted=vote.counted | {voter})


def left(vote: Vote, voter: str, *, is_back: bool = False) -> Vote | VoteFault:
    """Somebody leaves the room. What they have cast stands. is_back: they are here after all, and the chair says so."""
    if vote.stage != "open":
        return "not open"
    if not vote.roll.has(voter):
        return "not on the roll"
    if voter not in vote.roll.present or (is_back and voter not in vote.left):
        return "not in the room"
    if voter == vote.roll.chair:
        return "chair presides"
    if is_back:
        return replace(vote, left=vote.left - {voter})
    return vote if voter in vote.voted else replace(vote, left=vote.left | {voter})


def closed(vote: Vote) -> Vote | VoteFault:
    """Nobody votes any more."""
    return "not open" if vote.stage != "open" else replace(vote, stage="closed")


def decided(vote: Vote, chair: str, choice: Literal["yes", "no"]) -> Vote | VoteFault:
    """The chair decides a tie."""
    if vote.stage != "closed":
        return "not closed"
    if chair != vote.roll.chair:
        return "not the chair"
    return replace(vote, casting=choice) if outcome(vote).result == "tie" else "no tie"


def confirmed(vote: Vote) -> Vote | VoteFault:
    """The result stays for good."""
    if vote.stage != "closed":
        return "not closed"
    return "tie" if outcome(vote).result == "tie" else replace(vote, stage="confirmed")


def broken_off(vote: Vote) -> Vote | VoteFault:
    """The vote is void. Nothing of what was cast is kept."""
    if vote.stage not in ("open", "closed"):
        return "not open"
    return replace(vote, stage="broken off", named={}, counts={}, counted=frozenset(), casting=None)


def outcome(vote: Vote) -> Outcome:
    """What the votes make, as they are now."""
    rule = RULES[vote.rule]
    in_room = vote.roll.present - vote.left
    counts = Counter(vote.named.values()) if vote.ballot == "named" else Counter(vote.counts)
    deciding = in_room if rule.chair == "votes" else in_room - {vote.roll.chair}
    counts[vote.silence] += len(deciding - vote.voted)
    yes, no = counts["yes"], counts["no"]
    of = {"cast": yes + no, "present": len(deciding), "seats": vote.roll.seats}[rule.of]
    quorum = _at_least(rule.quorum, vote.roll.seats if rule.quorum_of == "seats" else len(vote.roll.voters))
    needed = _more_than(rule.share, of) if rule.is_needed == "more than" else _at_least(rule.share, of)
    return Outcome(
        result=_result(rule, vote, (yes, no), is_carried=yes >= needed, has_quorum=len(in_room) >= quorum),
        yes=yes,
        no=no,
        abstain=counts["abstain"],
        of=of,
        needed=needed,
        in_room=len(in_room),
        quorum=quorum,
    )


def shown(vote: Vote) -> ShownVote:
    """What all participants are told."""
    return ShownVote(
        number=vote.number,
        title=vote.title,
        item=vote.item,
        rule=vote.rule,
        ballot=vote.ballot,
        stage=vote.stage,
        voters=len(vote.roll.voters),
        in_room=len(vote.roll.present - vote.left),
        outcome=outcome(vote) if vote.stage in ("closed", "confirmed") else None,
        corrects=vote.corrects,
        chair=vote.roll.chair,
        chair_name=next((one.name for one in vote.roll.voters if one.id == vote.roll.chair), ""),
    )


def _result(rule: Rule, vote: Vote, yes_no: tuple[int, int], *, is_carried: bool, has_quorum: bool) -> Result:
    if not has_quorum:
        return "no quorum"
    if rule.chair == "decides ties" and yes_no[0] == yes_no[1] > 0:
        return "tie" if vote.casting is None else "carried" if vote.casting == "yes" else "rejected"
    return "carried" if is_carried else "rejected"


def _at_least(share: tuple[int, int], of: int) -> int:
    return -(-of * share[0] // share[1])


def _more_than(share: tuple[int, int], of: int) -> int:
    return of * share[0] // share[1] + 1
