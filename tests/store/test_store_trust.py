"""Files made to reach outside themselves or to exhaust the reader are refused before any reading.

Every attack starts from a real run file, so that the gate alone stands in its way.
"""

import zlib

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t  # pyright: ignore
from store.toy import produce, toy_layout, toy_parameters

from thermohw.errors import StoreError
from thermohw.store import RunReader, RunWriter
from thermohw.store.trust import MOST_OBJECTS, require_trusted

SECRET = b"a line that is none of their business"


@pytest.fixture
def healthy(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return path


def outside(file, folder):
    """External raw storage: the dataset's values are a file of the reader's."""
    (folder / "secret").write_bytes(SECRET)
    plan = h5p.create(h5p.DATASET_CREATE)
    plan.set_external(str(folder / "secret").encode(), 0, len(SECRET))
    space = h5s.create_simple((len(SECRET),))
    h5d.create(file["parameters"].id, b"spec2", h5t.NATIVE_UINT8, space, plan)
    return "/parameters/spec2 keeps its values outside"


def external_link(file, folder):
    file["ledger/other"] = h5py.ExternalLink("/etc/passwd", "/x")
    return "/ledger/other is an external link"


def soft_link(file, folder):
    file["results/other"] = h5py.SoftLink("/run/layout")
    return "/results/other is a soft link"


def virtual(file, folder):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "elsewhere.h5"), "x", (3,))
    file["results"].create_virtual_dataset("other", layout)
    return "/results/other is a virtual dataset"


def circle(file, folder):
    file["parameters/inside"] = file["/"]
    return "/parameters/inside is another name"


def alias(file, folder):
    file["parameters/twin"] = file["run/layout"]
    return "is another name of an object met before"


def stored_type(file, folder):
    file["results/type"] = np.dtype("f8")
    return "/results/type is a stored datatype"


def committed(file, folder):
    file["parameters"].create_dataset("x", (2,), dtype="f8")[:] = 0
    file["results/type"] = np.dtype("f8")
    file["aaa"] = file["results/type"]
    del file["results/type"]
    return "/aaa is a stored datatype"


def references(file, folder):
    data = np.array([file["run"].ref], dtype=h5py.ref_dtype)
    file["parameters"].create_dataset("x", data=data, dtype=h5py.ref_dtype)
    return "/parameters/x holds references"


def reference_attribute(file, folder):
    file["run"].attrs["x"] = file["run/layout"].ref
    return "attribute x of /run holds references"


def giant(file, folder):
    """A petabyte that takes no space."""
    file["results"].create_dataset("x", (2**47,), "f8", chunks=(2**20,))
    return "/results/x declares 1.05e+06 GiB"


def unallocated(file, folder):
    file["results"].create_dataset("x", (2**16,), "f8")
    return "/results/x declares 512 KiB but holds 0 bytes"


def axis(file, folder):
    scale = file["results"].create_dataset("x", (2**40,), ">f4")
    scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{2**40:10d}")
    return "/results/x names an axis of 1099511627776 entries"


def foreign_filter(file, folder):
    file["results"].create_dataset("x", data=np.zeros(100), chunks=(10,), compression="lzf")
    return "/results/x needs filter 32000"


def chunk_bomb(file, folder):
    """A chunk of 800 bytes whose stream unpacks to 300 MiB."""
    data = file["results"].create_dataset("x", (100,), "f8", chunks=(100,), compression="gzip")
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(300)]
    data.id.write_direct_chunk((0,), b"".join([*parts, packer.flush()]))
    return "/results/x has a chunk that unpacks to more than 800 bytes"


def many(file, folder):
    group = file.create_group("many")
    for i in range(MOST_OBJECTS):
        group.id.links.create_hard(str(i).encode(), file.id, b"run/layout")
    return f"it has more than {MOST_OBJECTS} objects"


def odd_name(file, folder):
    file["results"].create_group("a\u202eb\n")
    return "has a name that no run file has"


def deep(file, folder):
    file.create_group("/".join(["x"] * 40))
    return "lies more than 16 groups deep"


def shared_text(file, folder):
    """A million entries that all are one text of 8 KiB: 8 GiB in a file of 16 MiB."""
    data = file["parameters"].create_dataset("x", (2**20,), dtype=h5py.string_dtype())
    data[0] = "a" * 2**13
    offset = data.id.get_offset()
    file.flush()
    with open(file.filename, "r+b") as raw:
        raw.seek(offset)
        entry = raw.read(16)
        raw.seek(offset)
        raw.write(entry * 2**20)
    return "/parameters/x has texts of more than 256 MiB"


def no_extent(file, folder):
    file["extra"] = h5py.Empty("f8")
    return "/extra has no extent"


def no_extent_attribute(file, folder):
    file["ledger/heat"].attrs["long_name"] = h5py.Empty("f8")
    return "attribute long_name of /ledger/heat has no extent"


def opaque(file, folder):
    file["parameters"].create_dataset("x", data=np.zeros(3, "V9"))
    return "/parameters/x is of a type that no run file has"


ATTACKS = [
    outside, external_link, soft_link, virtual, circle, alias, stored_type, committed, references,
    reference_attribute, giant, unallocated, axis, foreign_filter, chunk_bomb, many, odd_name, deep,
    shared_text, no_extent, no_extent_attribute, opaque,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_hostile_file_is_refused_by_name_in_one_line(attack, healthy, tmp_path):
    with h5py.File(healthy, "r+") as file:
        words = attack(file, tmp_path)
    with pytest.raises(StoreError) as caught:
        RunReader.open(healthy, partial=True)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert SECRET.decode() not in str(caught.value)
    h5py.File(healthy, "r+").close()  # nothing holds it any more


def test_run_files_pass_packed_by_others_too(healthy, tmp_path):
    RunReader.open(healthy).close()
    copy = tmp_path / "packed.h5"
    with h5py.File(healthy) as source, h5py.File(copy, "w") as file:
        for name, item in source.items():
            source.copy(item, file, name)
        del file["ledger"]
        values = np.random.default_rng(0).normal(size=(1000, 50))
        options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
        file.create_dataset("ledger/x", data=values, chunks=(100, 50), **options)
    with h5py.File(copy) as file:
        require_trusted(file)
        assert np.array_equal(np.asarray(file["ledger/x"]), values)


def test_the_gate_reads_no_byte_through_external_storage(healthy, tmp_path):
    """The control: without the gate h5py hands the secret over."""
    with h5py.File(healthy, "r+") as file:
        outside(file, tmp_path)
    with h5py.File(healthy) as file:
        assert np.asarray(file["parameters/spec2"]).tobytes() == SECRET
        with pytest.raises(StoreError):
            require_trusted(file)
        assert not file  # closed
