r"""MNIST: 28 x 28 handwritten digits from the four standard files, or any set in their format.

An IDX file starts with the bytes 0, 0, type, number of dimensions (together the "magic number",
2051 = 0x0803 for images of bytes, 2049 = 0x0801 for labels), then each dimension as a big-endian
32-bit integer, then the values. Files may be compressed with gzip, and lie in subfolders.

Grey levels 0..255 are dequantised to [0, 256). `side` averages blocks of (28/side)^2 pixels: the
values are then multiples of side^2/784, which becomes the dequantisation step, and a pixel covers
[0, 255 + step). Averaging is done in whole numbers, so equal levels stay equal.

Reference: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86, 2278 (1998), https://doi.org/10.1109/5.726791
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from thermohw.errors import InputError
from thermohw.target.archive import limited_split, open_files
from thermohw.target.dataset import DataSet
from thermohw.target.openml import fetch_images

__all__ = ["mnist"]

SIDE = 28
_IMAGES, _LABELS = 2051, 2049
_NAMES = {  # as first published, and as some mirrors have it
    "training": ("train-images-idx3-ubyte", "train-images.idx3-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
}
_TRAINING, _TEST = 60_000, 10_000
_REMEDY = "give path = FOLDER with train-images-idx3-ubyte and t10k-images-idx3-ubyte (.gz or not)"


def mnist(
    path: str | None = None,
    *,
    side: int = SIDE,
    limit: int | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> DataSet:
    """MNIST, or another set in such files: official test images, the last training ones validate.

    Args:
        path: folder or tar archive with the two image files; None downloads through scikit-learn.
        side: pixels along one edge after averaging blocks: 28, 14, 7, 4, 2 or 1.
        limit: train on the first so many images only.
        arrays: rows and split of a stored run, instead of the files.

    Returns:
        The data set, side x side pixels, data units grey levels 0..256.

    Raises:
        InputError: files missing, damaged, not of 28 x 28 images, or not what their header says; no
            network; a side that does not divide 28; a limit the files do not allow.
    """
    if isinstance(side, bool) or not isinstance(side, int) or side < 1 or SIDE % side:
        raise InputError(
            f"expected a divisor of 28 (28, 14, 7, 4, 2, 1), got {side!r}", where="target.side"
        )
    if arrays is None:
        images, training = _download() if path is None else _read(str(path))
        kept, split = limited_split(training, len(images) - training, limit)
        rows = _averaged(images if len(kept) == len(images) else images[kept], side)
    else:
        rows, split = arrays["rows"], arrays["split"]
    table: dict[str, Any] = {"kind": "mnist", "side": side}
    table |= {} if path is None else {"path": str(path)}
    table |= {} if limit is None else {"limit": limit}
    name = "MNIST" if side == SIDE else f"MNIST, {side} x {side}"
    step = (side / SIDE) ** 2
    return DataSet(rows, split, table=table, name=name, step=step, image_shape=(side, side))


def _averaged(images: np.ndarray, side: int) -> np.ndarray:
    """Means over blocks, shape (n, side^2): bytes at full size, else float64."""
    n, block = len(images), SIDE // side
    if block == 1:
        return images.reshape(n, -1)
    cells = images.reshape(n, side, block, side, block)
    return cells.sum((2, 4), dtype=np.int64).reshape(n, -1) / block**2


def _download() -> tuple[np.ndarray, int]:
    """OpenML keeps the official order: 60000 training images, then 10000 test images."""
    rows = fetch_images("mnist_784", (_TRAINING + _TEST, SIDE * SIDE), _REMEDY)
    return rows.reshape(-1, SIDE, SIDE), _TRAINING


def _read(path: str) -> tuple[np.ndarray, int]:
    """All images of a folder, training first, shape (n, 28, 28), and how many are for training."""
    files = open_files(path, [name for names in _NAMES.values() for name in names])
    parts = []
    for part, names in _NAMES.items():
        name = next((name for name in names if name in files), None)
        if name is None:
            found = ", ".join(files) or "none of its files"
            raise InputError(f"no {part} images: found {found}, expected {names[0]}", where=path)
        parts.append(_idx(files[name](), f"{path}: {name}"))
    return np.concatenate(parts), len(parts[0])


def _idx(data: bytes, where: str) -> np.ndarray:
    """The images of one IDX file, shape (n, 28, 28), uint8."""
    if len(data) < 16:
        raise InputError(f"found {len(data)} bytes, expected a header of 16 at least", where=where)
    magic, n, rows, columns = struct.unpack(">4I", data[:16])
    if magic != _IMAGES:
        what = " (labels)" if magic == _LABELS else ""
        expected = f"expected {_IMAGES} (images of bytes)"
        raise InputError(f"found magic number {magic}{what}, {expected}", where=where)
    if (rows, columns) != (SIDE, SIDE):
        raise InputError(
            f"found images of {rows} x {columns} pixels, expected 28 x 28", where=where
        )
    if len(data) - 16 != n * rows * columns:
        found = (len(data) - 16) / (rows * columns)
        raise InputError(f"found {found:.10g} images, expected {n} by its header", where=where)
    return np.frombuffer(data, np.uint8, offset=16).reshape(n, rows, columns)
