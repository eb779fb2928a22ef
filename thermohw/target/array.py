r"""A data set of the user's own, from a file.

    data.npy     data.npz  or  data.npz:key     data.csv     data.h5:/group/dataset

Tables of text (.csv, .tsv, .txt, .dat) are read by `thermohw.target.table`.

The first axis counts rows; anything after it is flattened, so (n, 28, 28) images are rows of 784.
The split is deterministic: a fixed permutation (numpy PCG64, seed 0, of the row numbers) of which
the first part trains, the next validates and the last tests. Order in a file often means something
(class, day, instrument), which is why the rows are shuffled; `shuffle = false` keeps the order.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from thermohw.errors import InputError
from thermohw.intake import require_file, require_room
from thermohw.target.dataset import TEST, TRAIN, VALIDATION, DataSet
from thermohw.target.lattice import refuse_gaps, refuse_levels
from thermohw.target.table import counting, read_table

__all__ = ["array"]

MIN_ROWS = 20
_HEADER = 4096  # bytes
_HDF5 = {".h5", ".hdf5", ".hdf"}
_TABLES = {".csv", ".tsv", ".txt", ".dat"}
_SUFFIXES = ".npy, .npz[:key], .csv (.tsv, .txt, .dat), .h5:/dataset"


def array(
    path: str | Path,
    *,
    dequantise: float | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    shuffle: bool = True,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> DataSet:
    """Rows of numbers from a .npy, .npz, .csv or HDF5 file.

    Args:
        path: the file, with ":key" for one array of an .npz and ":/dataset" for HDF5.
        dequantise: spacing of the levels if the data are rounded; None for continuous data.
        validation: fraction of the rows that stops a training, in (0, 1).
        test: fraction of the rows that is never trained on, in (0, 1).
        shuffle: split a fixed permutation of the rows rather than the order of the file.
        arrays: rows and split of a stored run, instead of the file.

    Returns:
        The data set, mean 0 and average variance 1 in model units.

    Raises:
        InputError: a file that cannot be read or is of another kind, a missing key, values that are
            not finite real numbers, values that are levels or have a point mass where no
            `dequantise` is given or one far below their spacing (see `thermohw.target.lattice`),
            fewer than 20 rows, or fractions that leave a split empty.
    """
    if not isinstance(path, str | Path):
        problem = f"expected the path of a file ({_SUFFIXES}), got {type(path).__name__}"
        raise InputError(problem, where="target.path")
    table: dict[str, Any] = {
        "kind": "array",
        "path": str(path),
        "validation": validation,
        "test": test,
    }
    table |= {"shuffle": shuffle} | ({} if dequantise is None else {"dequantise": dequantise})
    for key, value in {"validation": validation, "test": test, "dequantise": dequantise}.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise InputError(f"expected a number, got {value!r}", where=f"target.{key}")
    if dequantise is not None and not 0.0 < dequantise < float("inf"):
        raise InputError(
            f"the step between levels must be positive, got {dequantise!r}",
            where="target.dequantise",
        )
    if not (0.0 < validation < 1.0 and 0.0 < test < 1.0 and validation + test < 1.0):
        got = f"validation = {validation!r} and test = {test!r}"
        raise InputError(f"{got} are not fractions that leave training rows", where="target")
    raw, names = _read(str(path)) if arrays is None else (np.asarray(arrays["rows"]), None)
    rows = _rows(raw, str(path))
    if dequantise is None and arrays is None:
        _refuse_constants(rows, names, str(path))
        if raw.ndim == 2 and (column := counting(rows)) is not None:
            problem = f"column {column + 1} counts the rows: it is no part of a sample; delete it"
            raise InputError(problem, where=str(path))
    if dequantise is None and arrays is None:
        refuse_levels(rows, str(path))
    elif dequantise is not None and arrays is None:
        refuse_gaps(rows, float(dequantise), "target.dequantise")
    split = _split(len(rows), validation, test, shuffle) if arrays is None else arrays["split"]
    shape = tuple(raw.shape[1:]) if raw.ndim > 2 else None
    if arrays is not None and "image_shape" in arrays:
        shape = tuple(int(n) for n in arrays["image_shape"])
    return _ShapedRows(
        rows, split, table=table, name=str(path), step=dequantise or 0.0, image_shape=shape
    )


class _ShapedRows(DataSet):
    """A data set that also stores the shape its rows had."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Rows, split and, for pictures, the shape of one."""
        extra = {} if self.image_shape is None else {"image_shape": np.array(self.image_shape)}
        return super().arrays() | extra


def _read(path: str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """The array as the file has it, and the names of its columns where it tells them."""
    name, key = path, ""
    for suffix in (".npz", *_HDF5):
        head, found, tail = path.partition(f"{suffix}:")
        if found:
            name, key = head + suffix, tail
    file, suffix = Path(name), Path(name).suffix.lower()
    if suffix not in {".npy", ".npz", *_TABLES, *_HDF5}:
        raise InputError(f"cannot read this kind of file; expected {_SUFFIXES}", where=path)
    size = require_file(name).st_size
    require_room(size, "the file", path)
    try:
        if suffix == ".npy":
            with file.open("rb") as stream:
                return _npy(stream, path), None
        if suffix == ".npz":
            with zipfile.ZipFile(file) as bundle:
                names = [member.removesuffix(".npy") for member in bundle.namelist()]
                with bundle.open(f"{_choose(key, names, path)}.npy") as stream:
                    return _npy(stream, path), None
        if suffix in _TABLES:
            return _text(file)
        return _hdf5(file, key, path), None
    except InputError:
        raise
    # A damaged archive asks for passwords, for methods that do not exist, for keys it lacks.
    except (OSError, ValueError, EOFError, RuntimeError, LookupError, TypeError, SyntaxError,
            zipfile.BadZipFile, zlib.error) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"cannot be read ({reason}); expected {_SUFFIXES}", where=path) from None


def _npy(stream: IO[bytes], path: str) -> np.ndarray:
    """One array in numpy's format: what its header declares is weighed before it is read."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"numpy format {version}")
    # The header of a pickled array is no longer than others; 4 KiB is far beyond a type of numbers.
    head = stream.read(2 if version == (1, 0) else 4)
    length = int.from_bytes(head, "little")
    if length > _HEADER:
        raise ValueError(f"a header of {length} bytes")
    text = stream.read(length)
    whole = io.BytesIO(head + text)
    reader = np.lib.format.read_array_header_1_0
    reader = reader if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran, dtype = reader(whole)
    except tokenize.TokenError as error:  # of versions before 3.0, whose headers numpy mends first
        raise ValueError(f"a header that is none: {error.args[0]}") from None
    if dtype.hasobject:
        raise ValueError("an array of objects is pickled, and a pickle is a program")
    count = math.prod(shape)
    require_room(count * dtype.itemsize, f"an array of shape {shape}", path)
    data = stream.read(count * dtype.itemsize)
    if stream.read(1):
        raise InputError(
            "has more behind its first array, as np.save twice into one file leaves: keep each "
            "in a file of its own, or both in an .npz",
            where=path,
        )
    values = np.frombuffer(data, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def _choose(key: str, names: list[str], path: str) -> str:
    """The array that is meant: the one named, or the only one."""
    if not key and len(names) == 1:
        return names[0]
    if key not in names:
        listing = ", ".join(names) or "none"
        raise InputError(f"name one of its arrays after a colon: {listing}", where=path)
    return key


def _text(file: Path) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """A table of numbers as text, and the names of its columns."""
    # Two characters may be one number, in eight bytes.
    require_room(4 * file.stat().st_size, "its numbers", str(file))
    table = read_table(file)
    return table.values, table.columns


def _hdf5(file: Path, key: str, path: str) -> np.ndarray:
    """One dataset of an HDF5 file."""
    import h5py  # only here, and only when asked for

    with h5py.File(file, "r") as handle:
        names: list[str] = []
        handle.visititems(  # follows hard links only, each object once
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        data: Any = handle[_choose(key.strip("/"), names, path)]
        if data.is_virtual or data.external:
            raise InputError("its values lie in other files: copy them into this one", where=path)
        require_room(data.size * data.dtype.itemsize, f"data of shape {data.shape}", path)
        if data.dtype.kind not in "fiub":
            raise InputError(f"expected real numbers, got type {data.dtype}", where=path)
        return data[()]


def _rows(raw: np.ndarray, path: str) -> np.ndarray:
    """Check the numbers and flatten what follows the first axis."""
    if raw.dtype.kind not in "fiub":
        raise InputError(f"expected real numbers, got type {raw.dtype}", where=path)
    if raw.ndim < 2 or raw[:1].size == 0:
        raise InputError(
            f"expected rows of values (n, d) or images (n, h, w), got shape {raw.shape}", where=path
        )
    if len(raw) < MIN_ROWS:
        raise InputError(f"{len(raw)} rows are too few, at least {MIN_ROWS} are needed", where=path)
    rows = raw.reshape(len(raw), -1)
    finite = np.isfinite(rows)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        count = int((~finite).sum())
        raise InputError(
            f"{count} values are not finite, the first in row {row + 1}, column {column + 1} "
            "(counted from 1): remove the row or fill it",
            where=path,
        )
    return rows


def _refuse_constants(rows: np.ndarray, names: tuple[str, ...] | None, path: str) -> None:
    """A coordinate that never varies has no density, nor have data with one."""
    constant = np.flatnonzero((rows == rows[:1]).all(0))
    if not len(constant) or len(constant) == rows.shape[1]:  # equal rows are told as such
        return
    said = [f"column {i + 1}" + (f" '{names[i][:40]}'" if names else "") for i in constant[:3]]
    more = f" and {len(constant) - 3} more" if len(constant) > 3 else ""
    verb = "is" if len(constant) == 1 else "are"
    raise InputError(
        f"{', '.join(said)}{more} {verb} constant ({float(rows[0, constant[0]]):g} in every row): "
        "data with a density vary along every coordinate; delete it, or dequantise = STEP if the "
        "data are levels STEP apart",
        where=path,
    )


def _split(n: int, validation: float, test: float, shuffle: bool) -> np.ndarray:
    """TRAIN, VALIDATION, TEST of each row."""
    n_validation, n_test = max(1, round(validation * n)), max(1, round(test * n))
    if n - n_validation - n_test < 2:
        raise InputError("the fractions leave fewer than two rows to train on", where="target")
    order = np.random.Generator(np.random.PCG64(0)).permutation(n) if shuffle else np.arange(n)
    split = np.full(n, TRAIN, dtype=np.int8)
    split[order[n - n_test - n_validation : n - n_test]] = VALIDATION
    split[order[n - n_test :]] = TEST
    return split
