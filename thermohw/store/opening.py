"""Opening an HDF5 file of ours, and finding in it what must be there.

A file that is opened passes the gate (`require_trusted`) and is of a format that is known before
anything of it is used. After that its metadata may still be damaged, and damaged metadata make
HDF5, h5py or numpy raise anything anywhere: `one_line` turns whatever they raise into one error
that says so.

One writer at a time, whatever HDF5_USE_FILE_LOCKING says. Set to TRUE or BEST_EFFORT, HDF5 locks
what it opens even where it is asked not to, and would be kept out by our own lock; set to FALSE it
locks nothing. Its locks are flocks like ours, so one taken on HDF5's own descriptor (`_hold`) is
that lock, taken once more where it is held already. Inside one process no lock keeps anybody out:
HDF5 shares what it has open, descriptor and lock included. So the files that this process writes
to are remembered, by what they are and not by their names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import h5py
import numpy as np

from thermohw import outputs
from thermohw.errors import InputError, StoreError, overtaxed
from thermohw.store.layout import Layout
from thermohw.store.parameters import content_hash
from thermohw.store.skeleton import known
from thermohw.store.trust import require_trusted

try:
    import fcntl
except ImportError:  # Windows: HDF5's own locks must do
    fcntl = None

__all__ = [
    "FORMAT",
    "FileId",
    "checked",
    "counter",
    "dataset",
    "declared",
    "file_id",
    "group",
    "new_file",
    "one_line",
    "open_file",
    "read_layout",
]

# [major, minor]: readers refuse a major they do not know; checksums since 1.1. Runs without a score
# have a major of their own, since readers of 1.x would take them for damaged.
FORMAT, FORMAT_OF_KINDS = (1, 1), (2, 0)
FileId = tuple[int, int]
_BUSY = "is in use by another process: wait, or stop it and continue with --resume"
_OURS = "is being written by this process already: close the writer that has it first"

# A file object that is forgotten without being closed leaves by itself.
_writing: WeakValueDictionary[FileId, h5py.File] = WeakValueDictionary()


def open_file(path: Path, mode: str, **options: Any) -> h5py.File:
    """Opens a run file.

    Args:
        path: of the file.
        mode: "r" or "r+".
        options: of `h5py.File`.

    Raises:
        StoreError: it is missing, in use, truncated, not HDF5, not a thermohw run, or of a newer
            format.
    """
    where = str(path)
    if not path.exists():
        raise StoreError("no such file: give the path of a run file", where=where)
    if not path.is_file():
        raise StoreError("is not a regular file: give the path of a run file", where=where)
    if not os.access(path, os.R_OK if mode == "r" else os.R_OK | os.W_OK):
        raise StoreError("may not be read or written: change its permissions", where=where)
    if mode != "r" and _writing.get(_identity(os.stat(path))):  # a closed one is false
        raise StoreError(_OURS, where=where)
    try:
        if not h5py.is_hdf5(path):
            raise StoreError(
                "is not an HDF5 file (or its head is lost): give a run file, or copy it again",
                where=where,
            )
        file = h5py.File(path, mode, **options)
    except (OSError, RuntimeError) as error:
        raise StoreError(_reason(error), where=where) from error
    if not known(file):
        require_trusted(file)  # nothing is read before
    try:
        if mode != "r":
            _hold(file)
            _writing[file_id(file.id.get_vfd_handle())] = file
        with one_line(path):
            major, minor = _version(file)
            if major not in (FORMAT[0], FORMAT_OF_KINDS[0]):
                raise StoreError(
                    f"has format {major}.{minor}, this thermohw reads {FORMAT[0]}.x and "
                    f"{FORMAT_OF_KINDS[0]}.x: upgrade it",
                    where=where,
                )
    except BaseException:
        file.close()
        raise
    return file


def file_id(descriptor: int) -> FileId:
    """What tells a file from any other that bears its name: device and inode."""
    return _identity(os.fstat(descriptor))


@contextmanager
def new_file(temporary: Path) -> Iterator[h5py.File]:
    """An unfinished file of `thermohw.outputs`, opened for writing."""
    try:
        file = h5py.File(temporary, "w", locking=False)  # it is locked already, by us
    except BlockingIOError:
        with outputs.lent(temporary), h5py.File(temporary, "w") as file:
            yield file
    else:
        with file:
            yield file


@contextmanager
def one_line(path: str | Path) -> Iterator[None]:
    """Turns whatever a damaged or contradictory file makes its reader raise into one StoreError.

    What the file says may be anything: metadata that HDF5 cannot follow, a text where an array
    should be, arrays whose shapes do not fit each other.
    """
    try:
        yield
    except StoreError:
        raise
    except InputError as error:  # one that was foreseen, of whatever the file describes
        if str(path) in error.where:
            raise
        raise StoreError(str(error), where=str(path)) from error
    except Exception as error:  # anything may fail anywhere
        if overtaxed(error):
            raise
        words = " ".join(str(error).split())[:200]
        if not isinstance(error, OSError | RuntimeError):
            words = f"{type(error).__name__}: {words}" if words else type(error).__name__
        raise StoreError(
            f"is damaged or contradicts itself ({words}): copy it again or run anew",
            where=str(path),
        ) from error


def checked(file: h5py.File) -> bool:
    """Whether the file carries checksums, as every file since format 1.1 must.

    Raises:
        StoreError: it lacks them, or is of format 1.0 and has some: then its version was changed.
    """
    (major, minor), there = _version(file), "checksums" in file
    if ((major, minor) != (1, 0)) != there:
        what = "carries" if there else "lacks"
        raise StoreError(
            f"{what} checksums although it says format {major}.{minor}: changed or damaged after "
            "it was written; copy it again or run anew",
            where=file.filename,
        )
    return there


def dataset(file: h5py.File, place: str) -> h5py.Dataset:
    """The dataset at `place`; StoreError where the file lost it."""
    with one_line(file.filename):
        item = file.get(place)
    if not isinstance(item, h5py.Dataset):
        raise StoreError(f"lacks {place}: damaged or made by another program", where=file.filename)
    return item


def declared(file: h5py.File, layout: Layout, kind: str, name: str) -> h5py.Dataset:
    """The dataset of a channel or result, if it is what the layout says.

    HDF5 would turn texts, complex numbers and half floats into any numbers that are asked for.

    Args:
        file: holds it.
        layout: of the file.
        kind: "series", "ledger" or "results".
        name: of the channel or result.

    Raises:
        StoreError: the file lost it, or it has another shape or type.
    """
    data = dataset(file, f"/observables/{name}/value" if kind == "series" else f"/{kind}/{name}")
    entry = getattr(layout, kind)[layout.rows[kind, name]]
    shape = entry.shape if kind == "results" else getattr(layout, f"{kind}_shape")(entry)
    if data.shape != shape or data.dtype != np.dtype(entry.dtype):
        found, said = f"{data.dtype} {data.shape}", f"{entry.dtype} {shape}"
        raise StoreError(
            f"{data.name} is {found}, the layout says {said}: damaged; copy the file again",
            where=file.filename,
        )
    return data


def counter(file: h5py.File, place: str, *, most: int | None = None) -> int:
    """The whole number at `place`, from 0 to `most`; StoreError where it is something else."""
    value = np.asarray(dataset(file, place)[()])
    sound = value.dtype.kind in "iu" and not value.shape and value >= 0
    if not sound or (most is not None and value > most):
        said = " ".join(str(value).split())[:40]
        raise StoreError(f"{place} is {said}, which counts nothing: damaged", where=file.filename)
    return int(value)


def group(file: h5py.File, place: str) -> h5py.Group:
    """The group at `place`; StoreError where the file lost it."""
    with one_line(file.filename):
        item = file.get(place)
    if not isinstance(item, h5py.Group):
        raise StoreError(f"lacks {place}: damaged or made by another program", where=file.filename)
    return item


def read_layout(file: h5py.File) -> Layout:
    """The layout, if its text is still what was written."""
    stored = dataset(file, "/run/layout")[()].decode()
    if content_hash(stored) != dataset(file, "/run/layout").attrs.get("sha256"):
        raise StoreError(
            "/run/layout differs from its sha256: the file was changed", where=file.filename
        )
    return Layout.from_json(stored)


def _identity(status: os.stat_result) -> FileId:
    return status.st_dev, status.st_ino


def _hold(file: h5py.File) -> None:
    """Keeps other writers out of a file until it is closed."""
    if fcntl is not None:
        try:
            fcntl.flock(file.id.get_vfd_handle(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(_BUSY, where=file.filename) from None
        except OSError:  # a file system without locks
            pass


def _version(file: h5py.File) -> tuple[int, int]:
    module = file.get("h5md/modules/thermohw")
    if not isinstance(module, h5py.Group):
        raise StoreError(
            "is an HDF5 file but not a thermohw run: give a file written by a run",
            where=file.filename,
        )
    major, minor = (int(n) for n in np.asarray(module.attrs["version"]))
    return major, minor


def _reason(error: Exception) -> str:
    message = str(error)
    if "unable to lock file" in message or isinstance(error, BlockingIOError):
        return _BUSY
    if "truncated file" in message:
        return "is truncated, its end is missing: copy it again or run anew"
    return f"cannot be opened as HDF5 ({message}): damaged; copy it again or run anew"
