r"""CIFAR-10: 32 x 32 colour images from the standard batches, binary or Python, in a tar or not.

    binary    data_batch_1.bin .. data_batch_5.bin, test_batch.bin: records of 3073 bytes, one
              label 0..9, then 1024 red, 1024 green, 1024 blue values, rows first
    Python    data_batch_1 .. data_batch_5, test_batch: pickled {b"data": (n, 3072) uint8, ...} with
              the same order of colours

A pickle is a program, and one from the network may be anybody's. Here it may ask for nothing but
what rebuilds a numpy array (four names); whatever else it names, it is refused before it runs.

Data units are grey levels 0..255 dequantised to [0, 256); a row is an image of shape (32, 32, 3),
rows, columns, colours.

Reference: A. Krizhevsky, "Learning multiple layers of features from tiny images", University of
Toronto (2009)
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.target.archive import Files, limited_split, open_files
from thermohw.target.dataset import DataSet
from thermohw.target.openml import fetch_images

__all__ = ["cifar10"]

SHAPE = (32, 32, 3)
_BATCHES = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
_VALUES, _LABELS = 3072, 10
_TRAINING, _TEST = 50_000, 10_000
_REMEDY = (
    "give path = FOLDER with data_batch_1.bin .. data_batch_5.bin and test_batch.bin, "
    "or the archive cifar-10-binary.tar.gz or cifar-10-python.tar.gz"
)


def cifar10(
    path: str | None = None,
    *,
    limit: int | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> DataSet:
    """CIFAR-10: the official test images, the last training images validate.

    Args:
        path: folder or tar archive of the batches; None downloads through scikit-learn.
        limit: train on the first so many images only.
        arrays: rows and split of a stored run, instead of the files.

    Returns:
        The data set, 3072 numbers a row, data units grey levels 0..256.

    Raises:
        InputError: batches missing, damaged, or not what they should be; no network; a limit the
            files do not allow.
    """
    if arrays is None:
        rows, training = _download() if path is None else _read(str(path))
        kept, split = limited_split(training, len(rows) - training, limit)
        rows = rows if len(kept) == len(rows) else rows[kept]  # 184 MB: no copy without need
    else:
        rows, split = arrays["rows"], arrays["split"]
    table: dict[str, Any] = {"kind": "cifar10"}
    table |= {} if path is None else {"path": str(path)}
    table |= {} if limit is None else {"limit": limit}
    return DataSet(rows, split, table=table, name="CIFAR-10", step=1.0, image_shape=SHAPE)


def _download() -> tuple[np.ndarray, int]:
    """OpenML's CIFAR_10: the five training batches, then the test batch, colours as planes."""
    planes = fetch_images("CIFAR_10", (_TRAINING + _TEST, _VALUES), _REMEDY)
    return _interleaved(planes), _TRAINING


def _read(path: str) -> tuple[np.ndarray, int]:
    """All rows of 3072, training first, and how many are for training."""
    files = open_files(path, [*_BATCHES, *(f"{name}.bin" for name in _BATCHES)])
    binary = any(name.endswith(".bin") for name in files)
    names = [f"{name}.bin" for name in _BATCHES] if binary else _BATCHES
    missing = [name for name in names if name not in files]
    if missing:
        found = ", ".join(sorted(files)) or "no batch"
        expected = f"expected {names[0]} .. {names[4]} and {names[5]}"
        raise InputError(f"{missing[0]} is missing: found {found}, {expected}", where=path)
    parts = [_batch(files, name, f"{path}: {name}") for name in names]
    return np.concatenate(parts), sum(len(part) for part in parts[:5])


def _batch(files: Files, name: str, where: str) -> np.ndarray:
    """One batch, shape (n, 3072), uint8, pixels of three colours."""
    data = files[name]()
    planes = _binary(data, where) if name.endswith(".bin") else _pickled(data, where)
    return _interleaved(planes)


def _interleaved(planes: np.ndarray) -> np.ndarray:
    """Colour planes (n, 3 * 1024) to pixels (n, 1024 * 3)."""
    return planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).reshape(len(planes), -1)


def _binary(data: bytes, where: str) -> np.ndarray:
    """Records of one label and 3072 values."""
    size = _VALUES + 1
    if not data or len(data) % size:
        found = f"found {len(data)} bytes"
        raise InputError(f"{found}, expected a multiple of {size} (CIFAR-10 records)", where=where)
    records = np.frombuffer(data, np.uint8).reshape(-1, size)
    wrong = np.flatnonzero(records[:, 0] >= _LABELS)
    if wrong.size:
        found = f"found label {records[wrong[0], 0]} in record {wrong[0]}"
        raise InputError(f"{found}, expected 0..9", where=where)
    return records[:, 1:]


def _pickled(data: bytes, where: str) -> np.ndarray:
    """The images of a pickled batch."""
    try:
        batch = _Arrays(io.BytesIO(data), encoding="bytes").load()
    except _RefusedName as refused:
        problem = f"found a pickle that asks for {refused}, expected one of numpy arrays only"
        raise InputError(problem, where=where) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "expected a pickled CIFAR-10 batch"
        raise InputError(f"cannot be read ({reason}), {expected}", where=where) from None
    if not isinstance(batch, dict):
        kind = type(batch).__name__
        raise InputError(f"found a pickled {kind}, expected a dictionary", where=where)
    fields = {key.decode("latin1") if isinstance(key, bytes) else key: batch[key] for key in batch}
    rows, labels = fields.get("data"), fields.get("labels")
    if not isinstance(rows, np.ndarray) or not isinstance(labels, (list, np.ndarray)):
        found = ", ".join(map(str, fields)) or "nothing"
        raise InputError(f"found {found}, expected data and labels", where=where)
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != _VALUES or not len(rows):
        found = f"found data of shape {rows.shape}, {rows.dtype}"
        raise InputError(f"{found}, expected (n, {_VALUES}), uint8", where=where)
    if len(labels) != len(rows):
        raise InputError(
            f"found {len(rows)} images, expected {len(labels)}, one a label", where=where
        )
    return rows


class _RefusedName(Exception):
    """A name no CIFAR-10 batch needs."""


class _Arrays(pickle.Unpickler):
    """Rebuilds plain containers and numpy arrays; every other name is refused."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The four things a pickled array of bytes refers to."""
        module = module_name.replace("numpy._core", "numpy.core")
        if (module, global_name) == ("numpy.core.multiarray", "_reconstruct"):
            return _empty
        if (module, global_name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, global_name)
        if (module, global_name) == ("_codecs", "encode"):
            return _latin1
        raise _RefusedName(f"{module_name}.{global_name}")


def _empty(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """What numpy's `_reconstruct` makes: an array without contents, to be filled by its state."""
    if kind is not np.ndarray:
        raise _RefusedName(f"an array of type {kind!r}")
    return np.empty(0, dtype=np.uint8)


def _latin1(text: str, encoding: str) -> bytes:
    """Bytes as Python 2 wrote them."""
    if encoding not in ("latin1", b"latin1"):
        raise _RefusedName(f"the codec {encoding!r}")
    return text.encode("latin1")
