"""How old what a server says is at most."""

from __future__ import annotations

from sidebooks_core.meeting.pings import Pings


def test_a_ping_is_no_older_than_the_pong_that_the_server_had_heard() -> None:
    pings = Pings(100.0)
    pings.pinged(0, 105.0)
    assert pings.made_s == 100.0, "it was made after the hello"
    assert pings.pong(105.0) == 1
    pings.pinged(1, 110.0)
    assert pings.made_s == 105.0
    assert pings.pong(110.0) == 2
    assert pings.pong(150.0) == 3
    pings.pinged(1, 151.0)
    assert pings.made_s == 105.0, "it was held back"
    pings.pinged(3, 155.0)
    assert pings.made_s == 150.0


def test_a_count_that_was_never_sent_or_is_old_says_nothing() -> None:
    pings = Pings(100.0)
    first, second = pings.pong(101.0), pings.pong(102.0)
    pings.pinged(second, 103.0)
    for heard in (first, 0, 99):
        pings.pinged(heard, 104.0)
        assert pings.made_s == 102.0


def test_a_server_that_does_not_say_what_it_heard_is_taken_at_its_word() -> None:
    pings = Pings(100.0)
    pings.pinged(None, 105.0)
    assert pings.made_s == 105.0
