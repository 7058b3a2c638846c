"""The Linux system calls that a confined worker may not make: a table by purpose, and rules for calls that it needs in part.

The table names what is forbidden, not what is allowed: a list of the allowed would end workers whenever a C library changes
how it works. Calls of Linux 5.2 and later are the exception. They have the same numbers on all processors, the system's
libseccomp may not know their names, and C libraries use older calls if the new ones are missing. So all new calls are refused,
also those of future kernels, except the calls in `NEW_ALLOWED`.
"""

from __future__ import annotations

from msgspec import Struct

FORBIDDEN: dict[str, tuple[str, ...]] = {
    "sockets": (
        "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "shutdown",
        "setsockopt",
        "getsockopt",  # SO_PEERPIDFD of the host's own socket is a handle of the host
    ),
    "starting processes and threads": ("fork", "vfork", "clone", "execve", "execveat", "uselib"),
    "signals": ("kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"),
    "memory and state of other processes": (
        "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "migrate_pages", "move_pages", "get_robust_list",
        "perf_event_open", "lookup_dcookie",
    ),
    "scheduling and limits of other processes": (
        "setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr", "sched_setaffinity", "ioprio_set", "setpgid",
        "setsid",
    ),
    "memory that no limit counts, and objects that processes share": (
        "memfd_create", "remap_file_pages", "shmget", "shmat", "shmctl", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl",
        "semget", "semop", "semtimedop", "semctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify",
        "mq_getsetattr",
    ),
    "watching files": ("inotify_init", "inotify_init1", "inotify_add_watch", "fanotify_init", "fanotify_mark"),
    "changing files": (
        "truncate", "ftruncate", "fallocate", "creat", "unlink", "unlinkat", "rename", "renameat", "renameat2",
        "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmod",
        "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
        "lremovexattr", "fremovexattr", "utime", "utimes", "futimesat", "utimensat", "flock", "sync", "syncfs",
        "quotactl",
    ),
    "mounts and namespaces": (
        "mount", "umount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at", "name_to_handle_at",
        "swapon", "swapoff",
    ),
    "identity": (
        "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset",
        "personality",
    ),
    "the machine": (
        "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "create_module", "delete_module", "acct",
        "syslog", "vhangup", "settimeofday", "stime", "clock_settime", "adjtimex", "clock_adjtime", "sethostname",
        "setdomainname", "iopl", "ioperm", "_sysctl", "nfsservctl",
    ),
    "large surfaces of the kernel": ("bpf", "userfaultfd", "add_key", "request_key", "keyctl", "modify_ldt", "vmsplice"),
}  # fmt: skip
"""System calls that fail with EPERM. Names that the kernel of a processor does not have are skipped."""

NEW_FROM = 424
"""The first number that is the same on all processors (but MIPS and Alpha): `pidfd_send_signal` of Linux 5.1."""
NEW_TO = 700
"""Higher than all numbers that kernels will use for years."""
NEW_ALLOWED = {
    436: "close_range",
    437: "openat2",
    439: "faccessat2",
    441: "epoll_pwait2",
    449: "futex_waitv",
    451: "cachestat",
    454: "futex_wake",
    455: "futex_wait",
    456: "futex_requeue",
    462: "mseal",
}
"""New calls that reach only the process, its descriptors, and files that it may read. The other new calls fail with ENOSYS,
like calls that a kernel does not know. Then C libraries use older calls, and a filter can see the arguments of those."""


class Refusal(Struct, frozen=True):
    """A call is refused for some values of one argument."""

    call: str
    argument: int
    """From 0."""
    test: str
    """"eq", "ne", "gt", "lt": the argument compared with `value` as 64 bits; "has": it has all bits of `value`."""
    value: int


# A filter sees arguments as 64 bits; the kernel takes 32 of them. Each rule refuses all values that are greater than the
# greatest allowed one, so a value with a bit in the upper half never passes.
MAP_SHARED = 0x01
MAP_GROWSDOWN = 0x100
"""Such memory counts as stack, and RLIMIT_DATA does not bound the stack."""
FCNTL_MOST = 1030
"""F_DUPFD_CLOEXEC. From F_GETLK (5) to below it lie locks, owners and signals of a descriptor, leases and notices."""
FCNTL_REFUSED = (*range(5, 18), *range(36, 39), *range(1024, 1030))
IOCTL_ALLOWED = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS (is it a terminal), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX. Owners and signals of a descriptor are others."""
PRCTL_ALLOWED = (15, 16)
"""PR_SET_NAME and PR_GET_NAME. PR_SET_PDEATHSIG (1) is refused: the signal at the host's death must stay."""


def refusals(process_id: int) -> list[Refusal]:
    """The rules for a worker with this process id."""
    return [
        Refusal("tgkill", 0, "ne", process_id),  # C libraries end their own process by it
        Refusal("prlimit64", 0, "ne", 0),
        Refusal("mmap", 3, "has", MAP_SHARED),
        Refusal("mmap", 3, "has", MAP_GROWSDOWN),
        *_all_but("fcntl", 1, range(FCNTL_MOST + 1), FCNTL_REFUSED),
        *_all_but("ioctl", 1, IOCTL_ALLOWED),
        *_all_but("prctl", 0, PRCTL_ALLOWED),
    ]


def _all_but(call: str, argument: int, allowed: range | tuple[int, ...], among: tuple[int, ...] | None = None) -> list[Refusal]:
    """Refuse all values below and above the allowed ones, and the other values between them. among: only these between them."""
    least, most = min(allowed), max(allowed)
    between = among if among is not None else tuple(value for value in range(least, most) if value not in allowed)
    below = [Refusal(call, argument, "lt", least)] if least else []
    return [*below, Refusal(call, argument, "gt", most), *(Refusal(call, argument, "eq", value) for value in between)]
