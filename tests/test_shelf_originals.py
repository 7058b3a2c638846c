"""Originals on a system as Windows: other rules for files that are read-only, and locks that keep nobody out."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import stat
import time
from pathlib import Path

import pytest

from sidebooks_core.shelf import originals
from sidebooks_core.shelf.originals import ABANDONED_S, Originals


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Originals:
    """With the rules of Windows."""
    fsync, unlink = os.fsync, os.unlink

    def flushed(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode):
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise OSError(errno.EBADF, "Bad file descriptor")
            if not found.st_mode & stat.S_IWUSR:
                raise PermissionError(errno.EACCES, "nobody can open it to write")
        fsync(descriptor)

    def unlinked(path: Path, **options: int | None) -> None:
        if not os.lstat(path).st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "it is read-only")
        unlink(path, **options)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "unlink", unlinked)
    monkeypatch.setattr(originals, "IS_WINDOWS", True)
    return Originals(tmp_path / "originals", 1 << 20)


def test_a_file_is_taken_in_flushed_and_removed(kept: Originals) -> None:
    digest = kept.take_in(io.BytesIO(b"a letter")).digest
    assert kept.is_whole(digest)
    kept.path(digest).chmod(0o400)  # by an older version
    kept.flush(digest)
    kept.path(digest).chmod(0o400)
    kept.remove(digest)
    assert not kept.holds(digest)


def test_a_damaged_file_is_replaced(kept: Originals) -> None:
    digest = kept.take_in(io.BytesIO(b"a letter")).digest
    kept.path(digest).write_bytes(b"a lette?")
    assert kept.take_in(io.BytesIO(b"a letter")).digest == digest
    assert kept.is_whole(digest)


def test_a_young_file_that_comes_in_is_kept_since_the_lock_keeps_nobody_out(kept: Originals) -> None:
    young, old = (kept.folder / "incoming" / name for name in ("young", "old"))
    young.touch()
    old.touch()
    long_ago_s = time.time() - ABANDONED_S - 60
    os.utime(old, (long_ago_s, long_ago_s))
    assert kept.sweep_incoming() == 1
    assert kept.incoming() == {"young"}
