"""Writes docs/reference/meeting.md, the protocol and the rules of meetings, from the code that holds them.

python docs/render_meeting.py [--check]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import get_args

from msgspec.structs import replace
from wrapping import paragraphs, wrapped

from sidebooks_core.meeting import following, messages, rights, session, votes
from sidebooks_core.meeting.following import Follower
from sidebooks_core.meeting.hub import WHISPERS_PER_S
from sidebooks_core.meeting.model import Participant
from sidebooks_core.meeting.state import MOST_STATE_BYTES, Mode
from sidebooks_core.meeting.votes import Roll, Vote, Voter

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "reference" / "meeting.md"
SOURCES = ROOT / "sidebooks_core" / "meeting"
TOLD_OF_VOTES = ("Voter", "ShownVote", "Outcome")
"""Of the classes of votes, those that clients see."""

INTRODUCTION = f"""\
A meeting is readers who follow a presenter. This page has the protocol between a client and the server, version
{messages.PROTOCOL}, and the rules of meetings and votes. `docs/render_meeting.py` writes it from `sidebooks_core.meeting`.

A meeting keeps one small state of at most {MOST_STATE_BYTES} bytes, not a stream of events. Its position is the pair (epoch,
seq). The epoch grows when another one presents and when the meeting was restored after a loss; seq grows with each change
within an epoch. A client takes a state only if its position is greater than that of the state it has. So a state may come late,
twice, or not at all, and all clients still end on the same one.

Each message is one JSON object, and its `kind` says which. Fields and kinds that a client does not know are to be ignored: over
`/live` come events of the shelf, too. Pages count from 1. Points are 1/72 inch of a page as it is shown, from its top left
corner."""

COURSE = (
    "The client says `hello`. The server answers with `welcome`, the `state` and the `details`.",
    "The server sends each new `state`. A client that is slow gets only the newest.",
    "The server sends a `ping` with the present position. The client answers `pong` with its own. A client that has an older "
    "one is behind: it says `ask`, and gets the state.",
    "If the number of the details in the state, or the epoch, is not that of the details that the client has, it asks for "
    "them.",
    "The client says `painted` when the page is on its screen. The presenter and the chair get `progress`.",
    "A command is answered by `done` or by `refused`, with the id of the command. A client that gets neither, since the "
    "connection broke, sends the same command again. If it was done, the answer is `refused` with `replayed`; if the meeting "
    "was restored meanwhile, with `restored`.",
    "A `farewell` says why the server ends the connection, and whether to come back.",
)
MODES_TOLD = """\
Whether a reader follows the presenter: on joining in this mode, or when it is set; of those who follow, after a gesture of
their own; of those who left, when everybody is called. In `free` and `follow`, whoever left can go back."""

COMMANDS_TOLD = """\
Who may give a command. A participant is a chair, a speaker or a viewer, and beside that may be the presenter. "epoch": the
command must name the present epoch, else it is refused as `overtaken`, and the refusal says who presents. "once": a command
of a client whose `count` is not greater than that of its last one is refused as `replayed`. After the meeting was restored,
those that know an epoch from before are refused as `restored`, since nobody knows which of them were done."""
COMMANDS_NOTES = """\
`take` is allowed to the role that `taking` of the details names, and to higher ones. `set_mode` needs the chair if the old or
the new mode is `locked`. `leave_room` for somebody else, or to bring somebody back, needs the chair. `decide_tie` needs the
chair of the vote. After the end every command is refused as `ended`. A `whisper` and a `stroke` are for chair, presenter and
speaker, at most {pace:g} of both in a second; an `intent` is for the presenter. A stroke is for those who may read its paper,
whoever draws it included. The last {clients} clients that gave a command are remembered."""

VOTES_TOLD = """\
Articles are those of the Local Autonomy Act (地方自治法). "share": what must vote yes, of whom. "present" are those in the room
when the vote was opened who did not leave it before voting; who abstains is present. Where the chair decides ties, the chair
does not vote and is not counted as present, and a tie is as many for as against, abstentions left out. The quorum counts all
who are in the room, of the seats by ordinance or of the members in office, who are those on the roll. The rule `cast` leaves
abstentions out also of the share, as a judgment of the Takamatsu High Court reads the article."""

STAGES_TOLD = """\
The stage that a command makes of a vote in each stage; an empty cell is a refusal. `confirm_vote` is refused for a tie that is
not decided, and `decide_tie` for any other vote. A vote that is open when the hub is lost is broken off.

A vote that was confirmed, or broken off, stays so. A correction is another vote, whose `corrects` names a confirmed one. Nobody
votes twice, and nobody corrects what they cast. Of a secret vote only the counts are kept, and who has voted, without order and
time; an observer of the memory of a server that runs can still see each vote arrive. Nothing of an open vote is on the disk, if
a Redis that serves as hub stores nothing."""


def rendered() -> str:
    """The page."""
    lines = ["# Meetings", *_prose(INTRODUCTION)]
    lines += ["", "## The course"]
    for number, told in enumerate(COURSE, 1):
        lines += wrapped(told, f"{number}. ", "   ")
    lines += [
        "",
        "## Values",
        *_aliases(SOURCES / "state.py"),
        *_aliases(SOURCES / "votes.py"),
        *_aliases(SOURCES / "messages.py"),
    ]
    for title, file in (("State and details", "state.py"), ("Commands", "commands.py"), ("Other messages", "messages.py")):
        lines += ["", f"## {title}", *_classes(SOURCES / file)]
    lines += ["", "## Votes in the details", *_classes(SOURCES / "votes.py", TOLD_OF_VOTES)]
    lines += ["", "## Modes", *_prose(MODES_TOLD), "", *_modes()]
    lines += ["", "## Who may do what", *_prose(COMMANDS_TOLD), "", *_rights()]
    lines += ["", *_prose(COMMANDS_NOTES.format(pace=WHISPERS_PER_S, clients=session.MOST_COUNTS))]
    lines += ["", "## Votes", *_prose(VOTES_TOLD), "", *_rules()]
    lines += ["", *_prose(STAGES_TOLD), "", *_stages()]
    return "\n".join(lines) + "\n"


def _rights() -> Iterator[str]:
    yield f"| command | {' | '.join(rights.STANDINGS)} | epoch | once |"
    yield "|---|" + "---|" * (len(rights.STANDINGS) + 2)
    for kind, right in rights.RIGHTS.items():
        cells = ["yes" if one in right.who else "" for one in rights.STANDINGS]
        cells += ["yes" if right.needs_epoch else "", "yes" if right.is_counted else ""]
        yield f"| `{kind}` | {' | '.join(cells)} |"


def _modes() -> Iterator[str]:
    yield "| mode | joined, or it is set | own gesture | call |"
    yield "|---|---|---|---|"
    start = session.opened("m", "m", Participant("p", "p"), 0.0).state
    for mode in get_args(Mode):
        state = replace(start, mode=mode)
        joined = following.received(Follower(), state)
        moved = following.moved(Follower(state=state, is_following=True))
        away = Follower(state=state)
        called = following.received(away, replace(state, seq=1, called=1)) if mode != "ended" else away
        yield f"| {mode} | {' | '.join('follows' if one.is_following else '' for one in (joined, moved, called))} |"


def _stages() -> Iterator[str]:
    """What each thing that is done makes of a vote in each stage: a tie, so that all of them are possible."""
    voters = tuple(Voter(one, one) for one in "cab")
    roll = Roll(voters=voters, present=frozenset("cab"), chair="c", seats=3)
    tie = Vote(number=1, title="t", item="", rule="simple", ballot="named", roll=roll, named={"a": "yes"})
    done: dict[str, Callable[[Vote], Vote | str]] = {
        "cast": lambda vote: votes.cast(vote, "b", "no"),
        "leave_room": lambda vote: votes.left(vote, "b"),
        "close_vote": votes.closed,
        "decide_tie": lambda vote: votes.decided(replace(vote, named={"a": "yes", "b": "no"}), "c", "yes"),
        "confirm_vote": votes.confirmed,
        "break_off_vote": votes.broken_off,
    }
    stages = get_args(votes.Stage)
    yield f"| command | {' | '.join(stages)} |"
    yield "|---|" + "---|" * len(stages)
    for command, do in done.items():
        made = [do(replace(tie, stage=stage)) for stage in stages]
        yield f"| `{command}` | {' | '.join(one.stage if isinstance(one, Vote) else '' for one in made)} |"


def _aliases(file: Path) -> Iterator[str]:
    """The kinds of values of a module, and the bounds that stand in it."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for number, one in enumerate(body):
        if not isinstance(one, ast.Assign) or not isinstance(one.targets[0], ast.Name):
            continue
        name = one.targets[0].id
        told = _docstring_after(body, number)
        if not name.startswith("_") and not name.endswith(("Message", "PROTOCOL")):
            yield from wrapped(f"`{name} = {ast.unparse(one.value)}`{told}", "- ", "  ")


def _docstring_after(body: Sequence[ast.stmt], number: int) -> str:
    after = body[number + 1] if number + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return ": " + " ".join(after.value.value.split())
    return ""


def _rules() -> Iterator[str]:
    yield "| rule | share | of | chair | quorum | article |"
    yield "|---|---|---|---|---|---|"
    for name, rule in votes.RULES.items():
        share = f"{rule.is_needed} {rule.share[0]}/{rule.share[1]}"
        quorum = f"{rule.quorum[0]}/{rule.quorum[1]} of {rule.quorum_of}"
        yield f"| {name} | {share} | {rule.of} | {rule.chair} | {quorum} | {rule.where} |"


def _prose(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs(text)):
        if number:
            yield ""
        yield from wrapped(paragraph)


def _classes(file: Path, names: Collection[str] | None = None) -> Iterator[str]:
    """Each message with its fields. The fields of `Command` stand once. names: those of them that are shown; None: all."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ClassDef) or (names is not None and node.name not in names):
            continue
        tags = [one.value for one in node.keywords if one.arg == "tag"]
        title = f"`{tags[0].value}`" if tags and isinstance(tags[0], ast.Constant) else node.name
        if node.name == "Command":
            title = "What all commands have"
        yield from ("", f"### {title}", *_prose(ast.get_docstring(node) or ""))
        fields = list(_fields(node))
        if fields:
            yield from ("", *fields)


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for number, one in enumerate(node.body):
        if not isinstance(one, ast.AnnAssign):
            continue
        default = f" = {ast.unparse(one.value)}" if one.value else ""
        told = _docstring_after(node.body, number)
        yield from wrapped(f"`{ast.unparse(one.target)}: {ast.unparse(one.annotation)}{default}`{told}", "- ", "  ")


def main() -> None:
    """Write the page, or see whether it is what it should be."""
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != rendered():
            sys.exit(f"{TARGET} is not what the code says: run {sys.argv[0]}")
    else:
        TARGET.write_text(rendered(), encoding="utf-8")


if __name__ == "__main__":
    main()
