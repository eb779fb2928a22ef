"""Files are whole or not there: the one way in which thermohw writes.

A file is made under another name in its own folder and takes its name in one step, so that a reader
never sees half of one and a failure - a full disk, a read-only folder, an interruption - leaves
what was there before, and nothing else. The other name, .thermohw-<16 random digits>.tmp, is not to
be guessed, and the file is made only where nothing bears that name yet and no link is followed: in
a folder that others can write to, nobody leads the bytes elsewhere.

The writer holds a lock (flock) on its unfinished file. A killed one cannot tidy up; its lock goes
with it, which is how the next writer in that folder knows the leftover and removes it. Nothing but
regular files of exactly this name, owned by the same user and locked by nobody, is ever removed.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from thermohw.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: no locks, hence no sweeping either
    fcntl = None

__all__ = ["abandon", "begin", "check_place", "descriptor", "discard", "is_ours", "lent",
           "open_lock", "replacing", "sweep", "write"]  # fmt: skip

_NAME = re.compile(r"\.thermohw-[0-9a-f]{16}\.tmp")
_ATTEMPTS = 16
_SYSTEM = ("/proc", "/sys")
_UNLOCKABLE = (errno.EWOULDBLOCK, errno.EACCES)  # held by a sweeper at this moment

_open: dict[Path, tuple[int, int]] = {}  # unfinished file -> (descriptor, process that made it)


def write(path: str | Path, content: bytes | str, *, what: str = "") -> Path:
    """Put a whole file in its place; one that is there is replaced.

    Args:
        path: the file.
        content: all of it; texts become UTF-8.
        what: its name in an error, such as "the weights".

    Raises:
        InputError: the disk or the folder refuses it.
    """
    path = Path(path)
    data = content.encode() if isinstance(content, str) else content
    try:
        _refuse_special(path)
        with replacing(path) as handle:
            _write_all(handle, data)
    except OSError as error:
        reason = error.strerror or str(error)
        verb = f"cannot write {what}" if what else "cannot be written"
        raise InputError(
            f"{verb} ({reason}): make room, or choose another place", where=str(path)
        ) from error
    return path


@contextmanager
def replacing(path: Path, *, tidy: bool = True) -> Iterator[int]:
    """A descriptor to write to; what was written takes the name `path` where nothing failed.

    Args:
        path: the file to be.
        tidy: sweep the folder first. Who writes thousands of files into one sweeps it once.

    Raises:
        OSError: the disk or the folder refuses it.
    """
    temporary = begin(path.parent, tidy=tidy)
    try:
        yield descriptor(temporary)
        os.replace(temporary, path)
    finally:
        discard(temporary)


def begin(folder: Path, *, tidy: bool = True) -> Path:
    """Make an empty, locked file under an unpredictable name; `discard` ends it.

    Raises:
        OSError: the folder takes no file.
    """
    if tidy:
        sweep(folder)
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    for _ in range(_ATTEMPTS):
        path = folder / f".thermohw-{secrets.token_hex(8)}.tmp"
        with suppress(FileExistsError):
            _open[path] = os.open(path, flags, 0o666), os.getpid()  # less the umask
            if _lock(descriptor(path)) and is_ours(path):
                return path
            discard(path)  # a sweeper came between the making and the lock
    raise OSError(errno.EEXIST, "no new name was free", str(folder))


def descriptor(path: Path) -> int:
    """Of an unfinished file of ours."""
    return _open[path][0]


@contextmanager
def lent(path: Path) -> Iterator[None]:
    """Lets another library lock an unfinished file itself, which our own lock would keep out.

    Between the two locks a sweeper may take it for a leftover: `is_ours` tells.
    """
    if fcntl is not None:
        fcntl.flock(descriptor(path), fcntl.LOCK_UN)
    try:
        yield
    finally:
        _lock(descriptor(path))


def is_ours(path: Path) -> bool:
    """Whether the name of an unfinished file still stands for the file that was made."""
    return _is(path, descriptor(path))


def discard(path: Path) -> None:
    """Remove an unfinished file, if it is still there, and let go of it."""
    if path in _open:
        with suppress(OSError):
            if is_ours(path):  # it may have taken its name already
                path.unlink()
        os.close(_open.pop(path)[0])


def abandon() -> None:
    """Remove every unfinished file of this process: it is about to leave at once."""
    for path, (_, process) in list(_open.items()):
        if process == os.getpid():
            with suppress(OSError):
                path.unlink()


def sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder; what cannot be removed stays."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _sweep_one(Path(entry.path))


def _sweep_one(path: Path) -> None:
    assert fcntl is not None
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused: its writer lives
        if _is(path, handle):
            path.unlink()
    finally:
        os.close(handle)


def open_lock(path: Path) -> IO[bytes]:
    """A file to be locked, made where it is missing, never reached through a link or emptied.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    return open(os.open(path, flags, 0o666), "r+b")


def check_place(target: Path, kind: str = "a file, such as result.json") -> Path:
    """An output's path, refused before any work is done where no file can be put.

    Args:
        target: the file to be; one that is there will be replaced.
        kind: what to name instead of a folder.

    Raises:
        InputError: a folder, a device, or no folder to put it into.
    """
    where, parent = str(target), target.parent
    try:
        if target.is_dir():
            raise InputError(f"is a folder: give the name of {kind}", where=where)
        _refuse_special(target)
        if not parent.is_dir():
            what = "is not a folder" if parent.exists() else "does not exist"
            raise InputError(f"{parent} {what}: make it, or choose another place", where=where)
    except OSError as error:
        raise InputError(f"cannot be used ({error.strerror})", where=where) from error
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{parent} is not writable: choose another place", where=where)
    return target


def _refuse_special(path: Path) -> None:
    """Replacing /dev/null, a pipe, or the link /dev/stdout by a file would harm others."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError("is a device or a pipe: name a file", where=str(path))
    folder = path.parent.resolve()
    if folder == Path("/dev") or any(folder.is_relative_to(system) for system in _SYSTEM):
        raise InputError("lies among the system's devices: name a file", where=str(path))


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _lock(handle: int) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:  # anything else: a file system without locks, never swept
            return error.errno not in _UNLOCKABLE
    return True


def _is(path: Path, handle: int) -> bool:
    """Whether a name still stands for an opened file."""
    try:
        named, opened = os.stat(path, follow_symlinks=False), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
