"""Takes from a worker all that it needs only to start: files, the network, other processes. Linux: Landlock and libseccomp.

What remains: memory, its two pipes, descriptors of documents that the host hands over, and reading the fonts, Python's and
its own packages' files. A parser that was taken over can spoil its worker's answers and nothing else.
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

PACKAGES = ("sidebooks_core", "pymupdf", "numpy", "PIL", "isal", "msgpack", "resvg_py")
"""Whose files may be read: some modules are loaded late."""
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/urandom", "/dev/zero")
MOST_FILES = 64
"""Descriptors: the documents that a worker holds, its pipes, and some to spare."""

FORBIDDEN = (
    "socket",
    "socketpair",
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "sendto",
    "sendmmsg",
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kill",
    "tkill",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kcmp",
    "process_madvise",
    "setns",
    "unshare",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "add_key",
    "request_key",
    "keyctl",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_by_handle_at",
    "name_to_handle_at",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "iopl",
    "ioperm",
    "modify_ldt",
    "personality",
    "memfd_create",
    "shmget",
    "shmat",
    "msgget",
    "semget",
    "mq_open",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "syslog",
    "vhangup",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "utimensat",
    "truncate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "mknod",
    "mknodat",
)
"""System calls that fail with EPERM: the network, other processes, the kernel's larger surfaces, changes to files.

A list of what is allowed would end workers whenever a C library changes how it works.
"""


def load() -> None:
    """Import what `confine` needs; what is missing, `confine` reports."""
    for name in ("landlock", "pyseccomp"):
        with suppress(Exception):
            importlib.import_module(name)


def confine(font_paths: Sequence[str]) -> list[str]:
    """Give up what is not needed, for good. What could not be given up, in words; empty when all was.

    To be called when everything is loaded, by a process with one thread: Landlock binds the thread that asks for it.
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
        _forbid_files(font_paths)
    except Exception as error:  # noqa: BLE001 - likewise
        missing.append(f"files (Landlock): {error!r}")
    if chosen is not None:
        chosen.load()
    return missing


def limit_files() -> None:
    """Few descriptors, and no byte written to any file."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _forbid_files(font_paths: Sequence[str]) -> None:
    from landlock import FSAccess, Ruleset

    ruleset = Ruleset()
    try:
        for path in _readable(font_paths):
            if os.path.isdir(path):  # noqa: PTH112 - a few dozen plain strings
                ruleset.allow(path, rules=FSAccess.READ_FILE | FSAccess.READ_DIR)
            elif os.path.exists(path):  # noqa: PTH110
                ruleset.allow(path, rules=FSAccess.READ_FILE)
        ruleset.apply()
    finally:
        os.close(ruleset._fd)  # the library leaves it open


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
    for name in FORBIDDEN:
        try:
            chosen.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        except (OSError, ValueError):
            continue  # this processor's kernel has no such call
    # Threads may start (a codec's), processes may not: clone() without CLONE_THREAD. Where the newer call is not there, C
    # libraries use the older, whose flags a filter can see.
    chosen.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    chosen.add_rule(pyseccomp.ERRNO(errno.EPERM), "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, 0x10000, 0))
    return chosen
