"""Bytes that no run changes: what may be believed of a file because of them, and what may not."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from store.toy import SPEC, hdf5, produce, toy_layout, toy_parameters

from thermohw.errors import StoreError
from thermohw.store import RunReader, RunWriter, checksums, content_hash, opening, skeleton, verify
from thermohw.store.manifest import manifest
from thermohw.store.skeleton import SKELETON, filled, holes, measured, places


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return path


@pytest.fixture
def gate(monkeypatch):
    """Names of the files that pass the gate from now on."""
    passed = []
    whole = opening.require_trusted
    monkeypatch.setattr(
        opening, "require_trusted", lambda file: passed.append(file.filename) or whole(file)
    )
    return passed


@pytest.fixture
def counted(monkeypatch):
    """How often a manifest is computed from now on."""
    times = []
    monkeypatch.setattr(
        checksums, "manifest", lambda *given, **more: times.append(1) or manifest(*given, **more)
    )
    return times


def test_the_manifest_of_a_draft_is_that_of_its_file(path):
    with hdf5(path) as file:
        assert file["checksums/manifest"][()].decode() == manifest(file, filled(toy_layout()))
        assert file["provenance"].attrs["manifest"] == manifest(file, groups=checksums.ORIGIN)


def test_the_skeleton_is_every_byte_but_those_of_the_run(path):
    raw = bytearray(path.read_bytes())
    with hdf5(path) as file:
        around = holes(file, places(toy_layout()))
        assert around is not None
        stored = file[SKELETON][()].tobytes()
        first = measured(file.id.get_vfd_handle(), around)
        assert first.digest == stored
    inside = np.zeros(len(raw), bool)
    for start, stop in around:
        inside[start:stop] = True
    chance, other = np.random.default_rng(0), path.with_name("other.h5")
    for within in (True, False):
        for place in chance.choice(np.flatnonzero(inside == within), 40):
            if place == 20:  # "open for writing"
                continue
            raw[place] ^= 4
            other.write_bytes(raw)
            raw[place] ^= 4
            with other.open("rb") as file:
                assert (measured(file.fileno(), around) == first) is within


def test_what_this_process_made_passes_by_its_bytes(path, gate, counted):
    RunReader.open(path).close()
    copy = path.with_name("copy.h5")
    shutil.copy(path, copy)
    RunReader.open(copy).close()
    assert gate == [] and counted == []
    raw = bytearray(path.read_bytes())
    raw[raw.find(b"REFERENCE_LIST") + 2] ^= 1
    copy.write_bytes(raw)
    with pytest.raises(StoreError):
        verify(copy)
    assert gate == [str(copy)]


def test_a_file_made_elsewhere_passes_the_gate_once(path, gate, counted):
    skeleton._known.clear()
    RunReader.open(path).close()
    RunReader.open(path).close()
    assert gate == [str(path)] and counted == []
    # The same bytes, but another file; and the same file, written to.
    copy = path.with_name("copy.h5")
    shutil.copy(path, copy)
    RunReader.open(copy).close()
    path.write_bytes(copy.read_bytes())
    RunReader.open(path).close()
    assert gate == [str(path), str(copy), str(path)]


@pytest.mark.parametrize("what", ["lost", "other numbers", "other type"])
def test_without_its_checksum_the_manifest_decides(path, gate, counted, what):
    with hdf5(path, "r+") as file:
        if what == "other numbers":
            file[SKELETON][...] = 7
        else:
            del file[SKELETON]
        if what == "other type":
            file[SKELETON] = "a text"
    skeleton._known.clear()
    RunReader.open(path).close()
    assert gate == [str(path)] and len(counted) == 2
    assert verify(path) == []
    with hdf5(path, "r+") as file:
        file["parameters/target/scale"][()] = 3.0
    with pytest.raises(StoreError, match="/parameters/target/scale differs from"):
        RunReader.open(path)


def test_verify_computes_the_manifest_anew(path, counted):
    assert verify(path) == []
    assert len(counted) == 2


def test_a_resumed_file_keeps_its_skeleton(tmp_path, gate):
    path = tmp_path / "run.h5"
    RunWriter.create(path, toy_layout(), toy_parameters()).close()
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        produce(run)
    RunReader.open(path).close()
    assert gate == []
    with hdf5(path) as file:
        around = holes(file, places(toy_layout()))
        assert around is not None
        found = measured(file.id.get_vfd_handle(), around)
        assert found.digest == file[SKELETON][()].tobytes()


def test_only_so_many_files_are_known(path, monkeypatch):
    monkeypatch.setattr(skeleton, "_MOST", 3)
    for number in range(5):
        copy = path.with_name(f"{number}.h5")
        shutil.copy(path, copy)
        skeleton._known.clear() if number == 0 else None
        RunReader.open(copy).close()
    assert len(skeleton._known) == 3
