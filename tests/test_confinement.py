"""What a taken-over worker can do to other processes of its user: every call that could is tried, inside a confined worker.

The host, the victim and the worker run as the same ordinary user, so that nothing but the confinement is in the way.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ordinary_user import run_as_ordinary_user, shared_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the Linux kernel's")

HOST = r"""
import atexit, json, logging, os, signal, subprocess, sys, time
import sidebooks_core as sb
from hostile_worker import starter_of, taken_over
from processes import processes

document, secret, is_isolated = sys.argv[1], sys.argv[2], sys.argv[3] == "isolated"
victim = subprocess.Popen([sys.executable, "-I", "-c", "import time; print('up', flush=True); time.sleep(600)"],
    stdout=subprocess.PIPE)
atexit.register(victim.kill)  # it has the streams, too: after a failure, the test would wait for their end until its time limit
logging.basicConfig(level=logging.DEBUG)  # to stderr, which a failure shows
assert victim.stdout.readline() == b"up\n"
setup = f"VICTIM, HOST, SECRET, IS_ISOLATED = {(victim.pid, os.getpid(), secret, is_isolated)!r}\n{sys.argv[4]}"
settings = sb.Settings(cache_dir=None, workers=1, worker_bytes=512 << 20, isolation=is_isolated)

def state():
    file = os.stat(secret)
    return [os.getpriority(os.PRIO_PROCESS, victim.pid), sorted(os.sched_getaffinity(victim.pid)),
        open(f"/proc/{victim.pid}/limits").read(), os.sched_getscheduler(victim.pid), file.st_mode, file.st_mtime]

before = state()
with sb.TileService(settings, pool=processes(starter_of(taken_over(setup)), settings)) as service:
    opened = service.open(document)
    found = json.loads(service.text(opened, 0)[0].text)
    time.sleep(0.2)
    found["victim"] = victim.poll()
    found["unchanged"] = victim.poll() is None and state() == before
    found["draws"] = [service.page_image(opened, page, width_px=300).width_px for page in range(3)]
    found["user"] = os.getuid()
print(json.dumps(found))
"""

WORKER = r"""
import ctypes, errno, mmap, os, platform, signal, struct
from sidebooks_core.worker.forbidden_calls import FORBIDDEN, NEW_ALLOWED, NEW_FROM

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
SIGNAL = signal.SIGKILL if IS_ISOLATED else 0  # the control harms nobody
IS_X86 = platform.machine() == "x86_64"
F_SETFL, F_SETSIG, FIOASYNC, O_NONBLOCK, O_ASYNC = 4, 10, 0x5452, 0o4000, 0o20000
import pyseccomp

def number_of(name):
    return pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)

HARMLESS = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", 434, "fcntl", "prlimit64", "sched_setaffinity",
    "ioprio_set", "setpriority"}

def call(name, *arguments):
    if not IS_ISOLATED and (name not in HARMLESS or (name == "setpriority" and arguments[0])):
        return "not tried"
    number = name if isinstance(name, int) else number_of(name)
    if number < 0:
        return "not on this processor"
    plain = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    result = libc.syscall(ctypes.c_long(number), *plain)
    return errno.errorcode.get(ctypes.get_errno(), "?") if result < 0 else "done"

def info():
    block = ctypes.create_string_buffer(128)
    struct.pack_into("iii", block, 0, int(SIGNAL), 0, -1)
    return block

def by_descriptor(owner, command):
    ours, theirs = os.pipe()
    try:
        told = [owner(ours)]
        if IS_ISOLATED:
            told.append(call("fcntl", ours, F_SETSIG, int(SIGNAL)))
            told.append(call("fcntl", ours | 7 << 40, F_SETSIG | 1 << 40, int(SIGNAL)))  # the kernel looks at 32 bits of each
            told.append(call("ioctl", ours, FIOASYNC, ctypes.byref(ctypes.c_int(1))))
            call("fcntl", ours, F_SETFL, O_ASYNC | O_NONBLOCK)
            os.write(theirs, b"x")
        return told if len(set(told)) > 1 else told[0]
    finally:
        os.close(ours)
        os.close(theirs)

def machine_code(code, *arguments):
    memory = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE, prot=7)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    result = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(address)(*arguments)
    return errno.errorcode.get(-result, "?") if result < 0 else "done"

def on(pid):
    owner_ex = struct.pack("ii", 1, pid)
    two = struct.pack("QQ", 64, 64)
    tried = {
        "kill": call("kill", pid, SIGNAL),
        "kill group": call("kill", -pid, SIGNAL),
        "tkill": call("tkill", pid, SIGNAL),
        "tgkill": call("tgkill", pid, pid, SIGNAL),
        "tgkill with upper bits": call("tgkill", pid | 1 << 40, pid | 1 << 40, SIGNAL),
        "rt_sigqueueinfo": call("rt_sigqueueinfo", pid, SIGNAL, info()),
        "rt_tgsigqueueinfo": call("rt_tgsigqueueinfo", pid, pid, SIGNAL, info()),
        "pidfd_open": call(434, pid, 0),
        "pidfd_send_signal": call(424, 0, SIGNAL, 0, 0),
        "pidfd_getfd": call(438, 0, 0, 0),
        "F_SETOWN": by_descriptor(lambda fd: call("fcntl", fd, 8, pid), 0),
        "F_SETOWN with upper bits": by_descriptor(lambda fd: call("fcntl", fd, 8 | 1 << 40, pid), 0),
        "F_SETOWN_EX": by_descriptor(lambda fd: call("fcntl", fd, 15, owner_ex), 0),
        "FIOSETOWN": by_descriptor(lambda fd: call("ioctl", fd, 0x8901, ctypes.byref(ctypes.c_int(pid))), 0),
        "SIOCSPGRP": by_descriptor(lambda fd: call("ioctl", fd, 0x8902 | 1 << 40, ctypes.byref(ctypes.c_int(pid))), 0),
        "prlimit64": call("prlimit64", pid, 7, two, 0),
        "prlimit64 reading": call("prlimit64", pid, 7, 0, ctypes.create_string_buffer(16)),
        "setpriority": call("setpriority", 0, pid, 19),
        "setpriority of the user": call("setpriority", 2, 0, 19),
        "sched_setaffinity": call("sched_setaffinity", pid, 8, ctypes.byref(ctypes.c_uint64(1))),
        "sched_setscheduler": call("sched_setscheduler", pid, 3, ctypes.byref(ctypes.c_int(0))),
        "sched_setparam": call("sched_setparam", pid, ctypes.byref(ctypes.c_int(0))),
        "sched_setattr": call("sched_setattr", pid, struct.pack("IIQiIQQQ", 48, 3, 0, 19, 0, 0, 0, 0), 0),
        "ioprio_set": call("ioprio_set", 1, pid, 3 << 13),
        "migrate_pages": call("migrate_pages", pid, 64, ctypes.byref(ctypes.c_uint64(1)), ctypes.byref(ctypes.c_uint64(1))),
        "move_pages": call("move_pages", pid, 0, 0, 0, 0, 0),
        "process_vm_readv": call("process_vm_readv", pid, 0, 0, 0, 0, 0),
        "process_vm_writev": call("process_vm_writev", pid, 0, 0, 0, 0, 0),
        "process_madvise": call(440, 0, 0, 0, 0, 0),
        "process_mrelease": call(448, 0, 0),
        "ptrace": call("ptrace", 16, pid, 0, 0),
        "kcmp": call("kcmp", pid, pid, 0, 0, 0),
        "get_robust_list": call("get_robust_list", pid, ctypes.create_string_buffer(8), ctypes.create_string_buffer(8)),
        "perf_event_open": call("perf_event_open", 0, pid, -1, -1, 0),
        "setpgid": call("setpgid", pid, pid),
        "prctl sched core": call("prctl", 62, 2, pid, 0, 0),
    }
    if IS_X86:
        # push rbx; mov ebx, edi; mov ecx, esi; mov eax, 37 (kill); int 0x80; pop rbx; ret
        tried["kill by the interface of 32 bits"] = machine_code(
            b"\x53\x89\xfb\x89\xf1\xb8\x25\x00\x00\x00\xcd\x80\x5b\xc3", pid, int(SIGNAL))
        # push rbx; mov ebx, edi; mov ecx, edi; mov edx, esi; mov eax, 270 (tgkill); int 0x80; pop rbx; ret
        tried["tgkill by the interface of 32 bits"] = machine_code(
            b"\x53\x89\xfb\x89\xf9\x89\xf2\xb8\x0e\x01\x00\x00\xcd\x80\x5b\xc3", pid, int(SIGNAL))
        tried["kill by x32"] = call(0x40000000 | 62, pid, SIGNAL)
        tried["rt_sigqueueinfo by x32"] = call(0x40000000 | 524, pid, SIGNAL, info())
        tried["x32's numbers without its mark"] = call(524, pid, SIGNAL, info())
    return tried

def of_itself():
    path = SECRET.encode()
    anonymous, shared, down = 0x20, 0x01, 0x100
    return {
        "fchmodat2": call(452, -100, path, 0o666, 0),
        "chmod": call("chmod", path, 0o666),
        "utime": call("utime", path, 0),
        "utimes": call("utimes", path, 0),
        "futimesat": call("futimesat", -100, path, 0),
        "utimensat": call("utimensat", -100, path, 0, 0),
        "setxattrat": call(463, -100, path, 0, b"user.a", 0, 0),
        "removexattr": call("removexattr", path, b"user.a"),
        "removexattrat": call(466, -100, path, 0, b"user.a"),
        "file_setattr": call(469, -100, path, 0, 0, 0),
        "shared memory": call("mmap", 0, 1 << 20, 3, shared | anonymous, -1, 0),
        "shared memory, upper bits": call("mmap", 0, 1 << 20, 3, 1 << 40 | shared | anonymous, -1, 0),
        "memory that grows down": call("mmap", 0, 1 << 30, 3, 2 | anonymous | down, -1, 0),
        "address space without end": call("mmap", 0, 1 << 40, 1, 2 | anonymous | 0x4000, -1, 0),
        "memfd_create": call("memfd_create", b"x", 0),
        "memfd_secret": call(447, 0),
        "map_shadow_stack": call(453, 0, 1 << 20, 0),
        "shmget": call("shmget", 0, 4096, 0o1600),
        "shmctl": call("shmctl", 0, 0, 0),
        "semctl": call("semctl", 0, 0, 0),
        "msgctl": call("msgctl", 0, 0, 0),
        "mq_unlink": call("mq_unlink", b"x"),
        "inotify": call("inotify_init1", 0),
        "fanotify": call("fanotify_init", 0, 0),
        "a thread": call("clone", 0x50F00, 0, 0, 0, 0),
        "a process": call("clone", 17, 0, 0, 0, 0),
        "clone3": call(435, 0, 0),
        "fsopen": call(430, b"tmpfs", 0),
        "open_tree": call(428, -100, b"/", 1),
        "move_mount": call(429, -1, 0, -1, 0, 0),
        "mount_setattr": call(442, -100, b"/", 0, 0, 0),
        "statmount": call(457, 0, 0, 0, 0),
        "keyctl": call("keyctl", 0, -3, 1),
        "userfaultfd": call("userfaultfd", 1),
        "io_uring": call(425, 8, ctypes.create_string_buffer(256)),
        "to outlive the host": call("prctl", 1, 0, 0, 0, 0),
        "a larger pipe": call("fcntl", 0, 1031, 1 << 20),
        "a lease": call("fcntl", 0, 1024, 0),
        "notices of a folder": call("fcntl", 0, 1026, 1),
        "a lock": call("flock", 0, 2),
        "the host's handle by a socket": call("getsockopt", 3, 1, 77, info(), ctypes.create_string_buffer(b"\4")),
        "a call of a later kernel": call(600, 0),
    }

def probe():
    found = {"victim": on(VICTIM)}
    if IS_ISOLATED:
        found["host"] = on(HOST)
        found["itself"] = of_itself()
        names = [name for group in FORBIDDEN.values() for name in group]
        found["table"] = {name: call(name, 0, 0, 0, 0, 0, 0) for name in names}
        found["new"] = {number: call(number, 0, 0, 0, 0, 0, 0) for number in range(NEW_FROM, 500) if number not in NEW_ALLOWED}
        found["may signal itself"] = call("tgkill", os.getpid(), os.getpid(), 0)
        found["may limit itself"] = call("prlimit64", 0, 7, 0, ctypes.create_string_buffer(16))
    return {"tried": found}
"""


def probe(sample: Path, how: str) -> dict[str, Any]:
    with shared_folder() as folder:
        document = folder / "document.pdf"
        document.write_bytes(sample.read_bytes())
        document.chmod(0o644)
        secret = folder / "secret.txt"
        secret.write_text("of the city", encoding="utf-8")
        secret.chmod(0o600)
        if folder.stat().st_uid != secret.stat().st_uid:
            os.chown(secret, folder.stat().st_uid, folder.stat().st_gid)
        printed = run_as_ordinary_user(HOST, str(document), str(secret), how, WORKER, folder=folder)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


SIGNALS = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "F_SETOWN", "F_SETOWN_EX"}


def test_a_confined_worker_harms_no_other_process(sample: Path) -> None:
    found = probe(sample, "isolated")
    tried = found["tried"]
    assert found["user"] != 0
    assert found["victim"] is None, "it lives"
    assert found["unchanged"], "so do its niceness, processors, limits, and the file"
    assert found["draws"] == [300, 300, 300], "and the worker draws"
    refused = {"EPERM", "ENOSYS", "not on this processor"}
    for kind in ("victim", "host", "itself", "table", "new"):
        assert len(tried[kind]) > 30
        passed = {name: result for name, result in tried[kind].items() if not isinstance(result, str) or result not in refused}
        allowed = {"address space without end": "ENOMEM"} if kind == "itself" else {}
        assert passed == allowed, kind
    assert {tried["victim"][name] for name in SIGNALS} <= {"EPERM", "ENOSYS"}, "each exists here, so it was refused"
    assert tried["may signal itself"] == tried["may limit itself"] == "done", "C libraries need both"


def test_without_confinement_the_same_probe_reaches_the_victim(sample: Path) -> None:
    tried = probe(sample, "open")["tried"]["victim"]
    expected = SIGNALS | {"prlimit64", "setpriority", "sched_setaffinity", "ioprio_set"}
    assert {name for name in expected if tried[name] != "done"} == set(), tried
