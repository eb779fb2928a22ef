"""The HDF5 skeleton of a run file: an H5MD 1.1 container, complete before the first tick.

    /h5md                        version [1, 1], author, creator, modules/{units, thermohw}
    /path, /node, ...            the named axes
    /observables/<series>        step, time, value (time, path[, axis])
    /ledger/<channel>            (path[, axis]) float64
    /results/<name>              fixed shape
    /parameters, /provenance     what the run was made from, and where
    /run                         layout, committed, finished, written, slot_0, slot_1
    /checksums                   of every unit, group and result, of the counters, and one manifest

Every dataset that a run fills is allocated when the file is made (early allocation, no fill), so
that filling it moves no object, grows no index and dirties no metadata: a write is a write of bytes
at an address fixed beforehand, and a process killed at any moment leaves a valid HDF5 file.

This is why nothing is compressed. A compressed chunk has an unknown length: every write would move
it, grow the file and rewrite the chunk index, and both the refusal of a full disk beforehand and
the safety against a kill would be lost. Little is given up: the low bits of thermal noise are
incompressible (gzip 4 with byte shuffle makes float32 voltages of an RC node 14 % smaller and
writes them 13 times slower). A finished file may be compressed with `h5repack`; readers need not
care.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw import outputs
from thermohw.store import reserve
from thermohw.store.checksums import DIGEST, RECORD, filled, record, shapes
from thermohw.store.dimensions import attach, make_placeholder
from thermohw.store.layout import Layout
from thermohw.store.manifest import ORIGIN, manifest
from thermohw.store.opening import FORMAT, FORMAT_OF_KINDS, FileId, file_id, new_file
from thermohw.store.parameters import tree_bytes, write_tree
from thermohw.store.provenance import provenance, version_of

__all__ = ["H5MD", "build", "expected", "make"]

H5MD = (1, 1)


def make(
    path: Path, layout: Layout, parameters: Mapping[str, Any], *, author: str = "unknown"
) -> FileId:
    """Makes the file at its full size and gives it its name, as the last thing.

    Returns:
        What tells it from any other file that may bear its name from now on.

    Raises:
        StoreError: the path exists or cannot be made, or the disk is too small.
    """
    reserve.check_new(path)
    datasets = 3 * len(layout.series) + len(layout.ledger) + 2 * len(layout.results) + 32
    skeleton = 2**16 + 4096 * datasets + 2 * len(layout.to_json()) + tree_bytes(parameters)
    temporary = reserve.claim(path, layout.nbytes + skeleton, skeleton)
    try:
        try:
            with new_file(temporary) as file:
                build(file, layout, parameters, author=author)
        except (OSError, RuntimeError) as error:
            outputs.discard(temporary)
            reserve.leave(
                f"{path}: the file could not be made ({reserve.cause(error)}); nothing is left "
                "of it"
            )
        reserve.allocate(temporary, path)
        made = file_id(outputs.descriptor(temporary))
        reserve.publish(temporary, path)
        return made
    finally:
        outputs.discard(temporary)


def build(
    file: h5py.File, layout: Layout, parameters: Mapping[str, Any], *, author: str = "unknown"
) -> None:
    """Writes everything that does not depend on the run and allocates everything that does."""
    _h5md(file, author, FORMAT_OF_KINDS if "kind" in parameters else FORMAT)
    if layout.series or layout.ledger:  # an axis of nothing may be longer than the file has bytes
        make_placeholder(file, "path", layout.paths)
    for name, labels in layout.axes.items():
        scale = file.create_dataset(name, data=np.array(labels, object), dtype=h5py.string_dtype())
        scale.make_scale(name)
    write_tree(file.create_group("parameters"), parameters)
    write_tree(file.create_group("provenance"), provenance())

    ledger, results = file.create_group("ledger"), file.create_group("results")
    file.create_group("observables")
    for channel in layout.series:
        element = file.create_group(f"observables/{channel.name}")
        time = element.create_dataset("time", data=np.array(layout.times, "<f8"))
        step = element.create_dataset("step", data=np.array(layout.steps, "<i8"))
        value = _allocate(
            element,
            "value",
            layout.series_shape(channel),
            channel.dtype,
            chunks=layout.chunk(channel),
        )
        attach(time, ("time",))
        attach(step, ("time",))
        attach(value, ("time", "path") + ((channel.axis,) if channel.axis else ()))
        _units(time, "s")
        _units(step, "1")
        _units(value, channel.unit, channel.description)
    for channel in layout.ledger:
        data = _allocate(ledger, channel.name, layout.ledger_shape(channel), channel.dtype)
        attach(data, ("path",) + ((channel.axis,) if channel.axis else ()))
        _units(data, channel.unit, channel.description)
    # Coordinates first: the others look them up.
    for result in sorted(layout.results, key=lambda r: r.dim_names != (r.name,)):
        data = _allocate(results, result.name, result.shape, result.dtype)
        attach(data, result.dim_names)
        data.attrs.update(result.attrs)
        _units(data, result.unit)

    run = file.create_group("run")
    write_tree(run, {"layout": layout.to_json()})
    for name in ("committed", "finished"):
        _allocate(run, name, (), "uint64")
    attach(_allocate(run, "written", (len(layout.results),), "uint8"), ("result",))
    for name in ("slot_0", "slot_1"):
        attach(_allocate(run, name, (layout.state_size,), "uint8"), ("state_byte",))
    _checksums(file, layout)


def expected(layout: Layout) -> Iterator[tuple[str, tuple[int, ...], str, str]]:
    """Yields (place, shape, dtype, unit) of everything a run fills."""
    for channel in layout.series:
        place = f"/observables/{channel.name}"
        yield f"{place}/value", layout.series_shape(channel), channel.dtype, channel.unit
        yield f"{place}/step", (layout.frames,), "int64", "1"
        yield f"{place}/time", (layout.frames,), "float64", "s"
    for channel in layout.ledger:
        yield f"/ledger/{channel.name}", layout.ledger_shape(channel), channel.dtype, channel.unit
    for result in layout.results:
        yield f"/results/{result.name}", result.shape, result.dtype, result.unit


def _checksums(file: h5py.File, layout: Layout) -> None:
    """Room for the checksums, the first record of the counters, and the manifest of the rest."""
    sums = file.create_group("checksums")
    sizes = {
        "unit": layout.units, "series_channel": len(layout.series),
        "group": layout.groups, "ledger_channel": len(layout.ledger),
        "result": len(layout.results), "sha256_byte": DIGEST, "row": 2, "record_byte": RECORD,
    }  # fmt: skip
    for name, size in sizes.items():
        make_placeholder(sums, name, size)
    axes = {
        "series": ("unit", "series_channel", "sha256_byte"),
        "ledger": ("group", "ledger_channel", "sha256_byte"),
        "results": ("result", "sha256_byte"),
        "record": ("row", "record_byte"),
    }
    for name, shape in shapes(layout).items():
        data = _allocate(sums, name, shape, "uint8")
        attach(data, axes[name])
        data[...] = 0
    rows = sums["record"]
    assert isinstance(rows, h5py.Dataset)
    rows[0] = np.frombuffer(record(0, False), np.uint8)
    write_tree(sums, {"manifest": manifest(file, filled(layout))})
    file["provenance"].attrs["manifest"] = manifest(file, groups=ORIGIN)


def _h5md(file: h5py.File, author: str, version: tuple[int, int]) -> None:
    # H5MD 1.1 wants scalar fixed-length strings here, which is what numpy bytes become.
    versions = {"h5md": H5MD, "h5md/modules/units": (1, 0), "h5md/modules/thermohw": version}
    for place, numbers in versions.items():
        file.require_group(place).attrs["version"] = np.array(numbers, "<i4")
    file["h5md/modules/units"].attrs["system"] = np.bytes_("SI")
    file.create_group("h5md/author").attrs["name"] = _fixed(author)
    creator = file.create_group("h5md/creator")
    creator.attrs["name"] = np.bytes_("thermohw")
    creator.attrs["version"] = np.bytes_(version_of("thermohw"))


def _fixed(value: str) -> np.ndarray:
    raw = value.encode() or b"unknown"
    return np.array(raw, dtype=h5py.string_dtype("utf-8", len(raw)))


def _units(data: h5py.Dataset, unit: str, description: str = "") -> None:
    data.attrs["unit"] = np.bytes_(unit)  # H5MD: fixed-length ASCII
    data.attrs["units"] = unit  # xarray
    if description:
        data.attrs["long_name"] = description


def _allocate(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: str,
    *,
    chunks: tuple[int, ...] | None = None,
) -> h5py.Dataset:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if chunks is not None:
        chunks = tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))
    little = np.dtype(dtype).newbyteorder("<")
    data = group.create_dataset(name, shape=shape, dtype=little, chunks=chunks, dcpl=plan)
    if not shape:
        data[()] = 0  # h5py drops the plan of a scalar: only a first write gives it its place
    return data
