"""Confines a worker after its start: takes away files, the network and other processes. Linux: Landlock and libseccomp.

The worker keeps its memory, its two pipes, and the descriptors of documents that the host hands over. It may still read the
files of fonts, Python and its packages. A parser that was taken over can spoil its worker's answers and nothing else.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sidebooks_core.worker import landlocking
from sidebooks_core.worker.forbidden_calls import FORBIDDEN, NEW_ALLOWED, NEW_FROM, NEW_TO, refusals

PDFIUM = ("pypdfium2", "pypdfium2_cfg", "pypdfium2_raw")
PACKAGES = ("sidebooks_core", "pymupdf", "numpy", "PIL", "isal", "msgpack", "msgspec", "resvg_py", *PDFIUM)
"""Packages whose files may be read, since some of their modules are loaded late."""
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/urandom")
MOST_FILES = 64
"""The most descriptors of a worker: for its documents, its pipes, and some more."""
STACK_BYTES = 64 << 20
"""The most that the stack may grow to; RLIMIT_DATA does not count it."""
ADDRESS_BYTES = 128 << 30
"""Address space beside `worker_bytes`, since documents and fonts are mapped. It bounds the page tables to a 512th of it. No
other limit counts page tables."""


def load() -> None:
    """Import the packages that `confine` needs. `confine` reports a package that is missing."""
    with suppress(Exception):
        importlib.import_module("pyseccomp")


def confine(font_paths: Sequence[str]) -> list[str]:
    """Give up all rights that the worker does not need, for good. Returns in words the rights that it could not give up.

    Call this after everything is loaded, in a process with one thread: Landlock binds only the thread that calls it.
    """
    if sys.platform != "linux":
        return [f"no isolation on {sys.platform}"]
    missing = []
    chosen: Any = None
    try:
        chosen = _call_filter()  # before the files are gone: it loads a library
    except Exception as error:  # noqa: BLE001 - whatever a library or an old kernel raises: the host tells it in one warning
        missing.append(f"network and processes (seccomp): {error!r}")
    try:
        landlocking.restrict(_readable(font_paths))
    except Exception as error:  # noqa: BLE001 - likewise
        missing.append(f"files (Landlock): {error!r}")
    if chosen is not None:
        chosen.load()
    return missing


def limit_resources(worker_bytes: int) -> None:
    """Limit descriptors, forbid to write files, and limit the memory that `worker_bytes` does not count."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    for limit, most in ((resource.RLIMIT_STACK, STACK_BYTES), (resource.RLIMIT_AS, worker_bytes + ADDRESS_BYTES)):
        soft, hard = (most if given == resource.RLIM_INFINITY else min(given, most) for given in resource.getrlimit(limit))
        resource.setrlimit(limit, (soft, hard))


def _readable(font_paths: Sequence[str]) -> list[str]:
    found = {*font_paths, *LIBRARIES, *DEVICES}
    found |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            found |= {
                folder,
                str(Path(folder).parent / f"{package}.libs"),
                str(Path(folder).parent / f"{package.lower()}.libs"),
            }
    return sorted(found)


def _call_filter() -> Any:
    import pyseccomp

    chosen: Any = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    denied, unknown = pyseccomp.ERRNO(errno.EPERM), pyseccomp.ERRNO(errno.ENOSYS)
    # Programs of other word sizes make calls by other numbers, and the rules below do not name those.
    chosen.set_attr(pyseccomp.Attr.ACT_BADARCH, denied)
    with suppress(OSError):  # libseccomp before 2.5
        chosen.set_attr(pyseccomp.Attr.CTL_OPTIMIZE, 2)
    for name in (name for names in FORBIDDEN.values() for name in names):
        _refuse(chosen, denied, name)
    for number in range(NEW_FROM, NEW_TO):
        if number not in NEW_ALLOWED:
            chosen.add_rule(unknown, number)
    comparisons = {"ne": pyseccomp.NE, "gt": pyseccomp.GT, "lt": pyseccomp.LT, "eq": pyseccomp.EQ}
    for refusal in refusals(os.getpid()):
        if refusal.test == "has":
            argument = pyseccomp.Arg(refusal.argument, pyseccomp.MASKED_EQ, refusal.value, refusal.value)
        else:
            argument = pyseccomp.Arg(refusal.argument, comparisons[refusal.test], refusal.value)
        _refuse(chosen, denied, refusal.call, argument)
    return chosen


def _refuse(chosen: Any, action: int, name: str, *arguments: Any) -> None:
    """Add a rule, unless this processor's kernel has no such call."""
    import pyseccomp

    try:
        number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    except (OSError, ValueError):
        return
    if number >= 0:  # below: libseccomp knows the name, and that it is another processor's
        chosen.add_rule(action, number, *arguments)
