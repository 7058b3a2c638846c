"""Files that come in pieces, over hours and from any process, until they are whole and become papers.

A folder beside the originals holds of each upload its state (`<id>.json`), its bytes so far (`<id>.part`), its lock
(`<id>.lock`), and the wish of another request to have the lock (`<id>.wanted`). So an upload goes on after a restart, and in
another process. The bytes are moved among the originals in the end, not copied. The state of what became a paper lies in a
folder of its own: nobody who begins an upload need look through that.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, Unpack, cast

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from sidebooks_core.databases.files import flush_to_disk
from sidebooks_core.databases.lock import ProcessLock, try_lock
from sidebooks_core.errors import Conflict, DocumentTooLarge, QueueFull, RequestError, StorageFailed
from sidebooks_core.shelf import catalogue
from sidebooks_core.shelf.intake import Arrived
from sidebooks_core.shelf.lengths import MOST_NAME, MOST_TEXT, require_length, require_lengths
from sidebooks_core.shelf.model import Paper, Shown, Who
from sidebooks_core.shelf.order import new_id
from sidebooks_core.shelf.originals import Original
from sidebooks_core.shelf.shelf import Shelf
from sidebooks_core.shelf.taking import discard
from sidebooks_core.stores.folders import make_own

FOLDER_NAME = "uploads"
FLUSH_BYTES = 32 << 20
"""After so many bytes they are flushed to the disk. So the last flush is short, and a power cut loses little."""
DONE_NAME = "done"
SWEEP_EVERY_S = 60.0
"""Who begins an upload removes expired ones at most so often, unless there are too many."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class UploadLimits(Struct, frozen=True, kw_only=True):
    """Bounds for uploads that are under way. An owner is a person, or a client that nobody knows."""

    count: int = 256
    count_per_owner: int = 32
    bytes_per_owner: int = 8 << 30
    """Of all files together, by the lengths that were announced."""
    expires_s: float = 86_400.0
    """An upload is removed if no byte has come for so many seconds."""


class Upload(Struct, frozen=True, kw_only=True):
    """One upload. A paper's revision comes of it if `replaces` is set, else a paper in `folder`."""

    id: str
    owner: str
    length: int
    file_name: str
    paper_id: str
    """Of the new paper, or of the one that gets a revision."""
    replaces: bool
    folder: str | None = None
    shown: dict[str, str | float | None] = field(default_factory=dict)
    """See `Shelf.register`."""
    password: str | None = None
    note: str = ""
    """Of the revision."""
    after: int | None = None
    metadata: str = ""
    """As the client gave it."""
    who: Who = ""
    created_s: float = 0.0
    original: Original | None = None
    """The bytes were whole, and were moved among the originals."""
    revision: int | None = None
    """It is done: this revision of the paper came of it."""


class Uploads:
    """The uploads of a shelf. Thread-safe, safe among processes. All methods may raise StorageFailed."""

    def __init__(self, shelf: Shelf, limits: UploadLimits) -> None:
        self._shelf = shelf
        self.limits = limits
        self.most_bytes = shelf.service.settings.document_bytes
        self._folder = shelf.data_dir / FOLDER_NAME
        with _translated():
            make_own(self._folder)
            make_own(self._folder / DONE_NAME)
        self._swept_s = 0.0
        self.sweep()
        shelf.preparer.each_day(self.sweep)

    def begin(self, new: Upload) -> Upload:
        """Begin an upload; its id and time are set here. Raises QueueFull, DocumentTooLarge, RequestError."""
        if new.length < 1:
            raise RequestError("an empty file is no paper")
        if new.length > self.most_bytes:
            raise DocumentTooLarge(f"a file has at most {self.most_bytes} bytes")
        _require_lengths(new)
        if time.monotonic() - self._swept_s > SWEEP_EVERY_S or self._refusal(new):
            self.sweep()
        refusal = self._refusal(new)
        if refusal:
            raise QueueFull(refusal)
        paper_id = new.paper_id if new.replaces else new_id()
        made = replace(new, id=new_id(), paper_id=paper_id, created_s=time.time())
        with _translated():
            os.close(os.open(self._part(made.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._store(made)
        return made

    def find(self, upload_id: str) -> Upload | None:
        """None: there is no such upload."""
        if not _ID.match(upload_id):
            return None
        for path in (self._state(upload_id), self._done(upload_id)):
            with suppress(FileNotFoundError, msgspec.MsgspecError):
                return msgspec.json.decode(path.read_bytes(), type=Upload)
        return None

    def offset(self, upload: Upload) -> int:
        """How many bytes are here."""
        if upload.original is not None or upload.revision is not None:
            return upload.length
        try:
            return self._part(upload.id).stat().st_size
        except FileNotFoundError:
            return 0

    def expires_s(self, upload: Upload) -> float:
        """When it is removed unless bytes come: seconds since 1970 (UTC)."""
        try:
            came_s = self._part(upload.id).stat().st_mtime
        except FileNotFoundError:
            came_s = upload.created_s
        return came_s + self.limits.expires_s

    def try_hold(self, upload_id: str) -> ProcessLock | None:
        """The lock of an upload; `release()` it. None: another request holds it, and is asked to let go; try again soon."""
        wanted = self._folder / f"{upload_id}.wanted"
        with _translated():
            lock = try_lock(self._folder / f"{upload_id}.lock")
            if lock is None:
                wanted.touch(0o600)
            else:
                wanted.unlink(missing_ok=True)
        return lock

    def is_wanted(self, upload_id: str) -> bool:
        """Another request wants the lock: it knows better whether the client still sends."""
        return (self._folder / f"{upload_id}.wanted").exists()

    def writer(self, upload: Upload) -> PartWriter:
        """Writes behind the bytes that are here. Hold the lock, and close it."""
        with _translated():
            return PartWriter(self._part(upload.id).open("ab", buffering=0))

    def finish(self, upload: Upload, digest: str | None = None) -> Paper:
        """Make a paper of an upload whose bytes are all here. Called again, it returns the same paper. Hold the lock.

        digest: of the bytes, if one `PartWriter` wrote them all.
        Raises what `Shelf.register` and `Shelf.replace` raise.
        """
        if upload.revision is None:
            with self._shelf.originals.taking():
                revision = self._registered_before(upload)
                if revision is None:
                    revision = self._register(self._taken_over(upload, digest)).revision
            # Names, password and digest are kept no longer than they are needed: the paper may be purged.
            upload = replace(
                upload, revision=revision, original=None, shown={}, password=None, file_name="", note="", metadata=""
            )
            self._store(upload)
            with _translated():
                for path in (self._state(upload.id), self._part(upload.id), *self._locks(upload.id)):
                    path.unlink(missing_ok=True)
        return self._shelf.paper(upload.paper_id)

    def remove(self, upload_id: str) -> None:
        """Forget an upload with its bytes. No fault if it is gone."""
        upload = self.find(upload_id)
        with _translated():
            for path in (self._state(upload_id), self._done(upload_id), self._part(upload_id), *self._locks(upload_id)):
                path.unlink(missing_ok=True)
        if upload is not None and upload.original is not None:
            discard(self._shelf.database, self._shelf.originals, [upload.original.digest])

    def sweep(self) -> int:
        """Remove uploads that have expired. How many."""
        self._swept_s = time.monotonic()
        removed = 0
        with _translated():
            names = {path.name for folder in (self._folder, self._folder / DONE_NAME) for path in folder.glob("*.*")}
        for upload_id in {name.partition(".")[0] for name in names}:
            removed += self._is_expired(upload_id) and self._removed_expired(upload_id)
        with _translated():
            for path in self._folder.glob("*.new"):  # their writer has ended
                with suppress(FileNotFoundError):  # another process sweeps, too
                    if time.time() - path.stat().st_mtime > self.limits.expires_s:
                        path.unlink()
        return removed

    def _removed_expired(self, upload_id: str) -> bool:
        """Remove an upload that has expired, unless somebody works with it: the clock may have been set. Whether it was one."""
        with _translated():
            lock = try_lock(self._folder / f"{upload_id}.lock")
        if lock is None:
            return False
        try:
            if not self._is_expired(upload_id):
                return False  # bytes have come meanwhile
            was_one = self.find(upload_id) is not None
            self.remove(upload_id)
            return was_one
        finally:
            lock.release()

    def _is_expired(self, upload_id: str) -> bool:
        """Whether no byte of an upload has come for long. Its lock is as old as its bytes, whenever it was made.

        One that is of the future has not: the clock was set back.
        """
        for path in (self._part(upload_id), self._state(upload_id), self._done(upload_id), *self._locks(upload_id)):
            with _translated(), suppress(FileNotFoundError):
                return time.time() - path.stat().st_mtime > self.limits.expires_s
        return False

    def _refusal(self, new: Upload) -> str:
        """Why an upload cannot begin now. Empty: it can."""
        others = [one for path in self._folder.glob("*.json") if (one := self.find(path.stem)) is not None]
        own = [one for one in others if one.owner == new.owner]
        if len(others) >= self.limits.count or len(own) >= self.limits.count_per_owner:
            return "too many uploads are under way"
        if sum(one.length for one in own) + new.length > self.limits.bytes_per_owner:
            return "too many bytes of uploads are under way"
        return ""

    def _taken_over(self, upload: Upload, digest: str | None) -> Upload:
        """The bytes lie among the originals after this. After a crash in between, it goes on when it is called again.

        Raises StorageFailed if they are gone: then the client sends them again.
        """
        originals, part = self._shelf.originals, self._part(upload.id)
        if part.exists():
            if part.stat().st_size != upload.length:
                part.unlink()
                raise StorageFailed("there are not as many bytes of the upload as were told: send them again")

            def note(original: Original) -> None:
                self._store(replace(upload, original=original))

            return replace(upload, original=originals.take_over(part, note, digest))
        if upload.original is not None and originals.is_whole(upload.original.digest):
            return upload
        self._store(replace(upload, original=None))
        raise StorageFailed("the bytes of the upload are gone: send them again")

    def _registered_before(self, upload: Upload) -> int | None:
        """The revision that came of this upload if the process ended after that and before it was noted."""
        with self._shelf.database.reading() as reading:
            return catalogue.revision_of_upload(reading, upload.paper_id, upload.id)

    def _register(self, upload: Upload) -> Paper:
        if upload.original is None:
            raise Conflict("bytes of the upload are missing")
        arrived = Arrived(upload.original, upload.file_name, upload.paper_id, upload.id)
        if upload.replaces:
            return self._shelf.replace(
                upload.paper_id, arrived, password=upload.password, after=upload.after, note=upload.note, who=upload.who
            )
        shown: Mapping[str, object] = upload.shown
        return self._put_in(upload, arrived, **cast(Shown, shown))

    def _put_in(self, upload: Upload, arrived: Arrived, **shown: Unpack[Shown]) -> Paper:
        return self._shelf.register(
            arrived, upload.folder, password=upload.password, who=upload.who, revision_note=upload.note, **shown
        )

    def _store(self, upload: Upload) -> None:
        with _translated():
            beside = self._folder / f"{upload.id}.{new_id()}.new"
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(msgspec.json.encode(upload))
                    file.flush()
                    os.fsync(file.fileno())
                target = self._state(upload.id) if upload.revision is None else self._done(upload.id)
                beside.rename(target)
            finally:
                beside.unlink(missing_ok=True)
            flush_to_disk(target.parent)

    def _state(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"

    def _done(self, upload_id: str) -> Path:
        return self._folder / DONE_NAME / f"{upload_id}.json"

    def _locks(self, upload_id: str) -> list[Path]:
        return [self._folder / f"{upload_id}.{ending}" for ending in ("wanted", "lock")]

    def _part(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"


def _require_lengths(new: Upload) -> None:
    """What is told of a paper can be kept. Asked before its bytes are sent for nothing. Raises RequestError."""
    require_lengths(new.file_name, new.password, note=new.note)
    for what, most in (("name", MOST_NAME), ("note", MOST_TEXT)):
        text = new.shown.get(what)
        require_length(what, text if isinstance(text, str) else None, most)


class PartWriter:
    """Writes bytes of one upload. Belongs to one thread at a time."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.began_at = file.seek(0, os.SEEK_END)
        self.offset = self.began_at
        self._unflushed = 0
        self._digest = hashlib.sha256() if not self.began_at else None

    @property
    def digest(self) -> str | None:
        """Of the file, as of `Original`. None: this writer did not begin it, or has taken bytes back."""
        return None if self._digest is None else self._digest.hexdigest()

    def write(self, piece: bytes | bytearray) -> None:
        """Raises StorageFailed if the disk is full; what was written before stays."""
        with _translated():
            left = memoryview(piece)
            while left:
                written = self._file.write(left)
                if self._digest is not None:
                    self._digest.update(left[:written])
                self.offset += written
                self._unflushed += written
                left = left[written:]
            if self._unflushed > FLUSH_BYTES:
                self._flush()

    def take_back(self) -> None:
        """The bytes since the beginning are not what was sent."""
        with _translated():
            self._file.truncate(self.began_at)
            self.offset = self.began_at
            self._digest = None

    def close(self) -> None:
        """What was written is on the disk after this."""
        try:
            with _translated():
                self._flush()
        finally:
            self.leave()

    def leave(self) -> None:
        """Close without waiting for the disk: whoever registers the file flushes it."""
        self._file.close()

    def _flush(self) -> None:
        os.fsync(self._file.fileno())
        self._unflushed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StorageFailed:
        raise
    except OSError as fault:
        raise StorageFailed(f"an upload cannot be stored: {fault.strerror or fault}") from fault
