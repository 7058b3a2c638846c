"""The protocol of meetings: sizes, what is refused, and that each message is what it was on the other side."""

from __future__ import annotations

import json
import typing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidebooks_core.errors import RequestError
from sidebooks_core.meeting import ids, messages
from sidebooks_core.meeting.commands import AnyCommand, Cast, OpenVote, Show, Take
from sidebooks_core.meeting.messages import ClientMessage, Hello, Refused, ServerMessage, encoded, from_client, from_server
from sidebooks_core.meeting.state import MOST_STATE_BYTES, Details, State
from sidebooks_core.meeting.votes import Voter


def largest_state() -> State:
    """Of a long meeting on a bundle of 9,999 pages of A3, enlarged, as a spread, in a locked meeting."""
    return State(
        meeting=ids.new_meeting_id(),
        epoch=999,
        seq=99_999,
        details=999,
        paper="p" * 16,
        revision=999,
        page=9998,
        spread=9999,
        view_pt=(-123.4, 1068.3, 1190.6, 841.9),
        mode="follow",
        called=999,
        presenter=ids.participant_id("m", "somebody"),
        t=86_399_999,
    )


def test_a_state_is_small() -> None:
    assert len(encoded(largest_state())) <= MOST_STATE_BYTES


def test_a_state_is_one_object_with_its_kind() -> None:
    told = json.loads(encoded(largest_state()))
    assert told["kind"] == "state"
    assert set(told) == {"kind", *State.__struct_fields__}


def test_each_kind_is_said_by_one_message_of_a_side() -> None:
    for side in (ClientMessage, ServerMessage):
        kinds = [one.__struct_config__.tag for one in typing.get_args(side)]
        assert len(kinds) == len(set(kinds)) > 5
    assert len(typing.get_args(AnyCommand)) == 18


MESSAGES: list[ClientMessage] = [
    Hello(protocol=1, meeting="m", client="c"),
    Show(id="i", client="c", count=3, epoch=1, paper="p", revision=1, page=2, spread=3, view_pt=(0.5, 1.0, 2.0, 3.0)),
    Take(id="i", client="c", count=3, epoch=1),
    Cast(id="i", client="c", count=3, epoch=1, vote=2, choice="abstain"),
    OpenVote(
        id="i", client="c", count=4, epoch=1, title="議案", rule="two thirds", ballot="secret", seats=3,
        voters=(Voter("a", "A"), Voter("b", "B")), present=frozenset("ab"), chair="a",
    ),
]  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_what_a_client_says_arrives(message: ClientMessage) -> None:
    assert from_client(encoded(message)) == message
    assert from_client(encoded(message).decode()) == message


def test_what_the_server_says_arrives() -> None:
    state = largest_state()
    for message in (state, Refused(id="i", why="overtaken", state=state, winner="議長"), Details(
        meeting="m", epoch=1, seq=1, name="本会議", opened_s=1.0, roles={"a": "chair"}, names={"a": "A"}
    )):  # fmt: skip
        assert from_server(encoded(message)) == message


TAKE = {"kind": "take", "id": "i", "client": "c", "count": 1, "epoch": 1}
SHOW = {**TAKE, "kind": "show", "paper": "p", "revision": 1, "page": 1}


def test_a_field_that_is_not_known_is_ignored() -> None:
    assert isinstance(from_client(json.dumps({**TAKE, "later": 1})), Take)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"{", b"[]", b"null", b"\xff", b'{"kind":"state"}', b'{"kind":"nothing"}', b"[" * 100_000,
        json.dumps({"id": "i"}),
        json.dumps({**TAKE, "count": -1}),
        json.dumps({**TAKE, "count": 1 << 60}),
        json.dumps({**TAKE, "count": 1.5}),
        json.dumps({**TAKE, "client": "c/d"}),
        json.dumps({**TAKE, "client": "c\n"}),
        json.dumps({**TAKE, "client": ""}),
        json.dumps({**TAKE, "client": "c" * 25}),
        json.dumps({**SHOW, "page": 0}),
        json.dumps({**SHOW, "page": 10_000_000}),
        json.dumps({**SHOW, "view_pt": [0, 0, 1]}),
        json.dumps({**SHOW, "view_pt": [0, 0, 1, 1e300]}),
        json.dumps({**SHOW, "view_pt": [0, 0, 1, float("inf")]}),
        json.dumps({**SHOW, "view_pt": [0, 0, 1, None]}),
        json.dumps({**TAKE, "kind": "set_mode", "mode": "ended"}),
        json.dumps({**TAKE, "kind": "give_role", "to": "a", "name": "A", "role": "admin"}),
        json.dumps({**TAKE, "pad": "x" * messages.MOST_MESSAGE_BYTES}),
    ],
)  # fmt: skip
def test_anything_else_is_refused(said: bytes | str) -> None:
    with pytest.raises(RequestError):
        from_client(said)


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_are_a_message_or_refused(said: bytes | str) -> None:
    for read in (from_client, from_server):
        try:
            read(said)
        except RequestError:
            continue


def test_ids_are_ids() -> None:
    made = {ids.new_meeting_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(one) == ids.ID_CHARACTERS and not one.startswith("-") for one in made)
    assert isinstance(from_client(encoded(Hello(protocol=1, meeting=made.pop(), client="c"))), Hello)


def test_a_participant_is_the_same_on_all_devices_and_another_one_in_each_meeting() -> None:
    assert ids.participant_id("m1", "person") == ids.participant_id("m1", "person")
    assert len({ids.participant_id(meeting, person) for meeting in ("m1", "m2") for person in ("a", "b")}) == 4
    assert ids.participant_id("m", "1\nx") != ids.participant_id("m\n1", "x")


def test_a_code_is_read_as_people_type_it() -> None:
    code = ids.new_code()
    assert ids.code_digest(code) == ids.code_digest(code.lower().replace("-", " ")) != ids.code_digest(ids.new_code())
    assert not set(code) & set("01ILO")
