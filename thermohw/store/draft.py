"""A file of ours while it is made: groups, datasets, attributes and axes, written and counted.

What is written is known here, so that the manifest (`thermohw.store.manifest`) is put together from
it and not read back; and with h5py's low-level interface an object takes some ten microseconds, of
which a file has hundreds. Everything is written once: nothing is changed or removed again.

Axes are HDF5 dimension scales as netCDF-4 and xarray understand them, see
`thermohw.store.dimensions`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5ds, h5g, h5p, h5s, h5t  # pyright: ignore

from thermohw.store.dimensions import NO_VARIABLE
from thermohw.store.manifest import COUNTED, INTERNAL, ORIGIN, content_line, text_of, type_word

__all__ = ["Draft"]

_TEXT = h5py.string_dtype()
# In the file, and in memory.
_TEXT_TYPE, _OBJECTS = h5t.py_create(_TEXT, logical=True), h5t.py_create(_TEXT)
_SCALAR = h5s.create(h5s.SCALAR)
_UTF8 = h5p.create(h5p.LINK_CREATE)
_UTF8.set_char_encoding(h5t.CSET_UTF8)

Attributes = Mapping[str, Any]


def _plan(*, early: bool = False) -> Any:
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)  # equal runs make equal files
    if early:
        plan.set_alloc_time(h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5d.FILL_TIME_NEVER)
    return plan


_PLAN, _EARLY = _plan(), _plan(early=True)


class Draft:
    """A new HDF5 file under way.

    Args:
        file: empty, open for writing.
    """

    def __init__(self, file: h5py.File) -> None:
        self._groups = {"": h5g.open(file.id, b"/")}
        self._scales: dict[str, Any] = {}
        self._items: dict[str, Any] = {"": self._groups[""]}
        # Lines of the manifest by place; attributes are the last entry, put in order at the end.
        self._lines: dict[str, list[Any]] = {"": ["/", "group", []]}

    def group(self, place: str, attributes: Attributes | None = None) -> str:
        """Makes a group in one that is there, such as "/run"; returns its place."""
        parent, name = self._split(place)
        made = h5g.create(parent, name, lcpl=None if name.isascii() else _UTF8)
        self._groups[place] = self._items[place] = made
        self._lines[place] = [place, "group", []]
        self.attributes(place, attributes or {})
        return place

    def dimension(self, place: str, size: int) -> None:
        """Makes an axis of `size` entries without values; no space is allocated for it."""
        parent, name = self._split(place)
        made = h5d.create(parent, name, h5t.IEEE_F32BE, h5s.create_simple((size,)), _PLAN)
        h5ds.set_scale(made, NO_VARIABLE + b"%10d" % size)
        self._scales[place] = made
        self._lines[place] = [place, "dimension", [size]]

    def values(
        self,
        place: str,
        values: Any,
        axes: Sequence[str] = (),
        attributes: Attributes | None = None,
    ) -> None:
        """Makes a dataset of numbers or texts.

        Args:
            place: in a group that is there.
            values: array of numbers, or text, or array of objects that are texts.
            axes: a name per dimension: the nearest axis of that name, else a new one. One named
                like its only dimension becomes the axis itself (a coordinate).
            attributes: name -> text, number, or numpy value.
        """
        text = isinstance(values, str) or getattr(values, "dtype", np.dtype("f8")).kind == "O"
        array = np.asarray(values, dtype=_TEXT if text else None, order="C")
        if not text:
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        kind = _TEXT_TYPE if text else h5t.py_create(array.dtype, logical=True)
        made = self._create(place, kind, array.shape, _PLAN)
        if array.size:
            made.write(h5s.ALL, h5s.ALL, array, _OBJECTS if text else kind)
        self._dataset(place, made, content_line(_TEXT if text else array.dtype, array), axes)
        self.attributes(place, attributes or {})

    def room(
        self,
        place: str,
        shape: tuple[int, ...],
        dtype: str,
        axes: Sequence[str] = (),
        attributes: Attributes | None = None,
        *,
        chunks: tuple[int, ...] | None = None,
    ) -> None:
        """Makes a dataset of numbers to be filled, its bytes allocated at once."""
        little, plan = np.dtype(dtype).newbyteorder("<"), _EARLY
        if chunks is not None:
            plan = _plan(early=True)
            plan.set_chunk(tuple(min(c, n) for c, n in zip(chunks, shape, strict=True)))
        kind = h5t.py_create(little, logical=True)
        made = self._create(place, kind, shape, plan)
        self._dataset(place, made, [type_word(little), list(shape), None], axes)
        self.attributes(place, attributes or {})

    def write(self, place: str, values: np.ndarray) -> None:
        """Fills a room whose content the manifest leaves out."""
        self._items[place].write(h5s.ALL, h5s.ALL, values)

    def offset(self, place: str) -> int:
        """First byte of a room that is not in chunks."""
        return self._items[place].get_offset()

    def attributes(self, place: str, attributes: Attributes) -> None:
        """Adds attributes to an object: texts are of variable length, numpy values as they are."""
        place = "" if place == "/" else place
        for name, value in attributes.items():
            text = isinstance(value, str) and not isinstance(value, np.str_)
            array = np.asarray(value, dtype=_TEXT if text else None, order="C")
            kind = _TEXT_TYPE if text else h5t.py_create(array.dtype, logical=True)
            space = h5s.create_simple(array.shape) if array.shape else _SCALAR
            made = h5a.create(self._items[place], name.encode(), kind, space)
            made.write(array, _OBJECTS if text else kind)
            if name.encode() not in INTERNAL:
                self._lines[place][-1].append([name, *content_line(array.dtype, array)])

    def manifest(self, groups: Collection[str] = COUNTED) -> str:
        """The text of `thermohw.store.manifest.manifest` for what was made so far."""
        lines = []
        for place in sorted(self._lines, key=lambda place: place.encode().split(b"/")):
            line, top = self._lines[place], place.split("/")[1] if place else "/"
            single = place.count("/") == 1 and line[1] != "group"
            if top in groups or (single and groups is not ORIGIN):
                if line[1] != "dimension":
                    line = [*line[:-1], sorted(line[-1])]
                lines.append(line)
        return text_of(lines)

    def _split(self, place: str) -> tuple[Any, bytes]:
        parent, name = place.rsplit("/", 1)
        return self._groups[parent], name.encode()

    def _create(self, place: str, kind: Any, shape: tuple[int, ...], plan: Any) -> Any:
        parent, name = self._split(place)
        return h5d.create(parent, name, kind, h5s.create_simple(shape), plan)

    def _dataset(self, place: str, made: Any, content: list[Any], axes: Sequence[str]) -> None:
        """Names the dimensions of a dataset."""
        assert len(axes) == len(content[1])
        parent, name = place.rsplit("/", 1)
        found: list[list[str]] = [[] for _ in axes]
        if tuple(axes) == (name,):
            h5ds.set_scale(made, name.encode())
            self._scales[place] = made
        else:
            for number, axis in enumerate(axes):
                scale = self._scale(parent, axis)
                if scale is None:
                    scale = f"{parent}/{axis}"
                    self.dimension(scale, content[1][number])
                h5ds.attach_scale(made, self._scales[scale], number)
                found[number] = [scale]
        self._items[place] = made
        self._lines[place] = [place, "dataset", *content, found, []]

    def _scale(self, parent: str, name: str) -> str | None:
        """The nearest axis of that name, in a group or in those above it."""
        while f"{parent}/{name}" not in self._scales:
            if not parent:
                return None
            parent = parent.rsplit("/", 1)[0]
        return f"{parent}/{name}"
