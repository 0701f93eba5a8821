"""Whether a file lies on a network drive, where locks cannot be relied on."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MOUNTS", "NETWORK_FILE_SYSTEMS", "network_file_system"]

MOUNTS = Path("/proc/self/mounts")
NETWORK_FILE_SYSTEMS = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gfs2", "gpfs",
    "lustre", "nfs", "nfs4", "smb3", "smbfs",
)  # fmt: skip


def network_file_system(storage: str, mounts: str | None = None) -> str | None:
    r"""The kind of network drive that a record's file lies on; None if it does not, or if unknown.

    Parameters
    ----------
    storage : str
        A path, or a database URL, which is no file.
    mounts : str, optional
        What is mounted where, as Linux tells it; by default of this machine.

    Examples
    --------
    >>> mounts = "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0"
    >>> network_file_system("/home/me/lrtune.journal", mounts)
    'nfs4'
    >>> network_file_system("/tmp/lrtune.journal", mounts) is None
    True
    """
    if "://" in storage or (mounts is None and not MOUNTS.is_file()):
        return None
    path = Path(storage).resolve()
    kinds: dict[Path, str] = {}
    for line in (MOUNTS.read_text() if mounts is None else mounts).splitlines():
        _, where, kind, *_ = line.split()
        kinds[Path(where.encode().decode("unicode_escape"))] = kind  # spaces are \\040
    for folder in (path, *path.parents):
        if folder in kinds:
            return kinds[folder] if kinds[folder] in NETWORK_FILE_SYSTEMS else None
    return None
