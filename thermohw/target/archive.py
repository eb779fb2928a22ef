"""Files of images as their makers publish them, read without trusting them.

A folder, or one tar archive, is a set of named files. Archives are read in memory, member by
member: nothing is unpacked onto the disk, so a member called "../../etc/passwd" is only a name.
Compressed files are recognised by their first two bytes, whatever they are called.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import read_bytes, unpacked, whole
from thermohw.target.dataset import TEST, TRAIN, VALIDATION

__all__ = ["Files", "limited_split", "open_files"]

_GZIP = b"\x1f\x8b"
_VALIDATION = 5000
_MOST = 1024 * 2**20  # bytes of one file, unpacked: MNIST has 45 MiB, CIFAR-10 30 MiB a batch
_MEMBERS = 10_000
_ARCHIVES = (".tar.gz", ".tgz", ".tar")

Files = dict[str, Callable[[], bytes]]  # name without folders -> reader of its bytes


def open_files(path: str | Path, wanted: Iterable[str]) -> Files:
    """What of a folder or a tar archive has a wanted name (".gz" aside), ready to be read.

    A folder is searched with its subfolders two levels down; when it has none of the wanted names
    but archives, these are searched.

    Args:
        path: the folder or archive.
        wanted: names of files, without folders.

    Returns:
        Readers by wanted name; errors in reading name the file.

    Raises:
        InputError: no such path, or an archive that cannot be read.
    """
    root, names = Path(path).expanduser(), set(wanted)
    if root.is_file():
        if not root.name.endswith(_ARCHIVES):
            expected = f"expected a folder or an archive ({', '.join(_ARCHIVES)})"
            raise InputError(f"neither a folder nor a tar archive; {expected}", where=str(path))
        return _members(root, names)
    if not root.is_dir():
        raise InputError("no such folder or archive", where=str(path))
    inside = sorted(p for depth in ("*", "*/*", "*/*/*") for p in root.glob(depth) if p.is_file())
    found: Files = {}
    for file in inside:
        name = file.name.removesuffix(".gz")
        if name in names:
            found.setdefault(name, _reader(file))
    for file in inside if not found else []:
        if file.name.endswith(_ARCHIVES):
            found = _members(file, names) | found
    return found


def _reader(file: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return _plain(read_bytes(file, _MOST, "file of images"), str(file))
        except (EOFError, zlib.error) as error:
            raise InputError(f"cannot be read ({_line(error)})", where=str(file)) from None

    return read


def _members(archive: Path, names: set[str]) -> Files:
    """The wanted members of a tar archive, read at once: seeking in gzip is slow."""
    found: dict[str, bytes] = {}
    try:
        plain = _whole(archive)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count == _MEMBERS:
                    raise InputError(f"has more than {_MEMBERS} members", where=str(archive))
                name = member.name.rsplit("/", 1)[-1].removesuffix(".gz")
                handle = tar.extractfile(member) if member.isfile() and name in names else None
                if handle is not None:
                    found.setdefault(name, _plain(handle.read(_MOST), f"{archive}: {name}"))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"cannot be read as an archive ({_line(error)})", where=str(archive)
        ) from None
    return {name: (lambda data=data: data) for name, data in found.items()}


def _whole(archive: Path) -> bytes:
    """A tar archive unpacked: its length is known before any member is believed."""
    return _plain(read_bytes(archive, _MOST, "archive of images"), str(archive))


def _plain(data: bytes, where: str) -> bytes:
    return unpacked(data, _MOST, where) if data.startswith(_GZIP) else data


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def limited_split(training: int, test: int, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Which rows to keep of training rows followed by test rows, and the split of those.

    The last 5000 training rows (a tenth, where that is fewer) are for validation. A limit keeps the
    first `limit` rows to train on and a tenth as many for validation; test rows are all kept.

    Args:
        training: number of rows of the official training set.
        test: number of rows of the official test set.
        limit: rows to train on; None for all.

    Returns:
        Row numbers to keep and their TRAIN, VALIDATION, TEST, int8.

    Raises:
        InputError: too few rows, or a limit that is no whole number they allow.
    """
    validation = min(_VALIDATION, training // 10)
    most = training - validation
    if validation < 1 or test < 1:
        problem = f"{training} training and {test} test images; at least 10 and 1 are needed"
        raise InputError(problem, where="target.path")
    if limit is not None:
        limit = whole(limit, 2, "target.limit", most=most)
        validation, most = min(validation, max(1, limit // 10)), limit
    kept = np.r_[0:most, training - validation : training, training : training + test]
    split = np.repeat(np.array([TRAIN, VALIDATION, TEST], np.int8), (most, validation, test))
    return kept, split
