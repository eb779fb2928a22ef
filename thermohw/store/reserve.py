"""Room: a disk that is too small is refused before the first tick, one that fails ends the process.

A run file is made under a temporary name in its final folder (`thermohw.outputs`: not to be
guessed, locked, swept when its maker was killed), gets every byte allocated, and only then takes
its name. So a half-made file never carries the name of a run, and running out of space
later is impossible on file systems that keep the promise of posix_fallocate (ext4, xfs, tmpfs;
copy-on-write and network file systems may break it).

Where a write fails nevertheless, the process prints one line and leaves at once (`leave`): after a
flush that failed, HDF5 crashes in the interpreter's normal exit.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from thermohw import outputs
from thermohw.errors import StoreError

__all__ = ["allocate", "cause", "check_new", "claim", "leave", "publish"]

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def check_new(path: Path) -> None:
    """Refuses a path that exists or whose folder cannot take a new file."""
    parent = path.parent
    where = str(path)
    if path.is_dir():
        raise StoreError("is a folder: name a file", where=where)
    if os.path.lexists(path):
        raise _taken(path)
    if not parent.exists():
        raise StoreError(
            f"the folder {parent} does not exist: create it first, or choose another", where=where
        )
    if not parent.is_dir():
        raise StoreError(f"{parent} is a file, not a folder: choose another place", where=where)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise StoreError(
            f"the folder {parent} is not writable: change its permissions, or choose another",
            where=where,
        )


def claim(path: Path, size: int, skeleton: int) -> Path:
    """Makes an empty temporary file beside `path`; returns its path. `publish` or
    `outputs.discard` ends it.

    Args:
        path: the run file to be.
        size: bytes it will have.
        skeleton: bytes that HDF5 itself is going to write into the temporary file. They are taken
            for a moment with plain system calls, because HDF5 has no clean way back from a failed
            write.

    Raises:
        StoreError: the folder takes no file, or too few bytes are free.
    """
    outputs.sweep(path.parent)  # first: what a killed run left may be the space that is missing
    _refuse_if_short(path, size)
    try:
        temporary = outputs.begin(path.parent, tidy=False)
    except OSError as error:
        raise StoreError(
            f"no file can be made in {path.parent} ({error.strerror}): choose another place",
            where=str(path),
        ) from error
    handle = outputs.descriptor(temporary)
    try:
        _fallocate(handle, skeleton)
        os.ftruncate(handle, 0)
    except OSError as error:
        outputs.discard(temporary)
        raise _short(path, size, error) from error
    return temporary


def allocate(temporary: Path, path: Path) -> None:
    """Allocates every byte of the finished skeleton."""
    handle = outputs.descriptor(temporary)
    size = os.fstat(handle).st_size
    try:
        _fallocate(handle, size)
    except OSError as error:
        raise _short(path, size, error) from error


def publish(temporary: Path, path: Path) -> None:
    """Gives the file its name, never replacing another that took it in the meantime."""
    if not outputs.is_ours(temporary):
        raise StoreError("its unfinished file was exchanged by another: run again", where=str(path))
    try:
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:
        # No hard links on this file system: a rename, which leaves a gap of microseconds.
        check_new(path)
        os.rename(temporary, path)
    outputs.discard(temporary)


def cause(error: Exception) -> str:
    """What the system said, without the lines of addresses and offsets that HDF5 wraps around."""
    found = re.search(r"error message = '([^']*)'", str(error))
    return found[1] if found else str(error).splitlines()[0]


def leave(message: str) -> NoReturn:
    """Prints one line and ends the process with exit code 2.

    Not by sys.exit: closing the file again, which the interpreter does on its way out, crashes
    after a failed flush.
    """
    print(" ".join(message.split()), file=sys.stderr, flush=True)
    os._exit(2)


def _fallocate(handle: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)  # macOS: the check of free space must do


def _available(path: Path) -> int:
    free = shutil.disk_usage(path.parent).free
    try:
        import resource
    except ImportError:  # Windows
        return free
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return free if limit == resource.RLIM_INFINITY else min(free, limit)


def _refuse_if_short(path: Path, size: int) -> None:
    # Asked first, so that a hopeless request does not fill the disk for everybody before it fails.
    if size > _available(path):
        raise _short(path, size)


def _short(path: Path, size: int, error: OSError | None = None) -> StoreError:
    if error is not None and error.errno not in _FULL:
        return StoreError(
            f"{size} bytes cannot be reserved ({error.strerror}): choose another place",
            where=str(path),
        )
    return StoreError(
        f"the run needs {size} bytes ({size / 1e9:.3g} GB), only {_available(path)} are available "
        f"in {path.parent}: free some space, store fewer frames or paths, or choose another place",
        where=str(path),
    )


def _taken(path: Path) -> StoreError:
    return StoreError(
        "exists already: continue it with --resume, or choose another name", where=str(path)
    )
