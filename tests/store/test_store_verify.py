"""verify finds every kind of damage, and nothing in a good file."""

from __future__ import annotations

import json
import shutil
from typing import Any

import h5py
import numpy as np
import pytest
from pace import pieces
from store.toy import hdf5, produce, toy_layout, toy_parameters, unsealed

from thermohw.errors import StoreError
from thermohw.store import RunWriter, content_hash, verify


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("verify") / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return path


@pytest.fixture
def victim(good, tmp_path):
    return shutil.copy(good, tmp_path / "victim.h5")


def test_a_good_file_has_no_findings(good):
    assert verify(good) == []


def put(place, where, value):
    def damage(file: Any) -> None:
        file[place][where] = value

    return damage


def attribute(place, name, value):
    def damage(file: Any) -> None:
        file[place].attrs[name] = value

    return damage


def remove(place):
    def damage(file: Any) -> None:
        del file[place]

    return damage


def retype(place, dtype):
    def damage(file: Any) -> None:
        values = file[place][()].astype(dtype)
        attributes = dict(file[place].attrs)
        del file[place]
        file[place] = values
        for name in ("unit", "units"):
            file[place].attrs[name] = attributes[name]

    return damage


DAMAGES = pytest.mark.parametrize(
    ("damage", "where", "problem"),
    [
        (put("parameters/spec", (), "x = 1"), "/parameters/spec", "sha256"),
        (put("parameters/weights", 3, 99), "/parameters/weights", "sha256"),
        (put("parameters/target/means", (0, 0), 0.0), "/parameters/target/means", "sha256"),
        (put("provenance/torch", (), "9.9"), "/provenance/torch", "sha256"),
        (attribute("h5md", "version", [2, 0]), "/h5md", "not H5MD 1.1"),
        (remove("parameters/spec"), "/parameters/spec", "missing"),
        (remove("ledger/heat"), "/ledger/heat", "missing"),
        (remove("results/count"), "/results/count", "missing"),
        (retype("ledger/heat", "f4"), "/ledger/heat", "layout"),
        (attribute("ledger/heat", "units", "kJ"), "/ledger/heat", "unit"),
        (put("observables/power/step", 3, 5), "/observables/power/step", "differs"),
        (put("run/committed", (), 5), "/run/committed", "5 of 9"),
        (put("run/committed", (), 500), "/run/committed", "500 of 9"),
        (put("run/written", 1, 0), "/results/profile", "never written"),
        (put("ledger/heat", 17, np.nan), "/ledger/heat", r"1 values.*\(path\) \[17\]"),
        (
            put("observables/voltage/value", (9, 19, 1), np.inf),
            "/observables/voltage/value",
            r"\[9, 19\]",
        ),
        (put("results/profile", (2, 1), np.nan), "/results/profile", r"\[2, 1\]"),
    ],
)


@DAMAGES
def test_a_checksum_refuses_every_damage_and_names_it(victim, damage, where, problem):
    with hdf5(victim, "r+") as file:
        damage(file)
    with pytest.raises(StoreError, match="/run/written" if "never" in problem else where):
        verify(victim)


@DAMAGES
def test_without_checksums_every_damage_is_found_and_named(victim, damage, where, problem):
    unsealed(victim)
    with hdf5(victim, "r+") as file:
        damage(file)
    findings = verify(victim)
    assert [f.where for f in findings] == [where], findings
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(findings[0].problem)


@pytest.mark.parametrize(
    ("place", "where", "name"),
    [
        ("ledger/heat", 9, "path group 1 of /ledger/heat"),
        ("ledger/end", (17, 2), "path group 2 of /ledger/end"),
        ("observables/voltage/value", (5, 9, 1), "unit 4 of /observables/voltage/value"),
        ("results/profile", (2, 1), "/results/profile"),
        ("parameters/target/scale", (), "/parameters/target/scale"),
        ("parameters/deep/exact", (), "/parameters/deep/exact"),
        ("node", 0, "/node"),
    ],
)
def test_a_number_that_is_wrong_but_plausible_is_named_with_its_unit(victim, place, where, name):
    with hdf5(victim, "r+") as file:
        old = file[place][where]
        file[place][where] = b"x" if place == "node" else ~old if old.dtype == bool else old * 0.5
    with pytest.raises(StoreError, match=f"{name} differs"):
        verify(victim)


def test_a_file_of_format_1_1_without_checksums_is_refused(victim):
    with hdf5(victim, "r+") as file:
        file.move("checksums", "elsewhere")
    with pytest.raises(StoreError, match="lacks checksums"):
        verify(victim)
    with hdf5(victim, "r+") as file:
        file.move("elsewhere", "checksums")
        file["h5md/modules/thermohw"].attrs["version"] = [1, 0]
    with pytest.raises(StoreError, match="carries checksums"):
        verify(victim)


def test_counters_are_not_believed_alone(unfinished):
    for place, value in (("committed", 5), ("committed", 2), ("finished", 1), ("finished", 4)):
        with hdf5(unfinished, "r+") as file:
            old = file[f"run/{place}"][()]
            file[f"run/{place}"][()] = value
        with pytest.raises(StoreError, match=f"/run/{place} is {value}"):
            verify(unfinished)
        with hdf5(unfinished, "r+") as file:
            file[f"run/{place}"][()] = old
    with hdf5(unfinished, "r+") as file:
        file["run/committed"][()] = 3  # as after a kill between the record and the counter
    assert "4 of 9" in str(verify(unfinished)[0])


def test_a_changed_layout_is_refused(victim):
    with hdf5(victim, "r+") as file:
        text = file["run/layout"][()].decode()
        file["run/layout"][()] = text.replace('"paths": 20', '"paths": 19')
    with pytest.raises(StoreError, match="layout differs"):
        verify(victim)


def test_units_that_only_the_layout_has_cost_nothing(victim):
    """Three million of them, all committed, in a file of some kB."""
    with hdf5(unsealed(victim), "r+") as file:
        text = json.dumps(json.loads(file["run/layout"][()]) | {"paths": 10**6, "group": 1})
        file["run/layout"][()] = text
        file["run/layout"].attrs["sha256"] = content_hash(text)
        file["run/committed"][()] = 3 * 10**6
    found = []
    assert pieces(lambda: found.extend(verify(victim))) < 10.0
    assert any("the layout says float64 (1000000,)" in str(one) for one in found)


class Stop(Exception):
    pass


@pytest.fixture
def unfinished(tmp_path):
    count = 0

    def after(what: str) -> None:
        nonlocal count
        count += what == "commit"
        if count == 4:
            raise Stop

    path = tmp_path / "unfinished.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run, pytest.raises(Stop):
        produce(run, after=after)
    return path


def test_an_unfinished_run_says_how_far_it_got(unfinished):
    findings = verify(unfinished)
    assert [str(f) for f in findings] == [
        "/run/committed: unfinished, 4 of 9 units: complete it with --resume"
    ]


def test_only_committed_values_count(unfinished):
    with hdf5(unfinished, "r+") as file:
        file["observables/power/value"][5, 9] = np.nan  # group 1, block 1: not committed
        assert isinstance(file["run/slot_1"], h5py.Dataset)
        file["run/slot_1"][60] ^= 1  # the older slot
    assert len(verify(unfinished)) == 1
    with hdf5(unsealed(unfinished), "r+") as file:
        file["observables/power/value"][3, 9] = np.nan  # group 1, block 0: committed
    assert "[3, 9]" in verify(unfinished)[1].problem


def test_a_damaged_resume_state_is_found(unfinished):
    with hdf5(unfinished, "r+") as file:
        file["run/slot_0"][60] += 1
    assert [f.where for f in verify(unfinished)] == ["/run/committed", "/run/slot_0"]
