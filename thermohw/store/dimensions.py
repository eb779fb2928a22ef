"""Named axes: HDF5 dimension scales as netCDF-4 and xarray understand them.

An axis is a one-dimensional dataset made a dimension scale and attached to the datasets that use
it. An axis with labels or values (`node`, `time`) is a coordinate. An axis without (`path`) is a
placeholder of the right length that takes no space, recognised by the NAME that the netCDF-4
conventions prescribe for "a dimension but not a variable". Readers look an axis up in the dataset's
own group and then in every group above it, never beside or below: the shared ones therefore live in
the root.
"""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np
from h5py import h5a, h5d  # pyright: ignore

__all__ = ["attach", "is_placeholder", "make_placeholder"]

_NOT_A_VARIABLE = b"This is a netCDF dimension but not a netCDF variable."


def make_placeholder(group: h5py.Group, name: str, size: int) -> h5py.Dataset:
    """Makes an axis of `size` entries without values; no space is allocated for it."""
    scale = group.create_dataset(name, shape=(size,), dtype=">f4")
    scale.make_scale(_NOT_A_VARIABLE.decode() + f"{size:10d}")
    return scale


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
    return bytes(np.bytes_(text[()])).startswith(_NOT_A_VARIABLE)


def attach(data: h5py.Dataset, names: Sequence[str]) -> None:
    """Names the dimensions of a dataset: the nearest axis of that name, else a new one.

    A dataset named like its only dimension becomes the axis itself (a coordinate).
    """
    assert len(names) == data.ndim
    group = data.parent
    assert isinstance(group, h5py.Group)
    if len(names) == 1 and names[0] in group and group[names[0]] == data:
        data.make_scale(names[0])
        return
    for dimension, name in enumerate(names):
        scale = _find(group, name)
        if scale is None:
            scale = make_placeholder(group, name, data.shape[dimension])
        data.dims[dimension].attach_scale(scale)


def _find(group: h5py.Group, name: str) -> h5py.Dataset | None:
    item = group.get(name)
    if isinstance(item, h5py.Dataset) and item.is_scale:
        return item
    parent = group.parent
    return _find(parent, name) if group.name != "/" and isinstance(parent, h5py.Group) else None
