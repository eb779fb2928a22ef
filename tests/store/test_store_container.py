"""The file as others see it: H5MD readers, xarray by group and as a tree, plain HDF5 tools."""

from __future__ import annotations

from math import prod

import h5py
import numpy as np
import pytest
from store.toy import NODES, hdf5, produce, toy_layout, toy_parameters

from thermohw.store import Channel, Layout, RunWriter
from thermohw.store.container import expected


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("container") / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters(), author="Zoë Ohm") as run:
        produce(run)
    return path


def test_h5md_1_1(path):
    """The rules of H5MD 1.1.0: metadata, modules, time-dependent elements, units module 1.0."""
    with hdf5(path) as file:
        head = file["h5md"]
        for place, version in (
            ("/h5md", [1, 1]),
            ("/h5md/modules/units", [1, 0]),
            ("/h5md/modules/thermohw", [1, 1]),
        ):
            attribute = file[place].attrs.get_id("version")
            assert attribute.shape == (2,) and attribute.dtype.kind == "i"
            assert list(file[place].attrs["version"]) == version
        for place, name in (("author", "name"), ("creator", "name"), ("creator", "version")):
            kind = h5py.check_string_dtype(head[place].attrs.get_id(name).dtype)
            assert head[place].attrs.get_id(name).shape == () and kind.length is not None
        assert head["author"].attrs["name"].decode() == "Zoë Ohm"
        assert head["modules/units"].attrs["system"] == b"SI"
        for name, element in file["observables"].items():
            assert set(element) == {"step", "time", "value"}, name
            frames = len(element["step"])
            assert element["step"].dtype.kind == "i" and (np.diff(element["step"][:]) > 0).all()
            assert element["time"].shape == (frames,) and element["value"].shape[0] == frames
            assert element["time"].attrs["unit"] == b"s"


def test_every_quantity_carries_both_units(path):
    with hdf5(path) as file:
        for place, _, _, unit in expected(toy_layout()):
            attributes = file[place].attrs
            kind = h5py.check_string_dtype(attributes.get_id("unit").dtype)
            assert (kind.encoding, kind.length is not None) == ("ascii", True), "H5MD: fixed ASCII"
            assert attributes["unit"].decode() == attributes["units"] == unit


def test_xarray_by_group(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with hdf5(path) as file:
        exact = file["observables/voltage/value"][:]
    with xarray.open_dataset(path, engine="h5netcdf", group="observables/voltage") as data:
        assert data["value"].dims == ("time", "path", "node")
        assert data["step"].dims == ("time",)
        assert data["value"].attrs["units"] == "V" and data["time"].attrs["units"] == "s"
        assert data["time"].values.tolist() == list(toy_layout().times), "times stay numbers"
        assert np.array_equal(data["value"].values, exact)
    with xarray.open_dataset(path, engine="h5netcdf", group="ledger") as data:
        assert data["heat"].dims == ("path",) and data["end"].dims == ("path", "node")
    with xarray.open_dataset(path, engine="h5netcdf", group="results") as data:
        assert data["profile"].dims == ("tick", "bath") and data["profile"].attrs["note"] == "mean"
        assert data["tick"].values.tolist() == list(toy_layout().times), "a coordinate"


@pytest.mark.filterwarnings("error")
def test_xarray_as_a_tree_with_named_axes(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        voltage = tree["observables/voltage"]
        assert voltage["value"].dims == ("time", "path", "node")
        assert voltage["node"].values.tolist() == list(NODES), "labels are inherited from the root"
        assert voltage["value"].sel(node="n1").shape == (11, 20)
        assert tree["parameters/target/means"].values.tolist() == [[-1.5], [1.5]]
        for group in tree.subtree:
            assert not [d for d in group.dims if str(d).startswith("phony")], (
                "every axis has a name"
            )


def test_everything_a_run_fills_is_allocated_beforehand(tmp_path):
    layout = toy_layout(2000, group=512)
    path = tmp_path / "run.h5"
    with RunWriter.create(path, layout, toy_parameters()) as run:
        size = path.stat().st_size
        assert path.stat().st_blocks * 512 >= size, "every byte has its place on the disk"
        produce(run)
    assert path.stat().st_size == size, "a run never grows its file"
    with hdf5(path) as file:
        for place, shape, dtype, _ in expected(layout):
            item = file[place]
            assert isinstance(item, h5py.Dataset)
            assert item.id.get_storage_size() >= prod(shape) * np.dtype(dtype).itemsize
            assert item.compression is None
            if place.endswith("/value"):
                assert item.chunks is not None
                assert item.chunks[:2] == (layout.block, layout.group)


def test_filling_touches_no_metadata(tmp_path):
    """Bytes outside the datasets are the same before and after: nothing that a kill could tear."""
    layout = toy_layout()
    path = tmp_path / "run.h5"
    with RunWriter.create(path, layout, toy_parameters()) as run:
        run._file.flush()
        before = path.read_bytes()
        produce(run)
    after = path.read_bytes()
    changed = np.flatnonzero(np.frombuffer(before, "u1") != np.frombuffer(after, "u1"))
    own = np.zeros(len(after), bool)
    own[20] = True  # "open for writing", which only the superblock of libver "latest" makes binding
    with hdf5(path) as file:
        names = [place for place, *_ in expected(layout)]
        names += [f"/run/{n}" for n in ("committed", "finished", "written", "slot_0", "slot_1")]
        names += [f"/checksums/{n}" for n in ("series", "ledger", "results", "record")]
        for name in names:
            item = file[name]
            assert isinstance(item, h5py.Dataset)
            if item.chunks:
                for index in range(item.id.get_num_chunks()):
                    chunk = item.id.get_chunk_info(index)
                    own[chunk.byte_offset : chunk.byte_offset + chunk.size] = True
            else:
                own[item.id.get_offset() : item.id.get_offset() + item.id.get_storage_size()] = True
    assert changed.size and own[changed].all()


def test_the_announced_size_is_an_upper_bound_and_close(tmp_path):
    layout = Layout(
        paths=9000, steps=range(40), times=range(40), series=(Channel("v", "V", dtype="float32"),),
        ledger=tuple(Channel(f"q{i}", "J") for i in range(5)), block=20,
    )  # fmt: skip
    with RunWriter.create(tmp_path / "run.h5", layout, {"spec": ""}):
        size = (tmp_path / "run.h5").stat().st_size
    assert layout.nbytes <= size + 128 * layout.units and size <= layout.nbytes + 2**16
