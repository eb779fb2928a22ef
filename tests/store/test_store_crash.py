"""Killed at any moment, a run goes on where it was and ends bit by bit the same."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from store.toy import SPEC, hdf5, produce, toy_layout, toy_parameters, unsealed

from thermohw.errors import StoreError
from thermohw.store import Layout, RunReader, RunWriter, content_hash, verify
from thermohw.store.container import expected

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).with_name("toy.py")


def contents(path: Path) -> dict[str, bytes]:
    with RunReader.open(path) as run, hdf5(path) as file:
        return {place: np.asarray(file[place][()]).tobytes() for place, *_ in expected(run.layout)}


def start(verb: str, path: Path, how: str = "at once") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(TOY), verb, str(path), how],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize(("how", "most"), [("at once", 8), ("later", 6)])
def test_sigkill_at_random_moments(tmp_path, how, most):
    """A real process, killed again and again at moments between and inside its writes, which it or
    its thread does.
    """
    whole = tmp_path / "whole.h5"
    assert start("run", whole).wait() == 0
    reference = contents(whole)
    with RunReader.open(whole) as run:
        volts = run.series("voltage").read()

    chance, kills, files = random.Random(0), 0, 0
    while kills < most:
        torn, verb, before = tmp_path / f"torn_{files}.h5", "run", 0
        files += 1
        assert files < 20, f"only {kills} kills"
        while True:
            process = start(verb, torn, how)
            assert process.stdout is not None
            for _ in range(chance.randrange(1, 80)):
                process.stdout.readline()
            time.sleep(chance.random() * 2e-3)
            process.kill()
            process.stdout.close()
            if process.wait() == 0:
                break
            if not torn.exists():  # killed while the file was being made
                continue
            verb, kills = "resume", kills + 1
            with RunReader.open(torn, partial=True) as run:
                if run.finished:  # killed between finishing and leaving
                    break
                assert run.committed >= before, "nothing committed is ever lost"
                before = run.committed
                assert np.array_equal(run.series("voltage").read(), volts[:, : run.paths])
            assert [f.where for f in verify(torn)] == ["/run/committed"]
        assert contents(torn) == reference
        assert verify(torn) == []


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    path = tmp_path_factory.mktemp("crash") / "whole.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        produce(run)
    return contents(path)


def test_every_moment_of_a_run_can_be_resumed(tmp_path, monkeypatch, reference):
    """The file as the kernel holds it around every write and flush is what a kill would leave."""
    path, moments = tmp_path / "run.h5", []

    def snapshot(what: str = "") -> None:
        moments.append(shutil.copy(path, tmp_path / f"moment_{len(moments)}.h5"))

    flush = h5py.File.flush

    def watched(file: h5py.File) -> None:
        snapshot()
        flush(file)
        snapshot()

    with RunWriter.create(path, toy_layout(), toy_parameters()) as run:
        monkeypatch.setattr(h5py.File, "flush", watched)
        produce(run, after=snapshot)
    monkeypatch.undo()

    counts = []
    for moment in moments:
        with RunReader.open(moment, partial=True) as run:
            counts.append((run.finished, run.committed))
        if not counts[-1][0]:
            with RunWriter.resume(moment, content_hash(SPEC)) as run:
                produce(run)
        assert contents(Path(moment)) == reference
        os.unlink(moment)
    assert counts == sorted(counts) and {c for _, c in counts} == set(range(10))


@pytest.mark.parametrize("commits", [0, 1, 4, 8])
def test_an_unfinished_file_of_format_1_0_is_resumed_as_one(tmp_path, reference, commits):
    """What was begun by a version without checksums ends without them, and bit by bit the same."""
    path, done = tmp_path / "run.h5", 0

    class Stop(Exception):
        pass

    def after(what: str) -> None:
        nonlocal done
        done += what == "commit"
        if done == commits:
            raise Stop

    with RunWriter.create(path, toy_layout(), toy_parameters()) as run, suppress(Stop):
        if commits:
            produce(run, after=after)
    with hdf5(unsealed(path), "r+") as file:
        del file["provenance"].attrs["manifest"]
    with RunReader.open(path, partial=True) as run:
        assert not run.has_checksums and run.committed == commits
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        produce(run)
    with RunReader.open(path) as run, hdf5(path) as file:
        assert run.finished and not run.has_checksums and "checksums" not in file
        assert list(file["h5md/modules/thermohw"].attrs["version"]) == [1, 0]
    assert contents(path) == reference and verify(path) == []


def test_a_slot_torn_in_the_middle_leaves_the_other(tmp_path, reference):
    """The write under way goes to the slot that the committed counter does not point to."""
    path = tmp_path / "run.h5"

    class Stop(Exception):
        pass

    def after(what: str) -> None:
        nonlocal commits
        commits += what == "commit"
        if commits == 5:
            raise Stop

    commits = 0
    with RunWriter.create(path, toy_layout(), toy_parameters()) as run, pytest.raises(Stop):
        produce(run, after=after)
    with hdf5(path, "r+") as file:
        file["run/slot_0"][:40] = 255  # commit 6 was being written here
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        produce(run)
    assert contents(path) == reference


def test_resume_refuses_what_it_must_not_continue(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()):
        pass
    with pytest.raises(StoreError, match="another spec"):
        RunWriter.resume(path, content_hash("other"))
    with RunWriter.resume(path, content_hash(SPEC)) as run:
        assert run.state() == {} and run.committed == 0
        produce(run)
    with pytest.raises(StoreError, match="complete"):
        RunWriter.resume(path, content_hash(SPEC))


def test_resume_refuses_a_damaged_state(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, Layout(paths=20, state_size=256), toy_parameters()) as run:
        run.commit({"x": np.arange(3.0)})
    with hdf5(path, "r+") as file:
        file["run/slot_1"][60] += 1
    with pytest.raises(StoreError, match="state is damaged"):
        RunWriter.resume(path, content_hash(SPEC))


def test_resume_elsewhere_warns(tmp_path):
    path = tmp_path / "run.h5"
    with RunWriter.create(path, toy_layout(), toy_parameters()):
        pass
    with hdf5(unsealed(path), "r+") as file:
        file["provenance/torch"][()] = "1.0"
    with pytest.warns(UserWarning, match=r"not bit-identical \(torch 1.0 -> "):
        RunWriter.resume(path, content_hash(SPEC)).close()
