"""Folders that are this user's alone, and what kind of file system they lie on."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path

NETWORK_FILE_SYSTEMS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2",
    "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs",
}  # fmt: skip
"""Of Linux, as /proc/self/mountinfo names them. All `fuse.…` count too: most of those are remote (sshfs, rclone, s3fs)."""


class FolderRefused(PermissionError):
    """Somebody else can write to the folder of the cache."""


def make_own(folder: Path) -> None:
    """Make a folder that only its owner can read. Raises FolderRefused for one that somebody else can change, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(folder)


def is_remote(folder: Path) -> bool:
    """Whether a folder lies on a network file system, as far as the platform tells: Linux by its mounts, Windows by UNC paths.

    Elsewhere every folder counts as local.
    """
    real = os.path.realpath(folder)
    if sys.platform == "win32":
        return real.startswith("\\\\")
    try:
        mounts = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return False
    return is_remote_kind(file_system_of(os.fsencode(real), mounts))


def file_system_of(path: bytes, mounts: bytes) -> str:
    """The kind of file system that an absolute path lies on, by the content of a mountinfo (see proc_pid_mountinfo(5)).

    Empty if no mount holds the path. Of two mounts on one folder the later one counts.
    """
    longest, kind = b"", b""
    for line in mounts.splitlines():
        mount, _, system = line.partition(b" - ")
        fields = mount.split(b" ")
        if len(fields) < 5:
            continue
        point = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 0xFF]), fields[4])
        if (path + b"/").startswith(point.rstrip(b"/") + b"/") and len(point) >= len(longest):
            longest, kind = point, system.split(b" ")[0]
    return kind.decode("ascii", "replace")


def is_remote_kind(kind: str) -> bool:
    """Whether a kind of file system is one over a network."""
    return kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse.")


def _require_own(folder: Path) -> None:
    """Raises FolderRefused for a folder that somebody else can change: what lies in it cannot be believed."""
    if not hasattr(os, "geteuid"):
        return
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0):
        what = f"it belongs to user {found.st_uid}, and this process runs as {os.geteuid()}"
    elif found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        what = "everybody may write to it"
    else:
        return
    raise FolderRefused(f"{folder} is not used: {what}. Choose another cache_dir, or make it yours alone (chown, chmod 700)")
