"""Input that would reach the reader's machine or exhaust it ends in one line, soon.

Each case stands for its kind. They are refused by stated limits before anything is evaluated,
unpacked or allocated; the clock says that it was before.
"""

import gzip
import io
import json
import os
import pickle
import socket
import struct
import sys
import tarfile
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from pace import pieces

from thermohw import intake
from thermohw.audit import audit
from thermohw.datasheet import load_datasheet, read_datasheet, read_netlist
from thermohw.errors import InputError
from thermohw.pipeline import run_spec
from thermohw.pipeline.build import build_setting
from thermohw.pipeline.spec import load_spec, read_spec
from thermohw.process import VP, process_from_dict
from thermohw.run.setting import rebuild
from thermohw.score.weights import load_score, score_from_bytes
from thermohw.study.cellfile import Finished, read_cell, write_cell
from thermohw.target import target_from_dict
from thermohw.target.registry import stored_target
from thermohw.units import parse


def refused(call, *words):
    """Run; expect one line with these words, at once."""
    said = []

    def run():
        with pytest.raises(InputError) as caught:
            call()
        said.append(str(caught.value))

    assert pieces(run) < 100.0
    line = said[0]
    assert "\n" not in line and len(line) < 1000
    for word in words:
        assert word in line, line


@pytest.fixture
def offline(monkeypatch):
    """No socket and no file but those the test made: whoever tries fails loudly."""

    def never(*_, **__):
        raise AssertionError("it reached for the network")

    monkeypatch.setattr(socket, "socket", never)
    for module in ("openml", "mnist", "cifar"):
        monkeypatch.setattr(sys.modules[f"thermohw.target.{module}"], "fetch_images", never)


SHEET = 'format = "thermohw-device/1"\n[[node]]\nname = "n0"\ncapacitance = "{}"\n' + (
    '[[resistor]]\nname = "r0"\nbetween = ["n0", "gnd"]\nresistance = "1 Mohm"\n'
    'temperature = "300 K"\n'
)


@pytest.mark.parametrize(
    "text",
    [
        "1 F**9**9**9",
        "1 F^9^9^9",
        "1 ((((9**9)**9)**9)**9)*F",
        "1 F*(99999**999999)",
        "1 F" + "*F" * 4000,
        "1 " + "(" * 5000,
        "9" * 5000 + " F",
        "1e99999999999 F",
        "1" + " " * 200_000 + "F",
        "1 F.__class__",
        "nan F",
        "inf F",
    ],
)
def test_units_are_not_evaluated_before_they_are_weighed(text):
    refused(lambda: parse(text, "F"), "F")
    refused(lambda: read_datasheet(SHEET.format(text), "board"))


def test_units_that_people_write_are_read():
    assert parse("1e-13 A^2*s^4*kg^-1*m^-2", "F") == pytest.approx(1e-13)
    assert parse("2 V/s**1", "V/s") == 2.0
    assert parse(10**400 // 10**390, "") == 1e10
    refused(lambda: parse(10**6000, ""), "not finite")


TEXTS = {
    "brackets": "a = " + "[" * 3000 + "]" * 3000,
    "open brackets": "a = " + "[" * 200_000,
    "tables": "a = " + "{a=" * 3000,
    "digits": "a = " + "9" * 5000,
    "hexadecimal": "a = 0x" + "f" * 100_000,
    "parts": ".".join("a" * 100_000) + " = 1",
    "quoted parts": '"a".' * 100_000 + '"a" = 1',
    "long": "# " + "a" * intake.MOST_SHEET,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_that_overflow_a_parser(text, tmp_path):
    refused(lambda: read_spec(text))
    refused(lambda: read_datasheet(text, "board"))
    refused(lambda: read_spec("", [f"protocol.ticks={text[4:]}"]))
    file = tmp_path / "board.toml"
    file.write_text(text)
    refused(lambda: load_spec(file))
    refused(lambda: load_datasheet(file))


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 500 + "]" * 500, "9" * 5000, '{"a":' * 2000])
def test_stored_texts_that_overflow_a_parser(text):
    sheet = {"text": SHEET.format("100 fF"), "name": "board", "overrides": "{}"}
    refused(lambda: rebuild({"datasheet": sheet, "process": text}, where="run.h5"), "run.h5")
    refused(lambda: rebuild({"datasheet": sheet | {"overrides": text}}, where="run.h5"), "run.h5")


def test_only_regular_files_are_opened(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    readers = {
        "": [load_score, load_spec],
        ".toml": [load_datasheet],
        ".cir": [read_netlist],
        ".npy": [lambda p: target_from_dict({"kind": "array", "path": str(p)})],
        ".npz": [lambda p: target_from_dict({"kind": "array", "path": str(p)})],
        ".h5": [lambda p: target_from_dict({"kind": "array", "path": str(p)})],
    }
    for suffix, calls in readers.items():
        for name, place in {"zero": "/dev/zero", "pipe": pipe, "folder": tmp_path}.items():
            link = tmp_path / f"{name}{suffix}.link{suffix}"
            link.symlink_to(place)
            for call in calls:
                refused(lambda call=call, link=link: call(link), "not a regular file")
    refused(lambda: load_datasheet("a\0b.toml"), "a\\x00b")


def test_a_file_may_not_be_larger_than_its_kind(tmp_path):
    for call, name, most in (
        (load_spec, "a.toml", intake.MOST_SPEC),
        (load_datasheet, "b.toml", intake.MOST_SHEET),
        (read_netlist, "c.cir", intake.MOST_NETLIST),
        (load_score, "d.safetensors", intake.MOST_WEIGHTS),
    ):
        with open(tmp_path / name, "wb") as file:
            file.truncate(most + 1)  # sparse: takes no disk
        refused(lambda call=call, name=name: call(tmp_path / name), "at most")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "table",
    [
        {"kind": "mnist"},
        {"kind": "mnist", "path": "/etc"},
        {"kind": "cifar10"},
        {"kind": "digits"},
        {"kind": "array", "path": "/etc/passwd"},
        {"kind": "joint", "base": {"kind": "mnist"}, "positions": [0], "momentum": [[1.0]]},
        {"kind": "joint", "base": {"kind": "joint", "base": {"kind": "mnist"}}},
    ],
)
def test_a_stored_target_opens_no_file_and_no_network(table):
    rows = {"rows": np.zeros((30, 2)), "split": np.full(30, 7)}
    for arrays in (None, {}, {"rows": np.zeros((30, 2))}, rows, {"rows": "x", "split": "y"}):
        refused(lambda arrays=arrays: stored_target(table, arrays), "target")
    sheet = {"text": SHEET.format("100 fF"), "name": "board", "overrides": "{}"}
    tree = {
        "datasheet": sheet,
        "process": json.dumps(VP().to_dict()),
        "target": {"definition": json.dumps(table)},
        "score": {"kind": "exact", "scale": 1.0},
        "protocol": "{}",
    }
    refused(lambda: rebuild(tree, where="run.h5"), "run.h5")


def test_a_stored_datasheet_is_text_and_no_name(tmp_path):
    (tmp_path / "rc1.toml").write_text(SHEET.format("100 fF"))
    for text in ("rc1", str(tmp_path / "rc1.toml"), "/dev/zero"):
        refused(lambda text=text: read_datasheet(text, "board"), "TOML")


def packed(shape, dtype="<f8"):
    """A numpy file that declares much and holds little."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    head = text.encode().ljust(118 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head


@pytest.mark.parametrize("shape", [(10**12, 8), (2**62, 2**62), (-1, 4)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_declare_more_than_there_is(shape, suffix, tmp_path):
    file = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        file.write_bytes(packed(shape))
    else:
        with zipfile.ZipFile(file, "w") as bundle:
            bundle.writestr("x.npy", packed(shape))
    refused(lambda: target_from_dict({"kind": "array", "path": str(file)}), "x.np")


def test_an_npz_that_unpacks_to_gigabytes(tmp_path):
    file = tmp_path / "x.npz"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("x.npy", packed((2**20, 2**10)) + bytes(2**20))
    refused(lambda: target_from_dict({"kind": "array", "path": str(file)}), "8 GiB")


def test_tables_of_text_that_fill_the_memory(tmp_path):
    """A number takes two characters and eight bytes; a line is held twice while it is read."""
    file = tmp_path / "x.csv"
    table = {"kind": "array", "path": str(file)}
    with file.open("wb") as made:
        made.truncate(3 * 2**29)
    refused(lambda: target_from_dict(table), "6 GiB")
    file.write_text("1," * 2**20 + "1\n")
    refused(lambda: target_from_dict(table), "a line of")
    file.write_text("1,2\n" * 30 + "1," * 2**20 + "1\n")
    refused(lambda: target_from_dict(table), "a line of")
    file.write_text("\n" * 2**21)
    refused(lambda: target_from_dict(table), "it is empty")


def test_a_cell_of_a_study_that_unpacks_to_gigabytes(tmp_path, monkeypatch):
    """Weighed by what its list of contents says, before anything of it is unpacked."""
    path = tmp_path / "cell.npz"
    write_cell(path, Finished({"n": 1}, {"v": np.zeros(2**16)}, 1.0, 1.0))
    assert read_cell(path) is not None
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("more.npy", packed((2**20, 2**10)))
        bundle.infolist()[-1].file_size = 2**33
    opened = []
    monkeypatch.setattr(np, "load", lambda *_, **__: opened.append(1))
    assert read_cell(path) is None and not opened


def test_no_pickle_is_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    np.save(tmp_path / "x.npy", np.array([Evil()] * 30, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.array([Evil()] * 30, dtype=object))
    for name in ("x.npy", "x.npz"):
        table = {"kind": "array", "path": str(tmp_path / name)}
        refused(lambda table=table: target_from_dict(table), "pickle")
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        (tmp_path / name).write_bytes(pickle.dumps(Evil()))
    refused(lambda: target_from_dict({"kind": "cifar10", "path": str(tmp_path)}), "asks for")
    torch.save(Evil(), tmp_path / "x.pt")
    refused(lambda: load_score(tmp_path / "x.pt"), "safetensors")
    assert not (tmp_path / "owned").exists()


def test_streams_that_unpack_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr("thermohw.target.archive._MOST", 2**24)
    bomb = gzip.compress(bytes(2**26))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(bomb)
    refused(lambda: target_from_dict({"kind": "mnist", "path": str(tmp_path)}), "at most 16 MiB")
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        member = tarfile.TarInfo("data_batch_1.bin")
        member.size = 2**26
        tar.addfile(member, io.BytesIO(bytes(2**26)))
    (tmp_path / "c.tar.gz").write_bytes(whole.getvalue())
    table = {"kind": "cifar10", "path": str(tmp_path / "c.tar.gz")}
    refused(lambda: target_from_dict(table), "at most 16 MiB")


def test_an_hdf5_array_from_elsewhere(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(800))
    file = tmp_path / "x.h5"
    with h5py.File(file, "w") as made:
        made.create_dataset("a", (100,), "f8", external=[(str(tmp_path / "secret"), 0, 800)])
        layout = h5py.VirtualLayout((100,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "y.h5"), "x", (100,))
        made.create_virtual_dataset("b", layout)
        made.create_dataset("c", (2**40, 8), "f8", chunks=(1024, 8))
        made["d"] = h5py.ExternalLink("/etc/passwd", "x")
    for key, words in (("a", "other files"), ("b", "other files"), ("c", "GiB"), ("d", "name one")):
        table = {"kind": "array", "path": f"{file}:/{key}"}
        refused(lambda table=table, words=words: target_from_dict(table), words)


SPEC = """format = "thermohw-run/1"
[device]
name = "rc1"
[target]
kind = "gaussian"
[process]
kind = "vp"
[protocol]
wiring = "emf"
control = "clocked"
ticks = 64
"""


@pytest.mark.parametrize(
    "entry",
    [
        'protocol.clock="1e300 Hz"',
        'protocol.run_time="nan s"',
        "process.t_min=nan",
        "target.mean=[nan]",
        "target.mean=[0.0, 1.0, 2.0]",
        'target={kind="uniform_pixels", side=1000000000}',
        'target={kind="gaussian_pixels", side=1000000000}',
        'score={kind="network", architecture={width=1000000000}}',
        'score={kind="network", architecture={depth=100000000}}',
        'score={kind="network", architecture={bumps=100000000}}',
        'score={kind="file", path="/dev/zero"}',
        "score.scale=nan",
        "process.duration=inf",
    ],
)
def test_specs_that_ask_for_too_much(entry):
    build_setting(read_spec(SPEC), progress=False)
    refused(lambda: build_setting(read_spec(SPEC, [entry]), progress=False))


@pytest.mark.parametrize(
    "entry",
    [
        "protocol.ticks=1000000000000",
        "protocol.ticks=-5",
        "simulate.paths=1000000000000",
    ],
)
def test_runs_that_would_need_too_much(entry, tmp_path):
    out = tmp_path / "run.h5"
    refused(lambda: run_spec(read_spec(SPEC, [entry]), out))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"kind": "relaxation", "A": [[1.0]] * 300_000}, "square"),
        ({"kind": "relaxation", "A": np.eye(2100, dtype=int).tolist()}, "at most 2048"),
        ({"kind": "relaxation", "A": [[10**400]]}, "numbers"),
        ({"kind": "relaxation", "A": "x"}, "numbers"),
        ({"kind": "relaxation", "A": [[[[1.0]]]]}, "square"),
        ({"kind": "relaxation", "A": [[1.0], [1.0, 2.0]]}, "numbers"),
        ({"kind": "relaxation", "A": {"x": 1}}, "numbers"),
        ({"kind": "langevin", "A": [[1.0]], "positions": [10**9]}, "positions"),
        ({"kind": "langevin", "A": [[1.0]], "positions": [0.5, float("nan")]}, "finite"),
    ],
)
def test_processes_of_giant_tables(table, word):
    given = {**table, "B2": np.eye(min(len(table["A"]), 2100)).tolist(), "duration": 3.0}
    refused(lambda: process_from_dict(given), word)


@pytest.mark.parametrize(
    ("process", "word"),
    [
        ('{kind="ou", duration=1e12}', "more or less than numbers"),
        ('{kind="ou", duration=800.0}', "more or less than numbers"),
        ('{kind="ou", duration=1e-300}', "too short for doubles"),
        ('{kind="vp", duration=1e12}', "always runs over model time 0 to 1"),
        ('{kind="vp", beta_max=1e12}', "more or less than numbers"),
        ('{kind="vp", beta_max=1e300}', "more or less than numbers"),
        ('{kind="ve", sigma=1e300}', "more or less than numbers"),
    ],
)
def test_processes_that_last_too_long(process, word, tmp_path):
    out = tmp_path / "run.h5"
    refused(lambda: run_spec(read_spec(SPEC, [f"process={process}"]), out, progress=False), word)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("process", ['{kind="ou", duration=300.0}', '{kind="vp", beta_max=600.0}'])
def test_processes_that_just_do_not_last_too_long(process, tmp_path):
    entries = [f"process={process}", "simulate.paths=32", "likelihood.test=0"]
    run_spec(read_spec(SPEC, entries), tmp_path / "run.h5", progress=False)
    assert audit(tmp_path / "run.h5").holds


@pytest.mark.parametrize("shape", ["[1000000000]", "[1000, 1000, 1000]", "[-3]", "[0]"])
def test_arrays_of_too_many_cells(shape):
    text = SHEET.format("100 fF") + f'[array]\nshape = {shape}\ncell = ["n0"]\n'
    refused(lambda: read_datasheet(text, "board"), "array.shape")


def test_a_circuit_whose_matrices_do_not_fit():
    from thermohw.circuit import build_device

    text = SHEET.format("100 fF") + '[array]\nshape = [30000]\ncell = ["n0"]\n'
    sheet = read_datasheet(text, "board")
    refused(lambda: build_device(sheet), "would need", "at most 2 GiB")


@pytest.mark.parametrize("key", ["width", "depth", "bumps"])
def test_weights_that_describe_a_giant(key):
    trunk = {"width": 4, "bumps": 4, "dropout": 0.0} | {key: 10**9}
    description = {
        "format": "thermohw-score/1",
        "process": VP().to_dict(),
        "architecture": {"head": "gaussian", "numbers": {"narrowest": 1.0}, "trunk": trunk},
        "record": {},
    }
    tensors = {
        "preconditioner.mean": torch.zeros(1, dtype=torch.float64),
        "preconditioner.covariance": torch.eye(1, dtype=torch.float64),
    }
    data = safetensors.torch.save(tensors, {"thermohw-score": json.dumps(description)})
    refused(lambda: score_from_bytes(data), key)
    refused(lambda: score_from_bytes(struct.pack("<Q", 2**40) + data), "header")
