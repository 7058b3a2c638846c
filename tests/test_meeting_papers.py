"""The compiled document of an agenda, and the list of who was there."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.errors import RequestError
from sidebooks_core.meeting import compiled as compiling
from sidebooks_core.meeting.attendance import Attendance, Stay, attended, merged
from sidebooks_core.meeting.compiled import AgendaPaper, CompiledPage, compiled
from sidebooks_core.meeting.sheets import attendance_sheet


def paper(name: str, pages: int, revision: int = 1) -> AgendaPaper:
    return AgendaPaper(paper=name, revision=revision, name=name.upper(), content_ids=[f"{name}{page}" for page in range(pages)])


AGENDA = [paper("order", 2), paper("budget", 3, revision=4), paper("empty", 0), paper("minutes", 1)]


def test_the_pages_of_an_agenda_have_running_numbers() -> None:
    made = compiled(AGENDA)
    assert made.pages == (
        CompiledPage(1, "order", 1, 1, "order0"),
        CompiledPage(2, "order", 1, 2, "order1"),
        CompiledPage(3, "budget", 4, 1, "budget0"),
        CompiledPage(4, "budget", 4, 2, "budget1"),
        CompiledPage(5, "budget", 4, 3, "budget2"),
        CompiledPage(6, "minutes", 1, 1, "minutes0"),
    )
    assert [(one.paper, one.name, one.first, one.pages) for one in made.parts] == [
        ("order", "ORDER", 1, 2),
        ("budget", "BUDGET", 3, 3),
        ("minutes", "MINUTES", 6, 1),
    ]


def test_a_number_leads_to_its_paper_and_back() -> None:
    made = compiled(AGENDA)
    for page in made.pages:
        assert made.part_of(page.number).paper == page.paper
        assert made.number_of(page.paper, page.page) == page.number


@pytest.mark.parametrize("number", [-1, 0, 7])
def test_there_is_no_other_number(number: int) -> None:
    with pytest.raises(RequestError, match="no page"):
        compiled(AGENDA).part_of(number)


@pytest.mark.parametrize(("name", "page"), [("budget", 0), ("budget", 4), ("empty", 1), ("other", 1)])
def test_there_is_no_other_page(name: str, page: int) -> None:
    with pytest.raises(RequestError, match="no page"):
        compiled(AGENDA).number_of(name, page)


def test_whoever_may_not_see_a_paper_sees_the_same_numbers_without_it() -> None:
    made = compiled(AGENDA).seen_with({"order", "minutes"})
    assert [(one.number, one.paper) for one in made.pages] == [(1, "order"), (2, "order"), (6, "minutes")]
    assert made.part_of(6).paper == "minutes"
    with pytest.raises(RequestError):
        made.part_of(3)
    with pytest.raises(RequestError):
        made.number_of("budget", 1)


def test_a_paper_that_is_there_twice_is_found_at_its_first_place() -> None:
    made = compiled([paper("a", 2), paper("b", 1), paper("a", 2)])
    assert (len(made.pages), made.number_of("a", 2), made.part_of(5).first) == (5, 2, 4)


def test_an_agenda_of_nothing_has_no_page() -> None:
    assert compiled([]).pages == compiled([paper("empty", 0)]).pages == ()


def test_pages_are_bounded() -> None:
    most = AgendaPaper(paper="p", revision=1, name="P", content_ids=["c"] * compiling.MOST_PAGES)
    assert len(compiled([most]).pages) == compiling.MOST_PAGES
    with pytest.raises(RequestError, match="more than"):
        compiled([most, paper("a", 1)])


def stay(who: str, joined_s: float, left_s: float | None, *, name: str = "", is_guest: bool = False) -> Stay:
    return Stay(participant=who, name=name or who.upper(), is_guest=is_guest, joined_s=joined_s, left_s=left_s)


def test_a_line_that_broke_for_a_moment_is_no_leaving() -> None:
    assert merged([stay("a", 0, 100), stay("a", 150, 300), stay("a", 421, 500)]) == [stay("a", 0, 300), stay("a", 421, 500)]


def test_two_devices_are_one_person() -> None:
    assert merged([stay("a", 0, 500), stay("a", 100, 200), stay("b", 0, 10)]) == [stay("a", 0, 500), stay("b", 0, 10)]


def test_whoever_is_there_on_one_device_is_there() -> None:
    assert merged([stay("a", 0, None), stay("a", 100, 200)]) == [stay("a", 0, None)]
    assert merged([stay("a", 0, 100), stay("a", 100, None)]) == [stay("a", 0, None)]


def test_each_person_has_one_row() -> None:
    rows = attended([stay("b", 50, None, is_guest=True), stay("a", 0, 600), stay("a", 1200, 1800, name="A2")], now_s=2000)
    assert rows == [
        Attendance(participant="a", name="A2", is_guest=False, joined_s=0, left_s=1800, present_s=1200, times=2),
        Attendance(participant="b", name="B", is_guest=True, joined_s=50, left_s=None, present_s=1950, times=1),
    ]


TIMES = st.integers(0, 3000)
STAYS = st.lists(st.builds(lambda who, start, length: stay(who, start, start + length), st.sampled_from("ab"), TIMES, TIMES))


@given(STAYS, st.randoms())
def test_the_order_of_stays_makes_no_difference_and_nobody_is_there_longer_than_the_meeting(stays: list[Stay], chance) -> None:  # type: ignore[no-untyped-def]
    rows = attended(stays, now_s=10_000)
    chance.shuffle(stays)
    assert [(one.participant, one.joined_s, one.left_s, one.present_s, one.times) for one in attended(stays, now_s=10_000)] == [
        (one.participant, one.joined_s, one.left_s, one.present_s, one.times) for one in rows
    ]
    for one in rows:
        assert one.left_s is not None
        assert 0 <= one.present_s <= one.left_s - one.joined_s


def test_the_sheet_of_who_was_there() -> None:
    rows = attended([stay("a", 0, 600, name="=SUM(A1)"), stay("b", 60, None, is_guest=True)], now_s=660)
    sheet = attendance_sheet(rows)
    assert sheet.startswith(b"\xef\xbb\xbf")
    assert list(csv.reader(io.StringIO(sheet.decode("utf-8-sig"), newline=""))) == [
        ["name", "as", "joined", "left", "minutes", "times"],
        ["'=SUM(A1)", "member", "1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z", "10", "1"],
        ["B", "guest", "1970-01-01T00:01:00Z", "", "10", "1"],
    ]
