"""Landlock by its three system calls: files, TCP, signals and abstract sockets. Linux.

Numbers and structures are those of the kernel's `include/uapi/linux/landlock.h`; they are the same on all processors.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

READ_FILE, READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""(version, rights): the number of file rights that Landlock knows from this version on. REFER, TRUNCATE and IOCTL_DEV came
later."""
_NET_VERSION, _NET_RIGHTS = 4, 0b11
"""TCP: bind and connect."""
_SCOPE_VERSION, _SCOPES = 6, 0b11
"""Abstract UNIX sockets and signals. They reach only processes under the same rules, and the process is the only one."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathRule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of the kernel's Landlock, from 1. Raises OSError if the kernel has none."""
    return _call(_CREATE_RULESET, None, 0, _VERSION_FLAG)


def restrict(readable: Iterable[str]) -> None:
    """Forbid the calling thread everything that Landlock knows, for good. Only reading files below some paths stays allowed.

    Paths that do not exist, or cannot be reached, are skipped. Raises OSError.
    """
    known = version()
    files = (1 << max(count for since, count in _FILE_RIGHTS if since <= known)) - 1
    wanted = _Ruleset(files, _NET_RIGHTS if known >= _NET_VERSION else 0, _SCOPES if known >= _SCOPE_VERSION else 0)
    # A kernel that does not know the later fields of the structure takes them as long as they are zero.
    ruleset = _call(_CREATE_RULESET, ctypes.byref(wanted), ctypes.sizeof(wanted), 0)
    try:
        for path in readable:
            with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                _allow(ruleset, path)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "no_new_privs")
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = READ_FILE | READ_DIR if os.path.isdir(path) else READ_FILE  # noqa: PTH112 - a few dozen plain strings
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_PathRule(rights, place)), 0)
    finally:
        os.close(place)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    plain = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *plain))
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, f"Landlock: {os.strerror(failed)}")
    return result
