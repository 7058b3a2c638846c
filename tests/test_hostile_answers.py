"""Answers of a worker that was taken over: each is of the right type or exactly one error, and costs little memory."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_hostile_bytes import values

import sidebooks_core as sb
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import DocumentInfo, Link, PageGeometry, PageInspection, SearchHit, Word
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.workers import answers, pool, wire
from sidebooks_core.workers.jobs import Job, JobKind, error_told

INFINITE = float("inf")
INFO = DocumentInfo("pdf", "title", "ltr", 1, (), (PageGeometry(10.0, 20.0, "i", None),), False, (), ())
WORD = Word(0.0, 1.0, 2.0, 3.0, "word", 0, 0)
GOOD: dict[JobKind, Any] = {
    "open": INFO,
    "identify": ["0" * 32],
    "raster": {"record": b"x", "draw_s": 0.1, "encode_s": 0.0},
    "words": [WORD],
    "links": [Link(0.0, 1.0, 2.0, 3.0, None, "https://example.org")],
    "search": {"hits": [SearchHit(0, ((0.0, 1.0, 2.0, 3.0),), "text")], "reached": 1},
    "inspect": {"page": PageInspection(0), "draw_s": 0.5},
}
BAD_NUMBERS = (INFINITE, -INFINITE, float("nan"), 1e300, -1.0, True, "1", None, [], 1 << 63)


def job(kind: JobKind, page: int = 0, **limits: int) -> Job:
    ref = DocumentRef(token="t", name="a.pdf", path=None, file_state=None, limits=Limits(**limits))
    arguments = {"rect_px": [0, 0, 10, 10], "stop": 4}
    return Job(kind=kind, document=ref, page=None if kind == "open" else page, arguments=arguments, timeout_s=1.0)


def reply(kind: JobKind, message: Any) -> Any:
    return answers.read_reply(message if isinstance(message, bytes) else answers.to_bytes(message), job(kind)).answer


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_answer_is_read(kind: JobKind) -> None:
    found = reply(kind, {"answer": GOOD[kind], "rss_bytes": 5})
    assert msgspec.json.encode(found) == msgspec.json.encode(GOOD[kind])


@pytest.mark.parametrize("kind", GOOD)
@given(value=values)
def test_anything_is_of_the_right_type_or_refused(kind: JobKind, value: Any) -> None:
    for message in ({"answer": value}, {"error": value}, {"need_data": value}, {"rss_bytes": value}, value):
        try:
            found = answers.read_reply(msgpack.packb(message), job(kind))
        except wire.WireBroken:
            continue
        assert (found.answer is not None) + (found.error is not None) + found.need_data == 1
        if found.error is not None:
            assert isinstance(error_told(found.error.name, found.error.message, None, found.error.page), sb.SidebooksError)


def with_one_changed(plain: Any, value: Any) -> list[Any]:
    """All that come of replacing one part by `value`."""
    if isinstance(plain, dict):
        found = [{**plain, key: value} for key in plain]
        return found + [{**plain, key: inner} for key in plain for inner in with_one_changed(plain[key], value)]
    if isinstance(plain, list | tuple):
        return [
            [*plain[:at], inner, *plain[at + 1 :]] for at in range(len(plain)) for inner in with_one_changed(plain[at], value)
        ]
    return [value] if isinstance(plain, int | float) and not isinstance(plain, bool) else []


@pytest.mark.parametrize("kind", GOOD)
def test_no_number_that_is_none_comes_through(kind: JobKind) -> None:
    plain = msgspec.to_builtins(GOOD[kind], builtin_types=(bytes,))
    for number in (INFINITE, -INFINITE, float("nan")):
        for changed in with_one_changed(plain, number):
            with pytest.raises(wire.WireBroken):
                reply(kind, {"answer": changed})


@pytest.mark.parametrize("field", ["draw_s", "encode_s"])
@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_a_time_is_a_time(field: str, number: Any) -> None:
    with pytest.raises(wire.WireBroken):
        reply("raster", {"answer": {**GOOD["raster"], field: number}})


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("open", msgspec.structs.replace(INFO, page_count=2)),
        ("open", msgspec.structs.replace(INFO, page_count=0)),
        ("identify", []),
        ("identify", ["0" * 32] * 5),
        ("identify", ["0" * 31 + "\n"]),
        ("identify", ["0" * 32 + "\n"]),
        ("search", {"hits": [], "reached": 0}),
        ("search", {"hits": [], "reached": 5}),
        ("search", {"hits": [], "reached": INFINITE}),
        ("search", {"hits": [SearchHit(3, (), "")], "reached": 1}),
        ("inspect", {"page": PageInspection(1), "draw_s": 0.0}),
        ("raster", {**GOOD["raster"], "record": "text"}),
    ],
)
def test_an_answer_to_something_else_is_refused(kind: JobKind, answer: Any) -> None:
    with pytest.raises(wire.WireBroken):
        reply(kind, {"answer": answer})


def test_limits_of_the_settings_bind() -> None:
    message = answers.to_bytes({"answer": [WORD] * 3})
    assert len(answers.read_reply(message, job("words", page_words=3)).answer) == 3
    with pytest.raises(wire.WireBroken):
        answers.read_reply(message, job("words", page_words=2))
    two = msgspec.structs.replace(INFO, page_count=2, pages=INFO.pages * 2)
    with pytest.raises(wire.WireBroken):
        answers.read_reply(answers.to_bytes({"answer": two}), job("open", document_pages=1))


MANY = 24 << 20
EMPTY_ARRAYS = b"\xdd" + MANY.to_bytes(4, "big") + b"\x90" * MANY


def with_raw(key: str, raw: bytes) -> bytes:
    return b"\x81" + msgpack.packb(key) + raw


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("key", ["answer", "error", "need_data", "other"])
def test_many_small_things_cost_no_memory(kind: JobKind, key: str) -> None:
    message = with_raw(key, EMPTY_ARRAYS)
    tracemalloc.start()
    try:
        with pytest.raises(wire.WireBroken):
            answers.read_reply(message, job(kind))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_passes_for_words_costs_a_few_times_its_length() -> None:
    """The smallest words that the type allows: whole numbers for coordinates, no text."""
    smallest = msgpack.packb({"x0_pt": 0, "y0_pt": 0, "x1_pt": 0, "y1_pt": 0, "text": "", "block": 0, "line": 0})
    count = 50_000
    message = with_raw("answer", b"\xdd" + count.to_bytes(4, "big") + smallest * count)
    tracemalloc.start()
    try:
        assert len(answers.read_reply(message, job("words")).answer) == count
        assert tracemalloc.get_traced_memory()[1] < 6 * len(message)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", ["answer", "other"])
def test_deep_nesting_is_refused(key: str) -> None:
    with pytest.raises(wire.WireBroken):
        answers.read_reply(with_raw(key, b"\x91" * 1_000_000 + b"\xc0"), job("words"))


@pytest.mark.parametrize(
    "name", ["RequestDropped", "ServiceClosed", "QueueFull", "RenderTimeout", "SidebooksError", "Any", "x", ""]
)
def test_a_worker_cannot_speak_for_its_host(name: str) -> None:
    assert type(error_told(name, "text", "id", 3)) is sb.RenderFailed


@pytest.mark.parametrize("kind", [sb.DamagedDocument, sb.PasswordRequired, sb.UnsupportedDocument, sb.PageNotFound])
def test_a_worker_tells_what_is_wrong_with_a_document(kind: type[sb.SidebooksError]) -> None:
    assert type(error_told(kind.__name__, "text", "id", 3)) is kind


def test_text_that_is_none_goes_over_as_question_marks() -> None:
    word = Word(0.0, 1.0, 2.0, 3.0, "a\ud800b", 0, 0)
    assert reply("words", {"answer": [word]})[0].text == "a?b"
    record = {**GOOD["raster"], "record": b"\xff\x00"}
    assert reply("raster", {"answer": record}).record == b"\xff\x00"
    told = answers.read_reply(answers.to_bytes({"error": {"name": "x", "message": "\udcff", "page": None}}), job("open"))
    assert told.error is not None
    assert told.error.message == "?"


@given(st.binary(max_size=40))
def test_a_greeting_is_one_or_refused(data: bytes) -> None:
    with pytest.raises(wire.WireBroken):
        answers.read_greeting(data)


def test_a_message_longer_than_its_kind_may_be_is_not_read() -> None:
    length = answers.most_bytes(job("identify")) + 1
    stream = io.BytesIO(length.to_bytes(4, "little") + bytes(16))
    with pytest.raises(wire.WireBroken, match="allowed"):
        wire.receive_body(stream, length - 1)


HOSTILE = """
import importlib, json, sys
sys.path[:] = json.loads(sys.argv[1])
from sidebooks_core.workers import answers
from sidebooks_core.worker import main as worker
honest, left = worker._answer, [0]
INFINITE = float("inf")

def hostile(desk, request, given):
    if request["kind"] != KIND:
        return honest(desk, request, given)
    return ANSWER

encode = answers.to_bytes
answers.to_bytes = lambda message: message if isinstance(message, bytes) else encode(message)
worker._answer = hostile
importlib.import_module("sidebooks_core.worker." + sys.argv[2]).main()
"""

RASTER = "{'answer': {'record': b'x', 'draw_s': %s, 'encode_s': 0.0}}"
CASES = [
    ("raster", "{'error': 5}"),
    ("raster", "['x']"),
    ("raster", "{'error': {'name': 'RequestDropped', 'message': '', 'page': None}}"),
    ("raster", "{'need_data': True}"),
    ("raster", RASTER % "INFINITE"),
    ("raster", RASTER % "1e30"),
    ("raster", RASTER % "5.0"),
    ("raster", "b'\\x81\\xa6answer\\xdd\\x01\\x80\\x00\\x00' + b'\\x90' * (24 << 20)"),
    ("raster", "b'\\x81\\xa6answer' + b'\\x91' * 1000000"),
    ("open", "{'error': 5}"),
    ("open", "['x']"),
    ("open", "{'answer': ['pdf', '', 'ltr', 10**15, [], [], False, [], []]}"),
    ("identify", "{'answer': ['x' * 32]}"),
    ("words", "{'answer': [[1, 2]]}"),
    ("search", "{'answer': {'hits': [], 'reached': INFINITE}}"),
    ("search", "{'answer': {'hits': [], 'reached': 0}}"),
    ("inspect", "{'answer': {'page': {'page': 0}, 'draw_s': float('nan')}}"),
]


@pytest.mark.parametrize(("kind", "answer"), CASES)
def test_a_hostile_worker_costs_one_request_each_time(
    sample: Path, monkeypatch: pytest.MonkeyPatch, kind: str, answer: str
) -> None:
    """And the pool is as large as before, and the writer writes: the next request gets what is right."""
    honest = pool._BOOT
    monkeypatch.setattr(pool, "_BOOT", f"KIND = {kind!r}" + HOSTILE.replace("ANSWER", answer))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        for _ in range(2):
            with pytest.raises(sb.SidebooksError) as told:
                ask(service, sample, kind)
            assert not isinstance(told.value, sb.RequestDropped | sb.ServiceClosed | sb.QueueFull)
        monkeypatch.setattr(pool, "_BOOT", honest)
        service._pool._forks and service._pool._forks._end()
        for worker in list(service._pool._live):
            worker.kill()
        document = service.open(sample)
        assert service.text(document, 1)
        assert service.page_image(document, 1, width_px=100).width_px == 100
        assert all(thread.is_alive() for thread in service._pool._threads)


def ask(service: sb.TileService, sample: Path, kind: str) -> None:
    document = service.open(sample)
    if kind == "raster":
        service.page_image(document, 0, width_px=100)
    elif kind == "identify":
        document.content_id(0)
    elif kind == "words":
        service.text(document, 0)
    elif kind == "search":
        service.search(document, "x")
    elif kind == "inspect":
        failed = service.inspect(document).pages[0].error
        assert failed is not None
        raise sb.RenderFailed(failed)


DEAF = """
import importlib, json, signal, sys
sys.path[:] = json.loads(sys.argv[1])
from sidebooks_core.workers import answers
from sidebooks_core.workers import wire
from sidebooks_core.worker import main as worker
honest, streams, take = worker._answer, [], worker._take_standard_streams

def taken():
    streams.extend(take())
    return streams

def deaf(desk, request, given):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while request["kind"] == "words":
        wire.send_body(streams[1], answers.to_bytes({"answer": []}))
    return honest(desk, request, given)

worker._take_standard_streams, worker._answer = taken, deaf
importlib.import_module("sidebooks_core.worker." + sys.argv[2]).main()
"""


def test_a_worker_that_reads_no_request_holds_up_its_thread_until_the_time_is_over(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers ahead, so that it is asked again and again, until its pipe is full: the host would wait for ever."""
    monkeypatch.setattr(pool, "_BOOT", DEAF)
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=1.0)) as service:
        document = service.open(sample)
        deaths = service.statistics().worker_deaths
        asked = 0
        while service.statistics().worker_deaths == deaths:
            asked += 1
            assert asked < 2000
            assert service.submit_text(document, asked % 2).result(60) == ()


@pytest.mark.parametrize("where", ["_do_on", "finish"])
def test_a_fault_of_the_library_ends_no_thread_of_the_pool(sample: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        assert service.text(document, 0)
        with monkeypatch.context() as faulty:
            if where == "_do_on":
                faulty.setattr(service._pool, "_do_on", lambda *_: [][0])
                with pytest.raises(sb.RenderFailed, match="fault that the log tells of"):
                    service.text(document, 1)
            else:
                finish = service._dispatcher.finish

                def fails(*arguments: Any, **how: Any) -> None:
                    finish(*arguments, **how)
                    raise RuntimeError("after it was told")

                faulty.setattr(service._dispatcher, "finish", fails)
                assert service.text(document, 1)
        assert service.text(document, 2)
        assert all(thread.is_alive() for thread in service._pool._threads)


def test_one_who_raises_when_told_keeps_no_other_from_being_told(sample: Path) -> None:
    from sidebooks_core.images.flights import Waiting

    told: list[Any] = []
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        waiting = [Waiting(lambda *_: [][0], None, None), Waiting(lambda answer, _: told.append(answer), None, None)]
        service._dispatcher._tell(waiting, "answer", None)
    assert told == ["answer"]
