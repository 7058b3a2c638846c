"""Facts: known bytes that are no image, such as digests of files, descriptions, content ids, and reading positions.

They lie in one file in the cache folder, apart from the images, which may be evicted at any time. Without a folder they are
kept in memory. A thread writes; no caller waits for the disk to keep a fact. If the file cannot be used, only
its facts are lost. Until it can be used again, new facts are kept in memory.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from sidebooks_core.library.facts_in_memory import Fact, FactsInMemory

if TYPE_CHECKING:  # SQLite and encryption: only who uses them pays for them
    from sidebooks_core.library.facts_file import FactsFile, Found, Row
    from sidebooks_core.stores.cipher import Cipher

FILE_NAME = "facts.sqlite3"
WAITING_BYTES = 16 << 20
"""The most bytes that wait to be written. If the file cannot be used and more wait, the oldest facts are dropped; positions go
last."""
RETRY_S = 2.0
"""A file that could not be written is tried again after so long."""
CLOSE_S = 5.0
"""How long closing waits for what is still to be written, unless told."""
RECENT_BYTES = 8 << 20
"""The most bytes of facts that are also kept in memory, so that no file is read when a document is opened again. Lasting facts
are read from the file each time: another process may have written a newer one."""
USED_AGAIN_S = 86_400
"""The use of a fact is noted at most once a day, since each note is a write."""

_log = logging.getLogger("sidebooks_core.library")
_T = TypeVar("_T")


class FactsStatistics(Struct, frozen=True):
    """The size of the facts, and the faults since they were opened."""

    facts: int
    bytes: int
    """Of the files on disk; in memory, if there is no folder."""
    damaged: int = 0
    """Facts whose bytes were not the written ones."""
    failures: int = 0
    """Reads and writes that failed."""


class FactsVerification(Struct, frozen=True):
    """The result of reading and checking all facts."""

    facts: int
    damaged: int
    is_file_damaged: bool = False
    """Nothing of the file can be read."""


class Facts:
    """Facts under keys. Thread-safe, safe among processes. Never raises for a fault of the disk. `close()` it."""

    def __init__(self, folder: Path | None, most_bytes: int, encryption_key: bytes | None = None) -> None:
        """folder: made if it is not there; None: in memory. most_bytes: bound of the facts, in the file or in memory.

        encryption_key: 32 bytes. The file then says neither what is known nor of which document or file.
        Raises RequestError if the SQLite of APSW is too old, or the package `cryptography` is needed and is not there.
        """
        self._folder = folder
        self._most_bytes = most_bytes
        self._cipher = _cipher(encryption_key) if encryption_key is not None else None
        self._changed = threading.Condition()
        self._waiting = FactsInMemory(most_bytes if folder is None else WAITING_BYTES)
        """Facts that are not in the file yet. Without a folder: all facts."""
        self._recent = FactsInMemory(RECENT_BYTES if folder is not None else 0)
        self._forgettings = 0
        """Changes when facts are forgotten. A fact that was read from the file before the change may be forgotten, and is not
        kept."""
        self._unforgotten: dict[tuple[bytes | None, bool], float] = {}
        """Documents (None: all of them) that are forgotten, and may still be in the file; whether what lasts is forgotten, too;
        and when they were, by the wall clock: what another process wrote later stays."""
        self._used: set[bytes] = set()
        self._file: FactsFile | None = None
        self._is_suspect = False
        """The file has turned out to be damaged."""
        self._tries = 0
        """The number of times that the writer has tried to write."""
        self._writing = threading.Lock()
        """Held during each change of the file, from the look at the waiting facts to the commit. Taken before `_changed`."""
        self._damaged = self._failures = 0
        self._has_warned = False
        self._closed = False
        self._writer: threading.Thread | None = None
        """Started when there is a fact to write."""
        if folder is not None:
            from sidebooks_core.databases.versions import require_version

            require_version()
            with self._writing:
                self._tried(self._opened, None)

    def recall(self, key: str) -> bytes | None:
        """What was kept under a key, or None."""
        with self._changed:
            known = self._waiting.get(key) or self._recent.get(key)
        return known.data if known is not None else self._read(key)

    def keep(self, key: str, data: bytes, document_id: str, *, lasts: bool = False) -> None:
        """Keep a fact about a document. It is found at once, and is in the file soon.

        lasts: nobody can find it out again. Such a fact is evicted last, and is forgotten only if that is asked for.
        """
        fact = Fact(data, self._name(document_id), lasts)
        with self._changed:
            if self._closed:
                return
            self._waiting.put(key, fact)
            if not lasts:
                self._recent.put(key, fact)
            self._call_writer()

    def forget(self, document_id: str, *, lasting: bool = False) -> int:
        """Remove what is known of a document; what lasts only if told. How many facts there were."""
        document = self._name(document_id)
        return self._remove(document, lasting)

    def clear(self, *, lasting: bool = False) -> int:
        """Remove everything; what lasts only if told. How many facts there were."""
        return self._remove(None, lasting)

    def verify(self, *, fix: bool = False) -> FactsVerification:
        """Read all facts and check them. fix: remove those that are damaged, or the file if nothing of it can be read."""
        file = self._file
        before = self._is_suspect
        found = self._tried(lambda: file.verify(fix=fix), (0, 0)) if file is not None else (0, 0)
        return FactsVerification(*found, is_file_damaged=self._is_suspect and not before)

    def flush(self) -> None:
        """Wait until everything kept so far is in the file, or could not be written."""
        with self._changed:
            before = self._tries
            self._changed.wait_for(lambda: self._closed or not self._has_work() or self._tries > before + 1)

    def statistics(self) -> FactsStatistics:
        file = self._file
        if file is None:
            with self._changed:
                return FactsStatistics(len(self._waiting), self._waiting.bytes, self._damaged, self._failures)
        counted = self._tried(file.count, None)
        facts, size_bytes = (counted.facts, counted.bytes) if counted is not None else (0, 0)
        return FactsStatistics(facts, size_bytes, self._damaged + file.damaged, self._failures)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits for at most `timeout_s`, and let go of the file. Later look-ups find nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join(timeout_s)
        else:
            self._let_go()
        with self._changed:
            for kept in (self._waiting, self._recent):
                kept.forget(None, lasting=True)

    def _read(self, key: str) -> bytes | None:
        """From the file."""
        name = self._name(key)
        while True:
            file, forgettings = self._file, self._forgettings
            found = self._tried(partial(file.read, name), None) if file is not None else None
            with self._changed:
                waiting = self._waiting.get(key)
                if waiting is not None:
                    return waiting.data  # kept meanwhile
                if self._forgettings != forgettings:
                    continue  # something was forgotten meanwhile, perhaps this
                if found is None or self._is_forgotten(found):
                    return None
                data = found.value if self._cipher is None else self._cipher.decrypt(name.hex(), found.value)
                if data is None:
                    self._damaged += 1
                    return None
                if abs(time.time() - found.used_s) > USED_AGAIN_S:
                    self._used.add(name)
                    self._call_writer()
                if not found.lasts and not self._closed:
                    self._recent.put(key, Fact(data, found.document, found.lasts))
                return data

    def _remove(self, document: bytes | None, lasting: bool) -> int:
        """Remove facts of a document, or of all. If the file cannot be used, they are found no more, and go later.

        Later: while this process has the facts open.
        """
        with self._writing:  # so no waiting fact is being written now
            file = self._file
            with self._changed:
                if self._folder is not None:
                    if document is None:
                        self._unforgotten = {one: at_s for one, at_s in self._unforgotten.items() if one[1] > lasting}
                    self._unforgotten[document, lasting] = math.inf
                self._forgettings += 1
                self._recent.forget(document, lasting=lasting)
                names = {self._name(key) for key in self._waiting.forget(document, lasting=lasting)}
            if file is not None:
                names.update(self._forgotten_in(file) or ())
            if self._unforgotten:
                with self._changed:
                    self._unforgotten = {one: min(at_s, time.time()) for one, at_s in self._unforgotten.items()}
                    self._call_writer()
        return len(names)

    def _forgotten_in(self, file: FactsFile) -> list[bytes] | None:
        """Remove from the file what is forgotten; None if that failed. Called by who changes the file."""
        names: list[bytes] = []
        for forgotten, at_s in list(self._unforgotten.items()):
            document, lasting = forgotten
            removed = self._tried(partial(file.forget, document, lasting=lasting, until_s=at_s), None)
            if removed is None:
                return None
            names += removed
            with self._changed:
                self._unforgotten.pop(forgotten, None)
                self._forgettings += 1
                self._recent.forget(document, lasting=lasting)
        return names

    def _name(self, key: str) -> bytes:
        """The name of a key, or of a document, in the file."""
        return key.encode("utf-8", "surrogatepass") if self._cipher is None else bytes.fromhex(self._cipher.name(key))

    def _row(self, key: str, fact: Fact) -> Row:
        from sidebooks_core.library.facts_file import Row

        name = self._name(key)
        value = fact.data if self._cipher is None else self._cipher.encrypt(name.hex(), fact.data)
        return Row(name, fact.document, fact.lasts, value)

    def _has_work(self) -> bool:
        has_some = len(self._waiting) > 0 or bool(self._used) or bool(self._unforgotten) or self._is_suspect
        return self._folder is not None and has_some

    def _is_forgotten(self, found: Found) -> bool:
        """Whether a fact in the file was forgotten, and could not be removed yet. Called under the lock."""
        return any(
            document in (None, found.document) and lasting >= found.lasts and found.used_s <= at_s
            for (document, lasting), at_s in self._unforgotten.items()
        )

    def _call_writer(self) -> None:
        """Wake the writer, or start it. Called under the lock."""
        if self._folder is None or self._closed:
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_behind, name="sidebooks-facts", daemon=True)
            self._writer.start()
        self._changed.notify_all()

    def _write_behind(self) -> None:
        while True:
            is_done = self._write()
            with self._changed:
                self._tries += 1
                self._changed.notify_all()
                if not is_done:
                    self._changed.wait_for(lambda: self._closed, RETRY_S)
                while not self._closed and not self._has_work():
                    self._changed.wait()
                if self._closed:
                    break
        self._write()
        self._let_go()

    def _let_go(self) -> None:
        with self._writing:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _write(self) -> bool:
        """Open the file if it is not open, and write what waits. False if that failed."""
        with self._writing:
            file = self._tried(self._opened, None)
            if file is None:
                return False
            if self._forgotten_in(file) is None:
                return False
            with self._changed:
                waiting, used = self._waiting.all(), list(self._used)
            if waiting or used:
                rows = [self._row(key, fact) for key, fact in waiting]
                if not self._has_written(file, rows, used):
                    return False
            with self._changed:
                for key, fact in waiting:
                    self._waiting.remove(key, fact)
                self._used.difference_update(used)
        return True

    def _has_written(self, file: FactsFile, rows: list[Row], used: list[bytes]) -> bool:
        def written() -> bool:
            file.write(rows, used)
            return True

        return self._tried(written, False)

    def _opened(self) -> FactsFile:
        """The open file; opened again if it was damaged, or is not at its path any more."""
        from sidebooks_core.databases.files import set_aside
        from sidebooks_core.library.facts_file import FactsDamaged, FactsFile
        from sidebooks_core.stores.folders import make_own

        assert self._folder is not None
        file, path = self._file, self._folder / FILE_NAME
        if file is not None:
            is_in_place = file.is_in_place()
            if is_in_place and not self._is_suspect:
                return file
            self._file = None
            file.close()
            if is_in_place:
                set_aside(path)
        self._is_suspect = False
        make_own(self._folder)
        try:
            self._file = FactsFile(path, self._most_bytes)
        except FactsDamaged as damage:
            self._note(damage)
            set_aside(path)
            self._file = FactsFile(path, self._most_bytes)
        return self._file

    def _tried(self, call: Callable[[], _T], otherwise: _T) -> _T:
        """Call a function that uses the file. Returns `otherwise` if the file cannot be used. The writer sets a damaged file
        aside.
        """
        from sidebooks_core.library.facts_file import FactsDamaged, FactsFailed

        try:
            return call()
        except FactsDamaged as damage:
            self._note(damage)
            with self._changed:
                self._is_suspect = True
                self._call_writer()
        except (FactsFailed, OSError) as fault:
            self._note(fault)
        return otherwise

    def _note(self, fault: Exception) -> None:
        self._failures += 1
        if not self._has_warned:
            self._has_warned = True
            _log.warning("%s: facts cannot be stored or read; they are found out again (%s)", self._folder, fault)


def _cipher(key: bytes) -> Cipher:
    from sidebooks_core.stores.cipher import Cipher

    return Cipher(key, (b"facts", b"fact names"))
