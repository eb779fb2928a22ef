"""Named axes: HDF5 dimension scales as netCDF-4 and xarray understand them.

An axis is a one-dimensional dataset made a dimension scale and attached to the datasets that use
it. An axis with labels or values (`node`, `time`) is a coordinate. An axis without (`path`) is a
placeholder of the right length that takes no space, recognised by the NAME that the netCDF-4
conventions prescribe for "a dimension but not a variable". Readers look an axis up in the dataset's
own group and then in every group above it, never beside or below: the shared ones therefore live in
the root.
"""

from __future__ import annotations

import h5py
import numpy as np
from h5py import h5a, h5d  # pyright: ignore

__all__ = ["NO_VARIABLE", "is_placeholder", "names_no_variable"]

NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."


def is_placeholder(item: h5py.Group | h5py.Dataset | h5py.Datatype) -> bool:
    """Whether an object of the file only names a dimension."""
    return isinstance(item, h5py.Dataset) and names_no_variable(item.id)


def names_no_variable(data: h5d.DatasetID) -> bool:
    """`is_placeholder` of a dataset opened with the low-level interface."""
    if not (h5a.exists(data, b"CLASS") and h5a.exists(data, b"NAME")):
        return False
    name = h5a.open(data, b"NAME")
    if name.shape != ():
        return False
    text = np.empty((), name.dtype)
    name.read(text)
    return bytes(np.bytes_(text[()])).startswith(NO_VARIABLE)
