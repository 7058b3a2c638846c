"""The queue's laws, against a plain model of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidebooks_core.scheduling.queue import Entry, JobQueue, Priority, QueueIsFull


def entry(key: str, priority: Priority = Priority.BULK, document: str = "d", *clients: str) -> Entry:
    return Entry(key, priority, document, frozenset(clients or [""]))


def drain(queue: JobQueue) -> list[str]:
    keys = []
    while (taken := queue.pop()) is not None:
        keys.append(taken.key)
    return keys


def test_urgent_first_and_first_come_first_served_inside_a_class() -> None:
    queue = JobQueue(10)
    for key, priority in [("b1", 4), ("v1", 0), ("p1", 3), ("v2", 0), ("b2", 4)]:
        queue.push(entry(key, Priority(priority)))
    assert drain(queue) == ["v1", "v2", "p1", "b1", "b2"]


def test_a_waiting_job_is_joined_and_promoted_not_doubled() -> None:
    queue = JobQueue(10)
    queue.push(entry("a"))
    queue.push(entry("b"))
    queue.push(entry("b", Priority.VISIBLE))
    queue.push(entry("b", Priority.BULK))
    assert len(queue) == 2
    assert drain(queue) == ["b", "a"]


def test_jobs_of_barred_documents_stay_in_their_place() -> None:
    queue = JobQueue(10)
    for key, document in (("a", "bad"), ("b", "bad"), ("c", "good")):
        queue.push(entry(key, Priority.NEXT, document))
    queue.push(entry("looked at", Priority.VISIBLE, "bad"))
    taken = [queue.pop(["bad"], barred_documents={"bad"}) for _ in range(3)]
    assert [one.key if one else None for one in taken] == ["looked at", "c", None]
    assert drain(queue) == ["a", "b"]


def test_promotion_never_lowers() -> None:
    queue = JobQueue(10)
    queue.push(entry("a", Priority.VISIBLE))
    assert not queue.promote("a", Priority.BULK)
    assert not queue.promote("missing", Priority.VISIBLE)
    taken = queue.pop()
    assert taken is not None
    assert taken.priority is Priority.VISIBLE


def test_a_full_queue_gives_up_its_youngest_least_urgent_job() -> None:
    queue = JobQueue(2)
    queue.push(entry("old", Priority.BULK))
    queue.push(entry("young", Priority.BULK))
    displaced = queue.push(entry("seen", Priority.VISIBLE))
    assert displaced is not None
    assert displaced.key == "young"
    with pytest.raises(QueueIsFull):
        queue.push(entry("more", Priority.BULK))
    assert drain(queue) == ["seen", "old"]


def test_clients_of_a_class_take_turns() -> None:
    queue = JobQueue(1000)
    for number in range(600):
        queue.push(entry(f"flood-{number}", Priority.VISIBLE, "d", "flood"))
    for client in ("b", "c"):
        for number in range(2):
            queue.push(entry(f"{client}-{number}", Priority.VISIBLE, "d", client))
    assert drain(queue)[:8] == ["flood-0", "b-0", "c-0", "flood-1", "b-1", "c-1", "flood-2", "flood-3"]


def test_an_open_document_holds_up_another_client_for_two_jobs_at_most() -> None:
    queue = JobQueue(1000)
    for number in range(100):
        queue.push(entry(f"flood-{number}", Priority.VISIBLE, "poster", "flood"))
    taken = [queue.pop({"poster"})]
    queue.push(entry("page", Priority.VISIBLE, "minutes", "council"))
    while taken[-1] is not None and taken[-1].key != "page":
        taken.append(queue.pop({"poster"}))
    assert len(taken) == 1 + 1 + JobQueue.CLIENT_LOOKAHEAD + 1


def test_a_job_of_two_clients_goes_at_the_first_turn_of_either() -> None:
    queue = JobQueue(1000)
    for number in range(5):
        queue.push(entry(f"flood-{number}", Priority.VISIBLE, "d", "flood"))
    queue.push(entry("flood-4", Priority.VISIBLE, "d", "council"))
    assert drain(queue) == ["flood-0", "flood-4", "flood-1", "flood-2", "flood-3"]


def test_a_full_queue_makes_room_for_who_has_less_in_it() -> None:
    queue = JobQueue(4)
    for number in range(4):
        queue.push(entry(f"flood-{number}", Priority.VISIBLE, "d", "flood"))
    displaced = queue.push(entry("page", Priority.VISIBLE, "d", "council"))
    assert displaced is not None
    assert displaced.key == "flood-3"
    with pytest.raises(QueueIsFull):
        queue.push(entry("more", Priority.VISIBLE, "d", "flood"))
    displaced = queue.push(entry("page 2", Priority.VISIBLE, "d", "council"))
    assert displaced is None or displaced.key == "flood-2"


def test_a_worker_takes_work_on_a_document_it_holds_but_nothing_starves() -> None:
    queue = JobQueue(1000)
    queue.push(entry("other", Priority.BULK, "theirs"))
    for number in range(100):
        queue.push(entry(f"mine-{number}", Priority.BULK, "mine"))
    order = []
    while (taken := queue.pop({"mine"})) is not None:
        order.append(taken.key)
    assert order[0] == "mine-0"
    assert order.index("other") <= JobQueue.AFFINITY_LOOKAHEAD


def test_a_class_limit_is_kept() -> None:
    queue = JobQueue(10)
    queue.push(entry("bulk"))
    assert queue.pop(least_urgent=Priority.VISIBLE) is None
    assert len(queue) == 1


def test_a_job_put_back_keeps_its_turn() -> None:
    queue = JobQueue(10)
    for key in "abc":
        queue.push(entry(key))
    first = queue.pop()
    assert first is not None
    queue.push_front(first)
    assert drain(queue) == ["a", "b", "c"]


operations = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.integers(0, 9), st.sampled_from(Priority)),
        st.tuples(st.just("promote"), st.integers(0, 9), st.sampled_from(Priority)),
        st.tuples(st.just("remove"), st.integers(0, 9), st.none()),
        st.tuples(st.just("pop"), st.none(), st.none()),
    ),
    max_size=60,
)


@given(operations)
def test_each_job_comes_out_once_and_in_the_order_of_a_simple_model(steps: list[tuple[str, int, Priority]]) -> None:
    queue = JobQueue(1000)
    model: list[list[str]] = [[] for _ in Priority]
    for step, number, priority in steps:
        key = str(number)
        waiting = next((p for p in Priority if key in model[p]), None)
        if step == "push":
            queue.push(entry(key, priority))
            if waiting is None:
                model[priority].append(key)
        elif step == "promote":
            queue.promote(key, priority)
        elif step == "remove":
            queue.remove(key)
            if waiting is not None:
                model[waiting].remove(key)
        else:
            taken = queue.pop()
            expected = next((keys.pop(0) for keys in model if keys), None)
            assert (taken.key if taken else None) == expected
        if step in ("push", "promote") and waiting is not None and priority < waiting:
            model[waiting].remove(key)
            model[priority].append(key)
    assert drain(queue) == [key for keys in model for key in keys]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 15), st.sampled_from(Priority), st.sampled_from("abc")),
            st.tuples(st.just("front"), st.integers(0, 15), st.sampled_from(Priority), st.sampled_from("abc")),
            st.tuples(st.just("promote"), st.integers(0, 15), st.sampled_from(Priority), st.just("")),
            st.tuples(st.just("remove"), st.integers(0, 15), st.just(Priority.BULK), st.just("")),
            st.tuples(st.just("pop"), st.integers(0, 3), st.sampled_from(Priority), st.just("")),
        ),
        max_size=80,
    )
)
def test_with_clients_nothing_is_lost_and_urgent_goes_first(steps: list[tuple[str, int, Priority, str]]) -> None:
    queue = JobQueue(8)
    waiting: dict[str, Priority] = {}
    for step, number, priority, client in steps:
        key = str(number)
        if step in ("push", "front"):
            one = entry(key, priority, f"document {number % 4}", client)
            if step == "front":
                queue.push_front(one)
            else:
                try:
                    displaced = queue.push(one)
                except QueueIsFull:
                    assert len(waiting) >= 8
                    assert max(waiting.values()) <= priority
                    continue
                if displaced is not None:
                    assert waiting.pop(displaced.key) >= priority
            waiting[key] = min(priority, waiting.get(key, priority))
        elif step == "promote":
            queue.promote(key, priority)
            if key in waiting:
                waiting[key] = min(priority, waiting[key])
        elif step == "remove":
            assert (queue.remove(key) is not None) == (waiting.pop(key, None) is not None)
        else:
            taken = queue.pop({f"document {number}"}, least_urgent=priority)
            urgent = min(waiting.values(), default=None)
            if urgent is None or urgent > priority:
                assert taken is None
            else:
                assert taken is not None
                assert waiting.pop(taken.key) == urgent == taken.priority
        assert len(queue) == len(waiting)
        assert [queue.count(one) for one in Priority] == [list(waiting.values()).count(one) for one in Priority]
    assert sorted(drain(queue)) == sorted(waiting)
