"""Differences between revisions. Equal questions are answered by one look, and some answers are remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from sidebooks_core.service import Document, TileService
from sidebooks_core.shelf.revisions import PageChange, page_changes

KEPT = 64
_Key = tuple[str, int, int]


class Differences:
    """Thread-safe. Every reader of a replaced paper needs the same difference, and most of them at the same time."""

    def __init__(self, service: TileService, open_revision: Callable[[str, int], Document]) -> None:
        """open_revision: the document of a revision, by the paper's id and its number."""
        self._service = service
        self.open_revision = open_revision
        self._lock = threading.Lock()
        self._under_way: dict[_Key, Future[list[PageChange]]] = {}
        self._kept: OrderedDict[_Key, list[PageChange]] = OrderedDict()

    def get(self, paper_id: str, old: int, new: int) -> list[PageChange]:
        """What became of each page. It may wait for workers. Raises what opening and comparing raise."""
        key = paper_id, old, new
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return list(self._kept[key])
            answer = self._under_way.get(key)
            is_mine = answer is None
            if answer is None:
                answer = self._under_way[key] = Future()
        if is_mine:
            self._answer(key, answer)
        return list(answer.result())

    def _answer(self, key: _Key, answer: Future[list[PageChange]]) -> None:
        try:
            found, is_final = self._compared(*key)
        except BaseException as fault:  # noqa: BLE001 - all who wait are told
            with self._lock:
                del self._under_way[key]
            answer.set_exception(fault)
            return
        with self._lock:
            del self._under_way[key]
            if is_final:
                self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        answer.set_result(found)

    def _compared(self, paper_id: str, old: int, new: int) -> tuple[list[PageChange], bool]:
        """And whether the answer will be the same next time: not if a page took too long."""
        from sidebooks_core.shelf.likeness import Comparison  # it loads numpy, which a server needs late or never

        documents = self.open_revision(paper_id, old), self.open_revision(paper_id, new)
        ids = [[document.content_id(page) for page in range(document.page_count)] for document in documents]
        comparison = Comparison(self._service, *documents)
        return page_changes(ids[0], ids[1], comparison.likeness, comparison), comparison.is_final
