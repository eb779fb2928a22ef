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

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from thermohw import outputs
from thermohw.store import reserve
from thermohw.store.checksums import DIGEST, RECORD, record, shapes
from thermohw.store.draft import Draft
from thermohw.store.layout import Layout
from thermohw.store.manifest import ORIGIN
from thermohw.store.opening import FORMAT, FORMAT_OF_KINDS, new_file
from thermohw.store.parameters import tree_bytes, write_tree
from thermohw.store.provenance import provenance, version_of
from thermohw.store.skeleton import SKELETON, holes, measured, places, remember

__all__ = ["H5MD", "build", "expected", "make"]

H5MD = (1, 1)


def make(
    path: Path, layout: Layout, parameters: Mapping[str, Any], *, author: str = "unknown"
) -> None:
    """Makes the file at its full size and gives it its name, as the last thing.

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
                draft = Draft(file)
                build(draft, layout, parameters, author=author)
                around, own = holes(file, places(layout)), draft.offset(SKELETON)
        except (OSError, RuntimeError) as error:
            outputs.discard(temporary)
            reserve.leave(
                f"{path}: the file could not be made ({reserve.cause(error)}); nothing is left "
                "of it"
            )
        reserve.allocate(temporary, path)
        if around is not None:
            # Known once HDF5 has written its last byte.
            handle = outputs.descriptor(temporary)
            found = measured(handle, around)
            os.pwrite(handle, found.digest, own)
            remember(handle, found, made=True)
        reserve.publish(temporary, path)
    finally:
        outputs.discard(temporary)


def build(
    draft: Draft, layout: Layout, parameters: Mapping[str, Any], *, author: str = "unknown"
) -> None:
    """Writes everything that does not depend on the run and allocates everything that does."""
    _h5md(draft, author, FORMAT_OF_KINDS if "kind" in parameters else FORMAT)
    if layout.series or layout.ledger:  # an axis of nothing may be longer than the file has bytes
        draft.dimension("/path", layout.paths)
    for name, labels in layout.axes.items():
        draft.values(f"/{name}", np.array(labels, object), (name,))
    write_tree(draft, draft.group("/parameters"), parameters)
    write_tree(draft, draft.group("/provenance"), provenance())

    for name in ("ledger", "results", "observables"):
        draft.group(f"/{name}")
    for channel in layout.series:
        element = draft.group(f"/observables/{channel.name}")
        times, steps = np.array(layout.times, "<f8"), np.array(layout.steps, "<i8")
        draft.values(f"{element}/time", times, ("time",), _units("s"))
        draft.values(f"{element}/step", steps, ("time",), _units("1"))
        draft.room(
            f"{element}/value",
            layout.series_shape(channel),
            channel.dtype,
            ("time", "path") + ((channel.axis,) if channel.axis else ()),
            _units(channel.unit, channel.description),
            chunks=layout.chunk(channel),
        )
    for channel in layout.ledger:
        draft.room(
            f"/ledger/{channel.name}",
            layout.ledger_shape(channel),
            channel.dtype,
            ("path",) + ((channel.axis,) if channel.axis else ()),
            _units(channel.unit, channel.description),
        )
    # Coordinates first: the others look them up.
    for result in sorted(layout.results, key=lambda r: r.dim_names != (r.name,)):
        draft.room(
            f"/results/{result.name}",
            result.shape,
            result.dtype,
            result.dim_names,
            {**result.attrs, **_units(result.unit)},
        )

    run = draft.group("/run")
    write_tree(draft, run, {"layout": layout.to_json()})
    for name in ("committed", "finished"):
        draft.room(f"{run}/{name}", (), "uint64")
        draft.write(f"{run}/{name}", np.zeros((), "<u8"))
    draft.room(f"{run}/written", (len(layout.results),), "uint8", ("result",))
    for name in ("slot_0", "slot_1"):
        draft.room(f"{run}/{name}", (layout.state_size,), "uint8", ("state_byte",))
    _checksums(draft, layout)


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


def _checksums(draft: Draft, layout: Layout) -> None:
    """Room for the checksums, the first record of the counters, and the manifest of the rest."""
    sums = draft.group("/checksums")
    sizes = {
        "unit": layout.units, "series_channel": len(layout.series),
        "group": layout.groups, "ledger_channel": len(layout.ledger),
        "result": len(layout.results), "sha256_byte": DIGEST, "row": 2, "record_byte": RECORD,
    }  # fmt: skip
    for name, size in sizes.items():
        draft.dimension(f"{sums}/{name}", size)
    axes = {
        "series": ("unit", "series_channel", "sha256_byte"),
        "ledger": ("group", "ledger_channel", "sha256_byte"),
        "results": ("result", "sha256_byte"),
        "record": ("row", "record_byte"),
    }
    for name, shape in shapes(layout).items():
        draft.room(f"{sums}/{name}", shape, "uint8", axes[name])
        start = np.zeros(shape, np.uint8)
        if name == "record":
            start[0] = np.frombuffer(record(0, False), np.uint8)
        if start.size:
            draft.write(f"{sums}/{name}", start)
    draft.room(SKELETON, (DIGEST,), "uint8", ("sha256_byte",))
    write_tree(draft, sums, {"manifest": draft.manifest()})
    draft.attributes("/provenance", {"manifest": draft.manifest(ORIGIN)})


def _h5md(draft: Draft, author: str, version: tuple[int, int]) -> None:
    # H5MD 1.1 wants scalar fixed-length strings here, which is what numpy bytes become.
    draft.group("/h5md", {"version": np.array(H5MD, "<i4")})
    draft.group("/h5md/modules")
    units = {"version": np.array((1, 0), "<i4"), "system": np.bytes_("SI")}
    draft.group("/h5md/modules/units", units)
    draft.group("/h5md/modules/thermohw", {"version": np.array(version, "<i4")})
    draft.group("/h5md/author", {"name": _fixed(author)})
    creator = {"name": np.bytes_("thermohw"), "version": np.bytes_(version_of("thermohw"))}
    draft.group("/h5md/creator", creator)


def _fixed(value: str) -> np.ndarray:
    raw = value.encode() or b"unknown"
    return np.array(raw, dtype=h5py.string_dtype("utf-8", len(raw)))


def _units(unit: str, description: str = "") -> dict[str, Any]:
    """Attributes: of H5MD, fixed-length ASCII; of xarray; for people."""
    named = {"long_name": description} if description else {}
    return {"unit": np.bytes_(unit), "units": unit, **named}
