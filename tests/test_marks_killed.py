"""A server is killed between a push and its answer: the device sends it again, and the mark is there once."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from mark_hall import DEVICE, NOTE, mark
from served import PATIENCE_S, Served
from town_hall import paper_of

import sidebooks_core as sb
from sidebooks_core.marks.visibility import MarkReader
from sidebooks_core.shelf import Shelf
from sidebooks_core.testing import FakeEngine


def _shelf(data: Path) -> str:
    """A paper on a shelf. Its id."""
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None), pool=engine.pool) as service, Shelf(data, service) as shelf:
        return shelf.register(paper_of(1, 2, 3), name="予算書").id


def _send(server: Served, paper: str, body: bytes) -> socket.socket:
    """Send a push. Nobody reads the answer."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    head = (
        f"POST /papers/{paper}/marks HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def _push(server: Served, paper: str, body: bytes) -> Any:
    address = f"{server.address}papers/{paper}/marks"
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.load(reply)


@pytest.mark.parametrize("waits_for_disk", [True, False], ids=["after it was written", "at any moment"])
def test_what_was_not_acknowledged_is_sent_again_and_there_once(tmp_path: Path, waits_for_disk: bool) -> None:
    data = tmp_path / "data"
    paper = _shelf(data)
    one = mark(NOTE)
    body = json.dumps({"device": DEVICE, "marks": [one]}).encode()
    with Served("--data", data, cache=tmp_path / "cache") as server, _send(server, paper, body):
        if waits_for_disk:
            _wait_for_mark(data, paper)
        server.kill()
    with Served("--data", data, cache=tmp_path / "cache") as server:
        told = _push(server, paper, body)
        assert (told["refused"], [each["id"] for each in told["marks"]]) == ([], [one["id"]])
        again = _push(server, paper, body)
        assert again["marks"] == told["marks"]
        found = server.get(f"papers/{paper}/marks")
        assert [(each["id"], each["body"]) for each in found["marks"]] == [(one["id"], NOTE)]


def _wait_for_mark(data: Path, paper: str) -> None:
    """Until the mark is on the disk, as another process sees it."""
    engine = FakeEngine()
    with sb.TileService(sb.Settings(cache_dir=None), pool=engine.pool) as service, Shelf(data, service) as shelf:
        deadline_s = time.monotonic() + PATIENCE_S
        while not shelf.mark_store.read(paper, MarkReader("house")).marks:
            assert time.monotonic() < deadline_s, "the mark was not written"
            time.sleep(0.01)
