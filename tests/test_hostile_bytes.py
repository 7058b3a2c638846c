"""Bytes that nobody of ours wrote: planted records, taken-over workers, requests. Refused in our own words, or understood."""

from __future__ import annotations

import io
import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import pytest
from asgi import ask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sidebooks_core as sb
from sidebooks_core.documents.model import DocumentInfo, PageGeometry
from sidebooks_core.encoding.tileset import MEDIA_TYPES, PACKING_VERSION, PackedTile, RecordUnreadable, pack, unpack_tile
from sidebooks_core.library.positions import Positions
from sidebooks_core.library.remembered import DESCRIPTION_VERSION, Registry, source_of
from sidebooks_core.server import Application, Shelf
from sidebooks_core.server.shelf import page_id
from sidebooks_core.stores.envelope import Damaged, seal, unseal
from sidebooks_core.stores.record import Record
from sidebooks_core.workers import wire

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3),
    max_leaves=20,
)
"""Whatever msgpack can carry."""


def headed(header: Any, blobs: bytes = b"") -> bytes:
    packed = msgpack.packb(header)
    return struct.pack("<I", len(packed)) + packed + blobs


@given(values, st.binary(max_size=20))
def test_a_header_of_anything_is_refused(header: Any, blobs: bytes) -> None:
    with suppress(RecordUnreadable):
        assert unpack_tile(headed(header, blobs), 0, 0).media_type in MEDIA_TYPES


@given(st.tuples(st.just(PACKING_VERSION), values, values, values, st.just(()) | values), st.binary(max_size=20))
def test_a_header_of_the_right_version_is_understood_or_refused(header: Any, blobs: bytes) -> None:
    with suppress(RecordUnreadable):
        found = unpack_tile(headed(list(header), blobs), 0, 0)
        assert found.data in blobs


@pytest.mark.parametrize(
    "header",
    [
        [1, [["image/png", 3]], {0: [0, 1, 1]}, []],
        [1, {0: ["image/png", 3]}, [[0, 1, 1]], []],
        [1.0, [["image/png", 3]], [[0, 1, 1]], []],
        [1, [["image/png", 3]], [[False, 1, 1]], []],
        [1, [["image/png", 3]], [[0, 1.5, 1]], []],
        [1, [["image/png", 3]], [[0, float("nan"), 1]], []],
        [1, [["image/png", 3.0]], [[0, 1, 1]], []],
    ],
)
def test_a_header_of_other_types_is_refused(header: list[Any]) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_tile(headed([PACKING_VERSION, *header], b"abc"), 0, 0)


@given(st.data())
def test_a_record_with_one_byte_changed_is_understood_or_refused(data: st.DataObject) -> None:
    record = bytearray(pack([PackedTile(b"x" * n, "image/png", 9, 9) for n in (5, 7, 11, 13)], 2))
    record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    for column, row in ((0, 0), (1, 1), (5, 5)):
        with suppress(RecordUnreadable):
            assert unpack_tile(bytes(record), column, row).media_type in MEDIA_TYPES


@pytest.mark.parametrize("media_type", ["text/html", "image/svg+xml", "image/png\r\nset-cookie: a=b", "", 7, None])
def test_a_worker_cannot_name_a_type_that_a_browser_would_run(media_type: Any) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_tile(headed([PACKING_VERSION, 1, [[media_type, 3]], [[0, 1, 1]], []], b"abc"), 0, 0)


@given(st.text(max_size=20), st.binary(max_size=50), st.text(max_size=10), st.floats(0, 100), st.data())
def test_a_sealed_record_comes_back_or_is_damaged(key: str, body: bytes, tag: str, cost_s: float, data: st.DataObject) -> None:
    record = Record(body, tag, cost_s)
    sealed = b"".join(seal(key, record))
    assert unseal(key, sealed) == record
    place = data.draw(st.integers(0, len(sealed) - 1))
    other = bytes([sealed[place] ^ data.draw(st.integers(1, 255))])
    for damaged in (sealed[:place], sealed[:place] + other + sealed[place + 1 :], sealed + b"x"):
        with pytest.raises(Damaged):
            unseal(key, damaged)
    with pytest.raises(Damaged):
        unseal(key + "x", sealed)


@given(st.binary(max_size=60))
def test_what_a_worker_writes_is_a_message_or_refused(data: bytes) -> None:
    with suppress(wire.WireBroken, wire.WireClosed):
        assert data.startswith(struct.pack("<I", len(body := wire.receive(io.BytesIO(data), 1 << 16))) + body)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_messages_come_back(messages: list[bytes]) -> None:
    stream = io.BytesIO()
    for message in messages:
        wire.send(stream, message)
    stream.seek(0)
    assert [wire.receive(stream) for _ in messages] == messages
    with pytest.raises(wire.WireClosed):
        wire.receive(stream)


class Planted:
    """Facts in which every key leads to the same."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def recall(self, key: str) -> bytes:
        return self.data

    def keep(self, key: str, data: bytes, document_id: str, *, lasts: bool = False) -> None:
        """It keeps what it has."""

    def forget(self, document_id: str, *, lasting: bool = False) -> int:
        return 0


INFO = DocumentInfo("pdf", "", "ltr", 2, (), (PageGeometry(1.0, 1.0, "1", None),) * 2, False, (), ())


described = st.fixed_dictionaries(
    {"version": st.just(DESCRIPTION_VERSION), "info": values | st.dictionaries(st.text(), values)}
)


@given(values | st.lists(values, min_size=2, max_size=3) | described, st.booleans())
def test_planted_facts_are_not_believed(value: Any, is_cut: bool) -> None:
    data = msgpack.packb(value)
    planted = Planted(data[:-1] if is_cut else data)
    registry = Registry(planted, "engine")
    description = registry.description("0" * 32, "")
    assert description is None or len(description.pages) == description.page_count
    content_ids = registry.content_ids("0" * 32, INFO, "")
    assert content_ids is None or len(content_ids) == INFO.page_count
    digest, _ = registry.known_digest(source_of(Path(__file__), 1 << 30))
    assert digest is None or isinstance(digest, str)
    page = Positions(planted).page_of("0" * 32, "")
    assert page is None or page >= 0


parts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["full", "max", "0", "default.png", "..", ".", "%2e%2e", "%2F", "%00", "%", "%zz", "%ff", "１２", "٣,٤", "9" * 30, "-1",
         "1e3", "+5", "0x10", "1_000", "NaN", "inf", "pct:1e2", "!9,9", "^max", "info.json", "<script>", "a" * 500, "\\", "//"]
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def application(sample: Path) -> Any:
    with sb.TileService(sb.Settings(cache_dir=None)) as service:
        shelf = Shelf(service)
        shelf.register(sample)
        application = Application(shelf)
        yield application
        application.close()
        shelf.close()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 7), rest=st.lists(parts, max_size=5))
def test_any_path_gets_a_status_of_the_table_and_no_path_of_the_machine(
    application: Application, sample: Path, start: int, rest: list[str]
) -> None:
    document = application.shelf.all()[0].document
    page, document_id = page_id(document, 0), document.id
    starts = ("", "/iiif/3", f"/iiif/3/{page}", f"/documents/{document_id}", f"/documents/{document_id}/pages/1",
              "/viewer", f"/dzi/{page}_files", f"/presentation/3/{document_id}")  # fmt: skip
    path = "/".join([starts[start], *rest]).replace("?", "").replace("#", "") or "/"
    reply = ask(application, path.encode("ascii", "xmlcharrefreplace").decode())
    assert reply.status in (200, 303, 400, 404, 405, 410, 414, 501)
    if reply.status >= 400:
        assert reply.headers["cache-control"] == "no-store"
        assert not re.search(r"/(work|root|tmp|home|opt|usr)/|Traceback|\.py", reply.json()["detail"])
