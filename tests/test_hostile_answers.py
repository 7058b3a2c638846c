"""Answers of a worker that was taken over: each is of the right type or exactly one error, and costs little memory."""

from __future__ import annotations

import io
import logging
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from hostile_worker import hostile
from hypothesis import given
from hypothesis import strategies as st
from processes import processes
from quiet import wait_idle, wait_until
from test_hostile_bytes import values

import sidebooks_core as sb
from sidebooks_core.documents.annotations import Annotation, Changes
from sidebooks_core.documents.limits import Limits
from sidebooks_core.documents.model import (
    DocumentInfo,
    Lettering,
    Link,
    Matching,
    PackedStream,
    PackedText,
    PageGeometry,
    PageInspection,
    SearchHit,
    Word,
)
from sidebooks_core.documents.reference import DocumentRef
from sidebooks_core.tiling.raster import RasterSpec
from sidebooks_core.workers import replies, wire
from sidebooks_core.workers.answers import AnnotatedFile, AnnotationsRead, Drawn, ErrorTold, Inspected, Searched
from sidebooks_core.workers.jobs import (
    Annotate,
    AnyJob,
    Draw,
    DrawLetters,
    Identify,
    Inspect,
    Open,
    ReadAnnotations,
    ReadLinks,
    ReadText,
    ReadWords,
    Search,
    error_told,
)
from sidebooks_core.workers.starting import Starter, best_starter

INFINITE = float("inf")
INFO = DocumentInfo("pdf", "title", "ltr", 1, (), (PageGeometry(10.0, 20.0, "i", None),), False, (), ())
WORD = Word(0.0, 1.0, 2.0, 3.0, "word", 0, 0)
GOOD: dict[str, Any] = {
    "open": INFO,
    "identify": ("0" * 32,),
    "draw": Drawn(b"x", 0.1, 0.0),
    "words": (WORD,),
    "links": (Link(0.0, 1.0, 2.0, 3.0, None, "https://example.org"),),
    "text": PackedText(PackedStream("ab", bytes(32), bytes(8)), PackedStream("", b"", b"")),
    "search": Searched((SearchHit(0, ((0.0, 1.0, 2.0, 3.0),), "text"),), 1),
    "inspect": Inspected(PageInspection(0), 0.5),
    "letters": Lettering(2, 1, b"\0\xff"),
    "annotate": AnnotatedFile(b"%PDF", True),
    "annotations": AnnotationsRead(
        (Annotation(page=0, kind="ink", packed_strokes=(bytes(12),), packed_quads=bytes(32)),), 1, 0
    ),
}
NAN = float("nan")
BAD_NUMBERS = (INFINITE, -INFINITE, float("nan"), 1e300, -1.0, True, "1", None, [], 1 << 63)


def job(kind: str, **limits: int) -> AnyJob:
    ref = DocumentRef(token="t", name="a.pdf", path=None, file_state=None, limits=Limits(**limits))
    spec = RasterSpec.whole_page(1.0, 10, 10)
    jobs: dict[str, AnyJob] = {
        "open": Open(document=ref, timeout_s=1.0),
        "identify": Identify(document=ref, timeout_s=1.0, page=0, stop=4, budget_s=0.1),
        "draw": Draw(document=ref, timeout_s=1.0, page=0, spec=spec, image_format="png", quality=85),
        "words": ReadWords(document=ref, timeout_s=1.0, page=0),
        "text": ReadText(document=ref, timeout_s=1.0, page=0),
        "links": ReadLinks(document=ref, timeout_s=1.0, page=0),
        "search": Search(document=ref, timeout_s=1.0, page=0, query="x", stop=4, budget_s=0.1, matching=Matching()),
        "inspect": Inspect(document=ref, timeout_s=1.0, page=0, long_side_px=2048),
        "letters": DrawLetters(document=ref, timeout_s=1.0, lines=("x",), size_px=72),
        "annotate": Annotate(document=ref, timeout_s=1.0, changes=Changes(), most_bytes=100),
        "annotations": ReadAnnotations(document=ref, timeout_s=1.0, page=0, stop=4, budget_s=0.1),
    }
    return jobs[kind]


def plain(answer: Any) -> Any:
    return msgspec.to_builtins(answer, builtin_types=(bytes,))


def reply(kind: str, message: Any) -> Any:
    return replies.read_reply(message if isinstance(message, bytes) else msgpack.packb(message), job(kind)).answer


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_answer_is_read(kind: str) -> None:
    message = replies.Reply(answer=GOOD[kind], rss_bytes=5)
    assert replies.read_reply(replies.to_bytes(message), job(kind)) == message


@pytest.mark.parametrize("kind", GOOD)
@given(value=values)
def test_anything_is_of_the_right_type_or_refused(kind: str, value: Any) -> None:
    for message in ({"answer": value}, {"error": value}, {"need_data": value}, {"rss_bytes": value}, value):
        try:
            found = replies.read_reply(msgpack.packb(message), job(kind))
        except wire.WireBroken:
            continue
        assert (found.answer is not None) + (found.error is not None) + found.need_data == 1
        if found.error is not None:
            assert isinstance(error_told(found.error.name, found.error.message, None, found.error.page), sb.SidebooksError)


def with_one_changed(whole: Any, value: Any) -> list[Any]:
    """All that come of replacing one part by `value`."""
    if isinstance(whole, dict):
        found = [{**whole, key: value} for key in whole]
        return found + [{**whole, key: inner} for key in whole for inner in with_one_changed(whole[key], value)]
    if isinstance(whole, list | tuple):
        return [
            [*whole[:at], inner, *whole[at + 1 :]] for at in range(len(whole)) for inner in with_one_changed(whole[at], value)
        ]
    return [value] if isinstance(whole, int | float) and not isinstance(whole, bool) else []


@pytest.mark.parametrize("kind", GOOD)
def test_no_number_that_is_none_comes_through(kind: str) -> None:
    for number in (INFINITE, -INFINITE, float("nan")):
        for changed in with_one_changed(plain(GOOD[kind]), number):
            with pytest.raises(wire.WireBroken):
                reply(kind, {"answer": changed})


@pytest.mark.parametrize("field", ["draw_s", "encode_s"])
@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_a_time_is_a_time(field: str, number: Any) -> None:
    with pytest.raises(wire.WireBroken):
        reply("draw", {"answer": {**plain(GOOD["draw"]), field: number}})


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("open", msgspec.structs.replace(INFO, page_count=2)),
        ("open", msgspec.structs.replace(INFO, page_count=0)),
        ("identify", []),
        ("identify", ["0" * 32] * 5),
        ("identify", ["0" * 31 + "\n"]),
        ("identify", ["0" * 32 + "\n"]),
        ("search", Searched((), 0)),
        ("search", Searched((), 5)),
        ("search", {"hits": [], "reached": INFINITE}),
        ("search", Searched((SearchHit(3, (), ""),), 1)),
        ("inspect", Inspected(PageInspection(1), 0.0)),
        ("draw", {**plain(GOOD["draw"]), "record": "text"}),
        ("draw", {**plain(GOOD["draw"]), "more": 1}),
        ("letters", Lettering(2, 2, b"\0\xff")),
        ("letters", Lettering(1 << 20, 1, bytes(1 << 20))),
        ("letters", Lettering(0, 1, b"")),
        ("annotations", AnnotationsRead((), 0, 0)),
        ("annotations", AnnotationsRead((), 5, 0)),
        ("annotations", AnnotationsRead((Annotation(page=1, kind="note"),), 1, 0)),
        ("annotations", AnnotationsRead((Annotation(page=0, kind="ink", packed_strokes=(bytes(11),)),), 1, 0)),
        ("annotations", AnnotationsRead((Annotation(page=0, kind="underline", packed_quads=bytes(33)),), 1, 0)),
        (
            "annotations",
            AnnotationsRead((Annotation(page=0, kind="underline", packed_quads=struct.pack("<8f", *[NAN] * 8)),), 1, 0),
        ),
        (
            "annotations",
            AnnotationsRead((Annotation(page=0, kind="ink", packed_strokes=(struct.pack("<3f", 1e6, 0, 0),)),), 1, 0),
        ),
        ("annotations", AnnotationsRead((Annotation(page=0, kind="note", x_pt=1e6),), 1, 0)),
        ("annotations", AnnotationsRead((Annotation(page=0, kind="note", colour="red"),), 1, 0)),
    ],
)
def test_an_answer_to_something_else_is_refused(kind: str, answer: Any) -> None:
    with pytest.raises(wire.WireBroken):
        reply(kind, {"answer": plain(answer)})


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_an_answer_to_another_kind_of_job_is_refused(kind: str, other: str) -> None:
    if other == kind:
        return
    with pytest.raises(wire.WireBroken):
        reply(kind, {"answer": plain(GOOD[other])})


def test_limits_of_the_settings_bind() -> None:
    message = replies.to_bytes(replies.Reply(answer=(WORD,) * 3))
    assert replies.read_reply(message, job("words", page_words=3)).answer == (WORD,) * 3
    with pytest.raises(wire.WireBroken):
        replies.read_reply(message, job("words", page_words=2))
    two = msgspec.structs.replace(INFO, page_count=2, pages=INFO.pages * 2)
    with pytest.raises(wire.WireBroken):
        replies.read_reply(replies.to_bytes(replies.Reply(answer=two)), job("open", document_pages=1))


MANY = 24 << 20
EMPTY_ARRAYS = b"\xdd" + MANY.to_bytes(4, "big") + b"\x90" * MANY


def with_raw(key: str, raw: bytes) -> bytes:
    return b"\x81" + msgpack.packb(key) + raw


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("key", ["answer", "error", "need_data", "other"])
def test_many_small_things_cost_no_memory(kind: str, key: str) -> None:
    message = with_raw(key, EMPTY_ARRAYS)
    tracemalloc.start()
    try:
        with pytest.raises(wire.WireBroken):
            replies.read_reply(message, job(kind))
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
        assert len(replies.read_reply(message, job("words")).answer) == count
        assert tracemalloc.get_traced_memory()[1] < 6 * len(message)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("key", ["answer", "other"])
def test_deep_nesting_is_refused(key: str) -> None:
    with pytest.raises(wire.WireBroken):
        replies.read_reply(with_raw(key, b"\x91" * 1_000_000 + b"\xc0"), job("words"))


@pytest.mark.parametrize(
    "name", ["RequestDropped", "ServiceClosed", "QueueFull", "RenderTimeout", "NotOnShelf", "SidebooksError", "Any", "x", ""]
)
def test_a_worker_cannot_speak_for_its_host(name: str) -> None:
    assert type(error_told(name, "text", "id", 3)) is sb.RenderFailed


@pytest.mark.parametrize("kind", [sb.DamagedDocument, sb.PasswordRequired, sb.UnsupportedDocument, sb.PageNotFound])
def test_a_worker_tells_what_is_wrong_with_a_document(kind: type[sb.SidebooksError]) -> None:
    assert type(error_told(kind.__name__, "text", "id", 3)) is kind


def test_text_that_is_none_goes_over_as_question_marks() -> None:
    word = Word(0.0, 1.0, 2.0, 3.0, "a\ud800b", 0, 0)
    assert reply("words", replies.to_bytes(replies.Reply(answer=(word,))))[0].text == "a?b"
    drawn = Drawn(b"\xff\x00", 0.1, 0.0)
    assert reply("draw", replies.to_bytes(replies.Reply(answer=drawn))) == drawn
    message = replies.to_bytes(replies.Reply(error=ErrorTold("x", "\udcff", None)))
    told = replies.read_reply(message, job("open"))
    assert told.error is not None
    assert told.error.message == "?"


@given(st.binary(max_size=40))
def test_a_greeting_is_one_or_refused(data: bytes) -> None:
    with pytest.raises(wire.WireBroken):
        replies.read_greeting(data)


def test_a_message_longer_than_its_kind_may_be_is_not_read() -> None:
    length = replies.most_bytes(job("identify")) + 1
    stream = io.BytesIO(length.to_bytes(4, "little") + bytes(16))
    with pytest.raises(wire.WireBroken, match="allowed"):
        wire.receive(stream, length - 1)


DRAWN = "packb({'answer': {'record': b'x', 'draw_s': %s, 'encode_s': 0.0}})"
CASES = [
    ("Draw", "packb({'error': 5})"),
    ("Draw", "packb(['x'])"),
    ("Draw", "packb({'error': {'name': 'RequestDropped', 'message': '', 'page': None}})"),
    ("Draw", "packb({'need_data': True})"),
    ("Draw", DRAWN % "INFINITE"),
    ("Draw", DRAWN % "1e30"),
    ("Draw", DRAWN % "5.0"),
    ("Draw", "b'\\x81\\xa6answer\\xdd\\x01\\x80\\x00\\x00' + b'\\x90' * (24 << 20)"),
    ("Draw", "b'\\x81\\xa6answer' + b'\\x91' * 1000000"),
    ("Draw", "packb({'answer': ['0' * 32]})"),
    ("Open", "packb({'error': 5})"),
    ("Open", "packb(['x'])"),
    ("Open", "packb({'answer': ['pdf', '', 'ltr', 10**15, [], [], False, [], []]})"),
    ("Identify", "packb({'answer': ['x' * 32]})"),
    ("ReadWords", "packb({'answer': [[1, 2]]})"),
    ("ReadText", "packb({'answer': {'written': {'text': 'ab', 'boxes': b'x' * 31, 'lines': b'x' * 8}, 'read': None}})"),
    ("Search", "packb({'answer': {'hits': [], 'reached': INFINITE}})"),
    ("Search", "packb({'answer': {'hits': [], 'reached': 0}})"),
    ("Draw", "packb({'is_drawn': True})"),
    ("Inspect", "packb({'answer': {'page': {'page': 0}, 'draw_s': float('nan')}})"),
]


def hostile_to(kind: str, answer: str, flag: Path) -> Starter:
    """Starts workers that answer jobs of a kind so, about the document or its first page, as long as the flag is there."""
    return hostile(f"yield {answer} if type(job).__name__ == {kind!r} and not getattr(job, 'page', 0) else honest()", flag)


@pytest.mark.parametrize(("kind", "answer"), CASES)
def test_a_hostile_worker_costs_one_request_each_time(sample: Path, tmp_path: Path, kind: str, answer: str) -> None:
    """And the pool is as large as before, and the writer writes: the next request gets what is right."""
    flag = tmp_path / "flag"
    pool = processes(hostile_to(kind, answer, flag))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=pool) as service:
        for _ in range(2):
            with pytest.raises(sb.SidebooksError) as told:
                ask(service, sample, kind)
            assert not isinstance(told.value, sb.RequestDropped | sb.ServiceClosed | sb.QueueFull)
        flag.unlink()
        document = service.open(sample)
        assert service.text(document, 1)
        assert service.page_image(document, 1, width_px=100).width_px == 100
        wait_idle(service)


def ask(service: sb.TileService, sample: Path, kind: str) -> None:
    document = service.open(sample)
    if kind == "Draw":
        service.page_image(document, 0, width_px=100)
    elif kind == "Identify":
        document.content_id(0)
    elif kind == "ReadWords":
        service.text(document, 0)
    elif kind == "ReadText":
        service.parts.questions.text(document, 0).result()
    elif kind == "Search":
        service.search(document, "x")
    elif kind == "Inspect":
        failed = service.inspect(document).pages[0].error
        assert failed is not None
        raise sb.RenderFailed(failed)


SECOND_ANSWERS = [
    "packb({'answer': ['x' * 32]})",
    "packb({'answer': {'record': b'x', 'draw_s': 0.1, 'encode_s': 0.0}})",
    "packb({'need_data': True})",
    "packb({'error': {'name': 'RequestDropped', 'message': 'never mind', 'page': None}})",
    "b'\\xc1'",
    "exit(3)",
]


@pytest.mark.parametrize("answer", SECOND_ANSWERS)
def test_a_hostile_second_answer_takes_no_image_away(sample: Path, tmp_path: Path, answer: str) -> None:
    flag = tmp_path / "flag"
    pool = processes(hostile_to("Identify", answer, flag))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=pool) as service:
        document = service.open(sample)
        shown = service.page_image(document, 0, width_px=100)
        assert service.page_image(document, 0, width_px=100) == shown
        wait_until(lambda: service.statistics().failures >= 1, "nothing was refused")
        flag.unlink()
        wait_idle(service)
        assert service.page_image(document, 0, width_px=100) == shown
        wait_idle(service)
        assert document.known_content_id(0) is not None
        renders = service.statistics().renders
        assert service.page_image(document, 0, width_px=100) == shown
        assert service.statistics().renders == renders, "kept, now that it could be identified"


def test_a_worker_that_never_gives_its_second_answer_is_given_up_in_time(sample: Path, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    pool = processes(hostile_to("Identify", "__import__('time').sleep(600)", flag))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=2.0), pool=pool) as service:
        document = service.open(sample)
        assert service.page_image(document, 0, width_px=100).width_px == 100
        wait_until(lambda: service.statistics().worker_deaths >= 1, "the worker is not given up")
        flag.unlink()
        wait_idle(service)
        assert service.statistics().failures >= 1
        assert document.content_id(0)


def test_a_worker_that_reads_no_request_holds_up_its_thread_until_the_time_is_over(sample: Path, tmp_path: Path) -> None:
    """It answers ahead, so that it is asked again and again, until its pipe is full: the host would wait for ever."""
    flag = tmp_path / "flag"
    body = """
while type(job).__name__ == "ReadWords":
    yield packb({"answer": []})
yield honest()
"""
    pool = processes(hostile(body, flag))
    with sb.TileService(sb.Settings(cache_dir=None, workers=1, render_timeout_s=1.0), pool=pool) as service:
        document = service.open(sample)
        deaths = service.statistics().worker_deaths
        asked = 0
        while service.statistics().worker_deaths == deaths:
            asked += 1
            assert asked < 2000
            assert service.parts.questions.words(document, asked % 2).result(60) == ()


class Faulty:
    """A source of jobs with a fault of the library in one of its methods."""

    def __init__(self, source: Any, method: str) -> None:
        self.source = source
        self.method = method
        self.is_faulty = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.source, name)
        if name != self.method:
            return method

        def called(*arguments: Any, **how: Any) -> Any:
            found = method(*arguments, **how)
            if self.is_faulty:
                raise RuntimeError("a fault")
            return found

        return called


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.ERROR, "sidebooks_core.workers"):
        yield caplog


@pytest.mark.parametrize("method", ["is_suspect", "landed", "told_first"])
def test_a_fault_of_the_library_ends_no_thread_of_the_pool(
    sample: Path, quiet_log: pytest.LogCaptureFixture, method: str
) -> None:
    faulty: list[Faulty] = []

    def make(source: Any, workers: int) -> Any:
        faulty.append(Faulty(source, method))
        return processes(best_starter())(faulty[0], workers)

    with sb.TileService(sb.Settings(cache_dir=None, workers=1), pool=make) as service:
        document = service.open(sample)
        assert service.text(document, 0)
        wait_idle(service)
        faulty[0].is_faulty = True
        if method == "is_suspect":
            with pytest.raises(sb.RenderFailed, match="fault that the log tells of"):
                service.text(document, 1)
        elif method == "landed":
            assert service.text(document, 1)
        else:
            assert service.page_image(document, 1, width_px=100).width_px == 100
        wait_idle(service)
        faulty[0].is_faulty = False
        assert service.text(document, 2)
        assert service.page_image(document, 2, width_px=100).width_px == 100
        wait_idle(service)
    assert any("a fault of the library" in one.getMessage() for one in quiet_log.records)


def test_one_who_raises_when_told_keeps_no_other_from_being_told(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    with sb.TileService(sb.Settings(cache_dir=None, workers=1)) as service:
        document = service.open(sample)
        futures = [service.submit_page_image(document, 1, width_px=100) for _ in range(3)]
        futures[0].add_done_callback(lambda _: [][0])
        assert [future.result(60).width_px for future in futures] == [100] * 3
        wait_idle(service)
    assert len([one for one in caplog.records if one.name == "concurrent.futures"]) == 1
