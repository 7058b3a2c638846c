"""What the engine says is kept until it is taken; what is mended is forgotten, with its repetitions."""

from __future__ import annotations

import re

from sidebooks_core.engine.messages import (
    MOST_WARNINGS,
    count_messages,
    forget_messages,
    messages_since,
    take_messages,
    take_warnings,
)
from sidebooks_core.engine.mupdf import mupdf


def say(*messages: str) -> None:
    for message in messages:
        mupdf.fz_warn(message)


def test_messages_stay_until_they_are_taken() -> None:
    take_messages()
    say("first")
    start = count_messages()
    say("second", "third")
    assert messages_since(start) == ["second", "third"]
    assert take_messages() == ["first", "second", "third"]
    assert count_messages() == 0


def test_what_is_mended_is_forgotten_with_its_repetitions() -> None:
    take_messages()
    say("a bad font")
    start = count_messages()
    say("a bad font", "a bad font", "a bad font", "a bad image", "a bad image")
    assert any("repeated" in message for message in messages_since(start)), "the engine counts them"
    forget_messages(start, re.compile("font"))
    assert messages_since(start)[0] == "a bad image"
    assert not any("font" in message for message in messages_since(start))
    assert take_messages()[0] == "a bad font", "it was said before"
    say("a bad page")
    forget_messages(0)
    assert take_messages() == []


def test_warnings_can_be_shown_and_are_few() -> None:
    take_messages()
    say("a font \x1b[2J", "another", "a font \x1b[2J", "y" * 900)
    assert take_warnings() == ("a font ?[2J", "another", "y" * 200)
    say(*map(str, range(2 * MOST_WARNINGS)))
    assert len(take_warnings()) == MOST_WARNINGS
