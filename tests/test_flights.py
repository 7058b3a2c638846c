"""The life of a flight: the table of its states, and that nothing is lost, doubled or left behind on any way through it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from sidebooks_core.scheduling import flights as module
from sidebooks_core.scheduling.flights import TRANSITIONS, Event, Flight, Flights, ImpossibleTransition, State, Waiting
from sidebooks_core.scheduling.queue import Priority, QueueIsFull

ROOT = Path(module.__file__).parents[1]
ARCHITECTURE = Path(__file__).parents[1] / "docs" / "explanation" / "architecture.md"

Made = Flight[str, object]
"""Work is a text here, and a request any object."""


def flight(*names: str, priority: Priority = Priority.VISIBLE, document: str = "d", waiting: int = 1) -> Made:
    return Flight(list(names), document, names[0], priority, [Waiting(object()) for _ in range(waiting)])


def take(flights: Flights[str, object]) -> Made | None:
    return flights.take((), Priority.IDLE, ())


# The table.


def drawn() -> str:
    """The table of states as the docs show it: a row for each state, a column for each event."""
    events = [event.name for event in Event]
    rows = [["state", *events], ["---"] * (len(events) + 1)]
    rows += [
        [f"`{state.name}`", *(TRANSITIONS[state, event].name if (state, event) in TRANSITIONS else "" for event in Event)]
        for state in State
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def test_the_table_in_the_docs_is_the_table_in_the_code() -> None:
    assert drawn() in ARCHITECTURE.read_text(encoding="utf-8"), f"put this into {ARCHITECTURE.name}:\n{drawn()}"


def test_every_state_is_reached_and_only_the_last_is_final() -> None:
    reached = {State.QUEUED}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(State)
    assert {before for before, _ in TRANSITIONS} == set(State) - {State.LANDED}
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert all((state, Event.LAND) in TRANSITIONS for state in State if state is not State.LANDED), "all can end"


WAYS: dict[State, tuple[str, ...]] = {
    State.QUEUED: (),
    State.AT_WORK: ("take",),
    State.PARKED: ("take", "park"),
    State.SHOWN: ("take", "show"),
    State.LANDED: ("land",),
}
DONE_BY: dict[Event, str] = {event: event.name.lower() for event in Event}


def step(flights: Flights[str, object], one: Made, how: str) -> None:
    if how == "take":
        assert take(flights) is one
    else:
        getattr(flights, how)(one)


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_what_the_table_has_can_be_done_and_nothing_else(state: State, event: Event) -> None:
    flights: Flights[str, object] = Flights(10)
    one = flight("a")
    flights.begin(one)
    for how in WAYS[state]:
        step(flights, one, how)
    assert one.state is state
    if (state, event) in TRANSITIONS:
        step(flights, one, DONE_BY[event])
        assert one.state is TRANSITIONS[state, event]
    elif event is Event.TAKE:
        assert take(flights) is None
        assert one.state is state
    else:
        waiting = list(one.waiting)
        with pytest.raises(ImpossibleTransition, match=f"{event.name} in {state.name}"):
            step(flights, one, DONE_BY[event])
        assert (one.state, one.waiting) == (state, waiting), "and nothing has changed"


def test_no_other_code_sets_a_state() -> None:
    """In the modules that know flights, one function assigns to `state`: the one that asks the table."""
    users = [path for path in ROOT.rglob("*.py") if "scheduling.flights" in path.read_text() or path.name == "flights.py"]
    assert len(users) >= 3
    assert [(path.name, where) for path in users for where in setters_of_state(ast.parse(path.read_text()))] == [
        ("flights.py", "to")
    ]


def test_code_that_sets_a_state_is_found() -> None:
    sources = (
        "one.state = 1",
        "one.state: int = 1",
        "a, one.state = 1, 2",
        "replace(one, state=1)",
        "setattr(one, 'state', 1)",
    )
    for source in sources:
        assert list(setters_of_state(ast.parse(f"def f(one):\n    {source}"))) == ["f"], source
    assert list(setters_of_state(ast.parse("def f(one):\n    state = one.state"))) == []


def setters_of_state(tree: ast.AST, inside: str = "") -> Iterator[str]:
    """Names of the functions that assign to an attribute `state`, or replace or force it."""
    for node in ast.iter_child_nodes(tree):
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else inside
        if isinstance(node, ast.Attribute) and node.attr == "state" and isinstance(node.ctx, ast.Store):
            yield name
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            named = {keyword.arg for keyword in node.keywords}
            said = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
            is_forced = called in ("setattr", "force_setattr") and "state" in said
            if is_forced or (called in ("replace", "Flight") and "state" in named):
                yield name
        yield from setters_of_state(node, name)


# What follows from it.


@given(st.lists(st.sampled_from(Priority), max_size=30))
def test_in_a_class_first_come_is_first_served(priorities: list[Priority]) -> None:
    flights: Flights[str, object] = Flights(100)
    begun = [flight(str(number), priority=priority) for number, priority in enumerate(priorities)]
    for one in begun:
        flights.begin(one)
    taken = [take(flights) for _ in begun]
    assert taken == sorted(begun, key=lambda one: one.priority)
    assert take(flights) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Priority)), max_size=12))
def test_who_joins_promotes_and_never_delays(joins: list[tuple[int, Priority]]) -> None:
    flights: Flights[str, object] = Flights(100)
    begun = [flight(str(number), priority=Priority.PREVIEW) for number in range(6)]
    for one in begun:
        flights.begin(one)
    order = {one.work: (Priority.PREVIEW, number) for number, one in enumerate(begun)}
    for turn, (number, priority) in enumerate(joins, len(begun)):
        flights.join(begun[number], Waiting(object()), priority)
        if priority < order[str(number)][0]:
            order[str(number)] = (priority, turn)  # at the end of the more urgent class
    for one in begun:
        assert one.priority == order[one.work][0]
    taken = [take(flights) for _ in begun]
    assert [one.work for one in taken if one is not None] == sorted(order, key=lambda work: order[work])


def test_what_lost_its_worker_or_waited_aside_keeps_its_turn() -> None:
    for there, back in (((), ("repeat",)), (("park",), ("resume",))):
        flights: Flights[str, object] = Flights(2)
        first, second = flight("a"), flight("b")
        flights.begin(first)
        flights.begin(second)
        assert take(flights) is first
        for how in there:
            step(flights, first, how)
        third = flight("c")
        flights.begin(third)
        for how in back:
            step(flights, first, how)
        assert len(flights) == 3, "what was taken before is let in again, whatever the bound"
        assert [take(flights) for _ in range(3)] == [first, second, third]


def test_a_join_while_it_is_away_counts_when_it_comes_back() -> None:
    flights: Flights[str, object] = Flights(10)
    one, other = flight("a", priority=Priority.BULK), flight("b", priority=Priority.NEXT)
    flights.begin(one)
    assert take(flights) is one
    flights.begin(other)
    flights.join(one, Waiting(object()), Priority.VISIBLE)
    flights.repeat(one)
    assert [take(flights), take(flights)] == [one, other]


def test_it_is_joined_under_each_of_its_names() -> None:
    flights: Flights[str, object] = Flights(10)
    one = flight("place")
    flights.begin(one)
    assert flights.name(one, "key")
    assert flights.name(one, "key")
    assert one.names == ["place", "key"]
    assert flights.of(["key"]) is flights.of(["other", "place"]) is one
    assert flights.of(["other"]) is None
    assert flights.of([]) is None
    flights.land(one)
    assert flights.of(["place", "key"]) is None
    assert not flights.name(one, "late")
    assert flights.of(["late"]) is None


def test_a_name_stays_with_the_flight_that_has_it() -> None:
    flights: Flights[str, object] = Flights(10)
    one, other = flight("a", "key"), flight("b")
    flights.begin(one)
    flights.begin(other)
    assert not flights.name(other, "key")
    assert flights.of(["key"]) is one
    flights.land(other)
    assert flights.of(["key"]) is one, "it did not take the name with it"
    assert flights.of(["b"]) is None


def test_a_flight_that_nobody_wants_lands_unless_a_worker_has_begun_it() -> None:
    for ways, lands in (((), True), (("take",), False), (("take", "park"), True)):
        flights: Flights[str, object] = Flights(10)
        one = flight("a", waiting=2)
        flights.begin(one)
        for how in ways:
            step(flights, one, how)
        before = one.state
        first, second = (waiting.request for waiting in one.waiting)
        assert flights.forget(one, first)
        assert not flights.forget(one, first), "once"
        assert one.state is before
        assert flights.forget(one, second)
        assert one.state is (State.LANDED if lands else before)
        assert (flights.of(["a"]) is None) is lands


# Any way through it.


class Asked:
    """A request, and what was done about it."""

    def __init__(self) -> None:
        self.told = 0
        self.is_forgotten = False

    @property
    def is_over(self) -> bool:
        return bool(self.told) or self.is_forgotten


class Journeys(RuleBasedStateMachine):
    """Does to flights what a dispatcher does, in any order, and keeps its own account of who was told."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.flights: Flights[str, object] = Flights(3)
        self.known: list[Made] = []
        self.asked: list[Asked] = []
        self.wait_for: dict[Asked, Made] = {}
        self.states: dict[int, State] = {}

    @rule(
        target=requests,
        names=st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True),
        priority=st.sampled_from(Priority),
        document=st.sampled_from("xy"),
        client=st.sampled_from(["", "one", "two"]),
    )
    def ask(self, names: list[str], priority: Priority, document: str, client: str) -> object:
        asked = Asked()
        self.asked.append(asked)
        joined = self.flights.of(names)
        if joined is not None and joined.state is State.SHOWN:
            asked.told += 1  # the image is there
        elif joined is not None:
            self.flights.join(joined, Waiting(asked, client), priority)
            assert joined.priority <= priority
            for name in names:
                self.flights.name(joined, name)
            self.wait_for[asked] = joined
        else:
            begun: Made = Flight(names, document, "work", priority, [Waiting(asked, client)])
            try:
                displaced = self.flights.begin(begun)
            except QueueIsFull:
                asked.told += 1  # that there is no room
                assert self.flights.of(names) is None
                return asked
            self.known.append(begun)
            self.wait_for[asked] = begun
            if displaced is not None:
                assert displaced.state is State.LANDED
                assert displaced is not begun
                assert displaced.waiting, "who is displaced is told"
                self.tell(displaced.take_waiting())
        return asked

    @rule(asked=requests)
    def forget(self, asked: Asked) -> None:
        one = self.wait_for.get(asked)
        if one is None:
            return
        waited = self.flights.forget(one, asked)
        assert waited is not asked.is_over, "who was told, or has gone, waits no more"
        asked.is_forgotten |= waited

    @rule(least_urgent=st.sampled_from(Priority), held=st.sets(st.sampled_from("xy")), barred=st.sets(st.sampled_from("xy")))
    def take(self, least_urgent: Priority, held: set[str], barred: set[str]) -> None:
        def may_go(one: Made) -> bool:
            is_barred = one.document in barred and one.priority is not Priority.VISIBLE
            return one.state is State.QUEUED and one.priority <= least_urgent and not is_barred

        candidates = [one for one in self.known if may_go(one)]
        taken = self.flights.take(held, least_urgent, barred)
        assert (taken is None) is (not candidates)
        if taken is not None:
            assert taken in candidates
            assert taken.priority == min(one.priority for one in candidates)

    @rule(number=st.integers(0, 20), how=st.sampled_from(["park", "resume", "repeat", "show", "land"]))
    def happen(self, number: int, how: str) -> None:
        """Something to one of the flights, possible or not."""
        if not self.known:
            return
        one = self.known[number % len(self.known)]
        event = Event[how.upper()]
        change: Callable[[Made], list[object] | None] = getattr(self.flights, how)
        if (one.state, event) in TRANSITIONS:
            self.tell(change(one) or [])
        else:
            waiting = list(one.waiting)
            with pytest.raises(ImpossibleTransition):
                change(one)
            assert one.waiting == waiting

    @rule()
    def close(self) -> None:
        waited = [one for one in self.known if one.state in (State.QUEUED, State.PARKED)]
        ended = self.flights.land_waiting()
        assert {id(one) for one in ended} == {id(one) for one in waited}
        for one in ended:
            self.tell(one.take_waiting())

    def tell(self, requests: list[object]) -> None:
        for asked in requests:
            assert isinstance(asked, Asked)
            assert not asked.is_over
            asked.told += 1

    @invariant()
    def each_request_waits_for_one_flight_or_is_over(self) -> None:
        waiting = [one.request for flying in self.known for one in flying.waiting]
        assert len(waiting) == len(set(map(id, waiting)))
        assert {id(one) for one in waiting} == {id(one) for one in self.asked if not one.is_over}
        assert all(one.told <= 1 and not (one.told and one.is_forgotten) for one in self.asked)
        assert all(self.wait_for[one].state is not State.LANDED for one in self.asked if not one.is_over)

    @invariant()
    def each_name_leads_to_one_flight_that_is_under_way(self) -> None:
        under_way = [one for one in self.known if one.state is not State.LANDED]
        assert {id(one) for one in self.flights} == {id(one) for one in under_way}
        for name in "abcd":
            found = self.flights.of([name])
            assert found is None or (found.state is not State.LANDED and name in found.names)
        for one in under_way:
            assert self.flights.of([one.names[0]]) is one

    @invariant()
    def the_queue_has_what_waits_for_a_worker(self) -> None:
        queued = [one for one in self.known if one.state is State.QUEUED]
        assert len(self.flights) == self.flights.count(State.QUEUED) == len(queued)
        for priority in Priority:
            assert self.flights.count_waiting(priority) == sum(one.priority is priority for one in queued)

    @invariant()
    def no_state_changes_but_by_the_table(self) -> None:
        for number, one in enumerate(self.known):
            before = self.states.get(number, State.QUEUED)
            allowed = {after for (state, _), after in TRANSITIONS.items() if state is before}
            assert one.state is before or one.state in allowed
            self.states[number] = one.state

    def teardown(self) -> None:
        for one in self.known:
            if one.state is not State.LANDED:
                self.tell(self.flights.land(one))
        assert all(one.told + one.is_forgotten == 1 for one in self.asked), "exactly once, unless it has gone"
        assert list(self.flights) == []
        assert (len(self.flights), self.flights.of("abcd"), take(self.flights)) == (0, None, None)


TestJourneys = Journeys.TestCase
