"""Reading: clipped to what is committed, piece by piece, refused with a reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from store.toy import SPEC, hdf5, produce, toy_layout, toy_parameters, unsealed

from thermohw.errors import StoreError
from thermohw.store import RunReader, RunWriter, content_hash, verify
from thermohw.store.checksums import filled
from thermohw.store.manifest import manifest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return path


class Stop(Exception):
    pass


def interrupted(path: Path, commits: int) -> Path:
    """A run stopped inside the unit after `commits` units."""
    left = commits

    def after(what: str) -> None:
        nonlocal left
        if what == "voltage" and left == 0:
            raise Stop
        left -= what == "commit"

    with RunWriter.create(path, toy_layout(), toy_parameters()) as run, pytest.raises(Stop):
        produce(run, after=after)
    return path


def test_a_complete_run(path):
    layout = toy_layout()
    with RunReader.open(path) as run:
        assert run.finished and run.committed == layout.units and run.paths == 20
        assert run.layout == layout
        assert run.spec_hash == content_hash(SPEC) and run.parameters["spec"] == SPEC
        assert run.provenance["h5py"] == h5py.__version__
        assert run.series_names == ("voltage", "power") and run.ledger_names == ("heat", "end")
        assert set(run.result_names) == {"tick", "profile", "count"}
        voltage = run.series("voltage")
        assert voltage.shape == (11, 20, 3) and voltage.unit == "V"
        assert voltage.step.tolist() == list(layout.steps)
        assert voltage.time.tolist() == list(layout.times)
        whole = voltage.read()
        assert whole.dtype == np.float32
        assert np.array_equal(voltage.read(-1, slice(5, 9)), whole[-1, 5:9])
        assert np.array_equal(voltage.read(paths=-1), whole[:, -1])
        again = np.full_like(whole, np.nan)
        for unit, values in voltage.units():
            again[unit.frames, unit.paths] = values
        assert np.array_equal(again, whole)
        # The toy's last saved frame is its end state, its heat the sum of squared kicks.
        assert np.array_equal(run.ledger("end").astype("f4"), whole[-1])
        assert np.array_equal(
            np.concatenate([run.ledger("heat", g) for g in run.groups]), run.ledger("heat")
        )
        assert run.result("count") == layout.groups * 11 * 8 * 3
        assert run.unit("ledger/heat") == "J" and run.unit("results/profile") == "J s-1"
        assert run.attributes("observables/voltage/value") == {
            "units": "V",
            "long_name": "node voltages",
        }


def test_tree_lists_every_dataset(path):
    with RunReader.open(path) as run:
        entries = {e.name: e for e in run.tree()}
    voltage = entries["/observables/voltage/value"]
    assert voltage.shape == (11, 20, 3) and voltage.unit == "V" and voltage.dtype == "float32"
    assert voltage.chunks == (4, 8, 3) and voltage.nbytes == 9 * 4 * 8 * 3 * 4
    spec = entries["/parameters/spec"]
    assert (spec.dtype, spec.nbytes) == ("text", len(SPEC.encode()))
    assert "/path" not in entries


@pytest.mark.parametrize(("commits", "paths"), [(0, 0), (2, 0), (3, 8), (5, 8), (8, 16)])
def test_an_unfinished_run_is_clipped_to_whole_groups(tmp_path, path, commits, paths):
    torn = interrupted(tmp_path / "torn.h5", commits)
    with pytest.raises(StoreError, match=f"{commits} of 9 units.*--resume"):
        RunReader.open(torn)
    with RunReader.open(torn, partial=True) as run, RunReader.open(path) as whole:
        assert (run.finished, run.committed, run.paths) == (False, commits, paths)
        series = run.series("voltage")
        assert series.shape == (11, paths, 3)
        assert np.array_equal(series.read(), whole.series("voltage").read()[:, :paths])
        assert np.array_equal(series.read(paths=slice(-4, None)), series.read()[:, -4:])
        assert sum(v.size for _, v in series.units()) == 11 * paths * 3
        assert np.array_equal(run.ledger("heat"), whole.ledger("heat")[:paths])
        assert run.result_names == ()
        with pytest.raises(IndexError):
            series.read(paths=paths)


def test_what_is_no_run_file(tmp_path, path):
    def refuse(file: Path, match: str) -> None:
        for action in (RunReader.open, verify, lambda p: RunWriter.resume(p, content_hash(SPEC))):
            with pytest.raises(StoreError, match=match) as caught:
                action(file)
            assert str(file) in str(caught.value) and "\n" not in str(caught.value)

    refuse(tmp_path / "absent.h5", "no such file")
    refuse(tmp_path, "not a regular file")
    (tmp_path / "text.h5").write_text("not HDF5")
    refuse(tmp_path / "text.h5", "not an HDF5 file")
    (tmp_path / "empty.h5").touch()
    refuse(tmp_path / "empty.h5", "not an HDF5 file")
    with hdf5(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    refuse(tmp_path / "foreign.h5", "not a thermohw run")
    with hdf5(shutil.copy(path, tmp_path / "newer.h5"), "r+") as file:
        file["h5md/modules/thermohw"].attrs["version"] = [3, 0]
    refuse(tmp_path / "newer.h5", "format 3.0.*upgrade")
    raw = path.read_bytes()
    for size in (len(raw) - 1, len(raw) // 2, 2000):
        (tmp_path / "cut.h5").write_bytes(raw[:size])
        refuse(tmp_path / "cut.h5", "truncated")


def test_a_file_compressed_afterwards_is_as_good(tmp_path, path):
    copy = shutil.copy(path, tmp_path / "small.h5")
    with hdf5(copy, "r+") as file:
        element = file["observables/power"]
        old = element["value"]
        new = element.create_dataset("new", data=old[()], chunks=old.chunks, compression="gzip")
        new.attrs.update({name: old.attrs[name] for name in ("unit", "units")})
        for axis, scale in enumerate((element["time"], file["path"])):
            new.dims[axis].attach_scale(scale)
        del element["value"]
        element.move("new", "value")
    assert verify(copy) == []
    with RunReader.open(copy) as run, RunReader.open(path) as whole:
        assert np.array_equal(run.series("power").read(), whole.series("power").read())


def retyped(place, change):
    def edit(file: Any) -> None:
        values, units = change(file[place][()]), dict(file[place].attrs)
        del file[place]
        file[place] = values
        file[place].attrs.update({n: units[n] for n in ("unit", "units") if n in units})

    return edit


def relaid(file: Any, **entries: Any) -> None:
    """Other entries of the layout, its sha256 brought up to date."""
    text = json.dumps(json.loads(file["run/layout"][()]) | entries)
    file["run/layout"][()] = text
    file["run/layout"].attrs["sha256"] = content_hash(text)


def crowded(file: Any) -> None:
    """A layout that lists more channels than a file may have objects."""
    layout = json.loads(file["run/layout"][()])
    relaid(file, ledger=[layout["ledger"][0] | {"name": f"x{n}"} for n in range(20_001)])


def endless(file: Any) -> None:
    """A layout of more frames than a run has ticks."""
    relaid(file, steps=list(range(1_000_002)), times=[0.0] * 1_000_002)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (retyped("ledger/heat", lambda old: old + 0j), "is complex128 (20,), the layout says"),
        (retyped("ledger/heat", lambda old: old.astype("S8")), "the layout says float64 (20,)"),
        (retyped("ledger/heat", lambda old: old.astype("f2")), "the layout says float64 (20,)"),
        (retyped("ledger/heat", lambda old: old[:, None]), "is float64 (20, 1), the layout says"),
        (retyped("results/profile", lambda old: old.T.copy()), "/results/profile is float64 (2, "),
        (
            retyped("observables/voltage/value", lambda old: old.T.copy()),
            "value is float32 (",
        ),
        (retyped("run/committed", lambda old: np.nan), "/run/committed is nan"),
        (retyped("run/committed", lambda old: -1), "/run/committed is -1"),
        (retyped("run/committed", lambda old: np.bytes_("9")), "/run/committed is np.bytes_(b'9')"),
        (retyped("run/committed", lambda old: np.array([9])), "/run/committed is [9]"),
        (retyped("run/committed", lambda old: 2**62), "counts 4611686018427387904 of 9 units"),
        (retyped("run/finished", lambda old: 7), "/run/finished is 7"),
        (retyped("run/written", lambda old: old * np.nan), "/run/written denies results"),
        (retyped("run/written", lambda old: old * 3), "/run/written denies results"),
        (crowded, "its layout lists 20006 channels"),
        (endless, "its layout lists 1000002 frames"),
    ],
)
def test_without_checksums_the_layout_still_counts(tmp_path, path, edit, words):
    """HDF5 would hand out any type as numbers, and counters that count nothing."""
    copy = unsealed(shutil.copy(path, tmp_path / "run.h5"))
    with hdf5(copy, "r+") as file:
        edit(file)
    with pytest.raises(StoreError) as caught, RunReader.open(copy) as run:
        for name in run.ledger_names:
            run.ledger(name)
        for name in run.result_names:
            run.result(name)
        for name in run.series_names:
            run.series(name).read()
    assert words in str(caught.value)


def test_a_newer_minor_version_is_read(tmp_path, path):
    """Whose manifest counts its version."""
    with hdf5(shutil.copy(path, tmp_path / "minor.h5"), "r+") as file:
        file["h5md/modules/thermohw"].attrs["version"] = [1, 9]
        file["more"], file["checksums/more"] = 1, 2
        text = manifest(file, filled(toy_layout()))
        file["checksums/manifest"][()] = text
        file["checksums/manifest"].attrs["sha256"] = content_hash(text)
    with RunReader.open(tmp_path / "minor.h5") as run:
        assert run.finished


def test_a_scribbled_file_raises_nothing_but_storeerror(tmp_path, path):
    """Random damage anywhere is found, survived, or refused with one line."""
    raw = path.read_bytes()
    generator = np.random.default_rng(0)
    victim = tmp_path / "scribbled.h5"
    for _ in range(60):
        damaged = bytearray(raw)
        start = int(generator.integers(len(raw) - 64))
        damaged[start : start + 64] = generator.bytes(64)
        victim.write_bytes(damaged)
        try:
            verify(victim)
        except StoreError as error:
            assert "\n" not in str(error)


def test_a_file_being_written_is_refused_by_others(tmp_path):
    path = tmp_path / "busy.h5"
    code = (
        "import sys; from thermohw.store import RunReader; from thermohw.errors import StoreError\n"
        "try: RunReader.open(sys.argv[1], partial=True)\n"
        "except StoreError as error: print(error)"
    )
    with RunWriter.create(path, toy_layout(), toy_parameters()):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert "in use by another process" in done.stdout, done
